"""Whether the database is away, judged by how turns end (R-8.1).

A full disk takes some transactions and refuses others. So one that committed proves little: back is
a database that took what it refused before.
"""

import math
from dataclasses import dataclass, field
from typing import Final

__all__ = ["AGAIN_S", "SILENT_S", "STEADY_S", "Outage"]

AGAIN_S: Final = 30.0
"""A database that stays away is told of again this often."""

STEADY_S: Final = 30.0
"""So long after the last failure turns that have nothing to write are proof enough."""


SILENT_S: Final = 5.0
"""A turn that takes so long waits for a database that says nothing: no transaction of ours does."""


@dataclass(slots=True)
class Outage:
    """What the turns of a node, by their numbers, have found. Times are of any monotonic clock."""

    away: bool = False
    _open: dict[int, float] = field(default_factory=dict)
    """Turns under way, and when they began."""
    _told_at: float = -math.inf
    _failed_at: float = -math.inf
    _up_to: int = 0
    """Turns up to this one have not all that was refused: it was put back after they had begun."""
    _writes: bool = False
    """Whether something that must be written was refused."""

    def begun(self, number: int, now: float) -> None:
        """A turn begins."""
        self._open[number] = now

    def silent(self, now: float) -> bool:
        """Whether a turn is waiting for an answer for so long that it is to be said."""
        if all(now - began < SILENT_S for began in self._open.values()):
            return False
        return self._tell(now)

    def failed(self, number: int, now: float, *, writes: bool) -> bool:
        """The database was not to be had, or refused it; whether that is to be said.

        `writes`: it had something in its hands, which the next turn will have.
        """
        self._failed_at = now
        self._writes = self._writes or writes
        return self._tell(now)

    def put_back(self, number: int, latest: int) -> None:
        """What a turn that failed had is there for the turns after `latest`."""
        self._open.pop(number, None)
        self._up_to = max(self._up_to, latest)

    def committed(self, number: int, now: float, *, wrote: bool) -> bool:
        """A turn has committed; whether the database is back by that."""
        self._open.pop(number, None)
        if not self.away or number <= self._up_to:
            return False
        if any(other < number for other in self._open):
            return False  # that one may have what was refused
        if self._writes and not wrote and now - self._failed_at < STEADY_S:
            return False
        self.away = self._writes = False
        return True

    def answered(self, number: int) -> bool:
        """A turn turned out to be committed; whether the database is back by that."""
        self._open.pop(number, None)
        was_away, self.away, self._writes = self.away, False, False
        return was_away

    def _tell(self, now: float) -> bool:
        tell = not self.away or now - self._told_at >= AGAIN_S
        if tell:
            self._told_at = now
        self.away = True
        return tell
