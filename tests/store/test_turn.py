"""The turn: settle, receive, launch in one transaction (R-5.8, R-5.14, R-8.1, R-8.2).

Each turn ends with the road's check: a campaign's counts are those of its message rows.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, LiteralString

import psycopg
import pytest

from engine.gateway import turn
from engine.gateway.turn import NEVER_LEFT, Answer, Token
from engine.store import hot, nodes
from engine.store.db import Tx
from smpp import status
from tests.road import Road, all_ok, ok, receipt_of, refused, silence, text_of

LONG = "x" * 153 + "y" * 153 + "z" * 10
"""Three segments."""


# ---------------------------------------------------------------- launch


def test_what_leaves_was_marked_before(road: Road) -> None:
    """R-8.1: a segment is on the wire in the database before its octets are."""
    campaign = road.campaign(3, text="Hi %%1%%")
    line = road.line(window=2)
    road.turn()
    launched, other, waiting = road.messages(campaign)
    assert [one.state for one in (launched, other, waiting)] == ["launched", "launched", "queued"]
    assert (launched.attempt, launched.total, launched.launched) == (1, 1, 0b1)
    assert {token.message_id for token in line.tokens} == {launched.id, other.id}
    flight = road.all("SELECT unnest(message_ids) FROM flight")
    assert flight == [(launched.id,), (other.id,)]


def test_each_recipient_gets_its_own_text(road: Road) -> None:
    """R-2.3: merged from the params as they were at the start."""
    campaign = road.campaign(2, text="Hi %%1%%")
    line = road.line()
    road.turn()
    assert [text_of(submit) for _, submit in line.wire] == ["Hi 1", "Hi 2"]
    assert [submit.destination for _, submit in line.wire] == [
        one.mobile.removeprefix("+") for one in road.messages(campaign)
    ]
    assert {(submit.source, submit.source_ton) for _, submit in line.wire} == {("3774", 3)}


@pytest.mark.parametrize("window", [10, 2, 1])
def test_a_long_message_goes_out_through_any_window(road: Road, window: int) -> None:
    """R-5.3: the window counts segments; a message that is larger starts alone and goes on later."""
    campaign = road.campaign(2, text=LONG)
    line = road.line(window)
    seen: list[tuple[int, int]] = []
    road.turn()
    for _ in range(12):
        assert len(line.wire) <= window
        assert line.free + len(line.wire) == window
        seen += [(token.message_id, token.segment) for token in line.tokens]
        road.turn(all_ok(line))
    first, second = road.messages(campaign)
    assert seen == [(one.id, segment) for one in (first, second) for segment in (1, 2, 3)]
    assert road.states(campaign) == {"sent": 2}
    assert (first.attempt, first.total, first.accepted, first.launched) == (1, 3, 0b111, 0)


def test_only_what_is_marked_is_on_the_wire(road: Road) -> None:
    """R-8.1: of a message larger than the window the rest is unmarked until it goes."""
    campaign = road.campaign(1, text=LONG)
    line = road.line(window=2)
    road.turn()
    [message] = road.messages(campaign)
    assert (message.launched, message.total) == (0b011, 3)
    first, second = line.tokens
    road.turn([ok(first, "A1")])
    [message] = road.messages(campaign)
    assert message.launched == 0b110
    assert [token.segment for token in line.tokens] == [second.segment, 3]


def test_all_segments_of_a_message_go_over_one_bind(road: Road) -> None:
    """R-5.5."""
    road.campaign(4, text=LONG)
    lines = [road.line(window=4), road.line(window=4)]
    for _ in range(4):
        road.turn([answer for line in lines for answer in all_ok(line)])
        ways = [{token.message_id for token in line.tokens} for line in lines]
        assert not ways[0] & ways[1]
        assert all(len(line.wire) in (0, 3) for line in lines)


def test_who_opted_out_since_the_start_is_skipped(road: Road) -> None:
    """R-3.7, R-6.3: the newest event for the list or for all counts, at the moment of launching."""
    campaign = road.campaign(5)
    list_id = road.one("SELECT list_id FROM campaign WHERE id = %s", campaign)
    other = road.list_of(0)
    everywhere, here, elsewhere, again, fine = road.messages(campaign)
    road.opt("out", everywhere.mobile)
    road.opt("out", here.mobile, list_id)
    road.opt("out", elsewhere.mobile, other)
    road.opt("out", again.mobile)
    road.opt("in", again.mobile, list_id)
    line = road.line()
    road.turn()
    states = [(one.state, one.reason) for one in road.messages(campaign)]
    gone, launched = ("skipped", "opted out"), ("launched", None)
    assert states == [gone, gone, launched, launched, launched]
    assert [token.message_id for token in line.tokens] == [elsewhere.id, again.id, fine.id]


def test_who_is_blacklisted_is_skipped_whatever_he_consented_to(road: Road) -> None:
    """R-6.4, R-1.7: on the application's own list or on that of all; nobody else is touched."""
    campaign = road.campaign(4)
    ours, everywhere, others, _ = road.messages(campaign)
    application, other = road.application(), road.application("other")
    for mobile, owner in (
        (ours.mobile, application),
        (everywhere.mobile, None),
        (others.mobile, other),
    ):
        road.sql(
            "INSERT INTO blacklist (application_id, mobile, origin, by)"
            " VALUES (%s, %s, 'manual', 'anna')",
            owner,
            mobile,
        )
    road.opt("in", ours.mobile)
    road.line()
    road.turn()
    states = [(one.state, one.reason) for one in road.messages(campaign)]
    gone, launched = ("skipped", "blacklisted"), ("launched", None)
    assert states == [gone, gone, launched, launched]


def test_a_text_that_can_not_be_sent_fails_and_takes_nothing_along(road: Road) -> None:
    """R-2.2: more than 10 segments are refused, never cut; the others go out."""
    campaign = road.campaign(3, text="%%2%%")
    long, *others = road.messages(campaign)
    road.sql("UPDATE message SET params = ARRAY['1', 'Halo']")
    road.sql("UPDATE message SET params = ARRAY['1', repeat('x', 1531)] WHERE id = %s", long.id)
    line = road.line()
    road.turn()
    failed = road.message(long.id)
    assert (failed.state, failed.attempt) == ("failed", 0)
    assert failed.reason is not None
    assert "11 segments, at most 10" in failed.reason
    assert [token.message_id for token in line.tokens] == [one.id for one in others]


def test_what_is_cancelled_in_the_very_moment_does_not_leave(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-3.7: between choosing and marking; its slot is free for another."""
    campaign = road.campaign(3)
    line = road.line(window=2)
    unlucky = road.messages(campaign)[0]

    def cancel() -> None:
        road.sql(
            "WITH m AS (UPDATE message SET state = 'cancelled' WHERE id = %s RETURNING campaign_id)"
            " INSERT INTO tally SELECT campaign_id, s::message_state, n"
            " FROM m, (VALUES ('queued', -1), ('cancelled', 1)) AS t (s, n)",
            unlucky.id,
        )

    real = hot.ask

    def ask(tx: Tx, sql: LiteralString, params: Any) -> list[tuple[Any, ...]]:
        if "UPDATE message" in sql:
            monkeypatch.undo()
            cancel()
        return real(tx, sql, params)

    work = road.work()
    monkeypatch.setattr(hot, "ask", ask)
    done = road.database.run(turn.run, work)
    road.book(work, done)
    road.check()
    assert unlucky.id not in {token.message_id for token in line.tokens}
    assert road.message(unlucky.id).state == "cancelled"
    assert (line.free, len(line.wire)) == (1, 1)
    road.turn()
    assert road.states(campaign) == {"cancelled": 1, "launched": 2}


def test_a_campaign_that_may_not_send_launches_nothing(road: Road) -> None:
    """R-3.5: paused and stopped ones keep their rows."""
    campaign = road.campaign(2)
    line = road.line()
    for state in ("paused", "waiting", "stopped"):
        road.sql("UPDATE campaign SET state = %s::campaign_state WHERE id = %s", state, campaign)
        road.turn()
        assert line.wire == []
    assert road.states(campaign) == {"queued": 2}


# ---------------------------------------------------------------- classes


def test_class_0_goes_first_and_a_fifth_is_kept_for_campaigns(road: Road) -> None:
    """R-5.14: of each turn's free window."""
    campaign = road.campaign(30)
    urgent = {road.single(message_class=0) for _ in range(20)}
    api = {road.single(message_class=1) for _ in range(20)}
    line = road.line(window=10)
    road.turn()
    first = [token.message_id for token in line.tokens]
    assert set(first[:8]) <= urgent
    assert {one.id for one in road.messages(campaign)} >= set(first[8:])
    launched: list[int] = []
    for _ in range(4):
        road.turn(all_ok(line))
        launched += [token.message_id for token in line.tokens]
    assert sum(one in urgent for one in launched) == 12
    assert sum(one in api for one in launched) == 20
    assert not set(launched[:12]) & api


def test_the_fifth_is_counted_in_segments(road: Road) -> None:
    """R-5.14: long messages of class 0 don't eat the campaigns' share."""
    road.campaign(30)
    urgent = {road.single("x" * 300) for _ in range(20)}
    line = road.line(window=10)
    road.turn()
    assert len(line.wire) == 10
    assert sum(token.message_id in urgent for token in line.tokens) == 8


def test_what_campaigns_do_not_need_goes_to_the_others(road: Road) -> None:
    """R-5.14: nothing of the window is left empty while anybody waits."""
    road.campaign(1)
    urgent = {road.single() for _ in range(20)}
    line = road.line(window=10)
    road.turn()
    assert sum(token.message_id in urgent for token in line.tokens) == 9


def test_a_response_never_waits_behind_a_campaign(road: Road) -> None:
    """R-5.14: also when slots become free one by one, neither class starves the other."""
    road.campaign(200)
    line = road.line(window=5)
    road.turn()
    urgent = {road.single() for _ in range(100)}
    launched: list[int] = []
    for n in range(50):
        oldest = line.tokens[0]
        road.turn([ok(oldest, f"A{n}")])
        launched.append(line.tokens[-1].message_id)
    assert sum(one in urgent for one in launched) == 40
    assert sum(one in urgent for one in launched[:2]) >= 1


def _one_by_one(road: Road, answers: int) -> list[int]:
    """Answers come singly, the oldest first; the messages that went out then, a segment each."""
    [line] = road.lines
    launched: list[int] = []
    for _ in range(answers):
        before = set(line.tokens)
        token = line.tokens[0]
        road.turn([ok(token, f"A-{token.message_id}-{token.segment}")])
        launched += [token.message_id for token in line.tokens if token not in before]
    return launched


@pytest.mark.parametrize(("window", "segments"), [(10, 2), (10, 9), (5, 5), (2, 3), (1, 3)])
def test_a_long_response_does_not_wait_either(road: Road, window: int, segments: int) -> None:
    """R-5.14: a bind is emptied for it, since a campaign would take each slot that becomes free."""
    road.campaign(100)
    road.line(window)
    road.turn()
    urgent = road.single("x" * 153 * segments)
    _one_by_one(road, 4 * window + segments)
    message = road.message(urgent)
    assert message.accepted | message.launched == (1 << segments) - 1


def test_a_flood_of_long_responses_does_not_stop_a_campaign(road: Road) -> None:
    """R-5.14: its share is counted in what becomes free."""
    road.campaign(100)
    road.line(window=10)
    urgent = {road.single("x" * 300) for _ in range(80)}
    road.turn()
    launched = _one_by_one(road, 100)
    campaigns = sum(one not in urgent for one in launched)
    assert 15 <= campaigns <= 40
    assert len(launched) >= 95


def test_a_long_text_of_one_application_does_not_wait_behind_short_ones_of_another(
    road: Road,
) -> None:
    """R-5.14: feeds take turns, and one that found no room is still the next."""
    short = road.campaign(100)
    long = road.campaign(100, text="x" * 300, application="other")
    road.sql("UPDATE campaign SET state = 'running'")
    road.line(window=4)
    road.turn()
    launched = Counter(
        road.one("SELECT campaign_id FROM message WHERE id = %s", one)
        for one in _one_by_one(road, 40)
    )
    assert launched[short] > 8
    assert launched[long] > 8


def test_a_retry_that_meets_an_opt_out_is_counted(road: Road) -> None:
    """R-3.7: in a turn that does nothing else."""
    campaign = road.campaign(1)
    line = road.line()
    road.turn()
    road.settle(refused(line.tokens[0], status.THROTTLED))
    road.opt("out", road.messages(campaign)[0].mobile)
    road.pass_time(1)
    road.turn()
    assert road.tally(campaign) == {"skipped": 1}


# ---------------------------------------------------------------- settle


def test_taken_by_the_smsc_is_sent(road: Road) -> None:
    campaign = road.campaign(2)
    line = road.line()
    road.turn()
    done = road.settle(*all_ok(line))
    assert done.outcomes == {(line.carrier_id, "ESME_ROK"): 2}
    for message in road.messages(campaign):
        assert (message.state, message.accepted, message.launched) == ("sent", 1, 0)
        assert message.sent_at == message.state_at
    assert road.one("SELECT count(*) FROM submission") == 2


def test_taken_without_an_id_is_sent_too(road: Road) -> None:
    """wire.md: a good submit_sm_resp without an id is accepted, and marked: its id is null."""
    campaign = road.campaign(1)
    line = road.line()
    road.turn()
    road.settle(ok(line.tokens[0], None))
    assert road.states(campaign) == {"sent": 1}
    assert road.one("SELECT smsc_id FROM submission") is None


@pytest.mark.parametrize(
    ("command_status", "state", "again_in_s"),
    [
        (status.QUEUE_FULL, "queued", range(60, 180)),
        (status.SYSTEM_ERROR, "queued", 30),
        (status.TEMPORARY, "queued", 30),
        (0x45, "queued", 60),
        (0x04, "queued", 1),
        (0x0B, "failed", None),
        (0x66, "rejected", None),
        (0x431, "failed", None),
        (0xABC, "failed", None),
        (None, "uncertain", 30),
    ],
)
def test_what_comes_of_an_answer(
    road: Road, command_status: int | None, state: str, again_in_s: float | range | None
) -> None:
    """R-5.7, R-8.2: again, failed for good, or uncertain; the reason is on the message."""
    campaign = road.campaign(1)
    line = road.line()
    road.turn()
    [token] = line.tokens
    answer = silence(token) if command_status is None else refused(token, command_status)
    done = road.settle(answer)
    [message] = road.messages(campaign)
    assert (message.state, message.launched, line.free) == (state, 0, line.window)
    assert message.reason
    assert done.outcomes.total() == 1
    if again_in_s is None:
        assert road.all("SELECT FROM due") == []
        assert message.failed == 1
    else:
        due_in_s = road.due_in_s(message.id)
        if isinstance(again_in_s, range):
            assert int(due_in_s) in again_in_s
        else:
            assert due_in_s == again_in_s
        road.turn()
        assert line.wire == [], "not before its time"
        road.pass_time(due_in_s)
        road.turn()
        [token] = line.tokens
        assert (token.message_id, token.attempt) == (message.id, 2)
        assert road.all("SELECT FROM due") == []


def test_what_was_throttled_goes_again_at_once_and_counts_as_no_attempt(road: Road) -> None:
    """R-5.4, R-5.7: the pace takes care of when; the message is the first in the queue."""
    campaign = road.campaign(2)
    line = road.line(window=1)
    road.turn()
    [first] = line.tokens
    road.turn([refused(first, status.THROTTLED)])
    [again] = line.tokens
    assert (again.message_id, again.attempt) == (first.message_id, 2)
    [message, _] = road.messages(campaign)
    assert road.one("SELECT refused FROM message WHERE id = %s", message.id) == 0


def test_a_refusal_that_does_not_pass_fails_in_the_end(road: Road) -> None:
    """R-5.7: retried with growing gaps, then failed; throttling is no attempt of these."""
    campaign = road.campaign(1)
    line = road.line()
    road.turn()
    road.settle(refused(line.tokens[0], status.THROTTLED))
    [message] = road.messages(campaign)
    gaps = []
    while road.states(campaign) == {"queued": 1}:
        road.pass_time(3600)
        road.turn()
        road.settle(refused(line.tokens[0], status.SYSTEM_ERROR))
        if road.all("SELECT FROM due"):
            gaps.append(road.due_in_s(message.id))
    assert gaps == [30, 60, 120, 240, 480, 960, 1920, 3600]
    assert road.states(campaign) == {"failed": 1}


def test_what_never_left_is_queued_again_at_once(road: Road) -> None:
    """R-8.2: it is not in doubt, no attempt that counts, and no outcome of the carrier's."""
    campaign = road.campaign(2, text=LONG)
    line = road.line(window=6)
    road.turn()
    never, written = line.tokens[:3], line.tokens[3:]
    done = road.settle(*(Answer(token, line.carrier_id, NEVER_LEFT, None) for token in never))
    assert (done.outcomes, done.alerts) == ({}, {})
    message, _ = road.messages(campaign)
    assert (message.state, message.launched, message.reason) == ("queued", 0, None)
    assert road.one("SELECT refused FROM message WHERE id = %s", message.id) == 0
    road.turn()
    again = [token for token in line.tokens if token not in written]
    assert [(token.message_id, token.segment, token.attempt) for token in again] == [
        (message.id, n, 2) for n in (1, 2, 3)
    ]


def test_what_never_left_waits_for_its_other_parts(road: Road) -> None:
    """R-8.2: one that may have gone out makes the message uncertain, in any order."""
    campaign = road.campaign(1, text=LONG)
    line = road.line()
    road.turn()
    one, two, three = line.tokens
    road.settle(Answer(two, line.carrier_id, NEVER_LEFT, None), silence(one))
    assert road.states(campaign) == {"uncertain": 1}
    road.settle(ok(three, "A3"))
    road.turn()
    assert line.wire == []
    road.pass_time(30)
    road.turn()
    assert [(token.segment, token.attempt) for token in line.tokens] == [(1, 2), (2, 2)]


def test_a_retry_sends_only_the_segment_that_was_refused(road: Road) -> None:
    """R-5.7: what the SMSC took is paid for."""
    campaign = road.campaign(1, text=LONG)
    line = road.line()
    road.turn()
    one, two, three = line.tokens
    road.settle(ok(one, "A1"), refused(two, status.THROTTLED), ok(three, "A3"))
    assert road.states(campaign) == {"queued": 1}
    road.pass_time(1)
    road.turn()
    [(token, submit)] = line.wire
    assert (token.segment, token.attempt, text_of(submit)) == (2, 2, "y" * 153)
    road.settle(ok(token, "B2"))
    [message] = road.messages(campaign)
    assert (message.state, message.accepted) == ("sent", 0b111)


def test_a_retry_waits_for_the_segments_still_on_the_wire(road: Road) -> None:
    """One attempt at a time: else an answer could be to either."""
    road.campaign(1, text=LONG)
    line = road.line()
    road.turn()
    one, two, three = line.tokens
    road.settle(refused(one, status.THROTTLED), ok(two, "A2"))
    road.pass_time(1)
    road.turn()
    assert line.tokens == [three]
    road.settle(ok(three, "A3"))
    road.pass_time(1)
    road.turn()
    assert [token.segment for token in line.tokens] == [1]


@pytest.mark.parametrize("order", ["silence first", "refusal first", "at once", "at once, turned"])
def test_silence_about_one_segment_outweighs_a_refusal_of_another(road: Road, order: str) -> None:
    """R-8.2: what may have been taken is not sent again before 30 s, in whatever order it is told."""
    campaign = road.campaign(1, text="x" * 300)
    line = road.line()
    road.turn()
    answers = [silence(line.tokens[0]), refused(line.tokens[1], status.THROTTLED)]
    if order in ("refusal first", "at once, turned"):
        answers.reverse()
    if order.startswith("at once"):
        road.settle(*answers)
    else:
        road.settle(answers[0])
        road.settle(answers[1])
    [message] = road.messages(campaign)
    assert message.state == "uncertain"
    assert 29 < road.due_in_s(message.id) <= 31


def test_one_segment_that_fails_for_good_fails_the_message(road: Road) -> None:
    """R-5.8: and what the others bring changes nothing any more."""
    campaign = road.campaign(1, text=LONG)
    line = road.line()
    road.turn()
    one, two, three = line.tokens
    road.settle(ok(one, "A1"), refused(two, 0x0B))
    road.settle(ok(three, "A3"))
    road.receive(receipt_of("A1"), receipt_of("A3"))
    [message] = road.messages(campaign)
    assert (message.state, message.reason) == ("failed", "ESME_RINVDSTADR")
    assert message.launched == 0


def test_a_turn_run_twice_changes_nothing(road: Road) -> None:
    """R-8.1: after a COMMIT whose outcome is unknown, or a restart of the transaction."""
    campaign = road.campaign(6)
    line = road.line()
    road.turn()
    taken, throttled, failed, lost, told, early = line.tokens
    answers = [
        ok(taken, "A1"),
        refused(throttled, status.THROTTLED),
        refused(failed, 0x0B),
        silence(lost),
        ok(told, "A5"),
    ]
    received = [receipt_of("A5"), receipt_of("A6")]
    road.turn(answers, received, launch=False)
    assert road.states(campaign) == {
        "sent": 1, "queued": 1, "failed": 1, "uncertain": 1, "delivered": 1, "launched": 1
    }  # fmt: skip
    before = road.picture()
    road.turn(answers, launch=False)
    road.turn(received=[receipt_of("A5")], launch=False)
    after = road.picture()
    # The second time, a refusal is due a little later: that is all.
    assert {name: rows for name, rows in after.items() if name != "due"} == {
        name: rows for name, rows in before.items() if name != "due"
    }
    assert [row[:3] for row in after["due"]] == [row[:3] for row in before["due"]]
    road.settle(ok(early, "A6"))
    assert road.message(early.message_id).state == "delivered"


# ---------------------------------------------------------------- uncertain


def test_after_a_restart_what_was_on_the_wire_is_uncertain_and_resent(road: Road) -> None:
    """R-8.2: at most one window per bind; sent again after 30 s."""
    campaign = road.campaign(5)
    line = road.line(window=3)
    road.turn()
    road.settle(ok(line.tokens[0], "A1"))
    start = road.restart()
    assert (start.epoch, start.uncertain) == (2, 2)
    assert road.states(campaign) == {"sent": 1, "uncertain": 2, "queued": 2}
    doubtful = [one for one in road.messages(campaign) if one.state == "uncertain"]
    assert [road.due_in_s(one.id) for one in doubtful] == [30, 30]
    assert [one.launched for one in doubtful] == [0, 0]
    line = road.line(window=10)
    road.turn()
    assert road.states(campaign) == {"sent": 1, "uncertain": 2, "launched": 2}
    road.pass_time(30)
    road.turn()
    assert road.states(campaign) == {"sent": 1, "launched": 4}
    assert [token.attempt for token in line.tokens] == [1, 1, 2, 2]
    road.settle(*all_ok(line))
    assert road.states(campaign) == {"sent": 5}


def test_a_restart_finds_what_a_turn_only_went_on_with(road: Road) -> None:
    """R-8.1: the rest of a message larger than the window, whatever was settled of it before."""
    campaign = road.campaign(1, text=LONG)
    line = road.line(window=1)
    road.turn()
    first = road.number
    road.turn(all_ok(line), settled_turns=(first,))
    road.restart()
    assert road.states(campaign) == {"uncertain": 1}
    line = road.line(window=10)
    road.pass_time(30)
    road.turn()
    assert [token.segment for token in line.tokens] == [2, 3]


def test_the_rest_of_a_message_is_not_lost_with_its_session(road: Road) -> None:
    """R-8.1: the session fell when what had gone out was answered, and the rest had not begun."""
    campaign = road.campaign(1, text=LONG)
    line = road.line(window=1)
    road.turn()
    [token] = line.tokens
    road.lines.clear()  # it fell
    first = road.number
    road.turn([ok(token, "A1")], settled_turns=(first,))
    assert road.states(campaign) == {"launched": 1}
    done = road.turn(given_up=[(token.message_id, 1)])
    assert done.given_up == []
    assert road.states(campaign) == {"queued": 1}
    line = road.line(window=10)
    road.turn()
    assert [(token.segment, token.attempt) for token in line.tokens] == [(2, 2), (3, 2)]
    road.settle(*all_ok(line))
    assert road.states(campaign) == {"sent": 1}


def test_the_rest_of_a_message_waits_for_what_is_on_the_wire(road: Road) -> None:
    """R-8.2: the answer that its session owes decides; unknown, it makes all of it uncertain."""
    campaign = road.campaign(1, text=LONG)
    line = road.line(window=1)
    road.turn()
    [token] = line.tokens
    road.lines.clear()
    given_up = [(token.message_id, 1)]
    assert road.turn(given_up=given_up).given_up == given_up
    assert road.states(campaign) == {"launched": 1}
    assert road.turn([silence(token)], given_up=given_up).given_up == []
    assert road.states(campaign) == {"uncertain": 1}
    line = road.line()
    road.turn()
    assert line.wire == []
    road.pass_time(30)
    road.turn()
    assert [token.segment for token in line.tokens] == [1, 2, 3]


def test_each_turn_that_has_the_rest_of_a_message_names_it(road: Road) -> None:
    """R-8.1: also one in which no slot is free for it."""
    campaign = road.campaign(1, text=LONG)
    line = road.line(window=1)
    road.turn()
    [token] = line.tokens
    first = road.number
    line.free = -1  # the answer's slot has gone elsewhere
    road.turn([ok(token, "A1")], settled_turns=(first,))
    assert line.wire == []
    start = road.restart()
    assert start.uncertain == 1
    assert road.states(campaign) == {"uncertain": 1}


def test_two_turns_never_send_one_segment_twice(road: Road) -> None:
    """R-8.2: two turns are in flight; what the first went on with is not gone on with by the second."""
    road.campaign(1, text=LONG)
    line = road.line(window=2)
    road.turn()
    one, two = line.tokens
    stale = road.work([ok(two, "A2")])
    road.turn([ok(one, "A1")])
    done = road.database.run(turn.run, stale)
    assert done.slots[0].batch == []


def test_what_has_begun_goes_on_while_the_engine_drains(road: Road) -> None:
    """R-4.1: the parts of one message are not torn apart; nothing new goes out."""
    campaign = road.campaign(2, text=LONG)
    line = road.line(window=2)
    road.turn()
    road.settle(*all_ok(line))
    road.settle(*all_ok(line))
    assert line.wire == []
    assert road.states(campaign) == {"sent": 1, "queued": 1}


def test_a_turn_that_is_settled_is_forgotten(road: Road) -> None:
    """What `flight` names is what may be on the wire, and no more."""
    road.campaign(2)
    line = road.line(window=1)
    road.turn()
    first = road.number
    road.turn(all_ok(line), settled_turns=(first,))
    assert road.all("SELECT turn FROM flight") == [(road.number,)]


@pytest.mark.parametrize("told", ["answer", "receipt"])
def test_an_uncertain_message_is_settled_by_a_late_word(road: Road, told: str) -> None:
    """R-5.3, R-8.2: a late response, or a receipt; then it is not sent again."""
    campaign = road.campaign(1)
    line = road.line()
    road.turn()
    [token] = line.tokens
    road.settle(silence(token))
    assert road.states(campaign) == {"uncertain": 1}
    road.settle(ok(token, "A1"))
    if told == "receipt":
        road.receive(receipt_of("A1"))
    assert road.states(campaign) == {"sent" if told == "answer" else "delivered": 1}
    road.pass_time(30)
    road.turn()
    assert line.wire == []
    assert road.all("SELECT FROM due") == []


def _sent_again(road: Road) -> tuple[int, Token, Token]:
    """A campaign whose only message got no answer: its attempts 1 and 2, and the second on the wire."""
    campaign = road.campaign(1)
    line = road.line()
    road.turn()
    [old] = line.tokens
    road.settle(silence(old))
    road.pass_time(30)
    road.turn()
    [new] = line.tokens
    return campaign, old, new


def test_a_late_answer_to_an_older_attempt_counts_and_leaves_the_newer_on_the_wire(
    road: Road,
) -> None:
    """R-5.8: one row a segment and attempt; the slot of the newer one stays taken."""
    campaign, old, new = _sent_again(road)
    road.settle(ok(old, "A1"))
    [message] = road.messages(campaign)
    assert (message.state, message.launched) == ("sent", 1)
    road.settle(ok(new, "B1"))
    [message] = road.messages(campaign)
    assert (message.state, message.launched) == ("sent", 0)
    assert road.all("SELECT smsc_id, attempt FROM submission ORDER BY 2") == [("A1", 1), ("B1", 2)]


def test_a_late_refusal_of_an_older_attempt_changes_nothing(road: Road) -> None:
    """Its fate was told when it was sent again."""
    campaign, old, _ = _sent_again(road)
    road.settle(refused(old, 0x0B))
    [message] = road.messages(campaign)
    assert (message.state, message.launched, message.failed) == ("launched", 1, 0)


# ---------------------------------------------------------------- receipts

WORDS = {
    "DELIVRD": "delivered",
    "EXPIRED": "expired",
    "DELETED": "cancelled",
    "UNDELIV": "failed",
    "REJECTD": "rejected",
    "SKIPPED": "failed",
    "UNKNOWN": "failed",
    "ENROUTE": "sent",
    "ACCEPTD": "sent",
    "SCHEDULED": "sent",
}


@pytest.mark.parametrize(("word", "state"), WORDS.items())
def test_what_a_receipt_makes_of_a_message(road: Road, word: str, state: str) -> None:
    """R-5.8: final ones end it, once; others change nothing."""
    message = road.sent()
    for _ in range(2):
        road.receive(receipt_of("A1", word))
        after = road.message(message.id)
        assert after.state == state
        assert after.reason == (word if state not in ("sent", "delivered") else None)
    assert after.sent_at == message.sent_at


@pytest.mark.parametrize("first", [word for word, state in WORDS.items() if state != "sent"])
@pytest.mark.parametrize("later", ["DELIVRD", "UNDELIV", "EXPIRED", "ENROUTE"])
def test_a_later_final_state_replaces_only_unknown(road: Road, first: str, later: str) -> None:
    """R-5.8, wire.md rule 7."""
    message = road.sent()
    road.receive(receipt_of("A1", first))
    road.receive(receipt_of("A1", later))
    replaces = first == "UNKNOWN" and later != "ENROUTE"
    assert road.message(message.id).state == WORDS[later if replaces else first]


def test_a_later_final_state_replaces_only_unknown_after_a_retry_too(road: Road) -> None:
    """R-5.8: a good receipt is of any attempt, but not against a bad one of the same."""
    campaign = road.campaign(1)
    line = road.line()
    road.turn()
    road.settle(refused(line.tokens[0], status.THROTTLED))
    road.pass_time(1)
    road.turn()
    road.settle(ok(line.tokens[0], "A1"))
    road.receive(receipt_of("A1", "UNDELIV"))
    road.receive(receipt_of("A1", "DELIVRD"))
    assert road.states(campaign) == {"failed": 1}


def _resent(road: Road) -> int:
    """A message whose attempts 1 and 2 the SMSC both took, as A1 and B1."""
    campaign, old, new = _sent_again(road)
    road.settle(ok(new, "B1"))
    road.settle(ok(old, "A1"))
    [message] = road.messages(campaign)
    return message.id


@pytest.mark.parametrize(
    ("receipts", "state"),
    [
        ([("A1", "DELIVRD")], "delivered"),
        ([("B1", "DELIVRD")], "delivered"),
        ([("A1", "UNDELIV")], "sent"),
        ([("A1", "UNDELIV"), ("B1", "DELIVRD")], "delivered"),
        ([("A1", "UNDELIV"), ("B1", "UNDELIV")], "failed"),
        ([("B1", "UNDELIV"), ("A1", "DELIVRD")], "delivered"),
        ([("A1", "DELIVRD"), ("B1", "UNDELIV")], "delivered"),
    ],
)
def test_receipts_of_several_attempts(
    road: Road, receipts: list[tuple[str, str]], state: str
) -> None:
    """R-5.8: a good one of any attempt settles its segment, an older one's bad end does not."""
    message_id = _resent(road)
    for smsc_id, word in receipts:
        road.receive(receipt_of(smsc_id, word))
    assert road.message(message_id).state == state


@pytest.mark.parametrize("status_", [0x0B, status.THROTTLED])
@pytest.mark.parametrize("order", ["refused first", "receipt first", "in one turn"])
def test_an_older_attempt_ends_a_message_when_the_newer_was_refused(
    road: Road, order: str, status_: int
) -> None:
    """R-5.8: a bad receipt settles its segment when no other attempt is open."""
    campaign, old, new = _sent_again(road)
    road.settle(ok(old, "A1"))
    answer, bad = refused(new, status_), receipt_of("A1", "UNDELIV")
    match order:
        case "refused first":
            road.settle(answer)
            assert road.states(campaign) == {"sent": 1}
            road.receive(bad)
        case "receipt first":
            road.receive(bad)
            assert road.states(campaign) == {"sent": 1}, "the newer one may arrive"
            road.settle(answer)
        case _:
            road.turn([answer], [bad])
    assert road.states(campaign) == {"failed": 1}
    road.receive(receipt_of("A1"))
    assert road.states(campaign) == {"delivered": 1}, "a good one always wins"


def test_the_newer_attempt_makes_good_what_the_older_one_ended(road: Road) -> None:
    """R-5.8: also where its answer came last of all."""
    campaign, old, new = _sent_again(road)
    road.settle(ok(old, "A1"))
    road.receive(receipt_of("A1", "UNDELIV"))
    road.settle(ok(new, "B1"))
    road.receive(receipt_of("A1", "UNDELIV"))
    assert road.states(campaign) == {"sent": 1}
    road.receive(receipt_of("B1"))
    [message] = road.messages(campaign)
    assert (message.state, message.failed, message.delivered) == ("delivered", 0, 1)


def test_an_attempt_that_sent_only_other_segments_is_no_newer_one(road: Road) -> None:
    """R-5.8: attempts are a segment's own; what was taken in the first one can only end there."""
    campaign = road.campaign(1, text=LONG)
    line = road.line()
    road.turn()
    one, two, three = line.tokens
    road.settle(ok(one, "A1"), refused(two, status.THROTTLED), ok(three, "A3"))
    road.pass_time(1)
    road.turn()
    road.settle(ok(line.tokens[0], "B2"))
    road.receive(receipt_of("A1", "UNDELIV"))
    [message] = road.messages(campaign)
    assert (message.state, message.failed, message.reason) == ("failed", 0b001, "UNDELIV")


@pytest.mark.parametrize("first", ["DELIVRD", "UNDELIV", "UNKNOWN", "EXPIRED", "REJECTD"])
@pytest.mark.parametrize("later", ["DELIVRD", "UNDELIV", "UNKNOWN", "EXPIRED", "REJECTD"])
@pytest.mark.parametrize(("one", "other"), [("A1", "A1"), ("A1", "B1"), ("B1", "A1")])
def test_receipts_in_one_batch_mean_what_they_mean_in_two(
    road: Road, first: str, later: str, one: str, other: str
) -> None:
    """R-5.8, wire.md rule 7: a read of the socket brings them as it likes."""
    found = []
    for together in (True, False):
        message_id = _resent(road)
        receipts = [receipt_of(one, first), receipt_of(other, later)]
        for batch in [receipts] if together else [receipts[:1], receipts[1:]]:
            road.receive(*batch)
        message = road.message(message_id)
        found.append((message.state, message.reason))
        road.sql("DELETE FROM submission")  # the ids are to be had again
        road.lines.clear()
    assert found[0] == found[1]
    if "DELIVRD" in (first, later) and (one != other or first in ("DELIVRD", "UNKNOWN")):
        assert found[0] == ("delivered", None)


def test_a_message_is_delivered_when_all_its_segments_are(road: Road) -> None:
    """R-5.8."""
    campaign = road.campaign(1, text=LONG)
    line = road.line()
    road.turn()
    road.settle(*(ok(token, f"A{token.segment}") for token in line.tokens))
    for n, state in ((2, "sent"), (1, "sent"), (1, "sent"), (3, "delivered")):
        road.receive(receipt_of(f"A{n}"))
        assert road.states(campaign) == {state: 1}


def test_a_bad_receipt_of_one_segment_fails_the_message(road: Road) -> None:
    """R-5.8: failed when one finally is, whatever comes of the others."""
    campaign = road.campaign(1, text=LONG)
    line = road.line()
    road.turn()
    road.settle(*(ok(token, f"A{token.segment}") for token in line.tokens))
    road.receive(receipt_of("A1"), receipt_of("A2", "UNDELIV"))
    road.receive(receipt_of("A3"))
    [message] = road.messages(campaign)
    assert (message.state, message.failed) == ("failed", 0b010)


@pytest.mark.parametrize(
    ("stored", "told"),
    [("123", "00123"), ("4a6f", "4A6F"), ("702113", "AB6A1"), ("AB6A1", "702113")],
)
def test_an_id_written_another_way_is_the_same(road: Road, stored: str, told: str) -> None:
    """wire.md, Ids: zeros, case, and the other base."""
    message = road.sent(stored)
    road.receive(receipt_of(told))
    assert road.message(message.id).state == "delivered"


def test_where_an_id_was_used_twice_the_number_decides(road: Road) -> None:
    """wire.md, Ids: by its last eight digits; without one it is counted and not guessed."""
    first, second = road.sent("A1"), road.sent("A1")
    road.receive(receipt_of("A1", mobile="0" + second.mobile[-8:]))
    assert [road.message(one.id).state for one in (first, second)] == ["sent", "delivered"]
    road.receive(receipt_of("A1", mobile="4711"))
    assert [road.message(one.id).state for one in (first, second)] == ["sent", "delivered"]
    assert road.one("SELECT count(*) FROM parked") == 1


def test_ids_belong_to_their_carrier(road: Road) -> None:
    """wire.md, Ids."""
    message = road.sent("A1")
    other = road.line(carrier="dua")
    road.receive(receipt_of("A1", carrier_id=other.carrier_id))
    assert road.message(message.id).state == "sent"


def test_a_receipt_that_comes_before_its_response_is_parked_and_matched(road: Road) -> None:
    """R-5.8, design 8: in turns that follow each other."""
    campaign = road.campaign(2)
    line = road.line()
    road.turn()
    one, two = line.tokens
    done = road.receive(receipt_of("702113"), receipt_of("0B", "UNDELIV"))
    assert done.receipts == {"parked": 2}
    assert road.states(campaign) == {"launched": 2}
    road.settle(ok(one, "AB6A1"), ok(two, "b"))
    assert [message.state for message in road.messages(campaign)] == ["delivered", "failed"]
    assert road.all("SELECT FROM parked") == []


def test_a_receipt_of_something_nobody_here_sent_is_kept(road: Road) -> None:
    """R-5.8: never dropped; and it waits no turn again and again."""
    for _ in range(2):
        road.receive(receipt_of("nobody"))
    road.pass_time(3)
    road.sweep()
    assert road.one("SELECT count(*) FROM parked") >= 1


def test_what_can_not_be_told_apart_keeps_its_age(road: Road) -> None:
    """wire.md, Ids: ambiguous is counted, never guessed; it is purged like the others, in 72 h."""
    road.sent("A1")
    road.sent("A1")
    road.receive(receipt_of("A1", mobile="4711"))
    road.pass_time(10)
    [before] = road.all("SELECT at FROM parked")
    road.sweep()
    assert road.all("SELECT at FROM parked") == [before]


# ---------------------------------------------------------------- nodes


def test_a_newer_epoch_fences_the_older(road: Road) -> None:
    """R-8.4: what was taken over must not be sent; the whole turn is rolled back."""
    campaign = road.campaign(1)
    road.line()
    work = road.work()
    road.database.run(nodes.start, "gw1", road.one("SELECT now()"))
    before = road.picture()
    with pytest.raises(nodes.Fenced):
        road.database.run(turn.run, work)
    with pytest.raises(nodes.Fenced):
        road.sweep()
    assert road.picture() == before
    assert road.states(campaign) == {"queued": 1}


def test_a_take_over_waits_for_the_turn_that_is_being_committed(road: Road) -> None:
    """R-8.2: else what that turn launches would be nobody's."""
    campaign = road.campaign(1)
    road.line()
    work = road.work()
    url = road.database.url
    with psycopg.connect(url) as old, psycopg.connect(url) as new:
        turn.run(old, work)
        new.execute("SET lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            nodes.start(new, "gw1", road.one("SELECT now()"))
        new.rollback()
        old.commit()
        start = nodes.start(new, "gw1", road.one("SELECT now()"))
    assert start.uncertain == 1
    assert road.states(campaign) == {"uncertain": 1}


def test_another_node_takes_nothing_over(road: Road) -> None:
    """Only its own old epochs, and those of the dead."""
    campaign = road.campaign(1)
    road.line()
    road.turn()
    other = Road.open(road.database, "gw2")
    assert other.node.uncertain == 0
    assert road.states(campaign) == {"launched": 1}


def test_a_take_over_leaves_alone_what_another_node_has_launched_since(road: Road) -> None:
    """R-8.2, R-8.4: `flight` names a turn's messages until all of them are settled."""
    campaign = road.campaign(2)
    line = road.line(window=2)
    road.turn()
    first, _ = line.tokens
    road.settle(refused(first, status.THROTTLED))
    other = Road.open(road.database, "gw2")
    others = other.line()
    road.pass_time(1)
    other.turn()
    [again] = others.tokens
    assert (again.message_id, again.attempt) == (first.message_id, 2)
    assert road.restart().uncertain == 1
    message = road.message(first.message_id)
    assert (message.state, message.launched) == ("launched", 0b1)
    other.settle(ok(again, "B1"))
    assert road.states(campaign) == {"sent": 1, "uncertain": 1}


def test_a_take_over_takes_what_another_node_had_before(road: Road) -> None:
    """R-8.1: else it would be nobody's."""
    other = Road.open(road.database, "gw2")
    campaign = road.campaign(2)
    others = other.line(window=2)
    other.turn()
    first, second = others.tokens
    other.settle(refused(first, status.THROTTLED))
    road.pass_time(1)
    line = road.line()
    road.turn()
    assert [token.message_id for token in line.tokens] == [first.message_id]
    assert road.restart().uncertain == 1
    assert road.message(first.message_id).state == "uncertain"
    assert road.message(second.message_id).state == "launched"
    assert road.states(campaign) == {"launched": 1, "uncertain": 1}


def test_a_turn_whose_commit_was_cut_off_can_be_asked_for(road: Road) -> None:
    """Design 9: committed or not, and the answer holds for ever."""
    road.campaign(1)
    road.line()
    road.turn()
    node, epoch = road.node.node_id, road.node.epoch
    assert road.database.run(nodes.turn_committed, node, epoch, road.number)
    lost = road.work(received=[receipt_of("nobody")])
    assert not road.database.run(nodes.turn_committed, node, epoch, lost.number)
    with pytest.raises(psycopg.errors.UniqueViolation):
        road.database.run(turn.run, lost)
