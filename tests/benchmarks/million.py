"""A million: whether the last messages of a large campaign go as fast as the first.

One campaign, one bind, window 500. Of each tenth: messages a second (by receipts committed), and the
engine's RSS at its end. Afterwards: how large table and indexes are, compared with the same rows
copied into a new table, once packed and once with the fillfactor that messages have; and how many
updates were HOT (no index had to know of them).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import LiteralString, NamedTuple

from tests.benchmarks.figures import Figure
from tests.rig import PATIENCE_S, Rig

LOOK_S = 0.5
TENTHS = 10

SPEED_AT_LEAST = 0.9
SIZE_AT_MOST = 2.5


def options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--messages", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--window", type=int, default=500, metavar="W")
    parser.add_argument("--runs", type=int, default=1, metavar="N")


class Seen(NamedTuple):
    """A look: when, how many receipts were committed, and the engine's memory in octets."""

    at: float
    delivered: float
    rss: float


class Run(NamedTuple):
    """One campaign: by tenths, and what the table looks like."""

    speeds: Sequence[float]
    rss: Sequence[float]
    size: float
    packed: float
    filled: float
    hot: float


def run(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    """All runs."""
    runs = [_measure(given.messages, given.window, say) for _ in range(given.runs)]
    figures = [
        Figure(name=f"tenth {n + 1}: messages", unit="/s", values=[one.speeds[n] for one in runs])
        for n in range(TENTHS)
    ]
    figures += [
        Figure(
            name=f"tenth {n}: engine RSS",
            unit="MiB",
            values=[one.rss[n - 1] / 2**20 for one in runs],
        )
        for n in (1, 2, TENTHS // 2, TENTHS)
    ]
    return [
        *figures,
        Figure(
            name="last tenth ÷ first",
            unit="×",
            values=[one.speeds[-1] / one.speeds[0] for one in runs],
            at_least=SPEED_AT_LEAST,
        ),
        Figure(
            name="RSS, last tenth ÷ second",
            unit="×",
            values=[one.rss[-1] / one.rss[1] for one in runs],
            at_most=1.1,
        ),
        Figure(name="messages with indexes", unit="MiB", values=[one.size / 2**20 for one in runs]),
        Figure(
            name="÷ the same rows packed",
            unit="×",
            values=[one.size / one.packed for one in runs],
            at_most=SIZE_AT_MOST,
        ),
        Figure(
            name="÷ the same rows with their fillfactor",
            unit="×",
            values=[one.size / one.filled for one in runs],
        ),
        Figure(name="HOT updates", unit="%", values=[one.hot * 100 for one in runs]),
    ]


def _measure(messages: int, window: int, say: Callable[[str], None]) -> Run:
    with Rig.open(window=window) as rig:
        say(f"million: {messages:,} members")
        rig.start_smsc(record=False, receipt_after_ms=100)
        list_name = rig.list_of(messages)
        rig.start_engine()
        rig.send(list_name)
        seen = list(_look(rig, messages, say))
        ends = [seen[0], *(_when(seen, messages * n / TENTHS) for n in range(1, TENTHS + 1))]
        size, packed, filled, hot = _table(rig)
    return Run(
        speeds=[messages / TENTHS / (after.at - before.at) for before, after in pairwise(ends)],
        rss=[one.rss for one in ends[1:]],
        size=size,
        packed=packed,
        filled=filled,
        hot=hot,
    )


def _look(rig: Rig, messages: int, say: Callable[[str], None]) -> Iterator[Seen]:
    until = time.monotonic() + PATIENCE_S + messages / 500
    told = 0
    while True:
        one = Seen(time.monotonic(), rig.received(), rig.engine_use().rss)
        if one.delivered > 0:
            yield one
        if one.delivered * TENTHS // messages > told:
            told += 1
            say(f"  {one.delivered:,.0f} delivered, RSS {one.rss / 2**20:.0f} MiB")
        if one.delivered >= messages:
            return
        assert one.at < until, f"{one.delivered:,.0f} of {messages:,} receipts, and no more"
        time.sleep(LOOK_S)


def _when(seen: Sequence[Seen], delivered: float) -> Seen:
    """The moment of so many receipts, between two looks."""
    before = seen[0]
    for one in seen[1:]:
        if one.delivered >= delivered:
            part = (delivered - before.delivered) / max(one.delivered - before.delivered, 1)
            return Seen(
                before.at + part * (one.at - before.at),
                delivered,
                before.rss + part * (one.rss - before.rss),
            )
        before = one
    return before


def _table(rig: Rig) -> tuple[float, float, float, float]:
    """Octets of the messages as they are, packed, and with their fillfactor; the HOT part."""
    rig.sql("SELECT pg_stat_force_next_flush()")
    rows = rig.sql(
        """
        SELECT c.relname, pg_total_relation_size(c.oid),
               s.n_tup_upd, s.n_tup_hot_upd,
               coalesce(substring(array_to_string(c.reloptions, ',') FROM 'fillfactor=(\\d+)'), '100')
          FROM pg_class c
          JOIN pg_inherits i ON i.inhrelid = c.oid AND i.inhparent = 'message'::regclass
          JOIN pg_stat_user_tables s ON s.relid = c.oid
        """
    )
    updated = sum(row[2] for row in rows)
    fill = max(rows, key=lambda row: row[1])[4]
    return (
        sum(row[1] for row in rows),
        _copied(rig, "100"),
        _copied(rig, fill),
        sum(row[3] for row in rows) / updated if updated else 0.0,
    )


def _copied(rig: Rig, fillfactor: LiteralString) -> float:
    """Octets of all messages in a new table with the same indexes."""
    # A million rows, and indexes after them, within the session's statement_timeout.
    rig.sql(f"CREATE TABLE copied (LIKE message) WITH (fillfactor = {fillfactor})")
    rig.sql("INSERT INTO copied SELECT * FROM message ORDER BY id")
    rig.sql("ALTER TABLE copied ADD PRIMARY KEY (id)")
    rig.sql("CREATE INDEX ON copied (mobile, id)")
    ((size,),) = rig.sql("SELECT pg_total_relation_size('copied')")
    rig.sql("DROP TABLE copied")
    return float(size)
