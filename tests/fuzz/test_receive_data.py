"""`receive_data` never raises anything, whatever a peer sends, in any state, at any time.

What else must hold then: `Closed` comes once and last; what is answered are whole PDUs, and no
response or notification is ever answered; nothing submitted is ever lost or told twice.
"""

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smpp.events import (
    BindRequested,
    Closed,
    Deliveries,
    DeliverResponses,
    DeliverTimeouts,
    Event,
    Requested,
    RequestTimeout,
    Response,
    SubmitResponses,
    Submits,
    SubmitTimeouts,
)
from smpp.pdu import RESPONSE, Address, CancelSm, Command, QuerySm, QuerySmResp
from smpp.protocol import Connection, LocalError
from smpp.states import Role, State
from tests.protocol import foreign
from tests.protocol.wire import HALO, connection, pdus

US = Address(0, 1, "3774")


class Owner:
    """Uses a connection as the shells do, and keeps the books."""

    def __init__(self, role: Role, state: State) -> None:
        self.there: Connection = connection(role, state)
        self.now = 0.0
        self.closed = 0
        self.given: list[Any] = []
        self.told: Counter[Any] = Counter()
        self.questions: list[Any] = []
        self.heard: list[int] = []

    def say(self, number: int) -> None:
        """Submit, ask, or answer where that is legal."""
        there, token = self.there, object()
        try:
            match number % 4:
                case 0:
                    there.submit([(token, HALO), (number, HALO)], self.now)
                    self.given += [token, number]
                case 1:
                    there.request(QuerySm(message_id="7", source=US), token, self.now)
                    self.questions.append(token)
                case 2:
                    there.request(
                        CancelSm(message_id="7", source=US, destination=US), token, self.now
                    )
                    self.questions.append(token)
                case _:
                    there.unbind(self.now)
        except LocalError:
            pass  # out of place

    def hear(self, octets: bytes) -> None:
        self.take(self.there.receive_data(octets, self.now))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.take(self.there.tick(self.now))

    def take(self, events: list[Event]) -> None:
        for event in events:
            assert not self.closed, "an event after Closed"
            match event:
                case SubmitResponses(items, late) | DeliverResponses(items, late):
                    self.told.update(token for token, *_ in items)
                    self.told.subtract(late)
                case SubmitTimeouts(tokens) | DeliverTimeouts(tokens):
                    self.told.update(tokens)
                case Response(token) | RequestTimeout(token):
                    self.questions.remove(token)
                case BindRequested() if not self.there.closed:
                    self.take(self.there.answer_bind(0, "smsc", self.now))
                case Requested(sequence):
                    self.there.answer(sequence, QuerySmResp(status=0x67))
                case Deliveries(items) if not self.there.closed:
                    self.there.respond((item.command, item.sequence, 0) for item in items)
                case Submits(items) if not self.there.closed:
                    self.there.answer_submits(
                        (item.command, item.sequence, 0, "7") for item in items
                    )
                case Closed():
                    self.closed += 1
                case _:
                    pass
        for said in pdus(self.there.data_to_send()):
            if said.command & RESPONSE:
                self.heard.append(said.command)

    def end(self) -> None:
        """Hold the books against each other."""
        assert self.there.closed == bool(self.closed)
        self.take(self.there.lost("the test is over"))
        self.told.update(self.there.abandon())
        assert +self.told == Counter(self.given)
        assert min(self.told.values(), default=1) == 1


steps = st.lists(
    st.one_of(
        st.tuples(st.just("hear"), foreign.streams),
        st.tuples(st.just("hear"), foreign.whole),
        st.tuples(st.just("say"), st.integers(0, 100)),
        st.tuples(st.just("wait"), st.floats(0, 40)),
    ),
    max_size=12,
)


@settings(max_examples=250, suppress_health_check=[HealthCheck.too_slow])
@given(role=st.sampled_from(Role), state=st.sampled_from(State), steps=steps)
def test_receive_data_never_raises(role: Role, state: State, steps: list[tuple[str, Any]]) -> None:
    """R-5.1, R-8.2: and the books balance in the end."""
    owner = Owner(role, state)
    if owner.there.closed:
        owner.closed = 1
    for step, argument in steps:
        getattr(owner, step)(argument)
    owner.end()


@settings(max_examples=300)
@given(role=st.sampled_from(Role), state=st.sampled_from(State), octets=st.binary(max_size=400))
def test_noise_never_raises(role: Role, state: State, octets: bytes) -> None:
    """R-5.1: octets that know nothing of SMPP."""
    connection(role, state).receive_data(octets, 0.0)


@settings(max_examples=400)
@given(
    role=st.sampled_from(Role),
    state=st.sampled_from([state for state in State if state is not State.CLOSED]),
    octets=foreign.framed(),
)
def test_a_pdu_is_answered_once_at_most_and_a_response_never(
    role: Role, state: State, octets: bytes
) -> None:
    """R-5.1: so two faulty peers can't keep each other busy."""
    there = connection(role, state)
    [said] = pdus(octets)
    events = there.receive_data(octets, 0.0)
    answers = pdus(there.data_to_send())
    if said.command & RESPONSE or said.command in (Command.OUTBIND, Command.ALERT_NOTIFICATION):
        assert answers == []
    elif answers:
        [answer] = answers
        assert answer.sequence == said.sequence
        assert answer.command in (said.command | RESPONSE, Command.GENERIC_NACK)
    else:
        assert events, "a request that was neither answered nor told"
