"""R-8.1: the database fails over in the midst of a campaign, and nothing that was accepted is lost."""

from __future__ import annotations

import pytest

from tests.promises import failover
from tests.promises.harness import seed_of_environment


def test_a_primary_that_dies_takes_nothing_with_it() -> None:
    """Synchronous replication: MO, API sends and campaign go on at the standby, none twice."""
    outcome = failover.run(messages=800, seed=seed_of_environment(), latency_ms=5)
    assert not outcome.broken, outcome
    assert outcome.again_s <= 10.0, outcome


@pytest.mark.long
def test_a_primary_that_stands_still_is_left() -> None:
    """Its connections stay open, and nobody answers on them; one of two standbys is promoted."""
    outcome = failover.run(
        messages=800, standbys=2, frozen=True, seed=seed_of_environment(), latency_ms=5
    )
    assert not outcome.broken, outcome
    assert outcome.again_s <= 10.0, outcome
