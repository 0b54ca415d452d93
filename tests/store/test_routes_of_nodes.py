"""Routes that only other nodes have: known here, and open nowhere but there (R-5.5, R-8.4)."""

from __future__ import annotations

import json

from engine import clock
from engine.domain.routing import NoWay, Route, Share, Way
from engine.gateway.plans import heard, network_of, told
from engine.store import nodes, peers
from tests.road import Road

EVERY = Route(shares=(Share(carrier="tui"),))
HOME = Route(prefix="+64", sender="3774", shares=(Share(carrier="moa", weight=3, tier=2),))


def test_what_a_node_tells_the_others_read() -> None:
    assert heard(json.loads(json.dumps(told(HOME)))) == HOME


def test_the_route_of_another_node_is_never_open_here() -> None:
    """Not even where a carrier of the same name is up; the queue knows that it is open elsewhere."""
    here, everywhere = network_of([EVERY], [("gw2", [HOME, EVERY])])
    up = frozenset({"tui", "moa"})
    table = here.table("3774", "default")
    assert isinstance(table.way("+64211234567", up, 1), NoWay)
    assert table.way("+62211234567", up, 1) == Way(("tui",), 1)
    assert here.open(up) == [str(EVERY)]
    assert set(everywhere.open(up)) == {str(EVERY), str(HOME)}
    assert everywhere.carriers() == {str(EVERY): ["tui"], str(HOME): ["moa"]}


def test_routes_are_known_for_an_hour_after_their_node_has_gone(road: Road) -> None:
    """An upgrade or a crash sends nothing another way; a name that was given up is forgotten."""
    other = road.database.run(nodes.start, "gw2", clock.utc_now())
    road.database.run(peers.tell_routes, other.node_id, [told(HOME)])
    [(name, rows)] = road.database.run(peers.routes_of_others, road.node.node_id)
    assert (name, [heard(row) for row in rows]) == ("gw2", [HOME])
    assert road.database.run(peers.routes_of_others, other.node_id) == []
    road.sql("UPDATE node SET lease_until = now() - interval '59 min' WHERE name = 'gw2'")
    assert len(road.database.run(peers.routes_of_others, road.node.node_id)) == 1
    road.sql("UPDATE node SET lease_until = now() - interval '61 min' WHERE name = 'gw2'")
    assert road.database.run(peers.routes_of_others, road.node.node_id) == []
