"""What a benchmark found: figures of several runs, and the table in which they are read."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.store import embedded
from engine.store.cluster import Account, Programs
from engine.store.home import Home


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One thing that was measured, once a run. `unit` "×": a ratio of two from the same run."""

    name: str
    unit: str
    values: Sequence[float]
    at_least: float | None = None
    at_most: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def bar(self) -> str:
        """What it should be, and whether it is."""
        wanted = []
        if self.at_least is not None:
            wanted.append(f"≥ {shown(self.at_least)}")
        if self.at_most is not None:
            wanted.append(f"≤ {shown(self.at_most)}")
        if not wanted:
            return ""
        return f"{' and '.join(wanted)}: {'yes' if self.met else 'NO'}"

    @property
    def met(self) -> bool:
        """Whether the median is on the right side of the bars, if there are any."""
        low = self.at_least is None or self.median >= self.at_least
        high = self.at_most is None or self.median <= self.at_most
        return low and high

    def document(self) -> dict[str, Any]:
        """For --json."""
        return {
            "name": self.name,
            "unit": self.unit,
            "median": self.median,
            "runs": list(self.values),
            "at_least": self.at_least,
            "at_most": self.at_most,
            "met": self.met,
        }


def table(figures: Sequence[Figure]) -> str:
    """Columns: what, median, lowest … highest of the runs, unit, bar."""
    rows = [("", "median", "range", "", "bar")]
    for figure in figures:
        low, high = min(figure.values), max(figure.values)
        between = f"{shown(low)} … {shown(high)}" if len(figure.values) > 1 else ""
        rows.append((figure.name, shown(figure.median), between, figure.unit, figure.bar))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join(
        f"  {name:<{widths[0]}}  {median:>{widths[1]}}  {between:>{widths[2]}}"
        f"  {unit:<{widths[3]}}  {bar}".rstrip()
        for name, median, between, unit, bar in rows
    )


def shown(value: float) -> str:
    """Three digits that mean something."""
    if value == int(value) and abs(value) < 1000:
        return str(int(value))
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.{2 if abs(value) < 10 else 1}f}"


def machine() -> dict[str, str]:
    """Where it was measured: figures of two machines are not to be compared."""
    cpus = os.sched_getaffinity(0)
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    home = Home.at(embedded.default_home())
    return {
        "cores": f"{len(cpus)} ({model})",
        "python": platform.python_version(),
        "postgresql": Programs.for_account(Account.for_home(home)).version,
        "kernel": f"{platform.system()} {platform.release()}",
        "load": f"{os.getloadavg()[0]:.1f} before the start",
    }
