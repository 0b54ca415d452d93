"""Several engines on one database: one dies, one sleeps, and no message is lost (R-8.4)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.promises import beside
from tests.promises.beside import Beside
from tests.promises.harness import Trial


@pytest.fixture
def pair(trial: Trial) -> Beside:
    """Two engines and one carrier; leases are short, so that nobody waits for long."""
    return Beside(trial=replace(trial, messages=600, window=5, latency_ms=20), nodes=2, lease_s=1.0)


def test_who_was_killed_is_taken_over(pair: Beside) -> None:
    """R-8.1, R-8.2, R-8.4: nothing lost, one window a bind repeated."""
    verdict = beside.kill(pair)
    assert not verdict.broken, verdict


def test_who_wakes_up_sends_nothing_that_was_taken_over(pair: Beside) -> None:
    """R-8.2, R-8.4: another epoch, new sessions, and it goes on."""
    verdict = beside.freeze(pair)
    assert not verdict.broken, verdict
