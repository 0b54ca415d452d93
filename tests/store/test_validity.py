"""Single messages that are of no use after a time (R-3.9, R-7.8)."""

from __future__ import annotations

import pytest

from engine.gateway import turn
from engine.store.db import Database
from tests.road import Road


@pytest.fixture
def road(database: Database) -> Road:
    return Road.open(database)


def test_what_is_late_expires_and_is_not_sent(road: Road) -> None:
    line = road.line()
    late, fresh = road.single(), road.single()
    road.sql("UPDATE message SET not_after = now() - interval '1 s' WHERE id = %s", late)
    road.sql("UPDATE message SET not_after = now() + interval '1 h' WHERE id = %s", fresh)
    road.turn()
    assert [token.message_id for token in line.tokens] == [fresh]
    found = road.message(late)
    assert (found.state, found.reason) == ("expired", "its time limit has passed")
    assert road.all("SELECT message_id FROM due WHERE message_id = %s", late) == []


def test_the_smsc_is_told_when_to_give_up(road: Road) -> None:
    message = road.single()
    road.sql("UPDATE message SET not_after = '2035-01-02 03:04:00Z' WHERE id = %s", message)
    line = road.line(validity_s=0)
    done = road.database.run(turn.run, road.work())
    [[(_, body)]] = [slots.batch for slots in done.slots if slots.bind == line.number]
    assert b"350102030400000+" in body
