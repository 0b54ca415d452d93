"""The queue: starts campaigns, feeds the turns, ends what is done.

A step is one transaction for one application: hold its queue, decide by `domain.campaign.next_turn`,
carry that out, make the next members message rows. Whoever needs a step wakes the loop; twice a
second it looks by itself, since times come without a word.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import trio

from engine import clock, log
from engine.domain.campaign import CampaignState, Holding, next_turn
from engine.domain.errors import Unreachable
from engine.metrics import Metrics
from engine.store import clearing, depths, dispatching, hours, moment, queue
from engine.store.db import CommitUnknown, Database, Tx
from engine.store.queue import Routes

LOOK_S = 0.5
COMPACT_S = 5.0


# What would be put aside again at once.
_SHUT = (Holding.HOURS, Holding.QUOTA)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a step did."""

    moved: tuple[tuple[int, CampaignState, str], ...]
    fed: int
    hungry: bool


def step(tx: Tx, application_id: int, now: datetime, routes: Routes | None = None) -> Step | None:
    """One application's step; None while another node takes one.

    `routes` says which routes are open with which carriers; None: all are.
    """
    if not dispatching.hold(tx, application_id):
        return None
    window = hours.in_force(tx, application_id)
    hours.tell_campaigns(tx, application_id, hours.open_until(window, now))
    facts = queue.facts(tx, application_id, now, window, routes)
    states = {one.id: one.state for one in facts}
    held_up = {one.id for one in facts if one.hold is not None and one.hold.by in _SHUT}
    moved: list[tuple[int, CampaignState, str]] = []
    for one in next_turn(facts, now):
        expected = states[one.campaign_id]
        if dispatching.enter(tx, one.campaign_id, one.to_state, [expected], now, yields=one.yields):
            states[one.campaign_id] = one.to_state
            moved.append((one.campaign_id, one.to_state, one.reason))
    fed, hungry = 0, False
    for campaign_id, state in states.items():
        if state in (CampaignState.RUNNING, CampaignState.FINISHING) and campaign_id not in held_up:
            back = dispatching.bring_back(tx, campaign_id, now)
            fed, hungry = fed + back, hungry or back == dispatching.CHUNK
        if state is CampaignState.RUNNING:
            waiting = dispatching.waiting_in_feed(tx, campaign_id)
            if waiting < dispatching.AHEAD:
                made = dispatching.feed_chunk(tx, campaign_id, now)
                hungry |= made == dispatching.CHUNK and waiting + made < dispatching.AHEAD
                fed += made
    for campaign_id, became in clearing.to_clear(tx, application_id):
        hungry |= clearing.clear_chunk(tx, campaign_id, became, now)
    return Step(moved=tuple(moved), fed=fed, hungry=hungry)


@dataclass(slots=True)
class Dispatch:
    """The loop of steps over all applications."""

    db: Database
    metrics: Metrics
    fed: Callable[[], None]
    """Called when there is something new to launch."""
    routes: Routes | None = None
    """Which routes are open with which carriers."""
    _wake: trio.Event = field(default_factory=trio.Event)

    def look(self) -> None:
        """Somebody changed something in a queue."""
        self.fed()
        self._wake.set()

    async def run(self) -> None:
        """Steps until cancelled."""
        compacted = trio.current_time()
        while True:
            hungry = False
            try:
                for application_id, name in await self.db.transact(
                    lambda tx: dispatching.applications(tx, moment.now(tx))
                ):
                    hungry |= await self._step(application_id, name)
                if trio.current_time() - compacted > COMPACT_S:
                    compacted = trio.current_time()
                    await self.db.transact(dispatching.compact_tally)
                    waiting = await self.db.transact(depths.depths, clock.utc_now())
                    self.metrics.traffic.queue(waiting, trio.current_time())
                self.metrics.process.database(up=True)
            except (Unreachable, CommitUnknown):
                # The gateway says so in the log; a step that may have committed is repeatable.
                self.metrics.process.database(up=False)
            if not hungry:
                with trio.move_on_after(LOOK_S):
                    await self._wake.wait()
                self._wake = trio.Event()

    async def _step(self, application_id: int, name: str) -> bool:
        done = await self.db.transact(
            lambda tx: step(tx, application_id, moment.now(tx), self.routes)
        )
        if done is None:
            return False
        for campaign_id, state, reason in done.moved:
            log.info(
                "campaign.moved",
                application=name,
                campaign=campaign_id,
                state=str(state),
                reason=reason,
            )
        if done.fed:
            self.fed()
        return done.hungry
