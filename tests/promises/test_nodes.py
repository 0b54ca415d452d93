"""Several engines on one database: one dies, one sleeps, and no message is lost (R-8.4)."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.promises import beside
from tests.promises.beside import Beside
from tests.promises.harness import Trial
from tests.rig import PATIENCE_S, Rig
from tests.several import Several


@pytest.fixture
def pair(trial: Trial) -> Beside:
    """Two engines and one carrier; leases are short, so that nobody waits for long."""
    return Beside(trial=replace(trial, messages=600, window=5, latency_ms=20), nodes=2, lease_s=1.0)


def test_who_was_killed_is_taken_over(pair: Beside) -> None:
    """R-8.1, R-8.2, R-8.4: nothing lost, one window a bind repeated."""
    verdict = beside.kill(pair)
    assert not verdict.broken, verdict


def test_a_name_that_lives_elsewhere_is_refused(trial: Trial, tmp_path: Path) -> None:
    """R-8.4: a lock reaches no further than a home; the lease does."""
    with Rig.open(url=trial.url) as rig, Several.open(rig) as several:
        smsc = several.smsc("tui")
        several.node("gw1", [smsc], lease_s=60.0)
        second = several.configured("gw1", [smsc], home=tmp_path)
        several.start(second, up=False)
        assert second.process.wait(PATIENCE_S) == 1
        *_, line = second.said().splitlines()
        assert re.search(r'^siaran: node "gw1" is running already, on .* in \d\d s$', line), line
        assert "bind" not in second.said()


@pytest.mark.long
def test_who_wakes_up_sends_nothing_that_was_taken_over(pair: Beside) -> None:
    """R-8.2, R-8.4: another epoch, new sessions, and it goes on."""
    verdict = beside.freeze(pair)
    assert not verdict.broken, verdict
