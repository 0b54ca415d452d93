"""Carriers side by side: whether a dead and a slow one slow a healthy one down (R-5.2, R-5.5).

One campaign; a thousand of its recipients have a route to a carrier that is dead, a thousand to one
that answers after two seconds, all others to a healthy one. Paired with a campaign of the same size
that has the healthy carrier alone. What the healthy SMSC accepts a second is measured between 10 %
and 90 % of its part; the figure that counts is the ratio of a pair.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from collections.abc import Callable, Iterator

from tests.benchmarks.figures import Figure
from tests.rig import PATIENCE_S, Process, Rig

OTHERS = 1_000
"""Recipients of the dead one, and of the slow one."""
SLOW_MS = 2_000
AT_LEAST = 0.95

# The rig's numbers are +62812, seven digits that count, and one more.
ROUTES = """
[[routes]]
prefix = "+628120000"
carriers = [{ name = "dead" }]
[[routes]]
prefix = "+628120001"
carriers = [{ name = "slow" }]
[[routes]]
carriers = [{ name = "smsc" }]
"""


def options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--messages", type=int, default=30_000, metavar="N")
    parser.add_argument("--window", type=int, default=100, metavar="N")
    parser.add_argument("--runs", type=int, default=5, metavar="N")


def run(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    """Pairs, one after the other."""
    alone, beside, ratios = [], [], []
    for n in range(given.runs):
        say(f"beside, pair {n + 1} of {given.runs}")
        # Who begins alternates: a machine that gets slower spoils neither side.
        pair = {others: _measure(given, others) for others in (n % 2 == 0, n % 2 == 1)}
        alone.append(pair[False])
        beside.append(pair[True])
        ratios.append(pair[True] / pair[False])
        say(f"  {pair[False]:,.0f}/s alone, {pair[True]:,.0f}/s beside them: {ratios[-1]:.3f}")
    return [
        Figure(name="the healthy one alone", unit="/s", values=alone),
        Figure(name="beside a dead and a slow one", unit="/s", values=beside),
        Figure(name="beside ÷ alone", unit="×", values=ratios, at_least=AT_LEAST),
    ]


def _measure(given: argparse.Namespace, others: bool) -> float:
    with Rig.open(window=given.window) as rig:
        rig.start_smsc(record=False, latency_ms=5, receipt_after_ms=50)
        list_name = rig.list_of(given.messages + 2 * OTHERS)
        with _slow(rig) as port:
            if others:
                with rig.configuration.open("a") as file:
                    file.write(_carrier("dead", 1) + _carrier("slow", port) + ROUTES)
            rig.start_engine()
            rig.send(list_name)
            began, first = _at(rig, given.messages * 0.1)
            ended, last = _at(rig, given.messages * 0.9)
    return (last - first) / (ended - began)


@contextlib.contextmanager
def _slow(rig: Rig) -> Iterator[int]:
    """An SMSC that takes its time; its port."""
    words = ("smsc", "--json", "--port", "0", "--latency-ms", str(SLOW_MS))
    process = Process(words, log=rig.home / "slow.log", home=rig.home, reads=True)
    try:
        yield int(json.loads(process.read_line(PATIENCE_S))["port"])
    finally:
        process.end()


def _carrier(name: str, port: int) -> str:
    return f'\n[carriers.{name}]\nhost = "127.0.0.1"\nport = {port}\nsystem_id = "siaran"\n'


def _at(rig: Rig, accepted: float) -> tuple[float, int]:
    """When the healthy SMSC had accepted so many, and how many it were."""
    until = time.monotonic() + PATIENCE_S * 2
    while True:
        seen, at = rig.counters()["accepted"], time.monotonic()
        if seen >= accepted:
            return at, seen
        assert at < until, f"{accepted:,.0f} messages take too long"
        time.sleep(0.05)
