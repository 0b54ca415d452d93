"""An SMSC to develop, demonstrate and measure against, on the same protocol core (R-5.12).

It takes submit_sm, answers, sends receipts and what subscribers write back, and can be told to be
slow, to refuse, to throttle and to drop connections; `smsc` decides all that. What was not
answered when a connection fell is sent again on the next bind of that system_id.

    async with trio.open_nursery() as nursery:
        port = await nursery.start(partial(serve, Options(port=0), utc_now=clock.utc_now))
"""

import math
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from typing import Final, TextIO

import trio

from smpp import recording, status, transport
from smpp.events import (
    Answered,
    BindRequested,
    DeliverResponses,
    DeliverTimeouts,
    Event,
    Requested,
    Submits,
)
from smpp.options import VERSIONS, Options
from smpp.pdu import Bind, Submit
from smpp.protocol import SAME_VERSION, Connection
from smpp.session import Session, SessionClosed
from smpp.smsc import Answer, Counters, Delivery, Fault, Smsc
from smpp.states import Role, State
from smpp.timers import Timing

__all__ = ["Counters", "Options", "serve"]

_NAME: Final = "siaran-smsc"
_RECEIVING: Final = frozenset({State.BOUND_RX, State.BOUND_TRX})
_AGAIN_S: Final = 1.0
"""Pause before a delivery that was refused for the moment (ESME_RX_T_APPN) is tried again."""
_EARLY_S: Final = 0.05
"""A receipt is so much before its response: in another write, or they would be read as one."""
_PATIENT: Final = Timing(session_init_s=86400.0)
"""For binds that are not to be answered: the connection stays open all the same."""
_AGAIN: Final = frozenset({status.TEMPORARY, status.QUEUE_FULL, status.THROTTLED})


async def serve(
    options: Options,
    *,
    utc_now: Callable[[], datetime],
    counters: Counters | None = None,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Be that SMSC until cancelled; the started value is the bound port. `counters` are kept up.

    `utc_now` is the wall clock, for the dates in receipts and record.
    Raises `OSError` when the port can't be had or the record can't be written, and
    `transport.TlsFault` for a file of TLS that can't be used.
    """
    with ExitStack() as stack:
        record = None
        if options.record is not None:
            record = stack.enter_context(options.record.open("a", encoding="utf-8"))
        smsc = Smsc(options, Counters() if counters is None else counters)
        server = _Server(smsc, record, utc_now)
        tls = None
        if options.tls_certificate is not None:
            tls = transport.tls_server(
                options.tls_certificate, options.tls_key, options.tls_client_ca
            )
        await transport.serve(
            server.talk, options.host, options.port, tls=tls, task_status=task_status
        )


class _Server:
    """All connections to the one SMSC."""

    def __init__(self, smsc: Smsc, record: TextIO | None, utc_now: Callable[[], datetime]) -> None:
        self.smsc = smsc
        self.utc_now = utc_now
        self._record = record

    async def talk(self, stream: trio.abc.Stream) -> None:
        """One connection, from accept to close."""
        timing = _PATIENT if self.smsc.options.silent_bind else Timing()
        session = Session(stream, Connection(Role.SMSC, timing=timing, now=trio.current_time()))
        link: _Link | None = None
        try:
            async with trio.open_nursery() as nursery:
                async for batch in session:
                    for event in batch:
                        if isinstance(event, BindRequested):
                            link = await self._bind(session, event.pdu)
                            if link is not None:
                                nursery.start_soon(link.push)
                        elif link is not None:
                            await link.take(event)
                nursery.cancel_scope.cancel()
        except* SessionClosed:
            pass  # it fell while we wrote: what is owed is owed again below
        finally:
            if link is not None:
                link.leave()
            await session.aclose()

    async def _bind(self, session: Session, pdu: Bind) -> "_Link | None":
        refusal = self.smsc.admit(pdu)
        if refusal is None:
            return None
        counters = self.smsc.counters
        if refusal:
            counters.binds_refused += 1
        else:
            counters.binds += 1
        version = VERSIONS.get(self.smsc.options.smpp_version, SAME_VERSION)
        await session.answer_bind(refusal, _NAME, version)
        if refusal:
            return None
        return _Link(self, session, pdu.system_id)

    def record(self, lines: list[tuple[Submit, str | None]], system_id: str, at: datetime) -> None:
        """Write down what came, before it is answered."""
        if self._record is not None:
            self._record.writelines(
                recording.line(
                    submit,
                    bind=system_id,
                    message_id=message_id,
                    at=at,
                    default=self.smsc.options.alphabet,
                )
                for submit, message_id in lines
            )
            self._record.flush()


class _Link:
    """One bound connection of an account."""

    def __init__(self, server: _Server, session: Session, system_id: str) -> None:
        self._record = server.record
        self._utc_now = server.utc_now
        self._smsc = server.smsc
        self._session = session
        self._system_id = system_id
        self._account = server.smsc.account(system_id)
        self._responses: deque[tuple[float, list[Answer], dict[int, Fault]]] = deque()
        self._read = 0
        self._stalled = False
        self._unanswered = 0
        self._wake = trio.Event()

    def wake(self) -> None:
        """Something new is due some time."""
        self._wake.set()

    def leave(self) -> None:
        """The connection is gone: what it had not answered is owed again."""
        self._account.ready(self.wake, room=False)
        self._account.owe(self._session.abandon(), trio.current_time())

    async def take(self, event: Event) -> None:
        """What the ESME said."""
        match event:
            case Submits(items=items):
                await self._submitted(items)
            case DeliverResponses(items=items):
                self._acked(items)
            case DeliverTimeouts(tokens=tokens):
                self._account.owe(tokens, trio.current_time())
            case Requested(sequence=sequence, pdu=pdu):
                await self._session.answer(sequence, self._smsc.answer(pdu))
            case _:
                pass

    async def push(self) -> None:
        """Write responses and deliveries when they are due; ends with the connection."""
        while not self._session.connection.closed:
            octets = self._due(trio.current_time())
            if octets:
                self._account.ready(self.wake, room=False)  # a peer may take its time to read
                await self._session.write(octets)
                continue
            with trio.move_on_at(self._next_due()):
                await self._wake.wait()
            self._wake = trio.Event()

    async def _submitted(self, items: list[Submit]) -> None:
        smsc, options, counters = self._smsc, self._smsc.options, self._smsc.counters
        now = trio.current_time()
        answers: list[Answer] = []
        faults: dict[int, Fault] = {}
        taken: list[tuple[Submit, str]] = []
        lines: list[tuple[Submit, str | None]] = []
        drop = False
        for submit in items:
            counters.submits += 1
            verdict = smsc.verdict(submit, self._unanswered + len(answers), now)
            if isinstance(verdict, Fault):
                faults[len(answers)] = verdict
                verdict = status.OK
            message_id = "" if verdict else smsc.accept(submit)
            if verdict == status.THROTTLED:
                counters.throttled += 1
            elif verdict:
                counters.refused += 1
            else:
                taken.append((submit, message_id))
            answers.append((submit.command, submit.sequence, verdict, message_id))
            lines.append((submit, message_id or None))
            drop = options.drop_every is not None and counters.submits % options.drop_every == 0
            if drop:
                break
        at = self._utc_now()
        self._record(lines, self._system_id, at)
        answer_at = now + options.latency_ms / 1000
        receipt_at = answer_at + (options.receipt_after_ms or 0) / 1000
        if options.receipt_first:
            receipt_at, answer_at = now, max(answer_at, now + _EARLY_S)
        self._account.owe(smsc.receipts(taken, at), receipt_at)
        if options.replies:
            for submit, _ in taken:
                if (reply := smsc.replies(submit)) is not None:
                    self._account.owe(reply[0], answer_at + reply[1])
        if drop:
            counters.drops += 1
            await self._session.aclose()
            return
        self._read += len(items)
        if options.stall_after is not None and self._read >= options.stall_after:
            self._stalled = True
            self._account.ready(self.wake, room=False)
            await trio.sleep_forever()  # nothing is read any more
        self._unanswered += len(answers)
        self._responses.append((answer_at, answers, faults))
        self.wake()

    def _acked(self, items: list[Answered]) -> None:
        counters = self._smsc.counters
        again: list[Delivery] = []
        for delivery, answer, _, _ in items:
            if answer in _AGAIN:
                again.append(delivery)
            elif answer:
                counters.deliveries_refused += 1
            elif delivery.is_receipt:
                counters.receipts_acked += 1
            else:
                counters.replies_acked += 1
        self._account.owe(again, trio.current_time() + _AGAIN_S)
        self.wake()  # there is room in the window

    def _due(self, now: float) -> bytes:
        """The octets of all that is due: responses first, then deliveries, in one write."""
        connection = self._session.connection
        octets: list[bytes] = []
        if self._stalled:
            return b""
        while self._responses and self._responses[0][0] <= now:
            _, answers, faults = self._responses.popleft()
            self._unanswered -= len(answers)
            octets.append(self._smsc.responses(answers, faults))
        room = self._room()
        if room:
            deliveries = self._account.take_due(now, room)
            if deliveries:
                octets.append(connection.submit([(d, d.body) for d in deliveries], now))
                receipts = sum(delivery.is_receipt for delivery in deliveries)
                self._smsc.counters.receipts_sent += receipts
                self._smsc.counters.replies_sent += len(deliveries) - receipts
        return b"".join(octets)

    def _room(self) -> int:
        connection = self._session.connection
        if connection.state not in _RECEIVING:
            return 0
        return self._smsc.options.deliver_window - connection.outstanding

    def _next_due(self) -> float:
        if self._stalled:
            return math.inf
        due = [self._responses[0][0]] if self._responses else []
        if self._account.ready(self.wake, room=self._room() > 0):
            owed = self._account.next_due()
            due += [] if owed is None else [owed]
        return min(due, default=math.inf)
