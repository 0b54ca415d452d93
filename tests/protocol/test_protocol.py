"""What a session makes of what a carrier says, octet for octet (R-5.1, R-5.3, R-5.10)."""

from typing import Any

import pytest

from smpp import status, tlv
from smpp.events import (
    Alive,
    BindRefused,
    BindRequested,
    Bound,
    Closed,
    Damaged,
    Deliveries,
    DeliverResponses,
    Event,
    Nacked,
    Notified,
    PeerUnbind,
    Requested,
    RequestTimeout,
    Response,
    SubmitResponses,
    Submits,
    SubmitTimeouts,
    Unbound,
    UnknownResponse,
)
from smpp.outstanding import LATE_KEPT
from smpp.pdu import (
    Address,
    AlertNotification,
    Bind,
    CancelSm,
    CancelSmResp,
    Command,
    Mode,
    Outbind,
    QuerySm,
    QuerySmResp,
)
from smpp.protocol import SEQUENCE_MAX, Connection
from smpp.states import Role, State
from tests.protocol.wire import (
    DATA,
    HALO,
    MODES,
    Pdu,
    bind_body,
    bound,
    connection,
    pdu,
    pdus,
    told,
)

C = Command
ALICE = Address(1, 1, "64211234567")
US = Address(0, 1, "3774")


def bound_esme(state: State = State.BOUND_TRX) -> Connection:
    return connection(Role.ESME, state)


def sent(there: Connection, *tokens: Any, now: float = 0.0) -> list[int]:
    """Submit one message for each token; their sequence numbers."""
    return [found.sequence for found in pdus(there.submit([(t, HALO) for t in tokens], now))]


def resp(sequence: int, status: int = 0, body: bytes = b"7\0") -> bytes:
    return pdu(C.SUBMIT_SM_RESP, status, sequence, body)


# ---- binding ----------------------------------------------------------------------------------


@pytest.mark.parametrize("state", MODES)
@pytest.mark.parametrize(
    ("version", "known"), [(b"", 0x33), (b"\x34", 0x34), (b"\x50", 0x50), (b"\x33", 0x33)]
)
def test_a_bind_is_accepted_by_any_version(state: State, version: bytes, known: int) -> None:
    """R-5.1: a peer that names no version speaks 3.3 and wants no optional parameters."""
    esme = Connection(Role.ESME, now=0.0)
    esme.bind(Bind(mode=MODES[state], system_id="siaran", password="secret"), 0.0)
    [asked] = pdus(esme.data_to_send())
    assert asked == Pdu(MODES[state], 0, asked.sequence, bind_body())
    body = b"smsc\0" + (tlv.build(tlv.SC_INTERFACE_VERSION, version) if version else b"")
    answer = pdu(MODES[state] | 0x80000000, 0, asked.sequence, body)
    assert esme.receive_data(answer, 1.0) == [Bound("smsc", known)]
    assert esme.state is state


def test_a_bind_response_may_be_as_poor_as_can_be() -> None:
    """R-5.1: no body, no NUL, a NUL too many, a parameter that breaks off."""
    for body, name, version in (
        (b"", "", 0x33),
        (b"\0", "", 0x33),
        (b"smsc", "smsc", 0x33),
        (b"smsc\0\0", "smsc", 0x33),
        (b"smsc\0\x02\x10\0\1\x34\0", "smsc", 0x34),
        (b"smsc\0\x02\x10\0\0", "smsc", 0x33),
        (b"smsc\0\x02\x10\0\2\x34", "smsc", 0x33),
        (
            b"a name that is longer than SMPP allows\0",
            "a name that is longer than SMPP allows",
            0x33,
        ),
    ):
        esme = connection(Role.ESME, State.BINDING)
        answer = pdu(C.BIND_TRANSCEIVER_RESP, 0, 1, body)
        assert esme.receive_data(answer, 1.0) == [Bound(name, version)], body


@pytest.mark.parametrize("body", [b"", b"smsc\0"])
@pytest.mark.parametrize("code", [status.INVALID_PASSWORD, status.ALREADY_BOUND, 0x400])
def test_a_refused_bind_ends_the_session(code: int, body: bytes) -> None:
    """R-5.2: with the status, with or without a body."""
    esme = connection(Role.ESME, State.BINDING)
    [refused, closed] = esme.receive_data(pdu(C.BIND_TRANSCEIVER_RESP, code, 1, body), 1.0)
    assert refused == BindRefused(code)
    assert isinstance(closed, Closed)
    assert not closed.clean


def test_a_generic_nack_refuses_a_bind() -> None:
    """R-5.1: an SMSC that knows no transceivers."""
    esme = connection(Role.ESME, State.BINDING)
    [refused, closed] = esme.receive_data(pdu(C.GENERIC_NACK, 3, 1), 1.0)
    assert (refused, type(closed)) == (BindRefused(3), Closed)


def test_another_answer_is_no_answer_to_the_bind() -> None:
    """R-5.1: another number, another mode."""
    esme = connection(Role.ESME, State.BINDING)
    for answer in (
        pdu(C.BIND_TRANSCEIVER_RESP, 0, 2, b"smsc\0"),
        pdu(C.BIND_RECEIVER_RESP, 0, 1, b"smsc\0"),
        resp(1),
    ):
        assert [type(event) for event in esme.receive_data(answer, 1.0)] == [UnknownResponse]
    assert esme.receive_data(pdu(C.GENERIC_NACK, 3, 0), 1.0) == [Nacked(0, 3)]
    assert esme.state is State.BINDING


def test_a_bind_response_twice_changes_nothing() -> None:
    """R-5.1: not even one that refuses."""
    esme = connection(Role.ESME, State.BINDING)
    [_, again, no] = esme.receive_data(
        pdu(C.BIND_TRANSCEIVER_RESP, 0, 1, b"smsc\0") * 2 + pdu(C.BIND_TRANSCEIVER_RESP, 5, 1), 1.0
    )
    assert again == UnknownResponse(C.BIND_TRANSCEIVER_RESP, 1, 0)
    assert no == UnknownResponse(C.BIND_TRANSCEIVER_RESP, 1, 5)
    assert esme.state is State.BOUND_TRX


def test_what_comes_with_the_bind_response_is_not_lost() -> None:
    """R-5.8: receipts that waited for this bind."""
    esme = connection(Role.ESME, State.BINDING)
    events = esme.receive_data(
        pdu(C.BIND_TRANSCEIVER_RESP, 0, 1, b"smsc\0") + pdu(C.DELIVER_SM, body=HALO), 1.0
    )
    assert [type(event) for event in events] == [Bound, Deliveries]


def test_an_smsc_never_shows_the_password() -> None:
    """R-8.5: the event of a bind can be logged."""
    smsc = connection(Role.SMSC, State.OPEN)
    [asked] = smsc.receive_data(pdu(Mode.RECEIVER, body=bind_body(password="hunter2")), 0.0)
    assert isinstance(asked, BindRequested)
    assert asked.pdu.password == "hunter2"
    assert "hunter2" not in repr(asked)


def test_an_smsc_refuses_a_bind_and_closes() -> None:
    """R-5.12: with the status that was decided."""
    smsc = connection(Role.SMSC, State.BINDING)
    [closed] = smsc.answer_bind(status.INVALID_PASSWORD, "smsc", 0.0)
    assert isinstance(closed, Closed)
    assert pdus(smsc.data_to_send()) == [Pdu(C.BIND_TRANSCEIVER_RESP, status.INVALID_PASSWORD, 1)]


# ---- outcomes of submit_sm --------------------------------------------------------------------


def test_responses_are_matched_by_number_in_any_order() -> None:
    """R-5.3: with how long each took."""
    esme = bound_esme()
    a, b = sent(esme, "a", "b", now=1.0)
    [c] = sent(esme, "c", now=2.0)
    assert esme.outstanding == 3
    [answered] = esme.receive_data(
        resp(c, body=b"3\0") + resp(a, body=b"1\0") + resp(b, status.THROTTLED, b""), 5.0
    )
    assert answered == SubmitResponses(
        [("c", 0, "3", 3.0), ("a", 0, "1", 4.0), ("b", status.THROTTLED, None, 4.0)], []
    )
    assert (esme.outstanding, esme.abandon()) == (0, [])


def test_a_response_twice_or_to_nothing_is_told_and_ignored() -> None:
    """R-5.3: one submit_sm has one outcome."""
    esme = bound_esme()
    [a] = sent(esme, "a")
    events = esme.receive_data(resp(a) + resp(a, 8, b"") + resp(4711), 1.0)
    assert events == [
        SubmitResponses([("a", 0, "7", 1.0)], []),
        UnknownResponse(C.SUBMIT_SM_RESP, a, 8),
        UnknownResponse(C.SUBMIT_SM_RESP, 4711, 0),
    ]


@pytest.mark.parametrize(
    ("body", "message_id"),
    [
        (b"", None),
        (b"\0", None),
        (b"\0\0\0", None),
        (b"0007\0", "0007"),
        (b"0007", "0007"),
        (b"0007\0\0", "0007"),
        (b"AbC-1\0junk", "AbC-1"),
        (b"7", "7"),
        (b"x" * 200 + b"\0", "x" * 200),
    ],
)
def test_an_id_is_taken_as_it_comes_or_is_none(body: bytes, message_id: str | None) -> None:
    """R-5.8: never rewritten; a good response without one is accepted."""
    esme = bound_esme()
    [a] = sent(esme, "a")
    assert esme.receive_data(resp(a, body=body), 1.0) == [
        SubmitResponses([("a", 0, message_id, 1.0)], [])
    ]


def test_a_generic_nack_is_an_outcome() -> None:
    """R-5.7: of the submit_sm whose number it has; another is told and harmless."""
    esme = bound_esme()
    a, b = sent(esme, "a", "b")
    events = esme.receive_data(pdu(C.GENERIC_NACK, 3, a) + pdu(C.GENERIC_NACK, 2, 0), 1.0)
    assert events == [SubmitResponses([("a", 3, None, 1.0)], []), Nacked(0, 2)]
    assert esme.abandon() == ["b"]
    assert b == a + 1


def timed_out(esme: Connection, *tokens: str) -> list[int]:
    """Submit these, and wait too long."""
    numbers = sent(esme, *tokens)
    esme.receive_data(pdu(C.ENQUIRE_LINK), 59.0)
    assert esme.tick(60.0) == [SubmitTimeouts(list(tokens))]
    esme.data_to_send()
    return numbers


def test_a_late_response_is_matched_and_marked() -> None:
    """R-5.3: once; the slot had been freed before."""
    esme = bound_esme()
    a, b = timed_out(esme, "a", "b")
    [c] = sent(esme, "c", now=60.0)
    events = esme.receive_data(resp(b, body=b"2\0") + resp(c) + resp(b), 61.0)
    assert events == [
        SubmitResponses([("b", 0, "2", 61.0), ("c", 0, "7", 1.0)], ["b"]),
        UnknownResponse(C.SUBMIT_SM_RESP, b, 0),
    ]
    assert esme.receive_data(resp(a), 99.0) == [SubmitResponses([("a", 0, "7", 99.0)], ["a"])]


def test_a_late_generic_nack_is_matched_too() -> None:
    """R-5.3: it says that the message was not taken, so nothing about it is uncertain any more."""
    esme = bound_esme()
    [a] = timed_out(esme, "a")
    assert esme.receive_data(pdu(C.GENERIC_NACK, 3, a), 61.0) == [
        SubmitResponses([("a", 3, None, 61.0)], ["a"])
    ]


def test_only_so_many_late_ones_are_remembered() -> None:
    """R-5.3: the oldest are forgotten first, so that a dead SMSC doesn't cost us our memory."""
    esme = bound_esme()
    first, second = sent(esme, "first", "second")
    sent(esme, *range(LATE_KEPT - 1))
    esme.tick(60.0)
    events = esme.receive_data(resp(first) + resp(second), 61.0)
    assert events == [
        UnknownResponse(C.SUBMIT_SM_RESP, first, 0),
        SubmitResponses([("second", 0, "7", 61.0)], ["second"]),
    ]


def test_what_timed_out_is_not_outstanding_at_the_end() -> None:
    """R-8.2: it was told already; the rest is unknown from now on."""
    esme = bound_esme()
    timed_out(esme, "a")
    sent(esme, "b", "c", now=61.0)
    assert esme.lost("gone") == [Closed("gone", clean=False)]
    assert esme.abandon() == ["b", "c"]
    assert esme.abandon() == []


def test_sequence_numbers_wrap_to_one() -> None:
    """R-5.1: 1 … 0x7FFFFFFF, whoever takes them: submit_sm, enquire_link, query_sm."""
    esme = bound_esme()
    esme._next = SEQUENCE_MAX - 1  # it takes two thousand million PDUs to get there
    assert sent(esme, "a", "b", "c") == [SEQUENCE_MAX - 1, SEQUENCE_MAX, 1]
    [answered] = esme.receive_data(resp(SEQUENCE_MAX) + resp(1), 1.0)
    assert isinstance(answered, SubmitResponses)
    assert [token for token, *_ in answered.items] == ["b", "c"]
    esme._next = SEQUENCE_MAX
    esme.tick(26.0)
    esme.request(QuerySm(message_id="7", source=US), "q", 26.0)
    assert [found.sequence for found in pdus(esme.data_to_send())] == [SEQUENCE_MAX, 1]


# ---- deliveries -------------------------------------------------------------------------------


@pytest.mark.parametrize(("command", "body"), [(C.DELIVER_SM, HALO), (C.DATA_SM, DATA)])
def test_a_delivery_is_answered_when_we_say_so_and_not_before(command: C, body: bytes) -> None:
    """R-5.10: until then it belongs to the SMSC."""
    esme = bound_esme()
    [deliveries] = esme.receive_data(pdu(command, 0, 9, body) + pdu(command, 0, 10, body), 1.0)
    assert isinstance(deliveries, Deliveries)
    assert [(item.command, item.sequence) for item in deliveries.items] == [
        (command, 9),
        (command, 10),
    ]
    for at in range(2, 100):
        esme.receive_data(pdu(C.ENQUIRE_LINK), float(at))
        esme.tick(float(at))
    assert {found.command for found in pdus(esme.data_to_send())} == {C.ENQUIRE_LINK_RESP}
    octets = esme.respond([(command, 10, status.TEMPORARY), (command, 9, 0)])
    assert pdus(octets) == [
        Pdu(command | 0x80000000, status.TEMPORARY, 10, b"\0"),
        Pdu(command | 0x80000000, 0, 9, b"\0"),
    ]


def test_within_a_read_responses_come_before_the_receipts_after_them() -> None:
    """R-5.8: a receipt never overtakes the response with its id."""
    esme = bound_esme()
    a, b = sent(esme, "a", "b")
    receipt = pdu(C.DELIVER_SM, body=HALO)
    for octets in (
        resp(a) + receipt + resp(b) + receipt,
        receipt + resp(a) + receipt + resp(b),
    ):
        there = bound_esme()
        assert sent(there, "a", "b") == [a, b]
        events = there.receive_data(octets, 1.0)
        assert [type(event) for event in events] == [SubmitResponses, Deliveries]
        assert [len(event.items) for event in events if isinstance(event, Deliveries)] == [2]


def test_a_damaged_delivery_is_refused_and_its_neighbours_are_kept() -> None:
    """R-5.1: sm_length beyond the end."""
    esme = bound_esme()
    good = pdu(C.DELIVER_SM, 0, 1, HALO)
    bad = pdu(C.DELIVER_SM, 0, 2, HALO[:-1])
    found = told(esme.receive_data(good + bad + good, 1.0))
    assert len(found.messages) == 2
    assert [type(event) for event in found.others] == [Damaged]
    assert pdus(esme.data_to_send()) == [Pdu(C.DELIVER_SM_RESP, status.INVALID_MESSAGE_LENGTH, 2)]


PAYLOAD = tlv.build(tlv.MESSAGE_PAYLOAD, b"long")


@pytest.mark.parametrize(
    ("tail", "kept"),
    [
        (b"", {}),
        (b"\0", {}),
        (b"\0\0\0", {}),
        (PAYLOAD + b"\0", {tlv.MESSAGE_PAYLOAD: b"long"}),
        (PAYLOAD + b"\x04\x27\0\x09\1", {tlv.MESSAGE_PAYLOAD: b"long"}),  # longer than the PDU
        (PAYLOAD + b"\x04\x27\0", {tlv.MESSAGE_PAYLOAD: b"long"}),
        (b"\x14\x01\0\1x" + PAYLOAD, {0x1401: b"x", tlv.MESSAGE_PAYLOAD: b"long"}),
        (b"\x04\x27\xff\xff" + PAYLOAD, {}),
    ],
)
@pytest.mark.parametrize(("command", "body"), [(C.DELIVER_SM, HALO), (C.DATA_SM, DATA)])
def test_a_bad_optional_parameter_never_costs_the_message(
    command: C, body: bytes, tail: bytes, kept: dict[int, bytes]
) -> None:
    """R-5.1: what came before it is kept, and a NUL too many is nothing."""
    [deliveries] = bound_esme().receive_data(pdu(command, 0, 1, body + tail), 1.0)
    assert isinstance(deliveries, Deliveries)
    [message] = deliveries.items
    assert dict(message.tlvs) == kept
    assert message.destination == "64211234567"


def test_an_smsc_reads_submits_and_answers_them() -> None:
    """R-5.12: the same the other way round, and a late answer to a deliver_sm is matched."""
    pair = bound()
    octets = pair.esme.submit([("a", HALO), ("b", HALO)], 0.0)
    [submits] = pair.smsc.receive_data(octets, 0.0)
    assert isinstance(submits, Submits)
    first, second = (item.sequence for item in submits.items)
    answer = pair.smsc.answer_submits(
        [(C.SUBMIT_SM, second, status.QUEUE_FULL, ""), (C.SUBMIT_SM, first, 0, "1")]
    )
    assert pair.esme.receive_data(answer, 2.0) == [
        SubmitResponses([("b", status.QUEUE_FULL, None, 2.0), ("a", 0, "1", 2.0)], [])
    ]
    [delivery] = pdus(pair.smsc.submit([("receipt", HALO)], 2.0))
    pair.smsc.receive_data(pdu(C.ENQUIRE_LINK), 40.0)
    pair.smsc.tick(62.0)
    assert pair.smsc.receive_data(
        pair.esme.respond([(C.DELIVER_SM, delivery.sequence, 0)]), 70.0
    ) == [DeliverResponses([("receipt", 0, None, 68.0)], ["receipt"])]


# ---- what is rare -----------------------------------------------------------------------------


@pytest.mark.parametrize("role", Role)
def test_an_enquire_link_is_answered_at_once(role: Role) -> None:
    """R-5.1: with its number; it is nobody's business else."""
    there = connection(role, State.BOUND_TRX)
    assert there.receive_data(pdu(C.ENQUIRE_LINK, 0, 77) * 2, 1.0) == []
    assert pdus(there.data_to_send()) == [Pdu(C.ENQUIRE_LINK_RESP, 0, 77)] * 2


def test_notifications_are_told_and_not_answered() -> None:
    """R-5.1: alert_notification and outbind have no response."""
    alert = pdu(C.ALERT_NOTIFICATION, 0, 1, b"\1\x0164211234567\0\0\x013774\0\x04\x22\0\1\0")
    esme = bound_esme()
    assert esme.receive_data(alert, 1.0) == [
        Notified(AlertNotification(source="64211234567", esme="3774"))
    ]
    fresh = connection(Role.ESME, State.OPEN)
    asked = fresh.receive_data(pdu(C.OUTBIND, 0, 1, b"smsc\0secret\0"), 1.0)
    assert asked == [Notified(Outbind(system_id="smsc"))]
    assert "secret" not in repr(asked)
    broken = pdu(C.ALERT_NOTIFICATION, 0, 1, b"\1\x0164211234567")
    assert [type(event) for event in esme.receive_data(broken, 1.0)] == [Damaged]
    assert esme.data_to_send() == fresh.data_to_send() == b""


def test_a_question_gets_its_answer() -> None:
    """R-5.11: query_sm and cancel_sm, in any order among submits."""
    pair = bound()
    pair.esme.request(QuerySm(message_id="7", source=US), "query", 0.0)
    pair.esme.request(CancelSm(message_id="7", source=US, destination=ALICE), "cancel", 0.0)
    pair.pump()
    query, cancel = pair.smsc_events
    assert isinstance(query, Requested)
    assert isinstance(cancel, Requested)
    assert query.pdu == QuerySm(message_id="7", source=US)
    assert cancel.pdu == CancelSm(message_id="7", source=US, destination=ALICE)
    found = QuerySmResp(status=0, message_id="7", final_date="", message_state=2, error_code=0)
    pair.smsc.answer(cancel.sequence, CancelSmResp(status=status.CANCEL_FAILED))
    pair.smsc.answer(query.sequence, found)
    pair.pump()
    assert pair.esme_events == [
        Response("cancel", status.CANCEL_FAILED, CancelSmResp(status=status.CANCEL_FAILED)),
        Response("query", 0, found),
    ]


@pytest.mark.parametrize("code", [0x03, 0x67])
def test_a_refused_question_is_answered_too(code: int) -> None:
    """R-5.11: by generic_nack, or by an error without a body."""
    esme = bound_esme()
    esme.request(QuerySm(message_id="7", source=US), "query", 0.0)
    [asked] = pdus(esme.data_to_send())
    nack = pdu(C.GENERIC_NACK, code, asked.sequence)
    assert esme.receive_data(nack, 1.0) == [Response("query", code, None)]
    esme.request(QuerySm(message_id="7", source=US), "again", 2.0)
    [asked] = pdus(esme.data_to_send())
    error = pdu(C.QUERY_SM_RESP, code, asked.sequence)
    assert esme.receive_data(error, 3.0) == [Response("again", code, QuerySmResp(status=code))]


def test_a_question_that_nobody_answers_ends_by_the_clock() -> None:
    """R-5.11: it is no sign that the bind is dead."""
    esme = bound_esme()
    esme.request(QuerySm(message_id="7", source=US), "query", 0.0)
    [asked] = pdus(esme.data_to_send())
    esme.receive_data(pdu(C.ENQUIRE_LINK), 40.0)
    esme.data_to_send()
    assert esme.next_deadline() == 60.0
    assert esme.tick(60.0) == [RequestTimeout("query")]
    assert esme.data_to_send() == b""
    late = pdu(C.QUERY_SM_RESP, 0, asked.sequence, b"7\0\0\2\0")
    assert esme.receive_data(late, 61.0) == [UnknownResponse(C.QUERY_SM_RESP, asked.sequence, 0)]


def test_an_answer_that_cannot_be_read_is_an_answer() -> None:
    """R-5.11: whoever asked must not wait for ever."""
    esme = bound_esme()
    esme.request(QuerySm(message_id="7", source=US), "query", 0.0)
    [asked] = pdus(esme.data_to_send())
    [damaged, answer] = esme.receive_data(pdu(C.QUERY_SM_RESP, 0, asked.sequence, b"7\0"), 1.0)
    assert isinstance(damaged, Damaged)
    assert answer == Response("query", status.INVALID_COMMAND_LENGTH, None)
    assert esme.data_to_send() == b""


@pytest.mark.parametrize(
    "command",
    [C.SUBMIT_SM_RESP, C.CANCEL_SM_RESP, C.REPLACE_SM_RESP, C.BIND_RECEIVER_RESP, 0x80000077],
)
def test_another_kind_of_answer_answers_no_question(command: int) -> None:
    """R-5.11: a query_sm is not answered by a cancel_sm_resp with its number."""
    esme = bound_esme()
    esme.request(QuerySm(message_id="7", source=US), "query", 0.0)
    [asked] = pdus(esme.data_to_send())
    wrong = pdu(command, 0, asked.sequence, b"7\0")
    assert esme.receive_data(wrong, 1.0) == [UnknownResponse(command, asked.sequence, 0)]
    right = pdu(C.QUERY_SM_RESP, 0, asked.sequence, b"7\0\0\2\0")
    [answer] = esme.receive_data(right, 2.0)
    assert isinstance(answer, Response)
    assert answer.token == "query"


def test_a_response_of_a_submit_never_answers_a_question_and_vice_versa() -> None:
    """R-5.3: numbers are of one row, so these would be two faults of one peer."""
    esme = bound_esme()
    [a] = sent(esme, "a")
    assert [type(event) for event in esme.receive_data(pdu(C.QUERY_SM_RESP, 0, a), 1.0)] == [
        UnknownResponse
    ]
    assert esme.abandon() == ["a"]


# ---- the end ----------------------------------------------------------------------------------


def test_the_peers_unbind_is_answered_and_ends_the_session_cleanly() -> None:
    """R-5.1: what came with it is kept; what comes after it is nothing."""
    esme = bound_esme()
    [a] = sent(esme, "a", "b")[:1]
    events = esme.receive_data(resp(a) + pdu(C.UNBIND, 0, 5) + pdu(C.DELIVER_SM, body=HALO), 1.0)
    assert events == [
        SubmitResponses([("a", 0, "7", 1.0)], []),
        PeerUnbind(),
        Closed("the peer unbound", clean=True),
    ]
    assert pdus(esme.data_to_send()) == [Pdu(C.UNBIND_RESP, 0, 5)]
    assert esme.abandon() == ["b"]


def test_our_unbind_waits_for_what_is_on_its_way() -> None:
    """R-5.1: responses and receipts that cross it on the wire are good."""
    pair = bound()
    [a] = sent(pair.esme, "a")
    pair.esme.unbind(1.0)
    octets = resp(a) + pdu(C.DELIVER_SM, 0, 3, HALO)
    assert [type(event) for event in pair.esme.receive_data(octets, 1.0)] == [
        SubmitResponses,
        Deliveries,
    ]
    assert pair.esme.respond([(C.DELIVER_SM, 3, 0)])
    pair.pump(1.0)
    assert pair.esme_events == [Unbound(), Closed("unbound", clean=True)]
    assert pair.smsc_events == [PeerUnbind(), Closed("the peer unbound", clean=True)]


def test_unbinds_may_cross() -> None:
    """R-5.1: both sides answer and both end cleanly."""
    pair = bound()
    pair.esme.unbind(1.0)
    pair.smsc.unbind(1.0)
    pair.pump(1.0)
    for events in (pair.esme_events, pair.smsc_events):
        assert isinstance(events[-1], Closed)
        assert events[-1].clean


@pytest.mark.parametrize("role", Role)
def test_a_close_after_unbind_is_clean_and_any_other_is_not(role: Role) -> None:
    """R-5.1: some peers close instead of answering."""
    assert connection(role, State.UNBINDING).receive_data(b"", 1.0) == [
        Closed("the peer closed the connection", clean=True)
    ]
    for state in (State.OPEN, State.BINDING, *MODES):
        assert connection(role, state).receive_data(b"", 1.0) == [
            Closed("the peer closed the connection", clean=False)
        ]


@pytest.mark.parametrize("size", [1, 4, 15, 16, len(HALO) + 15])
def test_a_close_in_the_midst_of_a_pdu_says_so(size: int) -> None:
    """R-5.1: the PDUs before it are good."""
    esme = bound_esme()
    octets = pdu(C.DELIVER_SM, body=HALO)
    events: list[Event] = esme.receive_data(octets + octets[:size], 1.0)
    assert [type(event) for event in events] == [Deliveries]
    assert esme.receive_data(b"", 2.0) == [
        Closed("the peer closed the connection in the midst of a PDU", clean=False)
    ]


def test_alive_needs_a_doubt() -> None:
    """R-5.3: an enquire_link_resp out of the blue is nothing."""
    found = bound_esme().receive_data(pdu(C.ENQUIRE_LINK_RESP, 0, 1), 1.0)
    assert Alive() not in found
    assert found == []
