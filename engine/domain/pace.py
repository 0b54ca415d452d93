"""How fast a carrier is sent to: what is configured, and what it lets us (R-5.4).

Counted in PDUs. `Bucket` is a plain limit, for a bind; `Pace` is one for a whole carrier that
learns: a value that is told the time and what was answered, and belongs to the carrier, so that a
new session begins with what the last one had learned.

    throttled           the rate falls to what was accepted in the last second; from there it grows
                        by 1 % every 10 s up to 98 % of the rate that was refused. A minute later
                        it tries 2 % more for a second; where that goes well it stays, and 10 s later
                        tries twice as much more, so that a limit that has gone is soon forgotten.
    nothing accepted    a pause of 1 s, doubling up to 30 s; then one PDU, until one is accepted.
    queue full          above 5 % of the answers of 10 s: half the rate, and grow again.
    congestion_state    to 79 grow, to 89 hold, to 99 four fifths, 100 half and a pause of 1 s: at
                        most once a second.

The 1 % is of where the rate grows to, not of where it is: from a deep fall it would else take hours.
True at all times: a rate of 0 is no limit and nothing is divided by it; nobody waits longer than a
pause and one PDU's time; the rate is never below a tenth of a PDU a second, so it always comes back.
"""

import math
from collections import deque
from typing import Final

__all__ = ["NO_LIMIT", "Bucket", "Pace"]

NO_LIMIT: Final = 1_000_000
"""What may be sent at once when nothing limits it: more than any window."""

BURST_S: Final = 0.1
"""What was not sent in time is made up for to this extent: a turn may be late. An SMSC that counts by
the second takes what is made up for as too much (simulated: a fifth of a second, and a limit of 500/s
was held at 450)."""
BATCH_S: Final = 0.01
"""So much of a second's worth goes out at once: at most 100 turns a second, not one a PDU. Larger
batches are taken as too much, too."""
SLOWEST: Final = 0.1

GROW_EVERY_S: Final = 10.0
GROW_BY: Final = 0.01
BELOW_REFUSED: Final = 0.98
PROBE_EVERY_S: Final = 60.0
PROBE_AGAIN_S: Final = 10.0
PROBE_BY: Final = 0.02
PROBE_S: Final = 1.0
PROBE_LEAST: Final = 10
"""PDUs that a try takes at least, however slow."""
PAUSE_FIRST_S: Final = 1.0
PAUSE_LONGEST_S: Final = 30.0
REACT_S: Final = 1.0
"""A few refusals say the same, for what was sent before the first was heard of."""
MANY: Final = 0.1
"""A share of refusals above this one is reacted to each time: the limit is far below the rate."""
FULL_SHARE: Final = 0.05
FULL_S: Final = 10.0
FULL_LEAST: Final = 20
"""Answers of which a share of full queues means anything."""
SAMPLE: Final = 20
"""A rate is measured over a second, or as long as so many PDUs take, but never over more than 10."""
YOUNGEST_S: Final = 0.02
SILENCE_S: Final = 5.0
"""So long without a PDU either way, and it is a silence: answers take less."""

_EPSILON: Final = 1e-6


class Bucket:
    """At most `rate` PDUs a second, 0: no limit. Times are seconds of any one monotonic clock.

    More may be sent at once than `allow` says, for the segments of one message go together: then
    nothing is allowed until that is made up for.
    """

    __slots__ = ("_at", "_rate", "_tokens")

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._at = now
        self._tokens = self._most()

    @property
    def rate(self) -> float:
        """PDUs a second; 0: no limit."""
        return self._rate

    def set_rate(self, rate: float, now: float) -> None:
        """Another rate from now on."""
        self._fill(now)
        self._rate = rate
        self._tokens = min(self._tokens, self._most())

    def allow(self, now: float) -> int:
        """How many PDUs may go out now: none, until it is worth a turn."""
        if not self._rate:
            return NO_LIMIT
        self._fill(now)
        return int(self._tokens + _EPSILON) if self._tokens + _EPSILON >= self._batch() else 0

    def sent(self, n: int) -> None:
        """So many go out; less than nothing: they did not, after all."""
        if self._rate:
            self._tokens = min(self._tokens - n, self._most())

    def next_at(self, now: float) -> float:
        """When `allow` will say something; `now` when it does."""
        if not self._rate or self.allow(now):
            return now
        return now + (self._batch() - self._tokens) / self._rate

    def _most(self) -> float:
        return max(1.0, self._rate * BURST_S)

    def _batch(self) -> float:
        return max(1.0, self._rate * BATCH_S)

    def _fill(self, now: float) -> None:
        self._tokens = min(self._tokens + (now - self._at) * self._rate, self._most())
        self._at = now


class Pace:
    """A carrier's limit: the configured one, or a lower one that it has taught us."""

    __slots__ = (
        "_active_at",
        "_answers",
        "_bucket",
        "_busy_since",
        "_cautious",
        "_congested_at",
        "_fulls",
        "_grow_at",
        "_halved_at",
        "_hold_until",
        "_learned",
        "_limit",
        "_part",
        "_pause_s",
        "_paused_until",
        "_probe",
        "_probe_at",
        "_probe_by",
        "_probe_s",
        "_probe_until",
        "_reacted_at",
        "_refused",
        "_target",
    )

    def __init__(self, rate: float, now: float) -> None:
        self._limit = rate
        self._part = 1.0
        self._bucket = Bucket(rate, now)
        # What it lets us, None: as much as is configured. It grows to 98 % of `_refused`, the rate
        # at which it last refused; or to `_target`, the rate before it was halved, and ends there.
        self._learned: float | None = None
        self._refused: float | None = None
        self._target: float | None = None
        self._grow_at = now
        self._hold_until = now
        self._reacted_at = self._halved_at = self._congested_at = -math.inf
        self._probe_at = math.inf
        self._probe_until: float | None = None
        self._probe_by = PROBE_BY
        self._probe_s = PROBE_S
        self._probe = 0.0
        self._pause_s = 0.0
        self._paused_until = -math.inf
        self._cautious = False
        self._answers: deque[tuple[float, int, int]] = deque()  # at, accepted, throttled
        self._fulls: deque[tuple[float, int]] = deque()
        self._active_at = -math.inf
        self._busy_since = now

    # ---- sending ------------------------------------------------------------------------------

    def allow(self, now: float) -> int:
        """How many PDUs may go out now; see `Bucket.allow`."""
        self._pass(now)
        if now < self._paused_until or (self._limit and not self._part):
            return 0
        allowed = self._bucket.allow(now)
        return min(allowed, 1) if self._cautious else allowed

    def sent(self, n: int, now: float) -> None:
        """So many go out; less than nothing: they did not, after all (a turn that failed)."""
        self._bucket.sent(n)
        self._busy(now)
        if self._cautious and n > 0:
            self._paused_until = max(self._paused_until, now + PAUSE_FIRST_S)

    def next_at(self, now: float) -> float:
        """When `allow` will say something; `now` when it does."""
        self._pass(now)
        if self._limit and not self._part:
            return math.inf
        return max(now, self._paused_until, self._bucket.next_at(now))

    def rate(self, now: float) -> float:
        """PDUs a second at present, the lower of what is configured and what is let; 0: no limit."""
        self._pass(now)
        return self._bucket.rate

    @property
    def configured(self) -> float:
        """What the configuration says; 0: no limit."""
        return self._limit

    def configure(self, rate: float, now: float) -> None:
        """The configuration says otherwise now; what was learned stays where it is lower."""
        self._limit = rate
        self._apply(now)

    def share(self, part: float, now: float) -> None:
        """Other nodes send to the carrier, too: only this part of what is configured is ours.

        0: nothing may go out here. Where nothing is configured, there is nothing to share.
        """
        self._part = part
        self._apply(now)

    # ---- learning -----------------------------------------------------------------------------

    def accepted(self, n: int, now: float) -> None:
        """So many were answered, and not for being too many. Of one read, tell this first."""
        self._note(now, n, 0)
        self._pause_s = 0.0
        if self._cautious:
            self._cautious = False
            self._paused_until = now
        self._pass(now)

    def throttled(self, n: int, now: float) -> None:
        """So many were refused with ESME_RTHROTTLED."""
        self._pass(now)
        self._note(now, 0, n)
        current = self._bucket.rate
        accepted, refused, span_s = self._measure(now)
        if not accepted:
            self._pause_more(now)
            return
        share = refused / (accepted + refused)
        if now < self._reacted_at + REACT_S and share <= MANY:
            return
        self._reacted_at = now
        let, tried = accepted / span_s, (accepted + refused) / span_s
        if current and share <= MANY and tried >= current * 0.9:
            let, tried = current * (1 - share), current  # a second's count is a rough one
        elif current:
            let = min(let, current)
        self._refused = tried
        self._target = None
        self._learned = max(SLOWEST, min(let, tried * BELOW_REFUSED))
        self._grow_at = now + GROW_EVERY_S
        self._probe_until = None
        self._probe_by = PROBE_BY
        self._probe_at = now + PROBE_EVERY_S
        self._apply(now)

    def queue_full(self, n: int, now: float) -> None:
        """So many were refused with ESME_RMSGQFUL."""
        self._pass(now)
        self._note(now, n, 0)  # an answer, and the pace is another matter
        self._fulls.append((now, n))
        while self._fulls[0][0] <= now - FULL_S:
            self._fulls.popleft()
        full = sum(count for _, count in self._fulls)
        answered = sum(a + t for at, a, t in self._answers if at > now - FULL_S)
        many = answered >= FULL_LEAST and full > answered * FULL_SHARE
        if many and now >= self._halved_at + FULL_S:
            self._halved_at = now
            self._reduce(0.5, now)

    def congestion(self, state: int, now: float) -> None:
        """A response had a congestion_state (SMPP 5.0 §4.8.4.18), 0 to 100."""
        self._pass(now)
        if state < 80:
            self._hold_until = now
            return
        self._hold_until = now + GROW_EVERY_S
        if state < 90 or now < self._congested_at + REACT_S:
            return
        self._congested_at = now
        self._reduce(0.8 if state < 100 else 0.5, now)
        if state >= 100:
            self._paused_until = max(self._paused_until, now + PAUSE_FIRST_S)

    # ---- inside -------------------------------------------------------------------------------

    def _pass(self, now: float) -> None:
        """What the passing of time brings: growth, and tries above what was refused."""
        if self._learned is None:
            return
        if self._probe_until is not None:
            if now < self._probe_until:
                return
            self._probed(now)
        if now < self._hold_until:
            self._grow_at = max(self._grow_at, now + GROW_EVERY_S)
            return
        ceiling = self._ceiling()
        if self._learned < ceiling and now >= self._grow_at:
            steps = 1 + int((now - self._grow_at) / GROW_EVERY_S)
            self._grow_at += steps * GROW_EVERY_S
            self._learned = min(self._learned + steps * ceiling * GROW_BY, ceiling)
            self._apply(now)
        elif self._learned >= ceiling:
            self._grow_at = now + GROW_EVERY_S
        if self._learned is not None and now >= self._probe_at:
            more = self._learned * (1 + self._probe_by)
            self._probe = more if self._learned >= ceiling else min(more, ceiling)
            self._probe_s = max(PROBE_S, PROBE_LEAST / self._probe)
            self._probe_until = now + self._probe_s
            self._apply(now)

    def _probed(self, now: float) -> None:
        """The try is over and was not refused: stay there if it was one."""
        began_at = (self._probe_until or now) - self._probe_s
        self._probe_until = None
        self._probe_at = now + PROBE_AGAIN_S
        accepted = sum(a for at, a, _ in self._answers if at > began_at)
        if self._learned is not None and accepted >= self._learned * self._probe_s * 0.9:
            ceiling = self._ceiling()
            # Twice as much the next time; but above what was once refused, little at first.
            self._probe_by = (
                PROBE_BY if self._learned < ceiling <= self._probe else self._probe_by * 2
            )
            self._learned = self._probe
            self._refused = max(self._refused or 0.0, self._learned / BELOW_REFUSED)
        self._apply(now)

    def _ceiling(self) -> float:
        """What the learned rate grows to."""
        if self._refused is not None:
            ceiling = self._refused * BELOW_REFUSED
        elif self._target is not None:
            ceiling = self._target
        else:
            ceiling = math.inf
        return min(ceiling, self._ours()) if self._limit else ceiling

    def _ours(self) -> float:
        """What of the configured rate is ours."""
        return self._limit * self._part if self._part else SLOWEST

    def _reduce(self, factor: float, now: float) -> None:
        """A part of the present rate, or of what goes out when there is none."""
        base = self._bucket.rate
        if not base:
            accepted, refused, span_s = self._measure(now)
            base = (accepted + refused) / span_s
        if self._learned is None or self._target is not None:
            self._target = max(base, self._target or 0.0)
        self._probe_until = None
        self._learned = max(SLOWEST, base * factor)
        self._grow_at = now + GROW_EVERY_S
        self._apply(now)

    def _apply(self, now: float) -> None:
        """Put the learned rate in force, or forget it where it is no longer the lower one."""
        if self._learned is not None:
            enough = self._limit and self._learned >= self._ours()
            back = self._refused is None and self._target is not None
            if enough or (back and self._learned >= (self._target or 0.0)):
                self._learned = self._refused = self._target = self._probe_until = None
                self._probe_at = math.inf
        rate = self._ours() if self._limit else 0.0
        if self._learned is not None:
            learned = self._learned if self._probe_until is None else self._probe
            rate = min(learned, rate) if rate else learned
        if rate != self._bucket.rate:
            self._bucket.set_rate(rate, now)

    def _busy(self, now: float) -> None:
        if now >= self._active_at + SILENCE_S:
            self._busy_since = now
        self._active_at = now

    def _note(self, now: float, accepted: int, throttled: int) -> None:
        self._busy(now)
        self._answers.append((now, accepted, throttled))
        while self._answers[0][0] <= now - FULL_S:
            self._answers.popleft()

    def _measure(self, now: float) -> tuple[int, int, float]:
        """What was accepted and what throttled lately, and in how many seconds that was."""
        rate = self._bucket.rate
        span_s = min(max(1.0, SAMPLE / rate), FULL_S) if rate else 1.0
        accepted = refused = 0
        for at, a, t in reversed(self._answers):
            if at <= now - span_s:
                break
            accepted, refused = accepted + a, refused + t
        # After a silence the seconds count from its end, or the rate would come out too low.
        return accepted, refused, min(span_s, max(now - self._busy_since, YOUNGEST_S))

    def _pause_more(self, now: float) -> None:
        """Nothing is accepted: wait, longer each time; once for what was under way together."""
        if now < self._paused_until:
            return
        self._pause_s = min(max(self._pause_s * 2, PAUSE_FIRST_S), PAUSE_LONGEST_S)
        self._paused_until = now + self._pause_s
        self._cautious = True
