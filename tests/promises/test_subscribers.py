"""R-8.3, R-5.10: what subscribers say is done and answered, once, though the engine is killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks import subscribers
from tests.promises.harness import SMALL, seed_of_environment


@pytest.mark.long
def test_each_is_heard_and_answered_once_over_kills(ready_made: Path) -> None:
    """400 opt-outs, keywords, questions and replies; three kills; then the next campaign."""
    verdict = subscribers.trial(
        400, kills=3, a_second=500.0, seed=seed_of_environment(), like=ready_made, settings=SMALL
    )
    assert not verdict.broken, verdict
