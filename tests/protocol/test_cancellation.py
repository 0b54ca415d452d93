"""Cancel a session's user at each await, and check the books (R-8.1, R-8.2).

What must hold: whatever the SMSC may have got is either answered or abandoned, nothing is both,
and whatever `send` has taken is one of the two. Each scenario is run again and again, cancelled
at its first await, at its second, … until it ends by itself.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import trio
import trio.testing

from smpp import codec
from smpp.codec import SubmitTemplate
from smpp.events import Closed, Deliveries, Event, SubmitResponses, SubmitTimeouts
from smpp.pdu import RESPONSE, Address, Command, QuerySm
from smpp.session import BindFailed, NoAnswer, Session, SessionClosed, open_session
from tests.protocol.far import ACCEPTED, BIND, bound_esme, read_into, streams, takes
from tests.protocol.wire import HALO, Pdu, pdu

C = Command
Clock = trio.testing.MockClock
Scenario = Callable[[Session, "Books"], Awaitable[None]]
QUERY = QuerySm(message_id="7", source=Address(0, 1, "3774"))
TEMPLATE = SubmitTemplate(Address(0, 1, "3774"), 1, 1)


class CancelAt(trio.abc.Instrument):
    """Cancels `scope` when its task waits for the `step`th time."""

    def __init__(self, step: int, scope: trio.CancelScope) -> None:
        self._left = step
        self._scope = scope
        self._task = trio.lowlevel.current_task()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self._task:
            self._left -= 1
            if not self._left:
                self._scope.cancel()


@dataclass
class Books:
    """What was sent, and what became of it, as tokens."""

    taken: list[int] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    heard: list[Pdu] = field(default_factory=list)

    async def send(self, session: Session, *tokens: int) -> None:
        """Submit these; they are taken when that returns."""
        await session.submit([(n, TEMPLATE.body("64211234567", 0, 0, b"%d" % n)) for n in tokens])
        self.taken += tokens

    def answers(self) -> list[Any]:
        """The tokens that were answered."""
        batches = [event.items for event in self.events if isinstance(event, SubmitResponses)]
        return [token for items in batches for token, *_ in items]

    def check(self, session: Session) -> None:
        """Hold them against each other when the session is over."""
        told = Counter(self.answers() + session.abandon())
        assert not any(isinstance(event, SubmitTimeouts) for event in self.events)
        arrived = [
            int(
                codec.parse_short_message(
                    one.command, one.sequence, one.body, 0, len(one.body)
                ).short_message
            )
            for one in self.heard
            if one.command == C.SUBMIT_SM
        ]
        assert max(told.values(), default=1) == 1
        assert set(self.taken) <= set(told)
        assert set(arrived) <= set(told)
        assert isinstance(self.events[-1], Closed)
        assert sum(isinstance(event, Closed) for event in self.events) == 1


async def cancelled_at(step: int, victim: Callable[[], Awaitable[None]]) -> bool:
    """Run it and cancel it at that step; whether it got so far."""
    with trio.CancelScope() as scope:
        instrument = CancelAt(step, scope)
        trio.lowlevel.add_instrument(instrument)
        try:
            await victim()
        finally:
            trio.lowlevel.remove_instrument(instrument)
    return scope.cancelled_caught


async def sending(session: Session, books: Books) -> None:
    for n in range(10, 40, 10):
        await books.send(session, n, n + 1, n + 2)


async def sending_in_a_crowd(session: Session, books: Books) -> None:
    """Another task wants to write at the same time."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(session.respond, [(C.DELIVER_SM, 1, 0)])
        nursery.start_soon(books.send, session, 10, 11)
        await books.send(session, 20, 21)
        nursery.start_soon(session.respond, [(C.DELIVER_SM, 2, 0)])
        await books.send(session, 30)


async def asking(session: Session, books: Books) -> None:
    await books.send(session, 10)
    await session.request(QUERY)
    await books.send(session, 20)
    await session.request(QUERY)


async def unbinding(session: Session, books: Books) -> None:
    await books.send(session, 10, 11)
    await session.unbind()


async def leaving(session: Session, books: Books) -> None:
    await books.send(session, 10, 11)
    await session.aclose()


SCENARIOS = (sending, sending_in_a_crowd, asking, unbinding, leaving)


async def a_while() -> None:
    await trio.sleep(1)


async def at_once() -> None:
    pass


@pytest.mark.trio
@pytest.mark.parametrize("pace", [at_once, a_while])
@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_who_writes_may_be_cancelled_anywhere(
    autojump_clock: Clock, scenario: Scenario, pace: Callable[[], Awaitable[None]]
) -> None:
    """R-8.2: while another task reads, whether or not the SMSC takes its time."""

    async def was_cancelled_at(step: int) -> bool:
        books = Books()
        async with trio.open_nursery() as nursery, bound_esme() as (session, far, near):
            takes(near, pace)
            nursery.start_soon(far.be_an_smsc, books.heard)
            nursery.start_soon(read_into, books.events, session)
            caught = await cancelled_at(step, lambda: scenario(session, books))
        books.check(session)
        return caught

    assert await steps_until_done(was_cancelled_at) > 3


@pytest.mark.trio
@pytest.mark.parametrize("pace", [at_once, a_while])
async def test_who_reads_may_be_cancelled_anywhere(
    autojump_clock: Clock, pace: Callable[[], Awaitable[None]]
) -> None:
    """R-8.2, R-8.3: nothing that was read is lost; whoever reads next gets it."""
    deliveries = pdu(C.DELIVER_SM, body=HALO) * 3

    async def was_cancelled_at(step: int) -> bool:
        books = Books()

        async def read() -> None:
            async for batch in session.batches():
                books.events += batch
                if len(books.answers()) == 2:
                    await session.unbind()

        async with trio.open_nursery() as nursery, bound_esme() as (session, far, near):
            await books.send(session, 10, 11)
            await far.say(deliveries, pdu(C.ENQUIRE_LINK, 0, 9))
            takes(near, pace)
            nursery.start_soon(far.be_an_smsc, books.heard)
            caught = await cancelled_at(step, read)
            await read()
        books.check(session)
        assert sum(len(e.items) for e in books.events if isinstance(e, Deliveries)) == 3
        assert caught or len(books.answers()) == 2
        return caught

    assert await steps_until_done(was_cancelled_at) > 3


async def steps_until_done(was_cancelled_at: Callable[[int], Awaitable[bool]]) -> int:
    """Try one step after the other, until one comes too late."""
    step = 1
    while await was_cancelled_at(step):
        step += 1
    return step


@pytest.mark.trio
@pytest.mark.parametrize("answer", [ACCEPTED, ACCEPTED + pdu(C.ENQUIRE_LINK) * 3, b"\0\0\0\4", b""])
async def test_who_binds_may_be_cancelled_anywhere(autojump_clock: Clock, answer: bytes) -> None:
    """R-5.2: the stream is closed, whatever happens."""

    async def was_cancelled_at(step: int) -> bool:
        near, far = streams()
        if answer:
            await far.say(answer)

        async def bind() -> None:
            with contextlib.suppress(BindFailed):
                async with open_session(near, bind=BIND):
                    await trio.lowlevel.checkpoint()

        caught = await cancelled_at(step, bind)
        with trio.fail_after(1):
            await far.hear_all()
        return caught

    assert await steps_until_done(was_cancelled_at) > 2


@pytest.mark.trio
async def test_a_question_that_was_given_up_leaves_nothing_behind(autojump_clock: Clock) -> None:
    """R-5.11: its answer is nobody's, and the next question gets its own."""
    async with bound_esme() as (session, far, _), trio.open_nursery() as nursery:
        with trio.move_on_after(5):
            await session.request(QUERY)
        first = await far.hear()
        assert first is not None
        nursery.start_soon(far.be_an_smsc, [])
        await far.say(pdu(first.command | RESPONSE, 0, first.sequence, b"old\0\0\2\0"))
        answer = await session.request(QUERY)
        assert getattr(answer, "message_id", None) == "7"
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_reader_that_stops_hands_the_reading_on(autojump_clock: Clock) -> None:
    """R-5.11: whoever waits beside it goes on at once."""
    async with bound_esme() as (session, far, _), trio.open_nursery() as nursery:
        reader = trio.CancelScope()

        async def read() -> None:
            with reader:
                await read_into([], session)

        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        answered = trio.Event()

        async def ask() -> None:
            with pytest.raises(NoAnswer):
                await session.request(QUERY)
            answered.set()

        nursery.start_soon(ask)
        one = await far.hear()
        assert one is not None
        reader.cancel()
        await trio.testing.wait_all_tasks_blocked()
        await far.say(pdu(C.GENERIC_NACK, 3, one.sequence))
        with trio.fail_after(1):
            await answered.wait()


@pytest.mark.trio
async def test_a_write_cut_short_ends_the_session(autojump_clock: Clock) -> None:
    """R-8.2: half a PDU can't be mended, so all that is outstanding is unknown."""
    async with bound_esme() as (session, _, near):
        takes(near, trio.sleep_forever)
        with trio.move_on_after(1):
            await session.submit([(1, HALO)])
        with pytest.raises(SessionClosed, match="a write was cancelled"):
            await session.submit([(2, HALO)])
        events: list[Event] = []
        await read_into(events, session)
        assert events == [Closed("a write was cancelled", clean=False)]
        assert session.abandon() == [1]


@pytest.mark.trio
async def test_who_was_cancelled_before_his_turn_has_sent_nothing(autojump_clock: Clock) -> None:
    """R-8.2: so it can go over another bind at once."""
    async with bound_esme() as (session, far, near), trio.open_nursery() as nursery:
        taken = trio.Event()
        takes(near, taken.wait)
        nursery.start_soon(session.submit, [(1, HALO)])
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(1):
            await session.submit([(2, HALO)])
        taken.set()
        await trio.testing.wait_all_tasks_blocked()
        assert session.statistics().outstanding == 1
        await session.aclose()
        assert [one.command for one in await far.hear_all()] == [C.SUBMIT_SM]
        assert session.abandon() == [1]
