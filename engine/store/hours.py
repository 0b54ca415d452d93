"""Sending hours of applications (R-4), and what they mean for campaigns that have not ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from engine.domain.campaign import zone
from engine.domain.hours import Hours
from engine.store.db import Tx

CLOSED: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""`open_until` of what is outside its hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An application's hours as they were set; `timezone` None: the application's own."""

    enabled: bool
    from_hour: int
    to_hour: int
    days: int
    timezone: str | None


def get(tx: Tx, application_id: int) -> Stored | None:
    """What was set, in force or not; None when nothing ever was."""
    row = tx.execute(  # sending_hours_pkey
        """
        SELECT enabled, from_hour, to_hour, days, timezone FROM sending_hours
         WHERE application_id = %s
        """,
        (application_id,),
    ).fetchone()
    if row is None:
        return None
    enabled, from_hour, to_hour, days, timezone = row
    return Stored(
        enabled=enabled, from_hour=from_hour, to_hour=to_hour, days=days, timezone=timezone
    )


def in_force(tx: Tx, application_id: int) -> Hours | None:
    """The hours that hold; None: always."""
    row = tx.execute(  # sending_hours_pkey, application_pkey
        """
        SELECT h.from_hour, h.to_hour, h.days, coalesce(h.timezone, a.timezone)
          FROM sending_hours h JOIN application a ON a.id = h.application_id
         WHERE h.application_id = %s AND h.enabled
        """,
        (application_id,),
    ).fetchone()
    if row is None:
        return None
    return Hours(from_hour=row[0], to_hour=row[1], days=row[2], zone=zone(row[3]))


def put(tx: Tx, application_id: int, new: Stored) -> None:
    """Set them."""
    tx.execute(  # sending_hours_pkey
        """
        INSERT INTO sending_hours (application_id, enabled, from_hour, to_hour, days, timezone)
        VALUES (%s, %s, %s, %s, %s, %s)
            ON CONFLICT (application_id) DO UPDATE
           SET enabled = excluded.enabled, from_hour = excluded.from_hour,
               to_hour = excluded.to_hour, days = excluded.days, timezone = excluded.timezone
        """,
        (application_id, new.enabled, new.from_hour, new.to_hour, new.days, new.timezone),
    )


def open_until(hours: Hours | None, now: datetime) -> datetime | None:
    """Until when campaigns that respect the hours may launch; None: without an end."""
    if hours is None:
        return None
    return hours.next_change(now) if hours.open_at(now) else CLOSED


def tell_campaigns(tx: Tx, application_id: int, until: datetime | None) -> None:
    """Say so to the campaigns that respect the hours, and to the others that they need not."""
    tx.execute(
        # campaign_open: those that have not ended
        """
        UPDATE campaign SET open_until = e.until
          FROM (SELECT id, CASE WHEN (quick OR respect_hours) AND NOT recipient_time
                                THEN %(until)s::timestamptz END AS until
                  FROM campaign
                 WHERE application_id = %(application)s
                   AND state IN ('scheduled', 'waiting', 'running', 'paused', 'finishing')) AS e
         WHERE campaign.id = e.id AND campaign.open_until IS DISTINCT FROM e.until
        """,
        {"application": application_id, "until": until},
    )


def look_again(tx: Tx, application_id: int) -> None:
    """Let everything that waits for hours be judged by the new ones."""
    tx.execute(
        # campaign_open, due_campaign
        """
        UPDATE due SET due_at = now()
          FROM campaign c
         WHERE c.application_id = %s AND c.recipient_time
           AND c.state IN ('waiting', 'running', 'paused', 'finishing')
           AND due.campaign_id = c.id AND due.route_id = -3 AND due.due_at > now()
        """,
        (application_id,),
    )
    tx.execute(
        # due_next for its class; message_YYYYMMDD_pkey for each
        """
        UPDATE due SET due_at = now()
         WHERE class = 1 AND due_at > now() AND EXISTS (
               SELECT FROM message m
                WHERE m.id = due.message_id AND m.application_id = %s AND m.attempt = 0)
        """,
        (application_id,),
    )
