"""Who is deleted from a list gets nothing more of the campaigns that run to it (R-3.7)."""

from __future__ import annotations

import threading

from engine.domain.errors import Unreachable
from engine.operations import Actor, members
from engine.store import applications, skipping
from engine.store.db import Tx
from tests.road import Road, all_ok

ANNA = Actor(application="default", by="anna")


def delete(road: Road, campaign_id: int, mobile: str) -> None:
    name = road.one(
        "SELECT l.name FROM list l JOIN campaign c ON c.list_id = l.id WHERE c.id = %s", campaign_id
    )
    road.database.run(members.delete, ANNA, name, mobile)
    road.check()


def test_what_waits_is_skipped_and_what_is_on_the_wire_is_not(road: Road) -> None:
    """R-3.7: from the moment of the deletion; the report says why."""
    campaign = road.campaign(4)
    line = road.line(window=2)
    road.turn()
    mobiles = [one.mobile for one in road.messages(campaign)]
    delete(road, campaign, mobiles[0])
    delete(road, campaign, mobiles[2])
    states = [(one.state, one.reason) for one in road.messages(campaign)]
    assert states == [
        ("launched", None),
        ("launched", None),
        ("skipped", "deleted from the list"),
        ("queued", None),
    ]
    road.turn(all_ok(line))
    assert [one.state for one in road.messages(campaign)] == ["sent", "sent", "skipped", "launched"]
    assert [token.message_id for token in line.tokens] == [road.messages(campaign)[3].id]


def test_what_was_refused_and_is_to_be_sent_again_is_skipped(road: Road) -> None:
    """R-3.7: a message that is due again is found, too."""
    campaign = road.campaign(2)
    first, second = road.messages(campaign)
    road.sql("DELETE FROM feed")
    road.sql(
        "INSERT INTO due SELECT id, class, campaign_id, now() FROM message WHERE id = %s", first.id
    )
    delete(road, campaign, first.mobile)
    assert road.message(first.id).state == "skipped"
    assert road.message(second.id).state == "queued"


def test_campaigns_to_other_lists_go_on(road: Road) -> None:
    """R-3.7: a number is deleted from a list, not from the world."""
    list_id = road.list_of(1)
    other = road.list_of(0)
    road.sql(
        "INSERT INTO member (list_id, mobile) SELECT %s, mobile FROM member WHERE list_id = %s",
        other,
        list_id,
    )
    campaign = road.campaign(list_id=other)
    [message] = road.messages(campaign)
    name = road.one("SELECT name FROM list WHERE id = %s", list_id)
    road.database.run(members.delete, ANNA, name, message.mobile)
    assert road.states(campaign) == {"queued": 1}


def test_a_member_that_is_being_fed_while_it_is_deleted_is_skipped(road: Road) -> None:
    """R-3.7: the deletion waits for the queue's step, and then sees the rows that it made."""
    campaign = road.planned(1)
    list_id = road.one("SELECT list_id FROM campaign WHERE id = %s", campaign)
    application = road.application()
    held, go_on = threading.Event(), threading.Event()

    def step(tx: Tx) -> None:
        applications.lock(tx, application)
        held.set()
        go_on.wait(10)
        tx.execute("UPDATE campaign SET state = 'running', started_at = now()")
        tx.execute(
            """
            INSERT INTO message (id, campaign_id, application_id, class, state_at, created_at,
                                 mobile, sender)
            SELECT next_id(), %s, %s, 2, now(), now(), mobile, '3774' FROM member
            """,
            (campaign, application),
        )
        tx.execute(
            """
            INSERT INTO feed (application_id, campaign_id, next_id, last_id)
            SELECT application_id, campaign_id, id, id FROM message
            """
        )
        tx.execute("INSERT INTO tally VALUES (%s, 'queued', 1)", (campaign,))

    def remove(tx: Tx) -> None:
        tx.execute("UPDATE member SET deleted_at = now() WHERE list_id = %s", (list_id,))
        go_on.set()
        skipping.skip_deleted(tx, application, list_id)

    thread = threading.Thread(target=road.database.run, args=(step,))
    thread.start()
    assert held.wait(10)
    try:
        road.database.run(remove)
    except Unreachable:
        go_on.set()
        raise
    finally:
        thread.join()
    assert road.states(campaign) == {"skipped": 1}
    road.check()
