"""What is due to an endpoint, for the one process that posts it; and what became of it (R-7.4, R-8.3).

As with mails, a claim changes no row: an endpoint has one worker at a time, by a lease, and the
worker knows what it has under way. Results are written many at a time. The events of one message are
in the order of their ids, and an event that is due waits for older ones that were tried and not told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from engine.domain.callback import Kind, Receipt, Reply, Status
from engine.store.arrays import ints, literal, times
from engine.store.callbacks import Endpoint
from engine.store.db import Tx
from engine.store.outbox import bury, done, hold, release

LEASE = timedelta(seconds=60)
"""A worker begins no post in the second half of it, and no post takes that long."""


class Event(NamedTuple):
    """An event that is due. `body` None: what it was about is not kept any more.

    `behind` is when an older event of the same message is due, which was tried and not told. Many are
    made a second, so it is a tuple.
    """

    id: int
    about_id: int
    key: str
    attempts: int
    first_at: datetime | None
    body: bytes | None
    behind: datetime | None


class Failed(NamedTuple):
    """An event that is tried again."""

    id: int
    error: str
    due_at: datetime


class Later(NamedTuple):
    """An event that was not tried, because an older one of its message waits."""

    id: int
    due_at: datetime


class Parked(NamedTuple):
    """An event that is not tried again."""

    id: int
    reason: str


@dataclass(slots=True)
class Results:
    """What became of events, until it is written."""

    done: list[int] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    later: list[Later] = field(default_factory=list)
    parked: list[Parked] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.done) + len(self.failed) + len(self.later) + len(self.parked)

    @property
    def ids(self) -> list[int]:
        """Of all of them."""
        lists = (self.failed, self.later, self.parked)
        return [*self.done, *(one.id for some in lists for one in some)]


class Look(NamedTuple):
    """An endpoint at which something may be to do: as it was set then, and whether something is due."""

    id: int
    set_at: datetime
    due: bool


def place(endpoint_id: int) -> str:
    """The lease's name."""
    return f"endpoint:{endpoint_id}"


def look(tx: Tx, now: datetime) -> list[Look]:
    """All endpoints that may be posted to."""
    rows = tx.execute(
        # endpoint is small; outbox_due for each
        """
        SELECT e.id, e.set_at,
               EXISTS (SELECT FROM outbox o WHERE o.endpoint_id = e.id AND o.due_at <= %s)
          FROM endpoint e WHERE e.off_at IS NULL AND e.suspended_at IS NULL ORDER BY e.id
        """,
        (now,),
    )
    return [Look(*row) for row in rows]


def claim(
    tx: Tx, endpoint_id: int, kind: Kind, holder: int, now: datetime, limit: int
) -> list[Event] | None:
    """The first `limit` events that are due; None while another process has the endpoint.

    It takes the lease, or renews it.
    """
    if not hold(tx, place(endpoint_id), holder, now, LEASE):
        return None
    return (_receipts if kind is Kind.RECEIPT else _replies)(tx, endpoint_id, now, limit)


def _receipts(tx: Tx, endpoint_id: int, now: datetime, limit: int) -> list[Event]:
    rows = tx.execute(
        # outbox_due, in its order; outbox_tried
        """
        SELECT o.id, o.about_id, o.created_at, o.attempts, o.first_at,
               (SELECT t.due_at FROM outbox t
                 WHERE t.endpoint_id = o.endpoint_id AND t.about_id = o.about_id AND t.id < o.id
                   AND t.attempts > 0
                 ORDER BY t.id LIMIT 1),
               o.campaign_id, o.status, o.status_at, o.mobile, o.sent_at
          FROM outbox o
         WHERE o.endpoint_id = %s AND o.due_at <= %s
         ORDER BY o.due_at, o.id LIMIT %s
        """,
        (endpoint_id, now, limit),
    )
    return [
        Event(
            event_id,
            about_id,
            _key(event_id, created_at),
            attempts,
            first_at,
            Receipt(
                message_id=about_id,
                campaign_id=campaign_id,
                status=Status(status),
                status_at=status_at,
                mobile=mobile,
                sent_at=sent_at,
            ).body,
            behind,
        )
        for event_id, about_id, created_at, attempts, first_at, behind, campaign_id, status,
            status_at, mobile, sent_at in rows
    ]  # fmt: skip


def _replies(tx: Tx, endpoint_id: int, now: datetime, limit: int) -> list[Event]:
    rows = tx.execute(
        # outbox_due, in its order; inbox_YYYYMMDD_pkey for each
        """
        SELECT o.id, o.about_id, o.created_at, o.attempts, o.first_at,
               i.mobile, i.destination, i.content, i.message_id, i.campaign_id
          FROM outbox o LEFT JOIN inbox i ON i.id = o.about_id
         WHERE o.endpoint_id = %s AND o.due_at <= %s
         ORDER BY o.due_at, o.id LIMIT %s
        """,
        (endpoint_id, now, limit),
    )
    return [
        Event(
            event_id,
            about_id,
            _key(event_id, created_at),
            attempts,
            first_at,
            Reply(
                id=about_id,
                source=mobile,
                destination=destination,
                content=content,
                reply_to=message_id,
                campaign_id=campaign_id,
            ).body
            if mobile  # what was scrubbed has none
            else None,
            None,
        )
        for event_id, about_id, created_at, attempts, first_at, mobile, destination, content,
            message_id, campaign_id in rows
    ]  # fmt: skip


def _key(event_id: int, created_at: datetime) -> str:
    """The Idempotency-Key: of this event alone, also when a database is made anew and counts from 1."""
    return f"{event_id}.{round(created_at.timestamp() * 1_000_000)}"


def write(tx: Tx, results: Results, now: datetime) -> None:
    """What became of events, in the order of their ids. It may be said twice."""
    # outbox_pkey, each
    if results.done:
        done(tx, sorted(results.done))
    if results.failed:
        failed = sorted(results.failed)
        tx.execute(
            """
            UPDATE outbox SET attempts = attempts + 1, first_at = coalesce(first_at, %s),
                              last_error = f.error, due_at = f.due_at
              FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[]) AS f (id, error, due_at)
             WHERE outbox.id = f.id AND outbox.id = ANY (%s::bigint[])
            """,
            (
                now,
                ints(one.id for one in failed),
                literal(one.error for one in failed),
                times(one.due_at for one in failed),
                ints(one.id for one in failed),
            ),
        )
    if results.later:
        later = sorted(results.later)
        tx.execute(
            """
            UPDATE outbox SET due_at = l.due_at
              FROM unnest(%s::bigint[], %s::timestamptz[]) AS l (id, due_at)
             WHERE outbox.id = l.id AND outbox.id = ANY (%s::bigint[])
            """,
            (
                ints(one.id for one in later),
                times(one.due_at for one in later),
                ints(one.id for one in later),
            ),
        )
    if results.parked:
        bury(tx, [(one.id, one.reason) for one in sorted(results.parked)], now)


def let_go(tx: Tx, endpoint_ids: Sequence[int], holder: int) -> None:
    """Other processes may have these endpoints at once."""
    for endpoint_id in endpoint_ids:
        release(tx, place(endpoint_id), holder)


COUNTED = 100_000
"""What waits is counted up to here: of two million nobody wants to know more, every 15 seconds."""


class Depth(NamedTuple):
    """What waits for an endpoint, at most COUNTED of it, and since when."""

    endpoint: Endpoint
    waiting: int
    oldest_at: datetime | None


def depths(tx: Tx, endpoints: Sequence[Endpoint]) -> list[Depth]:
    """What waits for each."""
    rows = tx.execute(
        # outbox_due for each
        """
        SELECT e.id, d.n, d.oldest_at
          FROM unnest(%s::int[]) AS e (id)
          CROSS JOIN LATERAL (
            SELECT count(*)::int AS n, min(created_at) AS oldest_at
              FROM (SELECT created_at FROM outbox WHERE endpoint_id = e.id LIMIT %s) AS o) AS d
        """,
        (ints(one.id for one in endpoints), COUNTED),
    ).fetchall()
    found = {endpoint_id: (n, oldest_at) for endpoint_id, n, oldest_at in rows}
    return [Depth(one, *found[one.id]) for one in endpoints]
