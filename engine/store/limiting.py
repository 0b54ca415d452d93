"""Limits that several turns and nodes share: a campaign's rate, an application's quota and cap.

A rate is kept as one moment: what was launched is paid for up to there, and each message moves it on
by its share of a second. So 50/s are 50 in each second, whenever turns come, over restarts and nodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from engine.domain.campaign import zone
from engine.domain.settings import HOURS_MAIN_ZONE
from engine.store import settings
from engine.store.arrays import texts
from engine.store.db import Tx
from engine.store.launching import NOT_JUDGED

LATE: Final = timedelta(seconds=0.5)
"""What was not launched in time is made up for to this extent: turns come five times a second."""


HALVED: Final = 20.0
"""Messages a second from which a rate is kept in two halves: two turns at a time can have one each."""


@dataclass(slots=True)
class Pace:
    """How far a campaign has come, or half of it; `rate` in messages a second."""

    rate: float
    at: datetime

    def allowed(self, now: datetime) -> int:
        """How many messages may go out now."""
        share = timedelta(seconds=1 / self.rate)
        self.at = max(self.at, now - LATE - share)
        return int((now - self.at).total_seconds() * self.rate + 1e-6)

    def sent(self, n: int) -> None:
        """So many do."""
        self.at += timedelta(seconds=n / self.rate)


class Paces:
    """What a turn has of a campaign's pace: nothing, a half or all of it, as it needs and finds."""

    __slots__ = ("_held", "_now", "_others", "_rate", "_tx")

    def __init__(self, tx: Tx, campaign_id: int, rate: float, now: datetime) -> None:
        self._tx = tx
        self._now = now
        self._others = [campaign_id] if rate < HALVED else [-campaign_id, campaign_id]
        self._rate = rate / len(self._others)
        self._held: dict[int, Pace] = {}

    def allowed(self, wanted: int) -> int:
        """How many messages may go out now, at most `wanted`."""
        n = sum(pace.allowed(self._now) for pace in self._held.values())
        while n < wanted and self._others:
            key = self._others.pop()
            pace = take_pace(self._tx, key, self._rate, self._now)
            if pace is not None:
                self._held[key] = pace
                n += pace.allowed(self._now)
        return min(n, wanted)

    def sent(self, n: int) -> None:
        """So many do."""
        for key, pace in self._held.items():
            each = min(n, pace.allowed(self._now))
            if each:
                n -= each
                pace.sent(each)
                note_pace(self._tx, key, pace)


@dataclass(slots=True)
class Use:
    """What an application has launched on a day of its own."""

    day: date
    n: int
    tomorrow: datetime

    def left(self, quota: int) -> int:
        """How many more it may."""
        return max(quota - self.n, 0)


def take_pace(tx: Tx, key: int, rate: float, now: datetime) -> Pace | None:
    """A pace, locked until the commit; None: another turn has it.

    `key` is the number of its campaign, with a minus for the second half.
    """
    # campaign_pace_pkey
    row = tx.execute(
        "SELECT at FROM campaign_pace WHERE campaign_id = %s FOR UPDATE SKIP LOCKED",
        (key,),
    ).fetchone()
    if row is None:
        row = tx.execute(
            """
            INSERT INTO campaign_pace (campaign_id, at) VALUES (%s, %s)
                ON CONFLICT DO NOTHING RETURNING at
            """,
            (key, now - timedelta(seconds=1 / rate)),
        ).fetchone()
    return None if row is None else Pace(rate, row[0])


def note_pace(tx: Tx, key: int, pace: Pace) -> None:
    """Keeps it."""
    # campaign_pace_pkey; a HOT update
    tx.execute("UPDATE campaign_pace SET at = %s WHERE campaign_id = %s", (pace.at, key))


def take_use(tx: Tx, application_id: int, now: datetime) -> Use | None:
    """What an application has used of its quota, locked until the commit; None: another turn has it."""
    zoned = tx.execute(  # application_pkey
        "SELECT timezone FROM application WHERE id = %s", (application_id,)
    ).fetchone()
    assert zoned is not None
    local = now.astimezone(zone(zoned[0]))
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    tx.execute(  # daily_use_pkey
        "INSERT INTO daily_use (application_id, day, n) VALUES (%s, %s, 0) ON CONFLICT DO NOTHING",
        (application_id, local.date()),
    )
    row = tx.execute(  # daily_use_pkey
        "SELECT day, n FROM daily_use WHERE application_id = %s FOR UPDATE SKIP LOCKED",
        (application_id,),
    ).fetchone()
    if row is None:
        return None
    n = row[1] if row[0] == local.date() else 0
    return Use(local.date(), n, midnight + timedelta(days=1))


def note_use(tx: Tx, application_id: int, use: Use) -> None:
    """Keeps it."""
    # daily_use_pkey; a HOT update
    tx.execute(
        "UPDATE daily_use SET day = %s, n = %s WHERE application_id = %s",
        (use.day, use.n, application_id),
    )


def look_again(tx: Tx, application_id: int) -> None:
    """Let what the quota put off until the next day be judged by the quota as it is now."""
    tx.execute(
        # application_pkey, due_next; message_YYYYMMDD_pkey for each
        """
        UPDATE due SET due_at = now()
          FROM application a
         WHERE a.id = %(application)s AND due.class IN (1, 2) AND due.route_id = %(here)s
           AND due.due_at = (date_trunc('day', now() AT TIME ZONE a.timezone) + interval '1 day')
                            AT TIME ZONE a.timezone
           AND EXISTS (SELECT FROM message m
                        WHERE m.id = due.message_id AND m.application_id = a.id)
        """,
        {"application": application_id, "here": NOT_JUDGED},
    )


def over_cap(
    tx: Tx,
    application_id: int,
    campaign_id: int,
    mobiles: Sequence[str],
    cap: int,
    now: datetime,
) -> list[str]:
    """Who of `mobiles` has had as many campaigns of the application today as a number may get."""
    rows = tx.execute(
        # message_YYYYMMDD_mobile_id_idx of some days; application_pkey
        """
        SELECT m.mobile
          FROM application a, message m
         WHERE a.id = %(application)s AND m.application_id = a.id
           AND m.mobile = ANY (string_to_array(%(mobiles)s, E'\\x1f'))
           AND m.id >= first_id(day_of(%(now)s) - 4)
           AND m.campaign_id IS NOT NULL AND m.campaign_id <> %(campaign)s AND m.attempt > 0
           AND coalesce(m.sent_at, m.state_at)
               >= date_trunc('day', %(now)s::timestamptz, a.timezone)
         GROUP BY m.mobile HAVING count(DISTINCT m.campaign_id) >= %(cap)s
        """,
        {
            "application": application_id,
            "campaign": campaign_id,
            "mobiles": texts(mobiles),
            "cap": cap,
            "now": now,
        },
    )
    return [row[0] for row in rows]


def main_zones(tx: Tx, application_id: int) -> Mapping[str, str]:
    """The main time zones of countries with several."""
    return settings.get(tx, application_id, HOURS_MAIN_ZONE)
