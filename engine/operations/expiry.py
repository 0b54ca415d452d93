"""Rows of messages and of the inbox that are dropped for their age, day by day (R-9.3).

The engine asks for what is over once an hour, looks through each day, and drops it (`engine.expiry`);
a person can see what there is and why a day stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby

from engine.store import expiry
from engine.store.db import Tx
from engine.store.expiry import Count as Count
from engine.store.expiry import InUse as InUse
from engine.store.expiry import Page as Page
from engine.store.expiry import Partition, first_id, first_kept

ROWS = 20_000
"""Rows that are looked at in one transaction: some tens of milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Over:
    """A day that is older than rows are kept. `waits`: why it stays all the same, if it is known."""

    day: date
    tables: tuple[str, ...]
    waits: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What a day has on the disk. `messages` and `mo` are estimates, None where there is none yet."""

    day: date
    messages: int | None
    mo: int | None
    size_bytes: int
    goes_on: date
    waits: str | None


def over(tx: Tx, now: datetime, days: int) -> list[Over]:
    """The days that are over when rows are kept for so many, oldest first."""
    before = first_kept(now, days)
    found = expiry.partitions(tx, before)
    waits = expiry.waiting(tx, before) if found else {}
    return [
        Over(day=day, tables=tuple(one.table for one in tables), waits=waits.get(day))
        for day, tables in groupby(found, key=lambda one: one.day)
    ]


def look(tx: Tx, table: str, day: date, after_id: int | None) -> Page:
    """What stands in the next rows of a day's table; the first time after_id is None."""
    first, end = first_id(day), first_id(day + timedelta(days=1))
    return expiry.look(tx, table, first - 1 if after_id is None else after_id, end, ROWS)


def drop(tx: Tx, day: date, table: str, counts: Mapping[Count, int]) -> bool:
    """Drop a day's table for what stood in it; False when it is gone already. Raises InUse."""
    return expiry.drop(tx, day, table, counts)


def days(tx: Tx, now: datetime, kept: int) -> list[Day]:
    """All days that there are, oldest first, with what keeps those that are over."""
    first = first_kept(now, kept)
    waits = expiry.waiting(tx, first)
    found = []
    for day, group in groupby(expiry.partitions(tx), key=lambda one: one.day):
        tables: dict[str, Partition] = {one.table: one for one in group}
        found.append(
            Day(
                day=day,
                messages=_rows(tables.get("message")),
                mo=_rows(tables.get("inbox")),
                size_bytes=sum(one.size_bytes for one in tables.values()),
                goes_on=day + timedelta(days=kept + 1),
                waits=waits.get(day),
            )
        )
    return found


def _rows(partition: Partition | None) -> int | None:
    return None if partition is None or partition.rows < 0 else partition.rows
