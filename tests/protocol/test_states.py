"""Who may say what, when: each role, in each state, hears each command (R-5.1).

What is legal is handled. What is not is answered as `wire.md` says, and the session goes on.
"""

import pytest

from smpp import status
from smpp.events import (
    BindRequested,
    Closed,
    Damaged,
    Deliveries,
    Event,
    Nacked,
    Notified,
    PeerUnbind,
    Requested,
    Submits,
    Unbound,
    UnknownResponse,
)
from smpp.pdu import RESPONSE, Address, Bind, Command, Mode, QuerySm
from smpp.protocol import Connection, LocalError
from smpp.states import Role, State
from tests.protocol.wire import DATA, HALO, MODES, TIMED, Pdu, bind_body, connection, pdu, pdus

C = Command
SEQUENCE = 0x1234  # nothing of ours has it

EITHER = {C.DATA_SM, C.ENQUIRE_LINK, C.UNBIND}
FROM_ESME = {C.SUBMIT_SM, C.SUBMIT_MULTI, C.QUERY_SM, C.CANCEL_SM, C.REPLACE_SM}
FROM_SMSC = {C.DELIVER_SM, C.ALERT_NOTIFICATION}
BINDS = {C.BIND_TRANSMITTER, C.BIND_RECEIVER, C.BIND_TRANSCEIVER}

HEARS: dict[tuple[Role, State], set[Command]] = {
    (Role.ESME, State.OPEN): {C.OUTBIND, C.ENQUIRE_LINK},
    (Role.ESME, State.BINDING): {C.ENQUIRE_LINK},
    (Role.ESME, State.BOUND_TX): EITHER,
    (Role.ESME, State.BOUND_RX): EITHER | FROM_SMSC,
    (Role.ESME, State.BOUND_TRX): EITHER | FROM_SMSC,
    (Role.ESME, State.UNBINDING): EITHER | FROM_SMSC,
    (Role.SMSC, State.OPEN): BINDS | {C.ENQUIRE_LINK},
    (Role.SMSC, State.BINDING): {C.ENQUIRE_LINK},
    (Role.SMSC, State.BOUND_TX): EITHER | FROM_ESME,
    (Role.SMSC, State.BOUND_RX): EITHER,
    (Role.SMSC, State.BOUND_TRX): EITHER | FROM_ESME,
    (Role.SMSC, State.UNBINDING): EITHER | FROM_ESME,
}
"""SMPP 3.4 table 2-1, from the side that listens, with enquire_link at all times."""

BODIES = {
    C.SUBMIT_SM: HALO,
    C.DELIVER_SM: HALO,
    C.DATA_SM: DATA,
    C.QUERY_SM: b"7\0\0\x013774\0",
    C.CANCEL_SM: b"\x007\0\0\x013774\0\1\x0164211234567\0",
    C.OUTBIND: b"smsc\0secret\0",
    C.ALERT_NOTIFICATION: b"\1\x0164211234567\0\0\x013774\0",
    **dict.fromkeys(BINDS, bind_body()),
}
REQUESTS = [command for command in C if not command & RESPONSE]
ANSWERS = [command for command in C if command & RESPONSE]
OPEN_STATES = [state for state in State if state is not State.CLOSED]


def hear(role: Role, state: State, command: int) -> tuple[Connection, list[Event], list[Pdu]]:
    """What a connection in that state makes of that command: events, and what it answers."""
    there = connection(role, state)
    body = BODIES.get(C(command), b"") if command in list(C) else b""
    events = there.receive_data(pdu(command, sequence=SEQUENCE, body=body), now=1.0)
    return there, events, pdus(there.data_to_send())


def kinds(events: list[Event]) -> list[type[Event]]:
    return [type(event) for event in events]


def handled(role: Role, command: Command) -> tuple[list[type[Event]], list[int]]:
    """The events of a legal request, and the statuses that it is answered with at once."""
    messages = Deliveries if role is Role.ESME else Submits
    match command:
        case C.SUBMIT_SM | C.DELIVER_SM | C.DATA_SM:
            return [messages], []
        case C.QUERY_SM | C.CANCEL_SM:
            return [Requested], []
        case C.SUBMIT_MULTI | C.REPLACE_SM:  # legal, and not supported
            return [Damaged], [status.INVALID_COMMAND]
        case C.ENQUIRE_LINK:
            return [], [status.OK]
        case C.UNBIND:
            return [PeerUnbind, Closed], [status.OK]
        case C.OUTBIND | C.ALERT_NOTIFICATION:
            return [Notified], []
        case _:
            return [BindRequested], []


def refusal(role: Role, state: State, command: Command) -> list[int]:
    """The statuses that a request out of place is answered with."""
    if command in (C.OUTBIND, C.ALERT_NOTIFICATION):
        return []
    if command in (C.DELIVER_SM, C.DATA_SM):
        return [status.TEMPORARY]
    if role is Role.SMSC and command in BINDS:
        return [status.ALREADY_BOUND]
    return [status.INVALID_BIND_STATUS]


@pytest.mark.parametrize("state", OPEN_STATES)
@pytest.mark.parametrize("role", Role)
def test_each_request_is_handled_or_refused(role: Role, state: State) -> None:
    """R-5.1: by the table; what is refused changes nothing."""
    for command in REQUESTS:
        there, events, answers = hear(role, state, command)
        if command in HEARS[role, state]:
            expected, statuses = handled(role, command)
            assert kinds(events) == expected, command.name
        else:
            statuses = refusal(role, state, command)
            assert kinds(events) == [Damaged], command.name
            assert there.state is state, command.name
        assert answers == [Pdu(command | RESPONSE, code, SEQUENCE) for code in statuses], (
            command.name
        )


@pytest.mark.parametrize("state", OPEN_STATES)
@pytest.mark.parametrize("role", Role)
def test_a_response_to_nothing_changes_nothing(role: Role, state: State) -> None:
    """R-5.1: it is told, and never answered: two sides that did would do so for ever."""
    for command in ANSWERS:
        there, events, answers = hear(role, state, command)
        assert answers == [], command.name
        if command == C.UNBIND_RESP and state is State.UNBINDING:  # whatever its number
            assert kinds(events) == [Unbound, Closed]
            continue
        expected: list[type[Event]] = [UnknownResponse]
        if command == C.ENQUIRE_LINK_RESP:
            expected = []
        elif command == C.GENERIC_NACK:
            expected = [Nacked]
        assert kinds(events) == expected, command.name
        assert there.state is state, command.name


@pytest.mark.parametrize("state", OPEN_STATES)
@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("command", [0, 0xA, 0xC, 0x77, 0x104, 0x7FFFFFFF])
def test_an_unknown_command_is_nacked_and_the_session_stays(
    role: Role, state: State, command: int
) -> None:
    """R-5.1: generic_nack ESME_RINVCMDID, with its sequence number."""
    there, events, answers = hear(role, state, command)
    assert kinds(events) == [Damaged]
    assert answers == [Pdu(C.GENERIC_NACK, status.INVALID_COMMAND, SEQUENCE)]
    assert there.state is state


@pytest.mark.parametrize("state", OPEN_STATES)
@pytest.mark.parametrize("role", Role)
def test_an_unknown_response_is_never_nacked(role: Role, state: State) -> None:
    _, events, answers = hear(role, state, 0x80000077)
    assert (kinds(events), answers) == ([UnknownResponse], [])


@pytest.mark.parametrize("role", Role)
def test_a_closed_connection_hears_nothing(role: Role) -> None:
    """`Closed` comes once and last."""
    for command in C:
        assert hear(role, State.CLOSED, command)[1:] == ([], [])
    there = connection(role, State.CLOSED)
    assert there.receive_data(b"", 1.0) == there.tick(1e9) == there.lost("again") == []
    assert there.next_deadline() is None


@pytest.mark.parametrize("state", MODES)
@pytest.mark.parametrize("role", Role)
def test_what_is_legal_and_unreadable_is_refused_and_the_session_stays(
    role: Role, state: State
) -> None:
    """R-5.1: each request with a body, cut at each octet, is answered with a fault, or nothing."""
    there = connection(role, state)
    bodies = [(command, BODIES[command]) for command in HEARS[role, state] & BODIES.keys()]
    bodies += [(command, TIMED) for command, body in bodies if body is HALO]
    for command, body in bodies:
        for size in range(len(body)):
            events = there.receive_data(pdu(command, sequence=SEQUENCE, body=body[:size]), 1.0)
            assert kinds(events) == [Damaged], (command.name, size)
            answers = pdus(there.data_to_send())
            if command == C.ALERT_NOTIFICATION:
                assert answers == []
                continue
            [answer] = answers
            assert (answer.command, answer.sequence) == (command | RESPONSE, SEQUENCE)
            assert answer.status in (status.INVALID_COMMAND_LENGTH, status.INVALID_MESSAGE_LENGTH)
    assert there.state is state


def test_an_unreadable_bind_is_refused_and_another_may_follow() -> None:
    """R-5.1: also one with a system_id that SMPP doesn't allow."""
    there = connection(Role.SMSC, State.OPEN)
    body = bind_body()
    for size in range(len(body)):
        assert kinds(there.receive_data(pdu(C.BIND_RECEIVER, body=body[:size]), 0.0)) == [Damaged]
        [answer] = pdus(there.data_to_send())
        assert answer == Pdu(C.BIND_RECEIVER_RESP, status.INVALID_COMMAND_LENGTH, 1)
    long = b"sixteen letters!" + body[6:]
    assert kinds(there.receive_data(pdu(C.BIND_RECEIVER, body=long), 0.0)) == [Damaged]
    assert pdus(there.data_to_send()) == [Pdu(C.BIND_RECEIVER_RESP, status.BIND_FAILED, 1)]
    assert kinds(there.receive_data(pdu(C.BIND_RECEIVER, body=body), 0.0)) == [BindRequested]


BIND = Bind(mode=Mode.TRANSCEIVER, system_id="siaran")
QUERY = QuerySm(message_id="7", source=Address(0, 1, "3774"))
SAYS: dict[tuple[Role, str], set[State]] = {
    (Role.ESME, "bind"): {State.OPEN},
    (Role.ESME, "submit"): {State.BOUND_TX, State.BOUND_TRX},
    (Role.ESME, "request"): {State.BOUND_TX, State.BOUND_TRX},
    (Role.ESME, "unbind"): set(MODES),
    (Role.ESME, "respond"): set(OPEN_STATES),
    (Role.ESME, "answer_bind"): set(),
    (Role.SMSC, "bind"): set(),
    (Role.SMSC, "submit"): {State.BOUND_RX, State.BOUND_TRX},  # deliver_sm
    (Role.SMSC, "request"): set(),
    (Role.SMSC, "unbind"): set(MODES),
    (Role.SMSC, "respond"): set(OPEN_STATES),
    (Role.SMSC, "answer_bind"): {State.BINDING},
}


def say(there: Connection, verb: str) -> bytes:
    """Use that verb; the octets that came of it."""
    octets = b""
    match verb:
        case "bind":
            there.bind(BIND, 0.0)
        case "submit":
            octets = there.submit([("token", HALO)], 0.0)
        case "request":
            there.request(QUERY, "token", 0.0)
        case "unbind":
            there.unbind(0.0)
        case "respond":
            octets = there.respond([(C.DELIVER_SM, 1, 0)])
        case "answer_bind":
            there.answer_bind(0, "smsc", 0.0)
    return octets + there.data_to_send()


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize(("role", "verb"), SAYS)
def test_we_can_say_only_what_is_legal(role: Role, verb: str, state: State) -> None:
    """R-5.1: wrong use is a fault of ours, and leaves no trace."""
    there = connection(role, state)
    if state in SAYS[role, verb]:
        assert pdus(say(there, verb))
    else:
        with pytest.raises(LocalError):
            say(there, verb)
        assert there.state is state
        assert there.data_to_send() == b""
        assert there.outstanding == 0
