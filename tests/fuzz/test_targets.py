"""The corpus, and 100,000 inputs that chance makes of it: nothing breaks a promise (R-5.1, R-5.8, R-5.9)."""

from __future__ import annotations

import random

import pytest

from tests.fuzz.mutate import mutated
from tests.fuzz.targets import TARGETS, corpus

INPUTS = {"session": 6_000, "receipts": 50_000, "mo": 44_000}
"""A session is brought to its state for each."""


def test_each_target_has_its_share() -> None:
    assert INPUTS.keys() == TARGETS.keys()
    assert sum(INPUTS.values()) == 100_000


@pytest.mark.parametrize("name", TARGETS)
def test_what_once_was_of_interest_breaks_nothing(name: str) -> None:
    for octets in corpus(name):
        TARGETS[name](octets)


@pytest.mark.parametrize("name", TARGETS)
def test_what_chance_makes_of_it_breaks_nothing(name: str) -> None:
    """The same inputs in each run."""
    target, seeds, chance = TARGETS[name], corpus(name), random.Random(name)
    for _ in range(INPUTS[name]):
        octets = mutated(seeds, chance)
        try:
            target(octets)
        except Exception as error:
            raise AssertionError(f"{name}: {octets.hex()}") from error
