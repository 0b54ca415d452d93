"""What receipts do to messages, at carriers of every kind (R-5.8; wire.md, Receipts)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import psycopg
import pytest

from config.settings import Err, ReceiptId, ReceiptsPer, ReceiptState, Stat
from engine.domain.receipts import (
    MARK_ACCEPTED,
    MARK_NO_ID,
    MARK_NONE,
    MARK_SILENCE,
    MARK_WHOLE,
    mark_of,
)
from engine.gateway import turn
from engine.gateway.turn import Received
from engine.operations import Actor, messages
from engine.store import control, hot, settling
from engine.store import receipts as stored
from engine.store.db import Tx
from smpp import receipt
from tests.road import Line, Message, Road, ok, receipt_of

LONG = "x" * 153 + "y" * 153 + "z" * 10
"""Three segments."""


def said(text: str, *, mobile: str = "", other: str = "", esm_class: int = 4) -> Received:
    """A receipt of that text."""
    read = receipt.parse(text.encode("latin-1"), {}, esm_class, 0)
    assert read is not None
    return Received(1, mobile, read, other)


def long_one(road: Road, line: Line, *ids: str) -> int:
    """A message of three segments, which the SMSC took under these ids; its campaign."""
    campaign = road.campaign(1, text=LONG)
    road.turn()
    road.settle(*(ok(token, ids[token.segment - 1]) for token in line.tokens))
    return campaign


def only(road: Road, campaign: int) -> Message:
    [message] = road.messages(campaign)
    return message


def mark(road: Road, message: Message) -> str | None:
    found = road.one("SELECT mark FROM message WHERE id = %s", message.id)
    assert found is None or isinstance(found, str)
    return found


# ---------------------------------------------------------------- ids


@pytest.mark.parametrize("base", list(ReceiptId))
@pytest.mark.parametrize(
    ("stored_id", "told"),
    [("10", "10"), ("16", "10"), ("a", "10"), ("ab-1", "AB-1"), ("7", "007")],
)
def test_an_id_in_any_base_is_found(road: Road, base: ReceiptId, stored_id: str, told: str) -> None:
    """wire.md, Ids: the configuration says what is tried first, all else is tried after it."""
    line = road.line(receipt_id=base)
    campaign = road.campaign(1)
    road.turn()
    road.settle(ok(line.tokens[0], stored_id))
    road.receive(receipt_of(told))
    assert road.states(campaign) == {"delivered": 1}


@pytest.mark.parametrize(
    ("base", "meant"),
    [(ReceiptId.AS_IS, "10"), (ReceiptId.HEX, "16"), (ReceiptId.DECIMAL, "a")],
)
def test_the_base_decides_where_several_ids_fit(road: Road, base: ReceiptId, meant: str) -> None:
    """R-5.6: ids that count up are all there are, so the first try has to be the right one."""
    line = road.line(receipt_id=base)
    campaign = road.campaign(3)
    road.turn()
    ids = ["10", "16", "a"]
    road.settle(*(ok(token, smsc_id) for token, smsc_id in zip(line.tokens, ids, strict=True)))
    road.receive(receipt_of("10"))
    states = {i: m.state for i, m in zip(ids, road.messages(campaign), strict=True)}
    assert states == {i: "delivered" if i == meant else "sent" for i in ids}


def test_where_either_base_fits_the_number_decides(road: Road) -> None:
    """R-5.6: `either` prefers none of them."""
    line = road.line(receipt_id=ReceiptId.EITHER)
    campaign = road.campaign(3)
    road.turn()
    ids = ["10", "16", "a"]
    road.settle(*(ok(token, smsc_id) for token, smsc_id in zip(line.tokens, ids, strict=True)))
    _, second, _ = road.messages(campaign)
    assert road.receive(receipt_of("10")).receipts == {"ambiguous": 1}
    road.receive(receipt_of("10", mobile=second.mobile))
    assert [m.state for m in road.messages(campaign)] == ["sent", "delivered", "sent"]


@pytest.mark.parametrize("swapped", [False, True])
def test_the_number_may_stand_on_either_side(road: Road, swapped: bool) -> None:
    """wire.md, Ids: some carriers send a receipt with the addresses of the submit_sm."""
    first, second = road.sent("A1"), road.sent("A1")
    theirs, ours = second.mobile.removeprefix("+"), "3774"
    one, other = (ours, theirs) if swapped else (theirs, ours)
    road.receive(said("id:A1 stat:DELIVRD", mobile=one, other=other))
    assert [road.message(m.id).state for m in (first, second)] == ["sent", "delivered"]


def test_an_id_of_all_segments_is_about_all_of_them(road: Road) -> None:
    """wire.md, Ids: a carrier that gives a long message one id sends one receipt for it."""
    campaign = long_one(road, road.line(), "A1", "A1", "A1")
    road.receive(receipt_of("A1"))
    message = only(road, campaign)
    assert (message.state, message.delivered) == ("delivered", 0b111)
    assert mark(road, message) == MARK_WHOLE


def test_the_second_id_of_a_text_is_tried_too(road: Road) -> None:
    """wire.md, Ids."""
    message = road.sent("B2")
    road.receive(said("id:A1 id:B2 stat:DELIVRD"))
    assert road.message(message.id).state == "delivered"


def test_a_second_receipt_changes_nothing(road: Road) -> None:
    """wire.md, rule 7: repeats, what is not final after what is, another final one."""
    message = road.sent("A1")
    road.receive(receipt_of("A1"))
    before = road.picture()["message"]
    road.receive(receipt_of("A1"), receipt_of("A1", "ENROUTE"), receipt_of("A1", "UNDELIV"))
    assert road.picture()["message"] == before
    assert road.message(message.id).state == "delivered"


@pytest.mark.parametrize("esm_class", [0x04, 0x20, 0x24])
@pytest.mark.parametrize(("word", "state"), [("ENROUTE", "sent"), ("DELIVRD", "delivered")])
def test_the_state_counts_and_not_the_marker(
    road: Road, esm_class: int, word: str, state: str
) -> None:
    """R-5.8: an intermediate receipt that says DELIVRD is the last; ENROUTE never is."""
    message = road.sent("A1")
    if esm_class == 0x24:  # neither of the two: a receipt all the same, by its text
        assert receipt.parse(b"id:A1 stat:DELIVRD", {}, esm_class, 0) is not None
    road.receive(said(f"id:A1 stat:{word}", esm_class=esm_class))
    assert road.message(message.id).state == state


# ---------------------------------------------------------------- one receipt for several segments


def test_one_receipt_may_stand_for_all_segments(road: Road) -> None:
    """R-5.8: where the configuration says so; it is marked, and the others change nothing."""
    line = road.line(receipts_per=ReceiptsPer.MESSAGE)
    campaign = long_one(road, line, "A1", "A2", "A3")
    road.receive(receipt_of("A3"))
    message = only(road, campaign)
    assert (message.state, message.delivered) == ("delivered", 0b111)
    assert mark(road, message) == MARK_WHOLE
    road.receive(receipt_of("A1"), receipt_of("A2", "UNDELIV"))
    assert only(road, campaign).state == "delivered"


def test_a_message_of_one_segment_needs_no_mark(road: Road) -> None:
    line = road.line(receipts_per=ReceiptsPer.MESSAGE)
    campaign = road.campaign(1)
    road.turn()
    road.settle(ok(line.tokens[0], "A1"))
    road.receive(receipt_of("A1"))
    message = only(road, campaign)
    assert (message.state, mark(road, message)) == ("delivered", None)


def test_ten_minutes_of_silence_after_some_receipts_are_enough(road: Road) -> None:
    """R-5.8: delivered ones, none failed; nobody has to configure it."""
    campaign = long_one(road, road.line(), "A1", "A2", "A3")
    road.receive(receipt_of("A2"))
    road.sweep()
    assert road.states(campaign) == {"sent": 1}
    road.sql("UPDATE message SET state_at = state_at - interval '9 min'")
    road.pass_time(601)
    road.sweep()
    assert road.states(campaign) == {"sent": 1}, "a receipt came 9 minutes ago"
    road.sql("UPDATE message SET state_at = state_at - interval '2 min'")
    road.pass_time(601)
    done = road.sweep()
    message = only(road, campaign)
    assert (message.state, mark(road, message)) == ("delivered", MARK_SILENCE)
    assert done.receipts == {}
    assert road.all("SELECT FROM receipt_watch") == []


def test_silence_makes_good_nothing_that_failed(road: Road) -> None:
    """R-5.8: none failed."""
    campaign = long_one(road, road.line(), "A1", "A2", "A3")
    road.receive(receipt_of("A2"))
    road.receive(receipt_of("A1", "UNDELIV"))
    road.sql("UPDATE message SET state_at = state_at - interval '11 min'")
    road.pass_time(700)
    road.sweep()
    assert road.states(campaign) == {"failed": 1}
    assert road.all("SELECT FROM receipt_watch") == []


# ---------------------------------------------------------------- what words mean


def test_accepted_may_be_the_last_word(road: Road) -> None:
    """wire.md: `accepted_is_final` per carrier; elsewhere it is pending."""
    message = road.sent("A1")
    road.receive(receipt_of("A1", "ACCEPTD"))
    assert road.message(message.id).state == "sent"
    line = road.line(carrier="dua", accepted_is_final=True)
    road.down.add("tui")
    campaign = road.campaign(1)
    road.turn()
    road.settle(ok(line.tokens[0], "A1", line.carrier_id))
    done = road.receive(receipt_of("A1", "ACCEPTD", carrier_id=line.carrier_id))
    assert (road.states(campaign), done.receipts) == ({"delivered": 1}, {"accepted": 1})
    assert mark(road, only(road, campaign)) == MARK_ACCEPTED


@pytest.mark.parametrize(
    ("text", "state", "reason"),
    [
        ("stat:exp-msg-q-exd err:037", "expired", "exp-msg-q-exd, err 037: queue exceeded"),
        ("stat:UNDELIV err:000", "failed", "UNDELIV"),
        ("stat:UNDELIV err:051", "failed", "UNDELIV, err 051"),
        ("stat:UNDELIV err:00b", "rejected", "UNDELIV, err 00b: no such number"),
        ("stat:DELIVRD err:00B", "delivered", None),
        ("stat:BUFFRED", "sent", None),
        ("stat:UNKNOWN err:051", "failed", "UNKNOWN"),
    ],
)
def test_a_carrier_has_words_of_its_own(
    road: Road, text: str, state: str, reason: str | None
) -> None:
    """R-5.8: stat and err by tables with names."""
    line = road.line(
        stats=(Stat(name="EXP-MSG-Q-EXD", state=ReceiptState.EXPIRED),),
        errs=(
            Err(name="037", label="queue exceeded"),
            Err(name="00B", label="no such number", state=ReceiptState.REJECTED),
        ),
    )
    campaign = road.campaign(1)
    road.turn()
    road.settle(ok(line.tokens[0], "A1"))
    road.receive(said(f"id:A1 {text}"))
    message = only(road, campaign)
    assert (message.state, message.reason) == (state, reason)


def test_many_reasons_are_told_apart_in_one_update(road: Road) -> None:
    """Each message gets its own `err`."""
    campaign = road.campaign(5)
    line = road.line()
    road.turn()
    road.settle(*(ok(token, f"A{n}") for n, token in enumerate(line.tokens)))
    road.receive(*(said(f"id:A{n} stat:UNDELIV err:10{n}") for n in range(5)))
    assert [m.reason for m in road.messages(campaign)] == [f"UNDELIV, err 10{n}" for n in range(5)]


def test_a_word_that_no_table_knows_is_a_failure_in_the_end(road: Road) -> None:
    """wire.md: counted, and failed 72 h after the response; a word that is known comes first."""
    first, second = road.sent("A1"), road.sent("A2")
    done = road.receive(receipt_of("A1", "HUH"), receipt_of("A2", "HUH"))
    assert done.receipts == {"unrecognised": 2}
    road.receive(receipt_of("A2"))
    road.pass_time(72 * 3600 - 60)
    road.sweep()
    assert road.message(first.id).state == "sent"
    road.pass_time(61)
    road.sweep()
    assert (road.message(first.id).state, road.message(first.id).reason) == ("failed", "HUH")
    assert road.message(second.id).state == "delivered"


# ---------------------------------------------------------------- unknown ones


def test_a_flood_of_unknown_receipts_is_parked_in_few_statements(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-5.8: never dropped; and a turn that brings thousands stays a turn."""
    message = road.sent("A1")
    flood = [receipt_of(f"nobody{n:05}", mobile=f"64210{n:06}") for n in range(2_000)]
    work = road.work(received=[*flood, receipt_of("A1")], launch=False)

    asked: list[str] = []
    ask, execute = hot.ask, psycopg.Connection.execute

    def counted(tx: Tx, sql: LiteralString, params: Any) -> Any:
        asked.append(sql)
        return ask(tx, sql, params)

    def executed(tx: Any, query: Any, *args: Any, **more: Any) -> Any:
        asked.append(query)
        return execute(tx, query, *args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(hot, "ask", counted)
        patch.setattr(psycopg.Connection, "execute", executed)
        done = road.database.run(turn.run, work)
    assert 5 < len(asked) < 20
    assert done.receipts == {"parked": 2_000, "delivered": 1}
    assert road.message(message.id).state == "delivered"
    assert road.one("SELECT count(DISTINCT mobile) FROM parked") == 2_000


def test_what_is_kept_is_listed_and_forgotten_after_72_hours(road: Road) -> None:
    """R-5.8: early, unknown, ambiguous and unrecognised ones."""
    road.sent("A1")
    road.sent("A1")
    road.sent("A2")
    road.receive(
        receipt_of("nobody", mobile="+64211"),
        said("stat:DELIVRD"),
        receipt_of("A1", mobile="4711"),
        receipt_of("A2", "HUH"),
    )
    now = road.one("SELECT now()")
    why = {one.smsc_id: one.why for one in kept(road, now)}
    assert why == {"nobody": "early", None: "early", "A1": "ambiguous", "A2": "unrecognised"}
    later = now + timedelta(minutes=2)
    why = {one.smsc_id: one.why for one in kept(road, later)}
    assert why == {"nobody": "unknown", None: "unknown", "A1": "ambiguous", "A2": "unrecognised"}
    assert {one.smsc_id for one in kept(road, later, unknown=True)} == {"nobody", None}
    road.sql(
        """
        INSERT INTO bind (node_id, name, carrier_id, mode, state, since, window_size, outstanding,
                          rate, rate_limit)
        VALUES (%s, 'tui-1', 1, 'transceiver', 'bound', now(), 10, 0, 0, 0)
        """,
        road.node.node_id,
    )
    [bind] = road.database.run(control.binds, later)
    road.sql("DELETE FROM bind")
    assert (bind.unknown_receipts, bind.ambiguous_receipts) == (2, 1)
    road.pass_time(72 * 3600 + 1)
    road.sweep()
    assert road.all("SELECT FROM parked") == road.all("SELECT FROM parked_candidate") == []


def kept(road: Road, now: datetime, *, unknown: bool = False) -> list[stored.Kept]:
    return road.database.run(lambda tx: stored.kept(tx, 1, unknown=unknown, now=now, limit=10))


def test_what_waits_for_nobody_is_not_asked_for_at_each_settle(road: Road) -> None:
    """Ambiguous ones have no candidates."""
    road.sent("A1")
    road.sent("A1")
    road.receive(receipt_of("A1", mobile="4711"))
    assert road.all("SELECT FROM parked_candidate") == []
    assert road.database.run(settling.unpark, 1, ["A1"]) == []


def test_what_has_no_receipt_after_72_hours_is_marked_and_stays_sent() -> None:
    """wire.md: No receipt after 72 h: the state stays *sent*, marked."""
    now = datetime.fromisoformat("2026-11-25T12:00:00+00:00")
    hours = {n: mark_of("sent", None, now - timedelta(hours=n), now) for n in (71, 73)}
    assert hours == {71: None, 73: MARK_NONE}
    assert mark_of("delivered", MARK_WHOLE, now - timedelta(hours=99), now) == MARK_WHOLE
    assert mark_of("queued", None, None, now) is None


def test_what_was_taken_without_an_id_is_marked(road: Road) -> None:
    """wire.md, Ids: no receipt can be about it; once it has one all the same, that counts."""
    now = datetime.now(UTC)
    assert mark_of("sent", None, now, now, without_id=True) == MARK_NO_ID
    assert mark_of("delivered", None, now, now, without_id=True) is None
    road.campaign(1)
    line = road.line()
    road.turn()
    [token] = line.tokens
    road.settle(ok(token, None))
    actor = Actor(application="default", by="anna")
    shown = road.database.run(messages.show, actor, token.message_id, now=now)
    assert shown.mark == MARK_NO_ID
