"""What becomes of the engine's process, and of no message (R-8.1, R-8.2)."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest

from tests.promises import harness
from tests.promises.harness import SMALL, Trial
from tests.rig import Rig


def test_a_killed_engine_loses_nothing_and_repeats_at_most_its_window(trial: Trial) -> None:
    """R-8.1, R-8.2: kill -9, and a start at once."""
    verdict = harness.kill(trial)
    assert not verdict.broken, verdict


@pytest.mark.long
def test_a_killed_engine_tears_no_long_message(trial: Trial) -> None:
    """R-8.1, R-8.2: three segments each, on two binds; what of one has been taken isn't repeated."""
    verdict = harness.kill(replace(trial, messages=200, segments=3, binds=2, times=2))
    assert not verdict.broken, verdict


def test_a_terminated_engine_repeats_nothing(trial: Trial) -> None:
    """R-8.2: SIGTERM waits for the responses that are out."""
    verdict = harness.terminate(trial)
    assert not verdict.broken, verdict


def test_an_engine_that_stood_still_goes_on(trial: Trial) -> None:
    """R-8.1: SIGSTOP and SIGCONT."""
    verdict = harness.freeze(trial)
    assert not verdict.broken, verdict


def test_an_engine_ends_in_time_though_its_database_says_nothing(ready_made: Path) -> None:
    """R-8.1: within the 10 s that a supervisor gives it, and what it had in its hands is safe."""
    with Rig.open(window=5, postgres=SMALL, like=ready_made) as rig:
        rig.start_smsc(latency_ms=20)
        rig.start_engine()
        rig.campaign(200)
        rig.wait(lambda: len(rig.record.read()) > 20, "some messages")
        rig.freeze_postgres()
        rig.engine.signal(signal.SIGTERM)
        assert rig.engine.wait(11.0) == 0
        rig.thaw_postgres()
