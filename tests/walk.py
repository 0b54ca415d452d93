"""Sending hours by walking the clocks, minute by minute: what `domain.hours` is held against.

Slow and plain: it knows no offsets and no arithmetic with them, only what the clocks of a zone show
at each minute. `changes` finds every distinct way in which zones change their clocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

from engine.domain.hours import Hours

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)

ROUND = timedelta(hours=48)
"""So long before and after a change of the clocks everything must be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A zone's clocks jump, right before `at`."""

    zone: ZoneInfo
    at: datetime


def changes(first_year: int = 1970, last_year: int = 2037) -> list[Change]:
    """One for each distinct jump: from what the clocks showed to what they show then."""
    found: dict[tuple[object, ...], Change] = {}
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        at, end = (datetime(year, 1, 1, tzinfo=UTC) for year in (first_year, last_year))
        before = at.astimezone(zone).utcoffset()
        while at < end:
            later = at + 7 * DAY
            offset = later.astimezone(zone).utcoffset()
            if offset != before:
                moment = _moment(at, later, zone)
                shown = (moment - timedelta(seconds=1)).astimezone(zone)
                key = (before, offset, shown.time(), shown.weekday())
                found.setdefault(key, Change(zone=zone, at=moment))
            at, before = later, offset
    return list(found.values())


def _moment(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    offset = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = (low + (high - low) // 2).replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return high


def disagreement(hours: Hours, change: Change, *, every: int = 1) -> str | None:
    """What `hours` says otherwise than the clocks, round a change of them; None: nothing.

    It is asked at each `every`-th minute.
    """
    start = (change.at - ROUND).replace(second=0)
    opened: list[tuple[datetime, bool]] = []
    for at, is_open in clocks(hours, start, change.at + ROUND + 2 * DAY):
        opened.append((at, is_open))
    asked = [(at, is_open) for at, is_open in opened if at <= change.at + ROUND]
    for at, is_open in asked[::every]:
        if hours.open_at(at) is not is_open:
            return f"{hours} at {at.astimezone(hours.zone)}: open is {is_open}"
    # Where it changes, and only there.
    turns = [at for (_, was), (at, now) in pairwise(opened) if was != now]
    for at, _ in asked[:: 97 * every]:
        said = hours.next_change(at)
        first = next((turn for turn in turns if turn > at), None)
        if first is not None and (said is None or not first - MINUTE < said <= first):
            return f"{hours} at {at.astimezone(hours.zone)}: it changes at {first}, not {said}"
    return None


def clocks(hours: Hours, start: datetime, end: datetime) -> Iterator[tuple[datetime, bool]]:
    """Each minute and whether it is inside, by what the clocks show."""
    windows: dict[date, _Window] = {}
    at = start - 3 * DAY
    before = at.astimezone(hours.zone).replace(tzinfo=None)
    while at < end:
        shown = at.astimezone(hours.zone).replace(tzinfo=None)
        for day in (shown.date() - DAY, shown.date(), before.date() + DAY):
            windows.setdefault(day, _Window(hours, day))
        is_open = False
        for window in windows.values():
            is_open |= window.look(at, shown, before)
        if at >= start:
            yield at, is_open
        windows = {day: one for day, one in windows.items() if day >= shown.date() - 3 * DAY}
        before = shown
        at += MINUTE


class _Window:
    """One day's window, which opens and closes once."""

    def __init__(self, hours: Hours, day: date) -> None:
        midnight = datetime(day.year, day.month, day.day)
        self.ticked = bool(hours.days >> day.weekday() & 1)
        self.begins = midnight + timedelta(hours=hours.from_hour)
        self.ends = midnight + timedelta(hours=hours.to_hour)
        if self.ends <= self.begins:
            self.ends += DAY
        self.midnight = midnight
        self.open = self.over = False
        self.until: datetime | None = None

    def look(self, at: datetime, shown: datetime, before: datetime) -> bool:
        """Whether it is open at this minute; minutes come in order."""
        if not self.ticked or self.over:
            return False
        if not self.open and shown >= self.begins:
            self.open = True
            if before < self.midnight and shown >= self.midnight + DAY:
                self.over = True  # the calendar has no such day
                return False
            if shown >= self.ends:  # skipped as a whole
                self.until = at + (self.ends - self.begins)
        if self.open:
            self.over = at >= self.until if self.until is not None else shown >= self.ends
        return self.open and not self.over
