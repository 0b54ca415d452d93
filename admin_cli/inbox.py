"""`siaran inbox`: what subscribers wrote."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from admin_cli.desk import Desk, command, noun
from admin_cli.files import Output, counted, writing
from admin_cli.members import MEANS, Which
from admin_cli.spread import spread

if TYPE_CHECKING:
    from engine.operations.inbox import Filter, Mo

app = noun("What subscribers wrote.")

LOOK_S = 1.0
"""Between two looks of `watch`: nobody reads faster, and the database answers in a millisecond."""

LATE_S = 5.0
"""How much later than one with a higher number an MO can be seen: no transaction lasts longer."""

_COLUMNS = (
    "id",
    "received_at",
    "mobile",
    "destination",
    "meaning",
    "content",
    "list",
    "campaign_id",
    "opted_out",
)
_FIELDS = (
    "id",
    "received_at",
    "mobile",
    "destination",
    "content",
    "meaning",
    "list",
    "batch",
    "campaign_id",
    "opted_out",
    "parts",
    "parts_of",
    "response",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which MO a command is about."""

    mobile: Annotated[
        str | None, typer.Option("--mobile", metavar="M", help="all or part of the number")
    ] = None
    content: Annotated[
        str | None, typer.Option("--content", metavar="TEXT", help="part of what they wrote")
    ] = None
    list_name: Annotated[
        str | None, typer.Option("--list", metavar="NAME", help="answers to this list")
    ] = None
    batch: Annotated[
        str | None, typer.Option("--batch", metavar="B", help="answers to campaigns of this batch")
    ] = None
    opted_out: Annotated[Which, typer.Option("--opted-out", help="have they?")] = Which.ANY
    meaning: Annotated[
        str | None,
        typer.Option("--meaning", metavar="M", help='taken for: opt-out, "near miss", reply, …'),
    ] = None
    unowned: Annotated[
        bool, typer.Option("--unowned", help="to numbers that no application owns")
    ] = False

    def filter(self) -> Filter:
        """The same, as the operations want it."""
        from engine.operations.inbox import Filter

        return Filter(
            mobile=self.mobile,
            content=self.content,
            list=self.list_name,
            batch=self.batch,
            opted_out=MEANS[self.opted_out],
            meaning=self.meaning,
            unowned=self.unowned,
        )


@command(
    app,
    "ls",
    "siaran inbox ls --list customers --content yes",
    'siaran inbox ls --meaning "near miss"',
    "siaran inbox ls --unowned --json",
)
@spread
def ls(
    desk: Desk,
    wanted: Wanted,
    rows: Annotated[
        int, typer.Option("--rows", min=0, metavar="N", help="the newest N; 0: all")
    ] = 100,
) -> None:
    """List what came in, the newest first, with what it was taken for."""
    from engine.operations import inbox

    asked = wanted.filter()
    found = desk.run(inbox.ls, asked, limit=rows or None)
    shown = found if desk.json else [_row(mo) for mo in found]
    desk.rows(shown, *_COLUMNS, empty="nothing was found in the inbox")
    desk.more(len(found), rows)


@command(
    app,
    "watch",
    "siaran inbox watch",
    "siaran inbox watch --meaning opt-out --rows 10",
    "siaran inbox watch --json | grep near",
)
@spread
def watch(
    desk: Desk,
    wanted: Wanted,
    rows: Annotated[
        int, typer.Option("--rows", min=0, metavar="N", help="begin with the newest N")
    ] = 0,
) -> None:
    """Watch what comes in, what it is taken for and what it is answered, until Ctrl-C.

    A line for each, the oldest first; with --json one JSON document a line.
    """
    from engine.operations import inbox

    asked = wanted.filter()
    actor = desk.actor()
    write = _document if desk.json else line
    try:
        with desk.database() as database:
            newest = database.run(inbox.ls, actor, asked, limit=rows) if rows else []
            begin = database.run(inbox.newest_id, actor, asked)
            desk.note("watching the inbox; Ctrl-C ends it")
            for mo in reversed(newest):
                print(write(mo), flush=True)
            news = News(lambda after: inbox.since(database, actor, asked, after), begin)
            while True:
                for mo in news.look(time.monotonic()):
                    print(write(mo), flush=True)
                time.sleep(LOOK_S)
    except KeyboardInterrupt:
        return  # that is how it ends


class News:
    """What is new at each look, each MO once.

    Numbers are given before the commit, so one may come to light after a higher one: it is looked
    for from a little before the highest that was known some seconds ago.
    """

    def __init__(self, since: Callable[[int], Iterable[Mo]], begin: int) -> None:
        self._since = since
        self._begin = begin
        self._told: dict[int, float] = {}

    def look(self, at_s: float) -> list[Mo]:
        """What has come since the last look; `at_s` is seconds of any steady clock."""
        new = [mo for mo in self._since(self._begin) if mo.id not in self._told]
        self._told |= dict.fromkeys((mo.id for mo in new), at_s)
        old = [number for number, told_s in self._told.items() if at_s - told_s > LATE_S]
        if old:
            self._begin = max(old)
            self._told = {n: told_s for n, told_s in self._told.items() if n > self._begin}
        return new


@command(
    app,
    "optout",
    "siaran inbox optout 1413900000000001",
    'siaran inbox optout 1413900000000001 --reason "asked us to stop"',
)
def optout(
    desk: Desk,
    inbox_id: Annotated[int, typer.Argument(metavar="ID", min=1, help="what inbox ls calls it")],
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="why, for the log")
    ] = None,
) -> None:
    """Send who wrote this no more messages from the application: what a person reads as a STOP."""
    from engine.operations import inbox

    gone = desk.run(inbox.optout, inbox_id, reason=reason)
    desk.done(f"{gone.mobile} gets no more messages from this application", gone)


@command(
    app,
    "download",
    "siaran inbox download -o inbox.csv",
    "siaran inbox download --list customers --meaning reply | head",
)
@spread
def download(
    desk: Desk,
    wanted: Wanted,
    output: Output = None,
) -> None:
    """Write the inbox as CSV, the newest first."""
    from admin_cli.render import plain
    from engine.operations import inbox
    from engine.operations.spreadsheet import guarded

    asked = wanted.filter()
    count = 0
    with desk.database() as database:
        found = inbox.download(database, desk.actor(), asked)
        with writing(output) as file:
            out = csv.writer(file, lineterminator="\n")
            out.writerow(_FIELDS)
            for mo in found:
                values = {name: plain(getattr(mo, name)) for name in _FIELDS}
                values["content"] = guarded(mo.content)
                values["response"] = guarded(mo.response or "")
                values["opted_out"] = "yes" if mo.opted_out else "no"
                out.writerow(["" if value is None else value for value in values.values()])
                count += 1
    desk.note(f"{counted(count, 'message')} written to {output or 'stdout'}")


def _row(mo: Mo) -> dict[str, Any]:
    """One MO in a table: its number to be copied, and said where parts of it are missing."""
    row: dict[str, Any] = {name: getattr(mo, name) for name in _COLUMNS}
    return row | {"id": str(mo.id), "content": mo.content + _missing(mo)}


def _missing(mo: Mo) -> str:
    return f" [{mo.parts} of {mo.parts_of} parts]" if mo.parts < mo.parts_of else ""


def line(mo: Mo) -> str:
    """`2026-11-25 06:00:00Z +64… → 3774 reply: "Yes"; list "march"; campaign 12; answered "Thanks"`."""
    from admin_cli.render import cell, printable

    about = [f'"{mo.content}"{_missing(mo)}']
    if mo.list is not None:
        about.append(f'list "{mo.list}"')
    if mo.campaign_id is not None:
        about.append(f"campaign {mo.campaign_id}")
    if mo.response is not None:
        about.append(f'answered "{mo.response}"')
    head = f"{cell(mo.received_at)} {mo.mobile} → {mo.destination} {mo.meaning or '-'}: "
    return printable(head + "; ".join(about))


def _document(mo: Mo) -> str:
    from admin_cli.render import plain

    return json.dumps(plain(mo), ensure_ascii=False)
