"""The queue of an application, step by step on a real database (R-3.4, R-3.7, R-3.8)."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from engine import clock, dispatch
from engine.store import dispatching
from engine.store.db import Tx
from tests.road import Road, all_ok, refused


def queue(road: Road) -> list[str]:
    """The states of all campaigns, in the order in which they were made."""
    return [state for (state,) in road.all("SELECT state::text FROM campaign ORDER BY id")]


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three members at a time, some six ahead of the turns."""
    monkeypatch.setattr(dispatching, "CHUNK", 3)
    monkeypatch.setattr(dispatching, "AHEAD", 6)


# ---------------------------------------------------------------- whose turn it is


def test_one_campaign_sends_at_a_time(road: Road) -> None:
    """R-3.4: the others that are due wait; the turn passes on when all of one has been launched."""
    first, second = road.planned(2), road.planned(2)
    road.step()
    assert queue(road) == ["running", "waiting"]
    line = road.line()
    road.turn()
    road.step()
    assert queue(road) == ["finishing", "running"]
    road.settle(*all_ok(line))
    road.turn()
    road.step()
    assert queue(road) == ["completed", "finishing"]
    assert road.states(first) == {"sent": 2}
    assert road.states(second) == {"launched": 2}


def test_the_order_is_that_of_the_schedule_then_of_creation(road: Road) -> None:
    """R-3.4."""
    now = clock.utc_now()
    early, late = now - timedelta(minutes=20), now - timedelta(minutes=10)
    planned = {
        "third": road.planned(at=late, created_at=now),
        "second": road.planned(at=late, created_at=now - timedelta(days=1)),
        "first": road.planned(at=early, created_at=now),
        "not yet": road.planned(at=now + timedelta(minutes=10)),
    }
    line = road.line()
    order = []
    for _ in range(4):
        road.step()
        running = road.all("SELECT id FROM campaign WHERE state = 'running'")
        order += [name for name, one in planned.items() if (one,) in running]
        road.turn(all_ok(line))
    assert order == ["first", "second", "third"]
    assert road.campaign_state(planned["not yet"]) == "scheduled"


def test_applications_have_a_queue_each(road: Road) -> None:
    """R-3.4: in an application."""
    road.planned()
    road.planned(application="other")
    road.step()
    road.step("other")
    assert queue(road) == ["running", "running"]


def test_only_applications_that_need_a_step_get_one(road: Road) -> None:
    """Not those whose campaigns are all scheduled for later, or over."""

    def due() -> list[str]:
        rows = road.database.run(dispatching.applications, clock.utc_now())
        return [name for _, name in rows if name in ("due", "later", "over")]

    road.planned(application="later", at=clock.utc_now() + timedelta(hours=1))
    over = road.planned(application="over")
    road.planned(application="due")
    road.sql("UPDATE campaign SET state = 'completed' WHERE id = %s", over)
    assert due() == ["due"]


# ---------------------------------------------------------------- recipients


def test_the_start_fixes_who_is_in_the_campaign(road: Road, small_chunks: None) -> None:
    """R-3.7: who joins later is not, whether the rows are made already or not."""
    list_id = road.list_of(8)
    campaign = road.planned(list_id=list_id)
    road.step()
    road.join(list_id, 5)
    line = road.line(window=100)
    for _ in range(6):
        road.turn(all_ok(line))
        road.step()
    assert road.states(campaign) == {"sent": 8}
    assert road.one("SELECT recipients FROM campaign WHERE id = %s", campaign) == 8
    assert road.campaign_state(campaign) == "completed"


def test_who_was_deleted_before_the_start_is_no_recipient_and_who_is_after_is_skipped(
    road: Road, small_chunks: None
) -> None:
    """R-3.7: the report has a place for each recipient."""
    list_id = road.list_of(9)
    members = [one for (one,) in road.all("SELECT id FROM member ORDER BY id")]
    road.sql("UPDATE member SET deleted_at = now() WHERE id = %s", members[1])
    campaign = road.planned(list_id=list_id)
    road.step()
    road.sql("UPDATE member SET deleted_at = now() WHERE id = %s", members[7])
    line = road.line(window=100)
    for _ in range(6):
        road.turn(all_ok(line))
        road.step()
    assert road.states(campaign) == {"sent": 7, "skipped": 1}
    assert road.one("SELECT recipients FROM campaign WHERE id = %s", campaign) == 8
    [skipped] = [one for one in road.messages(campaign) if one.state == "skipped"]
    assert skipped.reason == "deleted from the list"


def test_members_who_are_deleted_for_good_leave_the_count(road: Road, small_chunks: None) -> None:
    """R-1.8: between the start and their row; `recipients` follows what was found."""
    list_id = road.list_of(9)
    campaign = road.planned(list_id=list_id)
    road.step()
    road.sql("DELETE FROM member WHERE id = (SELECT max(id) FROM member)")
    line = road.line(window=100)
    for _ in range(6):
        road.turn(all_ok(line))
        road.step()
    assert road.states(campaign) == {"sent": 8}
    assert road.one("SELECT recipients FROM campaign WHERE id = %s", campaign) == 8
    assert road.campaign_state(campaign) == "completed"


# ---------------------------------------------------------------- chunks


def test_members_become_messages_a_little_ahead_of_the_turns(
    road: Road, small_chunks: None
) -> None:
    """Design 6: in chunks, so that the first message leaves at once whatever the list's size."""
    campaign = road.planned(20)
    steps = [road.step() for _ in range(4)]
    assert [step.fed for step in steps] == [3, 3, 0, 0]
    assert [step.hungry for step in steps] == [True, False, False, False]
    assert road.states(campaign) == {"queued": 6}
    road.line(window=4)
    road.turn()
    assert road.step().fed == 3
    assert road.one("SELECT fed FROM campaign WHERE id = %s", campaign) == 9


@pytest.mark.parametrize("members", [0, 1, 3, 6, 7])
def test_each_member_gets_one_message_whatever_the_chunks(
    road: Road, small_chunks: None, members: int
) -> None:
    """R-3.7: in the order of the list, params as they were."""
    campaign = road.planned(members)
    line = road.line(window=100)
    for _ in range(6):
        road.step()
        road.turn(all_ok(line))
    messages = road.messages(campaign)
    expected = road.all(
        """
        SELECT m.mobile FROM member m JOIN campaign c USING (list_id)
         WHERE c.id = %s ORDER BY m.id
        """,
        campaign,
    )
    assert [(one.mobile,) for one in messages] == expected
    assert road.campaign_state(campaign) == "completed"
    assert road.all("SELECT FROM feed") == []
    road.step()
    assert len(road.messages(campaign)) == members


# ---------------------------------------------------------------- the end


def test_a_campaign_is_completed_when_each_recipient_has_a_final_submit_outcome(
    road: Road,
) -> None:
    """R-3.8: failed ones as well; retries and uncertain ones keep it finishing."""
    campaign = road.planned(3)
    road.step()
    line = road.line()
    road.turn()
    one, two, _ = line.tokens
    road.settle(refused(one, 0x0B), refused(two, 0x58))
    road.step()
    assert road.campaign_state(campaign) == "running", "its retry is to be launched"
    road.pass_time(1)
    road.turn()
    road.step()
    assert road.campaign_state(campaign) == "finishing"
    road.settle(*(answer for answer in all_ok(line) if answer.token.message_id != one.message_id))
    road.step()
    assert road.campaign_state(campaign) == "completed"
    assert road.states(campaign) == {"failed": 1, "sent": 2}
    ended = road.one("SELECT ended_at IS NOT NULL FROM campaign WHERE id = %s", campaign)
    assert ended


def test_what_is_uncertain_goes_in_the_background(road: Road) -> None:
    """R-3.4: the turn passes on while stragglers go; they are sent though it is finishing."""
    campaign, other = road.planned(1), road.planned(1)
    road.step()
    road.line()
    road.turn()
    road.restart()
    road.step()
    assert queue(road) == ["finishing", "running"]
    line = road.line()
    road.pass_time(30)
    road.turn()
    assert {token.message_id for token in line.tokens} == {
        road.messages(campaign)[0].id,
        road.messages(other)[0].id,
    }


# ---------------------------------------------------------------- several nodes (design 10)


def test_a_queue_that_another_node_holds_is_left_to_it(road: Road) -> None:
    """Nobody waits: SKIP LOCKED."""
    road.planned(2)
    application = road.application()
    with psycopg.connect(road.database.url) as other:
        assert dispatching.hold(other, application)
        assert road.database.run(dispatch.step, application, clock.utc_now()) is None
    assert road.step().fed == 2


def test_two_dispatchers_at_once_never_feed_twice(road: Road, small_chunks: None) -> None:
    """R-3.7: a number gets a campaign once, however many nodes there are."""
    campaign = road.planned(60)
    application = road.application()
    start = threading.Barrier(3)
    steps: list[int] = []

    def node() -> None:
        start.wait()
        for _ in range(40):
            done: Any = road.database.run(_greedy_step, application)
            steps.append(0 if done is None else done.fed)

    nodes = [threading.Thread(target=node) for _ in range(3)]
    for one in nodes:
        one.start()
    for one in nodes:
        one.join()
    while road.database.run(_greedy_step, application).fed:  # type: ignore[union-attr]
        pass
    mobiles = [one.mobile for one in road.messages(campaign)]
    assert len(mobiles) == len(set(mobiles)) == 60
    assert road.tally(campaign) == {"queued": 60}


def _greedy_step(tx: Tx, application_id: int) -> dispatch.Step | None:
    """A step that finds that nothing waits: all of it is launched already."""
    tx.execute("DELETE FROM feed")
    return dispatch.step(tx, application_id, clock.utc_now())


def test_adding_up_the_counts_changes_none(road: Road) -> None:
    """Differences that come meanwhile stay beside the sum."""
    campaign = road.campaign(40)
    line = road.line(window=2)
    for _ in range(20):
        road.turn(all_ok(line))
    before = road.tally(campaign)
    assert road.one("SELECT count(*) FROM tally") > 40
    road.database.run(dispatching.compact_tally)
    assert road.tally(campaign) == before
    assert road.one("SELECT count(*) FROM tally") <= 3
    with psycopg.connect(road.database.url) as one, psycopg.connect(road.database.url) as other:
        for _ in range(21):
            one.execute(
                "INSERT INTO tally VALUES (%s, 'sent', 1), (%s, 'sent', -1)", (campaign,) * 2
            )
        one.commit()
        dispatching.compact_tally(one)
        other.execute("INSERT INTO tally VALUES (%s, 'sent', 1), (%s, 'sent', -1)", (campaign,) * 2)
        other.commit()
        one.commit()
    assert road.tally(campaign) == before
