"""`siaran message`: one message at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from admin_cli.desk import Desk, command, noun

if TYPE_CHECKING:
    from engine.operations.messages import Held, Resolution, Resolved, Sent, Shown

app = noun("Single messages: send one, see what became of it, end the doubt about it.")

_Id = Annotated[int, typer.Argument(metavar="ID", min=1, help="the message's number")]
_Campaign = Annotated[
    int | None, typer.Option("--campaign", metavar="ID", min=1, help="those of this campaign")
]


@command(
    app,
    "send",
    'siaran message send +64211234567 "Your parcel is at the door"',
    'siaran message send 021555666 "Kia ora" --sender 3774 --yes',
)
def send(
    desk: Desk,
    mobile: Annotated[str, typer.Argument(metavar="MOBILE", help="+64211234567")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="what it says")],
    sender: Annotated[
        str | None, typer.Option("--sender", metavar="S", help="who it comes from (see sender ls)")
    ] = None,
    transliterate: Annotated[
        bool,
        typer.Option(
            "--transliterate", help="typographic characters as plain ones, to stay in GSM"
        ),
    ] = False,
    flash: Annotated[
        bool, typer.Option("--flash", help="it shows at once, and the phone doesn't keep it")
    ] = False,
) -> None:
    """Send one message, before all campaigns and at any hour.

    It is accepted, and not lost any more, when the command says so; an engine that is up sends it
    at once. Who has opted out of all messages, or is on the blacklist, gets none.
    """
    from engine.operations import messages

    def attempt(confirmed: bool) -> Sent:
        return desk.run(
            messages.send,
            mobile,
            text,
            sender=sender,
            transliterated=transliterate,
            flash=flash,
            confirmed=confirmed,
        )

    try:
        sent = attempt(desk.yes)
    except messages.Unconfirmed as unconfirmed:
        desk.note(unconfirmed.notice)
        desk.confirm(f"Send {unconfirmed.segments} segments?")
        sent = attempt(True)
    for notice in sent.notices:
        desk.note(notice)
    desk.done(
        f"message {sent.id} to {sent.mobile} is accepted; see what becomes of it with "
        f"`siaran message show {sent.id}`",
        sent,
    )


@command(
    app,
    "show",
    "siaran message show 1413900000000001",
    "siaran message show 1413900000000001 --json",
)
def show(desk: Desk, message_id: _Id) -> None:
    """Show a message, of a campaign or not: its state and why, its segments and their attempts."""
    from engine.clock import utc_now
    from engine.operations import messages

    shown = desk.run(messages.show, message_id, now=utc_now())
    desk.card(shown if desk.json else _record(shown))
    if shown.segments and not desk.json:
        print()
        desk.rows(_attempts(shown), "segment", "state", "attempt", "carrier", "smsc_id", "taken_at")


@command(
    app,
    "query",
    "siaran message query 1413900000000001",
    "siaran message query 1413900000000001 --json",
)
def query(desk: Desk, message_id: _Id) -> None:
    """Ask the SMSC that took a message what became of it; nothing is changed.

    A running engine asks, over a bind of the carrier that took it.
    """
    from admin_cli.carriers import answers
    from engine.clock import utc_now
    from engine.operations import messages

    actor = desk.actor()
    with desk.database() as database:
        asked = database.run(lambda tx: messages.query(tx, actor, message_id, now=utc_now()))
        [reply] = answers(database, asked)
    desk.done(str(reply.answer), {"id": message_id, "node": reply.node, "answer": reply.answer})


@command(
    app,
    "cancel",
    "siaran message cancel 1413900000000001",
    "siaran message cancel 1413900000000001 --json",
)
def cancel(desk: Desk, message_id: _Id) -> None:
    """Take a message back: at once while it is queued, else the SMSC that has it is asked to.

    An SMSC that has delivered it, or can't take anything back, says no: then nothing is changed.
    """
    from admin_cli.carriers import answers
    from engine.clock import utc_now
    from engine.operations import messages

    actor = desk.actor()
    answer = "cancelled; no SMSC had it"
    with desk.database() as database:
        done = database.run(lambda tx: messages.cancel(tx, actor, message_id, now=utc_now()))
        if done.asked is not None:
            [reply] = answers(database, done.asked)
            answer = str(reply.answer)
    desk.done(f"message {message_id}: {answer}", {"id": message_id, "answer": answer})


@command(
    app,
    "held",
    "siaran message held",
    "siaran message held --campaign 12 --json",
)
def held(
    desk: Desk,
    campaign: _Campaign = None,
    rows: Annotated[
        int, typer.Option("--rows", min=0, metavar="N", help="the oldest N; 0: all")
    ] = 100,
) -> None:
    """List the messages that nobody knows whether they arrived, and that wait for `resolve`.

    There are some only where the setting `uncertain` is hold.
    """
    from engine.operations import messages

    found = desk.run(messages.ls_held, campaign=campaign, limit=rows or None)
    columns = ("id", "mobile", "campaign", "sender", "created_at", "held_at")
    desk.rows(found if desk.json else map(_line, found), *columns, empty="no messages are held")
    desk.more(len(found), rows)


@command(
    app,
    "resolve",
    "siaran message resolve 1413900000000001 resend",
    "siaran message resolve --campaign 12 fail --yes",
)
def resolve(
    desk: Desk,
    words: Annotated[
        list[str], typer.Argument(metavar="ID… resend/fail", help="which, and what becomes of it")
    ],
    campaign: Annotated[
        int | None, typer.Option("--campaign", metavar="ID", min=1, help="all held ones of it")
    ] = None,
) -> None:
    """Send messages again whose answer never came, or end them as failed.

    A message that is uncertain may have arrived: resend may deliver it twice, fail may end one that
    was delivered. With --campaign it is for all messages of a campaign that are held, after a
    confirmation.
    """
    from engine.operations import messages

    resolution, ids = _resolution(words)
    if (campaign is None) is not bool(ids):
        raise typer.BadParameter("say which: message numbers, or --campaign ID")
    if campaign is None:
        done = desk.run(messages.resolve, ids, resolution)
    else:
        how = "Send again" if resolution is messages.Resolution.RESEND else "Give up"
        desk.confirm(f"{how} all held messages of campaign {campaign}?")
        done = desk.run(messages.resolve_campaign, campaign, resolution)
    desk.done(_said(done), done)


def _resolution(words: list[str]) -> tuple[Resolution, list[int]]:
    from engine.operations.messages import Resolution

    *ids, word = words
    if word not in list(Resolution):
        raise typer.BadParameter(f"the last word is {' or '.join(Resolution)}, not {word!r}")
    for one in ids:
        if not (one.isascii() and one.isdecimal() and len(one) < 17 and int(one)):
            raise typer.BadParameter(f"{one!r} is no message number")
    return Resolution(word), [int(one) for one in ids]


def _said(done: Resolved) -> str:
    from engine.operations.messages import Resolution

    first, *others = done.messages
    what = f"{len(done.messages):,} messages are" if others else f"message {first} is"
    return f"{what} {'queued again' if done.resolution is Resolution.RESEND else 'failed'}"


def _record(shown: Shown) -> dict[str, object]:
    """The message for a person: its numbers as they are typed, its times by names of their own."""
    return {
        "id": str(shown.id),
        "state": shown.state.value,
        "why": shown.why,
        "mark": shown.mark,
        "mobile": shown.mobile,
        "sender": shown.sender,
        "class": shown.message_class,
        "campaign": None if shown.campaign is None else str(shown.campaign),
        "list": shown.list,
        "text": shown.text,
        "encoding": shown.encoding,
        "flash": shown.flash,
        "attempts": shown.attempts,
        "accepted_at": shown.created_at,
        "sent_at": shown.sent_at,
        "changed_at": shown.state_at,
        "due_at": shown.due_at,
        "held_at": shown.held_at,
    }


def _line(one: Held) -> dict[str, object]:
    """The same for a held one in a table."""
    return {
        "id": str(one.id),
        "mobile": one.mobile,
        "campaign": None if one.campaign_id is None else str(one.campaign_id),
        "sender": one.sender,
        "created_at": one.created_at,
        "held_at": one.held_at,
    }


def _attempts(shown: Shown) -> list[dict[str, object]]:
    """A line for each attempt that an SMSC took; one without them for a segment that has none."""
    lines: list[dict[str, object]] = []
    for one in shown.segments:
        begin: dict[str, object] = {"segment": one.segment, "state": one.state.value}
        lines += [
            begin
            | {
                "attempt": taken.attempt,
                "carrier": taken.carrier,
                "smsc_id": taken.smsc_id,
                "taken_at": taken.at,
            }
            for taken in one.taken
        ] or [begin | dict.fromkeys(("attempt", "carrier", "smsc_id", "taken_at"))]
    return lines
