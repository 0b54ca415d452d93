"""Nodes in the database: take-over, epochs, names, drains, parts of rates (R-8.4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from engine import clock
from engine.domain.errors import Refused
from engine.domain.nodes import NodeState, state_of
from engine.domain.parts import Part, Piece
from engine.store import control, inbox, nodes, peers, sharing
from engine.store.inbox import Mo
from engine.store.nodes import Fenced, NodeStart, Process
from tests.road import Road

HERE = Process(instance="i1", place="home-a", host="box-a", version="1.0")
THERE = replace(HERE, instance="i2", place="home-b", host="box-b")


def start(road: Road, name: str, process: Process | None = HERE) -> NodeStart:
    return road.database.run(nodes.start, name, clock.utc_now(), process)


def silent(road: Road, name: str) -> None:
    road.sql("UPDATE node SET lease_until = now() - interval '1 s' WHERE name = %s", name)


def state(road: Road, name: str) -> NodeState:
    [facts] = [one for one in road.database.run(peers.facts) if one.name == name]
    return state_of(facts)


def take_over(road: Road, by: NodeStart) -> peers.Lost | None:
    return road.database.run(peers.take_over, by.node_id, by.epoch)


def test_another_node_takes_over_what_a_lost_one_has_launched(road: Road) -> None:
    """R-8.1, R-8.2, R-8.4: it is uncertain, and sent again by whoever has room."""
    campaign_id = road.campaign(3)
    road.line(window=2)
    road.turn()
    assert road.states(campaign_id) == {"launched": 2, "queued": 1}
    other = start(road, "gw2")
    assert take_over(road, other) is None, "its lease is good"
    silent(road, "gw1")
    assert state(road, "gw1") is NodeState.SILENT
    assert take_over(road, other) == peers.Lost(name="gw1", uncertain=2)
    assert state(road, "gw1") is NodeState.LOST
    assert road.states(campaign_id) == {"uncertain": 2, "queued": 1}
    assert road.all("SELECT 1 FROM flight WHERE node_id = %s", road.node.node_id) == []
    road.check()
    assert take_over(road, other) is None, "once"
    with pytest.raises(Fenced):
        road.turn()


def test_nobody_takes_over_what_was_stopped(road: Road) -> None:
    """R-8.2: who ends sees to it itself, whether it is started again or not."""
    campaign_id = road.campaign(2)
    road.line(window=2)
    road.turn()
    gw1 = road.node
    assert road.database.run(nodes.stop, gw1.node_id, gw1.epoch, clock.utc_now()) == 2
    assert road.states(campaign_id) == {"uncertain": 2}
    assert state(road, "gw1") is NodeState.STOPPED
    assert take_over(road, start(road, "gw2")) is None


def test_who_wakes_up_gets_another_epoch(road: Road) -> None:
    """R-8.4: the same process, while no other has its name; the old epoch is over for ever."""
    asleep, other = start(road, "gw2"), start(road, "gw3")
    silent(road, "gw2")
    assert take_over(road, other) is not None
    with pytest.raises(Fenced):
        road.database.run(nodes.renew, asleep.node_id, asleep.epoch)
    epoch = road.database.run(nodes.resume, asleep.node_id, HERE, clock.utc_now())
    assert epoch == asleep.epoch + 2
    road.database.run(nodes.renew, asleep.node_id, epoch)
    assert state(road, "gw2") is NodeState.UP


def test_who_wakes_up_to_another_of_its_name_ends(road: Road) -> None:
    """R-8.4: it says who has the name now."""
    asleep = start(road, "gw2")
    silent(road, "gw2")
    take_over(road, start(road, "gw3"))
    start(road, "gw2", THERE)
    with pytest.raises(Fenced, match='name, "gw2" on box-b'):
        road.database.run(nodes.resume, asleep.node_id, HERE, clock.utc_now())


def test_a_name_is_free_when_its_lease_has_run_out(road: Road) -> None:
    """R-8.4: from another home, where no lock of ours reaches; here the lock says who lives."""
    first = start(road, "gw2")
    with pytest.raises(Refused, match=r'"gw2" is running already, on box-a .* in (9|10) s$'):
        start(road, "gw2", THERE)
    again = start(road, "gw2", replace(HERE, instance="i3"))
    assert again.epoch == first.epoch + 1
    silent(road, "gw2")
    assert start(road, "gw2", THERE).epoch == again.epoch + 1
    road.database.run(nodes.stop, again.node_id, again.epoch + 1, clock.utc_now())
    start(road, "gw2", HERE)


def test_what_a_lost_node_was_asked_is_answered(road: Road) -> None:
    """R-8.4: nobody waits for it."""
    ids = road.database.run(control.post, [road.node.node_id], "rebind", "tui", "ann")
    silent(road, "gw1")
    take_over(road, start(road, "gw2"))
    [reply] = road.database.run(control.replies, ids)
    assert (reply.failed, reply.answer) == (True, "the engine was lost")


def test_one_that_is_gone_for_good_is_forgotten_with_its_binds(road: Road) -> None:
    """R-8.4: it is shown as lost until then; one that lives stays."""
    other = start(road, "gw2")
    road.database.run(peers.forget, "gw1")
    assert state(road, "gw1") is NodeState.UP
    silent(road, "gw1")
    take_over(road, other)
    road.database.run(peers.forget, "gw1")
    assert [one.name for one in road.database.run(peers.facts)] == ["gw2"]


def test_a_drain_outlives_a_restart(road: Road) -> None:
    """R-8.4: until it is taken back."""
    now = clock.utc_now()
    assert road.database.run(peers.drain, "gw1", by="ann", now=now) is True
    assert road.database.run(peers.drain, "gw1", by="bob", now=now) is False
    assert road.database.run(peers.drain, "gw9", by="bob", now=now) is None
    assert state(road, "gw1") is NodeState.DRAINED
    assert road.restart().draining
    assert road.database.run(nodes.way_out).drained == ("gw1",)
    assert road.database.run(peers.undrain, "gw1") is True
    assert not road.restart().draining


# ---------------------------------------------------------------- parts of rates


def claim(road: Road, node: NodeStart, carrier: int, used: float) -> tuple[float, bool]:
    claimed = road.database.run(sharing.claim, node.node_id, node.epoch, {carrier: used})
    return claimed.parts[carrier], claimed.lower


def bound(road: Road, node: NodeStart, carrier: int) -> None:
    road.database.run(nodes.open_session, node.node_id, node.epoch, carrier, "tui-1")


def test_a_node_that_comes_waits_until_there_is_room(road: Road) -> None:
    """R-5.4: whoever has more than is fair uses less first, and says so then."""
    tui = road.database.run(nodes.carrier_id, "tui")
    first, second = start(road, "gw1"), start(road, "gw2")
    assert claim(road, first, tui, 0.0) == (0.0, False), "it has no bind there"
    bound(road, first, tui)
    assert claim(road, first, tui, 0.0) == (1.0, False)
    bound(road, second, tui)
    assert claim(road, second, tui, 0.0) == (0.0, False)
    assert claim(road, first, tui, 1.0) == (0.5, True)
    assert claim(road, second, tui, 0.0) == (0.0, False), "it is still used"
    assert claim(road, first, tui, 0.5) == (0.5, False)
    assert claim(road, second, tui, 0.0) == (0.5, False)


def test_the_part_of_who_goes_is_free(road: Road) -> None:
    """R-5.4, R-8.4: stopped, drained, or silent for as long as its lease."""
    tui = road.database.run(nodes.carrier_id, "tui")
    first, second = start(road, "gw1"), start(road, "gw2")
    bound(road, second, tui)
    assert claim(road, second, tui, 0.0) == (1.0, False)
    bound(road, first, tui)
    road.database.run(peers.drain, "gw2", by="ann", now=clock.utc_now())
    assert claim(road, first, tui, 0.0) == (0.0, False), "it has not said that it uses none"
    assert claim(road, second, tui, 1.0) == (0.0, True)
    assert claim(road, second, tui, 0.0) == (0.0, False)
    assert claim(road, first, tui, 0.0) == (1.0, False)
    road.database.run(peers.undrain, "gw2")
    silent(road, "gw1")
    assert claim(road, second, tui, 0.0) == (1.0, False)


def test_an_older_version_has_all_of_it(road: Road) -> None:
    """R-5.4, R-9.4: it keeps to no part, so the sum holds only when others send nothing."""
    tui = road.database.run(nodes.carrier_id, "tui")
    old, new = start(road, "old", None), start(road, "gw2")
    bound(road, old, tui)
    bound(road, new, tui)
    assert claim(road, new, tui, 0.0) == (0.0, False)


def test_leases_go_by_the_clock_of_the_database(road: Road) -> None:
    """R-8.4: a node whose clock is five minutes slow is no older for it."""
    slow = clock.utc_now() - timedelta(minutes=5)
    road.database.run(nodes.start, "slow", slow, HERE)
    assert state(road, "slow") is NodeState.UP
    assert take_over(road, start(road, "gw2")) is None
    assert [name for _, name in road.database.run(control.nodes_up)] == ["gw1", "gw2", "slow"]


# ---------------------------------------------------------------- what comes in


def mo(session_id: int, text: str, part: tuple[int, int] | None) -> Mo:
    """An MO, or part (number, total) of one, as read on a session."""
    return Mo(
        1,
        session_id,
        "+64211234567",
        "3774",
        Piece(text.encode(), 3, "gsm", b""),
        text.encode().ljust(16, b"."),
        None if part is None else Part(7, *part),
    )


def session(road: Road, node: NodeStart) -> int:
    return road.database.run(nodes.open_session, node.node_id, node.epoch, 1, "tui-1")


def test_parts_that_come_to_different_nodes_are_put_together(road: Road) -> None:
    """R-5.9, R-8.4: in any order; the parts wait in the database."""
    first, second = session(road, road.node), session(road, start(road, "gw2"))
    now = clock.utc_now()
    assert road.database.run(inbox.take, [mo(second, "world", (2, 2))], now).waiting == 1
    taken = road.database.run(inbox.take, [mo(first, "hello ", (1, 2))], now)
    assert [one.row.content for one in taken.new] == ["hello world"]


def test_what_a_lost_node_had_not_answered_is_known_to_the_others(road: Road) -> None:
    """R-5.10, R-8.3: the SMSC sends it again to who is there; and what it had answered, too."""
    first, second = session(road, road.node), session(road, start(road, "gw2"))
    now = clock.utc_now()
    taken = road.database.run(inbox.take, [mo(first, "yes", None)], now)
    road.database.run(inbox.mark_answered, taken.seen)
    silent(road, "gw1")
    take_over(road, start(road, "gw3"))
    again = road.database.run(inbox.take, [mo(second, "yes", None)], now)
    assert (again.redelivered, len(again.new)) == (1, 0)
