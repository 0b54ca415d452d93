"""The engine: every task of it lives in the one nursery of `run`.

It starts by taking its node's next epoch (what earlier ones left in the air becomes uncertain), and
ends on SIGTERM or SIGINT: no new launches, the answers that are out are awaited (8 s), binds unbind.
"""

import fcntl
import gc
import hashlib
import os
import random
import signal
import socket
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import trio

from config.load import ConfigError
from config.settings import Http, Settings
from engine import alone, clock, expiry, inbound, log, nodes, pulse
from engine.api import server
from engine.api.service import Api
from engine.arrived import Arrived
from engine.control import Control
from engine.dispatch import Dispatch
from engine.domain.errors import Refused, Unreachable
from engine.domain.outbound import MOST_SEGMENTS
from engine.gateway import turn
from engine.gateway.asking import Asking
from engine.gateway.fleet import Fleet
from engine.gateway.gateway import Gateway
from engine.gateway.plans import Network, heard, network_of, plan_of, routes_of, told
from engine.lease import NodeLease
from engine.metrics import Metrics
from engine.metrics.process import release
from engine.operations.place import lock_of
from engine.outbox.callbacks import Callbacks
from engine.outbox.worker import Worker
from engine.sharing import Sharing
from engine.standing import Standing
from engine.store import control as store_control
from engine.store import listening, peers
from engine.store import nodes as store_nodes
from engine.store.db import CommitUnknown, Database, Tx
from engine.store.embedded import default_home
from engine.store.home import Home
from engine.store.nodes import Process
from engine.tracing import Tracing

# Of the 10 s in which an engine must be gone, so many are for answers that are still out.
DRAIN_S = 8.0

# The routes of other nodes are looked at this often.
FOLLOW_S = 2.0

# And so many for a database that says nothing, once the binds are unbound.
LAST_S = 0.5

# Reads with MO that wait to be stored; a full channel stops the binds' reading.
MO_WAITING = 64


async def run(
    settings: Settings,
    db: Database,
    reread: Callable[[], Settings],
    serving: bool = True,
    telling: bool = True,
) -> None:
    """Runs the engine until it is told to end. Raises Refused when the node is running already.

    `serving`: the HTTP API, too; without it /metrics, /healthz and /readyz alone. `telling`: the
    callbacks, too.
    `reread` gives the configuration as it is by then, for SIGHUP and `siaran carrier reload`.
    """
    log.start(settings.log.format, settings.log.level, mobiles=settings.log.show_mobiles)
    _collect_less()
    metrics = Metrics()
    db.watch(metrics.process.transaction)
    metrics.process.watch_pool(db.pool)
    with only_one(default_home(), settings.node.name) as place:
        now = clock.utc_now()
        await db.transact(store_nodes.housekeep, now)
        process = Process(
            instance=uuid.uuid4().hex,
            place=place,
            host=socket.gethostname(),
            version=release(),
            lease_s=settings.node.lease_s,
        )
        asked_at = clock.boottime()
        start = await db.transact(store_nodes.start, settings.node.name, now, process)
        lease = NodeLease(start.node_id, start.epoch, process.lease_s)
        lease.renewed(asked_at)
        others = await db.transact(peers.routes_of_others, start.node_id)
        network = await db.transact(_network, settings, start.node_id, others)
        _name(network, metrics)
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
            lease=lease,
            network=network,
            mo=send_mo,
            most_segments=MOST_SEGMENTS,
        )
        gateway.rest(start.draining)
        metrics.nodes.name(settings.node.name, start.epoch)
        fleet = Fleet(gateway, metrics, random.Random())
        sharing = Sharing(db, lease, gateway.limited, fleet.share)
        gateway.opened = sharing.look
        standing = Standing(gateway, metrics.traffic)
        metrics.carriers.watch(standing.facts)
        mo = inbound.Inbound(
            db=db,
            metrics=metrics,
            channel=receive_mo,
            take_closed=gateway.take_closed,
            remember_closed=gateway.session_closed,
            answering=gateway.look,
        )
        outbox = Worker(db=db, metrics=metrics, node_id=start.node_id, smtp=settings.smtp)
        callbacks = Callbacks(
            db=db, metrics=metrics, holder=start.node_id, settings=settings.callbacks
        )
        reloading = Reloading(
            db=db,
            node_id=start.node_id,
            gateway=gateway,
            fleet=fleet,
            outbox=outbox,
            callbacks=callbacks,
            now=settings,
            others=others,
            reread=reread,
        )
        asking = Asking(gateway)
        tracing = Tracing(gateway.binds.values, trace_socket(settings.node.name))
        control = Control(
            db=db,
            node_id=start.node_id,
            binds=standing.rows,
            pause=gateway.pause,
            rest=gateway.rest,
            verbs={
                "drain": lambda _: drained(gateway),
                "rebind": fleet.rebind,
                "reload": lambda _: reloading.reload(),
                "query": asking.query,
                "cancel": asking.cancel,
            },
        )
        dispatch = Dispatch(
            db=db,
            metrics=metrics,
            fed=gateway.look,
            routes=lambda up: gateway.network.open_routes(up),
        )

        def sweep(tx: Tx, node_id: int, epoch: int, oldest: timedelta) -> turn.Done:
            return turn.sweep(tx, node_id, epoch, oldest, gateway.network)

        def swept(done: turn.Done) -> None:
            metrics.traffic.receipts(done.receipts.items())

        def heard() -> None:
            dispatch.look()
            control.look()
            sharing.look()

        def moved(server: str) -> None:
            log.warning("database.moved", to=server)

        ending = trio.Event()
        wanted = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        with trio.open_signal_receiver(*wanted) as signals:
            async with trio.open_nursery() as nursery:
                api = _api(db, settings, gateway, metrics) if serving else None
                app = server.application(metrics.registry, lambda: missing(gateway), api)
                addresses = await nursery.start(_serve_http, app, settings.http, ending)
                nursery.start_soon(
                    nodes.keep_lease, db, lease, process, metrics, gateway.drop_binds
                )
                nursery.start_soon(nodes.take_over, db, lease, metrics, dispatch.look)
                nursery.start_soon(nodes.count, db, metrics)
                nursery.start_soon(nodes.note_closed, db, gateway.closed, gateway.noted)
                nursery.start_soon(nodes.sweep, db, sweep, swept, lease)
                nursery.start_soon(nodes.housekeep, db)
                nursery.start_soon(
                    expiry.run,
                    db,
                    metrics.traffic.days_waiting,
                    lambda: reloading.now.retention.days,
                )
                nursery.start_soon(sharing.run)
                nursery.start_soon(reloading.follow)
                nursery.start_soon(dispatch.run)
                if api is not None:
                    nursery.start_soon(api.run)
                nursery.start_soon(listening.listen, db, heard)
                nursery.start_soon(db.follow, moved)
                nursery.start_soon(mo.run)
                nursery.start_soon(outbox.run)
                if telling:
                    nursery.start_soon(callbacks.run)
                nursery.start_soon(gateway.run)
                await nursery.start(tracing.run)
                await nursery.start(fleet.run, network.plans.values())
                nursery.start_soon(control.run)
                nursery.start_soon(pulse.beat, metrics.process.loop_lag)
                log.info("http.listening", addresses=addresses)
                pulse.notify("READY=1")
                async for number in signals:
                    if number == signal.SIGHUP:
                        nursery.start_soon(reloading.on_signal)
                        continue
                    log.info("engine.draining", signal=signal.Signals(number).name)
                    pulse.notify("STOPPING=1")
                    break
                outbox.stop()
                callbacks.stop()
                told_by = trio.current_time() + DRAIN_S
                await drain(gateway, fleet)
                with trio.move_on_at(told_by):
                    await outbox.wait_stopped()
                    if telling:
                        await callbacks.wait_stopped()
                ending.set()
                db.end_by(trio.current_time() + LAST_S)
                nursery.cancel_scope.cancel()
        if not gateway.away:
            with suppress(
                Unreachable, CommitUnknown, store_nodes.Fenced
            ):  # then the lease runs out by itself
                await db.transact(store_nodes.stop, lease.node_id, lease.epoch, clock.utc_now())
        log.info("engine.stopped", node=settings.node.name)


Others = Sequence[tuple[str, Sequence[Mapping[str, Any]]]]
"""The routes of the other nodes, by their names."""


def _api(db: Database, settings: Settings, gateway: Gateway, metrics: Metrics) -> Api:
    return Api(
        db,
        http=settings.http,
        private_callbacks=settings.callbacks.allow_private,
        woken=gateway.look,
        count=metrics.process.request,
    )


async def run_alone(settings: Settings, db: Database, serving: bool, telling: bool) -> None:
    """The HTTP API, the callbacks, or both, in a process without binds.

    Raises Refused when another one tells callbacks under the node's name on this machine.
    """
    if not telling:
        return await alone.run(settings, db)
    with only_one(default_home(), f"{settings.node.name}.callbacks") as place:
        # A number that it has after each start, so that it goes on at once; nodes' are above 0.
        return await alone.run(settings, db, serving=serving, holder=-1 - int(place[:7], 16))


def _network(tx: Tx, settings: Settings, node_id: int, others: Others) -> Network:
    """The configured carriers and routes, with their numbers in the database."""
    own = routes_of(settings.routes)
    peers.tell_routes(tx, node_id, [told(route) for route in own])
    routing, everywhere = network_of(
        own, [(name, [heard(row) for row in rows]) for name, rows in others]
    )
    plans = {
        carrier.name: plan_of(carrier, store_nodes.carrier_id(tx, carrier.name))
        for carrier in settings.carriers
    }
    route_ids = store_control.route_ids(tx, routing.keys)
    store_control.tell_routes(tx, everywhere.carriers())
    store_control.forget_routes(tx, route_ids.values())
    return Network(plans=plans, routing=routing, route_ids=route_ids, everywhere=everywhere)


def _name(network: Network, metrics: Metrics) -> None:
    for plan in network.plans.values():
        metrics.carriers.name(plan.id, plan.name)


@dataclass(slots=True)
class Reloading:
    """The configuration in force, and another one taken into force while the engine runs (R-9.2)."""

    db: Database
    node_id: int
    gateway: Gateway
    fleet: Fleet
    outbox: Worker
    callbacks: Callbacks
    now: Settings
    others: Others
    """The routes of the other nodes."""
    reread: Callable[[], Settings]
    _one: trio.Lock = field(default_factory=trio.Lock)

    async def on_signal(self) -> None:
        """SIGHUP: what can't be used is said in the log, and nothing changes."""
        try:
            log.info("reload", result=await self.reload())
        except Refused as error:
            log.error("reload.refused", reason=str(error))

    async def follow(self) -> None:
        """Hears which routes other nodes have, and goes by them."""
        while True:
            await trio.sleep(FOLLOW_S)
            with suppress(Unreachable, CommitUnknown):  # `keep_lease` says so
                others = await self.db.transact(peers.routes_of_others, self.node_id)
                if others == self.others:
                    continue
                async with self._one:
                    self.gateway.network = await self.db.transact(
                        _network, self.now, self.node_id, others
                    )
                    self.others = others
                    self.gateway.look()

    async def reload(self) -> str:
        """Reads the configuration and changes what it changes; answers what that was.

        Raises Refused for one that can't be used, and for what only a restart can change.
        """
        async with self._one:
            try:
                new = self.reread()
            except ConfigError as error:
                raise Refused(str(error)) from error
            for name in ("database", "node", "http"):
                if getattr(new, name) != getattr(self.now, name):
                    raise Refused(
                        f"[{name}] has changed, which needs a restart; nothing was changed"
                    )
            try:
                network = await self.db.transact(_network, new, self.node_id, self.others)
            except (Unreachable, CommitUnknown) as error:
                raise Refused(f"{error}; nothing was changed") from error
            routes = new.routes != self.now.routes
            mail = new.smtp != self.now.smtp
            kept = new.retention != self.now.retention
            written = new.log != self.now.log
            if written:
                log.start(new.log.format, new.log.level, mobiles=new.log.show_mobiles)
            self.outbox.smtp = new.smtp
            self.callbacks.settings = new.callbacks
            self.now = new
            self.gateway.network = network
            _name(network, self.fleet.metrics)
            touched = await self.fleet.change(list(network.plans.values()))
            self.gateway.look()
        words = [f"carriers changed: {', '.join(touched)}"] if touched else []
        words += ["routes changed"] if routes else []
        words += ["the mail server changed"] if mail else []
        words += [f"rows are kept for {self.now.retention.days} days"] if kept else []
        words += ["the log changed"] if written else []
        return "; ".join(words) or "nothing has changed"


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
    http: Http,
    ending: trio.Event,
    *,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    await server.serve(app, http, shutdown=ending.wait, task_status=task_status)  # type: ignore[arg-type]


async def drain(gateway: Gateway, fleet: Fleet) -> None:
    """No new launches; the answers that are out are awaited, then every bind unbinds."""
    gateway.draining = True
    with trio.move_on_after(DRAIN_S):
        await gateway.drained()
    with trio.move_on_after(1.0):
        await fleet.unbind()


async def drained(gateway: Gateway) -> str:
    """Launches nothing more, and waits for the answers that are out; answers when they have come."""
    gateway.rest(True)
    if not await gateway.rested():
        raise Refused("the drain was taken back before the last answer had come")
    return "nothing is on the wire"


def missing(gateway: Gateway) -> list[str]:
    """What keeps the engine from doing its work, in words."""
    what = ["the database can't be reached"] if gateway.away else []
    carriers = set(gateway.network.plans)
    up = {bind.plan.name for bind in gateway.binds.values() if bind.session is not None}
    what += [f"carrier {name} is not bound" for name in sorted(carriers - up)]
    return what


def trace_socket(node: str) -> Path:
    """Where a node of this machine tells its PDUs: a path short enough for a socket."""
    beside = Home.at(default_home()).socket_dir
    digest = hashlib.sha256(node.encode()).hexdigest()[:12]
    return beside.with_name(f"{beside.name}-trace") / digest


@contextmanager
def only_one(home: Path, name: str) -> Iterator[str]:
    """Holds the node's name on this machine; what tells this place from all others.

    Raises Refused while another process has it. The file has a number of its own, by which another
    machine, or another home, is known in the database (`store.nodes.start`).
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = lock_of(home, name)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(
                f'node "{name}" is running already on this machine; stop it, or give this one '
                "another name (node.name)"
            ) from None
        number = os.pread(handle, 64, 0).decode(errors="replace").strip()
        if len(number) != 32:
            number = uuid.uuid4().hex
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{number}\n".encode(), 0)
        # A home that was copied to another machine has the number of the first one.
        yield f"{number}@{socket.gethostname()}"
    finally:
        os.close(handle)
