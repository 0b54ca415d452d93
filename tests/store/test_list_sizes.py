"""A list's size is what a count of its members says, whatever was done to them (R-1.1)."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from engine.operations import Actor, lists, members
from engine.store import lists as stored
from engine.store.db import Tx
from tests.road import Road

ANNA = Actor(application="default", by="anna")


@pytest.fixture
def customers(road: Road) -> Iterator[Road]:
    """A road with the list `customers`."""
    road.database.run(lists.create, ANNA, "customers")
    yield road
    road.sql("DELETE FROM member")
    road.sql("DELETE FROM list_size")


def size(road: Road) -> int:
    [listed] = road.database.run(lists.ls, ANNA, text="customers")
    counted = road.one(
        """
        SELECT count(*) FROM member m JOIN list l ON l.id = list_id
        WHERE l.name = 'customers' AND m.deleted_at IS NULL
        """
    )
    assert listed.members == counted
    return listed.members


def test_every_way_in_and_out_is_counted(customers: Road) -> None:
    run = customers.database.run
    for last in range(4):
        run(members.add, ANNA, "customers", f"+6421123456{last}", ["x"])
    assert size(customers) == 4
    run(members.delete, ANNA, "customers", "+64211234560")
    run(members.delete, ANNA, "customers", "+64211234561")
    assert size(customers) == 2
    run(members.edit, ANNA, "customers", "+64211234562", ["y"])
    run(members.restore, ANNA, "customers", "+64211234560")
    assert size(customers) == 3
    run(members.add, ANNA, "customers", "+64211234561")  # one that was deleted comes back
    assert size(customers) == 4
    run(members.delete, ANNA, "customers", "+64211234561")
    run(members.delete, ANNA, "customers", "+64211234561", for_ever=True)
    run(members.delete, ANNA, "customers", "+64211234562", for_ever=True)
    assert size(customers) == 2
    run(stored.compact_sizes)
    assert size(customers) == 2
    assert customers.one("SELECT count(*) FROM list_size") == 1


def test_who_joins_waits_for_nobody_and_two_may_add_up_at_once(customers: Road) -> None:
    """Differences are inserted: an MO that joins does not wait for an import's merge."""
    list_id = customers.one("SELECT id FROM list WHERE name = 'customers'")
    for _ in range(3):
        customers.join(list_id, 2)
    merging, joined = threading.Event(), threading.Event()

    def merge(tx: Tx) -> None:
        tx.execute(
            "INSERT INTO member (list_id, mobile) SELECT %s, '+1' || n FROM generate_series(1, 5) n",
            (list_id,),
        )
        merging.set()
        assert joined.wait(10)

    thread = threading.Thread(target=customers.database.run, args=(merge,))
    thread.start()
    assert merging.wait(10)
    try:
        customers.join(list_id, 1)
        customers.database.run(stored.compact_sizes)
        assert size(customers) == 7
    finally:
        joined.set()
        thread.join()
    assert size(customers) == 12
