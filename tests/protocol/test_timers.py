"""All clocks of a session, told the time (R-5.1, R-5.3; `wire.md`, Session)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smpp.events import Alive, Closed, DeliverTimeouts, Event, SubmitResponses, SubmitTimeouts
from smpp.pdu import Command, Mode
from smpp.protocol import Connection
from smpp.states import Role, State
from smpp.timers import Timing
from tests.protocol.wire import HALO, MODES, bind_body, bound, connection, pdu, pdus

C = Command
ENQUIRE = C.ENQUIRE_LINK
SILENCE = 25.0
ROLES_BOUND = [(role, state) for role in Role for state in MODES]


def asked(there: Connection) -> list[int]:
    """The commands that it has to send."""
    return [sent.command for sent in pdus(there.data_to_send())]


def answer_enquire_link(there: Connection, now: float) -> list[Event]:
    """Answer what it asks now."""
    [question] = pdus(there.data_to_send())
    assert question.command == ENQUIRE
    return there.receive_data(pdu(C.ENQUIRE_LINK_RESP, sequence=question.sequence), now)


# ---- is anybody there? ------------------------------------------------------------------------


@pytest.mark.parametrize(("role", "state"), ROLES_BOUND)
def test_silence_is_asked_after_25_seconds(role: Role, state: State) -> None:
    """R-5.1: both ways, whatever the bind."""
    there = connection(role, state)
    assert there.next_deadline() == SILENCE
    assert there.tick(SILENCE - 0.001) == []
    assert asked(there) == []
    assert there.tick(SILENCE) == []
    assert asked(there) == [ENQUIRE]


@pytest.mark.parametrize(("role", "state"), ROLES_BOUND)
def test_two_unanswered_enquire_links_end_the_session(role: Role, state: State) -> None:
    """R-5.1: 25 s of silence, and twice 10 s without an answer."""
    there = connection(role, state)
    there.tick(25.0)
    assert (asked(there), there.next_deadline()) == ([ENQUIRE], 35.0)
    assert there.tick(35.0) == []
    assert (asked(there), there.next_deadline()) == ([ENQUIRE], 45.0)
    assert there.tick(44.9) == []
    [closed] = there.tick(45.0)
    assert closed == Closed("2 enquire_link in a row without an answer", clean=False)


def test_an_answer_begins_the_silence_anew_and_forgets_the_miss() -> None:
    """R-5.1: two misses in a row are what counts."""
    there = connection(Role.ESME, State.BOUND_TRX)
    at = 0.0
    for _ in range(3):
        there.tick(at + 25)
        asked(there)
        there.tick(at + 35)  # the first went unanswered
        assert answer_enquire_link(there, at + 44) == []
        at += 44
        assert there.next_deadline() == at + 25
    assert there.state is State.BOUND_TRX


@pytest.mark.parametrize(
    "sign_of_life",
    [
        pdu(C.ENQUIRE_LINK),
        pdu(C.DELIVER_SM, body=HALO),
        pdu(C.SUBMIT_SM_RESP, sequence=99),
        pdu(0x77),
        pdu(C.GENERIC_NACK),
    ],
)
def test_any_whole_pdu_is_a_sign_of_life(sign_of_life: bytes) -> None:
    """R-5.1: a busy line is never asked."""
    there = connection(Role.ESME, State.BOUND_TRX)
    there.receive_data(sign_of_life, 20.0)
    there.data_to_send()
    assert there.tick(25.0) == []
    assert (asked(there), there.next_deadline()) == ([], 45.0)


@pytest.mark.parametrize("role", Role)
def test_half_a_pdu_and_silence_is_ended_like_silence(role: Role) -> None:
    """R-5.1: octets that trickle are no sign of life as long as they make no PDU."""
    there = connection(role, State.BOUND_TRX)
    half = pdu(C.DELIVER_SM, body=HALO)[:-1]
    for at, octet in enumerate(half[:44]):
        assert there.receive_data(bytes((octet,)), float(at)) == []
        assert there.tick(float(at)) == []
    assert asked(there) == [ENQUIRE, ENQUIRE]
    assert [type(event) for event in there.tick(45.0)] == [Closed]


def test_who_talks_without_answering_is_not_dead() -> None:
    """R-5.1: receipts come, enquire_links are ignored: that peer lives."""
    there = connection(Role.ESME, State.BOUND_TRX)
    there.tick(25.0)
    for at in range(26, 600):
        there.receive_data(pdu(C.DELIVER_SM, body=HALO), float(at))
        assert there.tick(float(at)) == []
    assert there.state is State.BOUND_TRX


def test_talk_in_between_forgets_a_miss() -> None:
    """R-5.1: two in a row are what counts, here too."""
    there = connection(Role.ESME, State.BOUND_TRX)
    there.tick(25.0)
    there.tick(35.0)  # the first miss
    there.receive_data(pdu(C.DELIVER_SM, body=HALO), 40.0)
    assert there.tick(45.0) == []
    assert there.tick(55.0) == []  # the first again
    assert [type(event) for event in there.tick(65.0)] == [Closed]


# ---- phases -----------------------------------------------------------------------------------


def test_a_bind_that_nobody_answers_ends_after_10_seconds() -> None:
    """R-5.2: it can be tried again then."""
    there = connection(Role.ESME, State.BINDING)
    assert there.next_deadline() == 10.0
    there.receive_data(pdu(ENQUIRE), 9.0)  # says nothing about the bind
    assert there.tick(9.9) == []
    assert there.tick(10.0) == [Closed("no answer to the bind in time", clean=False)]


@pytest.mark.parametrize(
    "said", [b"", pdu(ENQUIRE), pdu(C.SUBMIT_SM, body=HALO), pdu(Mode.RECEIVER)[:-1], pdu(0x77)]
)
def test_who_connects_to_an_smsc_and_does_not_bind_is_cut_after_10_seconds(said: bytes) -> None:
    """R-5.12: whatever else he says: silence, half a PDU, a submit_sm."""
    there = connection(Role.SMSC, State.OPEN)
    assert there.next_deadline() == 10.0
    if said:
        there.receive_data(said, 9.0)
    assert there.tick(10.0) == [Closed("no bind within the session init time", clean=False)]


def test_once_bound_the_phase_is_over() -> None:
    """R-5.1: neither side is cut at 10 s."""
    pair = bound()
    assert pair.esme.tick(10.0) == pair.smsc.tick(10.0) == []
    assert pair.esme.next_deadline() == pair.smsc.next_deadline() == SILENCE


@pytest.mark.parametrize("role", Role)
def test_an_unbind_that_nobody_answers_ends_after_5_seconds(role: Role) -> None:
    there = connection(role, State.UNBINDING)
    assert there.next_deadline() == 5.0
    assert there.tick(5.0) == [Closed("no answer to the unbind in time", clean=False)]


def test_who_unbinds_asks_nothing_more() -> None:
    """R-5.1: neither for the silence nor for a response that does not come."""
    timing = Timing(unbind_timeout_s=100)
    pair = bound(timing=timing)
    pair.esme.submit([("a", HALO)], 0.0)
    pair.esme.unbind(1.0)
    assert asked(pair.esme) == [C.UNBIND]
    assert pair.esme.tick(60.0) == [SubmitTimeouts(["a"])]
    assert (asked(pair.esme), pair.esme.next_deadline()) == ([], 101.0)


# ---- responses that don't come ----------------------------------------------------------------


def test_a_response_that_does_not_come_is_told_and_the_peer_is_asked() -> None:
    """R-5.3: after 60 s; those of one moment together, oldest first; later ones later."""
    there = connection(Role.ESME, State.BOUND_TX)
    there.submit([("a", HALO), ("b", HALO)], 0.0)
    there.receive_data(pdu(ENQUIRE), 40.0)
    there.submit([("c", HALO)], 41.0)
    there.data_to_send()
    assert there.next_deadline() == 60.0
    assert there.tick(59.9) == []
    assert there.tick(60.0) == [SubmitTimeouts(["a", "b"])]
    assert asked(there) == [ENQUIRE]
    assert there.outstanding == 1


def test_an_answered_enquire_link_after_a_timeout_frees_the_slots() -> None:
    """R-5.3: `Alive` is told once, and only after a timeout."""
    there = connection(Role.ESME, State.BOUND_TX)
    there.submit([("a", HALO)], 0.0)
    there.tick(25.0)
    assert answer_enquire_link(there, 25.1) == []  # it was the silence that asked
    there.receive_data(pdu(ENQUIRE), 50.0)
    there.data_to_send()
    there.tick(60.0)
    assert answer_enquire_link(there, 60.1) == [Alive()]
    assert there.receive_data(pdu(C.ENQUIRE_LINK_RESP, sequence=7), 60.2) == []


def time_out(there: Connection, token: str, at: float) -> list[Event]:
    """Submit at `at`, and get nothing; enquire_links that come before are answered."""
    there.submit([(token, HALO)], at)
    deadline = at
    while deadline < at + 60:
        deadline = there.next_deadline() or 1e9
        events = there.tick(deadline)
        if deadline < at + 60:
            answer_enquire_link(there, deadline)
    return events


def test_three_timeouts_in_a_row_end_the_session() -> None:
    """R-5.3: a peer that lives and answers no submit_sm wants a new session."""
    there = connection(Role.ESME, State.BOUND_TRX)
    assert time_out(there, "a", 0) == [SubmitTimeouts(["a"])]
    assert answer_enquire_link(there, 61) == [Alive()]
    assert time_out(there, "b", 100) == [SubmitTimeouts(["b"])]
    assert answer_enquire_link(there, 161) == [Alive()]
    assert time_out(there, "c", 200) == [
        SubmitTimeouts(["c"]),
        Closed("3 response timeouts in a row", clean=False),
    ]


@pytest.mark.parametrize("late", [False, True])
def test_a_response_in_between_breaks_the_row(late: bool) -> None:
    """R-5.3: also a late one."""
    there = connection(Role.ESME, State.BOUND_TRX)
    for round_ in range(5):
        at = round_ * 100.0
        sequence = there._next
        assert time_out(there, "silent", at) == [SubmitTimeouts(["silent"])]
        assert answer_enquire_link(there, at + 61) == [Alive()]
        if not late:
            [sent] = pdus(there.submit([("heard", HALO)], at + 62))
            sequence = sent.sequence
        [answered] = there.receive_data(pdu(C.SUBMIT_SM_RESP, 0, sequence, b"7\0"), at + 63)
        assert isinstance(answered, SubmitResponses)
        assert bool(answered.late) is late


def test_timeouts_while_the_peer_is_being_asked_count_as_one() -> None:
    """R-5.3: else one stall of a full window would end the session."""
    timing = Timing(enquire_timeout_s=50)
    there = bound(timing=timing).esme
    for at in range(5):
        there.submit([(at, HALO)], float(at))
    there.receive_data(pdu(ENQUIRE), 40.0)
    for at in range(5):
        assert there.tick(60.0 + at) == [SubmitTimeouts([at])]
    there.receive_data(pdu(C.ENQUIRE_LINK_RESP, sequence=6), 65.0)
    assert there.state is State.BOUND_TRX


def test_who_talks_on_without_answering_the_question_after_a_timeout_is_alive() -> None:
    """R-5.3: else nothing would be sent on that bind for ever, and nobody would know why."""
    there = connection(Role.ESME, State.BOUND_TRX)
    told: list[Event] = []
    at = 0.0
    while there.state is State.BOUND_TRX:
        if not told or isinstance(told[-1], Alive):  # what the owner of a bind does
            there.submit([(at, HALO)], at)
            told.append(SubmitTimeouts([]))
        at += 1
        there.receive_data(pdu(C.DELIVER_SM, body=HALO), at)
        told += there.tick(at)
        assert at < 400, "still waiting"
    assert sum(isinstance(event, Alive) for event in told) == 2
    assert told[-1] == Closed("3 response timeouts in a row", clean=False)


def test_a_silent_peer_after_a_timeout_is_dead_after_two_questions() -> None:
    """R-5.3."""
    timing = Timing(response_timeout_s=5)
    there = bound(timing=timing).esme
    there.submit([("a", HALO)], 0.0)
    assert there.tick(5.0) == [SubmitTimeouts(["a"])]
    assert there.tick(15.0) == []
    assert [type(event) for event in there.tick(25.0)] == [Closed]


def test_an_smsc_watches_its_deliveries_in_the_same_way() -> None:
    """R-5.12: a simulator sends again what was not answered."""
    there = connection(Role.SMSC, State.BOUND_RX)
    there.submit([("receipt", HALO)], 0.0)
    there.receive_data(pdu(ENQUIRE), 40.0)
    there.data_to_send()
    assert there.tick(60.0) == [DeliverTimeouts(["receipt"])]
    assert asked(there) == [ENQUIRE]


@given(
    role=st.sampled_from(Role),
    state=st.sampled_from([state for state in State if state is not State.CLOSED]),
    said=st.lists(
        st.tuples(
            st.floats(0, 30),
            st.sampled_from([pdu(ENQUIRE), pdu(C.ENQUIRE_LINK_RESP), pdu(0x77), b"\0", HALO]),
        ),
        max_size=6,
    ),
)
def test_left_alone_every_session_ends(
    role: Role, state: State, said: list[tuple[float, bytes]]
) -> None:
    """R-5.1: each tick at the deadline moves the deadline on; only an idle ESME has none."""
    there = connection(role, state)
    now = 0.0
    for later, octets in said:
        now += later
        there.receive_data(octets, now)
        there.tick(now)
    for _ in range(20):
        deadline = there.next_deadline()
        if deadline is None:
            break
        now = max(now, deadline)
        there.tick(now)
        after = there.next_deadline()
        assert after is None or after > now
    assert there.closed or (role, there.state) == (Role.ESME, State.OPEN)


def test_the_bind_itself_is_watched_by_nobody_else() -> None:
    """R-5.12: an SMSC that takes too long over a bind is cut by its own clock."""
    there = connection(Role.SMSC, State.OPEN)
    there.receive_data(pdu(Mode.RECEIVER, body=bind_body()), 9.0)
    assert [type(event) for event in there.tick(10.0)] == [Closed]
    assert pdus(there.data_to_send()) == []


def test_settings_are_kept() -> None:
    """R-5.1: each duration is settable per carrier."""
    timing = Timing(enquire_after_s=1, enquire_timeout_s=2, enquire_misses=3, bind_timeout_s=4)
    there = bound(timing=timing).esme
    seen = []
    while (deadline := there.next_deadline()) is not None:
        seen.append(deadline)
        there.tick(deadline)
    assert seen == [1, 3, 5, 7]
    assert [sent.command for sent in pdus(there.data_to_send())] == [ENQUIRE] * 3
