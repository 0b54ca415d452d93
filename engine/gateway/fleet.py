"""The binds that the configuration asks for, each a task that can be ended alone.

A reload touches what has changed and nothing else: a carrier whose connection changed is bound anew
(what is on the wire is awaited first), one of which only the rates changed keeps its sessions. What
a carrier has taught us about its pace stays whatever happens to its binds.
"""

import contextlib
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import trio

from config.settings import Carrier
from engine.domain.errors import Refused
from engine.domain.pace import Bucket, Pace
from engine.gateway import binds
from engine.gateway.binds import Bind
from engine.gateway.gateway import Gateway
from engine.gateway.plans import Plan
from engine.metrics import Metrics
from smpp.session import SessionClosed

# So long the answers that are out are awaited before a session is ended all the same.
LANDING_S = 8.0


@dataclass(slots=True)
class _Kept:
    """A bind's task."""

    bind: Bind
    scope: trio.CancelScope
    ended: trio.Event


@dataclass(slots=True, eq=False)
class Fleet:
    """All binds of a node."""

    gateway: Gateway
    metrics: Metrics
    chance: random.Random
    _paces: dict[str, Pace] = field(default_factory=dict)
    _kept: dict[str, list[_Kept]] = field(default_factory=dict)
    _carriers: dict[str, Carrier] = field(default_factory=dict)
    _number: int = 0
    _nursery: trio.Nursery | None = None

    async def run(
        self,
        plans: Iterable[Plan],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Keeps the binds of these carriers until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            for plan in plans:
                self._begin(plan)
            task_status.started()
            await trio.sleep_forever()

    async def change(self, plans: Sequence[Plan]) -> list[str]:
        """Has the binds that `plans` ask for; answers the carriers that were touched."""
        wanted = {plan.name: plan for plan in plans}
        touched: list[str] = []
        async with trio.open_nursery() as nursery:
            for name, carrier in list(self._carriers.items()):
                plan = wanted.get(name)
                if plan is None or plan.carrier.without_rates != carrier.without_rates:
                    touched.append(name)
                    why = "is no longer configured" if plan is None else "has changed"
                    nursery.start_soon(self._end, name, f"its carrier {why}")
                else:
                    if plan.carrier != carrier:
                        touched.append(name)
                    self._adjust(plan)
        for name, plan in wanted.items():
            if name not in self._carriers:
                touched += [] if name in touched else [name]
                self._begin(plan)
        return sorted(touched)

    async def rebind(self, name: str) -> str:
        """Unbinds from a carrier and binds again at once; answers what was done."""
        if name not in self._kept:
            raise Refused(f"carrier {name} is not configured here")
        ours = self._kept[name]  # a reload may have other binds by the time that these have landed
        async with trio.open_nursery() as nursery:
            for kept in ours:
                nursery.start_soon(self._land, kept.bind)
        for kept in ours:
            kept.bind.again.set()
        what = "1 bind" if len(ours) == 1 else f"{len(ours)} binds"
        return f"{what} of {name} bound anew"

    def share(self, name: str, part: float) -> None:
        """Sends to a carrier with a part of its rate, from now on."""
        if (pace := self._paces.get(name)) is not None:
            pace.share(part, trio.current_time())
            self.gateway.look()

    async def unbind(self) -> None:
        """Unbinds from all carriers for good, without waiting for answers."""
        async with trio.open_nursery() as nursery:
            for bind in self.gateway.binds.values():
                bind.leaving = "the engine stops"
                if bind.session is not None:
                    nursery.start_soon(_unbind, bind)

    def _begin(self, plan: Plan) -> None:
        assert self._nursery is not None
        now, carrier = trio.current_time(), plan.carrier
        pace = self._paces.get(plan.name)
        if pace is None:
            pace = self._paces[plan.name] = Pace(carrier.rate, now)
            pace.share(0.0, now)  # until other nodes have made room (engine.sharing)
        pace.configure(carrier.rate, now)
        self._carriers[plan.name] = carrier
        modes = [kind.mode for kind in carrier.binds for _ in range(kind.count)]
        for place, mode in enumerate(modes, 1):
            self._number += 1
            bind = Bind(
                number=self._number,
                name=f"{plan.name}-{place}",
                plan=plan,
                mode=mode,
                pace=pace,
                bucket=Bucket(carrier.bind_rate, now),
            )
            kept = _Kept(bind, trio.CancelScope(), trio.Event())
            self._kept.setdefault(plan.name, []).append(kept)
            self.gateway.add(bind)
            self._nursery.start_soon(self._keep, kept)

    async def _keep(self, kept: _Kept) -> None:
        try:
            with kept.scope:
                await binds.keep(kept.bind, self.gateway, self.metrics, self.chance)
        finally:
            self.gateway.remove(kept.bind)
            kept.ended.set()

    def _adjust(self, plan: Plan) -> None:
        """What needs no new session."""
        now = trio.current_time()
        self._carriers[plan.name] = plan.carrier
        self._paces[plan.name].configure(plan.carrier.rate, now)
        for kept in self._kept[plan.name]:
            kept.bind.plan = plan
            kept.bind.bucket.set_rate(plan.carrier.bind_rate, now)

    async def _end(self, name: str, reason: str) -> None:
        """Ends a carrier's binds, when their answers have come."""
        async with trio.open_nursery() as nursery:
            for kept in self._kept[name]:
                kept.bind.leaving = reason
                nursery.start_soon(self._land, kept.bind)
        for kept in self._kept.pop(name):
            kept.scope.cancel()
            await kept.ended.wait()
        del self._carriers[name]

    async def _land(self, bind: Bind) -> None:
        """Launches nothing more over a bind, waits for what is on the wire, and unbinds."""
        bind.retiring = True
        with trio.move_on_after(LANDING_S):
            await self.gateway.settled(bind)
        await _unbind(bind)


async def _unbind(bind: Bind) -> None:
    if bind.session is not None:
        with contextlib.suppress(SessionClosed):
            await bind.session.unbind()
