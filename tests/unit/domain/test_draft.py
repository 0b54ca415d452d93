"""What is written about a campaign beyond its text: pace, time limit, parts (R-3.6, R-3.9)."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from engine.domain.draft import MOST_PARTS, every, limit, parts_of, rate_of, rate_text, starts
from engine.domain.errors import Refused

ZONE = ZoneInfo("Pacific/Auckland")
NOW = datetime(2026, 11, 25, 6, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "rate", "again"),
    [
        ("50/s", 50, "50/s"),
        ("300/m", 5, "5/s"),
        ("10/min", 1 / 6, "10/m"),
        (" 0.5 / S ", 0.5, "30/m"),
        ("1/m", 1 / 60, "1/m"),
        ("100000/s", 100_000, "100000/s"),
    ],
)
def test_a_rate_is_a_second_or_a_minute(text: str, rate: float, again: str) -> None:
    """R-3.9: and is shown so that it can be typed again."""
    assert rate_of(text) == pytest.approx(rate)
    assert rate_text(rate_of(text)) == again
    assert rate_of(again) == pytest.approx(rate)


@pytest.mark.parametrize(
    "text", ["50", "0/s", "-5/s", "50/h", "1e3/s", "100001/s", "fast", "", "/s"]
)
def test_what_is_no_rate_is_refused(text: str) -> None:
    """R-3.9."""
    with pytest.raises(Refused, match="rate"):
        rate_of(text)


def test_a_time_limit_need_not_lie_on_a_slot() -> None:
    """R-3.9: it is read as the schedule is, with the clock's doubts named."""
    start = NOW + timedelta(hours=1)
    assert limit("2026-11-26 09:13", ZONE, start, NOW).at_utc == datetime(
        2026, 11, 25, 20, 13, tzinfo=UTC
    )
    assert limit("2027-04-04 02:30", ZONE, start, NOW).notices  # comes twice


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2026-11-25 09:00", "past"),
        ("2026-11-25 19:30", "not after the start, 2026-11-25 20:00 \\(Pacific/Auckland\\)"),
        ("2027-02-29 09:00", "no such day"),
        ("soon", "write it as"),
    ],
)
def test_a_time_limit_that_would_expire_everything_is_refused(text: str, says: str) -> None:
    """R-3.9: nobody means that."""
    with pytest.raises(Refused, match=says):
        limit(text, ZONE, NOW + timedelta(hours=1), NOW)


@pytest.mark.parametrize(
    ("text", "minutes"), [("30m", 30), ("1h", 60), ("1h30m", 90), ("1H 10 M", 70), ("10m", 10)]
)
def test_the_delay_between_parts_is_whole_slots(text: str, minutes: int) -> None:
    """R-3.6."""
    assert every(text) == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    "text", ["15m", "0m", "0h", "", "30", "half an hour", "9999m", "1h5m", "-10m"]
)
def test_a_delay_off_the_slots_is_refused(text: str) -> None:
    """R-3.6: a multiple of 10 minutes."""
    with pytest.raises(Refused, match="every"):
        every(text)


@pytest.mark.parametrize(
    ("zone", "first", "local"),
    [
        # Clocks go forward at 02:00 and back at 03:00: the hour is missing, or comes twice.
        ("Pacific/Auckland", "2026-09-27 01:30", ["01:30", "03:00", "03:30"]),
        ("Pacific/Auckland", "2027-04-04 02:30+13:00", ["02:30", "02:00", "02:30"]),
        ("Asia/Kathmandu", "2026-12-01 09:10", ["09:10", "09:40", "10:10"]),
        ("Asia/Kathmandu", "2026-12-01 09:13", ["09:13", "09:50", "10:20"]),  # --now
    ],
)
def test_parts_start_at_rising_times_on_slots(zone: str, first: str, local: list[str]) -> None:
    """R-3.6, R-3.3: real time passes between them, over a change of the clocks, too."""
    written = datetime.fromisoformat(first)
    at = written if written.tzinfo else written.replace(tzinfo=ZoneInfo(zone))
    made = starts(at.astimezone(UTC), ZoneInfo(zone), timedelta(minutes=30), 3)
    assert [f"{one.astimezone(ZoneInfo(zone)):%H:%M}" for one in made] == local
    assert made == sorted(set(made))


@pytest.mark.parametrize(
    ("members", "size", "parts"), [(10, 3, 4), (9, 3, 3), (1, 5, 1), (0, 5, 0)]
)
def test_how_many_parts_a_file_has(members: int, size: int, parts: int) -> None:
    """R-3.6."""
    assert parts_of(members, size) == parts


@pytest.mark.parametrize("size", [0, -1])
def test_parts_of_nobody_are_refused(size: int) -> None:
    """R-3.6."""
    with pytest.raises(Refused, match="at least 1"):
        parts_of(10, size)


def test_too_many_parts_are_refused_with_the_least_size() -> None:
    """R-3.6: somebody has mistyped, and would get a thousand lists for it."""
    with pytest.raises(Refused, match="write at least 1,001"):
        parts_of(1_000_001, 1)
    assert parts_of(1_000_001, 1001) <= MOST_PARTS
