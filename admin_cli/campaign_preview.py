"""`siaran campaign`, what is tried: a look at what it would be, one message of it to a colleague."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from admin_cli.campaign_making import (
    AnyList,
    From,
    Id,
    RespectHours,
    Status,
    check_to_whom,
    tell_cost,
)
from admin_cli.campaign_making import app as app
from admin_cli.campaign_options import Reading, Wanted
from admin_cli.desk import Desk, command
from admin_cli.files import show_rows
from admin_cli.spread import spread

if TYPE_CHECKING:
    from datetime import datetime

    from engine.operations.previews import Preview


@command(
    app,
    "preview",
    'siaran campaign preview customers.csv --list march --message "Hello %%1%%" --now',
    'siaran campaign preview --list customers --template hello --at "2026-12-01 09:10" --json',
)
@spread
def preview(
    desk: Desk,
    wanted: Wanted,
    reading: Reading,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="of a quick campaign; else to a list")
    ] = None,
    list_name: AnyList = None,
    from_id: From = None,
    status: Status = None,
    respect_hours: RespectHours = False,
) -> None:
    """Show what a campaign would be, and save nothing: takes what `quick` and `new` take.

    The first texts, segments and encodings, who would not get it and why, the responses in force,
    and how long it would take.
    """
    from admin_cli.progress import import_progress
    from engine.clock import utc_now
    from engine.operations import previews
    from engine.operations.importing import BadRows

    check_to_whom(list_name, from_id, status)
    if file is not None and list_name is None:
        raise typer.BadParameter("a FILE becomes a list; name it with --list")
    draft = wanted.draft(respect_hours=respect_hours)
    settings = desk.settings()
    reads = import_progress() if file is not None else nullcontext()
    with desk.database() as database, reads as progress:
        if file is not None and list_name is not None:
            try:
                found = previews.preview_file(
                    database,
                    desk.actor(),
                    reading.upload(file, list_name, wanted.batch),
                    draft,
                    settings=settings,
                    now=utc_now(),
                    progress=progress,
                )
            except BadRows as error:
                show_rows(
                    desk,
                    error.report.notices,
                    invalid=(error.report.invalid_rows, error.report.invalid),
                )
                raise
        else:
            found = previews.preview(
                database,
                desk.actor(),
                draft,
                list_name=list_name,
                of=None if from_id is None or status is None else (from_id, status),
                settings=settings,
                now=utc_now(),
            )
    if desk.json:
        desk.card(found)
    else:
        if report := found.imported:
            show_rows(
                desk,
                report.notices,
                invalid=(report.invalid_rows, report.invalid),
                doubtful=(report.doubtful_rows, report.doubtful),
            )
        _show(desk, found)


def _show(desk: Desk, found: Preview) -> None:
    from admin_cli.render import printable
    from engine.operations.responses import notices

    cost = found.cost
    card: dict[str, object] = {
        "list": found.list,
        "sender": found.sender,
        "due": _moment(found.scheduled_at, found.timezone),
        "recipients": cost.recipients,
    }
    if found.excluded:
        card["not sent to"] = ", ".join(f"{why} {n:,}" for why, n in found.excluded.items())
    card["segments"] = cost.segments
    card["segments each"] = ", ".join(
        f"{parts} → {n:,}" for parts, n in sorted(cost.histogram.items())
    )
    card["encodings"] = ", ".join(f"{n:,} {word}" for word, n in sorted(cost.encodings.items()))
    card["sending hours"] = found.hours or "any time"
    for one in found.zones:
        card[f"by {one.how}"] = f"{one.recipients:,} (most: {one.example})"
    card |= _duration(found)
    for number, sample in enumerate(found.samples, 1):
        parts = f"{sample.segments} segment{'s' * (sample.segments != 1)}"
        card[f"text {number}"] = f"{printable(sample.text)} ({sample.mobile}, {parts})"
    desk.card(card, "nothing was saved; it would be:")
    if cost.recipients:
        tell_cost(desk, cost, lines=found.imported is not None)
    for line in (*notices(found.responses), *found.warnings):
        desk.note(line)


def _duration(found: Preview) -> dict[str, object]:
    """When it starts and how long it goes on, as far as is known."""
    from admin_cli.watching import span

    known = found.estimate
    card: dict[str, object] = {}
    if known.starts_at > found.scheduled_at:
        card["sends from"] = _moment(known.starts_at, found.timezone)
    if known.sending_s is None:
        card["takes"] = "as long as the carriers let it: they have no rate, and no engine is up"
    else:
        card["takes"] = f"about {span(known.sending_s)} of sending"
    if known.ends_at is not None:
        behind = "after those before it" if found.ahead else "if it has the turn at once"
        card["ends"] = f"about {_moment(known.ends_at, found.timezone)}, {behind}"
    return card


def _moment(at: datetime, timezone: str) -> str:
    from zoneinfo import ZoneInfo

    return f"{at.astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M} ({timezone})"


@command(
    app,
    "test",
    "siaran campaign test 12 --to +64211234567",
    "siaran campaign test 12 --to 0211234567 --json",
)
def test(
    desk: Desk,
    campaign_id: Id,
    to: Annotated[str, typer.Option("--to", metavar="MOBILE", help="whom: a colleague")],
) -> None:
    """Send what the first recipient gets to a colleague, at once; it is not counted in the campaign."""
    from admin_cli.render import printable
    from engine.operations import previews

    sent = desk.run(previews.test, campaign_id, to)
    parts = f"{sent.segments} segment{'s' * (sent.segments != 1)}"
    desk.note(f"text, {parts}: {printable(sent.text)}")
    desk.done(
        f"message {sent.message} is on its way to {sent.mobile}; see `siaran message show {sent.message}`",
        sent,
    )
