"""Scrubbing beside a campaign: what removing old texts and numbers costs the one that is being sent.

So many messages of days long past lie in the database, with texts and numbers. One campaign is sent
at full speed; for some seconds it is alone, for some the pieces of the hourly housekeeping run beside
it, at the pace at which the engine takes them, and so on in turn. The figure that counts is the speed
beside scrubbing ÷ the mean of the speeds before and after. Engine, database, simulator and this
program share the machine. `--rows 5000000` takes some minutes to fill; SIARAN_TEST_ROWS says it, too.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta

from engine import clock
from engine.operations import retention
from engine.store import embedded
from engine.store.db import Database, Tx
from tests.benchmarks.figures import Figure
from tests.rig import Rig

AT_LEAST = 0.9
DAYS = 5
STEP = 250_000
PHASE_S = 3.0
WARM_S = 3.0


def options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    rows = int(os.environ.get("SIARAN_TEST_ROWS", 1_000_000))
    parser.add_argument("--rows", type=int, default=rows, metavar="N", help="old messages")
    parser.add_argument(
        "--messages", type=int, default=1_000_000, metavar="N", help="of the campaign"
    )
    parser.add_argument("--window", type=int, default=500, metavar="W")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="pairs")


def run(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    """One campaign; pairs of phases."""
    with Rig.open(window=given.window) as rig, closing(embedded.join(rig.home, name="scrub")):
        rig.start_smsc(record=False, receipt_after_ms=100)
        rig.siaran("setting", "set", "retention.text", "never")
        say(f"scrub: a list of {given.messages:,}, {given.rows:,} old messages")
        name = rig.list_of(given.messages)
        with closing(Database.open(rig.database_url(), size=2)) as database:
            for start in range(0, given.rows, STEP):
                database.run(_fill, start, min(STEP, given.rows - start))
            rig.sql("CHECKPOINT", user="postgres")
            rig.start_engine()
            return _measure(rig, database, name, given, say)


def _measure(
    rig: Rig, database: Database, name: str, given: argparse.Namespace, say: Callable[[str], None]
) -> list[Figure]:
    rig.send(name)
    rig.wait(lambda: rig.launched() > 20_000, "the campaign's first messages")
    time.sleep(WARM_S)
    rig.siaran("setting", "set", "retention.text", "365d")  # the engine's own hour is over
    before = _speed(rig)
    alone, beside, ratios, scrubbed = [before], [], [], []
    for n in range(given.runs):
        with _scrubbing(database) as rows:
            beside.append(_speed(rig))
        scrubbed.append(rows[0] / PHASE_S)
        alone.append(_speed(rig))
        ratios.append(beside[-1] * 2 / (alone[-2] + alone[-1]))
        say(
            f"  pair {n + 1}: {alone[-1]:,.0f}/s alone, {beside[-1]:,.0f}/s beside"
            f" {scrubbed[-1]:,.0f} rows/s"
        )
    assert rig.launched() < given.messages * 0.98, "the campaign has ended: take more messages"
    return [
        Figure(name="campaign alone", unit="/s", values=alone),
        Figure(name="beside scrubbing", unit="/s", values=beside),
        Figure(name="beside ÷ alone", unit="×", values=ratios, at_least=AT_LEAST),
        Figure(name="rows scrubbed", unit="/s", values=scrubbed),
    ]


@contextmanager
def _scrubbing(database: Database) -> Iterator[list[int]]:
    """What the engine does in its hour, for as long as the block lasts; how many rows, at its end."""
    rows, ends = [0], threading.Event()

    def scrub() -> None:
        pause_s = 0.0
        while not ends.wait(pause_s):
            began = time.monotonic()
            assert database.run(retention.tidy, clock.utc_now()), "nothing is left: take more rows"
            pause_s = retention.pause_s(time.monotonic() - began)
            rows[0] += retention.ROWS

    thread = threading.Thread(target=scrub)
    thread.start()
    try:
        yield rows
    finally:
        ends.set()
        thread.join()


def _speed(rig: Rig) -> float:
    """How many a second were launched in the next seconds."""
    began, launched = time.monotonic(), rig.launched()
    time.sleep(PHASE_S)
    return (rig.launched() - launched) / (time.monotonic() - began)


def _fill(tx: Tx, start: int, rows: int) -> None:
    """Single messages of days that are to be scrubbed and not yet to be dropped."""
    day = clock.utc_now() - timedelta(days=390)
    tx.execute("SELECT ensure_partitions((%s AT TIME ZONE 'UTC')::date, %s)", (day, DAYS))
    tx.execute(
        """
        INSERT INTO message (id, application_id, class, state, state_at, sent_at, created_at, mobile,
                             sender, text, total, attempt, accepted, delivered)
        SELECT first_id(day_of(%(day)s) + n %% %(days)s) + n, 1, 1, 'delivered', %(day)s, %(day)s,
               %(day)s, '+6281' || lpad(n::text, 9, '0'), '3774',
               'Dear customer ' || n || ', your parcel is at the counter until Friday.', 1, 1, 1, 1
          FROM generate_series(%(start)s, %(start)s + %(rows)s - 1) AS n
         ORDER BY 1
        """,
        {"day": day, "days": DAYS, "start": start, "rows": rows},
    )
