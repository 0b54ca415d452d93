"""The turn: messages a second and CPU a message, from the first submit to the last receipt.

One bind; personalised single-segment messages; the SMSC answers at once and sends a receipt 100 ms
later. Every step is committed (fsync on), and SMSC, PostgreSQL and engine share the machine. The
clock runs from the first submit_sm until the last receipt is committed (/metrics says so, looked at
every 20 ms at the ends). CPU is user and system time of all of a program's processes (/proc).

The floor is what the same SQL and the same codec cost with nothing around them, measured in the same
run on the same list: one thread that calls the turn in a loop, and feeds back in memory what an SMSC
would have sent. It has no sockets, no tasks, no waiting, and nothing runs beside it; so its messages
a second are no limit to an engine that does two things at a time. How far the engine stands above it
is the ratio of the CPU times.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import NamedTuple

from tests.benchmarks import floor
from tests.benchmarks.figures import Figure
from tests.rig import PATIENCE_S, TEXT, Rig

RECEIPT_AFTER_MS = 100
ENDS_S = 0.02
MIDDLE_S = 0.5

BARS = {500: 15_000.0, 100: 12_000.0}
"""Messages a second, by window."""

ENGINE_US = {500: 40.0}
"""CPU of the engine a message, by window."""


def options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--messages", type=int, default=200_000, metavar="N")
    parser.add_argument(
        "--window", type=int, nargs="+", default=[500, 100], metavar="W", help="of the one bind"
    )
    parser.add_argument("--runs", type=int, default=3, metavar="N")
    parser.add_argument("--no-floor", action="store_true", help="measure the engine alone")


class Run(NamedTuple):
    """One campaign."""

    messages_s: float
    engine_us: float
    postgres_us: float
    smsc_us: float
    rss: int
    a_turn: float
    turn_ms: float


def run(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    """All windows, all runs."""
    figures: list[Figure] = []
    for window in given.window:
        runs: list[Run] = []
        floors: list[floor.Floor] = []
        for n in range(given.runs):
            with Rig.open(window=window) as rig:
                say(
                    f"turn, window {window}, run {n + 1} of {given.runs}: {given.messages:,} members"
                )
                rig.start_smsc(record=False, receipt_after_ms=RECEIPT_AFTER_MS)
                list_name = rig.list_of(given.messages)
                rig.start_engine()
                runs.append(measure(rig, list_name, given.messages))
                say(f"  {runs[-1].messages_s:,.0f} messages/s, {runs[-1].engine_us:.1f} µs")
                if not given.no_floor:
                    rig.engine.end()
                    floors.append(floor.measure(rig, list_name, given.messages, window))
                    say(f"  floor: {floors[-1].messages_s:,.0f}/s, {floors[-1].own_us:.1f} µs")
        figures += _figures(window, runs, floors)
    return figures


def measure(rig: Rig, list_name: str, messages: int, *words: str) -> Run:
    """A campaign to a list, by an engine that is bound and idle; `words` are more of its options."""
    rig.sql("CHECKPOINT", user="postgres")
    engine, postgres, smsc = rig.engine_use(), rig.postgres_use(), rig.smsc_use()
    given = ("--list", list_name, "--message", TEXT, "--now", *words)
    with rig.typed("campaign", "new", *given) as typed:
        rig.wait(lambda: rig.launched() > 0, "the first submit")
        began = time.monotonic()
        out, err = typed.communicate()
        assert typed.returncode == 0, out + err
    until = began + PATIENCE_S + messages / 500
    while (done := rig.received()) < messages:
        assert time.monotonic() < until, f"{done:,.0f} of {messages:,} receipts, and no more"
        time.sleep(MIDDLE_S if done < messages * 0.9 else ENDS_S)
    # One that overtook its response (on a busy machine) is joined with it within two seconds.
    rig.wait(lambda: rig.delivered() == messages, "the last receipt")
    took_s = time.monotonic() - began
    us = 1e6 / messages
    seen = rig.metrics()
    turns = seen["siaran_turn_seconds_count"]
    counters = rig.counters()
    assert counters["accepted"] == counters["unique_destinations"] == messages, counters
    return Run(
        messages_s=messages / took_s,
        engine_us=(rig.engine_use().cpu_s - engine.cpu_s) * us,
        postgres_us=(rig.postgres_use().cpu_s - postgres.cpu_s) * us,
        smsc_us=(rig.smsc_use().cpu_s - smsc.cpu_s) * us,
        rss=rig.engine_use().rss,
        a_turn=messages / turns,
        turn_ms=seen["siaran_turn_seconds_sum"] / turns * 1e3,
    )


def _figures(window: int, runs: list[Run], floors: list[floor.Floor]) -> list[Figure]:
    name = f"window {window}"
    figures = [
        Figure(
            name=f"{name}: messages",
            unit="/s",
            values=[run.messages_s for run in runs],
            at_least=BARS.get(window),
        ),
        Figure(
            name=f"{name}: engine CPU a message",
            unit="µs",
            values=[run.engine_us for run in runs],
            at_most=ENGINE_US.get(window),
        ),
        Figure(
            name=f"{name}: PostgreSQL CPU a message",
            unit="µs",
            values=[run.postgres_us for run in runs],
        ),
        Figure(
            name=f"{name}: simulator CPU a message",
            unit="µs",
            values=[run.smsc_us for run in runs],
        ),
        Figure(name=f"{name}: engine RSS", unit="MiB", values=[run.rss / 2**20 for run in runs]),
        Figure(name=f"{name}: messages a turn", unit="", values=[run.a_turn for run in runs]),
        Figure(name=f"{name}: a turn", unit="ms", values=[run.turn_ms for run in runs]),
    ]
    if not floors:
        return figures
    both = list(zip(runs, floors, strict=True))
    return [
        *figures,
        Figure(
            name=f"{name}, floor: messages", unit="/s", values=[low.messages_s for low in floors]
        ),
        Figure(
            name=f"{name}, floor: own CPU a message",
            unit="µs",
            values=[low.own_us for low in floors],
        ),
        Figure(
            name=f"{name}, floor: PostgreSQL CPU a message",
            unit="µs",
            values=[low.postgres_us for low in floors],
        ),
        Figure(
            name=f"{name}: engine CPU ÷ floor",
            unit="×",
            values=[run.engine_us / low.own_us for run, low in both],
        ),
        Figure(
            name=f"{name}: messages/s ÷ floor",
            unit="×",
            values=[run.messages_s / low.messages_s for run, low in both],
        ),
    ]
