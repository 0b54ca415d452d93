"""The HTTP API, the callbacks, or both, in a process of their own (`run --role api|callbacks`).

Their work then takes nothing from the binds.
"""

from __future__ import annotations

import signal

import trio

from config.settings import Settings
from engine import log, pulse
from engine.api import server
from engine.api.service import Api
from engine.domain.errors import Unreachable
from engine.metrics import Metrics
from engine.outbox.callbacks import Callbacks
from engine.store.db import CommitUnknown, Database, Tx

LOOK_S = 1.0

LAST_S = 2.0
"""For requests that are under way when it is to end."""

DRAIN_S = 8.0
"""For posts to endpoints."""


async def run(
    settings: Settings, db: Database, *, serving: bool = True, holder: int | None = None
) -> None:
    """Works until SIGTERM or SIGINT.

    `serving`: the API, too; without it /metrics, /healthz and /readyz alone. `holder`: callbacks are
    told, by this process's number in the leases of endpoints.
    """
    log.start(settings.log.format, settings.log.level, mobiles=settings.log.show_mobiles)
    metrics = Metrics()
    db.watch(metrics.process.transaction)
    metrics.process.watch_pool(db.pool)
    away: list[str] = []
    api = (
        Api(
            db,
            http=settings.http,
            private_callbacks=settings.callbacks.allow_private,
            count=metrics.process.request,
        )
        if serving
        else None
    )
    callbacks = (
        None
        if holder is None
        else Callbacks(db=db, metrics=metrics, holder=holder, settings=settings.callbacks)
    )
    app = server.application(metrics.registry, lambda: away, api)
    ending = trio.Event()
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:

            async def serve(
                task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
            ) -> None:
                await server.serve(
                    app, settings.http, shutdown=ending.wait, task_status=task_status
                )
                nursery.cancel_scope.cancel()

            if api is not None:
                nursery.start_soon(api.run)
            if callbacks is not None:
                nursery.start_soon(callbacks.run)
            nursery.start_soon(_look, db, metrics, away)
            nursery.start_soon(pulse.beat, metrics.process.loop_lag)
            nursery.start_soon(db.follow, _moved)
            addresses = await nursery.start(serve)
            log.info("http.listening", addresses=addresses)
            pulse.notify("READY=1")
            async for number in signals:
                log.info("engine.draining", signal=signal.Signals(number).name)
                pulse.notify("STOPPING=1")
                break
            if callbacks is not None:
                callbacks.stop()
                with trio.move_on_after(DRAIN_S):
                    await callbacks.wait_stopped()
            ending.set()
            db.end_by(trio.current_time() + LAST_S)
    log.info("engine.stopped", node=settings.node.name)


def _moved(server: str) -> None:
    log.warning("database.moved", to=server)


async def _look(db: Database, metrics: Metrics, away: list[str]) -> None:
    """Finds out each second whether the database answers."""

    def ask(tx: Tx) -> None:
        tx.execute("SELECT 1")

    while True:
        try:
            await db.transact(ask)
            away.clear()
        except (Unreachable, CommitUnknown):
            away[:] = ["the database can't be reached"]
        metrics.process.database(up=not away)
        await trio.sleep(LOOK_S)
