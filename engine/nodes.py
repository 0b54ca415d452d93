"""A node's life in the database: its lease, its sessions, the sweep of parked receipts, housekeeping."""

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import trio

from engine import clock, log
from engine.domain.errors import Unreachable
from engine.domain.nodes import SKEW_S, state_of
from engine.lease import NodeLease
from engine.metrics import Metrics
from engine.operations import retention
from engine.store import nodes, peers
from engine.store.db import CommitUnknown, Database
from engine.store.nodes import Process

T = TypeVar("T")

LOOK_S = 1.0
"""Nodes whose lease has run out are looked for this often."""
COUNT_S = 5.0
AGAIN_S = 1.0
"""A database that is away is asked again this often, so that all leases are renewed soon after."""
SWEEP_S = 1.0
SWEEPS_FAR = 60
"""One of so many sweeps looks back over `nodes.SWEPT`, the others over `nodes.SWEPT_EACH`."""
NOTE_S = 1.0
HOUSEKEEP_S = 3600.0

Closed = Sequence[tuple[int, str]]
"""Sessions that have fallen, and why."""


async def keep_lease(
    db: Database,
    lease: NodeLease,
    process: Process,
    metrics: Metrics,
    drop: Callable[[], Awaitable[None]],
) -> None:
    """Renews the lease; Fenced when another process has taken the node's name.

    Where only a lease was lost (this process was asleep, or away from the database for too long, and
    another node has taken over), it takes another epoch and goes on: first `drop` has to drop the
    binds, on which messages may still be answered that are others' by now.
    Each time, the node's clock is held against the database's.
    """
    apart = waits = False
    by_s = 0.0
    while True:
        lease.doubted = trio.Event()
        asked_at, before = clock.boottime(), clock.utc_now()
        try:
            now = await _renew(db, lease, process, by_s, metrics, drop)
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
        with trio.move_on_after(min(lease.lease_s / 4, AGAIN_S) if waits else lease.lease_s / 4):
            await lease.doubted.wait()


async def _renew(
    db: Database,
    lease: NodeLease,
    process: Process,
    skew_s: float,
    metrics: Metrics,
    drop: Callable[[], Awaitable[None]],
) -> datetime:
    try:
        return await db.transact(nodes.renew, lease.node_id, lease.epoch, lease.lease_s, skew_s)
    except nodes.Fenced:
        epoch = await db.transact(nodes.resume, lease.node_id, process, clock.utc_now())
    log.warning("node.resumed", lost_epoch=lease.epoch, epoch=epoch)
    await drop()
    lease.epoch = epoch
    metrics.nodes.epoch(epoch)
    return await db.transact(nodes.renew, lease.node_id, epoch, lease.lease_s, skew_s)


async def take_over(
    db: Database, lease: NodeLease, metrics: Metrics, taken: Callable[[], None]
) -> None:
    """Takes over from nodes whose lease has run out (R-8.4); `taken` is told of each."""
    while True:
        await trio.sleep(min(LOOK_S, lease.lease_s / 4))
        if not lease.steady(clock.boottime()):
            continue
        try:
            lost = await db.transact(peers.take_over, lease.node_id, lease.epoch)
        except (Unreachable, CommitUnknown):
            continue  # `keep_lease` says so
        except nodes.Fenced:
            lease.doubt()
            continue
        if lost is not None:
            log.error("node.lost", node=lost.name, uncertain=lost.uncertain)
            metrics.nodes.took_over(lost.uncertain)
            taken()


async def count(db: Database, metrics: Metrics) -> None:
    """Tells the metrics how many nodes there are, and where they stand."""
    while True:
        with contextlib.suppress(Unreachable, CommitUnknown):  # `keep_lease` says so
            found = await db.transact(peers.facts)
            metrics.nodes.states(state_of(one) for one in found)
        await trio.sleep(COUNT_S)


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
    lease: NodeLease,
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
            joined(await db.transact(join, lease.node_id, lease.epoch, max(oldest, missed)))
            done = True
        except (Unreachable, CommitUnknown, nodes.Fenced):
            done = False  # `keep_lease` says so
        await trio.sleep(SWEEP_S)
        over = timedelta(seconds=trio.current_time() - began)
        missed = over + nodes.SWEPT_EACH if done else missed + over


async def housekeep(db: Database) -> None:
    """What is done once an hour; the long part of it in pieces that turns hardly notice (R-9.3)."""
    while True:
        next_at = trio.current_time() + HOUSEKEEP_S
        await _try(db, lambda tx: nodes.housekeep(tx, clock.utc_now()))
        await _tidy(db, next_at)
        await trio.sleep_until(next_at)


async def _tidy(db: Database, until: float) -> None:
    """Piece after piece, with a pause between; an outage ends it until the next hour."""
    more = True
    while more and (began := trio.current_time()) < until:
        try:
            more = await db.transact(retention.tidy, clock.utc_now())
        except (Unreachable, CommitUnknown):
            return
        await trio.sleep(retention.pause_s(trio.current_time() - began))


async def _try(db: Database, fn: Callable[..., object], *args: object) -> bool:
    try:
        await db.transact(fn, *args)
    except (Unreachable, CommitUnknown):
        return False  # `keep_lease` says so
    return True
