"""R-5.9, R-8.3: long MO are whole again though the engine was killed in their midst."""

from __future__ import annotations

import pytest

from tests.benchmarks import mo


@pytest.mark.long
def test_parts_that_come_before_and_after_a_kill_are_put_together() -> None:
    """600 messages of three parts from 500 senders, shuffled; what was not answered comes again."""
    assert mo.long(600, seed=1) == 600
