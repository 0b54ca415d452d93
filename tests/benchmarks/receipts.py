"""Receipts: how many a second are matched and committed, against many submissions.

What a turn does with them, and nothing else: their ids are looked up among all submissions of the
last days, their messages updated, all of it committed (fsync on). The submissions are spread over
three days. Receipts come in no order, first those of the newest submissions, as nearly all of them
do, then some of all three days: the worst case, in which each is on a page that nobody has touched
since, and PostgreSQL reads and logs whole pages. `--submissions 10000000` takes some minutes and
5 GB to fill.

The flood is one of receipts whose ids nobody knows: they are looked up, parked and committed. What
counts is that a turn which brings 1,000 of them stays a turn.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from contextlib import closing

from engine import clock
from engine.domain.routing import Routing
from engine.gateway import turn
from engine.gateway.plans import Network
from engine.gateway.turn import Received, Work
from engine.store import embedded, migrations, nodes
from engine.store.db import Database, Tx
from smpp import receipt, receipt_dates
from smpp.receipt import ReceiptState
from tests.benchmarks.figures import Figure
from tests.rig import Rig

AT_LEAST = 15_000.0
BATCH = 500
FLOOD = 1_000
LONGEST_TURN_MS = 1_000.0
DAYS = 3
STEP = 500_000


def options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--submissions", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--receipts", type=int, default=100_000, metavar="N")
    parser.add_argument("--flood", type=int, default=100_000, metavar="N", help="unknown ones")
    parser.add_argument("--batch", type=int, default=BATCH, metavar="N", help="receipts a turn")
    parser.add_argument("--runs", type=int, default=3, metavar="N")


def run(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    """Fills a database once, then all runs, each with receipts of its own."""
    newest: list[float] = []
    known: list[float] = []
    flood: list[float] = []
    longest: list[float] = []
    with (
        Rig.open(window=10) as rig,
        closing(embedded.join(rig.home, name="receipts")) as lease,
        closing(Database.open(lease.url, size=1)) as database,
    ):
        migrations.migrate(database)
        say(f"receipts: {given.submissions:,} submissions")
        for start in range(0, given.submissions, STEP):
            database.run(_fill, start, min(STEP, given.submissions - start))
        node = database.run(nodes.start, "bench", clock.utc_now())
        chance = random.Random(1)
        fresh = given.receipts * given.runs
        order = list(range(max(given.submissions - fresh, 0)))
        chance.shuffle(order)
        number = 0
        for n in range(given.runs):
            last = given.submissions - n * given.receipts
            recent = list(range(max(last - given.receipts, 0), last))
            chance.shuffle(recent)
            received = [_received(f"{one:x}", one) for one in recent]
            taken_s, _, number = _take(database, node, received, given.batch, number)
            newest.append(len(received) / taken_s)
            say(f"  {newest[-1]:,.0f} receipts of new ones/s")
            part = order[n * given.receipts : (n + 1) * given.receipts]
            received = [_received(f"{one:x}", one) for one in part]
            taken_s, _, number = _take(database, node, received, given.batch, number)
            known.append(len(received) / taken_s)
            say(f"  {known[-1]:,.0f} of all days, in no order/s")
            unknown = [_received(f"no{n}-{one}", one) for one in range(given.flood)]
            taken_s, turn_ms, number = _take(database, node, unknown, FLOOD, number)
            flood.append(len(unknown) / taken_s)
            longest.append(turn_ms)
            say(f"  {flood[-1]:,.0f} unknown ones/s, at most {turn_ms:.0f} ms a turn")
    return [
        Figure(name="receipts of the newest", unit="/s", values=newest, at_least=AT_LEAST),
        Figure(name="receipts of all days, in no order", unit="/s", values=known),
        Figure(name="unknown receipts", unit="/s", values=flood),
        Figure(
            name=f"longest turn with {FLOOD:,} unknown ones",
            unit="ms",
            values=longest,
            at_most=LONGEST_TURN_MS,
        ),
    ]


def _fill(tx: Tx, start: int, n: int) -> None:
    """Messages that were sent, their numbers' ids in hexadecimal, over the last days."""
    tx.execute(
        "SELECT ensure_partitions((now() AT TIME ZONE 'UTC')::date - %s, %s)", (DAYS, DAYS + 2)
    )
    tx.execute(
        """
        WITH new AS (
            INSERT INTO message (id, application_id, class, attempt, total, accepted, state,
                                 state_at, sent_at, created_at, mobile, sender)
            SELECT first_id(day_of(now()) - g %% %(days)s::int) + g + 1, 1, 2, 1, 1, 1, 'sent', now(), now(),
                   now(), '+6421' || lpad(g::text, 8, '0'), '3774'
              FROM generate_series(%(start)s::bigint, %(start)s::bigint + %(n)s - 1) AS g
            RETURNING id, mobile)
        INSERT INTO submission (message_id, segment, attempt, carrier_id, smsc_id, at)
        SELECT id, 1, 1, 1, to_hex(right(mobile, 8)::bigint), now() FROM new
        """,
        {"start": start, "n": n, "days": DAYS},
    )


_DATE = receipt_dates.write(clock.utc_now())


def _received(smsc_id: str, number: int) -> Received:
    text = receipt.render(smsc_id, ReceiptState.DELIVERED, submit_date=_DATE, done_date=_DATE)
    read = receipt.parse(text, {}, 0x04, 0)
    assert read is not None
    return Received(1, f"6421{number:08}", read, "3774")


def _take(
    database: Database, node: nodes.NodeStart, received: list[Received], batch: int, number: int
) -> tuple[float, float, int]:
    """Seconds for all of them, milliseconds of the longest turn, and the number of the last."""
    network = Network(plans={}, routing=Routing([]), route_ids={})
    longest = 0.0
    began = time.perf_counter()
    for at in range(0, len(received), batch):
        number += 1
        work = Work(
            node_id=node.node_id,
            epoch=node.epoch,
            number=number,
            answers=(),
            received=received[at : at + batch],
            slots=(),
            settled_turns=(),
            given_up=(),
            network=network,
            up=frozenset(),
            most_segments=10,
            launch=False,
        )
        turn_began = time.perf_counter()
        database.run(turn.run, work)
        longest = max(longest, time.perf_counter() - turn_began)
    return time.perf_counter() - began, longest * 1000, number
