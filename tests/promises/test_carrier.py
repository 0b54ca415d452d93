"""What carriers do to connections, and to no message (R-5.2, R-5.3, R-8.1, R-8.2)."""

from __future__ import annotations

import pytest

from tests.promises import harness
from tests.promises.harness import Trial


def test_a_carrier_that_drops_connections_costs_at_most_a_window_each(trial: Trial) -> None:
    """R-8.2: the responses to the last submits before each cut are lost."""
    verdict = harness.drop(trial)
    assert not verdict.broken, verdict
    assert verdict.faults > 0


@pytest.mark.long
def test_a_carrier_that_answers_nothing_is_left_and_bound_to_again(trial: Trial) -> None:
    """R-5.3, R-8.2: a half-open connection; the outcome of what is out is unknown."""
    verdict = harness.silent_carrier(trial)
    assert not verdict.broken, verdict
