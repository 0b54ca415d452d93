"""Removing texts and numbers of messages and of the inbox when they are old enough (R-9.3).

A row stays, with its state, its times and its ids: reports count as before. What goes is what says
who it was and what was said. It goes in small steps, in the order of ids, and `scrub` remembers how
far each application is: a step looks at some thousands of rows, whoever's they are, so that none is
long, and a kill loses at most one.

Only what is over is scrubbed. A message that is still to be sent (its campaign was paused for a
year) is noted in `scrub_later` and done when it has ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from engine.store.arrays import ints, times
from engine.store.db import Tx

UNOWNED = 0
"""Stands for no application: MO to a number that nobody owns."""


class Mark(NamedTuple):
    """Up to which ids an application's rows have been looked at."""

    message_id: int
    inbox_id: int


def first_id(tx: Tx, at: datetime) -> int:
    """The least id that a row of that day can have."""
    row = tx.execute("SELECT first_id(day_of(%s))", (at,)).fetchone()
    assert row is not None
    return int(row[0])


def marks(tx: Tx) -> dict[int, Mark]:
    """How far every application is, by its id; UNOWNED is one of them."""
    # application_pkey, scrub_pkey: there are few.
    rows = tx.execute(
        """
        SELECT a.id, coalesce(s.message_id, 0), coalesce(s.inbox_id, 0)
        FROM (SELECT id FROM application UNION ALL SELECT %s) a
        LEFT JOIN scrub s ON s.application_id = a.id
        ORDER BY a.id
        """,
        (UNOWNED,),
    )
    return {row[0]: Mark(row[1], row[2]) for row in rows}


def hold(tx: Tx, application_id: int) -> Mark | None:
    """Keep others from scrubbing the application until the end; None while another node does."""
    got = tx.execute(
        "SELECT pg_try_advisory_xact_lock(hashtext('siaran scrub'), %s)", (application_id,)
    ).fetchone()
    if got != (True,):
        return None
    row = tx.execute(  # scrub_pkey
        """
        INSERT INTO scrub (application_id) VALUES (%s)
        ON CONFLICT (application_id) DO UPDATE SET application_id = excluded.application_id
        RETURNING message_id, inbox_id
        """,
        (application_id,),
    ).fetchone()
    assert row is not None
    return Mark._make(row)


def messages(tx: Tx, application_id: int, after_id: int, before_id: int, rows: int) -> int:
    """Scrub the application's of the next `rows` messages with after_id < id < before_id.

    Answers how many it has looked at; the mark says up to which, or that there are no more.
    """
    looked = tx.execute(
        # message_YYYYMMDD_pkey in its order, days before after_id and from before_id on pruned
        """
        SELECT id, application_id, state IN ('queued', 'launched', 'uncertain')
          FROM message WHERE id > %s AND id < %s ORDER BY id LIMIT %s
        """,
        (after_id, before_id, rows),
    ).fetchall()
    own = [(row[0], row[2]) for row in looked if row[1] == application_id]
    _scrub_messages(tx, [message_id for message_id, still_open in own if not still_open])
    tx.execute(
        """
        INSERT INTO scrub_later (message_id, application_id) SELECT unnest(%s::bigint[]), %s
        ON CONFLICT DO NOTHING
        """,
        (ints(message_id for message_id, still_open in own if still_open), application_id),
    )
    tx.execute(  # scrub_pkey
        "UPDATE scrub SET message_id = %s WHERE application_id = %s",
        (before_id - 1 if len(looked) < rows else looked[-1][0], application_id),
    )
    return len(looked)


def inbox(tx: Tx, application_id: int, after_id: int, before_id: int, rows: int) -> int:
    """The same for the inbox; UNOWNED is whatever no application owns."""
    looked = tx.execute(
        # inbox_YYYYMMDD_pkey, likewise
        """
        SELECT id, coalesce(application_id, %s)
          FROM inbox WHERE id > %s AND id < %s ORDER BY id LIMIT %s
        """,
        (UNOWNED, after_id, before_id, rows),
    ).fetchall()
    tx.execute(  # inbox_YYYYMMDD_pkey
        "UPDATE inbox SET mobile = '', content = '', params = NULL WHERE id = ANY (%s::bigint[])",
        (ints(row[0] for row in looked if row[1] == application_id),),
    )
    tx.execute(  # scrub_pkey
        "UPDATE scrub SET inbox_id = %s WHERE application_id = %s",
        (before_id - 1 if len(looked) < rows else looked[-1][0], application_id),
    )
    return len(looked)


def late_ones(tx: Tx, rows: int) -> int:
    """Scrub the messages that have ended since they were put off; how many, at most `rows`."""
    ids = [
        row[0]
        for row in tx.execute(
            # scrub_later has hardly a row; message_YYYYMMDD_pkey for each. Those that are gone with
            # their day are forgotten, too.
            """
            SELECT l.message_id FROM scrub_later l
             WHERE NOT EXISTS (SELECT FROM message
                                WHERE id = l.message_id
                                  AND state IN ('queued', 'launched', 'uncertain'))
             ORDER BY l.message_id LIMIT %s FOR UPDATE SKIP LOCKED
            """,
            (rows,),
        )
    ]
    if ids:
        _scrub_messages(tx, ids)
        tx.execute(  # scrub_later_pkey
            "DELETE FROM scrub_later WHERE message_id = ANY (%s::bigint[])", (ints(ids),)
        )
    return len(ids)


def recipients(tx: Tx, before: Mapping[int, datetime], rows: int) -> int:
    """Forget whom campaigns without a list went to that ended before their application's time.

    They have become messages, or never will. Answers how many, at most `rows`.
    """
    return tx.execute(
        # campaign as a whole, some thousands of rows; campaign_recipient_pkey
        """
        WITH old AS (
            SELECT r.campaign_id, r.id
              FROM unnest(%s::int[], %s::timestamptz[]) AS a (application_id, before)
              JOIN campaign c ON c.application_id = a.application_id AND c.ended_at < a.before
                             AND c.from_campaign_id IS NOT NULL AND c.clearing IS NULL
              JOIN campaign_recipient r ON r.campaign_id = c.id
             LIMIT %s)
        DELETE FROM campaign_recipient r USING old
         WHERE r.campaign_id = old.campaign_id AND r.id = old.id
        """,
        (ints(before.keys()), times(before.values()), rows),
    ).rowcount


def _scrub_messages(tx: Tx, ids: Iterable[int]) -> None:
    tx.execute(  # message_YYYYMMDD_pkey
        """
        UPDATE message SET mobile = '', params = NULL, text = NULL WHERE id = ANY (%s::bigint[])
        """,
        (ints(ids),),
    )
