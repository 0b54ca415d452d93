"""Sending hours (R-4.1, R-4.3) and those of each recipient (R-4.4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType
from phonenumbers.timezone import UNKNOWN_TIMEZONE, time_zones_for_number
from phonenumbers.tzdata import TIMEZONE_DATA

from engine.domain.errors import Refused
from engine.domain.hours import (
    MAIN_ZONES,
    Hours,
    Judged,
    RecipientHours,
    days_of,
    days_text,
    hour_of,
    zones_of,
)
from tests import walk

JAKARTA = ZoneInfo("Asia/Jakarta")
MONDAY = datetime(2026, 11, 2, tzinfo=JAKARTA)


def hours(
    from_hour: int = 8, to_hour: int = 11, days: str = "mon-thu", zone: str = "Asia/Jakarta"
) -> Hours:
    return Hours(from_hour=from_hour, to_hour=to_hour, days=days_of(days), zone=ZoneInfo(zone))


@pytest.mark.parametrize(
    ("clock", "is_open"),
    [
        ("02 07:59:59", False),
        ("02 08:00:00", True),
        ("02 10:59:59", True),
        ("02 11:00:00", False),
        ("05 08:00:00", True),
        ("06 09:00:00", False),
        ("08 09:00:00", False),
    ],
)
def test_a_window_is_half_open_and_on_ticked_days(clock: str, is_open: bool) -> None:
    """R-4.1: 8–11 sends from 08:00:00 to before 11:00:00."""
    at = datetime.strptime(f"2026-11-{clock}", "%Y-%m-%d %H:%M:%S").replace(tzinfo=JAKARTA)
    assert hours().open_at(at) is is_open


def test_a_window_over_midnight_belongs_to_the_day_of_its_start() -> None:
    """R-4.3: 22–6 on Mondays goes on until Tuesday at 6."""
    night = hours(22, 6, "mon")
    for hour, is_open in (
        (-1, False),
        (5, False),
        (21, False),
        (22, True),
        (29, True),
        (30, False),
    ):
        assert night.open_at(MONDAY + timedelta(hours=hour)) is is_open, hour


def test_it_is_known_when_that_changes() -> None:
    """R-4.3: to the moment, over days that are not ticked, and never where it is always open."""
    at = MONDAY + timedelta(hours=9)
    assert hours().next_change(at) == MONDAY + timedelta(hours=11)
    friday = MONDAY + timedelta(days=4)
    assert hours().next_change(friday) == MONDAY + timedelta(days=7, hours=8)
    assert hours().opens_at(friday) == MONDAY + timedelta(days=7, hours=8)
    assert hours().opens_at(at) == at
    assert hours(0, 24, "daily").next_change(at) is None
    assert hours(0, 24, "mon,tue").next_change(at) == MONDAY + timedelta(days=2)
    assert hours(8, 8 - 1, "daily").next_change(at) == MONDAY + timedelta(days=1, hours=7)


@pytest.mark.parametrize(("from_hour", "to_hour", "days"), [(8, 8, 1), (8, 25, 1), (-1, 3, 1), (8, 9, 0)])  # fmt: skip
def test_hours_that_leave_no_minute_are_refused(from_hour: int, to_hour: int, days: int) -> None:
    """R-4.3: equal is refused."""
    with pytest.raises(Refused):
        Hours(from_hour=from_hour, to_hour=to_hour, days=days, zone=JAKARTA)


@pytest.mark.parametrize(
    ("zone", "at", "window", "opens", "closes"),
    [
        # Spring in Auckland: the clocks go from 2:00 to 3:00.
        ("Pacific/Auckland", "2026-09-26 12:00", (2, 3), "2026-09-26 14:00", "2026-09-26 15:00"),
        ("Pacific/Auckland", "2026-09-26 12:00", (1, 4), "2026-09-26 13:00", "2026-09-26 15:00"),
        # Autumn: 2:00 to 3:00 comes twice.
        ("Pacific/Auckland", "2026-04-04 06:00", (2, 3), "2026-04-04 13:00", "2026-04-04 15:00"),
        ("Pacific/Auckland", "2026-04-04 06:00", (3, 5), "2026-04-04 15:00", "2026-04-04 17:00"),
        # Samoa had no 30 December 2011.
        ("Pacific/Apia", "2011-12-30 09:00", (8, 11), "2011-12-30 18:00", "2011-12-30 21:00"),
    ],
)
def test_dst_neither_skips_nor_doubles_a_window(
    zone: str, at: str, window: tuple[int, int], opens: str, closes: str
) -> None:
    """R-4.3, at known changes; times are UTC."""
    start, opening, closing = (
        datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (at, opens, closes)
    )
    mine = hours(*window, "daily", zone)
    assert not mine.open_at(start)
    assert mine.next_change(start) == opening
    assert mine.next_change(opening) == closing


CHANGES = walk.changes(2024, 2028)


@settings(max_examples=25)
@given(st.sampled_from(CHANGES), st.integers(0, 23), st.integers(0, 24), st.integers(1, 127))
def test_the_clocks_agree_round_their_changes(
    change: walk.Change, from_hour: int, to_hour: int, days: int
) -> None:
    """R-4.3, held against a walk by the minute; `make bench ARGS=hours` walks round all changes."""
    if from_hour == to_hour:
        to_hour = (to_hour + 1) % 24
    mine = Hours(from_hour=from_hour, to_hour=to_hour, days=days, zone=change.zone)
    assert walk.disagreement(mine, change, every=13) is None


# ---------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("text", "days", "shown"),
    [
        ("mon-thu", 0b0001111, "mon-thu"),
        ("Sat,SUN", 0b1100000, "sat,sun"),
        ("sat-mon", 0b1100001, "mon,sat,sun"),
        ("daily", 127, "daily"),
        ("monday - friday", 0b0011111, "mon-fri"),
        ("tue", 0b0000010, "tue"),
    ],
)
def test_days_are_read_and_written(text: str, days: int, shown: str) -> None:
    """R-4.1."""
    assert days_of(text) == days
    assert days_text(days) == shown
    assert days_of(shown) == days


@pytest.mark.parametrize("text", ["", "mon-", "-", "xyz", "mon-thx", "m", "1-5", "mon thu"])
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="is no day"):
        days_of(text)


def test_hours_are_whole_ones() -> None:
    """R-4.1."""
    assert [hour_of("8"), hour_of("08:00"), hour_of("24", last=24)] == [8, 8, 24]
    for text in ("24", "8:30", "x", "-1", "", "٣"):
        with pytest.raises(Refused, match="whole hour"):
            hour_of(text)


# ---------------------------------------------------------------- recipients


def test_zones_are_those_of_the_library_or_narrower() -> None:
    """R-4.4: for a mobile of each region; narrower where an area code or a 77 says more."""
    seen = 0
    for region in phonenumbers.SUPPORTED_REGIONS:
        example = phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE)
        if example is None:
            continue
        seen += 1
        mobile = phonenumbers.format_number(example, PhoneNumberFormat.E164)
        known = set(time_zones_for_number(example)) - {UNKNOWN_TIMEZONE}
        ours = set(zones_of(mobile)[1])
        assert ours <= known, region
        assert ours == known or mobile.startswith(("+1", "+77", "+691")), region
        assert bool(ours) == bool(known), region
    assert seen > 200


def test_every_code_with_several_zones_has_a_main_one() -> None:
    """R-4.4."""
    several = {code for code in zones_by_code() if len(TIMEZONE_DATA[code]) > 1}
    assert several <= MAIN_ZONES.keys()
    assert all(ZoneInfo(zone) for zone in MAIN_ZONES.values())


def zones_by_code() -> list[str]:
    codes = map(str, phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
    return [code for code in codes if code in TIMEZONE_DATA]


NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("mobile", "window", "judged"),
    [
        ("+6591234567", (8, 11), Judged.ONE),
        ("+64211234567", (8, 11), Judged.COMMON),  # Auckland and Chatham: 45 minutes
        ("+64211234567", (8, 9), Judged.MAIN),
        ("+79123456789", (8, 11), Judged.MAIN),  # ten hours from end to end
        ("+79123456789", (8, 20), Judged.COMMON),
        ("+8831234567890", (8, 11), Judged.UNKNOWN),
        ("+9990000000", (8, 11), Judged.UNKNOWN),
    ],
)
def test_how_the_time_of_a_number_is_known(
    mobile: str, window: tuple[int, int], judged: Judged
) -> None:
    """R-4.4: several zones need an hour in common; else the main zone; unknown: ours."""
    mine = RecipientHours(hours(*window, "daily"))
    assert mine.judged(mobile, NOON) is judged


def test_a_recipient_is_sent_to_inside_the_window_of_the_own_clock() -> None:
    """R-4.4: and it is known when that opens."""
    mine = RecipientHours(hours(8, 20, "daily", "Pacific/Auckland"))
    now = datetime(2026, 11, 2, 0, tzinfo=UTC)
    singapore, auckland = "+6591234567", "+64211234567"
    assert mine.opens(singapore, now) is None, "it is 8:00 there"
    assert mine.opens(auckland, now) is None, "and 13:00, 13:45 there"
    later = now + timedelta(hours=6, minutes=15)  # 19:15 and 20:00
    assert mine.opens(singapore, later) is None
    assert mine.opens(auckland, later) == datetime(2026, 11, 2, 19, tzinfo=UTC), "8:00 on the main"
    assert mine.opens("+9990000000", later) is None, "the application's: 19:15"


def test_a_setting_may_name_another_main_zone() -> None:
    """R-4.4."""
    narrow = hours(8, 9, "daily")
    asked = RecipientHours(narrow, {"64": "Pacific/Chatham"}).opens("+64211234567", NOON)
    assert asked == datetime(2026, 11, 2, 18, 15, tzinfo=UTC)


def test_a_million_recipients_cost_little() -> None:
    """R-4.4: it remembers prefixes, not numbers."""
    mine = RecipientHours(hours())
    for n in range(2_000):
        mine.opens(f"+6421{n:07}", NOON)
    assert len(mine._known) == 1
