"""The trio shell around `protocol.Connection`: reads, writes and waits, and decides nothing.

    stream = await transport.connect(host, port, timeout_s=10)
    async with open_session(stream, bind=Bind(...)) as session:
        async for events in session.batches():
            ...                                  # one list for each read of the socket
            await session.send(submits=batch, answers=answers)   # one write

No task of its own: whoever waits reads, and what he reads for another is kept for him. So there
is no queue between socket and owner; an owner that falls behind is felt by the peer as TCP
backpressure. All writes go through one lock; a peer that takes nothing ends the session.
"""

import math
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import trio

from smpp import status as smpp_status
from smpp.events import (
    BindRefused,
    Bound,
    Closed,
    Deliveries,
    Event,
    RequestTimeout,
    Response,
    SubmitResponses,
    SubmitTimeouts,
    Token,
)
from smpp.pdu import Bind, CancelSm, CancelSmResp, QuerySm, QuerySmResp
from smpp.protocol import SAME_VERSION, Connection
from smpp.states import Role, State
from smpp.timers import Timing

READ_SIZE: Final = 64 * 1024
"""One read brings some 400 receipts at most: a batch, and no more memory than that."""

_GRACE_S: Final = 0.05
"""A deadline that passed while the owner kept us from reading: what the socket holds goes first,
or a slow owner would be taken for a dead peer."""

_DEFAULT_TIMING: Final = Timing()


Trace = Callable[[bool, bytes], None]
"""Told what is written (True) and read (False), as it is. A written piece has whole PDUs."""


class BindFailed(Exception):
    """No session: refused by the SMSC with `status`, or (None) no answer came."""

    def __init__(self, status: int | None, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.refused = status is not None


class SessionClosed(Exception):
    """The session had ended; of what was to be sent not one octet was written."""


class NoAnswer(Exception):
    """The SMSC did not answer a request in time, or did not know it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Counts since the session began."""

    outstanding: int
    submitted: int
    responses: int
    timeouts: int
    deliveries: int
    octets_read: int
    octets_written: int


class Session:
    """One session over one stream, in either role. `peer` is set once it is bound as ESME."""

    peer: Bound

    def __init__(self, stream: trio.abc.Stream, connection: Connection) -> None:
        self.connection = connection
        self._stream = stream
        self._reading = False
        self._others = trio.lowlevel.ParkingLot()
        self._writing = trio.Lock()
        self._ready: list[Event] = []
        self._wait = trio.CancelScope()
        self._answers: dict[Token, Response | RequestTimeout | None] = {}
        self._broken: str | None = None
        self.trace: Trace | None = None
        self._submitted = self._responses = self._timeouts = self._deliveries = 0
        self._octets_read = self._octets_written = 0

    def batches(self) -> AsyncIterator[list[Event]]:
        """The events, a list for each read or timer that has some; ends after `Closed`."""
        return self

    def __aiter__(self) -> AsyncIterator[list[Event]]:
        return self

    async def __anext__(self) -> list[Event]:
        await self._read_until(lambda: bool(self._ready))
        if not self._ready:
            raise StopAsyncIteration
        batch, self._ready = self._ready, []
        return batch

    async def submit(self, batch: Sequence[tuple[Token, bytes]]) -> None:
        """`send` for submits alone."""
        await self.send(submits=batch)

    async def respond(self, answers: Iterable[tuple[int, int, int]]) -> None:
        """`send` for answers alone."""
        await self.send(answers=answers)

    async def send(
        self,
        *,
        submits: Sequence[tuple[Token, bytes]] = (),
        answers: Iterable[tuple[int, int, int]] = (),
    ) -> None:
        """Write submits (token, body) and answers (command, sequence, status) in one write.

        `SessionClosed`: nothing was written and no token is outstanding. If the connection
        breaks half way this returns as if all were well; `Closed` follows, and `abandon` has the
        tokens, whose outcome is unknown.
        """

        def build() -> bytes:
            data = self.connection.respond(answers)
            if submits:
                data += self.connection.submit(submits, trio.current_time())
                self._submitted += len(submits)
            return data

        await self._write(build, needs_bind=bool(submits))

    async def answer_bind(
        self, status: int, system_id: str, version: int | None = SAME_VERSION
    ) -> None:
        """As SMSC: accept (status 0) or refuse the bind that was requested."""
        now = trio.current_time()
        self._ready += self.connection.answer_bind(status, system_id, now, version)
        await self._flush()

    async def answer(self, sequence: int, pdu: QuerySmResp | CancelSmResp) -> None:
        """As SMSC: answer a `Requested`."""
        self.connection.answer(sequence, pdu)
        await self._flush()

    async def write(self, octets: bytes) -> None:
        """Write octets that the connection made (an SMSC's answers). May raise as `send` does."""
        await self._write(lambda: octets, needs_bind=False)

    async def request(self, pdu: QuerySm | CancelSm) -> QuerySmResp | CancelSmResp:
        """Ask, and wait for the answer, within `response_timeout_s`.

        Raises `NoAnswer`, or `SessionClosed` when the session ends before the answer.
        """
        if self._over():
            raise SessionClosed(self._why())
        token: Token = object()
        self._answers[token] = None
        try:
            self.connection.request(pdu, token, trio.current_time())
            await self._flush()
            await self._read_until(lambda: self._answers[token] is not None)
        finally:
            answer = self._answers.pop(token)
        if answer is None:
            raise SessionClosed(self._why())
        if isinstance(answer, Response) and answer.pdu is not None:
            return answer.pdu
        if isinstance(answer, Response):
            raise NoAnswer(f"refused: {smpp_status.describe(answer.status)}")
        raise NoAnswer(f"no answer within {self.connection.timing.response_timeout_s:g} s")

    async def unbind(self) -> None:
        """Unbind, wait for the answer at most `unbind_timeout_s`, and close the connection."""
        limit_s = self.connection.timing.unbind_timeout_s
        if not self._over():
            self.connection.unbind(trio.current_time())
            await self._flush(within_s=limit_s)
        # The connection's own clock ends it, unless whoever reads can't be woken.
        with trio.move_on_after(limit_s + 2 * _GRACE_S):
            await self._read_until(lambda: False)
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection at once. What is outstanding is in `abandon`."""
        self._ready += self.connection.lost("closed by us")
        await trio.aclose_forcefully(self._stream)

    def abandon(self) -> list[Token]:
        """The tokens that are outstanding for ever, once the session is closed."""
        return self.connection.abandon()

    def statistics(self) -> Statistics:
        """What the session has done so far."""
        return Statistics(
            outstanding=self.connection.outstanding,
            submitted=self._submitted,
            responses=self._responses,
            timeouts=self._timeouts,
            deliveries=self._deliveries,
            octets_read=self._octets_read,
            octets_written=self._octets_written,
        )

    async def _read_until(self, enough: Callable[[], bool]) -> None:
        """Read until it is `enough` or the session is over; one reads for all who wait."""
        while not (enough() or self.connection.closed):
            if self._reading:
                await self._others.park()
                continue
            self._reading = True
            try:
                await self._pump()
            finally:
                self._reading = False
                self._others.unpark_all()

    async def _pump(self) -> None:
        """One read or one timer."""
        connection, data = self.connection, None
        deadline = connection.next_deadline()
        if deadline is not None:
            deadline = max(deadline, trio.current_time() + _GRACE_S)
        try:
            with trio.move_on_at(math.inf if deadline is None else deadline) as self._wait:
                data = bytes(await self._stream.receive_some(READ_SIZE))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            cause = error.__cause__ or "the peer reset it"
            events = connection.lost(self._broken or f"the connection broke: {cause}")
        else:
            if self.trace is not None and data:
                self.trace(False, data)
            now = trio.current_time()
            events = [] if data is None else connection.receive_data(data, now)
            # Also while data keeps coming: a submit_sm may wait in vain among many deliveries.
            deadline = connection.next_deadline()
            if deadline is not None and now >= deadline:
                events += connection.tick(now)
        self._octets_read += len(data or b"")
        self._take(events)
        await self._flush()
        if connection.closed:
            await trio.aclose_forcefully(self._stream)

    def _take(self, events: list[Event]) -> None:
        """Keep what is the owner's; count; hand answers to who waits for them."""
        for event in events:
            match event:
                case SubmitResponses(items=answered):
                    self._responses += len(answered)
                case Deliveries(items=messages):
                    self._deliveries += len(messages)
                case SubmitTimeouts(tokens=tokens):
                    self._timeouts += len(tokens)
                case Response(token=token) | RequestTimeout(token=token):
                    if token in self._answers:
                        self._answers[token] = event
                    continue
                case _:
                    pass
            self._ready.append(event)

    async def _flush(self, *, within_s: float | None = None) -> None:
        """Write what the connection itself has to say.

        Whoever holds the lock does that before letting go, so the reader never waits for a
        writer whom a peer makes wait that itself waits to be read. Only the last words of a
        session wait for their turn: the stream is closed after them.
        """
        self._recheck()
        last_words = self.connection.closed and self.connection.has_data_to_send
        if last_words or not self._writing.locked():
            async with self._writing:
                await self._write_queued(within_s)

    async def _write(self, build: Callable[[], bytes], *, needs_bind: bool) -> None:
        async with self._writing:
            over = self._over(also_unbinding=needs_bind)
            if not over:
                await self._put(build())
            await self._write_queued()
        if over:
            raise SessionClosed(self._why())
        self._recheck()

    async def _write_queued(self, within_s: float | None = None) -> None:
        while queued := self.connection.data_to_send():
            await self._put(queued, within_s)

    async def _put(self, octets: bytes, within_s: float | None = None) -> None:
        """Write all, or end the session: half a PDU can't be mended."""
        if self._broken is not None or not octets:
            return
        limit_s = self.connection.timing.write_timeout_s if within_s is None else within_s
        if self.trace is not None:
            self.trace(True, octets)
        self._broken = "a write was cancelled"
        try:
            with trio.move_on_after(limit_s) as scope:
                await self._stream.send_all(octets)
                self._octets_written += len(octets)
                self._broken = None
            if scope.cancelled_caught:
                self._broken = f"the peer took nothing for {limit_s:g} s"
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._broken = "the peer closed the connection"
        finally:
            if self._broken is not None:
                await trio.aclose_forcefully(self._stream)

    def _recheck(self) -> None:
        """Something new has a deadline: whoever waits in `_pump` must not sleep past it."""
        deadline = self.connection.next_deadline()
        if deadline is not None and deadline < self._wait.deadline:
            self._wait.deadline = deadline

    def _over(self, *, also_unbinding: bool = True) -> bool:
        unbinding = also_unbinding and self.connection.state is State.UNBINDING
        return self.connection.closed or unbinding or self._broken is not None

    def _why(self) -> str:
        return self._broken or f"the session is {self.connection.state}"


@asynccontextmanager
async def open_session(
    stream: trio.abc.Stream,
    *,
    bind: Bind,
    timing: Timing = _DEFAULT_TIMING,
    trace: "Trace | None" = None,
) -> AsyncIterator[Session]:
    """A bound session over `stream`, which is closed at the end, whatever happens.

    `trace` is told all octets from the bind on; `Session.trace` may be set later.

    Raises `BindFailed` when the SMSC refuses or does not answer within `bind_timeout_s`.
    """
    connection = Connection(Role.ESME, timing=timing, now=trio.current_time())
    session = Session(stream, connection)
    session.trace = trace
    try:
        connection.bind(bind, trio.current_time())
        await session._flush(within_s=timing.bind_timeout_s)
        await _bound(session)
        yield session
    finally:
        await session.aclose()


async def _bound(session: Session) -> None:
    async for batch in session:
        for at, event in enumerate(batch):
            match event:
                case Bound():
                    session.peer = event
                    session._ready[:0] = batch[at + 1 :]
                    return
                case BindRefused(status=status):
                    raise BindFailed(status, smpp_status.describe(status))
                case Closed(reason=reason):
                    raise BindFailed(None, reason)
                case _:
                    pass
