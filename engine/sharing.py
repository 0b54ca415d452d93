"""A node's parts of the rates of its carriers, claimed anew each second (R-5.4, R-8.4)."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import trio

from engine import clock
from engine.domain.errors import Unreachable
from engine.lease import NodeLease
from engine.store import sharing
from engine.store.db import CommitUnknown, Database
from engine.store.nodes import Fenced

LOOK_S = 1.0


@dataclass(slots=True)
class Sharing:
    """The task that keeps them."""

    db: Database
    lease: NodeLease
    limited: Callable[[], Mapping[int, str]]
    """The carriers that have a rate, by number."""
    use: Callable[[str, float], None]
    """Told which part of a carrier's rate may be used from now on."""
    _used: dict[int, float] = field(default_factory=dict)
    _epoch: int = 0
    _wake: trio.Event = field(default_factory=trio.Event)

    def look(self) -> None:
        """A bind has come up, or another node has changed its part."""
        self._wake.set()

    async def run(self) -> None:
        """Claims until cancelled."""
        while True:
            self._wake = trio.Event()
            with contextlib.suppress(Unreachable, CommitUnknown, Fenced):  # `keep_lease` says so
                await self._claim()
            with trio.move_on_after(LOOK_S):
                await self._wake.wait()

    async def _claim(self) -> None:
        names = self.limited()
        lease = self.lease
        if self._epoch != lease.epoch or not lease.holds(clock.boottime()):
            # Others may have taken what was ours.
            for carrier_id in self._used:
                self._apply(names, carrier_id, 0.0)
            self._epoch = lease.epoch
        self._used = {carrier_id: self._used.get(carrier_id, 0.0) for carrier_id in names}
        lower = bool(names)
        while lower:
            claimed = await self.db.transact(
                sharing.claim, lease.node_id, lease.epoch, dict(self._used)
            )
            for carrier_id, part in claimed.parts.items():
                self._apply(names, carrier_id, part)
            lower = claimed.lower

    def _apply(self, names: Mapping[int, str], carrier_id: int, part: float) -> None:
        if self._used[carrier_id] != part:
            self._used[carrier_id] = part
            if carrier_id in names:
                self.use(names[carrier_id], part)
