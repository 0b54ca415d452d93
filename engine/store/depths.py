"""How much waits to be launched, and for how long: about, and without reading campaigns' messages."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from engine.store.db import Tx


class Depth(NamedTuple):
    """What waits of an application: `kind` campaign or single; the oldest has been due so long."""

    application: str
    kind: str
    messages: int
    oldest_s: float


def depths(tx: Tx, now: datetime) -> list[Depth]:
    """Both kinds of each application, also where nothing waits.

    What only waits for somebody, for its hours or for a later time is none of it. Of single messages
    (and retries of these) at most 1,000 a class and route are looked at, the oldest.
    """
    rows = tx.execute(
        # campaign_open, feed: all small; due_next, message_YYYYMMDD_pkey for at most 1,000 each
        """
        WITH campaigns AS (
            SELECT c.application_id, sum(w.n) AS n, min(c.scheduled_at) AS since
              FROM campaign c
              LEFT JOIN LATERAL (SELECT sum(last_id - next_id + 1) AS n
                                   FROM feed WHERE campaign_id = c.id) AS f ON true,
                   LATERAL (SELECT coalesce(f.n, 0) + coalesce(c.recipients - c.fed, 0) AS n) AS w
             WHERE c.state IN ('waiting', 'running', 'finishing')
               AND coalesce(c.open_until > now(), true) AND w.n > 0
             GROUP BY 1),
        oldest AS MATERIALIZED (
            SELECT d.message_id, d.due_at
              FROM (VALUES (0::smallint), (1::smallint)) AS c (class),
                   (SELECT id FROM route UNION ALL VALUES (0::smallint), (-1::smallint)) AS r (id),
                   LATERAL (SELECT message_id, due_at FROM due
                             WHERE class = c.class AND route_id = r.id AND due_at <= %(now)s
                             ORDER BY due_at LIMIT 1000) AS d),
        singles AS (
            SELECT m.application_id, count(*) AS n, min(o.due_at) AS since
              FROM oldest o JOIN message m ON m.id = o.message_id GROUP BY 1)
        SELECT a.name, k.kind, coalesce(k.n, 0)::bigint,
               coalesce(greatest(extract(epoch FROM %(now)s - k.since), 0), 0)::float8
          FROM application a
          LEFT JOIN campaigns c ON c.application_id = a.id
          LEFT JOIN singles s ON s.application_id = a.id,
               LATERAL (VALUES ('campaign', c.n, c.since), ('single', s.n, s.since))
                       AS k (kind, n, since)
         ORDER BY a.name, k.kind
        """,
        {"now": now},
    )
    return [Depth._make(row) for row in rows]
