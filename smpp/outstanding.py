"""What was asked and not answered yet, by sequence number.

One timeout for all, so the order of asking is the order of the deadlines, and a dict, which
keeps that order, is the queue. What timed out is remembered a good while, because its answer may
still come (R-5.3).
"""

from typing import Final

from smpp.events import Token

LATE_KEPT: Final = 10_000
"""Timed-out requests that a late response can still be matched with; the oldest go first."""


class Outstanding:
    """The requests of one session. `waiting` is open to the hot path: sequence → (token, sent)."""

    __slots__ = ("_late", "_timeout_s", "waiting")

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self.waiting: dict[int, tuple[Token, float]] = {}
        self._late: dict[int, tuple[Token, float]] = {}

    def take_late(self, sequence: int) -> tuple[Token, float] | None:
        """The request that had timed out, and is answered after all."""
        return self._late.pop(sequence, None)

    def expire(self, now: float) -> list[Token]:
        """Give up waiting for what was asked too long ago; their tokens, oldest first."""
        expired: list[int] = []
        for sequence, (_, sent_at) in self.waiting.items():
            if now < sent_at + self._timeout_s:
                break
            expired.append(sequence)
        tokens: list[Token] = []
        for sequence in expired:
            late = self._late[sequence] = self.waiting.pop(sequence)
            tokens.append(late[0])
        while len(self._late) > LATE_KEPT:
            del self._late[next(iter(self._late))]
        return tokens

    def next_deadline(self) -> float | None:
        """When the oldest will have waited too long."""
        for _, sent_at in self.waiting.values():
            return sent_at + self._timeout_s
        return None

    def abandon(self) -> list[Token]:
        """All tokens that still wait, which nothing will be heard of any more."""
        tokens = [token for token, _ in self.waiting.values()]
        self.waiting.clear()
        return tokens
