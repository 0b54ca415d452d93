"""All clocks of a session as one value that is told the time (SMPP 3.4 §2.9, §7.2; R-5.1).

`Timers` reads no clock. It knows the phase's deadline (bind, session init, unbind) and whether
the peer is still there: after a silence comes an enquire_link; an answer that does not come is a
miss; some misses in a row end the session. Any whole PDU counts as a sign of life, half a one
does not: half a PDU and silence is ended in the same way.
"""

from dataclasses import dataclass
from enum import Enum, auto


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Durations in seconds, and how often. The defaults are what most carriers expect."""

    enquire_after_s: float = 25.0
    """Silence after which we ask; some SMSCs drop at 30 s idle."""
    enquire_timeout_s: float = 10.0
    enquire_misses: int = 2
    response_timeout_s: float = 60.0
    """A submit_sm without response for so long has an unknown outcome (R-8.2)."""
    response_timeouts: int = 3
    """So many times in a row with no response in between, and the session is ended."""
    bind_timeout_s: float = 10.0
    session_init_s: float = 10.0
    """How long an SMSC waits for the bind."""
    unbind_timeout_s: float = 5.0
    write_timeout_s: float = 30.0
    """How long a peer may take nothing before the session is ended."""


class Due(Enum):
    """What a tick found."""

    NOTHING = auto()
    ENQUIRE = auto()  # send an enquire_link
    BUSY = auto()  # it went unanswered, but the peer talks: it lives; send another
    DEAD = auto()  # too many went unanswered
    PHASE = auto()  # bind, session init or unbind took too long


class Timers:
    """The clocks of one session. Times are seconds of any one monotonic clock."""

    __slots__ = ("_asked_at", "_bound", "_heard_at", "_misses", "_phase_at", "timing")

    def __init__(self, timing: Timing) -> None:
        self.timing = timing
        self._phase_at: float | None = None
        self._bound = False
        self._heard_at = 0.0
        self._asked_at: float | None = None
        self._misses = 0

    def phase(self, until: float) -> None:
        """A phase begins that must be over at `until`; silence is not watched in it."""
        self._phase_at = until
        self._bound = False

    def bound(self, now: float) -> None:
        """The session stands; from now on silence is watched."""
        self._phase_at = None
        self._bound = True
        self._heard_at = now

    def heard(self, now: float) -> None:
        """A whole PDU came."""
        self._heard_at = now

    def answered(self) -> None:
        """An enquire_link_resp came."""
        self._asked_at = None
        self._misses = 0

    def asked(self, now: float) -> None:
        """An enquire_link goes out."""
        self._asked_at = now

    def due(self, now: float) -> Due:
        """What has to be done at `now`; ask again after doing it."""
        if self._phase_at is not None and now >= self._phase_at:
            return Due.PHASE
        if not self._bound:
            return Due.NOTHING
        if self._asked_at is None:
            silent = now >= self._heard_at + self.timing.enquire_after_s
            return Due.ENQUIRE if silent else Due.NOTHING
        if now < self._asked_at + self.timing.enquire_timeout_s:
            return Due.NOTHING
        busy = self._heard_at > self._asked_at
        self._asked_at = None
        if busy:
            self._misses = 0
            return Due.BUSY
        self._misses += 1
        return Due.DEAD if self._misses >= self.timing.enquire_misses else Due.ENQUIRE

    def next_deadline(self) -> float | None:
        """When `due` wants to be asked next."""
        deadline = self._phase_at
        if self._bound:
            if self._asked_at is None:
                link = self._heard_at + self.timing.enquire_after_s
            else:
                link = self._asked_at + self.timing.enquire_timeout_s
            deadline = link if deadline is None else min(deadline, link)
        return deadline
