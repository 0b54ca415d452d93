"""What follows from the answer of an endpoint (R-7.4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from engine.domain.answers import Fate, fate, retry_after_s

NOW = datetime(2031, 1, 2, 3, 4, 5, tzinfo=UTC)

_SUSPEND = {401, 403, 404, 410}
_LATER = {408, 425, 429}


def test_each_status_has_one_fate() -> None:
    """R-7.4, as it is written there."""
    for status in range(100, 1000):
        if 200 <= status < 300:
            wanted = Fate.DONE
        elif 300 <= status < 400 or status in _SUSPEND:
            wanted = Fate.SUSPENDS
        elif status in _LATER or not 400 <= status < 500:
            wanted = Fate.LATER
        else:
            wanted = Fate.PARKED
        assert fate(status) is wanted, status
    assert fate(None) is Fate.LATER


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        (" 120 ", 120),
        ("0", 1),
        ("99999999999999999999", 86_400),
        ("Thu, 02 Jan 2031 03:06:05 GMT", 120),
        ("Thursday, 02-Jan-31 03:06:05 GMT", 120),
        ("Thu, 02 Jan 2031 03:00:00 GMT", 1),
        ("Thu, 02 Jan 9999 03:00:00 GMT", 86_400),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("१२०", None),
        ("Thu, 99 Foo 2031 99:99:99 GMT", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(text: str | None, seconds: float | None) -> None:
    """RFC 9110 §10.2.3; bounded, whoever sends it."""
    assert retry_after_s(text, NOW) == seconds


def test_a_date_without_a_zone_is_utc() -> None:
    at = (NOW + timedelta(seconds=60)).strftime("%a, %d %b %Y %H:%M:%S -0000")
    assert retry_after_s(at, NOW) == 60
