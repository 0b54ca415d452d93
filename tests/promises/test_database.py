"""What happens to the database, and to no message (R-8.1). Each trial has a cluster of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.promises import harness
from tests.promises.harness import NoDisk, Trial


def test_a_database_that_crashes_takes_no_message_with_it(own: Trial) -> None:
    """R-8.1: wherever its turns just are."""
    verdict = harness.crash(replace(own, times=3))
    assert not verdict.broken, verdict


def test_a_commit_whose_answer_was_cut_off_is_asked_for(own: Trial) -> None:
    """Design 9: it is written, and nothing of it is sent again."""
    verdict = harness.cut(replace(own, times=2))
    assert not verdict.broken, verdict


@pytest.mark.long
def test_what_was_marked_and_never_left_leaves_after_a_restart(own: Trial) -> None:
    """R-8.1, R-8.2: the engine is killed between COMMIT and write."""
    verdict = harness.kill_in_commit(replace(own, times=2))
    assert not verdict.broken, verdict


@pytest.mark.long
def test_a_full_disk_is_waited_for(own: Trial) -> None:
    """R-8.1: tables can't grow; then not even PostgreSQL can start."""
    try:
        verdict = harness.full_disk(replace(own, times=2, messages=5_000))
    except NoDisk as reason:
        pytest.skip(str(reason))
    assert not verdict.broken, verdict
