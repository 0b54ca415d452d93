"""How long a campaign will take (R-2.5)."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from engine.domain.estimate import Lane, estimate
from engine.domain.hours import Hours

START = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)  # a Tuesday
MORNINGS = Hours(from_hour=8, to_hour=10, days=0b0001111, zone=ZoneInfo("UTC"))


def lane(rate: float, window: int = 10, latency_s: float | None = None) -> Lane:
    return Lane(carrier="tui", rate=rate, window=window, latency_s=latency_s)


@pytest.mark.parametrize(
    ("lanes", "rate", "seconds"),
    [
        ([lane(100)], None, 200),  # segments count
        ([lane(100), lane(300)], None, 50),
        ([lane(100)], 10, 1000),  # messages count
        ([lane(0, 10, 0.1)], None, 200),  # the window is what limits
        ([lane(50, 10, 0.1)], None, 400),
        ([lane(0)], None, None),
        ([lane(0), lane(100)], None, None),  # as fast as the first one likes
        ([lane(0)], 100, 100),
        ([], 100, 100),
        ([], None, None),
    ],
)
def test_what_limits_it(lanes: list[Lane], rate: float | None, seconds: float | None) -> None:
    """R-2.5: carriers by segments, the campaign's own rate by messages, whichever is slower."""
    found = estimate(
        segments=20_000, messages=10_000, lanes=lanes, rate=rate, start=START, hours=None
    )
    assert found.sending_s == seconds
    assert (found.ends_at is None) == (seconds is None)


@pytest.mark.parametrize(
    ("start", "messages", "first", "end"),
    [
        ("2026-12-01 09:00", 3600, "2026-12-01 09:00", "2026-12-01 10:00"),  # up to the last second
        ("2026-12-01 09:00", 3601, "2026-12-01 09:00", "2026-12-02 08:00:01"),
        ("2026-12-01 12:00", 60, "2026-12-02 08:00", "2026-12-02 08:01"),
        ("2026-12-03 09:00", 7200, "2026-12-03 09:00", "2026-12-07 09:00"),  # over the week-end
    ],
)
def test_it_goes_on_when_the_hours_open(start: str, messages: int, first: str, end: str) -> None:
    """R-2.5, R-4.3: the hours from Monday to Thursday, 8 to 10."""
    found = estimate(
        segments=messages,
        messages=messages,
        lanes=[],
        rate=1.0,
        start=datetime.fromisoformat(start).replace(tzinfo=UTC),
        hours=MORNINGS,
    )
    assert f"{found.starts_at:%Y-%m-%d %H:%M}" == first
    assert found.ends_at == datetime.fromisoformat(end).replace(tzinfo=UTC)


def test_what_would_take_years_has_no_end() -> None:
    """R-2.5: somebody has mistyped the rate."""
    found = estimate(
        segments=1_000_000, messages=1_000_000, lanes=[], rate=0.001, start=START, hours=MORNINGS
    )
    assert (found.sending_s, found.ends_at) == (1e9, None)


def test_others_have_the_turn_before_it() -> None:
    """R-2.5, R-3.4: their messages are as long as its own, and go as fast."""
    found = estimate(
        segments=200, messages=100, lanes=[lane(10)], rate=None, start=START, hours=None, ahead=300
    )
    assert found.starts_at == START + timedelta(seconds=60)
    assert found.ends_at == START + timedelta(seconds=80)


@pytest.mark.parametrize(
    ("opens", "first", "end"),
    [
        ([(0, 100)], 0, 100),
        ([(0, 50), (30, 50)], 0, 100),  # the others are still being sent to
        ([(600, 10), (0, 90)], 0, 610),  # in the order of the hours
        ([(600, 10), (300, 90)], 300, 610),
    ],
)
def test_each_recipient_by_the_own_clock(
    opens: list[tuple[int, int]], first: int, end: int
) -> None:
    """R-2.5, R-4.4: it ends when the last zone has had its turn."""
    found = estimate(
        segments=100,
        messages=100,
        lanes=[],
        rate=1.0,
        start=START,
        hours=MORNINGS,
        opens=[(START + timedelta(seconds=at), n) for at, n in opens],
    )
    assert found.starts_at == START + timedelta(seconds=first)
    assert found.ends_at == START + timedelta(seconds=end)
