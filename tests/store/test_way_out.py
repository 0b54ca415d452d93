"""What the database knows of engines and their binds (R-3.4)."""

from __future__ import annotations

import pytest

from engine import clock
from engine.domain.way_out import WayOut
from engine.store import nodes
from tests.road import Road


def seen(road: Road) -> WayOut:
    return road.database.run(nodes.way_out)


def bound(road: Road, *, sends: bool = True, epoch: int | None = None) -> int:
    """A session that has come up."""
    carrier = road.database.run(nodes.carrier_id, "tui")
    return road.database.run(
        nodes.open_session,
        road.node.node_id,
        road.node.epoch if epoch is None else epoch,
        carrier,
        "tui-1",
        sends=sends,
    )


def fall(road: Road, session: int, reason: str) -> None:
    road.database.run(nodes.close_sessions, [(session, reason)], clock.utc_now())


def test_before_the_first_engine_there_is_none(road: Road) -> None:
    road.sql("DELETE FROM node")
    assert seen(road) == WayOut(up_until=None, engine=False, bind=False, fell=None)


def test_an_engine_without_a_bind_is_no_way_out(road: Road) -> None:
    """A receiver takes nothing from us."""
    assert (seen(road).engine, seen(road).bind) == (True, False)
    receiver = bound(road, sends=False)
    assert not seen(road).bind
    session = bound(road)
    assert seen(road).bind
    fall(road, session, "the peer reset it")
    fall(road, receiver, "closed by us")
    assert (seen(road).bind, seen(road).fell) == (False, "the peer reset it")


def test_a_carrier_that_is_paused_is_no_way_out_and_named(road: Road) -> None:
    """R-3.4: its bind is up, and it takes nothing all the same."""
    bound(road)
    road.sql("UPDATE carrier SET paused_at = now() WHERE name = 'tui'")
    try:
        assert (seen(road).bind, seen(road).paused) == (False, ("tui",))
    finally:
        road.sql("UPDATE carrier SET paused_at = NULL")
    assert (seen(road).bind, seen(road).paused) == (True, ())


def test_what_is_noted_twice_keeps_its_first_reason(road: Road) -> None:
    """Two tasks may note the same fall: each before what it has to write."""
    session = bound(road)
    fall(road, session, "the peer reset it")
    fall(road, session, "closed")
    assert seen(road).fell == "the peer reset it"


def test_the_sessions_of_a_dead_engine_do_not_count(road: Road) -> None:
    """They are closed when it starts again; until then its lease says that it is not there."""
    bound(road)
    road.sql("UPDATE node SET lease_until = now() - interval '1 s'")
    silent = seen(road)
    assert (silent.engine, silent.bind) == (False, False)
    assert silent.up_until == road.one("SELECT lease_until FROM node")
    road.restart()
    bound(road, epoch=road.node.epoch - 1)  # a COMMIT that was still on its way
    assert (seen(road).engine, seen(road).bind) == (True, False)


def test_a_lease_that_was_given_back_is_over(road: Road) -> None:
    """By the engine that has it, and by no other."""
    bound(road)
    road.database.run(nodes.stop, road.node.node_id, road.node.epoch, clock.utc_now())
    over = seen(road)
    assert (over.engine, over.bind, over.fell) == (False, False, "the engine was stopped")
    before = road.node
    road.restart()
    with pytest.raises(nodes.Fenced):
        road.database.run(nodes.stop, before.node_id, before.epoch, clock.utc_now())
    assert seen(road).engine


def test_a_renewal_says_what_time_it_is_there(road: Road) -> None:
    """Leases and skew go by the database's clock."""
    before = road.one("SELECT clock_timestamp()")
    now = road.database.run(nodes.renew, road.node.node_id, road.node.epoch)
    assert before <= now <= road.one("SELECT clock_timestamp()")
    until = road.one("SELECT lease_until FROM node")
    assert abs((until - now).total_seconds() - nodes.LEASE_S) < 1
