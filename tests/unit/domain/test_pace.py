"""A carrier's pace: as configured, lower where it says so, and back by itself (R-5.4)."""

import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain import pace
from engine.domain.pace import NO_LIMIT, Bucket, Pace

# ---- a plain limit ----------------------------------------------------------------------------

rates = st.one_of(st.floats(0.1, 10_000), st.sampled_from([0.1, 1.0, 3.0, 500.0]))


@given(rates, st.lists(st.floats(0.0, 5.0), min_size=1, max_size=60))
def test_never_more_than_the_rate_however_it_is_asked(rate: float, waits: list[float]) -> None:
    """R-5.4: 0.1/s to unlimited. What wasn't sent can be made up for by a tenth of a second's."""
    bucket, now, sent = Bucket(rate, 0.0), 0.0, 0
    for wait in waits:
        now += wait
        n = bucket.allow(now)
        assert n >= 0
        bucket.sent(n)
        sent += n
        assert sent <= rate * now + max(1.0, rate * pace.BURST_S) + 1e-3


@given(rates)
def test_who_waits_as_he_is_told_gets_the_whole_rate(rate: float) -> None:
    bucket, now, sent = Bucket(rate, 0.0), 0.0, 0
    for _ in range(300):
        now = bucket.next_at(now)
        n = bucket.allow(now)
        assert n >= 1, "it was time"
        bucket.sent(n)
        sent += n
    assert sent >= rate * now


def test_no_limit_divides_by_nothing() -> None:
    bucket = Bucket(0.0, 5.0)
    bucket.sent(10**6)
    assert (bucket.allow(5.0), bucket.next_at(5.0)) == (NO_LIMIT, 5.0)


def test_segments_that_go_together_are_made_up_for() -> None:
    """All segments of a message go over one bind: three at 0.1/s, and then nothing for 30 s."""
    bucket = Bucket(0.1, 0.0)
    bucket.sent(3)
    assert bucket.allow(29.0) == 0
    assert bucket.next_at(29.0) == pytest.approx(30.0)
    assert bucket.allow(30.0) == 1


def test_what_did_not_go_out_after_all_may_go_again() -> None:
    bucket = Bucket(10.0, 0.0)
    bucket.sent(1)
    assert bucket.allow(0.0) == 0
    bucket.sent(-1)
    assert bucket.allow(0.0) == 1


# ---- a carrier that has a limit of its own ----------------------------------------------------

Limit = Callable[[float], bool]
"""Whether an SMSC takes one more PDU at this time."""


def bucket_limit(rate: float, burst: float) -> Limit:
    state = [burst, 0.0]

    def take(now: float) -> bool:
        state[0] = min(burst, state[0] + (now - state[1]) * rate)
        state[1] = now
        if state[0] < 1:
            return False
        state[0] -= 1
        return True

    return take


def second_limit(rate: int) -> Limit:
    """So many in each second of the clock."""
    state = [-1, 0]

    def take(now: float) -> bool:
        if int(now) != state[0]:
            state[:] = [int(now), 0]
        state[1] += 1
        return state[1] <= rate

    return take


def sliding_limit(rate: int) -> Limit:
    """So many in any second."""
    taken: deque[float] = deque()

    def take(now: float) -> bool:
        while taken and taken[0] <= now - 1:
            taken.popleft()
        if len(taken) >= rate:
            return False
        taken.append(now)
        return True

    return take


@dataclass
class Simulation:
    """An engine that takes a turn every 2 to 7 ms, one window, and an SMSC `latency_s` away."""

    limit: Limit
    rate: float = 0.0
    window: int = 100
    latency_s: float = 0.02
    demand: float = math.inf
    accepted: list[int] = field(default_factory=list)
    throttled: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.now = self.waiting = 0.0
        self.pace = Pace(self.rate, 0.0)
        self.flight: deque[tuple[float, bool]] = deque()
        self.chance = random.Random(7)

    def run(self, until: float) -> None:
        while self.now < until:
            while len(self.accepted) <= self.now:
                self.accepted.append(0)
                self.throttled.append(0)
            good = bad = 0
            while self.flight and self.flight[0][0] <= self.now:
                taken = self.flight.popleft()[1]
                good, bad = good + taken, bad + (not taken)
            if good:
                self.pace.accepted(good, self.now)
            if bad:
                self.pace.throttled(bad, self.now)
            self.accepted[-1] += good
            self.throttled[-1] += bad
            room = min(self.window - len(self.flight), int(min(self.waiting, NO_LIMIT)))
            n = min(self.pace.allow(self.now), room)
            if n > 0:
                self.pace.sent(n, self.now)
                self.waiting -= n
                at = self.now + self.latency_s
                self.flight.extend([(at, self.limit(self.now)) for _ in range(n)])
            wait = 0.002 + self.chance.random() * 0.005
            self.now += wait
            self.waiting += self.demand * wait


@pytest.mark.parametrize("window", [50, 1000])
@pytest.mark.parametrize(
    "limit",
    [
        lambda: bucket_limit(500, 500),
        lambda: bucket_limit(500, 25),
        lambda: second_limit(500),
        lambda: sliding_limit(500),
    ],
    ids=["bucket of a second", "bucket of 25", "clock seconds", "any second"],
)
def test_a_limit_that_nobody_configured_is_held(limit: Callable[[], Limit], window: int) -> None:
    """R-5.4: within 20 s, 480 to 500 a second with less than 1 % throttled, for a minute."""
    simulation = Simulation(limit(), window=window)
    simulation.run(80.0)
    accepted = sum(simulation.accepted[20:80]) / 60
    throttled = sum(simulation.throttled[20:80]) / 60
    assert 480 <= accepted <= 500.5
    assert throttled < 0.01 * accepted


def test_a_limit_below_the_configured_rate_is_held_too() -> None:
    simulation = Simulation(bucket_limit(500, 500), rate=520.0)
    simulation.run(80.0)
    assert 480 <= sum(simulation.accepted[20:80]) / 60 <= 500.5
    assert sum(simulation.throttled) < 0.01 * sum(simulation.accepted)


@pytest.mark.parametrize(("rate", "window"), [(2.0, 10), (30.0, 10), (5000.0, 1000)])
def test_small_and_large_accounts(rate: float, window: int) -> None:
    simulation = Simulation(bucket_limit(rate, rate), window=window)
    simulation.run(80.0)
    assert sum(simulation.accepted[20:80]) / 60 == pytest.approx(rate, rel=0.05)
    assert sum(simulation.throttled[20:80]) < 0.03 * sum(simulation.accepted[20:80])


def test_an_answer_that_takes_two_seconds_is_no_reason_to_flood() -> None:
    simulation = Simulation(bucket_limit(200, 200), window=1000, latency_s=2.0)
    simulation.run(80.0)
    assert 180 <= sum(simulation.accepted[20:80]) / 60 <= 201
    assert sum(simulation.throttled[20:80]) < 0.02 * sum(simulation.accepted[20:80])


def test_a_limit_that_has_gone_is_forgotten() -> None:
    """It climbs back by itself: a carrier's bad hour doesn't cost a day."""
    limits: list[Limit] = [bucket_limit(20, 20)]
    simulation = Simulation(lambda now: limits[0](now))
    simulation.run(30.0)
    assert simulation.pace.rate(30.0) == pytest.approx(20, rel=0.1)
    limits[0] = lambda now: True
    simulation.run(300.0)
    assert simulation.accepted[299] > 1000


def test_a_refusal_among_little_traffic_does_not_slow_a_campaign_for_long() -> None:
    limits: list[Limit] = [lambda now: not 10 < now < 10.5]
    simulation = Simulation(lambda now: limits[0](now), demand=3.0)
    simulation.run(60.0)
    simulation.demand = math.inf
    simulation.run(260.0)
    assert simulation.accepted[259] > 1000


# ---- step by step -----------------------------------------------------------------------------


def limited(accepted: int = 500, throttled: int = 5) -> Pace:
    """A pace without configured limit that was let `accepted` a second, at 10 s."""
    one = Pace(0.0, 0.0)
    for tenth in range(100):
        one.sent(accepted // 10, tenth / 10)
        one.accepted(accepted // 10, tenth / 10)
    one.throttled(throttled, 9.95)
    return one


def test_it_falls_to_what_was_accepted_and_grows_below_what_was_refused() -> None:
    """Rate = accepted in the last second, then 1 % every 10 s up to 98 % of the rate refused."""
    one = limited(accepted=500, throttled=300)
    assert one.rate(10.0) == pytest.approx(500, rel=0.01)
    assert one.rate(19.9) == one.rate(10.0)
    refused = 800 * 0.98
    for step in range(1, 6):
        expected = min(500 + step * refused * 0.01, refused)
        assert one.rate(9.96 + step * 10) == pytest.approx(expected, rel=0.01)


def test_once_a_minute_it_tries_a_little_more_for_a_second() -> None:
    """And stays there where that goes well; falls back where it is refused."""
    one = limited(accepted=500, throttled=5)
    held = one.rate(10.0)
    assert held == pytest.approx(505 * 0.98, rel=0.01)
    assert one.rate(69.0) == held
    assert one.rate(70.0) == pytest.approx(held * 1.02)
    one.accepted(506, 70.5)
    assert one.rate(71.1) == pytest.approx(held * 1.02)
    assert one.rate(81.5) == pytest.approx(held * 1.02 * 1.04)
    one.accepted(260, 81.8)
    one.throttled(5, 82.0)
    assert one.rate(82.0) <= held * 1.02 * 1.04 * 0.98
    assert one.rate(141.0) <= held * 1.02 * 1.04 * 0.98


def test_a_try_that_nothing_went_out_in_proves_nothing() -> None:
    one = limited()
    held = one.rate(10.0)
    assert one.rate(70.0) > held
    assert one.rate(71.1) == held


def test_with_nothing_accepted_it_pauses_longer_and_longer() -> None:
    """1 s doubling to 30 s, then one PDU at a time; the first that is accepted ends it."""
    one, now, pauses = Pace(0.0, 0.0), 100.0, []
    one.sent(10, now)
    for _ in range(8):
        one.throttled(5, now)
        one.throttled(5, now)  # of the same flight
        until = one.next_at(now)
        assert one.allow(until - 0.01) == 0
        assert one.allow(until) == 1
        pauses.append(until - now)
        one.sent(1, until)
        assert one.allow(until) == 0, "one, until it is answered"
        now = one.next_at(until)
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]
    one.accepted(1, now)
    assert one.allow(now) == NO_LIMIT
    assert one.next_at(now) == now


def test_full_queues_halve_the_rate_above_one_in_twenty() -> None:
    few, many = Pace(100.0, 0.0), Pace(100.0, 0.0)
    for one, full in ((few, 5), (many, 6)):
        one.accepted(100 - full, 1.0)
        one.queue_full(full, 1.0)
    assert (few.rate(1.0), many.rate(1.0)) == (100.0, 50.0)
    many.queue_full(6, 1.5)
    assert many.rate(2.0) == 50.0, "once for what was under way together"
    assert many.rate(11.1) == pytest.approx(51.0)
    assert many.rate(1.1 + 10 * 60) == 100.0


def test_a_few_answers_say_nothing_of_a_queue() -> None:
    one = Pace(100.0, 0.0)
    one.accepted(1, 1.0)
    one.queue_full(2, 1.0)
    assert one.rate(1.0) == 100.0


@pytest.mark.parametrize(
    ("state", "rate", "pause_s"),
    [(0, 100, 0), (79, 100, 0), (89, 100, 0), (99, 80, 0), (100, 50, 1)],
)
def test_congestion(state: int, rate: float, pause_s: float) -> None:
    """R-5.4: 80–89 hold, 90–99 × 0.8, 100 halve and pause for a second."""
    one = Pace(100.0, 0.0)
    one.allow(5.0)
    one.congestion(state, 5.0)
    one.congestion(state, 5.1)  # each response has it
    assert one.rate(5.2) == pytest.approx(rate)
    assert one.next_at(5.0) == pytest.approx(5.0 + pause_s, abs=0.02)


def test_while_it_is_congested_the_rate_does_not_grow() -> None:
    one = Pace(100.0, 0.0)
    one.congestion(95, 0.0)
    for second in range(1, 100):
        one.congestion(85, float(second))
    assert one.rate(100.0) == pytest.approx(80.0)
    one.congestion(10, 100.0)
    assert one.rate(121.0) > 80.0


def test_what_was_learned_survives_another_configuration() -> None:
    """And a rebind, since it is the carrier's."""
    one = limited()
    one.configure(100.0, 11.0)
    assert one.rate(11.0) == 100.0
    one.configure(0.0, 12.0)
    assert one.rate(12.0) in (0.0, pytest.approx(495, rel=0.02))


@given(
    st.sampled_from([0.0, 0.1, 5.0, 500.0]),
    st.lists(
        st.tuples(
            st.sampled_from(["accepted", "throttled", "queue_full", "congestion", "sent"]),
            st.integers(0, 120),
            st.floats(0.0, 100.0),
        ),
        max_size=50,
    ),
)
def test_whatever_it_is_told_it_comes_back(rate: float, told: list[tuple[str, int, float]]) -> None:
    """True at all times: never below a tenth a second, never above what is configured."""
    one, now = Pace(rate, 0.0), 0.0
    for name, n, wait in told:
        now += wait
        getattr(one, name)(n, now)
        assert one.allow(now) >= 0
        current = one.rate(now)
        assert (0.1 <= current <= rate) if rate else (current == 0 or current >= 0.1)
        owed = n if name == "sent" else 0
        assert now <= one.next_at(now) < math.inf
        assert one.next_at(now) <= now + 31 + (120 * len(told) + owed) / (current or 1)


def test_a_part_of_the_rate_is_what_other_nodes_leave() -> None:
    """R-5.4: of what is configured and of nothing else; none of it lets nothing out."""
    pace = Pace(100.0, 0.0)
    pace.share(0.25, 0.0)
    assert (pace.rate(0.0), pace.configured) == (25.0, 100.0)
    pace.share(0.0, 0.0)
    assert (pace.allow(10.0), pace.next_at(10.0)) == (0, math.inf)
    pace.share(1.0, 10.0)
    assert pace.rate(10.0) == 100.0
    assert pace.allow(11.0) > 0
    pace.configure(40.0, 11.0)
    pace.share(0.5, 11.0)
    assert pace.rate(11.0) == 20.0
    free = Pace(0.0, 0.0)
    free.share(0.0, 0.0)
    assert (free.allow(0.0), free.next_at(0.0)) == (NO_LIMIT, 0.0)


def test_what_was_learned_stays_where_it_is_lower_than_the_part() -> None:
    """R-5.4: the carrier teaches each node for itself."""
    pace = Pace(1000.0, 0.0)
    pace.accepted(20, 1.0)
    pace.accepted(80, 1.5)
    pace.throttled(100, 2.0)
    learned = pace.rate(2.0)
    assert learned < 500
    pace.share(0.5, 2.0)
    assert pace.rate(2.0) == learned
    pace.share(learned / 4000, 2.0)
    assert pace.rate(2.0) == pytest.approx(learned / 4)
