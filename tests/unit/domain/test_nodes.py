"""Where a node stands, and which routes not all have (R-8.4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from engine.domain.nodes import Facts, NodeState, lone_routes, state_of
from engine.domain.sharing import changed, part_of

AT = datetime(2026, 12, 1, 9, 10, tzinfo=UTC)

UP = Facts(
    name="gw1", host="a", version="1.0", epoch=3, over=False, lost_at=None, taken_over_by=None,
    taken_over=0, started_at=AT, draining_at=None, draining_by=None, lease_s=7.5, skew_s=0.0,
    routes=(), bound=1, binds=1, outstanding=0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("node", "state", "alive"),
    [
        (UP, NodeState.UP, True),
        (replace(UP, draining_at=AT, outstanding=2), NodeState.DRAINING, True),
        (replace(UP, draining_at=AT), NodeState.DRAINED, True),
        (replace(UP, lease_s=0.0), NodeState.SILENT, False),
        (replace(UP, lease_s=-3.0, draining_at=AT), NodeState.SILENT, False),
        (replace(UP, lease_s=-3.0, over=True, lost_at=AT), NodeState.LOST, False),
        (replace(UP, lease_s=-3.0, over=True), NodeState.STOPPED, False),
        (replace(UP, lease_s=None), NodeState.STOPPED, False),
    ],
)
def test_where_a_node_stands(node: Facts, state: NodeState, alive: bool) -> None:
    """R-8.4: by its lease and its epoch."""
    assert (state_of(node), state.alive) == (state, alive)


def test_routes_that_not_all_have() -> None:
    """R-8.4: only those of nodes that live count, and an older version tells none."""
    every = {"key": "for every number", "shares": [{"carrier": "tui"}]}
    home = {"key": "+64", "shares": [{"carrier": "tui"}, {"carrier": "moa"}]}
    first = replace(UP, routes=(every, home))
    second = replace(UP, name="gw2", routes=(every,))
    old = replace(UP, name="old")
    lost = replace(UP, name="gw3", over=True, lost_at=AT, routes=(home,))
    assert lone_routes([first, second, old, lost]) == {"+64 over tui, moa": ["gw1"]}
    assert lone_routes([first, old]) == {}


@pytest.mark.parametrize(
    ("sharing", "taken", "part"),
    [(1, 0.0, 1.0), (2, 1.0, 0.0), (2, 0.5, 0.5), (2, 0.0, 0.5), (4, 0.9, 0.1), (3, 1.2, 0.0)],
)
def test_a_part_is_fair_and_never_more_than_others_leave(
    sharing: int, taken: float, part: float
) -> None:
    """R-5.4: the sum is never above one."""
    assert part_of(sharing, taken) == pytest.approx(part)


def test_thirds_do_not_change() -> None:
    assert not changed(1 - 1 / 3 - 1 / 3, 1 / 3)
    assert changed(0.5, 1 / 3)
