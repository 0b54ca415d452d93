"""Every setting of an application: its key, default, unit, what it does, and what it may be.

This is the only place that knows a default or a limit: the store reads values by it, `siaran
setting` shows and checks by it. A new setting is one entry in `SETTINGS`. They are kept as texts,
as a person writes them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Generic, Protocol, TypeVar
from zoneinfo import available_timezones

from engine.domain.errors import Refused
from engine.domain.hours import MAIN_ZONES
from engine.domain.numbers import MAX_DIGITS, MIN_DIGITS
from engine.domain.suggest import did_you_mean

T = TypeVar("T")
W = TypeVar("W", bound=StrEnum)
S = TypeVar("S", int, timedelta)

_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)


class Scope(StrEnum):
    """What an opt-out by SMS is from (R-6.3)."""

    APPLICATION = "application"
    LIST = "list"


class Uncertain(StrEnum):
    """What becomes of a message whose response never came (R-8.2)."""

    RESEND = "resend"
    HOLD = "hold"


class Kind(Protocol[T]):
    """What the values of a setting are."""

    @property
    def expected(self) -> str:
        """What may be written, to follow "write "."""
        ...

    def read(self, text: str) -> T:
        """The value that a text means. Raises ValueError when it means none that is allowed."""
        ...

    def write(self, value: T) -> str:
        """The text that means the value."""
        ...


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number within limits."""

    least: int
    most: int

    @property
    def expected(self) -> str:
        return f"a whole number from {self.least:,} to {self.most:,}"

    def read(self, text: str) -> int:
        return _within(self.least, int(_match("([0-9]{1,9})", text)[1]), self.most)

    def write(self, value: int) -> str:
        return str(value)


@dataclass(frozen=True, slots=True)
class Word(Generic[W]):
    """One of a few words."""

    words: type[W]

    @property
    def expected(self) -> str:
        return " or ".join(self.words)

    def read(self, text: str) -> W:
        return self.words(text.casefold())

    def write(self, value: W) -> str:
        return value.value


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time within limits, in hours or days: `72h`, `30d`."""

    least: timedelta
    most: timedelta

    @property
    def expected(self) -> str:
        return f"{_span(self.least)} to {_span(self.most)}, in hours (72h) or days (30d)"

    def read(self, text: str) -> timedelta:
        number, unit = _match("([0-9]{1,6}) ?([hd])", text.casefold()).groups()
        return _within(self.least, int(number) * (_DAY if unit == "d" else _HOUR), self.most)

    def write(self, value: timedelta) -> str:
        return _span(value)


@dataclass(frozen=True, slots=True)
class Days:
    """A number of days within limits, `365d`, or `never` (None)."""

    least: int
    most: int

    @property
    def expected(self) -> str:
        return f"{self.least}d to {self.most}d (days), or never"

    def read(self, text: str) -> timedelta | None:
        if text.casefold() == "never":
            return None
        return _within(self.least, int(_match("([0-9]{1,6}) ?d", text)[1]), self.most) * _DAY

    def write(self, value: timedelta | None) -> str:
        return "never" if value is None else f"{value.days}d"


@dataclass(frozen=True, slots=True)
class Most:
    """A whole number that is not gone beyond, or `off` (None)."""

    least: int
    most: int

    @property
    def expected(self) -> str:
        return f"a whole number from {self.least:,} to {self.most:,}, or off"

    def read(self, text: str) -> int | None:
        if text.casefold() == "off":
            return None
        return _within(self.least, int(_match("([0-9]{1,9})", text)[1]), self.most)

    def write(self, value: int | None) -> str:
        return "off" if value is None else str(value)


@dataclass(frozen=True, slots=True)
class MainZones:
    """Time zones by calling code, beside those that are known: `62=Asia/Jakarta 7=Europe/Moscow`."""

    @property
    def expected(self) -> str:
        return "a calling code and a time zone, as 62=Asia/Makassar, more of them after a space"

    def read(self, text: str) -> Mapping[str, str]:
        zones = dict(MAIN_ZONES)
        if text.casefold() == "as known":
            return zones
        if not text:
            raise ValueError(text)
        for word in text.replace(",", " ").split():
            code, name = _match(r"\+?([1-9][0-9]{0,5})=([A-Za-z0-9_+/-]+)", word).groups()
            if name not in available_timezones():
                raise ValueError(name)
            zones[code] = name
        return zones

    def write(self, value: Mapping[str, str]) -> str:
        others = {code: zone for code, zone in value.items() if MAIN_ZONES.get(code) != zone}
        return " ".join(f"{code}={zone}" for code, zone in sorted(others.items())) or "as known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting(Generic[T]):
    """One setting. `what` is a sentence for a person, `example` a value to paste."""

    key: str
    default: T
    kind: Kind[T]
    unit: str | None = None
    what: str
    example: str

    def parse(self, text: str) -> T:
        """The value that a person means. Raises Refused, saying what can be written."""
        try:
            return self.kind.read(text.strip())
        except ValueError:
            raise Refused(
                f"setting {self.key}: {text[:40]!a} is not possible; write {self.kind.expected},"
                f" as in `setting set {self.key} {self.example}`"
            ) from None

    def text(self, value: T) -> str:
        """A value as it is kept and shown."""
        return self.kind.write(value)


def _match(pattern: str, text: str) -> re.Match[str]:
    match = re.fullmatch(pattern, text, re.IGNORECASE | re.ASCII)
    if match is None:
        raise ValueError(text)
    return match


def _within(least: S, value: S, most: S) -> S:
    if not least <= value <= most:
        raise ValueError(value)
    return value


def _span(value: timedelta) -> str:
    hours = value // _HOUR
    return f"{hours}h" if hours % 24 or hours <= 72 else f"{hours // 24}d"


MOST_SEGMENTS: Final = 31
"""What no setting goes beyond: the segments of a message are bits of an integer."""

SEGMENTS_MAX: Final = Setting(
    key="segments.max",
    default=10,
    kind=Whole(1, MOST_SEGMENTS),
    unit="segments",
    what="A message that needs more segments is refused, never cut.",
    example="4",
)
UNCERTAIN: Final = Setting(
    key="uncertain",
    default=Uncertain.RESEND,
    kind=Word(Uncertain),
    what=(
        "What becomes of a message that may have reached the carrier or not, 30 s after its"
        " response was lost: it is sent again, or held until `message resolve`."
    ),
    example="hold",
)
OPTOUT_SCOPE: Final = Setting(
    key="optout.scope",
    default=Scope.APPLICATION,
    kind=Word(Scope),
    what="What a STOP is from: all of the application, or only the list that it answers.",
    example="list",
)
OPTOUT_WINDOW: Final = Setting(
    key="optout.window",
    default=timedelta(hours=72),
    kind=Span(_HOUR, 90 * _DAY),
    unit="hours or days",
    what=(
        "How long after a campaign was completed a STOP still is an answer to it; a later one puts"
        " the number on the blacklist."
    ),
    example="7d",
)
RESPONSES_PER_HOUR: Final = Setting(
    key="responses.per_hour",
    default=5,
    kind=Whole(0, 1000),
    unit="messages",
    what="Auto-responses to one number in an hour; further MO get none. 0: no auto-responses.",
    example="3",
)
RETENTION_TEXT: Final[Setting[timedelta | None]] = Setting(
    key="retention.text",
    default=timedelta(days=365),
    # Not below a week: receipts are taken for 3 days, callbacks tried for 5, and a STOP needs the
    # message that it answers.
    kind=Days(7, 3650),
    unit="days",
    what=(
        "Age at which texts and numbers of messages and of the inbox are removed. Counts, consent,"
        " the blacklist and the members of lists stay."
    ),
    example="90d",
)
NUMBERS_MIN_DIGITS: Final = Setting(
    key="numbers.min_digits",
    default=MIN_DIGITS,
    kind=Whole(4, 15),
    unit="digits",
    what="The least digits of a mobile, its country code included.",
    example="9",
)
NUMBERS_MAX_DIGITS: Final = Setting(
    key="numbers.max_digits",
    default=MAX_DIGITS,
    kind=Whole(4, 15),  # ITU E.164 allows 15
    unit="digits",
    what="The most digits of a mobile, its country code included.",
    example="15",
)
CONFIRM_ABOVE: Final[Setting[int | None]] = Setting(
    key="confirm.above",
    default=None,
    kind=Most(1, 10_000_000),
    unit="recipients",
    what="A campaign to more recipients than this is made only when somebody confirms it.",
    example="10000",
)
QUOTA_DAILY: Final[Setting[int | None]] = Setting(
    key="quota.daily",
    default=None,
    kind=Most(1, 100_000_000),
    unit="messages",
    what=(
        "Messages that are sent in a day of the application, responses aside; what is over waits for"
        " the next one."
    ),
    example="100000",
)
FREQUENCY_CAP: Final[Setting[int | None]] = Setting(
    key="frequency.cap",
    default=None,
    kind=Most(1, 100),
    unit="campaigns",
    what=(
        "Campaigns that a number gets in a day of the application; those beyond it skip the number."
    ),
    example="2",
)
HOURS_MAIN_ZONE: Final[Setting[Mapping[str, str]]] = Setting(
    key="hours.main_zone",
    default=MAIN_ZONES,
    kind=MainZones(),
    what=(
        "With --recipient-time, the time zone of a country that has several, where they have no hour"
        " of the sending hours in common."
    ),
    example="62=Asia/Makassar",
)

SETTINGS: Final[Mapping[str, Setting[Any]]] = MappingProxyType(
    {
        setting.key: setting
        for setting in (
            CONFIRM_ABOVE,
            FREQUENCY_CAP,
            HOURS_MAIN_ZONE,
            NUMBERS_MIN_DIGITS,
            NUMBERS_MAX_DIGITS,
            OPTOUT_SCOPE,
            OPTOUT_WINDOW,
            QUOTA_DAILY,
            RESPONSES_PER_HOUR,
            RETENTION_TEXT,
            SEGMENTS_MAX,
            UNCERTAIN,
        )
    }
)
"""All of them, in the order of their keys."""


def find(key: str) -> Setting[Any]:
    """The setting of that key. Raises Refused, with the keys that may have been meant."""
    wanted = key.strip().casefold()
    if wanted in SETTINGS:
        return SETTINGS[wanted]
    parts = ", ".join(known for known in SETTINGS if len(wanted) > 2 and wanted in known)
    meant = did_you_mean(key, SETTINGS) or (f"; did you mean {parts}?" if parts else "")
    raise Refused(f"setting {key.strip()[:40]!a} not found{meant or '; see `setting ls`'}")


def check_together(value_of: Mapping[str, str]) -> None:
    """Refuse values that are fine alone and not with each other; `value_of` has every key."""
    least, most = (value_of[one.key] for one in (NUMBERS_MIN_DIGITS, NUMBERS_MAX_DIGITS))
    if int(least) > int(most):
        raise Refused(
            f"numbers.min_digits would be {least} and numbers.max_digits {most}: no number could"
            " be right; change the other one first"
        )
