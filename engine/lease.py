"""How long one may go on writing after a lease was last renewed (design: several nodes).

A process can be stopped between COMMIT and write, for as long as it takes (SIGSTOP, a suspended
machine, a host that swaps), and go on as if nothing had been. Another node may have taken over by
then what it has marked. So what is written is held against a clock that goes on meanwhile, and
half of the lease is given away for that clock and the database's to differ.
"""

from dataclasses import dataclass, field
from math import inf

import trio


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


@dataclass(slots=True)
class NodeLease:
    """A node's hold of its epoch.

    Who could not renew its own lease knows nothing about others' either: after an outage of the
    database all have run out, of nodes that live. So a node takes over from others only when it has
    renewed its own without a break for as long as a lease is good (`steady`).
    """

    node_id: int
    epoch: int
    lease_s: float
    """So long it is good in the database, from each renewal on."""
    doubted: trio.Event = field(default_factory=trio.Event)
    """Set: somebody has found the epoch over; whoever keeps the lease should look at once."""
    _lease: Lease = field(init=False)
    _since: float = inf

    def __post_init__(self) -> None:
        self._lease = Lease(self.lease_s / 2)

    def renewed(self, asked_at: float) -> None:
        """See `Lease.renewed`."""
        if not self._lease.holds(asked_at):
            self._since = asked_at
        self._lease.renewed(asked_at)

    def holds(self, at: float) -> bool:
        """See `Lease.holds`."""
        return self._lease.holds(at)

    def steady(self, at: float) -> bool:
        """Whether the silence of others means them: this one has been heard all the time."""
        return self.holds(at) and at - self._since >= self.lease_s

    def doubt(self) -> None:
        """The epoch seems to be over."""
        self.doubted.set()
