"""What subscribers write, from the PDU to what becomes of it, in the transaction that stores it (R-6)."""

from __future__ import annotations

from typing import Any, cast

import psycopg
import pytest

from engine import clock, inbound
from engine.arrived import Arrived
from engine.store import inbox, nodes
from smpp import tlv
from smpp.pdu import Command, ShortMessage
from smpp.session import Session
from tests.road import Road, all_ok
from tests.store.test_subscribers import respond, sent

MOBILE = "+64211234567"


def deliver(
    text: str | bytes,
    *,
    source: str = MOBILE[1:],
    ton: int = 1,
    destination: str = "3774",
    coding: int = 0,
    session_id: int = 1,
) -> inbox.Mo:
    """A deliver_sm, as the engine reads it; what is too long for it comes as message_payload."""
    octets = text if isinstance(text, bytes) else text.encode("ascii")
    fits = len(octets) < 255
    message = ShortMessage(
        command=Command.DELIVER_SM,
        sequence=1,
        service_type="",
        source_ton=ton,
        source_npi=1,
        source=source,
        dest_ton=0,
        dest_npi=1,
        destination=destination,
        esm_class=0,
        protocol_id=0,
        priority=0,
        registered_delivery=0,
        data_coding=coding,
        short_message=octets if fits else b"",
        tlvs=tlv.NONE if fits else {tlv.MESSAGE_PAYLOAD: octets},
    )
    arrived = Arrived(
        carrier_id=1,
        alphabet="gsm",
        country="NZ",
        session=cast(Session, None),
        session_id=session_id,
        messages=[message],
    )
    return inbound.read(arrived, message)


def take(road: Road, *mos: inbox.Mo, answered: bool = True) -> tuple[inbox.Taken, inbound.Done]:
    """What the engine does with a batch."""
    taken, done = road.database.run(inbound.store, mos, [], [])
    if answered:
        road.database.run(inbox.mark_answered, taken.seen)
    return taken, done


def found(road: Road) -> list[tuple[Any, ...]]:
    """What stands in the inbox: text, meaning, and whether it is answered."""
    return road.all("SELECT content, meaning, response_id IS NOT NULL FROM inbox ORDER BY id")


def out(road: Road) -> list[str]:
    """Who has opted out, or is on the blacklist."""
    return [
        mobile
        for (mobile,) in road.all("SELECT mobile FROM consent UNION SELECT mobile FROM blacklist")
    ]


def campaign_to(road: Road, mobile: str, *, application: str = "default") -> int:
    """A campaign to one number, taken by the SMSC; its list."""
    list_id = road.list_of(0, application=application)
    road.sql("INSERT INTO member (list_id, mobile) VALUES (%s, %s)", list_id, mobile)
    road.campaign(list_id=list_id, application=application)
    line = road.lines[0] if road.lines else road.line()
    road.turn()
    road.settle(*all_ok(line, prefix=f"{application}-{list_id}-"))
    return list_id


def all_set(road: Road) -> None:
    """Every response of the application."""
    for kind in ("general", "optout", "optin", "help"):
        respond(road, kind, f"{kind}!")


def keyword(road: Road, word: str) -> int:
    """A keyword, and the list that it joins."""
    list_id = road.list_of(0)
    road.sql(
        """
        INSERT INTO keyword (application_id, word, written, list_id, active)
        VALUES (%s, %s, %s, %s, true)
        """,
        road.application(),
        word,
        word,
        list_id,
    )
    return list_id


@pytest.mark.parametrize("coding", [2, 4, 0x14, 0xF5])
@pytest.mark.parametrize("answers", [True, False])
def test_data_is_no_word_and_gets_no_answer(road: Road, coding: int, answers: bool) -> None:
    """R-6.3, R-6.5: it is kept; what reads like an opt-out is flagged, for a carrier may be wrong."""
    all_set(road)
    keyword(road, "pizza")
    if answers:
        campaign_to(road, MOBILE)
    take(road, deliver(b"STOP", coding=coding), deliver(b"pizza", coding=coding))
    take(road, deliver(b"\x06\x05\x04\x00\xff", coding=coding))
    assert found(road) == [
        ("STOP", "near miss", False),
        ("pizza", "data", False),
        ("\x06\x05\x04\ufffd\xff", "data", False),
    ]
    assert out(road) == []
    assert road.one("SELECT count(*) FROM member WHERE mobile = %s", MOBILE) == int(answers)


@pytest.mark.parametrize(
    ("source", "ton"),
    [("BANK", 5), ("My Bank", 5), ("12345", 3), ("3774", 0), ("3774", 3), ("6499", 1), ("", 0)],
)
def test_who_is_no_subscriber_does_nothing_and_gets_nothing(
    road: Road, source: str, ton: int
) -> None:
    """R-6.5: names, short codes, numbers of ours; what they write is kept."""
    all_set(road)
    list_id = keyword(road, "pizza")
    for text in ("STOP", "START", "HELP", "pizza", "hello"):
        take(road, deliver(text, source=source, ton=ton))
    assert [(meaning, answered) for _, meaning, answered in found(road)] == [("unknown", False)] * 5
    assert out(road) == sent(road) == []
    assert road.one("SELECT count(*) FROM member WHERE list_id = %s", list_id) == 0


def test_a_long_number_of_ours_is_no_subscriber(road: Road) -> None:
    """R-6.5: though it looks like one; two of our applications would answer each other for ever."""
    all_set(road)
    application = road.application()
    road.sql(
        "INSERT INTO sender (application_id, address, ton, npi) VALUES (%s, '+6421999888', 1, 1)",
        application,
    )
    try:
        take(road, deliver("STOP", source="6421999888"), deliver("hi", source="021999888", ton=2))
    finally:
        road.sql("DELETE FROM sender WHERE address = '+6421999888'")
    assert out(road) == sent(road) == []


STOP = "STOP".encode("utf-16-be")


@pytest.mark.parametrize(
    ("octets", "coding", "meaning"),
    [
        (b"", 0, "unknown"),
        (b"   ", 0, "unknown"),
        ("🙏".encode("utf-16-be"), 8, "unknown"),
        (b"STOP " * 2_000, 0, "near miss"),
        (b"x" * 10_000, 0, "unknown"),
        (b"?!" * 30_000, 0, "unknown"),
        (b"\xd8\x3d", 8, "unknown"),  # half of a pair
        (b"\x00S\x00T\x00O\x00P\x00", 8, "opt-out"),  # one NUL too many
        (STOP + b"\xd8\x3d", 8, "opt-out"),
        (STOP + b"\xdd", 8, "opt-out"),
        ("\u200fSTOP\u200f".encode("utf-16-be"), 8, "opt-out"),
        ("\u202bSTOP\u202c.".encode("utf-16-be"), 8, "opt-out"),
        ("\ufeffStop\u200b".encode("utf-16-be"), 8, "opt-out"),
        (b"STOP", 3, "opt-out"),
        (b"\x1b\x00STOP\x1b", 0, "opt-out"),  # an @ in front, a lone escape behind
    ],
)
def test_whatever_stands_in_it_is_kept_and_means_something(
    road: Road, octets: bytes, coding: int, meaning: str
) -> None:
    """R-6.3: empty, huge, broken, written from right to left."""
    respond(road, "optout", "You are out")
    take(road, deliver(octets, coding=coding))
    assert [row[1:] for row in found(road)] == [(meaning, meaning == "opt-out")]
    assert out(road) == ([MOBILE] if meaning == "opt-out" else [])


def test_the_same_again_after_a_crash_changes_nothing(road: Road) -> None:
    """R-5.10, R-8.3: committed, not answered, sent again to the next engine."""
    all_set(road)
    list_id = keyword(road, "pizza")
    batch = [deliver(text, session_id=7) for text in ("STOP", "pizza", "hello")]
    take(road, *batch, answered=False)
    before = found(road), sent(road), road.all("SELECT event, list_id FROM consent ORDER BY id")
    road.restart()
    again, done = take(road, *(mo._replace(session_id=8) for mo in batch))
    assert (again.redelivered, again.new, done) == (3, [], inbound.Done())
    assert before == (
        found(road),
        sent(road),
        road.all("SELECT event, list_id FROM consent ORDER BY id"),
    )
    assert road.all("SELECT mobile FROM member WHERE list_id = %s", list_id) == [(MOBILE,)]


def test_a_second_genuine_one_is_heard_again(road: Road) -> None:
    """R-5.10: a reply is answered twice, an opt-out is confirmed once."""
    all_set(road)
    session_id = road.database.run(nodes.open_session, road.node.node_id, road.node.epoch, 1, "x")
    for text in ("hello", "hello", "STOP", "STOP"):
        take(road, deliver(text, session_id=session_id))
    assert found(road) == [
        ("hello", "unknown", True),
        ("hello", "unknown", True),
        ("STOP", "opt-out", True),
        ("STOP", "opt-out", False),
    ]
    assert sent(road) == ["general!", "general!", "optout!"]


def test_a_number_that_nobody_owns_hears_and_does_nothing(road: Road) -> None:
    """R-6.1: it is kept, for `inbox ls --unowned`."""
    all_set(road)
    for text in ("STOP", "HELP", "hello"):
        take(road, deliver(text, destination="9999"))
    assert {row[1:] for row in found(road)} == {("unowned", False)}
    assert road.all("SELECT DISTINCT application_id FROM inbox") == [(None,)]
    assert out(road) == []


def test_of_applications_that_share_a_sender_the_latest_to_write_is_answered(road: Road) -> None:
    """R-6.2: its campaign decides; the other one's consent and responses are left alone."""
    all_set(road)
    campaign_to(road, MOBILE)
    other = road.application("other")
    respond_of(road, other, "optout", "Out of the other")
    list_id = campaign_to(road, MOBILE, application="other")
    take(road, deliver("STOP"))
    assert road.all("SELECT application_id, list_id FROM inbox") == [(other, list_id)]
    assert road.all("SELECT application_id, event::text FROM consent") == [(other, "out")]
    assert sent(road)[-1:] == ["Out of the other"]
    assert road.one("SELECT count(*) FROM blacklist") == 0


def respond_of(road: Road, application_id: int, kind: str, text: str) -> None:
    road.sql(
        "INSERT INTO response (application_id, kind, text) VALUES (%s, %s, %s)",
        application_id,
        kind,
        text,
    )


@pytest.mark.parametrize("change", ["deleted_at = now()", "active = false"])
def test_a_keyword_that_goes_while_it_is_on_the_way_is_unknown(road: Road, change: str) -> None:
    """R-6.6: what is true when it is decided counts; nobody joins the list any more."""
    respond(road, "general", "Thank you")
    list_id = keyword(road, "pizza")
    with psycopg.connect(road.database.url) as tx:
        new = inbox.take(tx, [deliver("PIZZA")], clock.utc_now()).new
        if change.startswith("active"):
            road.sql("UPDATE keyword SET active = false")
        else:
            road.sql("UPDATE keyword SET deleted_at = now()")
        inbound.decide_about(tx, new, clock.utc_now())
    assert found(road) == [("PIZZA", "unknown", True)]
    assert sent(road) == ["Thank you"]
    assert road.one("SELECT count(*) FROM member WHERE list_id = %s", list_id) == 0


def test_a_response_that_fits_no_more_fails_alone(road: Road) -> None:
    """R-6.5, R-2.2: never cut; the opt-out is in force all the same, and nothing is held up."""
    respond(road, "optout", "x" * 5_000)
    campaign_to(road, MOBILE)
    take(road, deliver("STOP"))
    assert found(road) == [("STOP", "opt-out", True)]
    road.turn()
    states = road.all("SELECT state::text, reason FROM message WHERE class = 0")
    assert states == [("failed", "33 segments, at most 10 are allowed")]
    assert out(road) == [MOBILE]
    assert not road.lines[0].wire


def test_what_was_decided_is_counted(road: Road) -> None:
    """R-9.1: by meaning, by what was done, by the response that is sent."""
    all_set(road)
    keyword(road, "pizza")
    _, done = take(
        road,
        *(deliver(text) for text in ("pizza", "STOP", "START", "please stop", "HELP")),
        deliver("hello", destination="9999"),
    )
    assert done.meanings == {
        "keyword": 1,
        "opt-out": 1,
        "resume": 1,
        "near miss": 1,
        "help": 1,
        "unowned": 1,
    }
    assert done.effects == {
        "joined": 1,
        "opted in": 2,
        "blacklisted": 1,
        "off the blacklist": 1,
    }
    assert done.responses == {"optin": 2, "optout": 1, "help": 1}


@pytest.mark.parametrize("tied", [True, False])
def test_an_opt_out_stops_what_a_running_campaign_has_not_launched(road: Road, tied: bool) -> None:
    """R-3.7, R-6.3: 100 of 100, whether it answers an earlier campaign or none."""
    list_id = road.list_of(150)
    if tied:
        road.campaign(list_id=list_id)
        wide = road.line(window=200)
        road.turn()
        road.settle(*all_ok(wide, prefix="first"))
        road.down.add(wide.plan.name)
    campaign = road.campaign(list_id=list_id)
    line = road.line(window=10, carrier="dua")
    road.turn()
    launched = {message.mobile for message in road.messages(campaign) if message.attempt}
    assert len(launched) == len(line.wire) == 10
    waiting = [one.mobile for one in road.messages(campaign) if one.mobile not in launched]
    stopped = waiting[:100]
    take(road, *(deliver("STOP", source=mobile[1:]) for mobile in stopped))
    for n in range(40):  # turns look at a few windows' worth at a time, whatever they skip of it
        road.turn(all_ok(line, prefix=f"{n}"))
    states = {message.mobile: message.state for message in road.messages(campaign)}
    assert [states[mobile] for mobile in stopped] == ["skipped"] * 100
    assert {state for mobile, state in states.items() if mobile not in stopped} == {"sent"}
