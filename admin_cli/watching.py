"""A campaign followed live: on a terminal one table that changes, in a pipe a line a change."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeAlias

    from rich.console import RenderableType

    from engine.operations.campaigns import Progress

    # Shows a look: what was seen, its pace, why it stands still (None: it doesn't), and whether
    # it is the last one.
    Show: TypeAlias = Callable[["Progress", "Pace", str | None, bool], None]

POLL_S = 1.0
"""Between two looks: the database answers in a millisecond, and nobody reads faster."""

STILL_S = 3.0
"""When nothing has moved for so long, whoever watches wants to know why."""

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
        if not self._looks:
            return 0.0
        (first_s, first), (last_s, last) = self._looks[0], self._looks[-1]
        return max(first - last, 0) / (last_s - first_s) if last_s > first_s else 0.0

    @property
    def eta_s(self) -> float | None:
        """Seconds until the queue is empty at this rate; None when it doesn't move."""
        return self._looks[-1][1] / self.rate if self.rate else None


def follow(
    look: Callable[[], Progress],
    *,
    quiet: bool,
    over: Callable[[Progress], bool] | None = None,
    why: Callable[[], str] | None = None,
    every_s: float = POLL_S,
    indent: int = 0,
) -> Progress:
    """Look again and again until it is `over`, showing what is seen; the last look.

    Over is when the campaign has ended, if nothing else is said; `why` is asked when nothing
    moves, and at once of one that is waiting or paused. On a terminal a table; else a line for what has changed, one a second; nothing when
    `quiet`.
    """
    pace = Pace()
    before: Progress | None = None
    moved_s = time.monotonic()
    with _display(quiet, indent) as show:
        while True:
            seen, now_s = look(), time.monotonic()
            if seen != before:
                before, moved_s = seen, now_s
            if seen.started_at is not None:  # before, nobody is queued
                pace.look(now_s, _queued(seen))
            last = (over or _ended)(seen)
            still = (now_s - moved_s >= STILL_S or _held(seen)) and not last
            show(seen, pace, why() if why and still else None, last)
            if last:
                return seen
            time.sleep(every_s)


def line(seen: Progress, pace: Pace) -> str:
    """`running: queued 800, sent 10, delivered 190; 95/s, 8 s to go`."""
    counts = ", ".join(f"{state} {n:,}" for state, n in seen.counts.items() if n)
    pacing = f"; {moving(pace)}" if pace.rate else ""
    return f"{seen.state}{': ' if counts else ''}{counts}{pacing}"


def _ended(seen: Progress) -> bool:
    from engine.operations.campaigns import ENDED

    return seen.state in ENDED


def _held(seen: Progress) -> bool:
    """Nothing moves of it now, and somebody knows why."""
    return seen.state in ("waiting", "paused")


def _queued(seen: Progress) -> int:
    from engine.operations.campaigns import MessageState

    return seen.counts[MessageState.QUEUED]


def moving(pace: Pace) -> str:
    """`1,200/s, 3 min to go`."""
    rate = f"{pace.rate:,.0f}/s" if pace.rate >= 10 else f"{pace.rate:.1f}/s"
    return rate if not pace.eta_s else f"{rate}, {span(pace.eta_s)} to go"


def span(seconds: float) -> str:
    """`8 s`, `3 min`, `2.5 h`."""
    whole = round(seconds)
    if whole < 90:
        return f"{whole} s"
    if whole < 5400:
        return f"{round(whole / 60)} min"
    return f"{whole / 3600:.1f} h"


@contextlib.contextmanager
def _display(quiet: bool, indent: int) -> Iterator[Show]:
    if quiet:
        yield lambda seen, pace, why, last: None
    elif sys.stdout.isatty():
        from rich.live import Live
        from rich.padding import Padding

        with Live(auto_refresh=False) as live:
            yield lambda seen, pace, why, last: live.update(
                Padding.indent(_table(seen, pace, why, live.console.width - indent), indent),
                refresh=True,
            )
    else:
        yield _lines(" " * indent)


def _lines(margin: str) -> Show:
    """Print what changed, at most a line a second; a new state and the end at once."""
    shown: tuple[float, Progress, str | None] | None = None

    def show(seen: Progress, pace: Pace, why: str | None, last: bool) -> None:
        nonlocal shown
        now_s = time.monotonic()
        if shown is not None:
            at_s, before, reason = shown
            if (seen, why) == (before, reason) or (seen == before and why is None):
                return
            if now_s - at_s < POLL_S and seen.state is before.state and not last:
                return
        print(margin + (f"{seen.state}: {why}" if why else line(seen, pace)), flush=True)
        shown = now_s, seen, why

    return show


def _table(seen: Progress, pace: Pace, why: str | None, width: int) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    from admin_cli.render import only_ascii, printable

    total = seen.recipients or 0
    room = max(min(width - _BESIDE, _LONGEST_BAR), 4)
    title = f"campaign {seen.campaign_id}: {seen.state}"
    if pace.rate:
        title += f", {moving(pace)}"
    table = Table(
        box=None,
        title=title,
        title_justify="left",
        caption=None if why is None else Text(printable(why)),
        caption_justify="left",
    )
    table.add_column("state")
    table.add_column("messages", justify="right")
    table.add_column("", no_wrap=True)
    full, empty = ("#", ".") if only_ascii() else ("━", "╌")
    for state, n in seen.counts.items():
        if n:
            filled = max(n * room // total, 1)
            table.add_row(state.value, f"{n:,}", full * filled + empty * (room - filled))
    table.add_row("all", f"{total:,}")
    return table


_LONGEST_BAR = 40
_BESIDE = 26
"""Columns for a state, a million messages and the space between."""
