"""What goes on now, for somebody who watches: the queue, what comes in, what waits to be told.

Asked every second or two while campaigns run, so each statement looks at little: what is open, the
newest of what came in, and of what waits no more than a person wants to know.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from psycopg.rows import class_row

from engine.domain.campaign import CampaignState
from engine.store.db import Tx

MOST: Final = 10_000
"""More than so many are not counted: `10,000+` says enough."""

_CAMPAIGNS: Final = 50

LATELY: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """A campaign that has not ended; of its recipients so many are queued, on the wire, delivered."""

    application: str
    id: int
    list: str | None
    state: CampaignState
    scheduled_at: datetime
    recipients: int | None
    queued: int
    in_flight: int
    delivered: int
    failed: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "state", CampaignState(self.state))


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What waits to be told by mail or callback, `kind` of one application; at most MOST of each."""

    application: str
    kind: str
    waiting: int
    oldest_at: datetime
    attempts: int  # of the one that was tried most
    suspended_at: datetime | None


def campaigns(tx: Tx, now: datetime) -> list[Open]:
    """The campaigns of all applications whose time has come, those that send first."""
    with tx.cursor(row_factory=class_row(Open)) as cursor:
        # campaign_open by state; tally_campaign for each
        return cursor.execute(
            """
            SELECT a.name AS application, c.id, l.name AS list, c.state::text, c.scheduled_at,
                   c.recipients, coalesce(c.recipients - c.fed, 0) + t.queued AS queued,
                   t.in_flight, t.delivered, t.failed
              FROM campaign c
              JOIN application a ON a.id = c.application_id
              LEFT JOIN list l ON l.id = c.list_id,
                   LATERAL (
                   SELECT coalesce(sum(n) FILTER (WHERE state = 'queued'), 0)::int AS queued,
                          coalesce(sum(n) FILTER (WHERE state IN ('launched', 'uncertain')), 0)::int
                              AS in_flight,
                          coalesce(sum(n) FILTER (WHERE state = 'delivered'), 0)::int AS delivered,
                          coalesce(sum(n) FILTER (WHERE state IN ('failed', 'rejected', 'expired')),
                                   0)::int AS failed
                     FROM tally WHERE campaign_id = c.id) AS t
             WHERE c.state IN ('waiting', 'running', 'paused', 'finishing')
                OR c.state = 'scheduled' AND c.scheduled_at <= %s
             ORDER BY c.state <> 'running', c.state <> 'finishing', c.scheduled_at, c.id
             LIMIT %s
            """,
            (now, _CAMPAIGNS),
        ).fetchall()


def singles(tx: Tx) -> int:
    """How many messages outside campaigns are to be launched, or launched again."""
    row = tx.execute(
        # due: what waits is mostly of campaigns that retry
        """
        SELECT count(*) FROM (SELECT FROM due WHERE campaign_id IS NULL LIMIT %s) AS first
        """,
        (MOST,),
    ).fetchone()
    assert row is not None
    return int(row[0])


def inbound(tx: Tx, now: datetime) -> dict[str, int]:
    """What has come in lately from subscribers, by what it was taken for."""
    rows = tx.execute(
        # inbox_YYYYMMDD_pkey from the newest backwards, today's and perhaps yesterday's
        """
        SELECT coalesce(meaning, 'reply'), count(*)
          FROM (SELECT meaning, received_at FROM inbox
                 WHERE id >= first_id(day_of(%(since)s)) ORDER BY id DESC LIMIT %(most)s) AS newest
         WHERE received_at > %(since)s
         GROUP BY 1 ORDER BY 2 DESC, 1
        """,
        {"since": now - LATELY, "most": MOST},
    )
    return dict(rows.fetchall())


def outbox(tx: Tx) -> list[Told]:
    """What waits to be told, the oldest first."""
    with tx.cursor(row_factory=class_row(Told)) as cursor:
        # outbox_pkey: in the order of time, so that the oldest are among them
        return cursor.execute(
            """
            SELECT a.name AS application, o.kind, count(*)::int AS waiting,
                   min(o.created_at) AS oldest_at, max(o.attempts) AS attempts,
                   max(e.suspended_at) AS suspended_at
              FROM (SELECT * FROM outbox ORDER BY id LIMIT %s) AS o
              JOIN application a ON a.id = o.application_id
              LEFT JOIN endpoint e ON e.id = o.endpoint_id
             GROUP BY 1, 2 ORDER BY 4
            """,
            (MOST,),
        ).fetchall()


def dead(tx: Tx) -> int:
    """How much could not be told and is kept for a person."""
    row = tx.execute(
        "SELECT count(*) FROM (SELECT FROM outbox_dead LIMIT %s) AS first", (MOST,)
    ).fetchone()
    assert row is not None
    return int(row[0])
