"""When a campaign starts: slots, time zones, clocks that change (R-3.3)."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.campaign import schedule, zone
from engine.domain.errors import Refused

NOW = datetime(2026, 9, 1, 0, 5, tzinfo=UTC)
AUCKLAND = zone("Pacific/Auckland")  # +12, from 27 September 2026 2:00 to 4 April 2027 3:00 +13


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-12-01 09:10", "2026-11-30T20:10"),
        (" 2026-12-01T09:10:00 ", "2026-11-30T20:10"),
        ("2026-12-01 09:10Z", "2026-12-01T09:10"),
        ("2026-12-01T09:10:00.000Z", "2026-12-01T09:10"),
        ("2026-12-01T09:10+07:00", "2026-12-01T02:10"),
        ("2026-12-01T09:10 +0700", "2026-12-01T02:10"),
    ],
)
def test_a_time_is_understood_in_the_zone(text: str, at: str) -> None:
    """R-3.3; with Z or an offset it is that moment."""
    scheduled = schedule(text, AUCKLAND, NOW)
    assert scheduled.at_utc == datetime.fromisoformat(at).replace(tzinfo=UTC)
    assert scheduled.notices == ()


@pytest.mark.parametrize(
    ("text", "at", "notice"),
    [
        ("2026-09-27 02:30", "2026-09-26T14:00", "the clocks skip it; moved to 2026-09-27 03:00"),
        ("2026-09-27 02:00", "2026-09-26T14:00", "the clocks skip it; moved to 2026-09-27 03:00"),
        ("2027-04-04 02:30", "2027-04-03T13:30", "comes twice in Pacific/Auckland; the first is"),
    ],
)
def test_clocks_that_change(text: str, at: str, notice: str) -> None:
    """R-3.3: a skipped time moves to the next slot there is, a doubled one is the first."""
    scheduled = schedule(text, AUCKLAND, NOW)
    assert scheduled.at_utc == datetime.fromisoformat(at).replace(tzinfo=UTC)
    (said,) = scheduled.notices
    assert notice in said


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2026-12-01 09:13", "nearest are 2026-12-01 09:10 (Pacific/Auckland) and 2026-12-01 09:20"),
        ("2026-12-31 23:59", "nearest are 2026-12-31 23:50 (Pacific/Auckland) and 2027-01-01 00:00"),
        ("2026-09-01 12:07", "nearest are 2026-09-01 12:10 (Pacific/Auckland) and 2026-09-01 12:20"),
        ("2026-09-01 12:00", "is in the past, it is 2026-09-01 12:05 (Pacific/Auckland) now; "),
        ("2026-09-01 12:00", "; the next slot is 2026-09-01 12:10 (Pacific/Auckland)"),
        ("2026-02-30 09:10", "there is no such day or hour"),
        ("2026-12-01 25:10", "there is no such day or hour"),
        ("0001-01-01 00:00", "write a year"),
        ("9999-12-31 23:50", "write a year"),
        ("tomorrow", "write it as 2026-12-01 09:10"),
        ("2026-12-01", "write it as 2026-12-01 09:10"),
        ("2026-12-01 9:10", "write it as 2026-12-01 09:10"),
        ("２０２６-12-01 09:10", "write it as 2026-12-01 09:10"),
    ],
)  # fmt: skip
def test_says_why_a_time_is_refused(text: str, why: str) -> None:
    """R-3.3: off the slots the two nearest are named, none of them in the past."""
    with pytest.raises(Refused) as refused:
        schedule(text, AUCKLAND, NOW)
    assert str(refused.value).startswith(f'time "{text}": ')
    assert why in str(refused.value)


def test_now_itself_is_not_past() -> None:
    """R-3.3."""
    now = NOW + timedelta(minutes=5)
    assert schedule("2026-09-01 12:10", AUCKLAND, now).at_utc == now


ZONES = st.sampled_from(
    [
        "Pacific/Auckland",
        "Asia/Jakarta",
        "Asia/Kathmandu",
        "Australia/Lord_Howe",
        "America/St_Johns",
    ]
)


@given(st.datetimes(datetime(2026, 9, 3), datetime(2060, 1, 1)), ZONES)
def test_what_is_accepted_lies_on_a_slot_and_ahead(local: datetime, name: str) -> None:
    """R-3.3, in zones with odd offsets, too."""
    there = zone(name)
    local = local.replace(minute=local.minute // 10 * 10, second=0, microsecond=0)
    at = schedule(f"{local:%Y-%m-%d %H:%M}", there, NOW).at_utc
    assert at >= NOW
    assert at.astimezone(there).minute % 10 == 0
    shown = at.astimezone(there).replace(tzinfo=None)
    assert timedelta(0) <= shown - local <= timedelta(hours=1)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Pacific/Aukland", "did you mean Pacific/Auckland"),
        ("jakarta", "did you mean Asia/Jakarta?"),
        ("Pacific", "not known"),
        ("../etc/passwd", "not known"),
        ("", "write it like Pacific/Auckland"),
        ("a\0b", "not known"),
    ],
)
def test_an_unknown_zone_is_refused_with_the_nearest(name: str, hint: str) -> None:
    """R-3.3: a path is no zone either."""
    with pytest.raises(Refused, match="time zone") as refused:
        zone(name)
    assert hint in str(refused.value)
