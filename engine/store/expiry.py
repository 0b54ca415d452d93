"""Days that are dropped for their age, a partition at a time (R-9.3, design 14).

What is true at all times:

- Nothing accepted is lost (R-8.1): a day with a message that has not come to its end stays, however
  old it is, and so does one of which somebody is still to be told (mails, callbacks).
- A row is counted by itself or in `past`, never in both: sums are written by the transaction that
  drops the rows. A kill leaves a day as it was, or a table less; the next hour goes on.
- Nobody waits long. To drop a partition locks its parent against everybody; who can't have that
  lock at once (a dump reads the table) gives up and comes again. Rows are looked at in pages.

Only rows that nothing changes any more are summed up: `config` keeps days for a week at least, and
receipts are taken for three.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final, LiteralString, NamedTuple

import psycopg
from psycopg import sql

from engine.domain.message import OPEN
from engine.store.db import Tx
from engine.store.ids import A_DAY

TABLES: Final = ("submission", "message", "inbox")
"""In the order in which a day's are dropped: what is told of messages before the messages."""

LOCK_WAIT: Final = "100ms"
"""While one waits for a table, all who come after it wait, too: the turns."""

EPOCH: Final = date(1970, 1, 1)


class InUse(Exception):
    """Somebody else has the table just now."""


class Count(NamedTuple):
    """What is counted of a day's rows: see the table `past`."""

    application_id: int | None
    campaign_id: int | None
    what: str
    key: str


class Page(NamedTuple):
    """What stands in some of a day's rows. `last_id` None: these were the last."""

    last_id: int | None
    open: int
    counts: Mapping[Count, int]


class Partition(NamedTuple):
    """A table of one day; `rows` as PostgreSQL estimates them (-1: it has not looked yet)."""

    day: date
    table: str
    rows: int
    size_bytes: int


def day_of(row_id: int) -> date:
    """The day that an id tells."""
    return EPOCH + timedelta(days=row_id // A_DAY)


def first_id(day: date) -> int:
    """The first id of a day."""
    return (day - EPOCH).days * A_DAY


def first_kept(now: datetime, days: int) -> date:
    """The first day that is kept when rows are kept for so many days: older ones are over."""
    return (now.astimezone(UTC) - timedelta(days=days)).date()


def partitions(tx: Tx, before: date | None = None) -> list[Partition]:
    """The days that have tables, oldest first, in the order in which they are dropped."""
    rows = tx.execute(
        # the catalog: three rows a day
        """
        SELECT to_date(right(c.relname, 8), 'YYYYMMDD'), p.relname::text, c.reltuples::bigint,
               pg_total_relation_size(c.oid)
          FROM pg_inherits i
          JOIN pg_class c ON c.oid = i.inhrelid
          JOIN pg_class p ON p.oid = i.inhparent
         WHERE i.inhparent IN ('message'::regclass, 'submission'::regclass, 'inbox'::regclass)
           AND c.relname ~ '_[0-9]{8}$'
         ORDER BY 1, array_position(%s::text[], p.relname::text)
        """,
        (list(TABLES),),
    )
    found = map(Partition._make, rows)
    return [one for one in found if before is None or one.day < before]


def waiting(tx: Tx, before: date) -> dict[date, str]:
    """Days before `before` that must stay for now, and why, as far as that is known by keys."""
    rows = tx.execute(
        # feed, flight and held are small; due_pkey; outbox and outbox_dead as a whole, once an hour
        """
        SELECT DISTINCT d, why FROM (
            SELECT generate_series(next_id >> 36, last_id >> 36) AS d, 'messages to be sent' AS why
              FROM feed WHERE next_id < %(before)s
            UNION ALL
            SELECT message_id >> 36, 'messages to be sent' FROM due WHERE message_id < %(before)s
            UNION ALL
            SELECT id >> 36, 'messages without an answer'
              FROM flight, unnest(message_ids) AS id WHERE id < %(before)s
            UNION ALL
            SELECT message_id >> 36, 'held messages' FROM held WHERE message_id < %(before)s
            UNION ALL
            SELECT about_id >> 36, 'mails or callbacks that wait'
              FROM outbox WHERE about_id < %(before)s
            UNION ALL
            SELECT about_id >> 36, 'mails or callbacks that could not be told'
              FROM outbox_dead WHERE about_id < %(before)s) AS found
         ORDER BY d, why
        """,
        {"before": first_id(before)},
    )
    reasons: defaultdict[date, list[str]] = defaultdict(list)
    for number, why in rows:
        day = EPOCH + timedelta(days=number)
        if day < before:
            reasons[day].append(why)
    return {day: ", ".join(found) for day, found in reasons.items()}


_PAGES: Final[Mapping[str, LiteralString]] = {
    # Both by message_YYYYMMDD_pkey or inbox_YYYYMMDD_pkey, one partition by the range.
    "message": """
        SELECT max(id), count(*)::int, application_id, campaign_id, state::text,
               sum(bit_count(accepted::bit(32))), sum(bit_count(delivered::bit(32)))
          FROM (SELECT * FROM message WHERE id > %s AND id < %s ORDER BY id LIMIT %s) AS page
         GROUP BY application_id, campaign_id, state
    """,
    "inbox": """
        SELECT max(id), count(*)::int, application_id, campaign_id, coalesce(meaning, ''),
               count(DISTINCT coalesce(message_id, id))
                   FILTER (WHERE meaning = 'opt-out' AND campaign_id IS NOT NULL), 0
          FROM (SELECT * FROM inbox WHERE id > %s AND id < %s ORDER BY id LIMIT %s) AS page
         GROUP BY application_id, campaign_id, meaning
    """,
}


def look(tx: Tx, table: str, after_id: int, end_id: int, rows: int) -> Page:
    """What stands in the next `rows` with after_id < id < end_id, which are all of one day."""
    last, looked, still_open = after_id, 0, 0
    counts: Counter[Count] = Counter()
    for last_id, n, application, campaign, state, accepted, delivered in tx.execute(
        _PAGES[table], (after_id, end_id, rows)
    ):
        last, looked = max(last, last_id), looked + n
        if table == "inbox":  # by what it was taken for; of a campaign, recipients who opted out
            counts[Count(application, campaign, "mo", state)] += n
            counts[Count(application, campaign, "opt-out", "")] += accepted
            continue
        still_open += n if state in OPEN else 0
        counts[Count(application, campaign, "message", state)] += n
        counts[Count(application, campaign, "segment", "accepted")] += int(accepted)
        counts[Count(application, campaign, "segment", "delivered")] += int(delivered)
    return Page(None if looked < rows else last, still_open, counts)


def drop(tx: Tx, day: date, table: str, counts: Mapping[Count, int]) -> bool:
    """Drop a day's table, and write down what stood in it; False when it is gone already.

    Raises InUse when somebody else has it.
    """
    name = f"{table}_{day:%Y%m%d}"
    if tx.execute("SELECT to_regclass(%s)", (name,)).fetchone() == (None,):
        return False
    found = [(*count, n) for count, n in counts.items() if n]
    if found:
        tx.execute(
            """
            INSERT INTO past (day, application_id, campaign_id, what, key, n)
            SELECT %s, * FROM unnest(%s::int[], %s::bigint[], %s::text[], %s::text[], %s::bigint[])
            """,
            (day, *(list(column) for column in zip(*found, strict=True))),
        )
    tx.execute("SELECT set_config('lock_timeout', %s, true)", (LOCK_WAIT,))
    try:
        # Locks the parent, too, until the commit, which is at once; the file goes after that.
        tx.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)), prepare=False)
    except (psycopg.errors.LockNotAvailable, psycopg.errors.UndefinedTable) as error:
        raise InUse(f"{name} is in use") from error  # also by another node that drops it
    return True
