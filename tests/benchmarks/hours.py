"""Sending hours: whether they are right round every change of clocks there is, and what they cost.

Each distinct jump in the tz database since 1970 (of a zone from one offset to another, at a time of
a day of the week), with windows before, in, over and round the gap, for 48 h on both sides, against
a walk by the minute. And a million recipients, each judged by the own clock.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from datetime import UTC, datetime

from engine.domain.hours import Hours, RecipientHours
from tests import walk
from tests.benchmarks.figures import Figure

WINDOWS = ((0, 1), (2, 3), (22, 3), (8, 11), (0, 24))
COUNTRIES = ("+64", "+62812", "+1212", "+7912", "+999", "+4479")


def options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--since", type=int, default=1970, metavar="YEAR")
    parser.add_argument("--recipients", type=int, default=1_000_000, metavar="N")


def run(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    """Both."""
    changes = walk.changes(given.since)
    wrong: list[str] = []
    for number, change in enumerate(changes):
        if number % 100 == 0:
            say(f"hours: {number} of {len(changes)} changes of clocks")
        from_hour, to_hour = WINDOWS[number % len(WINDOWS)]
        around = (change.at.astimezone(change.zone).hour - 1) % 24
        for start, end in ((from_hour, to_hour), (around, (around + 1) % 24)):
            hours = Hours(from_hour=start, to_hour=end, days=127, zone=change.zone)
            said = walk.disagreement(hours, change, every=7)
            if said is not None:
                wrong.append(said)
                say(f"hours: {said}")
    mine = RecipientHours(Hours(from_hour=8, to_hour=20, days=127, zone=changes[0].zone))
    mobiles = [f"{COUNTRIES[n % len(COUNTRIES)]}{n:07}" for n in range(100_000)]
    now = datetime(2026, 11, 2, 12, tzinfo=UTC)
    began = time.perf_counter()
    for n in range(given.recipients):
        mine.opens(mobiles[n % 100_000], now)
    taken = time.perf_counter() - began
    return [
        Figure(name="changes of clocks", unit="", values=[len(changes)]),
        Figure(name="where the walk disagrees", unit="", values=[len(wrong)], at_most=0),
        Figure(name=f"{given.recipients:,} recipients", unit="s", values=[taken], at_most=5.0),
    ]
