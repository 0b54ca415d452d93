"""When what has failed is tried again (R-6.8)."""

from datetime import UTC, datetime, timedelta

import pytest

from engine.domain.retry import FOR_MAIL, next_attempt

NOW = datetime(2031, 1, 1, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("failures", "gap"),
    [(1, MINUTE), (2, 2 * MINUTE), (6, 32 * MINUTE), (7, 60 * MINUTE), (5000, 60 * MINUTE)],
)
def test_gaps_grow_to_an_hour(failures: int, gap: timedelta) -> None:
    """R-6.8: and are a fifth shorter at most."""
    assert next_attempt(FOR_MAIL, failures, NOW, NOW, 0.0) == NOW + gap
    assert next_attempt(FOR_MAIL, failures, NOW, NOW, 1.0) == NOW + gap * 0.8


def test_after_five_days_it_is_given_up() -> None:
    """R-6.8: counted from the first attempt."""
    assert next_attempt(FOR_MAIL, 9, NOW - 5 * DAY + MINUTE, NOW, 0.0) is not None
    assert next_attempt(FOR_MAIL, 9, NOW - 5 * DAY, NOW, 0.0) is None
