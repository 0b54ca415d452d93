"""Small trials of the promises: what `make test` has time for. SIARAN_TESTS_SEED repeats a run."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.promises.harness import SMALL, Trial, seed_of_environment
from tests.rig import Rig


@pytest.fixture
def trial(database_url: str) -> Trial:
    """One fault in 500 messages, with a database in the run's own cluster."""
    return Trial(
        messages=500,
        times=1,
        seed=seed_of_environment(),
        latency_ms=5,
        for_s=1.0,
        patient=False,
        url=database_url,
    )


@pytest.fixture(scope="session")
def ready_made() -> Iterator[Path]:
    """A home whose embedded database is complete and stopped."""
    path = Path(tempfile.mkdtemp(prefix="siaran-made-"))
    with Rig.open(home=path, postgres=SMALL) as rig:
        rig.siaran("list", "ls")
    yield path
    shutil.rmtree(path)


@pytest.fixture
def own(ready_made: Path) -> Trial:
    """The same, with a cluster of its own, to which anything may happen."""
    return Trial(
        messages=500,
        times=1,
        seed=seed_of_environment(),
        latency_ms=5,
        for_s=1.0,
        patient=False,
        settings=SMALL,
        like=ready_made,
    )
