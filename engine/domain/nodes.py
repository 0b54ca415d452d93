"""Where a node stands, by what its row says (R-8.4).

up        its lease is good
draining  up, and to launch nothing; some answers are still out
drained   up, idle: it takes receipts and MO, and launches nothing until that is taken back
silent    its lease has run out a moment ago: nobody has taken it over yet
lost      it was taken over, and has not come back
stopped   it has ended as it should
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

__all__ = ["SKEW_S", "Facts", "NodeState", "lone_routes", "state_of"]

SKEW_S: Final = 2.0
"""Clocks further apart than this somebody should look at; leases go by the database's alone."""


class NodeState(StrEnum):
    """Where a node stands."""

    UP = "up"
    DRAINING = "draining"
    DRAINED = "drained"
    SILENT = "silent"
    LOST = "lost"
    STOPPED = "stopped"

    @property
    def alive(self) -> bool:
        return self in (NodeState.UP, NodeState.DRAINING, NodeState.DRAINED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the database knows of a node.

    `lease_s` is how long its lease is still good (less than nothing: since when not), None when it
    never had one; `over`: its last epoch has ended, and what it left is seen to.
    """

    name: str
    host: str | None
    version: str | None
    epoch: int
    over: bool
    lost_at: datetime | None
    taken_over_by: str | None
    taken_over: int
    started_at: datetime | None
    draining_at: datetime | None
    draining_by: str | None
    lease_s: float | None
    skew_s: float
    routes: Sequence[Mapping[str, Any]]
    bound: int
    binds: int
    outstanding: int


def state_of(node: Facts) -> NodeState:
    """Where it stands."""
    if node.over or node.lease_s is None:
        return NodeState.STOPPED if node.lost_at is None else NodeState.LOST
    if node.lease_s <= 0:
        return NodeState.SILENT
    if node.draining_at is None:
        return NodeState.UP
    return NodeState.DRAINING if node.outstanding else NodeState.DRAINED


def lone_routes(nodes: Iterable[Facts]) -> dict[str, list[str]]:
    """Routes that some of the living nodes don't have, and who has them.

    A node of an older version says nothing of its routes, and counts for none.
    """
    alive = [one for one in nodes if state_of(one).alive and one.routes]
    who: dict[str, list[str]] = {}
    for node in alive:
        for route in node.routes:
            carriers = ", ".join(share["carrier"] for share in route["shares"])
            who.setdefault(f"{route['key']} over {carriers}", []).append(node.name)
    return {key: names for key, names in sorted(who.items()) if len(names) < len(alive)}
