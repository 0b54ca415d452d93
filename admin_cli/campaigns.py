"""`siaran campaign`: from a message and a list to messages on their way, and how far they are."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from admin_cli.desk import Desk, command, noun
from admin_cli.files import OnError
from admin_cli.lists import show_import

if TYPE_CHECKING:
    from engine.operations.campaigns import Shown
    from engine.operations.drafts import Cost, Created, Draft
    from engine.operations.responses import InForce

app = noun("Campaigns: one message to one list at one time.")


class Encoding(StrEnum):
    """How the text is carried."""

    AUTO = "auto"
    GSM = "gsm"
    UCS2 = "ucs2"


_Id = Annotated[int, typer.Argument(metavar="ID", min=1, help="the campaign's number")]
_Message = Annotated[
    str, typer.Option("--message", metavar="TEXT", help="%%1%% … %%6%% are the member's params")
]
_List = Annotated[str, typer.Option("--list", metavar="NAME", help="the list it goes to")]
_Now = Annotated[bool, typer.Option("--now", help="as soon as it is its turn")]
_At = Annotated[
    str | None,
    typer.Option("--at", metavar="TIME", help='"2026-12-01 09:10", on a slot of 10 minutes'),
]
_Timezone = Annotated[
    str | None,
    typer.Option("--timezone", metavar="TZ", help="of --at (default: the application's)"),
]
_Batch = Annotated[
    str | None, typer.Option("--batch", metavar="B", help="a reference of your own, searchable")
]
_Sender = Annotated[
    str | None, typer.Option("--sender", metavar="S", help="who it comes from (see sender ls)")
]
_Transliterate = Annotated[
    bool,
    typer.Option("--transliterate", help="typographic characters as plain ones, to stay in GSM"),
]
_Flash = Annotated[
    bool, typer.Option("--flash", help="it shows at once, and the phone doesn't keep it")
]
_Response = Annotated[
    str | None,
    typer.Option("--response", metavar="TEXT", help="what replies to the list are answered"),
]
_Encoding = Annotated[
    Encoding, typer.Option("--encoding", help="auto: GSM where it carries the text, else UCS-2")
]


@command(
    app,
    "quick",
    'siaran campaign quick customers.csv --list march --message "Hello %%1%%" --now',
    'siaran campaign quick c.csv --list april --message "Hi" --at "2026-12-01 09:10" --yes',
)
def quick(
    desk: Desk,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV: mobile, then up to 6 params")],
    list_name: _List,
    message: _Message,
    now: _Now = False,
    at: _At = None,
    timezone: _Timezone = None,
    batch: _Batch = None,
    email: Annotated[
        str | None, typer.Option("--email", metavar="E", help="where replies are forwarded to")
    ] = None,
    sender: _Sender = None,
    encoding: _Encoding = Encoding.AUTO,
    transliterate: _Transliterate = False,
    flash: _Flash = False,
    response: _Response = None,
    keep_opted_out: Annotated[
        bool, typer.Option("--keep-opted-out", help="as members that nothing is sent to")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="doubtful numbers are invalid, too")
    ] = False,
    on_error: Annotated[
        OnError, typer.Option("--on-error", help="an invalid row ends it all, or is left out")
    ] = OnError.ABORT,
    errors: Annotated[
        Path | None, typer.Option("--errors", metavar="FILE", help="CSV of all invalid rows")
    ] = None,
) -> None:
    """Import a file into a new list and send it a message: both, or nothing."""
    from admin_cli.progress import import_progress
    from engine.clock import utc_now
    from engine.operations import drafts
    from engine.operations.importing import BadRows, Upload

    draft = _draft(
        message, now, at, timezone, batch, sender, encoding, transliterate, flash, response
    )
    upload = Upload(
        list=list_name,
        file=file,
        create=True,
        batch=batch,
        email=email,
        keep_opted_out=keep_opted_out,
        strict=strict,
        skip_invalid=on_error is OnError.SKIP,
        errors=errors,
    )

    tell = _teller(desk)

    def attempt(confirmed: bool) -> Created:
        with desk.database() as database, import_progress() as progress:
            return drafts.quick(
                database,
                desk.actor(),
                upload,
                draft,
                now=utc_now(),
                confirmed=confirmed,
                progress=progress,
                tell=tell,
            )

    try:
        created = _agreed(desk, attempt)
    except BadRows as error:
        show_import(desk, error.report)
        raise
    if created.imported is not None and not desk.json:
        show_import(desk, created.imported)
    _announce(desk, created)


@command(
    app,
    "new",
    'siaran campaign new --list customers --message "Hello %%1%%" --now',
    'siaran campaign new --list customers --message "Kia ora" --at "2026-12-01 09:10" '
    "--timezone Pacific/Auckland",
)
def new(
    desk: Desk,
    list_name: _List,
    message: _Message,
    now: _Now = False,
    at: _At = None,
    timezone: _Timezone = None,
    batch: _Batch = None,
    sender: _Sender = None,
    encoding: _Encoding = Encoding.AUTO,
    transliterate: _Transliterate = False,
    flash: _Flash = False,
    response: _Response = None,
) -> None:
    """Send a message to an existing list, now or at a time."""
    from engine.clock import utc_now
    from engine.operations import drafts

    draft = _draft(
        message, now, at, timezone, batch, sender, encoding, transliterate, flash, response
    )

    tell = _teller(desk)

    def attempt(confirmed: bool) -> Created:
        with desk.database() as database:
            return drafts.new(
                database,
                desk.actor(),
                list_name,
                draft,
                now=utc_now(),
                confirmed=confirmed,
                tell=tell,
            )

    _announce(desk, _agreed(desk, attempt))


@command(
    app,
    "ls",
    "siaran campaign ls --status running",
    "siaran campaign ls --list customers --month 2026-11 --json",
)
def ls(
    desk: Desk,
    status: Annotated[
        str | None, typer.Option("--status", metavar="S", help="scheduled, running, completed, …")
    ] = None,
    list_name: Annotated[
        str | None, typer.Option("--list", metavar="NAME", help="those to this list")
    ] = None,
    content: Annotated[
        str | None, typer.Option("--content", metavar="TEXT", help="part of the message")
    ] = None,
    batch: Annotated[
        str | None, typer.Option("--batch", metavar="B", help="exactly this reference")
    ] = None,
    month: Annotated[
        str | None, typer.Option("--month", metavar="M", help="scheduled in 2026-11")
    ] = None,
    rows: Annotated[
        int, typer.Option("--rows", min=0, metavar="N", help="the newest N; 0: all")
    ] = 100,
) -> None:
    """List the campaigns, the newest first."""
    from engine.operations import campaigns

    found = desk.run(
        campaigns.ls,
        state=status,
        list_name=list_name,
        content=content,
        batch=batch,
        month=month,
        limit=rows or None,
    )
    columns = ("id", "state", "list", "batch", "scheduled_at", "recipients", "text")
    desk.rows(found, *columns, empty="no campaigns were found")
    desk.more(len(found), rows)


@command(app, "show", "siaran campaign show 12", "siaran campaign show 12 --json")
def show(desk: Desk, campaign_id: _Id) -> None:
    """Show a campaign, its counts, and why it is not sending."""
    from engine.clock import utc_now
    from engine.operations import campaigns

    shown = desk.run(campaigns.show, campaign_id, now=utc_now())
    desk.card(_record(shown, flat=not desk.json))


@command(app, "watch", "siaran campaign watch 12", "siaran campaign watch 12 | tee progress.txt")
def watch(desk: Desk, campaign_id: _Id) -> None:
    """Follow a campaign until it has ended: counts by state, rate, time to go, why it waits.

    With --json nothing is shown before the end, and then the last counts.
    """
    from admin_cli import watching
    from engine.clock import utc_now
    from engine.operations import campaigns

    actor = desk.actor()
    with desk.database() as database:
        last = watching.follow(
            lambda: database.run(campaigns.progress, actor, campaign_id),
            why=lambda: database.run(campaigns.show, actor, campaign_id, now=utc_now()).why,
            quiet=desk.json,
        )
    sentence = f"campaign {campaign_id} is {last.state}; see `siaran report campaign {campaign_id}`"
    desk.done(sentence, last)


@command(app, "cancel", "siaran campaign cancel 12", "siaran campaign cancel 12 --yes")
def cancel(desk: Desk, campaign_id: _Id) -> None:
    """Cancel a campaign that has not started, after a confirmation."""
    from engine.clock import utc_now
    from engine.operations import campaigns

    desk.confirm(f"Cancel campaign {campaign_id}?")
    cancelled = desk.run(campaigns.cancel, campaign_id, now=utc_now())
    desk.done(f"campaign {campaign_id} is cancelled", cancelled)


def _draft(
    message: str,
    now: bool,
    at: str | None,
    timezone: str | None,
    batch: str | None,
    sender: str | None,
    encoding: Encoding,
    transliterate: bool,
    flash: bool,
    response: str | None,
) -> Draft:
    from engine.operations.drafts import Draft

    if now == (at is not None):
        raise typer.BadParameter('say when: --now, or --at "2026-12-01 09:10"')
    if transliterate and encoding is Encoding.UCS2:
        raise typer.BadParameter("--transliterate stays in GSM, --encoding ucs2 leaves it")
    return Draft(
        message=message,
        at=at,
        timezone=timezone,
        batch=batch,
        sender=sender,
        encoding=encoding.value,
        transliterate=transliterate,
        flash=flash,
        response=response,
    )


def _agreed(desk: Desk, attempt: Callable[[bool], Created]) -> Created:
    """Try; where it costs more than a segment each, tell what, ask, and try again."""
    from engine.operations.drafts import Unconfirmed

    try:
        created = attempt(desk.yes)
    except Unconfirmed as unconfirmed:
        _tell(desk, unconfirmed.cost)
        desk.confirm(f"Send {unconfirmed.cost.segments:,} segments?")
        created = attempt(True)
    else:
        _tell(desk, created.cost)
    for notice in created.notices:
        desk.note(notice)
    return created


def _announce(desk: Desk, created: Created) -> None:
    from zoneinfo import ZoneInfo

    campaign, cost = created.campaign, created.cost
    at = campaign.scheduled_at.astimezone(ZoneInfo(campaign.timezone))
    desk.done(
        f'campaign {campaign.id} to {cost.recipients:,} members of list "{campaign.list}" '
        f"is due {at:%Y-%m-%d %H:%M} ({campaign.timezone}); follow it with `siaran campaign watch {campaign.id}`",
        created,
    )


def _tell(desk: Desk, cost: Cost) -> None:
    """The count of R-2.1, what it will cost (R-2.2), and whose params are missing (R-2.3)."""
    from engine.operations.drafts import notices

    for notice in notices(cost):
        desk.note(notice)


def _teller(desk: Desk) -> Callable[[tuple[InForce, ...]], None]:
    """Tells the responses in force before anything is saved (R-3.1), once for all attempts."""
    from engine.operations import responses

    told = False

    def tell(answers: tuple[InForce, ...]) -> None:
        nonlocal told
        if not told:
            told = True
            for line in responses.notices(answers):
                desk.note(line)

    return tell


def _record(shown: Shown, *, flat: bool) -> dict[str, Any]:
    """The campaign's own fields with its counts: below them for JSON, among them for a person."""
    import dataclasses

    counts = {state.value: n for state, n in shown.progress.counts.items()}
    record = dataclasses.asdict(shown.campaign) | {"planned": shown.planned, "why": shown.why}
    if flat:
        record |= {state: n for state, n in counts.items() if n}
        return record | ({"held": shown.held} if shown.held else {})
    return record | {"counts": counts, "held": shown.held}
