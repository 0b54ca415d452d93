"""The engine: every task of it lives in the one nursery of `run`.

It starts by taking its node's next epoch (what earlier ones left in the air becomes uncertain), and
ends on SIGTERM or SIGINT: no new launches, the answers that are out are awaited (8 s), binds unbind.
"""

import fcntl
import gc
import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import trio

from config.settings import Settings
from engine import clock, inbound, log, nodes
from engine.api import server
from engine.arrived import Arrived
from engine.dispatch import Dispatch
from engine.domain.errors import Refused, Unreachable
from engine.gateway import binds as binding
from engine.gateway import turn
from engine.gateway.gateway import Gateway
from engine.lease import Lease
from engine.metrics import Metrics
from engine.store import listening
from engine.store import nodes as store_nodes
from engine.store.db import CommitUnknown, Database
from engine.store.embedded import default_home

# Of the 10 s in which an engine must be gone, so many are for answers that are still out.
DRAIN_S = 8.0

# Reads with MO that wait to be stored; a full channel stops the binds' reading.
MO_WAITING = 64

MOST_SEGMENTS = 10


async def run(settings: Settings, db: Database) -> None:
    """Runs the engine until it is told to end. Raises Refused when the node is running already."""
    log.start()
    _collect_less()
    metrics = Metrics()
    with only_one(default_home(), settings.node.name):
        now = clock.utc_now()
        await db.transact(store_nodes.housekeep, now)
        lease = Lease(store_nodes.LEASE_S / 2)
        asked_at = clock.boottime()
        start = await db.transact(store_nodes.start, settings.node.name, now)
        lease.renewed(asked_at)
        ids: dict[str, int] = {}
        for carrier in settings.carriers:
            ids[carrier.name] = await db.transact(store_nodes.carrier_id, carrier.name)
            metrics.name_carrier(ids[carrier.name], carrier.name)
        log.info(
            "engine.started",
            node=settings.node.name,
            epoch=start.epoch,
            uncertain=start.uncertain,
            database=db.describe(),
        )
        send_mo, receive_mo = trio.open_memory_channel[Arrived](MO_WAITING)
        gateway = Gateway(
            db=db,
            metrics=metrics,
            node_id=start.node_id,
            epoch=start.epoch,
            lease=lease,
            binds=binding.make(settings.carriers, ids.__getitem__),
            mo=send_mo,
            most_segments=MOST_SEGMENTS,
        )
        mo = inbound.Inbound(
            db=db,
            metrics=metrics,
            channel=receive_mo,
            take_closed=gateway.take_closed,
            remember_closed=gateway.session_closed,
        )
        ending = trio.Event()
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with trio.open_nursery() as nursery:
                app = server.application(metrics.registry, lambda: missing(gateway))
                addresses = await nursery.start(_serve_http, app, settings.http.listen, ending)
                nursery.start_soon(nodes.keep_lease, db, lease, metrics, start.node_id, start.epoch)
                nursery.start_soon(nodes.note_closed, db, gateway.closed, gateway.noted)
                nursery.start_soon(nodes.sweep, db, turn.sweep, start.node_id, start.epoch)
                nursery.start_soon(nodes.housekeep, db)
                dispatch = Dispatch(db=db, metrics=metrics, fed=gateway.look)
                nursery.start_soon(dispatch.run)
                nursery.start_soon(listening.listen, db.url, dispatch.look)
                nursery.start_soon(mo.run)
                nursery.start_soon(gateway.run)
                for bind in gateway.binds:
                    nursery.start_soon(binding.keep, bind, gateway, metrics, random.Random())
                log.info("http.listening", addresses=addresses)
                async for number in signals:
                    log.info("engine.draining", signal=signal.Signals(number).name)
                    break
                await drain(gateway)
                ending.set()
                nursery.cancel_scope.cancel()
        if not gateway.away:
            with suppress(
                Unreachable, CommitUnknown, store_nodes.Fenced
            ):  # then the lease runs out by itself
                await db.transact(store_nodes.stop, start.node_id, start.epoch, clock.utc_now())
        log.info("engine.stopped", node=settings.node.name)


def _collect_less() -> None:
    """Tells the garbage collector that a turn's thousands of tuples hold no cycles.

    By default it looks at the youngest after each 700 of them: a fifth of the engine's work. What
    was imported stays for ever and is not looked at again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


async def _serve_http(
    app: object,
    listen: str,
    ending: trio.Event,
    *,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    await server.serve(app, listen, shutdown=ending.wait, task_status=task_status)  # type: ignore[arg-type]


async def drain(gateway: Gateway) -> None:
    """No new launches; the answers that are out are awaited, then every bind unbinds."""
    gateway.draining = True
    with trio.move_on_after(DRAIN_S):
        await gateway.drained()
    with trio.move_on_after(1.0):
        async with trio.open_nursery() as nursery:
            for bind in gateway.binds:
                if bind.session is not None:
                    nursery.start_soon(bind.session.unbind)


def missing(gateway: Gateway) -> list[str]:
    """What keeps the engine from doing its work, in words."""
    what = ["the database can't be reached"] if gateway.away else []
    carriers = {bind.carrier.name for bind in gateway.binds}
    up = {bind.carrier.name for bind in gateway.binds if bind.session is not None}
    what += [f"carrier {name} is not bound" for name in sorted(carriers - up)]
    return what


@contextmanager
def only_one(home: Path, name: str) -> Iterator[None]:
    """Holds the node's name on this machine. Raises Refused while another process has it."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = home / f"node-{name}.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(
                f'node "{name}" is running already on this machine; stop it, or give this one '
                "another name (node.name)"
            ) from None
        yield
    finally:
        os.close(handle)
