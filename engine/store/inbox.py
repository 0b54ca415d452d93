"""MO that come in: each stored once, tied to what it answers."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from engine.store.db import Tx

# An MO that comes again within this time may be a redelivery.
REDELIVERY_MINUTES = 15


class Mo(NamedTuple):
    """One MO as it came. `digest` is of what makes two of them the same (R-5.10)."""

    carrier_id: int
    session_id: int
    mobile: str
    destination: str
    content: str
    data_coding: int
    digest: bytes


def mark_answered(tx: Tx, inbox_ids: Sequence[int]) -> None:
    """Notes that our answer to these MO has been written: the same again is a new one."""
    if inbox_ids:
        tx.execute(
            "UPDATE mo_seen SET answered = true WHERE inbox_id = ANY (%s)", (list(inbox_ids),)
        )


def store(tx: Tx, batch: Iterable[Mo], now: datetime) -> list[int | None]:
    """Stores each MO of a batch but redeliveries; answers the new inbox ids (None: known already).

    A redelivery came within 15 minutes on a session that has fallen since, or before our answer to
    the first was written (R-5.10). Anything else is a second message, however alike.
    """
    return [_store_one(tx, mo, now) for mo in batch]


def _store_one(tx: Tx, mo: Mo, now: datetime) -> int | None:
    # The same MO may be read by two nodes at once: the lock makes one wait for the other's commit.
    tx.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended(encode(%s, 'hex'), %s))",
        (mo.digest, mo.carrier_id),
    )
    seen = tx.execute(
        # mo_seen_pkey, session_pkey
        """
        SELECT 1
          FROM mo_seen m
          LEFT JOIN session s ON s.id = m.session_id
         WHERE m.carrier_id = %s AND m.digest = %s
           AND m.at > %s - make_interval(mins => %s)
           AND (NOT m.answered OR s.closed_at IS NOT NULL OR s.id IS NULL)
        """,
        (mo.carrier_id, mo.digest, now, REDELIVERY_MINUTES),
    ).fetchone()
    if seen is not None:
        return None
    row = tx.execute(
        # message_YYYYMMDD_mobile_id_idx, newest partition first; sender_one_owner
        """
        WITH answered AS (
            SELECT m.id, m.application_id, m.campaign_id, c.list_id, m.params
              FROM message m
              LEFT JOIN campaign c ON c.id = m.campaign_id
             WHERE m.mobile = %(mobile)s AND m.sender = %(destination)s AND m.attempt > 0
             ORDER BY m.id DESC
             LIMIT 1)
        INSERT INTO inbox (id, application_id, carrier_id, mobile, destination, received_at,
                           content, data_coding, message_id, campaign_id, list_id, params)
        SELECT next_id(),
               coalesce(a.application_id,
                        (SELECT application_id FROM sender
                          WHERE address = %(destination)s AND dedicated)),
               %(carrier)s, %(mobile)s, %(destination)s, %(now)s, %(content)s, %(coding)s,
               a.id, a.campaign_id, a.list_id, a.params
          FROM (SELECT 1) AS one LEFT JOIN answered a ON true
        RETURNING id
        """,
        {
            "mobile": mo.mobile,
            "destination": mo.destination,
            "carrier": mo.carrier_id,
            "content": mo.content,
            "coding": mo.data_coding,
            "now": now,
        },
    ).fetchone()
    assert row is not None
    tx.execute(
        """
        INSERT INTO mo_seen (carrier_id, digest, inbox_id, session_id, at)
        VALUES (%s, %s, %s, %s, %s)
        """,
        (mo.carrier_id, mo.digest, row[0], mo.session_id, now),
    )
    return int(row[0])
