"""When an endpoint is left alone, and how it is tried again (R-7.4)."""

from __future__ import annotations

import random

from engine.domain.breaker import FAILURES, Breaker
from engine.domain.retry import Gaps

MOST = 50


def opened(at: float = 0.0) -> Breaker:
    breaker = Breaker(Gaps(first_s=1, most_s=8, for_s=1))
    assert [breaker.failed(at, 0.0) for _ in range(FAILURES)] == [False] * (FAILURES - 1) + [True]
    return breaker


def test_failures_in_a_row_open_it_and_a_probe_closes_it() -> None:
    breaker = opened()
    assert breaker.allowed(MOST, 0.5) == 0
    assert breaker.allowed(MOST, 1.0) == 1
    assert breaker.good()
    assert breaker.allowed(MOST, 1.0) == MOST
    assert not breaker.good()


def test_pauses_double_up_to_the_most() -> None:
    breaker, now = opened(), 0.0
    pauses = []
    for _ in range(6):
        pauses.append(breaker.until - now)
        now = breaker.until
        assert not breaker.failed(now, 0.0)  # said once
    assert pauses == [1, 2, 4, 8, 8, 8]


def test_what_was_under_way_when_it_was_opened_counts_no_more() -> None:
    breaker = opened()
    for _ in range(40):
        breaker.failed(0.1, 0.0)
    assert breaker.until == 1.0


def test_a_good_answer_starts_the_count_anew() -> None:
    breaker = Breaker()
    for _ in range(20):
        for _ in range(FAILURES - 1):
            assert not breaker.failed(0.0, 0.0)
        breaker.good()
    assert breaker.allowed(MOST, 0.0) == MOST


def test_an_endpoint_that_says_when_is_left_alone_until_then() -> None:
    """R-7.4: Retry-After; it is tried with one event then."""
    breaker = Breaker()
    assert breaker.failed(0.0, 0.0, retry_after_s=120)
    assert breaker.allowed(MOST, 119) == 0
    assert breaker.allowed(MOST, 120) == 1
    assert not breaker.failed(60.0, 0.0, retry_after_s=10)
    assert breaker.until == 120


def test_without_a_token_it_opens_at_once() -> None:
    breaker = Breaker()
    assert breaker.failed(0.0, 0.0, at_once=True)
    assert breaker.allowed(MOST, 0.0) == 0


def test_one_in_five_at_random_does_not_open_it() -> None:
    """What an endpoint may do that is merely bad: 100,000 answers."""
    chance, breaker = random.Random(7), Breaker()
    for _ in range(100_000):
        if chance.random() < 0.2:
            assert not breaker.failed(0.0, 0.0)
        else:
            breaker.good()
