"""`siaran campaign`, what makes one or changes it: from a message to a campaign that is agreed to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol, TypeVar

import typer

from admin_cli.campaign_options import (
    At,
    Batch,
    Encoding,
    Message,
    NotAfter,
    Now,
    Rate,
    Reading,
    Sender,
    Template,
    Timezone,
    Wanted,
)
from admin_cli.desk import Desk, command, noun
from admin_cli.lists import show_import
from admin_cli.spread import spread

if TYPE_CHECKING:
    from engine.operations.campaigns import Campaign
    from engine.operations.creating import Created, Parts
    from engine.operations.drafts import Cost
    from engine.operations.responses import InForce

app = noun("Campaigns: one message to one list at one time.")

Id = Annotated[int, typer.Argument(metavar="ID", min=1, help="the campaign's number")]
ListName = Annotated[str, typer.Option("--list", metavar="NAME", help="the list it goes to")]
AnyList = Annotated[str | None, typer.Option("--list", metavar="NAME", help="the list it goes to")]
From = Annotated[
    int | None,
    typer.Option("--from", metavar="ID", min=1, help="instead: to those of this campaign …"),
]
Status = Annotated[
    str | None,
    typer.Option("--status", metavar="S", help="… whose message is failed, expired, …"),
]
RespectHours = Annotated[
    bool,
    typer.Option("--respect-hours", help="only in the sending hours, as quick ones always do"),
]


class Made(Protocol):
    """What all that is made has: what it costs, and what a person should know."""

    @property
    def cost(self) -> Cost: ...
    @property
    def notices(self) -> tuple[str, ...]: ...


M = TypeVar("M", bound=Made)


@command(
    app,
    "quick",
    'siaran campaign quick customers.csv --list march --message "Hello %%1%%" --now',
    'siaran campaign quick c.csv --list april --message "Hi" --at "2026-12-01 09:10" --yes',
    "siaran campaign quick c.csv --list may --template hi --now --split 5000 --every 30m",
)
@spread
def quick(
    desk: Desk,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV: mobile, then up to 6 params")],
    list_name: ListName,
    wanted: Wanted,
    reading: Reading,
    split: Annotated[
        int | None,
        typer.Option("--split", metavar="N", help='lists of N, "NAME 1", "NAME 2", …, each with …'),
    ] = None,
    every: Annotated[
        str | None,
        typer.Option(
            "--every", metavar="T", help="… a campaign, so long after the one before: 30m"
        ),
    ] = None,
) -> None:
    """Import a file into a new list and send it a message: both, or nothing."""
    from admin_cli.progress import import_progress
    from engine.clock import utc_now
    from engine.operations import creating
    from engine.operations.importing import BadRows

    if (split is None) != (every is None):
        raise typer.BadParameter("--split N --every T: how many, and how long between; give both")
    draft, tell = wanted.draft(), teller(desk)
    upload = reading.upload(file, list_name, wanted.batch)

    def attempt(confirmed: bool) -> Created | Parts:
        with desk.database(aside=True) as database, import_progress() as progress:
            if split is not None and every is not None:
                return creating.split(
                    database,
                    desk.actor(),
                    upload,
                    draft,
                    size=split,
                    every=every,
                    now=utc_now(),
                    confirmed=confirmed,
                    progress=progress,
                    tell=tell,
                )
            return creating.quick(
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
        created = _agreed(desk, attempt, lines=True)
    except BadRows as error:
        show_import(desk, error.report)
        raise
    if created.imported is not None and not desk.json:
        show_import(desk, created.imported)
    if isinstance(created, creating.Parts):
        _announce_parts(desk, created)
    else:
        _announce(desk, created)


@command(
    app,
    "new",
    'siaran campaign new --list customers --message "Hello %%1%%" --now',
    'siaran campaign new --list customers --message "Kia ora" --at "2026-12-01 09:10" '
    "--timezone Pacific/Auckland",
    'siaran campaign new --from 12 --status failed --message "Hello again" --now',
)
@spread
def new(
    desk: Desk,
    wanted: Wanted,
    list_name: AnyList = None,
    from_id: From = None,
    status: Status = None,
    respect_hours: RespectHours = False,
) -> None:
    """Send a message to an existing list, or to some of an earlier campaign, now or at a time."""
    from engine.clock import utc_now
    from engine.operations import creating

    check_to_whom(list_name, from_id, status)
    draft, tell = wanted.draft(respect_hours=respect_hours), teller(desk)

    def attempt(confirmed: bool) -> Created:
        with desk.database() as database:
            if from_id is not None and status is not None:
                return creating.again(
                    database,
                    desk.actor(),
                    from_id,
                    status,
                    draft,
                    now=utc_now(),
                    confirmed=confirmed,
                    tell=tell,
                )
            return creating.new(
                database,
                desk.actor(),
                list_name or "",
                draft,
                now=utc_now(),
                confirmed=confirmed,
                tell=tell,
            )

    _announce(desk, _agreed(desk, attempt))


def check_to_whom(list_name: str | None, from_id: int | None, status: str | None) -> None:
    """Refuse what names nobody, or two."""
    if (list_name is None) == (from_id is None):
        raise typer.BadParameter("say to whom: --list NAME, or --from ID --status failed")
    if (from_id is None) != (status is None):
        raise typer.BadParameter("--from ID --status S: of which campaign, and whose; give both")


@command(
    app,
    "edit",
    'siaran campaign edit 12 --at "2026-12-01 10:10"',
    'siaran campaign edit 12 --message "Dear %%1%%, we open at 9." --rate 20/s --yes',
    'siaran campaign edit 12 --not-after "" --no-recipient-time',
)
def edit(
    desk: Desk,
    campaign_id: Id,
    list_name: AnyList = None,
    message: Message = None,
    template: Template = None,
    now: Now = False,
    at: At = None,
    timezone: Timezone = None,
    batch: Batch = None,
    sender: Sender = None,
    encoding: Annotated[
        Encoding | None, typer.Option("--encoding", help="how the text is carried")
    ] = None,
    transliterate: Annotated[
        bool | None,
        typer.Option("--transliterate/--no-transliterate", help="to stay in GSM"),
    ] = None,
    flash: Annotated[bool | None, typer.Option("--flash/--no-flash", help="shown at once")] = None,
    rate: Rate = None,
    not_after: NotAfter = None,
    respect_hours: Annotated[
        bool | None,
        typer.Option("--respect-hours/--no-respect-hours", help="only in the sending hours"),
    ] = None,
    recipient_time: Annotated[
        bool | None,
        typer.Option("--recipient-time/--no-recipient-time", help="by each recipient's own clock"),
    ] = None,
    version: Annotated[
        int | None,
        typer.Option("--version", metavar="N", min=1, help="only if it still is this one (show)"),
    ] = None,
) -> None:
    """Change a campaign that has not started; it is measured anew, and agreed to like a new one.

    "" takes a batch, a rate or a limit away. When somebody else has changed it meanwhile, or it has
    started, nothing is changed.
    """
    from engine.clock import utc_now
    from engine.operations import campaigns, editing

    if message is not None and template is not None:
        raise typer.BadParameter("--message TEXT or --template NAME, not both")
    if now and at is not None:
        raise typer.BadParameter("--now or --at, not both")
    wanted = editing.Changes(
        list=list_name,
        message=message,
        template=template,
        now=now,
        at=at,
        timezone=timezone,
        batch=batch,
        sender=sender,
        encoding=encoding.value if encoding else None,
        transliterate=transliterate,
        flash=flash,
        rate=rate,
        not_after=not_after,
        respect_hours=respect_hours,
        recipient_time=recipient_time,
    )
    if wanted == editing.Changes():
        raise typer.BadParameter("say what is to be changed")
    tell = teller(desk)
    seen = version or desk.run(campaigns.get, campaign_id).version

    def attempt(confirmed: bool) -> editing.Edited:
        with desk.database() as database:
            return editing.edit(
                database,
                desk.actor(),
                campaign_id,
                wanted,
                version=seen,
                now=utc_now(),
                confirmed=confirmed,
                tell=tell,
            )

    edited = _agreed(desk, attempt)
    what = ", ".join(_FACTS.get(name, name.replace("_", " ")) for name in edited.changed)
    sentence = f"campaign {campaign_id} changed: {what}; it {_due(edited.campaign)}"
    desk.done(sentence if edited.changed else f"campaign {campaign_id} was so already", edited)


_FACTS = {"scheduled_at": "time", "text": "message"}


def _agreed(desk: Desk, attempt: Callable[[bool], M], *, lines: bool = False) -> M:
    """Try; where it costs or reaches more than usual, tell what, ask, and try again."""
    from engine.operations.drafts import Unconfirmed

    try:
        made = attempt(desk.yes)
    except Unconfirmed as unconfirmed:
        tell_cost(desk, unconfirmed.cost, lines=lines)
        desk.confirm(unconfirmed.question)
        made = attempt(True)
    else:
        tell_cost(desk, made.cost, lines=lines)
    for notice in made.notices:
        desk.note(notice)
    return made


def _announce(desk: Desk, created: Created) -> None:
    campaign, cost = created.campaign, created.cost
    if campaign.from_campaign_id is None:
        whom = f'{cost.recipients:,} members of list "{campaign.list}"'
    else:
        whom = f"{cost.recipients:,} of campaign {campaign.from_campaign_id}"
    desk.done(
        f"campaign {campaign.id} to {whom} {_due(campaign)}; "
        f"follow it with `siaran campaign watch {campaign.id}`",
        created,
    )


def _announce_parts(desk: Desk, parts: Parts) -> None:
    if desk.json:
        desk.done("", parts)
        return
    rows = [
        {
            "id": one.id,
            "list": one.list,
            "due": f"{_local(one)}",
        }
        for one in parts.campaigns
    ]
    desk.rows(rows, "id", "list", "due", empty="no campaigns")
    desk.note(f"{len(rows)} campaigns to {parts.cost.recipients:,} members in all")


def _due(campaign: Campaign) -> str:
    return f"is due {_local(campaign)}"


def _local(campaign: Campaign) -> str:
    from zoneinfo import ZoneInfo

    at = campaign.scheduled_at.astimezone(ZoneInfo(campaign.timezone))
    return f"{at:%Y-%m-%d %H:%M} ({campaign.timezone})"


def tell_cost(desk: Desk, cost: Cost, *, lines: bool = False) -> None:
    """The count of R-2.1, what it will cost (R-2.2), and whose params are missing (R-2.3).

    `lines`: they were counted in as the lines of a file.
    """
    from engine.operations.drafts import notices

    for notice in notices(cost, lines=lines):
        desk.note(notice)


def teller(desk: Desk) -> Callable[[tuple[InForce, ...]], None]:
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
