"""The queue as a whole, against a model: many campaigns, hours, pauses, dead routes (R-3.4)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from engine.domain.campaign import (
    ENDED,
    LEGAL,
    SOON,
    CampaignFacts,
    CampaignState,
    Hold,
    Holding,
    next_turn,
)

S = CampaignState
START = datetime(2026, 12, 1, 8, tzinfo=UTC)
MOST = 50


@dataclass(slots=True)
class Model:
    """A campaign as the world has it: what is left of it, and what is in its way."""

    facts: CampaignFacts
    opens_at: datetime | None = None
    """Outside its hours until then."""
    route_down: bool = False
    retries_at: datetime | None = None
    """All that is left was refused, and is tried again then."""

    def hold(self, now: datetime) -> Hold | None:
        if self.opens_at is not None and self.opens_at > now:
            return Hold(by=Holding.HOURS, until=self.opens_at)
        if not self.facts.begun or not self.facts.unlaunched:
            return None
        if self.route_down:
            return Hold(by=Holding.ROUTE)
        if self.retries_at is not None and self.retries_at > now:
            return Hold(by=Holding.RETRY, until=self.retries_at)
        return None

    def could_go(self, now: datetime) -> bool:
        hold = self.hold(now)
        return hold is None or (hold.until is not None and hold.until <= now + SOON)


class Queue(RuleBasedStateMachine):
    """Things happen to campaigns; after each the queue takes its steps until it is at rest."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.all: dict[int, Model] = {}
        self.launched: list[int] = []

    @initialize(minutes=st.lists(st.integers(-5, 30), min_size=5, max_size=MOST))
    def plan(self, minutes: list[int]) -> None:
        for number, minute in enumerate(minutes, 1):
            self.all[number] = Model(
                CampaignFacts(
                    id=number,
                    state=S.SCHEDULED,
                    scheduled_at=START + timedelta(minutes=minute),
                    created_at=START - timedelta(days=1) + timedelta(seconds=number),
                    unlaunched=0,
                    in_flight=0,
                )
            )
        self.steps()

    def pick(self, n: int, *states: CampaignState) -> Model | None:
        some = [one for one in self.all.values() if not states or one.facts.state in states]
        return some[n % len(some)] if some else None

    # ---- what happens

    @rule(seconds=st.sampled_from([1, 9, 11, 60, 600]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self.steps()

    @rule(n=st.integers(1, 4))
    def a_turn_launches(self, n: int) -> None:
        """What may: the running one, and what is to be tried again of those that are finishing."""
        for one in self.all.values():
            facts = one.facts
            may = one.hold(self.now) is None and facts.unlaunched
            if may and facts.state in (S.RUNNING, S.FINISHING):
                assert facts.state is S.RUNNING or one.retries_at is not None
                n = min(n, facts.unlaunched)
                one.facts = replace(
                    facts, unlaunched=facts.unlaunched - n, in_flight=facts.in_flight + n
                )
        self.steps()

    @rule(which=st.integers(0, MOST), n=st.integers(1, 3))
    def answers_come(self, which: int, n: int) -> None:
        if one := self.pick(which):
            one.facts = replace(one.facts, in_flight=max(one.facts.in_flight - n, 0))
        self.steps()

    @rule(which=st.integers(0, MOST), seconds=st.sampled_from([5, 60]))
    def some_are_refused(self, which: int, seconds: int) -> None:
        one = self.pick(which, S.RUNNING, S.FINISHING)
        if one and one.facts.in_flight and not one.facts.unlaunched:
            one.facts = replace(one.facts, unlaunched=1, in_flight=one.facts.in_flight - 1)
            one.retries_at = self.now + timedelta(seconds=seconds)
        self.steps()

    @rule(which=st.integers(0, MOST), minutes=st.integers(1, 10))
    def hours_close(self, which: int, minutes: int) -> None:
        if one := self.pick(which):
            one.opens_at = self.now + timedelta(minutes=minutes)
        self.steps()

    @rule(which=st.integers(0, MOST))
    def a_route_falls_or_comes_back(self, which: int) -> None:
        if one := self.pick(which):
            one.route_down = not one.route_down
        self.steps()

    @rule(which=st.integers(0, MOST))
    def somebody_pauses(self, which: int) -> None:
        if one := self.pick(which, S.RUNNING, S.WAITING):
            ran = one.facts.state is S.RUNNING
            one.facts = replace(
                one.facts,
                state=S.PAUSED,
                yielded_at=self.now if ran else one.facts.yielded_at,
            )
        self.steps()

    @rule(which=st.integers(0, MOST))
    def somebody_resumes(self, which: int) -> None:
        if one := self.pick(which, S.PAUSED):
            one.facts = replace(one.facts, state=S.WAITING)
        self.steps()

    @rule(which=st.integers(0, MOST))
    def somebody_stops(self, which: int) -> None:
        if one := self.pick(which, S.RUNNING, S.WAITING, S.PAUSED, S.FINISHING):
            one.facts = replace(one.facts, state=S.STOPPED)
        self.steps()

    @rule(which=st.integers(0, MOST), minutes=st.integers(1, 20))
    def a_limit_is_set(self, which: int, minutes: int) -> None:
        one = self.pick(which, S.SCHEDULED, S.WAITING)
        if one:
            at = max(self.now, one.facts.scheduled_at) + timedelta(minutes=minutes)
            one.facts = replace(one.facts, not_after=at)
        self.steps()

    # ---- the queue

    def steps(self) -> None:
        for _ in range(2 * len(self.all) + 2):
            facts = [replace(one.facts, hold=one.hold(self.now)) for one in self.all.values()]
            taken = next_turn(facts, self.now)
            if not taken:
                return
            assert len({step.campaign_id for step in taken}) == len(taken)
            before = {one.id: one for one in facts}
            for step in taken:
                self.carry_out(before[step.campaign_id], step.to_state, facts, yields=step.yields)
        raise AssertionError("the queue does not come to rest")

    def carry_out(
        self, was: CampaignFacts, state: CampaignState, all_: list[CampaignFacts], *, yields: bool
    ) -> None:
        assert state in LEGAL[was.state], (was, state)
        one = self.all[was.id]
        if state is S.RUNNING:
            self.in_order(was, all_)
            if not was.begun:
                one.facts = replace(one.facts, unlaunched=5)
        one.facts = replace(
            one.facts,
            state=state,
            begun=was.begun or state is S.RUNNING,
            yielded_at=None if state is S.RUNNING else self.now if yields else was.yielded_at,
        )

    def in_order(self, taken: CampaignFacts, all_: list[CampaignFacts]) -> None:
        """Nobody who could send was passed over: first who yielded, then by time and creation."""

        def place(one: CampaignFacts) -> tuple[object, ...]:
            return (
                one.yielded_at is None,
                one.yielded_at or one.scheduled_at,
                one.scheduled_at,
                one.id,
            )

        for other in all_:
            waits = other.state in (S.SCHEDULED, S.WAITING) and other.scheduled_at <= self.now
            late = other.not_after is not None and other.not_after <= self.now
            done = other.begun and not other.unlaunched + other.in_flight
            if waits and not late and not done and self.all[other.id].could_go(self.now):
                assert place(taken) <= place(other), (taken, other)

    # ---- what is true at all times

    @invariant()
    def one_at_most_is_running(self) -> None:
        assert sum(one.facts.state is S.RUNNING for one in self.all.values()) <= 1

    @invariant()
    def the_turn_never_lies_idle(self) -> None:
        if any(one.facts.state is S.RUNNING for one in self.all.values()):
            return
        idle = [
            one.facts
            for one in self.all.values()
            if one.facts.state in (S.SCHEDULED, S.WAITING)
            and one.facts.scheduled_at <= self.now
            and one.could_go(self.now)
        ]
        assert not idle

    @invariant()
    def who_runs_could_launch(self) -> None:
        for one in self.all.values():
            if one.facts.state is S.RUNNING:
                assert one.could_go(self.now)
                assert one.facts.unlaunched

    @invariant()
    def nothing_outlives_its_limit(self) -> None:
        for one in self.all.values():
            late = one.facts.not_after is not None and one.facts.not_after <= self.now
            if late and one.facts.state not in ENDED:
                assert one.facts.begun
                assert not one.facts.unlaunched

    def teardown(self) -> None:
        """None waits for ever: once nothing is in anyone's way, all of them end."""
        for one in self.all.values():
            one.route_down, one.opens_at, one.retries_at = False, None, None
            if one.facts.state is S.PAUSED:
                one.facts = replace(one.facts, state=S.WAITING)
        self.now += timedelta(hours=1)
        for _ in range(4 * len(self.all) + 4):
            self.steps()
            for one in self.all.values():
                if one.facts.state in (S.RUNNING, S.FINISHING):
                    one.facts = replace(one.facts, unlaunched=0, in_flight=0)
        self.steps()
        assert all(one.facts.state in ENDED for one in self.all.values())


TestQueue = Queue.TestCase
TestQueue.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
