"""R-8.3, R-7.4: every event is told, in its message's order, though the process is killed in between."""

from __future__ import annotations

import random

import pytest

from engine.outbox.courier import LAG
from engine.outbox.http import SLOTS
from tests.benchmarks.callbacks_out import promise
from tests.promises.harness import seed_of_environment
from tests.rig import Rig

EVENTS = 1_000
KILLS = 2


@pytest.mark.long
def test_every_event_is_told_over_kills(database_url: str) -> None:
    """An endpoint that fails one in five. What comes again was under way at a kill, or not committed."""
    seed = seed_of_environment()
    with Rig.open(url=database_url) as rig:
        verdict = promise(rig, EVENTS, KILLS, random.Random(seed), 0.2)
    assert (verdict.lost, verdict.disordered, verdict.late) == (0, 0, 0), f"seed {seed}: {verdict}"
    assert verdict.repeats <= KILLS * (SLOTS + LAG), f"seed {seed}: {verdict}"
