"""Sending hours: when an application sends, and when somebody with a number abroad is sent to (R-4).

A window belongs to the day on which it begins: it opens when the clocks of its zone first show
`from` of that day, and closes for good when they first show `to` after it. So one that DST lets run
twice opens once, and its clocks' repeated hour is inside it whole. One that DST skips as a whole
opens right after the gap, as long as it is; only a day that a zone leaves out of its calendar has
none.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE
from phonenumbers.timezone import UNKNOWN_TIMEZONE
from phonenumbers.tzdata import TIMEZONE_DATA, TIMEZONE_LONGEST_PREFIX

from engine.domain.errors import Refused
from engine.domain.suggest import did_you_mean

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""The days of the week, Monday first, as they are written."""

_IN_FULL: Final = tuple(
    f"{day}day" for day in ("mon", "tues", "wednes", "thurs", "fri", "satur", "sun")
)

_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)

_AHEAD: Final = 16
"""Days in which a window begins: a week, and another one where a calendar left its day out."""


@dataclass(frozen=True, kw_only=True)
class Hours:
    """Windows [from, to) on days of the week; `to` up to `from` is of the next day.

    `days` has bit i set for the i-th day of the week, Monday = 1. Raises Refused for what leaves no
    minute, or has no end.
    """

    from_hour: int
    to_hour: int
    days: int
    zone: ZoneInfo

    def __post_init__(self) -> None:
        if not (0 <= self.from_hour <= 23 and 0 <= self.to_hour <= 24):
            raise Refused("sending hours: write --from as 0 to 23 and --to as 0 to 24")
        if self.from_hour == self.to_hour:
            raise Refused(
                f"sending hours: from {self.from_hour} to {self.to_hour} is no time at all; for all "
                "of the day write --from 0 --to 24"
            )
        if not 0 < self.days < 128:
            raise Refused("sending hours: tick at least one day, as in --days mon-fri")

    @cached_property
    def length(self) -> timedelta:
        """How long a window is on a day without a change of the clocks."""
        return (self.to_hour - self.from_hour) % 24 * _HOUR or _DAY

    def open_at(self, now: datetime) -> bool:
        """Whether one may send."""
        today = now.astimezone(self.zone).date()
        return any(start <= now < end for start, end in self._windows(today, -2, 2))

    def next_change(self, now: datetime) -> datetime | None:
        """When that is no longer so; None: never. Windows that touch are one."""
        today = now.astimezone(self.zone).date()
        at = now
        opened = self.open_at(now)
        for start, end in self._windows(today, -2, _AHEAD):
            if not opened and start > at:
                return start
            if opened and start <= at < end:
                at = end
        return at if opened and at < now + 9 * _DAY else None

    def opens_at(self, now: datetime) -> datetime:
        """The first moment from `now` on at which one may send."""
        return now if self.open_at(now) else self.next_change(now) or now

    def _windows(self, today: date, first: int, beyond: int) -> Iterable[tuple[datetime, datetime]]:
        for day in (today + timedelta(days=n) for n in range(first, beyond)):
            window = self._window(day)
            if window is not None:
                yield window

    def _window(self, day: date) -> tuple[datetime, datetime] | None:
        if not self.days >> day.weekday() & 1:
            return None
        midnight = datetime(day.year, day.month, day.day)
        begins = midnight + self.from_hour * _HOUR
        start = _first(begins, self.zone)
        end = _first(begins + self.length, self.zone)
        if end - start < self.length and _first(midnight, self.zone) == _first(
            midnight + _DAY, self.zone
        ):
            return None  # the calendar has no such day
        return start, end if end > start else start + self.length

    def __str__(self) -> str:
        return (
            f"{self.from_hour:02}:00 to {self.to_hour:02}:00 on {days_text(self.days)} "
            f"({self.zone.key})"
        )


def _first(local: datetime, zone: ZoneInfo) -> datetime:
    """The moment at which the clocks of `zone` first show `local`, or skip it."""
    at = local.replace(tzinfo=zone).astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) == local:
        return at
    # In a gap: between what the offset after it would mean and what the one before it does.
    low, high = local.replace(tzinfo=zone, fold=1).astimezone(UTC), at
    shift = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == shift:
            low = middle
        else:
            high = middle
    return high


# ---------------------------------------------------------------- as they are written


def days_of(text: str) -> int:
    """The days that `mon-thu`, `mon,wed,fri`, `sat-mon` or `daily` tick, as bits. Raises Refused."""
    days = 0
    for part in text.casefold().replace(";", ",").split(","):
        first, dash, last = (word.strip() for word in part.strip().partition("-"))
        if first in ("daily", "all", "every day") and not dash:
            days |= 127
            continue
        at, end = _day(first, text), _day(last if dash else first, text)
        while True:
            days |= 1 << at
            if at == end:
                break
            at = (at + 1) % 7
    return days


def _day(word: str, text: str) -> int:
    for number, day in enumerate(DAYS):
        if word in (day, _IN_FULL[number]):
            return number
    meant = did_you_mean(word, DAYS)
    raise Refused(
        f"days {text[:40]!a}: {word[:20]!a} is no day{meant or ''}"
        f"{'' if meant else '; write them as mon-fri, or sat,sun, or daily'}"
    )


def days_text(days: int) -> str:
    """Days as they are written, the shortest way: `mon-thu`.

    >>> days_text(0b0001111), days_text(0b1000001), days_text(127)
    ('mon-thu', 'mon,sun', 'daily')
    """
    if days == 127:
        return "daily"
    parts: list[str] = []
    run: list[int] = []
    for number in [n for n in range(7) if days >> n & 1] + [9]:
        if run and number != run[-1] + 1:
            names = [DAYS[one] for one in run]
            parts += [f"{names[0]}-{names[-1]}"] if len(run) > 2 else names
            run = []
        run.append(number)
    return ",".join(parts)


def hour_of(text: str, *, last: int = 23) -> int:
    """The hour that `8`, `08` or `08:00` means, up to `last`. Raises Refused."""
    clock = text.strip().removesuffix(":00").removesuffix(".00")
    if clock.isascii() and clock.isdigit() and len(clock) <= 2 and int(clock) <= last:
        return int(clock)
    raise Refused(f"hour {text[:20]!a}: write a whole hour from 0 to {last}")


# ---------------------------------------------------------------- each recipient's own


class Judged(StrEnum):
    """How the time of a recipient is known; the preview counts each."""

    ONE = "one zone"
    COMMON = "the hours common to several zones"
    MAIN = "the main zone of the country"
    UNKNOWN = "unknown, so that of the application"


MAIN_ZONES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "1": "America/New_York",
        "7": "Europe/Moscow",
        "77": "Asia/Almaty",
        "34": "Europe/Madrid",
        "39": "Europe/Rome",
        "44": "Europe/London",
        "47": "Europe/Oslo",
        "52": "America/Mexico_City",
        "55": "America/Sao_Paulo",
        "61": "Australia/Sydney",
        "62": "Asia/Jakarta",
        "64": "Pacific/Auckland",
        "243": "Africa/Kinshasa",
        "262": "Indian/Reunion",
        "299": "America/Godthab",
        "351": "Europe/Lisbon",
        "353": "Europe/Dublin",
        "358": "Europe/Helsinki",
        "593": "America/Guayaquil",
        "599": "America/Curacao",
        "686": "Pacific/Tarawa",
        "689": "Pacific/Tahiti",
        "691": "Pacific/Ponape",
        "976": "Asia/Ulaanbaatar",
    }
)
"""Where most people of a calling code with several zones live; a setting may say otherwise."""

_LEAST_COMMON: Final = _HOUR
"""Several zones must have so much of a window in common; else the main zone has the say."""


def zones_of(mobile: str) -> tuple[str, tuple[str, ...]]:
    """The prefix that an international number is known by, and the zones of whoever has it.

    As the phonenumbers library has it for mobiles: nearly everywhere they are carried about in all
    of the country, so its calling code counts; where they belong to an area, the longest prefix.
    Without the library's parsing, so that a million recipients take a second or two. `("", ())`
    when nothing is known.
    """
    digits = mobile.removeprefix("+")
    for length in (2, 3, 1):  # no code begins with another
        code = digits[:length]
        if code in _CODES:
            break
    else:
        return "", ()
    longest = min(TIMEZONE_LONGEST_PREFIX, len(digits)) if digits.startswith(_BY_AREA) else length
    for end in range(longest, 0, -1):
        names = TIMEZONE_DATA.get(digits[:end])
        if names is not None:
            return digits[:end], () if UNKNOWN_TIMEZONE in names else names
    return code, ()


_CODES: Final = frozenset(map(str, COUNTRY_CODE_TO_REGION_CODE))

_BY_AREA: Final = ("1", "52", "54", "55", "62", "77", "86", "691")
"""Numbers whose area says where they are. 1 is two dozen countries, 77 is one of two that share 7."""


class _Known(NamedTuple):
    """What holds for all numbers of a prefix until a moment."""

    opens: datetime | None
    until: datetime


@dataclass(slots=True)
class RecipientHours:
    """An application's hours by the clocks of who is sent to.

    It remembers what it has found by prefixes of numbers, some hundred of them at most.
    """

    hours: Hours
    main: Mapping[str, str] = field(default_factory=lambda: MAIN_ZONES)
    _known: dict[str, _Known] = field(default_factory=dict)

    def opens(self, mobile: str, now: datetime) -> datetime | None:
        """When the window of a number opens; None: it is open."""
        prefix, names = zones_of(mobile)
        known = self._known.get(prefix)
        if known is None or now >= known.until:
            known = self._known[prefix] = self._find(prefix, names, now)
        return known.opens

    def judged(self, mobile: str, now: datetime) -> Judged:
        """How the time of a number is known."""
        return self._judge(*zones_of(mobile), now)[0]

    def _find(self, prefix: str, names: Sequence[str], now: datetime) -> _Known:
        _, all_of = self._judge(prefix, names, now)
        at = now
        while closed := [one for one in all_of if not one.open_at(at)]:
            at = max(one.opens_at(at) for one in closed)
        if at > now:
            return _Known(at, min(at, now + _DAY))
        changes = [one.next_change(now) or now + _DAY for one in all_of]
        return _Known(None, min(*changes, now + _DAY))

    def _judge(
        self, prefix: str, names: Sequence[str], now: datetime
    ) -> tuple[Judged, Sequence[Hours]]:
        zones = [zone for zone in map(_zone, names) if zone is not None]
        offsets = {zone.utcoffset(now) or timedelta(0) for zone in zones}
        if not zones:
            return Judged.UNKNOWN, [self.hours]
        if len(offsets) == 1:
            return Judged.ONE, [self._in(zones[0])]
        if self.hours.length - (max(offsets) - min(offsets)) >= _LEAST_COMMON:
            # Those between the first and the last have no say.
            ends = [min(zones, key=lambda zone: zone.utcoffset(now) or timedelta(0))]
            ends.append(max(zones, key=lambda zone: zone.utcoffset(now) or timedelta(0)))
            return Judged.COMMON, [self._in(zone) for zone in ends]
        for length in range(len(prefix), 0, -1):
            main = _zone(self.main.get(prefix[:length], ""))
            if main is not None:
                return Judged.MAIN, [self._in(main)]
        return Judged.UNKNOWN, [self.hours]

    def _in(self, zone: ZoneInfo) -> Hours:
        mine = self.hours
        return Hours(from_hour=mine.from_hour, to_hour=mine.to_hour, days=mine.days, zone=zone)


def _zone(name: str) -> ZoneInfo | None:
    """A zone by name; None for one that this machine does not have."""
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):
        return None
