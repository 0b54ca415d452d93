"""While the database is away or says nothing: the engine waits, says so, goes on (R-8.1, R-8.3)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.promises import harness
from tests.promises.harness import SMALL, Trial
from tests.rig import Rig


def test_while_the_database_is_away_the_engine_waits_and_says_so_once(own: Trial) -> None:
    """R-8.1, R-8.3: what subscribers write meanwhile is refused for the moment, and comes again."""
    verdict = harness.away(own)
    assert not verdict.broken, verdict


@pytest.mark.long
def test_a_database_that_was_away_while_nothing_happened_is_used_again(ready_made: Path) -> None:
    """R-8.1: the turn that found it away had nothing in its hands but free slots."""
    with Rig.open(window=5, postgres=SMALL, like=ready_made) as rig:
        rig.start_smsc()
        rig.start_engine()
        rig.siaran("db", "stop")
        rig.wait(lambda: rig.logged("database.away"), "the engine's word that it is away")
        campaign = rig.campaign(10)  # who needs it starts it
        rig.wait(lambda: rig.logged("database.back"), "the engine's word that it is back")
        rig.wait(lambda: len(rig.record.read()) == 10, "all messages")
        rig.wait(lambda: rig.report(campaign)["counts"]["delivered"] == 10, "all receipts")


def test_a_database_that_says_nothing_is_waited_for(own: Trial) -> None:
    """R-8.1: its processes stand still for a while."""
    verdict = harness.silent_database(own)
    assert not verdict.broken, verdict
