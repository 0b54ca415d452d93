"""Previews: a campaign to a large list, and to a large file, looked at before it is there.

One embedded PostgreSQL of its own, fsync on, the settings that everybody gets. Every text is merged
with two params and cut, every number is looked up among a tenth of them who have opted out. Whole
processes are timed, start included. Memory is the peak of the command's own process.

    python -m tests.benchmarks preview --rows 1000000
    python -m tests.benchmarks preview --rows 100000 --runs 1
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.figures import Figure
from tests.benchmarks.imports import MOST_MIB, siaran, write_file

MILLION_S = 10.0
"""The bar for a list of 1,000,000; a file has to be read as well."""

TEXT = "Dear %%1%%, your payment of %%4%% is due. Reply STOP to opt out."


def options(parser: argparse.ArgumentParser) -> None:
    """What may be said of it."""
    parser.add_argument("--rows", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--runs", type=int, default=3, metavar="N")


def run(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    """Import, opt a tenth out, look; each `given.runs` times."""
    rows: int = given.rows
    of_list, of_file, local = [], [], []
    words = ("--message", TEXT, "--now")
    with tempfile.TemporaryDirectory(prefix="siaran-bench-") as folder:
        home, file, out = Path(folder) / "home", Path(folder) / "all.csv", Path(folder) / "out.csv"
        write_file(file, rows)
        with file.open() as all_of, out.open("w") as some:
            some.writelines(
                line.split(",")[0] + "\n" for n, line in enumerate(all_of) if n % 10 == 0
            )
        try:
            siaran(home, "list", "import", "all", str(file), "--create")
            siaran(home, "member", "optout", "all", "--file", str(out), "--yes")
            siaran(home, "hours", "set", "--from", "8", "--to", "20", "--days", "daily")
            say("imported, a tenth opted out")
            for _ in range(given.runs):
                of_list.append(siaran(home, "campaign", "preview", "--list", "all", *words))
                say(f"a list in {of_list[-1].wall_s:.1f} s")
                local.append(
                    siaran(
                        home, "campaign", "preview", "--list", "all", *words,
                        "--respect-hours", "--recipient-time",
                    )
                )  # fmt: skip
                say(f"by each recipient's clock in {local[-1].wall_s:.1f} s")
                of_file.append(
                    siaran(home, "campaign", "preview", str(file), "--list", "file", *words)
                )
                say(f"a file in {of_file[-1].wall_s:.1f} s")
        finally:
            siaran(home, "db", "stop", "--yes")
    opted_out = -(-rows // 10)
    for one in of_list:
        assert one.answer["excluded"] == {"opted out": opted_out}
        assert one.answer["cost"]["recipients"] == rows - opted_out
    bar_s = MILLION_S * max(rows, 100_000) / 1_000_000
    everything = [*of_list, *of_file, *local]
    return [
        Figure(
            name=f"preview of a list of {rows:,}",
            unit="s",
            values=[one.wall_s for one in of_list],
            at_most=bar_s,
        ),
        Figure(name="CPU of the command", unit="s", values=[one.cpu_s for one in of_list]),
        Figure(name="by each recipient's clock", unit="s", values=[one.wall_s for one in local]),
        Figure(name="preview of a file", unit="s", values=[one.wall_s for one in of_file]),
        Figure(
            name="peak memory of the command",
            unit="MiB",
            values=[one.peak_mib for one in everything],
            at_most=MOST_MIB,
        ),
    ]
