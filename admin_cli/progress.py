"""A long task's bar on stderr: how far, how fast, how long still. Only on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engine.operations.importing import Progress


@contextmanager
def import_progress() -> Iterator[Callable[[Progress], None]]:
    """What an import reports its progress to."""
    if not sys.stderr.isatty():
        yield lambda now: None
        return
    from rich import progress as bars
    from rich.console import Console

    with bars.Progress(
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.TaskProgressColumn(),
        bars.TextColumn("{task.fields[rows]:,} rows"),
        bars.TextColumn("{task.fields[rate]:,.0f}/s"),
        bars.TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("reading", total=None, rows=0, rate=0.0)

        def report(now: Progress) -> None:
            rate = now.rows / max(bar.tasks[0].elapsed or 0.0, 0.001)
            if now.merging:
                # Nobody knows how long it takes: about as long as the reading did, at most. The
                # total is taken away by hand, since to `update` None means to leave it.
                bar.tasks[0].total = None
                bar.update(task, description="merging", rows=now.rows)
            else:
                bar.update(task, completed=now.octets, total=now.size, rows=now.rows, rate=rate)

        yield report
