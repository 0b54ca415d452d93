"""A node's life in the database: its lease, the sweep of parked receipts, the hourly housekeeping."""

from collections.abc import Callable
from typing import TypeVar

import trio

from engine import clock, log
from engine.domain.errors import Unreachable
from engine.store import nodes
from engine.store.db import CommitUnknown, Database

RENEW_S = nodes.LEASE_S / 4
SWEEP_S = 1.0
HOUSEKEEP_S = 3600.0

T = TypeVar("T")


async def keep_lease(db: Database, node_id: int, epoch: int) -> None:
    """Renews the lease; Fenced when another process has taken the node's name."""
    while True:
        await _try(db, lambda tx: nodes.renew(tx, node_id, epoch))
        await trio.sleep(RENEW_S)


async def sweep(db: Database, join: Callable[..., object], node_id: int, epoch: int) -> None:
    """Joins parked receipts with their submissions, each second; at the start, all there are."""
    oldest = nodes.PARKED
    while True:
        if await _try(db, join, node_id, epoch, oldest):
            oldest = nodes.SWEPT
        await trio.sleep(SWEEP_S)


async def housekeep(db: Database) -> None:
    """What is done once an hour."""
    while True:
        await _try(db, lambda tx: nodes.housekeep(tx, clock.utc_now()))
        await trio.sleep(HOUSEKEEP_S)


async def _try(db: Database, fn: Callable[..., object], *args: object) -> bool:
    try:
        await db.transact(fn, *args)
    except (Unreachable, CommitUnknown) as error:
        log.warning("node.waits", reason=str(error))
        return False
    return True
