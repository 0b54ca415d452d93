"""A verdict finds what is wrong: else no trial could fail."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.promises.harness import Trial, Verdict, judge, moments
from tests.rig import Arrival

START = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
TRIAL = Trial(messages=3, times=2)

GOOD = {"state": "completed", "recipients": 3, "counts": {"delivered": 3, "failed": 0}}


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def took(*arrivals: tuple[float, str]) -> list[Arrival]:
    """When the SMSC took a message to whom."""
    return [Arrival(at(s), who, 1, f"{who}-{n}") for n, (s, who) in enumerate(arrivals)]


ONCE = took((1, "a"), (2, "b"), (3, "c"))


def verdict(arrivals: list[Arrival], report: Any = GOOD, allowed: int = 1) -> Verdict:
    return judge(
        scenario="a fault at 1.5 and one at 2.5",
        trial=TRIAL,
        arrivals=arrivals,
        report=report,
        at=[at(1.5), at(2.5)],
        allowed=allowed,
        took_s=1.0,
    )


def test_all_well() -> None:
    assert verdict(ONCE).broken == []


@pytest.mark.parametrize(
    ("arrivals", "report", "words"),
    [
        (ONCE[:2], GOOD, "1 messages never arrived as a whole"),
        (took((1, "a"), (2, "b"), (3, "c"), (4, "d")), GOOD, "4 numbers were written to"),
        (ONCE, {**GOOD, "counts": {"delivered": 2}}, "the report does not balance: 2 messages"),
        (ONCE, {**GOOD, "recipients": 4}, "4 recipients, 3 members"),
        (
            ONCE,
            {**GOOD, "counts": {"delivered": 2, "failed": 1}},
            "2 are reported delivered, 3 were",
        ),
        (ONCE, {**GOOD, "state": "finishing"}, "the campaign is finishing"),
    ],
)
def test_what_is_wrong_is_said(arrivals: list[Arrival], report: Any, words: str) -> None:
    assert words in " ".join(verdict(arrivals, report).broken)


def test_a_repeat_is_laid_to_the_fault_after_its_first_arrival() -> None:
    """So many are allowed by each, however the others fared (R-8.2)."""
    spread = took((1, "a"), (2, "b"), (2.1, "a"), (3, "b"), (4, "c"))
    assert (verdict(spread).repeats, verdict(spread).worst, verdict(spread).broken) == (2, 1, [])
    together = took((1, "a"), (1.2, "b"), (2, "a"), (2.1, "b"), (3, "c"))
    assert verdict(together).worst == 2
    assert verdict(together).broken == ["2 repeats, 2 of them after one fault"]
    assert verdict(together, allowed=2).broken == []


def test_a_seed_repeats_its_moments() -> None:
    """Each in a part of its own, so that a fault has time to show what it did."""
    trial = Trial(messages=20_000, times=10)
    chosen = moments(trial, random.Random(5))
    assert chosen == moments(trial, random.Random(5)) != moments(trial, random.Random(6))
    assert chosen == sorted(chosen)
    assert [(moment - 1000) // 1680 for moment in chosen] == list(range(10))
