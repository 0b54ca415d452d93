"""Throttling: how near an engine comes to what a carrier takes, and how seldom it is refused (R-5.4).

An SMSC that takes 500 submit_sm a second and answers all above that with ESME_RTHROTTLED; the engine
knows of no limit, and finds it. After 20 s of settling, a minute is measured: what was accepted a
second, and the share of answers that were refusals. Then the campaign ends: everything must be
delivered, nothing failed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from tests.benchmarks.figures import Figure
from tests.rig import PATIENCE_S, Rig

SETTLE_S = 20.0
AT_LEAST = 0.96
"""Of the carrier's rate: 480 of 500."""
REFUSED_AT_MOST = 1.0


def options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--rate", type=int, default=500, metavar="R", help="what the SMSC takes")
    parser.add_argument("--burst", type=int, metavar="N", help="at once; else a second's worth")
    parser.add_argument("--settle", type=float, default=SETTLE_S, metavar="S")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="S", help="measured")
    parser.add_argument("--window", type=int, default=100, metavar="N")
    parser.add_argument("--runs", type=int, default=1, metavar="N")


def run(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    """All runs."""
    accepted, refused, failed = [], [], []
    for n in range(given.runs):
        say(f"throttle, run {n + 1} of {given.runs}")
        one = _measure(given, say)
        accepted.append(one[0])
        refused.append(one[1])
        failed.append(float(one[2]))
    return [
        Figure(
            name=f"accepted of {given.rate}",
            unit="/s",
            values=accepted,
            at_least=given.rate * AT_LEAST,
            at_most=given.rate * 1.005,
        ),
        Figure(name="refused of all answers", unit="%", values=refused, at_most=REFUSED_AT_MOST),
        Figure(name="not delivered in the end", unit="", values=failed, at_most=0),
    ]


def _measure(given: argparse.Namespace, say: Callable[[str], None]) -> tuple[float, float, int]:
    messages = int(given.rate * (given.settle + given.seconds + 5))
    with Rig.open(window=given.window) as rig:
        burst = {} if given.burst is None else {"burst": given.burst}
        rig.start_smsc(record=False, latency_ms=10, rate=given.rate, **burst)
        list_name = rig.list_of(messages)
        rig.start_engine()
        campaign = rig.send(list_name)
        rig.wait(lambda: rig.counters()["submits"] > 0, "the first message")
        time.sleep(given.settle)
        before, began = rig.counters(), time.monotonic()
        time.sleep(given.seconds)
        after, ended = rig.counters(), time.monotonic()
        accepted = after["accepted"] - before["accepted"]
        refused = after["throttled"] - before["throttled"]
        say(f"  {accepted / (ended - began):,.0f} accepted/s, {refused:,} refused")
        rig.wait(
            lambda: rig.delivered() >= messages,
            "the campaign's end",
            PATIENCE_S + messages / given.rate,
        )
        counts = rig.report(campaign)["counts"]
        return (
            accepted / (ended - began),
            100 * refused / max(accepted + refused, 1),
            messages - int(counts["delivered"]),
        )
