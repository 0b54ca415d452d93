"""When to try again what could not be told (R-7.4, R-6.8)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

__all__ = ["FOR_MAIL", "Gaps", "next_attempt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaps:
    """The first gap, to which the next ones are double, up to `most_s`; given up after `for_s`."""

    first_s: float
    most_s: float
    for_s: float

    def gap_s(self, failures: int) -> float:
        """The gap after so many failures in a row (1, 2, …), before jitter."""
        return min(self.first_s * 2.0 ** min(max(failures - 1, 0), 40), self.most_s)

    def pause_s(self, failures: int, jitter: float) -> float:
        """That gap, less up to a fifth, as `jitter` (0 to 1) says."""
        return self.gap_s(failures) * (1 - 0.2 * jitter)


FOR_MAIL: Final = Gaps(first_s=60, most_s=3600, for_s=5 * 86_400)
"""What mail servers expect of each other (RFC 5321 §4.5.4.1: four to five days)."""


def next_attempt(
    gaps: Gaps, failures: int, first_at: datetime, now: datetime, jitter: float
) -> datetime | None:
    """When what has failed so often is tried again; None: it is given up.

    `first_at` is when it was tried first: the time that it waited before that does not count.
    """
    if now - first_at >= timedelta(seconds=gaps.for_s):
        return None
    return now + timedelta(seconds=gaps.pause_s(failures, jitter))
