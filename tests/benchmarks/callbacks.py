"""Committing callbacks: what a campaign loses when each of its messages has events to be told.

Three campaigns a run, alike but for the endpoint of the application: none, one that is told final
statuses (an event a message), one that is told each (three). The endpoint is suspended, so that all
stays due and nothing is posted. The figure that counts is the speed with an endpoint ÷ that without,
of the same run; which of them goes first changes from run to run. Each campaign has an engine, an
SMSC and a database of its own; the clock is that of `turn`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Final

from tests.benchmarks import turn
from tests.benchmarks.figures import Figure
from tests.rig import Rig

AT_LEAST: Final = 0.85

EVENTS: Final = {"no endpoint": 0, "final": 1, "all": 3}
"""What the endpoint is told, and how many events each message then has."""


def options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--messages", type=int, default=100_000, metavar="N")
    parser.add_argument("--window", type=int, default=500, metavar="W")
    parser.add_argument("--runs", type=int, default=5, metavar="N")
    parser.add_argument(
        "--events", nargs="+", choices=["final", "all"], default=["final", "all"], metavar="E"
    )


def run(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    """So many of each."""
    ways = ["no endpoint", *given.events]
    runs: dict[str, list[turn.Run]] = {way: [] for way in ways}
    for n in range(given.runs):
        say(f"callbacks, run {n + 1} of {given.runs}: {given.messages:,} messages each")
        for way in ways[n % len(ways) :] + ways[: n % len(ways)]:
            runs[way].append(_measure(way, given.messages, given.window))
            say(f"  {way}: {runs[way][-1].messages_s:,.0f} messages/s")
    without = runs["no endpoint"]
    figures = [
        Figure(name="no endpoint: messages", unit="/s", values=[one.messages_s for one in without])
    ]
    for way in given.events:
        both = list(zip(runs[way], without, strict=True))
        figures += [
            Figure(
                name=f"{way}: messages", unit="/s", values=[one.messages_s for one in runs[way]]
            ),
            Figure(
                name=f"{way} ÷ no endpoint",
                unit="×",
                values=[one.messages_s / other.messages_s for one, other in both],
                at_least=AT_LEAST if way == "final" else None,
            ),
            Figure(
                name=f"{way}: engine CPU more a message",
                unit="µs",
                values=[one.engine_us - other.engine_us for one, other in both],
            ),
            Figure(
                name=f"{way}: PostgreSQL CPU more a message",
                unit="µs",
                values=[one.postgres_us - other.postgres_us for one, other in both],
            ),
        ]
    return figures


def _measure(way: str, messages: int, window: int) -> turn.Run:
    with Rig.open(window=window) as rig:
        rig.start_smsc(record=False, receipt_after_ms=turn.RECEIPT_AFTER_MS)
        list_name = rig.list_of(messages)
        if EVENTS[way]:
            url = "https://callbacks.example.com/receipts"
            rig.siaran("callback", "set", "receipt", url, "--events", way)
            rig.sql("UPDATE endpoint SET suspended_at = now(), suspended_why = 'measured'")
        rig.start_engine()
        done = turn.measure(rig, list_name, messages)
        ((due,),) = rig.sql("SELECT count(*) FROM outbox")
        assert due == EVENTS[way] * messages, f"{due:,} events of {messages:,} messages"
    return done
