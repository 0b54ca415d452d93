"""Each way in which an event arises, and that none arises otherwise (R-7.1, R-7.2, R-8.3)."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from engine import clock, inbound
from engine.domain.callback import ENDS, STATUS, Events, Kind, Status, event, wanted
from engine.domain.message import MessageClass, MessageState, Resolution
from engine.domain.parts import Piece
from engine.domain.receipts import SILENCE_S
from engine.gateway.turn import NEVER_LEFT
from engine.operations import Actor, campaigns, members, messages, retention
from engine.store import callbacks, held, inbox, nodes, settings, submitting
from engine.store import messages as stored
from engine.store.callbacks import Setting
from engine.store.db import Tx
from engine.store.inbox import Mo
from engine.store.submitting import NewMessage
from smpp import status
from tests.road import Road, all_ok, ok, receipt_of, refused, silence

ANNA = Actor(application="default", by="anna")
URL = "https://api.example.com/sms"
LONG = "x" * 153 + "y" * 153 + "z" * 10
"""Three segments."""


def tell(
    road: Road,
    kind: Kind = Kind.RECEIPT,
    events: Events = Events.ALL,
    application: str = "default",
) -> int:
    """Set an endpoint; its id."""
    app = road.application(application)
    road.database.run(callbacks.put, app, kind, Setting(url=URL, events=events))
    return road.database.run(callbacks.of_application, app)[kind].id


def told(road: Road, message_id: int | None = None) -> list[str]:
    """The statuses that are due, in the order in which they are told."""
    return [
        word
        for (word,) in road.all(
            """
            SELECT status FROM outbox WHERE kind = 'receipt' AND about_id = coalesce(%s, about_id)
             ORDER BY due_at, id
            """,
            message_id,
        )
    ]


@pytest.fixture
def all_told(road: Road) -> Iterator[Road]:
    """An application that is told of everything. Afterwards: the books balance (R-7.2)."""
    tell(road)
    yield road
    for message_id, state in road.all("SELECT id, state::text FROM message"):
        statuses = [Status(word) for word in told(road, message_id)]
        order = [
            0 if one is Status.SUBMITTED else 1 if one is Status.SENT else 2 for one in statuses
        ]
        assert order == sorted(order), "it went backwards"
        assert order.count(0) <= 1 >= order.count(1), "it was told twice"
        if road.one("SELECT final_told FROM message WHERE id = %s", message_id) is None:
            assert not statuses or STATUS[MessageState(state)] in (statuses[-1], Status.SUBMITTED)
    [[same]] = road.all(
        "SELECT array_agg(id ORDER BY id) IS NOT DISTINCT FROM array_agg(id ORDER BY due_at, id)"
        "  FROM outbox"
    )
    assert same, "events are due in the order of their numbers"


def test_the_statements_follow_the_rule(road: Road) -> None:
    """R-7.2: for all pairs of states they tell what `domain.callback.event` tells."""
    final = tell(road, events=Events.FINAL)
    every = tell(road, application="other")
    applications = {road.application(): final, road.application("other"): every}
    cases = list(product(applications, MessageState, MessageState, (False, True), (None, True)))
    rows = [(n, app, *rest) for n, (app, *rest) in enumerate(cases)]

    def change(tx: Tx) -> None:
        tx.execute(
            """
            CREATE TEMP TABLE happened (id bigint, application_id int, was message_state,
                                        became message_state, soft boolean, final_told boolean,
                                        campaign_id bigint, mobile text DEFAULT '+6421',
                                        state_at timestamptz DEFAULT now(), sent_at timestamptz)
            ON COMMIT DROP
            """
        )
        with tx.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO happened (id, application_id, was, became, soft, final_told)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                rows,
            )
        tx.execute(f"WITH moved AS (SELECT * FROM happened) {callbacks.TOLD}".encode())

    road.database.run(change)
    expected = set()
    for n, (app, was, became, soft, ended) in enumerate(cases):
        asked = Events.ALL if applications[app] == every else Events.FINAL
        said = event(was, became, soft=soft, ended=bool(ended))
        if said is not None and wanted(asked, said):
            expected.add((n, said.value, applications[app]))
    found = set(road.all("SELECT about_id, status, endpoint_id FROM outbox"))
    assert found == expected
    assert len(found) > 100


def test_new_messages_are_told_by_who_wants_all(road: Road) -> None:
    """R-7.2: and those that ended as they began, always."""
    tell(road, events=Events.FINAL)
    every = tell(road, application="other")

    def make(tx: Tx) -> None:
        tx.execute(
            f"""
            WITH moved AS (
                SELECT row_number() OVER () AS id, NULL::bigint AS campaign_id,
                       a.id AS application_id, '+6421' AS mobile, now() AS state_at,
                       NULL::timestamptz AS sent_at, s AS became
                  FROM application a, unnest(enum_range(NULL::message_state)) AS s)
            {callbacks.BORN}
            """.encode()
        )

    road.database.run(make)
    found = road.all("SELECT endpoint_id = %s, status FROM outbox", every)
    words = [STATUS[state] for state in MessageState]
    assert sorted(word for other, word in found if other) == sorted(words)
    assert sorted(word for other, word in found if not other) == sorted(
        word for word in words if word in ENDS
    )


UNTOLD = {
    "launching.mark_launched": "submitted stays submitted",
    "launching.mark_continued": "no other state",
    "launching.take_back": "submitted stays submitted",
    "nodes.take_over": "submitted stays submitted",
    "messages.resend": "submitted stays submitted",
    "restoring.hold": "submitted stays submitted",
    "scrubbing._scrub_messages": "no other state",
}
"""What changes messages and tells nothing, and why."""


def test_whatever_changes_a_message_tells_of_it() -> None:
    """R-7.2: each function of the store that writes to `message` has its word about events."""
    silent = set()
    for file in sorted(Path(callbacks.__file__).parent.glob("*.py")):
        text = file.read_text()
        for function in ast.walk(ast.parse(text)):
            if not isinstance(function, ast.FunctionDef):
                continue
            source = ast.get_source_segment(text, function) or ""
            writes = re.search(r"\b(UPDATE|INSERT INTO) message\b", source)
            if writes and not re.search(r"\{(callbacks\.(TOLD|BORN)|_TOLD|end)\}", source):
                silent.add(f"{file.stem}.{function.name}")
    assert silent == UNTOLD.keys()


# ---------------------------------------------------------------- the ways


def test_a_campaign_from_its_start_to_the_handset(all_told: Road) -> None:
    """R-7.2: each status once, with the times of the message."""
    road = all_told
    campaign = road.campaign(2)
    line = road.line()
    assert told(road) == ["submitted"] * 2
    road.turn()
    assert told(road) == ["submitted"] * 2, "launched is no status of its own"
    road.settle(*all_ok(line))
    first, second = road.messages(campaign)
    road.receive(receipt_of(f"A-{first.id}-1-1"), receipt_of(f"A-{second.id}-1-1", "UNDELIV"))
    assert told(road, first.id) == ["submitted", "sent", "received"]
    assert told(road, second.id) == ["submitted", "sent", "failed"]
    rows = road.all(
        "SELECT status, campaign_id, mobile, status_at, sent_at FROM outbox"
        " WHERE about_id = %s ORDER BY id",
        first.id,
    )
    now = road.message(first.id)
    assert [row[:3] for row in rows] == [
        (word, campaign, first.mobile) for word in ("submitted", "sent", "received")
    ]
    assert [row[4] for row in rows] == [None, now.sent_at, now.sent_at]
    assert [row[3] for row in rows][1:] == [now.sent_at, now.state_at]


def test_only_final_ones_by_default(road: Road) -> None:
    """R-7.2"""
    tell(road, events=Events.FINAL)
    message = road.sent()
    assert told(road) == []
    road.receive(receipt_of("A1"))
    assert told(road, message.id) == ["received"]


def test_with_no_endpoint_nothing_is_written(road: Road) -> None:
    """R-7.1: nor for an endpoint of replies, or of another application; nor when it was taken off."""
    tell(road, Kind.REPLY)
    tell(road, application="other")
    endpoint = tell(road)
    road.database.run(callbacks.off, endpoint)
    road.sent()
    road.receive(receipt_of("A1"))
    assert road.one("SELECT count(*) FROM outbox") == 0


def test_an_endpoint_that_is_set_in_the_middle_is_told_from_then_on(road: Road) -> None:
    """R-7.2"""
    message = road.sent()
    tell(road)
    road.receive(receipt_of("A1"))
    assert told(road, message.id) == ["received"]


@pytest.mark.parametrize(
    ("word", "told_as"),
    [
        ("DELIVRD", "received"),
        ("EXPIRED", "expired"),
        ("DELETED", "dead"),
        ("UNDELIV", "failed"),
        ("UNKNOWN", "failed"),
        ("REJECTD", "rejected"),
        ("ENROUTE", None),
        ("ACCEPTD", None),
    ],
)
def test_what_a_receipt_says(all_told: Road, word: str, told_as: str | None) -> None:
    """R-7.2; wire.md, Receipts. Twice the same says nothing new."""
    road = all_told
    message = road.sent()
    for _ in range(2):
        road.receive(receipt_of("A1", word))
    assert told(road, message.id) == ["submitted", "sent", *([told_as] if told_as else [])]


@pytest.mark.parametrize("later", ["DELIVRD", "EXPIRED", "UNDELIV", "UNKNOWN", "DELETED"])
def test_only_a_failure_from_unknown_is_followed(all_told: Road, later: str) -> None:
    """R-7.2"""
    road = all_told
    message = road.sent()
    road.receive(receipt_of("A1", "UNKNOWN"))
    road.receive(receipt_of("A1", later))
    road.receive(receipt_of("A1", "DELIVRD"))
    then = {"DELIVRD": ["received"], "EXPIRED": ["expired"], "DELETED": ["dead"]}
    ends = then.get(later, ["received"] if later == "UNKNOWN" else [])
    assert told(road, message.id) == ["submitted", "sent", "failed", *ends]


def test_a_failure_that_a_late_receipt_makes_good_is_not_told_again(all_told: Road) -> None:
    """R-7.2 against R-5.8: the message is delivered here, but `failed` was its last word outside."""
    road = all_told
    campaign = road.campaign(1)
    line = road.line()
    road.turn()
    [old] = line.tokens
    road.settle(silence(old))
    road.pass_time(nodes.UNCERTAIN_S)
    road.turn()
    [new] = line.tokens
    road.settle(ok(new, "B1"), ok(old, "A1"))
    road.receive(receipt_of("B1", "UNDELIV"))
    road.receive(receipt_of("A1", "DELIVRD"))
    assert road.states(campaign) == {"delivered": 1}
    assert told(road) == ["submitted", "sent", "failed"]


def test_not_even_over_several_segments(all_told: Road) -> None:
    """R-7.2: one that is opened again by a receipt for a part, and delivered by the others."""
    road = all_told
    campaign = road.campaign(1, text=LONG)
    line = road.line()
    road.turn()
    one, two, three = line.tokens
    road.settle(ok(one, "A1"), ok(two, "A2"), silence(three))
    road.pass_time(nodes.UNCERTAIN_S)
    road.turn()
    [again] = line.tokens
    road.settle(ok(again, "B3"), ok(three, "A3"))
    road.receive(receipt_of("B3", "UNDELIV"))
    assert road.states(campaign) == {"failed": 1}
    road.receive(receipt_of("A3"))
    assert road.states(campaign) == {"sent": 1}
    road.receive(receipt_of("A1"), receipt_of("A2"))
    assert road.states(campaign) == {"delivered": 1}
    assert told(road) == ["submitted", "sent", "failed"]


def test_a_receipt_before_its_response_leaves_sent_out(all_told: Road) -> None:
    """R-7.2: it is parked, settled with the response, and nothing is told twice."""
    road = all_told
    road.campaign(1)
    line = road.line()
    road.turn()
    road.receive(receipt_of("A1"))
    assert told(road) == ["submitted"]
    road.settle(ok(line.tokens[0], "A1"))
    assert told(road) == ["submitted", "sent", "received"]


def test_what_the_sweep_joins_is_told(all_told: Road) -> None:
    """R-8.3: a receipt that missed its submission."""
    road = all_told
    road.sent()
    road.sql(
        """
        WITH kept AS (
            INSERT INTO parked (carrier_id, ids, mobile, state, stat, at)
            SELECT carrier_id, ARRAY['A1'], '', 'delivered', 'DELIVRD', now() - interval '2 s'
              FROM submission RETURNING carrier_id, id)
        INSERT INTO parked_candidate SELECT carrier_id, 'A1', id FROM kept
        """
    )
    road.sweep()
    assert told(road) == ["submitted", "sent", "received"]


def test_silence_after_a_part_ends_in_received(all_told: Road) -> None:
    """R-5.8: one receipt for a whole message."""
    road = all_told
    road.campaign(1, text=LONG)
    line = road.line()
    road.turn()
    road.settle(*(ok(token, f"A{token.segment}") for token in line.tokens))
    road.receive(receipt_of("A1"))
    assert told(road) == ["submitted", "sent"]
    road.sql("UPDATE message SET state_at = state_at - %s", timedelta(seconds=SILENCE_S))
    road.pass_time(SILENCE_S)
    road.sweep()
    assert told(road) == ["submitted", "sent", "received"]


@pytest.mark.parametrize(
    ("code", "told_as"),
    [
        (0x0B, "failed"),
        (0x66, "rejected"),
        (status.THROTTLED, None),
        (NEVER_LEFT, None),
        (None, None),
    ],
)
def test_what_the_smsc_refuses(all_told: Road, code: int | None, told_as: str | None) -> None:
    """R-7.2: what is tried again, and what is uncertain, stays submitted."""
    road = all_told
    road.campaign(1)
    line = road.line()
    road.turn()
    [token] = line.tokens
    road.settle(silence(token) if code is None else refused(token, code))
    assert told(road) == ["submitted", *([told_as] if told_as else [])]


def test_one_refused_segment_fails_the_message_once(all_told: Road) -> None:
    """R-7.2"""
    road = all_told
    road.campaign(1, text=LONG)
    line = road.line()
    road.turn()
    one, two, three = line.tokens
    road.settle(ok(one, "A1"), refused(two, 0x0B))
    road.settle(refused(three, 0x0B))
    assert told(road) == ["submitted", "failed"]


def _opted_out(road: Road, campaign: int) -> None:
    [message] = road.messages(campaign)
    road.opt("out", message.mobile)
    road.turn()


def _deleted(road: Road, campaign: int) -> None:
    [message] = road.messages(campaign)
    name = road.one("SELECT name FROM list")
    road.database.run(members.delete, ANNA, name, message.mobile)


def _stopped(road: Road, campaign: int) -> None:
    road.database.run(campaigns.stop, ANNA, campaign, now=clock.utc_now())
    road.step()
    road.step()


def _stopped_while_waiting(road: Road, campaign: int) -> None:
    [token] = _launched(road)
    road.settle(refused(token, status.THROTTLED))
    _stopped(road, campaign)


def _expired(road: Road, campaign: int) -> None:
    road.sql(
        "UPDATE campaign SET not_after = now() - interval '1 s', scheduled_at = now() - '1 h'::interval"
    )
    road.step()
    road.step()


def _cancelled(road: Road, campaign: int) -> None:
    [message] = road.messages(campaign)
    road.database.run(messages.cancel, ANNA, message.id, now=clock.utc_now())


def _taken_back(road: Road, campaign: int) -> None:
    [token] = _launched(road)
    road.settle(ok(token, "A1"))
    road.database.run(stored.taken_back, token.message_id, [(1, 1)])


def _resolved(road: Road, campaign: int) -> None:
    [token] = _launched(road)
    road.settle(silence(token))
    road.database.run(held.hold, [token.message_id], clock.utc_now())
    road.database.run(messages.resolve, ANNA, [token.message_id], Resolution.FAIL)


def _unsendable(road: Road, campaign: int) -> None:
    road.sql("UPDATE campaign SET text = %s, encoding = 'gsm'", "x" * 2_000)
    road.turn()


def _launched(road: Road) -> Sequence[Any]:
    road.turn()
    return road.lines[0].tokens


@pytest.mark.parametrize(
    ("ends", "told_as"),
    [
        (_opted_out, "dead"),
        (_deleted, "dead"),
        (_stopped, "dead"),
        (_stopped_while_waiting, "dead"),
        (_expired, "expired"),
        (_cancelled, "dead"),
        (_taken_back, "dead"),
        (_resolved, "failed"),
        (_unsendable, "failed"),
    ],
)
@pytest.mark.parametrize("events", Events)
def test_what_ends_a_message_is_told(
    road: Road, ends: Callable[[Road, int], None], told_as: str, events: Events
) -> None:
    """R-7.2: whoever ended it."""
    tell(road, events=events)
    campaign = road.campaign(1)
    road.line()
    ends(road, campaign)
    road.check()
    assert [one for one in told(road) if one in ENDS] == [told_as]
    assert ("submitted" in told(road)) is (events is Events.ALL)


def test_who_was_deleted_since_the_start_is_dead_from_the_start(all_told: Road) -> None:
    """R-3.7"""
    road = all_told
    list_id = road.list_of(2)
    campaign = road.planned(2, list_id=list_id)
    road.sql(
        "UPDATE member SET deleted_at = now() + interval '1 h' WHERE id ="
        " (SELECT min(id) FROM member)"
    )
    road.step()
    assert sorted(told(road)) == ["dead", "submitted"]
    assert road.states(campaign) == {"skipped": 1, "queued": 1}


def test_a_take_over_tells_nothing(all_told: Road) -> None:
    """R-7.2, R-8.2: uncertain is submitted; what is sent again is told when it is sent."""
    road = all_told
    road.campaign(1)
    road.line()
    road.turn()
    road.restart()
    assert told(road) == ["submitted"]
    road.pass_time(nodes.UNCERTAIN_S)
    line = road.line()
    road.turn()
    road.settle(*all_ok(line))
    assert told(road) == ["submitted", "sent"]


def test_a_turn_that_runs_twice_tells_once(all_told: Road) -> None:
    """R-8.3: after a COMMIT that was cut off."""
    road = all_told
    campaign = road.campaign(1)
    line = road.line()
    road.turn()
    [token] = line.tokens
    for _ in range(2):
        road.settle(ok(token, "A1"))
    for _ in range(2):
        road.receive(receipt_of("A1"))
    assert road.states(campaign) == {"delivered": 1}
    assert told(road) == ["submitted", "sent", "received"]


def test_single_messages_are_told_without_a_campaign(all_told: Road) -> None:
    """R-7.2, R-7.8: from the desk, from the API, an auto-response."""
    road = all_told
    app = road.application()

    def make(tx: Tx) -> list[int]:
        one = stored.insert(
            tx,
            application_id=app,
            message_class=MessageClass.RESPONSE,
            mobile="+64211234567",
            sender="3774",
            text="Hello",
        )
        new = NewMessage(
            application_id=app,
            message_class=1,
            mobile="+64211234568",
            sender="3774",
            text="Hello",
            encoding="auto",
            flash=False,
            due_at=None,
            not_after=None,
        )
        return [one, *submitting.insert(tx, [new, new])]

    ids = road.database.run(make)
    road.sql(
        "INSERT INTO response (application_id, kind, text) VALUES (%s, 'general', 'Thanks')", app
    )
    replied(road)
    assert told(road) == ["submitted"] * 4
    rows = road.all("SELECT about_id, campaign_id FROM outbox ORDER BY id")
    assert rows[:3] == [(one, None) for one in ids]


# ---------------------------------------------------------------- replies


def replied(road: Road, *mobiles: str) -> None:
    """MO, in one batch."""

    def store(tx: Tx) -> None:
        now = clock.utc_now()
        mos = [
            Mo(1, 1, mobile, "3774", Piece(b"YES", 0, "gsm", b""), bytes([n]) * 16)
            for n, mobile in enumerate(mobiles or ("+64211234567",))
        ]
        inbound.decide_about(tx, inbox.take(tx, mos, now).new, now)

    road.database.run(store)


def test_each_reply_is_told_once_in_the_order_in_which_they_came(road: Road) -> None:
    """R-7.1, R-5.10: one that comes again is the same."""
    endpoint = tell(road, Kind.REPLY)
    mobiles = [f"+6421123456{n}" for n in range(5)]
    replied(road, *mobiles)
    replied(road, *mobiles)
    rows = road.all(
        "SELECT i.mobile, o.endpoint_id, o.kind FROM outbox o JOIN inbox i ON i.id = o.about_id"
        " ORDER BY o.id"
    )
    assert rows == [(mobile, endpoint, "reply") for mobile in mobiles]


def test_a_reply_to_a_number_of_nobody_or_of_others_is_not_told(road: Road) -> None:
    """R-7.1"""
    tell(road, Kind.RECEIPT)
    tell(road, Kind.REPLY, application="other")
    replied(road)
    assert told(road) == []
    assert road.one("SELECT count(*) FROM outbox") == 0


# ---------------------------------------------------------------- endpoints


def test_setting_anew_keeps_what_is_due_and_ends_a_suspension(road: Road) -> None:
    """R-7.4: a suspension ends with `callback set`; what was due goes to the new address."""
    tell(road)
    road.sent()
    [endpoint] = road.database.run(callbacks.endpoints)
    assert road.database.run(callbacks.suspend, endpoint, "410 Gone")
    assert not road.database.run(callbacks.suspend, endpoint, "410 Gone")
    assert tell(road, events=Events.FINAL) == endpoint.id
    [after] = road.database.run(callbacks.endpoints)
    assert (after.suspended_why, after.events) == (None, Events.FINAL)
    assert road.database.run(callbacks.depth, after).waiting == 2
    assert not road.database.run(callbacks.suspend, endpoint, "of the old address")
    assert not road.database.run(callbacks.resume, after)


def test_a_suspended_endpoint_is_told_on(road: Road) -> None:
    """R-7.4: its events stay due, and more come; a test that succeeds resumes it."""
    tell(road)
    [endpoint] = road.database.run(callbacks.endpoints)
    road.database.run(callbacks.suspend, endpoint, "401 Unauthorized")
    road.sent()
    [suspended] = road.database.run(callbacks.endpoints)
    assert suspended.suspended_why == "401 Unauthorized"
    assert road.database.run(callbacks.depth, suspended).waiting == 2
    assert road.database.run(callbacks.resume, suspended)
    [after] = road.database.run(callbacks.endpoints)
    assert after.suspended_why is None


def test_what_is_taken_off_is_emptied_bit_by_bit(road: Road) -> None:
    """R-7.3: nothing more is written; a new endpoint of that kind is another one."""
    old = tell(road)
    road.sent("A1")
    new = tell(road) if road.database.run(callbacks.off, old) is None else 0
    assert new != old
    road.sent("B1")
    assert road.database.run(callbacks.clear_off, 1)
    assert road.database.run(callbacks.clear_off, 1)
    assert not road.database.run(callbacks.clear_off, 1)
    assert road.all("SELECT DISTINCT endpoint_id FROM outbox") == [(new,)]
    road.sql("UPDATE endpoint SET off_at = off_at - interval '61 min'")
    road.database.run(callbacks.clear_off, 1)
    assert road.all("SELECT id FROM endpoint") == [(new,)]


def test_dead_ones_are_told_after_all_under_their_old_number(road: Road) -> None:
    """R-7.4: to the endpoint that is set now; what has none stays dead."""
    old = tell(road)
    message = road.sent()
    numbers = [number for (number,) in road.all("SELECT id FROM outbox ORDER BY id")]
    _die(road)
    app = road.application()
    assert told(road) == []
    assert [one.id for one in _dead(road)] == numbers[::-1]
    assert road.database.run(callbacks.dead, app, Kind.REPLY, None) == []
    road.database.run(callbacks.off, old)
    assert road.database.run(callbacks.replay, app, None, 10) == []
    new = tell(road)
    back = road.database.run(callbacks.replay, app, numbers[1:], 10)
    assert [(one.id, one.about_id, one.status) for one in back] == [
        (numbers[1], message.id, "sent")
    ]
    assert road.all("SELECT id, endpoint_id, attempts, status, mobile FROM outbox") == [
        (numbers[1], new, 0, "sent", message.mobile)
    ]


def test_a_reply_whose_text_is_gone_stays_dead(road: Road) -> None:
    """R-9.3"""
    tell(road, Kind.REPLY)
    replied(road, "+64211234567", "+64211234568")
    road.sql("UPDATE inbox SET mobile = '', content = '' WHERE mobile = '+64211234567'")
    _die(road)
    back = road.database.run(callbacks.replay, road.application(), None, 10)
    assert len(back) == 1
    assert len(_dead(road)) == 1


def test_events_go_with_the_texts(road: Road) -> None:
    """R-9.3: a number does not outlive `retention.text` in what could not be told."""
    tell(road)
    road.database.run(settings.store, road.application(), "retention.text", "7d")
    road.sent("A1")
    _die(road)
    road.sent("B1")
    _age(road, days=6)
    assert (road.one("SELECT count(*) FROM outbox"), len(_dead(road))) == (2, 2)
    _age(road, days=2)
    assert (road.one("SELECT count(*) FROM outbox"), len(_dead(road))) == (0, 0)
    road.sql("DELETE FROM setting")


def test_a_number_that_is_scrubbed_meanwhile_is_told(road: Road) -> None:
    """R-7.2: a campaign that was paused for weeks is stopped, and its numbers go within an hour."""
    tell(road)
    message = road.sent()
    road.sql("UPDATE message SET mobile = ''")
    mobiles = {mobile for (mobile,) in road.all("SELECT mobile FROM outbox")}
    assert mobiles == {message.mobile}


def _age(road: Road, *, days: int) -> None:
    """What has been due has been so for longer; and the hour's work is done."""
    age = timedelta(days=days)
    road.sql("UPDATE outbox SET created_at = created_at - %s, due_at = due_at - %s", age, age)
    road.sql("UPDATE outbox_dead SET created_at = created_at - %s", age)
    while road.database.run(retention.tidy, clock.utc_now()):
        pass


def _dead(road: Road) -> list[callbacks.Dead]:
    return road.database.run(callbacks.dead, road.application(), None, None)


def _die(road: Road) -> None:
    """All that is due has been refused."""
    road.sql(
        """
        WITH gone AS (DELETE FROM outbox RETURNING *)
        INSERT INTO outbox_dead (id, kind, application_id, endpoint_id, about_id, payload,
                                 campaign_id, mobile, status, status_at, sent_at, created_at,
                                 attempts, died_at, reason)
        SELECT id, kind, application_id, endpoint_id, about_id, payload, campaign_id, mobile,
               status, status_at, sent_at, created_at, 1, now(), '404 Not Found' FROM gone
        """
    )
