"""Uncertain messages that are kept for a person, when an application's setting says so (R-8.2).

A row counts only while its message is uncertain: a late answer or receipt settles that without
looking here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from engine.domain.settings import UNCERTAIN, Uncertain
from engine.store import settings
from engine.store.arrays import ints
from engine.store.db import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A message whose outcome nobody knows, and since when it is kept."""

    id: int
    mobile: str
    campaign_id: int | None
    sender: str
    created_at: datetime
    held_at: datetime


def holding(tx: Tx) -> frozenset[int]:
    """The applications that want it so."""
    values = settings.everywhere(tx, UNCERTAIN)
    return frozenset(one for one, value in values.items() if value is Uncertain.HOLD)


def hold(tx: Tx, ids: Iterable[int], now: datetime) -> None:
    """Keep uncertain messages for `message resolve`."""
    tx.execute(
        # message_YYYYMMDD_pkey, held_pkey
        """
        INSERT INTO held (message_id, application_id, campaign_id, at)
        SELECT id, application_id, campaign_id, %s FROM message WHERE id = ANY (%s::bigint[])
         ORDER BY id
            ON CONFLICT (message_id) DO UPDATE SET at = excluded.at
        """,
        (now, ints(ids)),
    )


def release(tx: Tx, ids: Iterable[int]) -> None:
    """They are resolved."""
    tx.execute("DELETE FROM held WHERE message_id = ANY (%s::bigint[])", (ints(ids),))  # held_pkey


def count(tx: Tx, application_id: int, campaign_id: int) -> int:
    """How many of a campaign are held."""
    row = tx.execute(
        # held_application; message_YYYYMMDD_pkey for each: at most some windows a crash
        """
        SELECT count(*) FROM held h JOIN message m ON m.id = h.message_id
         WHERE h.application_id = %s AND h.campaign_id = %s AND m.state = 'uncertain'
        """,
        (application_id, campaign_id),
    ).fetchone()
    assert row is not None
    return int(row[0])


def find(tx: Tx, application_id: int, campaign_id: int | None, *, limit: int | None) -> list[Held]:
    """The oldest `limit` that are held, of an application or of one campaign of it."""
    with tx.cursor(row_factory=class_row(Held)) as cursor:
        # held_application in its order; message_YYYYMMDD_pkey for each
        cursor.execute(
            """
            SELECT m.id, m.mobile, m.campaign_id, m.sender, m.created_at, h.at AS held_at
              FROM held h JOIN message m ON m.id = h.message_id
             WHERE h.application_id = %(application)s
               AND (%(campaign)s::bigint IS NULL OR h.campaign_id = %(campaign)s)
               AND m.state = 'uncertain'
             ORDER BY h.message_id LIMIT %(limit)s
            """,
            {"application": application_id, "campaign": campaign_id, "limit": limit},
        )
        return cursor.fetchall()


def purge(tx: Tx) -> None:
    """Drop what was settled since by a late answer or receipt, or has gone with its day."""
    tx.execute(
        # held as a whole; message_YYYYMMDD_pkey for each
        """
        DELETE FROM held h
         WHERE NOT EXISTS (SELECT FROM message m WHERE m.id = h.message_id AND m.state = 'uncertain')
        """
    )
