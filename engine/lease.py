"""How long a node may go on writing after it last renewed its lease (design: several nodes).

A process can be stopped between COMMIT and write, for as long as it takes (SIGSTOP, a suspended
machine, a host that swaps), and go on as if nothing had been. Another node may have taken over by
then what it has marked. So what is written is held against a clock that goes on meanwhile, and
half of the lease is given away for that clock and the database's to differ.
"""

from dataclasses import dataclass
from math import inf


@dataclass(slots=True)
class Lease:
    """Holds `good_for_s` from the moment that the last renewal was asked for: `clock.boottime()`."""

    good_for_s: float
    _until: float = -inf

    def renewed(self, asked_at: float) -> None:
        """The database has renewed it, some time after `asked_at`."""
        self._until = asked_at + self.good_for_s

    def holds(self, at: float) -> bool:
        """Whether nobody can have taken it over at `at`."""
        return at < self._until
