"""How long a campaign will take: what goes out a second, its own rate, the hours in which it may (R-2.5)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from engine.domain.hours import Hours

_WINDOWS: Final = 1_000
"""Windows looked through: a campaign that needs more than so many days is not sent so."""


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

    `ends_at` is when the last one goes out, if nothing else has the turn; None when that isn't
    known either, or not within years.
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
) -> Estimate:
    """Estimate a campaign that has the turn from `start` on; `rate` is its own, in messages."""
    first = start if hours is None else hours.opens_at(start)
    speeds = [lane.speed for lane in lanes]
    known = [speed for speed in speeds if speed]
    times = []
    if known and len(known) == len(speeds):
        times.append(segments / sum(known))
    if rate is not None:
        times.append(messages / rate)
    if not times:
        return Estimate(sending_s=None, starts_at=first, ends_at=None)
    sending_s = max(times)
    return Estimate(sending_s=sending_s, starts_at=first, ends_at=_end(first, sending_s, hours))


def _end(first: datetime, sending_s: float, hours: Hours | None) -> datetime | None:
    """When so many seconds of open windows have passed since `first`."""
    if sending_s > _WINDOWS * 86_400:
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
