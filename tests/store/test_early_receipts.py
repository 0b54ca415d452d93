"""A receipt before its response, in transactions that can't see each other (design 8, R-5.8).

Settle and receipt are two turns on two connections, both held open. Under READ COMMITTED neither
sees what the other has not committed, so each may miss the other; the sweep finds what both missed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest

from engine.gateway import turn
from engine.gateway.turn import Work
from engine.store import nodes
from engine.store.db import Tx
from tests.road import Road, ok, receipt_of

STEPS = ("settle runs", "settle commits", "receipt runs", "receipt commits")
ORDERS = [
    order
    for order in itertools.permutations(STEPS)
    if order.index("settle runs") < order.index("settle commits")
    and order.index("receipt runs") < order.index("receipt commits")
]
"""Each runs before it commits: that leaves six."""


@pytest.fixture
def connections(road: Road) -> Iterator[tuple[Tx, Tx]]:
    """Two, of two nodes or two turns in flight."""
    url = road.database.url
    with psycopg.connect(url) as one, psycopg.connect(url) as other:
        one.execute("SET lock_timeout = '2s'")
        other.execute("SET lock_timeout = '2s'")
        yield one, other


def _launched(road: Road) -> tuple[int, Work, Work]:
    """A message on the wire, the turn that has its answer, the turn that has its receipt."""
    campaign = road.campaign(1)
    line = road.line()
    road.turn()
    [token] = line.tokens
    settle = road.work([ok(token, "A1")], launch=False)
    receive = road.work(received=[receipt_of("A1")], launch=False)
    return campaign, settle, receive


@pytest.mark.parametrize("order", ORDERS, ids=", ".join)
def test_the_message_is_delivered_in_every_interleaving(
    road: Road, connections: tuple[Tx, Tx], order: tuple[str, ...]
) -> None:
    """Design 8: and nothing stays parked."""
    campaign, settle, receive = _launched(road)
    settling, receiving = connections
    for step in order:
        match step:
            case "settle runs":
                turn.run(settling, settle)
            case "settle commits":
                settling.commit()
            case "receipt runs":
                turn.run(receiving, receive)
            case "receipt commits":
                receiving.commit()
    road.check()
    missed = road.one("SELECT count(*) FROM parked")
    assert missed == (1 if order[1].endswith("runs") else 0), "both open at once miss each other"
    road.pass_time(1)
    road.sweep()
    assert road.states(campaign) == {"delivered": 1}
    assert road.all("SELECT FROM parked") == road.all("SELECT FROM parked_candidate") == []


def test_the_sweep_leaves_alone_what_may_still_be_settled(
    road: Road, connections: tuple[Tx, Tx]
) -> None:
    """A receipt younger than a second is its turn's; one whose submission is unknown stays."""
    campaign, settle, receive = _launched(road)
    for connection, work in zip(connections, (settle, receive), strict=True):
        turn.run(connection, work)
    for connection in connections:
        connection.commit()
    road.receive(receipt_of("nobody"))
    road.sweep()
    assert road.states(campaign) == {"sent": 1}
    road.pass_time(1)
    road.sweep()
    assert road.states(campaign) == {"delivered": 1}
    assert road.all("SELECT ids[1] FROM parked") == [("nobody",)]


def test_a_start_finds_what_was_missed_before_an_outage(
    road: Road, connections: tuple[Tx, Tx]
) -> None:
    """R-8.3: an engine killed within the second, and started hours later."""
    campaign, settle, receive = _launched(road)
    for connection, work in zip(connections, (settle, receive), strict=True):
        turn.run(connection, work)
    for connection in connections:
        connection.commit()
    road.pass_time(timedelta(hours=5).total_seconds())
    road.restart()
    road.sweep()
    assert road.states(campaign) == {"sent": 1}, "no longer among those of each second"
    road.database.run(turn.sweep, road.node.node_id, road.node.epoch, nodes.PARKED)
    road.check()
    assert road.states(campaign) == {"delivered": 1}


def test_two_sweeps_at_once_take_a_receipt_once(road: Road, connections: tuple[Tx, Tx]) -> None:
    """Every node sweeps."""
    campaign, settle, receive = _launched(road)
    for connection, work in zip(connections, (settle, receive), strict=True):
        turn.run(connection, work)
    for connection in connections:
        connection.commit()
    road.pass_time(1)
    one, other = connections
    turn.sweep(one, road.node.node_id, road.node.epoch)
    other.execute("SET lock_timeout = '20ms'")
    with pytest.raises(psycopg.errors.LockNotAvailable):  # it waits for the first
        turn.sweep(other, road.node.node_id, road.node.epoch)
    other.rollback()
    one.commit()
    turn.sweep(other, road.node.node_id, road.node.epoch)
    other.commit()
    road.check()
    assert road.states(campaign) == {"delivered": 1}
