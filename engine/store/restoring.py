"""After a restore: what was to be sent when the backup was made may have been sent since (R-8.2)."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from engine.store import held, launching
from engine.store.db import Tx


def engines(tx: Tx) -> dict[str, datetime]:
    """The nodes whose engines run, or did a moment ago, and until when their leases last."""
    # node has a row an engine
    rows = tx.execute("SELECT name, lease_until FROM node WHERE lease_until > now() ORDER BY name")
    return dict(rows.fetchall())


def pause(tx: Tx, reason: str, now: datetime) -> list[tuple[int, int, str]]:
    """Pause every campaign that may have been sent since; (application, campaign, its state)."""
    return tx.execute(
        # campaign_open
        """
        UPDATE campaign
           SET state = 'paused', pause_reason = %s,
               yielded_at = CASE WHEN state = 'running' THEN %s ELSE yielded_at END
         WHERE state IN ('waiting', 'running', 'finishing')
            OR state = 'scheduled' AND scheduled_at <= %s
        RETURNING application_id, id, old.state::text
        """,
        (reason, now, now),
    ).fetchall()


def hold(tx: Tx, now: datetime) -> Counter[int]:
    """Hold single messages that waited to be sent, and what was uncertain; how many by application."""
    rows = tx.execute(
        # due as a whole; message_YYYYMMDD_pkey for each
        """
        UPDATE message m SET state = 'uncertain', state_at = %s
          FROM due d
         WHERE d.message_id = m.id
           AND (m.state = 'uncertain' OR m.state = 'queued' AND d.campaign_id IS NULL)
        RETURNING m.id, m.application_id
        """,
        (now,),
    ).fetchall()
    ids = sorted(row[0] for row in rows)
    held.hold(tx, ids, now)
    launching.drop_due(tx, ids)
    return Counter(row[1] for row in rows)
