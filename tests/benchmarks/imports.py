"""Imports: a large file as its user imports it, again with nothing new, and a search of its members.

One embedded PostgreSQL of its own, fsync on, the settings that everybody gets. Whole processes are
timed, start included, but for the search: from it the start of a process is taken off. The file has
5 params a row. The fragment that is searched for is in no number, so every member is looked at.
Memory is the peak of the command's own process.

    python -m tests.benchmarks imports --rows 1000000
    python -m tests.benchmarks.imports --rows 100000 --runs 1
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import Figure, table

ROOT = Path(__file__).parents[2]
SIARAN = [sys.executable, "-c", "import sys; from admin_cli.main import main; sys.exit(main())"]

MILLION_S, MOST_MIB, SEARCH_S = 60.0, 200.0, 0.5
"""The bars: of 1,000,000 rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One command: how long, how much CPU of its own, its peak of memory, its answer."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    answer: Any


def options(parser: argparse.ArgumentParser) -> None:
    """What may be said of it."""
    parser.add_argument("--rows", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--runs", type=int, default=3, metavar="N")


def run(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    """Import, import again, search; each `given.runs` times, into lists of their own."""
    rows: int = given.rows
    first, again, search, start = [], [], [], []
    with tempfile.TemporaryDirectory(prefix="siaran-bench-") as folder:
        home, file = Path(folder) / "home", Path(folder) / "members.csv"
        write_file(file, rows)
        siaran(home, "list", "create", "empty")
        try:
            for n in range(given.runs):
                name = f"list {n}"
                first.append(siaran(home, "list", "import", name, str(file), "--create"))
                say(f"imported in {first[-1].wall_s:.1f} s")
                again.append(siaran(home, "list", "import", name, str(file)))
                say(f"again in {again[-1].wall_s:.1f} s")
                search.append(siaran(home, "member", "search", name, "--mobile", "99999999"))
                start.append(siaran(home, "member", "search", "empty", "--mobile", "99999999"))
        finally:
            siaran(home, "db", "stop", "--yes")
    assert all(one.answer["imported"] == rows for one in first)
    assert all(one.answer["already_there"] == rows for one in again)
    assert all(one.answer == [] for one in search)
    bar_s = MILLION_S * max(rows, 100_000) / 1_000_000
    looked = [one.wall_s - other.wall_s for one, other in zip(search, start, strict=True)]
    both = list(zip(first, again, strict=True))
    return [
        Figure(
            name=f"import of {rows:,} rows",
            unit="s",
            values=[one.wall_s for one in first],
            at_most=bar_s,
        ),
        Figure(name="CPU of the command", unit="s", values=[one.cpu_s for one in first]),
        Figure(
            name="the same file again",
            unit="s",
            values=[one.wall_s for one in again],
            at_most=bar_s,
        ),
        Figure(
            name="again, against the first time",
            unit="×",
            values=[other.wall_s / one.wall_s for one, other in both],
            at_most=1.0,
        ),
        Figure(
            name="peak memory of the command",
            unit="MiB",
            values=[max(one.peak_mib, other.peak_mib) for one, other in both],
            at_most=MOST_MIB,
        ),
        Figure(name="search for a fragment", unit="s", values=looked, at_most=SEARCH_S),
    ]


def write_file(path: Path, rows: int) -> None:
    """So many different numbers with five params, as a customer's file has them."""
    names = ("Amy", "Budi", "Siti", "Joe", "Ngaire", "Wiremu", "Dewi", "José")
    with path.open("w", encoding="utf-8") as file:
        for n in range(rows):
            mobile = f"+6421{1_000_000 + n * 7 % 8_999_993:07}"
            name = names[n % len(names)]
            file.write(f"{mobile},{name},Scott {n},{1 + n % 28} Nov,${n % 900}.{n % 100:02},0800\n")


def siaran(home: Path, *words: str, as_json: bool = True) -> Run:
    """Run a command in a process of its own; its answer is its JSON, or None."""
    environment = os.environ | {"SIARAN_HOME": str(home)}
    environment.pop("SIARAN_CONFIG", None)
    began = time.perf_counter()
    with subprocess.Popen(
        [*SIARAN, *words, *(["--json"] if as_json else [])],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        out = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, words
    return Run(
        wall_s=time.perf_counter() - began,
        cpu_s=usage.ru_utime + usage.ru_stime,
        peak_mib=usage.ru_maxrss / 1024,
        answer=json.loads(out) if as_json else None,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.imports",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options(parser)
    print(table(run(parser.parse_args(), lambda words: print(words, file=sys.stderr))))


if __name__ == "__main__":
    main()
