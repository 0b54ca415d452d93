"""`siaran top`: what goes on now, of all nodes and applications: in place on a terminal, else once."""

from __future__ import annotations

import os
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from admin_cli.desk import Desk, command, single
from admin_cli.watching import Pace, moving, span

if TYPE_CHECKING:
    from engine.operations.overview import BindShown, Open, Overview, Told

app = single("Watch the installation: nodes, queue, binds, inbound, outbox.")

PIPED = 1000
"""Columns of a snapshot that goes to a file or a pipe: each thing in a line of its own, for grep."""

LEAST = 24
"""Columns below which a terminal is taken for this wide."""

_ALERTING = ("lost", "silent", "down", "paused", "suspended", "connecting", "dead", "drained")
"""Words that mean that a person may have to do something."""


@command(app, "top", "siaran top", "siaran top --every 5", "siaran top --once | grep tui")
def top(
    desk: Desk,
    every: Annotated[
        float, typer.Option("--every", min=0.5, max=3600, metavar="S", help="seconds between looks")
    ] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="one look, and no more")] = False,
) -> None:
    """Show what goes on now: nodes, campaigns, binds, what comes in, what waits to be told.

    On a terminal it goes on until Ctrl-C; into a pipe or with --json it is one look. Of a bind:
    segments without an answer of its window, the rate now and at most, how long the last answers
    took, and how often the carrier has said that we are too fast since the engine started.
    """
    from engine.clock import utc_now
    from engine.operations import overview

    actor = desk.actor()
    with desk.database() as database:

        def look() -> Overview:
            return database.run(lambda tx: overview.look(tx, actor, now=utc_now()))

        if desk.json:
            desk.card(look())
        elif once or not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
            for line in lines(look(), {}, PIPED):
                print(line)
        else:
            _live(look, every)


def _live(look: Callable[[], Overview], every: float) -> None:
    """On the terminal's other page, so that what stood there is there again afterwards."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from engine.operations import Unreachable

    console = Console()
    paces: dict[int, Pace] = {}
    try:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                width = max(console.width, LEAST)
                try:
                    seen = look()
                except Unreachable as error:  # it may come back, and then one wants to see it
                    text = Text("\n".join(_folded(str(error), width)))
                else:
                    paces = paces_of(seen, paces, time.monotonic())
                    text = Text("\n".join(lines(seen, paces, width)), no_wrap=True)
                text.highlight_regex(r"^[A-Z]+$|^[A-Z]+ ", "bold")
                text.highlight_words(_ALERTING, "yellow")
                live.update(text, refresh=True)
                time.sleep(every)
    except KeyboardInterrupt:
        pass  # that is how it ends


def paces_of(seen: Overview, before: Mapping[int, Pace], at_s: float) -> dict[int, Pace]:
    """How fast each of the campaigns leaves the queue, this look included."""
    paces = {}
    for one in seen.campaigns:
        paces[one.id] = before.get(one.id) or Pace()
        if one.recipients is not None:
            paces[one.id].look(at_s, one.queued)
    return paces


def lines(seen: Overview, paces: Mapping[int, Pace], width: int) -> Iterator[str]:
    """The look in lines no longer than `width`: columns where there is room, else folded."""
    from admin_cli.render import cell

    up = sum(one.state.alive for one in seen.nodes)
    yield from _folded(f"siaran, {cell(seen.at)}, {_many(up, 'node')} up", width)
    nodes = [
        (
            one.node,
            one.state.value,
            f"{one.bound}/{one.binds} bound",
            f"{one.in_flight:,} in flight",
            one.note or "",
        )
        for one in seen.nodes
    ]
    yield from _section("NODES", nodes, width, "no engine has been run yet; start one: siaran run")
    queue = [_campaign(one, paces.get(one.id)) for one in seen.campaigns]
    if seen.singles:
        queue.append(("-", "single messages", f"{_most(seen.singles)} queued"))
    yield from _section("QUEUE", queue, width, "nothing is to be sent now")
    yield from _section("BINDS", [_bind(one) for one in seen.binds], width, "no binds")
    came = sum(seen.inbound.values())
    inbound = [
        (f"{_most(came)} in the last minute", *(f"{n:,} {m}" for m, n in seen.inbound.items()))
    ]
    yield from _section("INBOUND", inbound if came else [], width, "nothing in the last minute")
    waiting = [_told(one, seen) for one in seen.outbox]
    if seen.dead:
        waiting.append((f"{_most(seen.dead)} dead", "`siaran mail dead`, `siaran callback dead`"))
    yield from _section("OUTBOX", waiting, width, "nothing waits to be told")


def _campaign(one: Open, pace: Pace | None) -> tuple[str, ...]:
    gone = (one.recipients or 0) - one.queued
    return (
        one.application,
        f"{one.id} {one.list or ''}".strip(),
        one.state.value,
        f"{one.queued:,} queued",
        f"{one.in_flight:,} in flight",
        f"{one.delivered:,} delivered",
        f"{one.failed:,} failed" if one.failed else "",
        f"{gone / one.recipients:.0%}" if one.recipients else "",
        moving(pace) if pace is not None and pace.rate else "",
    )


def _bind(one: BindShown) -> tuple[str, ...]:
    state = one.state if one.alive else "node is down"
    rate = f"{one.rate:,.0f}" if one.rate else "-"
    limit = f"of {one.rate_limit:,.0f}/s" if one.rate_limit else "no limit"
    return (
        one.carrier,
        one.bind,
        one.node,
        f"{state}, paused" if one.paused_at else state,
        f"{bar(one.outstanding, one.window)} {one.outstanding}/{one.window}",
        f"{rate} {limit}" if one.rate_limit else limit,
        "-" if one.latency_ms is None else f"{one.latency_ms:,.0f} ms",
        f"{one.throttles:,} throttles",
        one.last_error or "" if state != "bound" else "",
    )


def _told(one: Told, seen: Overview) -> tuple[str, ...]:
    return (
        one.application,
        one.kind,
        f"{_most(one.waiting)} waiting",
        f"oldest {span((seen.at - one.oldest_at).total_seconds())}",
        f"tried {one.attempts} times" if one.attempts else "",
        "suspended" if one.suspended_at else "",
    )


def bar(n: int, of: int, width: int = 8) -> str:
    """`####....`: in ASCII, so that every terminal and every log has it."""
    filled = min(-(-n * width // of), width) if of > 0 else 0
    return "#" * filled + "." * (width - filled)


def _section(title: str, rows: Sequence[Sequence[str]], width: int, empty: str) -> Iterator[str]:
    yield ""
    if not rows:
        yield from _folded(f"{title} {empty}", width)
        return
    yield title
    yield from columns(rows, width)


def columns(rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """Rows as aligned columns, empty ones left out; where they don't fit, each row folded."""
    from rich.cells import cell_len

    from admin_cli.render import printable

    most = max(map(len, rows))
    table = [[printable(one) for one in row] + [""] * (most - len(row)) for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*table, strict=True)]
    if sum(w + 2 for w in widths if w) <= width:
        for row in table:
            padded = (
                one + " " * (w - cell_len(one)) for one, w in zip(row, widths, strict=True) if w
            )
            yield ("  " + "  ".join(padded)).rstrip()
        return
    for row in table:
        yield from _folded("  " + "  ".join(one for one in row if one), width)


def _folded(line: str, width: int) -> list[str]:
    """The line in pieces that fit; those behind the first stand further in."""
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=True) or [""]


def _most(n: int) -> str:
    from engine.operations.overview import MOST

    return f"{n:,}+" if n >= MOST else f"{n:,}"


def _many(n: int, noun: str) -> str:
    from admin_cli.files import counted

    return counted(n, noun)
