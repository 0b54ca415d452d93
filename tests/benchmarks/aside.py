"""An import beside a campaign: what a large import costs the campaign that is being sent.

One run: a campaign at full speed, alone for some seconds, then with an import of a file of its own
beside it, then alone again. The figure that counts is the campaign's speed while the import runs ÷
the mean of its speeds before and after. Engine, database, simulator and import share the machine;
the import steps aside, and so takes longer than on an idle one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import NamedTuple

from tests.benchmarks.figures import Figure
from tests.benchmarks.imports import write_file
from tests.rig import PATIENCE_S, Rig

ALONE_S = 8.0
LOOK_S = 0.25
AT_LEAST = 0.75
SPEED_S = 17_000
"""More messages a second than any campaign has been seen to reach."""


class Run(NamedTuple):
    """One campaign with an import in the midst of it."""

    alone_s: float
    beside_s: float
    import_s: float
    dead: float


def options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--rows", type=int, default=300_000, metavar="N", help="of the import")
    parser.add_argument(
        "--messages", type=int, default=800_000, metavar="N", help="of the campaign"
    )
    parser.add_argument("--window", type=int, default=500, metavar="W")
    parser.add_argument("--runs", type=int, default=3, metavar="N")


def run(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    """So many campaigns, each with an import."""
    runs: list[Run] = []
    for n in range(given.runs):
        say(f"beside a campaign of {given.messages:,}, run {n + 1} of {given.runs}")
        runs.append(_measure(given.rows, given.messages, given.window))
        one = runs[-1]
        say(
            f"  {one.alone_s:,.0f}/s alone, {one.beside_s:,.0f}/s beside {one.import_s:.0f} s of import"
        )
    return [
        Figure(name="campaign alone", unit="/s", values=[one.alone_s for one in runs]),
        Figure(name="beside the import", unit="/s", values=[one.beside_s for one in runs]),
        Figure(
            name="beside ÷ alone",
            unit="×",
            values=[one.beside_s / one.alone_s for one in runs],
            at_least=AT_LEAST,
        ),
        Figure(
            name=f"import of {given.rows:,} rows", unit="s", values=[one.import_s for one in runs]
        ),
        Figure(
            name="staged rows that are left dead",
            unit="×",
            values=[one.dead for one in runs],
        ),
    ]


def _measure(rows: int, messages: int, window: int) -> Run:
    with Rig.open(window=window) as rig:
        rig.start_smsc(record=False, receipt_after_ms=100)
        list_name = rig.list_of(messages)
        file = rig.home / "import.csv"
        write_file(file, rows)
        rig.start_engine()
        rig.send(list_name)
        rig.wait(lambda: rig.launched() > messages / 50, "the campaign's first messages")
        before = _speed(rig, ALONE_S)
        began, launched = time.monotonic(), rig.launched()
        with rig.typed("list", "import", "beside", str(file), "--create") as typed:
            while typed.poll() is None:
                assert time.monotonic() - began < PATIENCE_S * 10, "the import does not end"
                time.sleep(LOOK_S)
            out, err = typed.communicate()
            assert typed.returncode == 0, out + err
        import_s = time.monotonic() - began
        at = rig.launched()
        assert at < messages * 0.95, "the campaign ended before the import: take more messages"
        beside = (at - launched) / import_s
        after = _speed(rig, min(ALONE_S, (messages - at) / SPEED_S / 2))
        ((dead,),) = rig.sql(
            "SELECT coalesce(sum(n_dead_tup), 0)::float FROM pg_stat_user_tables"
            " WHERE relname = 'import_row'"
        )
    return Run((before + after) / 2, beside, import_s, dead / rows)


def _speed(rig: Rig, seconds: float) -> float:
    """How many a second were launched in the next seconds."""
    began, launched = time.monotonic(), rig.launched()
    time.sleep(seconds)
    return (rig.launched() - launched) / (time.monotonic() - began)
