"""What a person writes about a campaign beyond its text: pace, time limit, parts (R-3.6, R-3.9)."""

import re
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from engine.domain.campaign import SLOT, Scheduled, time_of
from engine.domain.errors import Refused

FASTEST: Final = 100_000.0
"""Messages a second that a rate can name: beyond it somebody has mistyped."""

MOST_PARTS: Final = 1_000
"""Campaigns that one file is split into: each is a list, a campaign and a turn of its own."""

LONGEST_GAP: Final = timedelta(days=7)

_RATE: Final = re.compile(r"([0-9]{1,7}(?:\.[0-9]{1,3})?) ?/ ?(s|m)[a-z]*", re.ASCII)
_EVERY: Final = re.compile(r"(?:([0-9]{1,3}) ?h)? ?(?:([0-9]{1,4}) ?m)?", re.ASCII)


def rate_of(text: str) -> float:
    """The messages a second that `text` means. Raises Refused.

    >>> rate_of("50/s"), rate_of("300/m")
    (50.0, 5.0)
    """
    match = _RATE.fullmatch(text.strip().casefold())
    if match is None:
        raise Refused(f"rate {text[:40]!a}: write it as 50/s (a second) or 300/m (a minute)")
    rate = float(match[1]) / (60 if match[2] == "m" else 1)
    if not 0 < rate <= FASTEST:
        raise Refused(
            f"rate {text[:40]!a}: at least one message in some time, at most {FASTEST:,.0f}/s; "
            "without a rate it goes as fast as the carriers take it"
        )
    return rate


def rate_text(rate: float) -> str:
    """A rate as a person writes it: a second where that is a whole number, else a minute."""
    if rate == int(rate):
        return f"{int(rate)}/s"
    minute = round(rate * 60, 3)
    return f"{minute:g}/m" if minute < 100_000 else f"{rate:.3f}/s"


def limit(text: str, zone: ZoneInfo, start: datetime, now: datetime) -> Scheduled:
    """The time after which nothing more of a campaign goes out; on a slot or not (R-3.9).

    Raises Refused for what is no time, in the past, or not after the start.
    """
    written = time_of(text, zone)
    if written.at_utc <= now:
        raise Refused(f'not-after "{text}": is in the past; everything would expire at once')
    if written.at_utc <= start:
        raise Refused(
            f'not-after "{text}": is not after the start, {start.astimezone(zone):%Y-%m-%d %H:%M} '
            f"({zone.key}); everything would expire"
        )
    return written


def every(text: str) -> timedelta:
    """The time between two parts of a split file: `30m`, `1h`, `1h30m`. Raises Refused."""
    match = _EVERY.fullmatch(text.strip().casefold())
    if match is None or not any(match.groups()):
        raise Refused(f"every {text[:40]!a}: write it as 30m, 1h or 1h30m")
    gap = timedelta(hours=int(match[1] or 0), minutes=int(match[2] or 0))
    if gap % SLOT or not SLOT <= gap <= LONGEST_GAP:
        raise Refused(
            f"every {text[:40]!a}: write a multiple of 10 minutes, from 10m to "
            f"{LONGEST_GAP // timedelta(hours=1)}h"
        )
    return gap


def starts(first: datetime, zone: ZoneInfo, gap: timedelta, parts: int) -> list[datetime]:
    """When each part of a split file starts: the first at `first`, the others on slots after it.

    Real time passes between two of them, whatever the clocks do meanwhile: none is skipped, and no
    two fall together. What a zone's clocks change by are whole slots, so a slot stays one.
    """
    local = first.astimezone(zone)
    past = timedelta(
        minutes=local.minute % 10, seconds=local.second, microseconds=local.microsecond
    )
    base = first - past + SLOT if past else first
    return [first, *(base + gap * n for n in range(1, parts))]


def parts_of(members: int, size: int) -> int:
    """How many parts a file of so many recipients is split into. Raises Refused for too many."""
    if size < 1:
        raise Refused("split: write how many recipients a part has, at least 1")
    parts = -(-members // size)
    if parts > MOST_PARTS:
        raise Refused(
            f"split {size}: {members:,} recipients would be {parts:,} campaigns, at most "
            f"{MOST_PARTS:,} are made; write at least {-(-members // MOST_PARTS):,}"
        )
    return parts
