"""Drops days of messages and of the inbox that are older than rows are kept, once an hour (R-9.3).

What is in the way of nothing: a day is looked through page by page, and dropped in a transaction
that gives up rather than let turns wait. A day that can't go yet is tried again in the next hour.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import date

import trio

from engine import clock, log
from engine.domain.errors import Unreachable
from engine.operations import expiry
from engine.operations.expiry import Count, InUse
from engine.store.db import CommitUnknown, Database

EVERY_S = 3600.0
PAUSE_S = 0.05
TRIES = 5
"""How often a table is asked for in an hour; who has it is a dump, or a vacuum, for minutes."""
TRY_AGAIN_S = 1.0


async def run(db: Database, waiting: Callable[[int], None], days: Callable[[], int]) -> None:
    """For ever; `days` says for how many of them rows are kept, as configured by then.

    `waiting` is told each hour how many days are older and had to stay.
    """
    said: Mapping[date, str] = {}
    while True:
        try:
            waits = await expire(db, days())
        except (Unreachable, CommitUnknown):
            pass  # `nodes.keep_lease` says so
        else:
            waiting(len(waits))
            for day, why in waits.items():
                if said.get(day) != why:
                    log.warning("retention.waits", day=str(day), why=why)
            said = waits
        await trio.sleep(EVERY_S)


async def expire(db: Database, days: int) -> dict[date, str]:
    """Drop what is over; the days that had to stay, and why."""
    waits: dict[date, str] = {}
    for one in await db.transact(expiry.over, clock.utc_now(), days):
        why = one.waits or await _drop(db, one.day, one.tables)
        if why is not None:
            waits[one.day] = why
    return waits


async def _drop(db: Database, day: date, tables: tuple[str, ...]) -> str | None:
    """Look through a day and drop it; why it had to stay, None when it is gone."""
    counts: dict[str, Counter[Count]] = {table: Counter() for table in tables}
    for table in ("message", "inbox"):
        after_id, more = None, table in tables
        while more:
            page = await db.transact(expiry.look, table, day, after_id)
            if page.open:
                return "messages that have not ended"
            counts[table].update(page.counts)
            after_id, more = page.last_id, page.last_id is not None
            await trio.sleep(PAUSE_S)
    for table in tables:
        if not await _drop_table(db, day, table, counts[table]):
            return f"somebody uses the table {table}"
        log.info("retention.dropped", day=str(day), table=table)
    return None


async def _drop_table(db: Database, day: date, table: str, counts: Counter[Count]) -> bool:
    for _ in range(TRIES):
        try:
            await db.transact(expiry.drop, day, table, counts)
        except InUse:
            await trio.sleep(TRY_AGAIN_S)
        else:
            return True
    return False
