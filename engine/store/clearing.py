"""What was unsent of a campaign that a person or its time limit ended: it ends, too (R-3.5, R-3.9).

In chunks, each a transaction of the queue's: a million messages would be one of half a minute. From
the moment of the end no turn launches any of them, so nobody waits for this.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from engine.store import callbacks, dispatching, held, launching
from engine.store.arrays import ints
from engine.store.db import Tx

REASONS: Final = {
    "cancelled": "its campaign was stopped",
    "expired": "the time limit of its campaign has passed",
}
"""By the state that unsent messages get."""


def to_clear(tx: Tx, application_id: int) -> list[tuple[int, str]]:
    """The campaigns of an application that still have something unsent, and what becomes of it."""
    return tx.execute(
        # campaign_clearing: mostly empty
        """
        SELECT id, clearing::text FROM campaign
         WHERE application_id = %s AND clearing IS NOT NULL ORDER BY id
        """,
        (application_id,),
    ).fetchall()


def clear_chunk(tx: Tx, campaign_id: int, state: str, now: datetime) -> bool:
    """Ends some of what is unsent; False: nothing is left of it."""
    if _of_feed(tx, campaign_id, state, now) or _of_due(tx, campaign_id, state, now):
        return True
    reason = REASONS[state]
    if dispatching.feed_chunk(tx, campaign_id, now, unsent=(state, reason)):
        return True
    # feed has some ten rows: one of it may be held by a turn that goes on with it
    if tx.execute("SELECT FROM feed WHERE campaign_id = %s LIMIT 1", (campaign_id,)).fetchone():
        return True
    tx.execute("UPDATE campaign SET clearing = NULL WHERE id = %s", (campaign_id,))
    return False


def _of_feed(tx: Tx, campaign_id: int, state: str, now: datetime) -> bool:
    feed = tx.execute(
        # feed has some ten rows
        """
        SELECT id, next_id, last_id FROM feed WHERE campaign_id = %s
         ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
        """,
        (campaign_id,),
    ).fetchone()
    if feed is None:
        return False
    feed_id, next_id, last_id = feed
    row = tx.execute(
        # message_YYYYMMDD_pkey, one or two partitions by the range; HOT updates
        f"""
        WITH part AS (
            SELECT id FROM message
             WHERE id BETWEEN %(next)s AND %(last)s AND campaign_id = %(campaign)s
               AND state = 'queued'
             ORDER BY id LIMIT %(chunk)s),
        moved AS (
            UPDATE message SET state = %(state)s::message_state, state_at = %(now)s,
                               reason = %(reason)s
             WHERE id = ANY (ARRAY(SELECT id FROM part)) AND id BETWEEN %(next)s AND %(last)s
               AND state = 'queued'
            RETURNING {callbacks.RETURNING}),
        told AS ({callbacks.TOLD})
        SELECT (SELECT count(*) FROM moved)::int, (SELECT max(id) FROM part),
               (SELECT count(*) FROM part)::int
        """,
        {
            "next": next_id,
            "last": last_id,
            "campaign": campaign_id,
            "chunk": dispatching.CHUNK,
            "state": state,
            "reason": REASONS[state],
            "now": now,
        },
    ).fetchone()
    assert row is not None
    n, upto, looked = row
    if looked < dispatching.CHUNK:
        tx.execute("DELETE FROM feed WHERE id = %s", (feed_id,))  # feed_pkey
    else:
        tx.execute("UPDATE feed SET next_id = %s WHERE id = %s", (upto + 1, feed_id))  # feed_pkey
    launching.add_tally(tx, {(campaign_id, "queued"): -n, (campaign_id, state): n})
    return True


def _of_due(tx: Tx, campaign_id: int, state: str, now: datetime) -> bool:
    """Retries, and what waits for a route or for hours. What is uncertain is left to a person."""
    ids = [
        row[0]
        for row in tx.execute(
            # due_campaign
            """
            SELECT message_id FROM due WHERE campaign_id = %s
             LIMIT %s FOR UPDATE SKIP LOCKED
            """,
            (campaign_id, dispatching.CHUNK),
        )
    ]
    if not ids:
        return False
    end(tx, sorted(ids), campaign_id, state, now)
    return True


def end(tx: Tx, ids: list[int], campaign_id: int, state: str, now: datetime) -> None:
    """Ends those of `ids` that are queued, and takes all of them out of `due`."""
    n = tx.execute(
        # message_YYYYMMDD_pkey; a HOT update
        f"""
        WITH moved AS (
            UPDATE message SET state = %(state)s::message_state, state_at = %(now)s,
                               reason = %(reason)s
             WHERE id = ANY (%(ids)s::bigint[]) AND id BETWEEN %(low)s AND %(high)s
               AND state = 'queued'
            RETURNING {callbacks.RETURNING}),
        told AS ({callbacks.TOLD})
        SELECT FROM moved
        """,
        {
            "state": state,
            "now": now,
            "reason": REASONS[state],
            "ids": ints(ids),
            "low": ids[0],
            "high": ids[-1],
        },
    ).rowcount
    launching.add_tally(tx, {(campaign_id, "queued"): -n, (campaign_id, state): n})
    uncertain = [
        row[0]
        for row in tx.execute(
            # message_YYYYMMDD_pkey
            """
            SELECT id FROM message WHERE id = ANY (%s::bigint[]) AND id BETWEEN %s AND %s
               AND state = 'uncertain'
            """,
            (ints(ids), ids[0], ids[-1]),
        )
    ]
    if uncertain:
        held.hold(tx, uncertain, now)
    launching.drop_due(tx, ids)
