"""Whether an endpoint is left alone: a circuit breaker (R-7.4).

    closed    everything is posted; after FAILURES in a row without a good answer: open
    open      nothing is posted until the pause is over; what is due stays due, and no attempt is
              counted against it; then: probing
    probing   one event is posted; a good answer closes it, a failure opens it for twice as long

Each probe is another event (the one before it waits for its own next attempt), so a row of probes
costs no event more attempts than it would have had. Any answer that settles an event is a good
one, also one that parks it: the endpoint is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from engine.domain.retry import Gaps

__all__ = ["FAILURES", "PAUSES", "Breaker"]

FAILURES: Final = 10
"""In a row. An endpoint that fails one in five at random has so many once in ten million."""

PAUSES: Final = Gaps(first_s=1, most_s=300, for_s=float("inf"))


@dataclass(slots=True)
class Breaker:
    """The state of one endpoint. Times are of a clock that only goes on."""

    pauses: Gaps = PAUSES
    failures: int = 0
    """In a row."""
    trips: int = 0
    """How often in a row it was opened; 0: it is closed."""
    until: float = 0.0
    """Nothing is posted before."""

    def allowed(self, most: int, now: float) -> int:
        """How many may be under way: `most`, one (a probe), or none."""
        if now < self.until:
            return 0
        return 1 if self.trips else most

    def good(self) -> bool:
        """An event was settled. Whether that ends a pause."""
        ended = self.trips > 0
        self.failures = self.trips = 0
        self.until = 0.0
        return ended

    def failed(
        self,
        now: float,
        jitter: float,
        *,
        retry_after_s: float | None = None,
        at_once: bool = False,
    ) -> bool:
        """One could not be told now; an endpoint that says when, is left alone until then.

        `at_once`: no other one can, either (there is no token). Whether that opens a breaker that was closed. What was under way when it was opened counts
        no more.
        """
        self.failures += 1
        if retry_after_s is not None:
            first = self.trips == 0
            self.trips = max(self.trips, 1)
            self.until = max(self.until, now + retry_after_s)
            return first
        few = self.failures < FAILURES and not at_once
        if now < self.until or (self.trips == 0 and few):
            return False
        self.trips += 1
        self.until = now + self.pauses.pause_s(self.trips, jitter)
        return self.trips == 1
