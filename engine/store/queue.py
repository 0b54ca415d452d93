"""What the queue decides by: what of each campaign could be launched, and what keeps it (R-3.4).

Nothing is counted: of each campaign the first message is looked at in each place where some may wait.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

from engine.domain.campaign import SOON, CampaignFacts, CampaignState, Hold, Holding, zone
from engine.domain.hours import Hours
from engine.domain.settings import QUOTA_DAILY
from engine.store import settings
from engine.store.arrays import ints
from engine.store.db import Tx
from engine.store.launching import ASIDE, NO_ROUTE

Routes = Callable[[frozenset[str]], Collection[int]]
"""The numbers of the routes on which one of these carriers may take a message."""

_NOTHING: Final[Mapping[int, datetime]] = {}


def facts(
    tx: Tx,
    application_id: int,
    now: datetime,
    window: Hours | None,
    routes: Routes | None = None,
) -> list[CampaignFacts]:
    """What the queue decides by, of each campaign of the application that has not ended.

    `window` are its sending hours (`hours.in_force`). `routes` None: who asks does not know them. They are taken for open, but for a campaign that
    gave the turn away since they are not.
    """
    # campaign_open, tally_campaign; feed has some ten rows: a handful of campaigns, a few rows each.
    rows = tx.execute(
        """
        SELECT c.id, c.state::text, c.scheduled_at, c.created_at,
               coalesce(c.recipients - c.fed, 0) + t.queued, t.in_flight, c.started_at IS NOT NULL,
               c.yielded_at, c.not_after, c.rate, c.recipient_time, c.quick OR c.respect_hours,
               coalesce(c.recipients > c.fed, false)
               OR EXISTS (SELECT FROM feed f WHERE f.campaign_id = c.id)
          FROM campaign c, LATERAL (
               SELECT coalesce(sum(n) FILTER (WHERE state = 'queued'), 0)::int AS queued,
                      coalesce(sum(n) FILTER (WHERE state IN ('launched', 'uncertain')), 0)::int
                          AS in_flight
                 FROM tally WHERE campaign_id = c.id) AS t
         WHERE c.application_id = %s
           AND c.state IN ('scheduled', 'waiting', 'running', 'paused', 'finishing')
         ORDER BY c.scheduled_at, c.id
        """,
        (application_id,),
    ).fetchall()
    by_hours = _closed(window, now)
    by_quota = used_up(tx, application_id, now)
    waits = _waits(tx, [row[0] for row in rows if row[4] and row[6] and not row[12]])
    routed = any(route > 0 for places in waits.values() for route in places)
    open_ = set(routes(_up(tx))) if routed and routes is not None else None
    found: list[CampaignFacts] = []
    for row in rows:
        campaign_id, state, scheduled_at, created_at, unlaunched, in_flight = row[:6]
        begun, yielded_at, not_after, rate, recipient_time, respects, fresh = row[6:]
        gave_away = state == CampaignState.WAITING and yielded_at is not None
        hold: Hold | None = None
        if respects and not recipient_time and by_hours is not None:
            hold = by_hours
        elif by_quota is not None:
            hold = by_quota
        elif begun and unlaunched and not fresh:
            is_open = open_ if routes is not None else (set() if gave_away else None)
            hold = _hold(waits.get(campaign_id, _NOTHING), is_open, now)
        found.append(
            CampaignFacts(
                id=campaign_id,
                state=CampaignState(state),
                scheduled_at=scheduled_at,
                created_at=created_at,
                unlaunched=unlaunched,
                in_flight=in_flight,
                begun=begun,
                yielded_at=yielded_at,
                not_after=not_after,
                hold=hold,
                rate=rate,
                recipient_time=recipient_time,
            )
        )
    return found


def ahead(tx: Tx, application_id: int, due_at: datetime) -> tuple[int, int]:
    """How many campaigns have the turn before one that is due then, and about how many messages."""
    row = tx.execute(
        # campaign_open, tally_campaign; list_size_list for those that have not started
        """
        SELECT count(*)::int, coalesce(sum(CASE
                 WHEN c.recipients IS NOT NULL THEN c.recipients - c.fed + (
                      SELECT coalesce(sum(n), 0) FROM tally
                       WHERE campaign_id = c.id AND state = 'queued')
                 ELSE (SELECT coalesce(sum(n), 0) FROM list_size WHERE list_id = c.list_id)
               END), 0)::bigint
          FROM campaign c
         WHERE c.application_id = %s AND c.state IN ('scheduled', 'waiting', 'running')
           AND c.scheduled_at <= %s
        """,
        (application_id, due_at),
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def _closed(window: Hours | None, now: datetime) -> Hold | None:
    """The application's hours are closed."""
    if window is None or window.open_at(now):
        return None
    return Hold(by=Holding.HOURS, until=window.opens_at(now))


def used_up(tx: Tx, application_id: int, now: datetime) -> Hold | None:
    """The application has launched today as many messages as it may (R-3.10)."""
    quota = settings.get(tx, application_id, QUOTA_DAILY)
    if quota is None:
        return None
    row = tx.execute(  # application_pkey, daily_use_pkey
        """
        SELECT a.timezone, u.day, u.n FROM application a
          LEFT JOIN daily_use u ON u.application_id = a.id WHERE a.id = %s
        """,
        (application_id,),
    ).fetchone()
    assert row is not None
    timezone, day, n = row
    local = now.astimezone(zone(timezone))
    if day != local.date() or n < quota:
        return None
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return Hold(by=Holding.QUOTA, until=midnight + timedelta(days=1))


def _waits(tx: Tx, ids: Collection[int]) -> dict[int, dict[int, datetime]]:
    """When the first message of each campaign is due in each place where some of it waits."""
    if not ids:
        return {}
    rows = tx.execute(
        # due_campaign: a probe for each campaign and route, of which there are few
        """
        SELECT c.id, r.id, d.due_at
          FROM unnest(%s::bigint[]) AS c (id),
               (SELECT id FROM route UNION ALL VALUES (0), (-1), (-2), (-3)) AS r (id),
               LATERAL (SELECT due_at FROM due
                         WHERE campaign_id = c.id AND route_id = r.id
                         ORDER BY due_at LIMIT 1) AS d
        """,
        (ints(ids),),
    )
    waits: dict[int, dict[int, datetime]] = {}
    for campaign_id, route_id, due_at in rows:
        waits.setdefault(campaign_id, {})[route_id] = due_at
    return waits


def _up(tx: Tx) -> frozenset[str]:
    """The carriers that messages can go out over, on any node."""
    rows = tx.execute(
        # bind has a row a bind of each engine
        """
        SELECT DISTINCT c.name FROM bind b
          JOIN node n ON n.id = b.node_id AND n.lease_until > now() AND n.draining_at IS NULL
          JOIN carrier c ON c.id = b.carrier_id
         WHERE b.state = 'bound' AND b.mode <> 'receiver' AND c.paused_at IS NULL
        """
    )
    return frozenset(row[0] for row in rows)


def _hold(
    places: Mapping[int, datetime], open_routes: Collection[int] | None, now: datetime
) -> Hold | None:
    """What keeps all that waits in `due` from being launched; `open_routes` None: all are."""
    times: list[datetime] = []
    by: set[Holding] = set()
    for route_id, due_at in places.items():
        shut = route_id > 0 and open_routes is not None and route_id not in open_routes
        if route_id == NO_ROUTE or shut:
            by.add(Holding.ROUTE)
        elif due_at <= now + SOON:
            return None
        else:
            by.add(Holding.HOURS if route_id == ASIDE else Holding.RETRY)
            times.append(due_at)
    for one in (Holding.ROUTE, Holding.HOURS, Holding.RETRY):
        if one in by:
            return Hold(by=one, until=min(times, default=None))
    return None
