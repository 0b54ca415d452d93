"""A campaign followed live: on a terminal one table that changes, in a pipe a line a change."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType

    from engine.operations.campaigns import Progress

POLL_S = 1.0
"""Between two looks: the database answers in a millisecond, and nobody reads faster."""

_WINDOW_S = 15.0
"""The rate is that of the last so many seconds: long enough to be calm, short enough to be true."""


class Pace:
    """How fast messages leave the queue, from looks at the counts."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, int]] = deque()

    def look(self, at_s: float, queued: int) -> None:
        """Note that so many were queued at this time (seconds of any steady clock)."""
        self._looks.append((at_s, queued))
        while at_s - self._looks[0][0] > _WINDOW_S:
            self._looks.popleft()

    @property
    def rate(self) -> float:
        """Messages a second; 0 when it can't be said."""
        (first_s, first), (last_s, last) = self._looks[0], self._looks[-1]
        return max(first - last, 0) / (last_s - first_s) if last_s > first_s else 0.0

    @property
    def eta_s(self) -> float | None:
        """Seconds until the queue is empty at this rate; None when it doesn't move."""
        queued = self._looks[-1][1]
        return queued / self.rate if self.rate else None


def follow(look: Callable[[], Progress], *, quiet: bool) -> Progress:
    """Look once a second until the campaign has ended, showing what is seen; the last look.

    On a terminal a table; else a line for each change; nothing when `quiet`.
    """
    from engine.operations.campaigns import ENDED

    pace = Pace()
    with _display(quiet) as show:
        while True:
            seen = look()
            pace.look(time.monotonic(), _queued(seen))
            show(seen, pace)
            if seen.state in ENDED:
                return seen
            time.sleep(POLL_S)


def line(seen: Progress, pace: Pace) -> str:
    """`running: queued 800, sent 10, delivered 190; 95/s, 8 s to go`."""
    counts = ", ".join(f"{state} {n:,}" for state, n in seen.counts.items() if n)
    moving = f"; {_moving(pace)}" if pace.rate else ""
    return f"{seen.state}{': ' if counts else ''}{counts}{moving}"


def _queued(seen: Progress) -> int:
    from engine.operations.campaigns import MessageState

    return seen.counts[MessageState.QUEUED]


def _moving(pace: Pace) -> str:
    rate = f"{pace.rate:,.0f}/s" if pace.rate >= 10 else f"{pace.rate:.1f}/s"
    return rate if not pace.eta_s else f"{rate}, {_span(pace.eta_s)} to go"


def _span(seconds: float) -> str:
    whole = round(seconds)
    if whole < 90:
        return f"{whole} s"
    if whole < 5400:
        return f"{round(whole / 60)} min"
    return f"{whole / 3600:.1f} h"


@contextlib.contextmanager
def _display(quiet: bool) -> Iterator[Callable[[Progress, Pace], None]]:
    if quiet:
        yield lambda seen, pace: None
    elif sys.stdout.isatty():
        from rich.live import Live

        with Live(auto_refresh=False) as live:
            yield lambda seen, pace: live.update(_table(seen, pace), refresh=True)
    else:
        yield _lines()


def _lines() -> Callable[[Progress, Pace], None]:
    """Print what changed; a rate alone is no change."""
    before: list[Progress] = []

    def show(seen: Progress, pace: Pace) -> None:
        if before != [seen]:
            print(line(seen, pace), flush=True)
        before[:] = [seen]

    return show


def _table(seen: Progress, pace: Pace) -> RenderableType:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    total = seen.recipients or 0
    table = Table(box=SIMPLE_HEAD, title=f"campaign {seen.campaign_id}: {seen.state}")
    table.add_column("state")
    table.add_column("messages", justify="right")
    table.add_column("", width=40)
    for state, n in seen.counts.items():
        if n:
            table.add_row(state.value, f"{n:,}", _bar(n, total))
    table.add_row("all", f"{total:,}", _moving(pace) if pace.rate else "")
    return table


def _bar(n: int, total: int) -> RenderableType:
    from rich.progress_bar import ProgressBar

    # The same colour when all are in one state: that is no end of anything here.
    return ProgressBar(total=total, completed=n, width=40, finished_style="bar.complete")
