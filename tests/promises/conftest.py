"""A small trial of a promise, on the run's own cluster: what `make test` has time for."""

from __future__ import annotations

import pytest

from tests.promises.harness import Trial, seed_of_environment


@pytest.fixture
def trial(database_url: str) -> Trial:
    """One fault in 1,000 messages; SIARAN_TESTS_SEED repeats it."""
    return Trial(
        messages=1000,
        times=1,
        seed=seed_of_environment(),
        latency_ms=5,
        for_s=1.0,
        patient=False,
        url=database_url,
    )
