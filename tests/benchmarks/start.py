"""A campaign's start: from the moment at which it is due to its first message at the SMSC.

To a large list, on an engine that has nothing else to do. And whether a campaign that may send so
many messages a second sends so many: of all arrivals at the SMSC but the first second's.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import datetime, timedelta

from tests.benchmarks.figures import Figure
from tests.rig import Rig

WITHIN_S = 2.0
AHEAD = timedelta(seconds=2)


def options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--members", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--rate", type=int, default=50, metavar="N", help="messages a second")
    parser.add_argument("--seconds", type=int, default=20, metavar="S", help="with that rate")
    parser.add_argument("--runs", type=int, default=3, metavar="N")


def run(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    """Both, in one installation."""
    with Rig.open(window=100) as rig:
        rig.start_smsc()
        rig.start_engine()
        say(f"start: a list of {given.members:,} members")
        list_name = rig.list_of(given.members)
        firsts = [_first(rig, list_name, say) for _ in range(given.runs)]
        rates = [_rate(rig, given.rate, given.seconds, say) for _ in range(given.runs)]
    return [
        Figure(
            name=f"{given.members:,} members: due to first message",
            unit="s",
            values=firsts,
            at_most=WITHIN_S,
        ),
        Figure(name=f"{given.rate}/s", unit="/s", values=rates),
        Figure(
            name="off what was said",
            unit="%",
            values=[abs(one / given.rate - 1) * 100 for one in rates],
            at_most=2.0,
        ),
    ]


def _first(rig: Rig, list_name: str, say: Callable[[str], None]) -> float:
    """Seconds from due to the first arrival; the rest is called off."""
    campaign = _made(rig, "--list", list_name)
    before = len(rig.record.read())
    ((due,),) = rig.sql(
        "UPDATE campaign SET scheduled_at = clock_timestamp() + %s WHERE id = %s"
        " RETURNING scheduled_at",
        AHEAD,
        campaign,
    )
    rig.wait(lambda: len(rig.record.read()) > before, "the first message")
    taken = float((rig.record.read()[before].at - due).total_seconds())
    say(f"start: the first message after {taken:.2f} s")
    rig.siaran("campaign", "stop", str(campaign))
    rig.wait(lambda: _ended(rig, campaign), "the end of what was stopped", within_s=300)
    return taken


def _rate(rig: Rig, rate: int, seconds: int, say: Callable[[str], None]) -> float:
    """Messages a second of a campaign with a rate."""
    list_name = rig.list_of(rate * seconds)
    campaign = _made(rig, "--list", list_name, "--rate", f"{rate}/s")
    before = len(rig.record.read())
    rig.sql("UPDATE campaign SET scheduled_at = now() WHERE id = %s", campaign)
    rig.wait(
        lambda: len(rig.record.read()) >= before + rate * seconds,
        "a campaign with a rate",
        within_s=seconds * 2 + 60,
    )
    times: list[datetime] = [one.at for one in rig.record.read()[before + rate :]]
    found = (len(times) - 1) / (times[-1] - times[0]).total_seconds()
    say(f"start: {found:.2f} messages a second of {rate}")
    return found


def _made(rig: Rig, *words: str) -> int:
    text = "Hello %%1%%"
    made = rig.siaran("campaign", "new", *words, "--message", text, "--at", "2035-01-01 00:00")
    return int(made["campaign"]["id"])


def _ended(rig: Rig, campaign: int) -> bool:
    return not rig.sql("SELECT FROM campaign WHERE id = %s AND clearing IS NOT NULL", campaign)
