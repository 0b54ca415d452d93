"""An SMPP session without any I/O: octets and time go in, events and octets come out.

    connection = Connection(Role.ESME, now=0.0)
    connection.bind(Bind(mode=Mode.TRANSCEIVER, system_id="siaran"), now=0.0)
    write(connection.data_to_send())
    events = connection.receive_data(read(), now)

What is true at all times:

- Whatever the peer sends, no exception leaves this class; the same octets give the same events,
  fed whole or one by one. Wrong use by ourselves raises `LocalError`. (Two families, as in h11.)
- `Closed` comes once and last. Nothing is accepted after it; what was asked and not answered is
  in `abandon`, and its outcome is unknown.
- A submit_sm is outstanding until its response, its timeout or the end. The timeout is the same
  for all, so the order of sending is the order of the deadlines, and a dict is the queue.

At a failure: broken framing, a bind refused or unanswered, `enquire_misses` enquire_links
unanswered or `response_timeouts` timeouts in a row end the session. A PDU that can't be read, is
unknown or is out of place is refused and the session goes on. A timeout asks by enquire_link
whether the peer lives; timeouts seen while that is out count as one; a peer that talks on instead
of answering it lives, too. (R-5.1, R-5.3.)
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from smpp import codec, framing, tlv
from smpp import status as smpp_status
from smpp.codec import PduError
from smpp.events import (
    Alive,
    Answered,
    BindRefused,
    BindRequested,
    Bound,
    Closed,
    Damaged,
    Deliveries,
    DeliverResponses,
    DeliverTimeouts,
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
    Token,
    Unbound,
    UnknownResponse,
)
from smpp.outstanding import Outstanding
from smpp.pdu import (
    RESPONSE,
    VERSION_33,
    AlertNotification,
    Bind,
    BindResp,
    CancelSm,
    CancelSmResp,
    Command,
    Outbind,
    QuerySm,
    QuerySmResp,
    ShortMessage,
)
from smpp.states import BOUND, Role, State, may_receive, may_send
from smpp.timers import Due, Timers, Timing

SEQUENCE_MAX: Final = 0x7FFFFFFF
SAME_VERSION: Final = -1
"""As an SMSC's answer to a bind: the version that the ESME has named."""

_DEFAULT_TIMING: Final = Timing()
_COMMANDS: Final = frozenset(int(command) for command in Command)
_BINDS: Final = frozenset(int(command) for command in BOUND)
_UNANSWERED: Final = frozenset({int(Command.ALERT_NOTIFICATION), int(Command.OUTBIND)})
_ENQUIRE_LINK: Final = int(Command.ENQUIRE_LINK)
_GENERIC_NACK: Final = int(Command.GENERIC_NACK)
_DATA_SM: Final = int(Command.DATA_SM)
# A deliver_sm refused with this one comes again; with another it may be lost for good.
_TRY_AGAIN: Final = frozenset({int(Command.DELIVER_SM), _DATA_SM})


class LocalError(Exception):
    """We used the connection wrongly: a fault in our own code, not the peer's."""


class Connection:
    """One session, in either role. Times are seconds of any one monotonic clock."""

    __slots__ = (
        "_ask",
        "_bind",
        "_bind_sequence",
        "_hear",
        "_legal",
        "_next",
        "_outgoing",
        "_outstanding",
        "_probing",
        "_requests",
        "_rest",
        "_timeouts",
        "_timers",
        "role",
        "state",
        "timing",
    )

    def __init__(self, role: Role, *, timing: Timing = _DEFAULT_TIMING, now: float) -> None:
        self.role = role
        self.timing = timing
        # What we send by the batch, and what we receive so: submit_sm one way, deliver_sm the
        # other.
        esme = role is Role.ESME
        self._ask = int(Command.SUBMIT_SM if esme else Command.DELIVER_SM)
        self._hear = int(Command.DELIVER_SM if esme else Command.SUBMIT_SM)
        self._timers = Timers(timing)
        if not esme:
            self._timers.phase(now + timing.session_init_s)
        self._rest = b""
        self._outgoing: list[bytes] = []
        self._next = 1
        self._bind: Bind | None = None
        self._bind_sequence = 0
        self._outstanding = Outstanding(timing.response_timeout_s)
        self._requests = Outstanding(timing.response_timeout_s)
        self._timeouts = 0
        self._probing = False
        self.state = State.OPEN
        self._enter(State.OPEN)

    # ---- what we say --------------------------------------------------------------------------

    def bind(self, pdu: Bind, now: float) -> None:
        """Ask to be bound; `Bound`, or `BindRefused` and `Closed`, will tell."""
        self._check(pdu.mode)
        self._bind = pdu
        self._bind_sequence = self._sequence()
        self._outgoing.append(codec.encode(pdu, self._bind_sequence))
        self._timers.phase(now + self.timing.bind_timeout_s)
        self._enter(State.BINDING)

    def submit(self, batch: Sequence[tuple[Token, bytes]], now: float) -> bytes:
        """The octets of all these submit_sm bodies, which are outstanding from now on.

        They are returned, not queued: write them at once. (As SMSC: deliver_sm bodies.)
        """
        if self._ask not in may_send(self.role, self.state):
            self._refuse_local(self._ask)
        pack, command, waiting = codec.pack_header, self._ask, self._outstanding.waiting
        sequence = self._next
        parts: list[bytes] = []
        add = parts.append
        for token, body in batch:
            add(pack(16 + len(body), command, 0, sequence))
            add(body)
            waiting[sequence] = (token, now)
            sequence = sequence + 1 if sequence < SEQUENCE_MAX else 1
        self._next = sequence
        return b"".join(parts)

    def respond(self, answers: Iterable[tuple[int, int, int]]) -> bytes:
        """The octets that answer deliveries: (command, sequence, status) as `Deliver` has them."""
        if self.closed:
            self._refuse_local(self._hear)
        return codec.deliver_responses(answers)

    def request(self, pdu: QuerySm | CancelSm, token: Token, now: float) -> None:
        """Ask something rare; a `Response` or `RequestTimeout` with the token follows."""
        command = Command.QUERY_SM if isinstance(pdu, QuerySm) else Command.CANCEL_SM
        self._check(command)
        sequence = self._sequence()
        self._outgoing.append(codec.encode(pdu, sequence))
        self._requests.waiting[sequence] = ((command | RESPONSE, token), now)

    def unbind(self, now: float) -> None:
        """End the session cleanly: `Unbound` and `Closed` follow, or `Closed` when time is up."""
        self._check(Command.UNBIND)
        self._say(Command.UNBIND, 0, self._sequence())
        self._timers.phase(now + self.timing.unbind_timeout_s)
        self._enter(State.UNBINDING)

    def data_to_send(self) -> bytes:
        """What the session itself wants written; empty after the call."""
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        return data

    @property
    def has_data_to_send(self) -> bool:
        """Whether `data_to_send` would give something."""
        return bool(self._outgoing)

    @property
    def half(self) -> bytes:
        """What was read of a PDU that is not whole yet."""
        return self._rest

    # ---- what an SMSC says --------------------------------------------------------------------

    def answer_bind(
        self, status: int, system_id: str, now: float, version: int | None = SAME_VERSION
    ) -> list[Event]:
        """Accept (status 0) or refuse the bind that was requested; refused, it is `Closed`.

        `version` is what we say we speak, None: nothing, as SMPP 3.3 does.
        """
        if self.role is not Role.SMSC or self._bind is None or self.state is not State.BINDING:
            raise LocalError(f"no bind to answer in state {self.state}")
        mode = self._bind.mode
        if version == SAME_VERSION:
            version = self._bind.interface_version
        answer = BindResp(mode=mode, status=status, system_id=system_id, version=version)
        self._outgoing.append(codec.encode(answer, self._bind_sequence))
        if status:
            return [self._close(f"bind refused: {smpp_status.describe(status)}", clean=True)]
        self._timers.bound(now)
        self._enter(BOUND[mode])
        return []

    def answer_submits(self, answers: Iterable[tuple[int, int, int, str]]) -> bytes:
        """The octets that answer submits: (command, sequence, status, message_id)."""
        if self.closed:
            self._refuse_local(self._hear)
        return codec.submit_responses(answers)

    def answer(self, sequence: int, pdu: QuerySmResp | CancelSmResp) -> None:
        """Answer a `Requested`."""
        self._outgoing.append(codec.encode(pdu, sequence))

    # ---- what we hear -------------------------------------------------------------------------

    def receive_data(self, data: bytes, now: float) -> list[Event]:
        """All events of what a read brought; `b""` is the end of the stream."""
        if self.closed:
            return []
        if not data:
            within = " in the midst of a PDU" if self._rest else ""
            return self.lost(f"the peer closed the connection{within}")
        buffer = self._rest + data if self._rest else data
        frames, used, fault = framing.split(buffer)
        self._rest = buffer[used:]
        if frames:
            self._timers.heard(now)
        events: list[Event] = []
        answered: list[Answered] = []
        late: list[Token] = []
        messages: list[ShortMessage] = []
        waiting, answer, hear = self._outstanding.waiting, self._ask | RESPONSE, self._hear
        for command, status, sequence, start, stop in frames:
            if command == answer and (sent := waiting.pop(sequence, None)) is not None:
                message_id = codec.parse_message_id(buffer, start, stop)
                answered.append((sent[0], status, message_id, now - sent[1]))
            elif command == hear and command in self._legal:
                try:
                    messages.append(
                        codec.parse_short_message(command, sequence, buffer, start, stop)
                    )
                except PduError as error:
                    events.append(self._refuse(command, sequence, error))
            elif command == _GENERIC_NACK and (sent := waiting.pop(sequence, None)) is not None:
                answered.append((sent[0], status, None, now - sent[1]))
            elif (
                command in (answer, _GENERIC_NACK)
                and (sent := self._outstanding.take_late(sequence)) is not None
            ):
                message_id = codec.parse_message_id(buffer, start, stop)
                answered.append((sent[0], status, message_id, now - sent[1]))
                late.append(sent[0])
            elif command == _DATA_SM and command in self._legal:
                try:
                    messages.append(codec.parse_data_sm(command, sequence, buffer, start, stop))
                except PduError as error:
                    events.append(self._refuse(command, sequence, error))
            elif command == _ENQUIRE_LINK and command in self._legal:
                self._say(Command.ENQUIRE_LINK_RESP, 0, sequence)
            else:
                self._flush(events, answered, late, messages)
                answered, late, messages = [], [], []
                events += self._rare(command, status, sequence, buffer, start, stop, now)
                if events and isinstance(events[-1], Closed):
                    return events
        self._flush(events, answered, late, messages)
        # One search a read, where a look into each response would cost; for a single octet that is
        # hundred times as fast as for four.
        if b"(" in buffer and _SAYS_CONGESTION.search(buffer):
            _tell_congestion(events, _congestion(buffer, frames, answer))
        if fault is not None:
            self._say(Command.GENERIC_NACK, smpp_status.INVALID_COMMAND_LENGTH, 0)
            events += [Damaged(fault), self._close(fault, clean=False)]
        return events

    def lost(self, reason: str) -> list[Event]:
        """The connection below is gone. After an unbind of ours that is a clean end."""
        if self.closed:
            return []
        return [self._close(reason, clean=self.state is State.UNBINDING)]

    def tick(self, now: float) -> list[Event]:
        """What the passing of time brings; to be called at `next_deadline`."""
        if self.closed:
            return []
        events: list[Event] = []
        events += [RequestTimeout(token) for _, token in self._requests.expire(now)]
        expired = self._outstanding.expire(now)
        if expired:
            esme = self.role is Role.ESME
            events.append(SubmitTimeouts(expired) if esme else DeliverTimeouts(expired))
            if not self._probing and self.state is not State.UNBINDING:
                self._probing = True
                self._timeouts += 1
                self._enquire(now)
        if self._timeouts >= self.timing.response_timeouts:
            reason = f"{self._timeouts} response timeouts in a row"
            return [*events, self._close(reason, clean=False)]
        match self._timers.due(now):
            case Due.ENQUIRE:
                self._enquire(now)
            case Due.BUSY:
                events += self._lives()
                self._enquire(now)
            case Due.DEAD:
                misses = self.timing.enquire_misses
                reason = f"{misses} enquire_link in a row without an answer"
                events.append(self._close(reason, clean=False))
            case Due.PHASE:
                reason = _PHASE_OVER[self.state]
                events.append(self._close(reason, clean=False))
            case Due.NOTHING:
                pass
        return events

    def next_deadline(self) -> float | None:
        """When `tick` has something to do, if nothing happens before; None: never."""
        if self.closed:
            return None
        deadlines = (
            self._outstanding.next_deadline(),
            self._requests.next_deadline(),
            self._timers.next_deadline(),
        )
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    @property
    def closed(self) -> bool:
        """Whether `Closed` has been told."""
        return self.state is State.CLOSED

    @property
    def outstanding(self) -> int:
        """How many submit_sm (as SMSC: deliver_sm) have no response yet."""
        return len(self._outstanding.waiting)

    def abandon(self) -> list[Token]:
        """The tokens of all that is outstanding, given up: their outcome is unknown."""
        return self._outstanding.abandon()

    # ---- inside -------------------------------------------------------------------------------

    def _rare(
        self,
        command: int,
        status: int,
        sequence: int,
        buffer: bytes,
        start: int,
        stop: int,
        now: float,
    ) -> list[Event]:
        """One PDU that is not hot, as its events."""
        try:
            if command & RESPONSE:
                return self._response(command, status, sequence, buffer, start, stop, now)
            if command not in _COMMANDS:
                self._say(Command.GENERIC_NACK, smpp_status.INVALID_COMMAND, sequence)
                return [Damaged(f"unknown {codec.name(command)}")]
            if command not in self._legal:
                message = f"{codec.name(command)} is out of place in state {self.state}"
                error = PduError(self._refusal(command), message)
                return [self._refuse(command, sequence, error)]
            if command == Command.UNBIND:
                self._say(Command.UNBIND_RESP, 0, sequence)
                return [PeerUnbind(), self._close("the peer unbound", clean=True)]
            pdu = codec.decode(command, status, buffer, start, stop)
        except PduError as error:
            return [self._refuse(command, sequence, error)]
        match pdu:
            case Bind():
                self._bind, self._bind_sequence = pdu, sequence
                self._enter(State.BINDING)
                return [BindRequested(pdu)]
            case QuerySm() | CancelSm():
                return [Requested(sequence, pdu)]
            case AlertNotification() | Outbind():
                return [Notified(pdu)]
            case BindResp() | QuerySmResp() | CancelSmResp():
                raise AssertionError("responses don't come this way")

    def _response(
        self,
        command: int,
        status: int,
        sequence: int,
        buffer: bytes,
        start: int,
        stop: int,
        now: float,
    ) -> list[Event]:
        nack = command == Command.GENERIC_NACK
        if command == Command.ENQUIRE_LINK_RESP:
            self._timers.answered()
            return self._lives()
        if command == Command.UNBIND_RESP and self.state is State.UNBINDING:
            return [Unbound(), self._close("unbound", clean=True)]
        if self.state is State.BINDING and self.role is Role.ESME and self._bind is not None:
            expected = command == self._bind.mode | RESPONSE or nack
            if expected and sequence == self._bind_sequence:
                return self._bind_answered(self._bind, command, status, buffer, start, stop, now)
        if sequence in self._requests.waiting:
            (answer, token), _ = self._requests.waiting[sequence]
            if nack or command == answer:
                del self._requests.waiting[sequence]
                return self._request_answered(token, command, status, buffer, start, stop)
        if nack:
            return [Nacked(sequence, status)]
        return [UnknownResponse(command, sequence, status)]

    def _request_answered(
        self, token: Token, command: int, status: int, buffer: bytes, start: int, stop: int
    ) -> list[Event]:
        """Whoever asked gets an answer, also where it can't be read."""
        if command == Command.GENERIC_NACK:
            return [Response(token, status, None)]
        try:
            pdu = codec.decode(command, status, buffer, start, stop)
        except PduError as error:
            return [Damaged(error.message), Response(token, error.status, None)]
        assert isinstance(pdu, QuerySmResp | CancelSmResp)
        return [Response(token, status, pdu)]

    def _bind_answered(
        self,
        bind: Bind,
        command: int,
        status: int,
        buffer: bytes,
        start: int,
        stop: int,
        now: float,
    ) -> list[Event]:
        if status or command == Command.GENERIC_NACK:
            reason = f"bind refused: {smpp_status.describe(status)}"
            return [BindRefused(status), self._close(reason, clean=False)]
        answer = codec.decode(command, status, buffer, start, stop)
        assert isinstance(answer, BindResp)
        self._timers.bound(now)
        self._enter(BOUND[bind.mode])
        version = VERSION_33 if answer.version is None else answer.version
        return [Bound(answer.system_id, version)]

    def _flush(
        self,
        events: list[Event],
        answered: list[Answered],
        late: list[Token],
        messages: list[ShortMessage],
    ) -> None:
        """Hand over what was gathered, answers first."""
        esme = self.role is Role.ESME
        if answered:
            self._timeouts = 0
            events.append(
                SubmitResponses(answered, late) if esme else DeliverResponses(answered, late)
            )
        if messages:
            events.append(Deliveries(messages) if esme else Submits(messages))

    def _lives(self) -> list[Event]:
        """Tell it, if a timeout had put it in doubt."""
        alive: list[Event] = [Alive()] if self._probing else []
        self._probing = False
        return alive

    def _enquire(self, now: float) -> None:
        self._say(Command.ENQUIRE_LINK, 0, self._sequence())
        self._timers.asked(now)

    def _refuse(self, command: int, sequence: int, error: PduError) -> Damaged:
        """Answer a request that can't be taken; never answer a response or a notification."""
        if not command & RESPONSE and command not in _UNANSWERED:
            self._say(command | RESPONSE, error.status, sequence)
        return Damaged(error.message)

    def _refusal(self, command: int) -> int:
        """The status for a request that is out of place."""
        if command in _TRY_AGAIN:
            return smpp_status.TEMPORARY
        if command in _BINDS and self.role is Role.SMSC:
            return smpp_status.ALREADY_BOUND
        return smpp_status.INVALID_BIND_STATUS

    def _say(self, command: int, status: int, sequence: int) -> None:
        self._outgoing.append(codec.header_only(command, status, sequence))

    def _sequence(self) -> int:
        sequence = self._next
        self._next = sequence + 1 if sequence < SEQUENCE_MAX else 1
        return sequence

    def _enter(self, state: State) -> None:
        self.state = state
        self._legal = may_receive(self.role, state)

    def _close(self, reason: str, *, clean: bool) -> Closed:
        self._enter(State.CLOSED)
        self._rest = b""
        return Closed(reason, clean)

    def _check(self, command: int) -> None:
        if command not in may_send(self.role, self.state):
            self._refuse_local(command)

    def _refuse_local(self, command: int) -> None:
        raise LocalError(f"{codec.name(command)} can't be sent by an {self.role} in {self.state}")


_CONGESTION: Final = tlv.build(tlv.CONGESTION_STATE, b"\0")[:4]
assert b"(" in _CONGESTION
_SAYS_CONGESTION: Final = re.compile(re.escape(_CONGESTION))


def _congestion(buffer: bytes, frames: list[framing.Frame], answer: int) -> int | None:
    """What the last response that says so says of the SMSC's congestion."""
    for command, _, _, start, stop in reversed(frames):
        if command == answer:
            # After the id, which an error may leave out with its NUL.
            at = buffer.find(b"\0", start, stop) + 1
            if buffer.startswith(_CONGESTION, start):
                at = start
            value = tlv.parse(buffer, at or stop, stop).get(tlv.CONGESTION_STATE, b"")
            if len(value) == 1 and value[0] <= 100:
                return value[0]
    return None


def _tell_congestion(events: list[Event], state: int | None) -> None:
    """Put it into the last responses of a read."""
    for at in range(len(events) - 1, -1, -1):
        event = events[at]
        if isinstance(event, SubmitResponses):
            events[at] = replace(event, congestion=state)
            return


_PHASE_OVER: Final = {
    State.OPEN: "no bind within the session init time",
    State.BINDING: "no answer to the bind in time",
    State.UNBINDING: "no answer to the unbind in time",
}
