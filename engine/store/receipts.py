"""Receipts that a person should look at: what is kept because it could not be carried out (R-5.8)."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from engine.store.control import EARLY_S
from engine.store.db import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A receipt that is kept. `why`: early, unknown, ambiguous, or unrecognised (its `stat`)."""

    at: datetime
    why: str
    smsc_id: str | None
    mobile: str
    stat: str | None
    err: str | None
    message_id: int | None


def kept(tx: Tx, carrier_id: int, *, unknown: bool, now: datetime, limit: int) -> list[Kept]:
    """The newest `limit` of a carrier's receipts that wait: of all kinds, or the unknown ones."""
    with tx.cursor(row_factory=class_row(Kept)) as cursor:
        return cursor.execute(
            # parked_at, backwards; receipt_watch has hardly a row with a stat
            """
            SELECT * FROM (
                (SELECT at, CASE WHEN ambiguous THEN 'ambiguous'
                                 WHEN at < %(now)s - make_interval(secs => %(early)s) THEN 'unknown'
                                 ELSE 'early' END AS why,
                        ids[1] AS smsc_id, mobile, stat, err, NULL::bigint AS message_id
                   FROM parked
                  WHERE carrier_id = %(carrier)s
                    AND (NOT %(unknown)s
                         OR NOT ambiguous AND at < %(now)s - make_interval(secs => %(early)s))
                  ORDER BY at DESC, id DESC LIMIT %(limit)s)
                UNION ALL
                (SELECT w.due_at - interval '72 h', 'unrecognised', s.smsc_id, m.mobile, w.stat,
                        NULL, w.message_id
                   FROM receipt_watch w
                   JOIN message m ON m.id = w.message_id
                   JOIN submission s ON s.message_id = w.message_id AND s.segment = w.segment
                                    AND s.attempt = w.attempt
                  WHERE w.stat IS NOT NULL AND w.carrier_id = %(carrier)s AND NOT %(unknown)s
                  ORDER BY w.due_at DESC LIMIT %(limit)s)) AS k
             ORDER BY at DESC LIMIT %(limit)s
            """,
            {
                "carrier": carrier_id,
                "unknown": unknown,
                "now": now,
                "early": EARLY_S,
                "limit": limit,
            },
        ).fetchall()
