"""Periods and moments in 16 characters (SMPP 3.4 §7.1.1)."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from smpp import period

DAY = 86400


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, ""),
        (1, "000000000001000R"),
        (3 * DAY + 4 * 3600 + 5 * 60 + 6, "000003040506000R"),
        (29 * DAY, "000029000000000R"),
        (61 * DAY, "000201000000000R"),
        (365 * DAY, "010000000000000R"),
        (364 * DAY, "001204000000000R"),
        (period.LONGEST_S, "991204235959000R"),
    ],
)
def test_a_period(seconds: int, text: str) -> None:
    assert period.relative(seconds) == text


@pytest.mark.parametrize("seconds", [-1, period.LONGEST_S + 1])
def test_a_period_that_has_no_form_is_refused(seconds: int) -> None:
    with pytest.raises(ValueError, match=f"a period of {seconds} s"):
        period.relative(seconds)


def test_a_moment_is_told_in_utc_and_never_later() -> None:
    """R-3.9: the SMSC's validity period is set no later than the campaign's."""
    zone = timezone(timedelta(hours=13))
    assert period.until(datetime(2026, 12, 1, 9, 10, 59, 999999, zone)) == "261130201059000+"
    assert period.until(datetime(2026, 12, 1, tzinfo=UTC)) == "261201000000000+"
