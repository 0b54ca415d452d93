"""The task that tells endpoints: a courier for each that something is due to (R-7.1–7.4).

It looks twice a second what is due to whom, in one query, and starts, wakes and ends couriers. One
that was set anew gets a new courier, once the old one has written its results; one that has had
nothing to do for a while loses its. What becomes of one endpoint is nobody else's trouble.
"""

from __future__ import annotations

import random
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import trio
import trio_asyncio

from config.settings import Callbacks as Settings
from engine import clock, log
from engine.domain.breaker import PAUSES, Breaker
from engine.domain.errors import Unreachable
from engine.domain.retry import Gaps
from engine.metrics import Metrics
from engine.outbox.courier import Courier
from engine.outbox.http import SLOTS, TOTAL_S
from engine.store import callbacks, posting
from engine.store.db import CommitUnknown, Database
from engine.store.posting import Look

LOOK_S: Final = 0.5

COUNT_S: Final = 15.0
"""How often what waits is counted, for the metrics."""

IDLE_S: Final = 60.0
"""After so long with nothing due a courier ends, and its connections with it."""


@dataclass(slots=True)
class Callbacks:
    """The task; `settings` may be others at any time: couriers that begin then go by them."""

    db: Database
    metrics: Metrics
    holder: int
    settings: Settings
    look_s: float = LOOK_S
    pauses: Gaps = PAUSES
    total_s: float = TOTAL_S
    slots: int = SLOTS
    jitter: Callable[[], float] = field(default_factory=lambda: random.Random().random)
    _couriers: dict[int, Courier] = field(default_factory=dict)
    _breakers: dict[int, Breaker] = field(default_factory=dict)
    """They outlive couriers, but not what was set."""
    _held: set[int] = field(default_factory=set)
    """Endpoints whose lease this process may have."""
    _ending: trio.Event = field(default_factory=trio.Event)
    _ended: trio.Event = field(default_factory=trio.Event)

    async def run(self) -> None:
        """Works until `stop`, or cancelled."""
        try:
            async with trio_asyncio.open_loop(), trio.open_nursery() as nursery:
                nursery.start_soon(self._count)
                async with trio.open_nursery() as couriers:
                    await self._look(couriers)
                    for courier in self._couriers.values():
                        courier.retire()
                nursery.cancel_scope.cancel()
        finally:
            # Also when it was cut off: nothing is under way any more. `db.end_by` bounds it.
            with trio.CancelScope(shield=True), suppress(Unreachable, CommitUnknown):
                await self.db.transact(posting.let_go, sorted(self._held), self.holder)
            self._ended.set()

    def stop(self) -> None:
        """Begin no other post."""
        self._ending.set()

    async def wait_stopped(self) -> None:
        """Comes back when the posts that were begun are over, and what came of them is written."""
        await self._ended.wait()

    async def _look(self, nursery: trio.Nursery) -> None:
        while not self._ending.is_set():
            with suppress(Unreachable, CommitUnknown):  # `keep_lease` or `/readyz` says so
                found = await self.db.transact(posting.look, clock.utc_now())
                await self._arrange(nursery, found)
            with trio.move_on_after(self.look_s):
                await self._ending.wait()

    async def _arrange(self, nursery: trio.Nursery, found: list[Look]) -> None:
        now = clock.boottime()
        looks = {one.id: one for one in found}
        for endpoint_id, courier in self._couriers.items():
            look = looks.get(endpoint_id)
            if look is None or look.set_at != courier.endpoint.set_at:
                courier.retire()
                self._breakers.pop(endpoint_id, None)  # who sets an endpoint wants to see it tried
            elif look.due:
                courier.wake()
            elif now - courier.busy_at > IDLE_S:
                courier.retire()
        missing = {one.id for one in found if one.due and one.id not in self._couriers}
        if not missing:
            return
        for endpoint in await self.db.transact(callbacks.endpoints):
            if endpoint.id in missing and endpoint.suspended_at is None:
                breaker = self._breakers.setdefault(endpoint.id, Breaker(self.pauses))
                courier = Courier(
                    db=self.db,
                    metrics=self.metrics,
                    endpoint=endpoint,
                    holder=self.holder,
                    gaps=self._gaps,
                    allow_private=self.settings.allow_private,
                    look_s=self.look_s,
                    breaker=breaker,
                    total_s=self.total_s,
                    slots=self.slots,
                    jitter=self.jitter,
                )
                self._couriers[endpoint.id] = courier
                self._held.add(endpoint.id)
                nursery.start_soon(self._employ, courier)

    async def _employ(self, courier: Courier) -> None:
        """A courier's life, and what it leaves behind."""
        endpoint = courier.endpoint
        try:
            try:
                await courier.run()
            except ssl.SSLError as error:  # older versions let a CA in that is none
                courier.suspended = f"its CA can't be used: {error.reason or error}"
            if courier.suspended is not None:
                await self._suspend(courier, courier.suspended)
        finally:
            del self._couriers[endpoint.id]

    async def _suspend(self, courier: Courier, why: str) -> None:
        """Said and written down, whatever time the database takes."""
        while True:
            try:
                new = await self.db.transact(callbacks.suspend, courier.endpoint, why)
            except (Unreachable, CommitUnknown):
                await trio.sleep(self.look_s)
            else:
                break
        self._breakers.pop(courier.endpoint.id, None)
        if new:
            log.error("endpoint.suspended", endpoint=courier.name, why=why)
            self.metrics.outbox.suspended(courier.name)

    @property
    def _gaps(self) -> Gaps:
        settings = self.settings
        return Gaps(
            first_s=settings.first_gap_s,
            most_s=settings.most_gap_s,
            for_s=settings.give_up_after_days * 86_400,
        )

    async def _count(self) -> None:
        """Tells the metrics what waits, and which endpoints are suspended."""
        while True:
            with suppress(Unreachable, CommitUnknown):
                endpoints = await self.db.transact(callbacks.endpoints)
                depths = await self.db.transact(posting.depths, endpoints)
                now = clock.utc_now()
                self.metrics.outbox.callbacks(
                    {
                        f"{one.endpoint.application}/{one.endpoint.kind}": (
                            one.waiting,
                            (now - one.oldest_at).total_seconds() if one.oldest_at else 0.0,
                            one.endpoint.suspended_at is not None,
                        )
                        for one in depths
                    }
                )
            await trio.sleep(COUNT_S)
