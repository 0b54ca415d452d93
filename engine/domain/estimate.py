"""How long a campaign will take: what goes out a second, its own rate, the hours in which it may (R-2.5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from engine.domain.hours import Hours

_WINDOWS: Final = 1_000
"""Windows looked through: a campaign that needs more than so many days is not sent so."""

_LONG_S: Final = _WINDOWS * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """What one carrier takes: `rate` segments a second, 0 without a limit, over binds that have
    `window` segments outstanding and are answered after `latency_s` (None: not known).
    """

    carrier: str
    rate: float
    window: int
    latency_s: float | None

    @property
    def speed(self) -> float | None:
        """Segments a second; None when nothing limits it that is known."""
        by_window = self.window / self.latency_s if self.latency_s else None
        if not self.rate:
            return by_window
        return self.rate if by_window is None else min(self.rate, by_window)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """`sending_s` is the time that the sending itself takes, None when nothing is known to limit it.

    `ends_at` is when the last one goes out; None when that isn't known either, or not within years.
    """

    sending_s: float | None
    starts_at: datetime
    ends_at: datetime | None


def estimate(
    *,
    segments: int,
    messages: int,
    lanes: list[Lane],
    rate: float | None,
    start: datetime,
    hours: Hours | None,
    ahead: int = 0,
    opens: Sequence[tuple[datetime, int]] = (),
) -> Estimate:
    """Estimate a campaign that is due at `start`; `rate` is its own, in messages.

    `ahead` messages of others have the turn before it, as many segments each as its own. `opens`:
    when the hours of how many of its recipients open, by their own clocks, in place of `hours`;
    they are taken to be open for as long as it takes then.
    """
    speeds = [lane.speed for lane in lanes]
    speed = sum(one for one in speeds if one) if all(speeds) else 0.0
    times = []
    if speed:
        times.append(segments / speed)
        start += timedelta(seconds=min(ahead * segments / max(messages, 1) / speed, _LONG_S))
    if rate is not None:
        times.append(messages / rate)
    opens = sorted((max(at, start), n) for at, n in opens)
    first = opens[0][0] if opens else start if hours is None else hours.opens_at(start)
    if not times:
        return Estimate(sending_s=None, starts_at=first, ends_at=None)
    sending_s = max(times)
    ends_at = _last(opens, sending_s) if opens else _end(first, sending_s, hours)
    return Estimate(sending_s=sending_s, starts_at=first, ends_at=ends_at)


def _last(opens: Sequence[tuple[datetime, int]], sending_s: float) -> datetime | None:
    """When the last recipient had a turn: each is sent to from when the own hours open."""
    if sending_s > _LONG_S:
        return None
    each = sending_s / sum(n for _, n in opens)
    at = opens[0][0]
    for open_at, n in opens:
        at = max(at, open_at) + timedelta(seconds=each * n)
    return at


def _end(first: datetime, sending_s: float, hours: Hours | None) -> datetime | None:
    """When so many seconds of open windows have passed since `first`."""
    if sending_s > _LONG_S:
        return None
    left, at = timedelta(seconds=sending_s), first
    if hours is None:
        return at + left
    for _ in range(_WINDOWS):
        closes = hours.next_change(at)
        if closes is None or at + left <= closes:
            return at + left
        left -= closes - at
        at = hours.opens_at(closes)
    return None
