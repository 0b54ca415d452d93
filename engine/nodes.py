"""A node's life in the database: its lease, its sessions, the sweep of parked receipts, housekeeping."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import trio

from engine import clock, log
from engine.domain.errors import Unreachable
from engine.lease import Lease
from engine.metrics import Metrics
from engine.operations import retention
from engine.store import nodes
from engine.store.db import CommitUnknown, Database

T = TypeVar("T")

RENEW_S = nodes.LEASE_S / 4
SWEEP_S = 1.0
SWEEPS_FAR = 60
"""One of so many sweeps looks back over `nodes.SWEPT`, the others over `nodes.SWEPT_EACH`."""
NOTE_S = 1.0
HOUSEKEEP_S = 3600.0
TIDY_PAUSE_S = 0.1

# Times are compared with the database's; further apart than this, somebody should look.
SKEW_S = 2.0

Closed = Sequence[tuple[int, str]]
"""Sessions that have fallen, and why."""


async def keep_lease(
    db: Database, lease: Lease, metrics: Metrics, node_id: int, epoch: int
) -> None:
    """Renews the lease; Fenced when another process has taken the node's name.

    Each time, the node's clock is held against the database's.
    """
    apart = waits = False
    while True:
        asked_at, before = clock.boottime(), clock.utc_now()
        try:
            now = await db.transact(nodes.renew, node_id, epoch)
        except (Unreachable, CommitUnknown) as error:
            if not waits:  # once for all that a node does, however long it lasts
                log.warning("node.waits", reason=str(error))
            waits = True
        else:
            waits = False
            lease.renewed(asked_at)
            by_s = skew_s(before, now, clock.utc_now())
            metrics.process.clock_skew(by_s)
            if (abs(by_s) > SKEW_S) is not apart:
                apart = not apart
                tell = log.warning if apart else log.info
                tell("node.clock", ahead_of_database_s=round(by_s, 1), allowed_s=SKEW_S)
        await trio.sleep(RENEW_S)


def skew_s(before: datetime, database: datetime, after: datetime) -> float:
    """How far our clock is ahead of the database's, which was asked between `before` and `after`.

    The least that it can be: how long the question took, and how long the answer, is not known.
    """
    if database < before:
        return (before - database).total_seconds()
    return -max((database - after).total_seconds(), 0.0)


async def note_closed(
    db: Database, closed: Callable[[], Closed], noted: Callable[[Closed], None]
) -> None:
    """Notes which sessions have fallen, for who asks whether messages can leave.

    They stay with who remembers them until that is committed: an MO may have to be told first.
    """
    while True:
        fallen = closed()
        if fallen and await _try(db, nodes.close_sessions, fallen, clock.utc_now()):
            noted(fallen)
        await trio.sleep(NOTE_S)


async def sweep(
    db: Database,
    join: Callable[..., T],
    joined: Callable[[T], None],
    node_id: int,
    epoch: int,
) -> None:
    """Joins parked receipts with their submissions, each second; at the start, all there are.

    `joined` is told what `join` did, once that is committed.
    """
    missed = nodes.PARKED
    count = 0
    while True:
        began = trio.current_time()
        oldest = nodes.SWEPT if count % SWEEPS_FAR == 0 else nodes.SWEPT_EACH
        count += 1
        try:
            joined(await db.transact(join, node_id, epoch, max(oldest, missed)))
            done = True
        except (Unreachable, CommitUnknown):
            done = False  # `keep_lease` says so
        await trio.sleep(SWEEP_S)
        over = timedelta(seconds=trio.current_time() - began)
        missed = over + nodes.SWEPT_EACH if done else missed + over


async def housekeep(db: Database) -> None:
    """What is done once an hour; the long part of it in pieces that turns hardly notice (R-9.3)."""
    while True:
        await _try(db, lambda tx: nodes.housekeep(tx, clock.utc_now()))
        await _tidy(db)
        await trio.sleep(HOUSEKEEP_S)


async def _tidy(db: Database) -> None:
    """Piece after piece, with a pause between; an outage ends it until the next hour."""
    more = True
    while more:
        try:
            more = await db.transact(retention.tidy, clock.utc_now())
        except (Unreachable, CommitUnknown):
            return
        await trio.sleep(TIDY_PAUSE_S)


async def _try(db: Database, fn: Callable[..., object], *args: object) -> bool:
    try:
        await db.transact(fn, *args)
    except (Unreachable, CommitUnknown):
        return False  # `keep_lease` says so
    return True
