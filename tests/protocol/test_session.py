"""The trio shell: one list a read, one write a send, and books that balance (R-5.2, R-5.3, R-8.2).

Where nothing but trio waits the clock jumps. What needs a socket is in `test_transport`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from smpp import status
from smpp.events import (
    Alive,
    Bound,
    Closed,
    Deliveries,
    Event,
    PeerUnbind,
    SubmitResponses,
    SubmitTimeouts,
    Unbound,
)
from smpp.pdu import Address, Command, Mode, QuerySm, QuerySmResp
from smpp.protocol import Connection, LocalError
from smpp.session import READ_SIZE, BindFailed, NoAnswer, Session, SessionClosed, open_session
from smpp.states import Role
from smpp.timers import Timing
from tests.protocol.far import ACCEPTED, BIND, Far, bound_esme, read_into, streams, takes
from tests.protocol.wire import HALO, Pdu, bind_body, pdu, pdus

C = Command
Clock = trio.testing.MockClock
QUERY = QuerySm(message_id="7", source=Address(0, 1, "3774"))
RECEIPT = pdu(C.DELIVER_SM, body=HALO)


async def rest(session: Session) -> list[Event]:
    """All events that are left."""
    events: list[Event] = []
    await read_into(events, session)
    return events


def outcomes(events: list[Event]) -> list[Any]:
    """The tokens of which something was told."""
    tokens: list[Any] = []
    for event in events:
        if isinstance(event, SubmitResponses):
            tokens += [token for token, *_ in event.items if token not in event.late]
        elif isinstance(event, SubmitTimeouts):
            tokens += event.tokens
    return tokens


# ---- bind -------------------------------------------------------------------------------------


@pytest.mark.trio
async def test_a_session_is_bound_when_it_is_given(autojump_clock: Clock) -> None:
    """R-5.1: what came with the bind response is the first batch."""
    near, far = streams()
    await far.say(ACCEPTED, RECEIPT)
    async with open_session(near, bind=BIND) as session:
        assert session.peer == Bound("smsc", 0x34)
        assert await far.hear() == Pdu(C.BIND_TRANSCEIVER, 0, 1, bind_body())
        [deliveries] = await anext(session.batches())
        assert isinstance(deliveries, Deliveries)
    assert await far.hear() is None


REFUSED = "ESME_RINVPASWD (0x0E): invalid password"


@pytest.mark.trio
@pytest.mark.parametrize(
    ("said", "code", "text"),
    [
        (pdu(C.BIND_TRANSCEIVER_RESP, 0x0E, 1), 0x0E, REFUSED),
        (pdu(C.BIND_TRANSCEIVER_RESP, 0x0E, 1, b"smsc\0"), 0x0E, REFUSED),
        (pdu(C.GENERIC_NACK, 3, 1), 3, "ESME_RINVCMDID (0x03): invalid command id"),
        (b"GET / HTTP/1.1\r\n\r\n", None, "command_length 1195725856 is not between 16 and 65536"),
        (b"\0\0\0\4", None, "command_length 4 is not between 16 and 65536"),
        (b"", None, "no answer to the bind in time"),
        (ACCEPTED[:-1], None, "no answer to the bind in time"),
        (pdu(C.UNBIND), None, "no answer to the bind in time"),
        (pdu(C.ENQUIRE_LINK) * 5, None, "no answer to the bind in time"),
    ],
    ids=repr,
)
async def test_a_bind_that_fails_says_why(
    autojump_clock: Clock, said: bytes, code: int | None, text: str
) -> None:
    """R-5.2: refused, not understood, or not answered within 10 s; the stream is closed."""
    near, far = streams()
    if said:
        await far.say(said)
    began = trio.current_time()
    with pytest.raises(BindFailed) as caught:
        async with open_session(near, bind=BIND):
            pytest.fail("it is not bound")
    assert (caught.value.status, str(caught.value)) == (code, text)
    assert caught.value.refused is (code is not None)
    assert trio.current_time() - began <= 10.0
    await far.hear_all()


@pytest.mark.trio
@pytest.mark.parametrize("said", [b"", ACCEPTED[:20]])
async def test_a_bind_whose_connection_ends_says_so(autojump_clock: Clock, said: bytes) -> None:
    """R-5.2."""
    near, far = streams()
    if said:
        await far.say(said)
    await far.stream.aclose()
    with pytest.raises(BindFailed, match="the peer closed the connection") as caught:
        async with open_session(near, bind=BIND):
            pytest.fail("it is not bound")
    assert not caught.value.refused


@pytest.mark.trio
async def test_a_peer_that_does_not_even_take_the_bind(autojump_clock: Clock) -> None:
    """R-5.2: the bind time is all it gets."""
    near, _ = streams()
    takes(near, trio.sleep_forever)
    began = trio.current_time()
    with pytest.raises(BindFailed):
        async with open_session(near, bind=BIND):
            pytest.fail("it is not bound")
    assert trio.current_time() - began <= 10.0


# ---- reading ----------------------------------------------------------------------------------


@pytest.mark.trio
async def test_a_read_is_a_batch(autojump_clock: Clock) -> None:
    """R-5.3: all that one read brought comes in one list, and is counted."""
    async with bound_esme() as (session, far, _):
        await session.submit([("a", HALO), ("b", HALO)])
        a, b = await far.hear(), await far.hear()
        assert a is not None
        assert b is not None
        await far.say(
            *(pdu(C.SUBMIT_SM_RESP, 0, one.sequence, b"7\0") for one in (b, a)), RECEIPT * 100
        )
        [answered, deliveries] = await anext(session.batches())
        assert outcomes([answered]) == ["b", "a"]
        assert isinstance(deliveries, Deliveries)
        assert len(deliveries.items) == 100
        counts = session.statistics()
    assert (counts.submitted, counts.responses, counts.deliveries) == (2, 2, 100)
    assert (counts.outstanding, counts.timeouts) == (0, 0)
    assert counts.octets_read == len(ACCEPTED) + 2 * 18 + 100 * len(RECEIPT)


@pytest.mark.trio
async def test_nothing_is_read_that_nobody_asks_for(autojump_clock: Clock) -> None:
    """R-5.10: an owner that falls behind is felt by the SMSC, not by our memory."""
    near, far = trio.testing.lockstep_stream_pair()
    octets = RECEIPT * (3 * READ_SIZE // len(RECEIPT))

    async def smsc() -> None:
        there = Far(far)
        await there.hear()
        await there.say(ACCEPTED)
        await there.say(octets)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(smsc)
        async with open_session(near, bind=BIND) as session:
            batches = 0
            while session.statistics().octets_read < len(ACCEPTED) + len(octets):
                await trio.testing.wait_all_tasks_blocked()
                read = session.statistics().octets_read
                assert read <= len(ACCEPTED) + batches * READ_SIZE
                await anext(session)
                batches += 1
            assert batches >= 3


@pytest.mark.trio
async def test_the_end_comes_once_and_then_no_more(autojump_clock: Clock) -> None:
    """R-5.2: what had been read before the end is not lost."""
    async with bound_esme() as (session, far, _):
        await far.say(RECEIPT)
        await far.stream.aclose()
        events = await rest(session)
        assert [type(event) for event in events] == [Deliveries, Closed]
        assert await rest(session) == []
        await session.aclose()
        assert await rest(session) == []


@pytest.mark.trio
async def test_silence_is_asked_and_ends_the_session(autojump_clock: Clock) -> None:
    """R-5.1: 25 s, 10 s, 10 s, by trio's clock; the owner only waits."""
    began = trio.current_time()
    async with bound_esme() as (session, far, _):
        [closed] = await rest(session)
        assert isinstance(closed, Closed)
        assert trio.current_time() - began == pytest.approx(45.0)
        assert [found.command for found in await far.hear_all()] == [C.ENQUIRE_LINK] * 2


@pytest.mark.trio
async def test_enquire_links_are_answered_both_ways_all_night(autojump_clock: Clock) -> None:
    """R-5.1: twelve hours of nothing else."""
    async with bound_esme() as (session, far, _), trio.open_nursery() as nursery:
        heard: list[Pdu] = []
        events: list[Event] = []
        nursery.start_soon(read_into, events, session)
        nursery.start_soon(far.be_an_smsc, heard)
        with trio.move_on_after(12 * 3600):
            while True:
                await trio.sleep(60)
                await far.say(pdu(C.ENQUIRE_LINK, 0, 1))
        assert events == []
        commands = [found.command for found in heard]
        assert commands.count(C.ENQUIRE_LINK_RESP) == 719
        assert commands.count(C.ENQUIRE_LINK) > 1000
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_deadline_that_is_new_wakes_the_reader(autojump_clock: Clock) -> None:
    """R-5.3: a submit_sm sent while another task reads times out in its own time."""
    timing = Timing(response_timeout_s=5)
    async with bound_esme(timing) as (session, _, _), trio.open_nursery() as nursery:
        events: list[Event] = []
        nursery.start_soon(read_into, events, session)
        await trio.testing.wait_all_tasks_blocked()
        await session.submit([("a", HALO)])
        began = trio.current_time()
        await trio.sleep(5.1)
        assert events == [SubmitTimeouts(["a"])]
        assert trio.current_time() - began < 6
        assert session.statistics().timeouts == 1
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_slow_owner_is_not_a_dead_peer(autojump_clock: Clock) -> None:
    """R-5.1: what waits in the socket goes before the clock."""
    async with bound_esme() as (session, far, _):
        await session.submit([("a", HALO)])
        one = await far.hear()
        assert one is not None
        await far.say(pdu(C.SUBMIT_SM_RESP, 0, one.sequence, b"7\0"))
        await trio.sleep(600)  # the database hangs
        assert outcomes(await anext(session)) == ["a"]
        assert session.statistics().timeouts == 0


@pytest.mark.trio
async def test_timeouts_come_also_while_much_is_being_read(autojump_clock: Clock) -> None:
    """R-5.3: a submit_sm may wait in vain among many deliveries; then the peer is alive."""
    async with bound_esme() as (session, far, _), trio.open_nursery() as nursery:
        events: list[Event] = []
        nursery.start_soon(read_into, events, session)
        await session.submit([("a", HALO)])
        await trio.sleep(20)
        for _ in range(2600):  # always faster than the grace that a deadline has
            await trio.sleep(0.02)
            await far.say(RECEIPT)
        rare = [event for event in events if not isinstance(event, Deliveries)]
        assert rare == [SubmitTimeouts(["a"]), Alive()]
        nursery.cancel_scope.cancel()


# ---- writing ----------------------------------------------------------------------------------


@pytest.mark.trio
async def test_a_send_is_one_write(autojump_clock: Clock) -> None:
    """R-5.10: answers first, then submits; TCP_NODELAY makes each write a packet."""
    async with bound_esme() as (session, far, near):
        writes = 0

        async def count() -> None:
            nonlocal writes
            writes += 1

        takes(near, count)
        await session.send(
            submits=[(n, HALO) for n in range(50)],
            answers=((C.DELIVER_SM, n, status.OK) for n in range(50)),
        )
        assert writes == 1
        commands = [one.command for n in range(100) if (one := await far.hear())]
        assert commands == [C.DELIVER_SM_RESP] * 50 + [C.SUBMIT_SM] * 50
        assert session.statistics().outstanding == 50
        await session.respond([])
        assert writes == 1


@pytest.mark.trio
async def test_a_write_that_nobody_takes_ends_the_session(autojump_clock: Clock) -> None:
    """R-5.2, R-8.2: after 30 s; what was in it is unknown, and told to be."""
    async with bound_esme() as (session, _, near):
        takes(near, trio.sleep_forever)
        began = trio.current_time()
        await session.submit([("a", HALO), ("b", HALO)])
        assert trio.current_time() - began == pytest.approx(30.0)
        with pytest.raises(SessionClosed, match="the peer took nothing for 30 s"):
            await session.submit([("c", HALO)])
        assert (
            await rest(session)
            == [Closed("the connection broke: the peer took nothing for 30 s", clean=False)]
            or await rest(session) == []
        )
        assert session.abandon() == ["a", "b"]


@pytest.mark.trio
async def test_a_reader_never_waits_for_a_writer(autojump_clock: Clock) -> None:
    """R-5.1: else a peer that wants to be read before it takes anything could stop both."""
    async with bound_esme() as (session, far, near), trio.open_nursery() as nursery:
        taken = trio.Event()
        takes(near, taken.wait)
        nursery.start_soon(session.submit, [("a", HALO)])
        await trio.testing.wait_all_tasks_blocked()
        await far.say(pdu(C.ENQUIRE_LINK, 0, 9), RECEIPT)
        [deliveries] = await anext(session)
        assert isinstance(deliveries, Deliveries)
        taken.set()
        assert [one.command for _ in range(2) if (one := await far.hear())] == [
            C.SUBMIT_SM,
            C.ENQUIRE_LINK_RESP,  # the writer wrote it before it let go
        ]


@pytest.mark.trio
async def test_what_is_sent_to_a_closed_session_is_not_outstanding(autojump_clock: Clock) -> None:
    """R-8.2: nothing was written, so it can go over another bind at once."""
    async with bound_esme() as (session, far, _):
        await far.stream.aclose()
        await rest(session)
        with pytest.raises(SessionClosed, match="the session is closed"):
            await session.send(submits=[("a", HALO)], answers=[(C.DELIVER_SM, 1, 0)])
        with pytest.raises(SessionClosed):
            await session.respond([(C.DELIVER_SM, 1, 0)])
        with pytest.raises(SessionClosed):
            await session.request(QUERY)
        await session.unbind()
        assert session.abandon() == []
        assert session.statistics().submitted == 0


@pytest.mark.trio
async def test_while_unbinding_answers_go_out_and_submits_do_not(autojump_clock: Clock) -> None:
    """R-5.10: a receipt that was stored is answered, even now."""
    async with bound_esme() as (session, far, _), trio.open_nursery() as nursery:
        nursery.start_soon(session.unbind)
        await trio.testing.wait_all_tasks_blocked()
        await session.respond([(C.DELIVER_SM, 9, 0)])
        with pytest.raises(SessionClosed):
            await session.submit([("a", HALO)])
        with pytest.raises(SessionClosed):
            await session.request(QUERY)
        assert [one.command for _ in range(2) if (one := await far.hear())] == [
            C.UNBIND,
            C.DELIVER_SM_RESP,
        ]
        await far.say(pdu(C.UNBIND_RESP, 0, 2))


@pytest.mark.trio
async def test_a_wrong_use_leaves_the_session_as_it_was(autojump_clock: Clock) -> None:
    """A receiver can't submit; it can still read and answer."""
    near, far = streams()
    await far.say(pdu(C.BIND_RECEIVER_RESP, 0, 1, b"smsc\0"))
    bind = type(BIND)(mode=Mode.RECEIVER, system_id="siaran")
    async with open_session(near, bind=bind) as session:
        with pytest.raises(LocalError):
            await session.submit([("a", HALO)])
        await session.respond([(C.DELIVER_SM, 9, 0)])
        await far.hear()
        assert await far.hear() == Pdu(C.DELIVER_SM_RESP, 0, 9, b"\0")
        assert session.abandon() == []


# ---- questions --------------------------------------------------------------------------------


async def answer_with(far: Far, command: int, code: int = 0, body: bytes = b"") -> None:
    """Answer the next PDU so."""
    one = await far.hear()
    assert one is not None
    await far.say(pdu(command, code, one.sequence, body))


@pytest.mark.trio
@pytest.mark.parametrize("reading", [False, True])
async def test_a_question_is_answered(autojump_clock: Clock, reading: bool) -> None:
    """R-5.11: at once, whether or not another task reads; what comes with it is the reader's."""
    async with bound_esme() as (session, far, _), trio.open_nursery() as nursery:
        events: list[Event] = []
        if reading:
            nursery.start_soon(read_into, events, session)
            await trio.testing.wait_all_tasks_blocked()
        await far.say(RECEIPT)
        nursery.start_soon(answer_with, far, C.QUERY_SM_RESP, 0, b"7\0\0\2\0")
        began = trio.current_time()
        answer = await session.request(QUERY)
        assert answer == QuerySmResp(status=0, message_id="7", message_state=2)
        assert trio.current_time() == began
        if not reading:
            events = await anext(session)
        assert [type(event) for event in events] == [Deliveries]
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_many_may_ask_at_once(autojump_clock: Clock) -> None:
    """R-5.11: each gets its own answer."""
    async with bound_esme() as (session, far, _), trio.open_nursery() as nursery:
        answers: list[object] = []

        async def ask() -> None:
            answers.append(await session.request(QUERY))

        for _ in range(5):
            nursery.start_soon(ask)
        for _ in range(5):
            await answer_with(far, C.QUERY_SM_RESP, 0, b"7\0\0\2\0")
        began = trio.current_time()
        await trio.testing.wait_all_tasks_blocked()
        assert len(answers) == 5
        assert trio.current_time() == began


@pytest.mark.trio
@pytest.mark.parametrize(
    ("command", "code", "body", "text"),
    [
        (C.GENERIC_NACK, 3, b"", r"refused: ESME_RINVCMDID \(0x03\)"),
        (C.QUERY_SM_RESP, 0, b"7\0", r"refused: ESME_RINVCMDLEN \(0x02\)"),
        (C.SUBMIT_SM_RESP, 0, b"7\0", "no answer within 20 s"),
    ],
)
async def test_a_question_that_gets_no_answer_says_so(
    autojump_clock: Clock, command: int, code: int, body: bytes, text: str
) -> None:
    """R-5.11: refused, unreadable, or in vain."""
    timing = Timing(response_timeout_s=20)
    async with bound_esme(timing) as (session, far, _), trio.open_nursery() as nursery:
        nursery.start_soon(answer_with, far, command, code, body)
        with pytest.raises(NoAnswer, match=text):
            await session.request(QUERY)


@pytest.mark.trio
async def test_an_error_is_an_answer(autojump_clock: Clock) -> None:
    """R-5.11: the SMSC knows no such message."""
    async with bound_esme() as (session, far, _), trio.open_nursery() as nursery:
        nursery.start_soon(answer_with, far, C.QUERY_SM_RESP, status.QUERY_FAILED)
        assert await session.request(QUERY) == QuerySmResp(status=status.QUERY_FAILED)


@pytest.mark.trio
async def test_a_question_ends_with_the_session(autojump_clock: Clock) -> None:
    """R-5.11: and nobody waits for what can't come."""
    async with bound_esme() as (session, far, _), trio.open_nursery() as nursery:
        nursery.start_soon(far.stream.aclose)
        with pytest.raises(SessionClosed):
            await session.request(QUERY)
        assert [type(event) for event in await rest(session)] == [Closed]


# ---- the end ----------------------------------------------------------------------------------


@pytest.mark.trio
@pytest.mark.parametrize("reading", [False, True])
async def test_unbind_waits_for_its_answer_and_keeps_what_comes_before(
    autojump_clock: Clock, reading: bool
) -> None:
    """R-5.1: responses on their way are outcomes still."""
    async with bound_esme() as (session, far, _), trio.open_nursery() as nursery:
        events: list[Event] = []
        if reading:
            nursery.start_soon(read_into, events, session)
            await trio.testing.wait_all_tasks_blocked()
        await session.submit([("a", HALO), ("b", HALO)])

        async def smsc() -> None:
            await answer_with(far, C.SUBMIT_SM_RESP, 0, b"7\0")
            await far.hear()  # "b", which it does not answer
            await answer_with(far, C.UNBIND_RESP)

        nursery.start_soon(smsc)
        await session.unbind()
        await trio.testing.wait_all_tasks_blocked()
        if not reading:
            events = await rest(session)
        assert outcomes(events) == ["a"]
        assert events[-2:] == [Unbound(), Closed("unbound", clean=True)]
        assert session.abandon() == ["b"]
        assert await far.hear() is None


@pytest.mark.trio
@pytest.mark.parametrize("deaf", [False, True])
async def test_unbind_waits_no_longer_than_it_says(autojump_clock: Clock, deaf: bool) -> None:
    """R-5.1: 5 s, also when the peer does not even take the unbind."""
    async with bound_esme() as (session, _, near):
        if deaf:
            takes(near, trio.sleep_forever)
        began = trio.current_time()
        await session.unbind()
        assert trio.current_time() - began == pytest.approx(5.0)
        [closed] = await rest(session)
        assert isinstance(closed, Closed)
        assert closed.reason == (
            "the peer took nothing for 5 s" if deaf else "no answer to the unbind in time"
        )
        with pytest.raises(trio.ClosedResourceError):
            await near.send_all(b"x")


@pytest.mark.trio
async def test_the_peers_unbind_is_answered_after_what_is_being_written(
    autojump_clock: Clock,
) -> None:
    """R-5.1: the answer is not lost because somebody is writing; no PDU is cut in half."""
    async with bound_esme() as (session, far, near), trio.open_nursery() as nursery:
        taken = trio.Event()
        takes(near, taken.wait)
        events: list[Event] = []
        nursery.start_soon(read_into, events, session)
        nursery.start_soon(session.submit, [("a", HALO)])
        await trio.testing.wait_all_tasks_blocked()
        await far.say(pdu(C.UNBIND, 0, 5))
        await trio.testing.wait_all_tasks_blocked()
        taken.set()
        heard = await far.hear_all()
        assert [one.command for one in heard] == [C.SUBMIT_SM, C.UNBIND_RESP]
    assert events == [PeerUnbind(), Closed("the peer unbound", clean=True)]
    assert session.abandon() == ["a"]


@pytest.mark.trio
async def test_the_peers_unbind_is_answered_though_somebody_wants_to_send(
    autojump_clock: Clock,
) -> None:
    """R-5.1: who comes too late with a submit still lets the answer out."""
    for order in range(2):
        async with bound_esme() as (session, far, _):
            await far.say(pdu(C.UNBIND, 0, 5))
            async with trio.open_nursery() as nursery:
                events: list[Event] = []

                async def send(session: Session = session) -> None:
                    with contextlib.suppress(SessionClosed):
                        while True:
                            await session.submit([("a", HALO)])

                tasks: list[Callable[[], Awaitable[object]]] = [
                    partial(read_into, events, session),
                    send,
                ]
                for task in tasks if order else reversed(tasks):
                    nursery.start_soon(task)
            heard = await far.hear_all()
            assert heard[-1] == Pdu(C.UNBIND_RESP, 0, 5)
            assert len(session.abandon()) == len(heard) - 1


@pytest.mark.trio
async def test_half_a_pdu_and_silence_on_an_smscs_port(autojump_clock: Clock) -> None:
    """R-5.12: cut after 10 s when it has not bound, without an answer."""
    near, far = streams()
    session = Session(near, Connection(Role.SMSC, now=trio.current_time()))
    await far.say(pdu(C.BIND_TRANSCEIVER, body=bind_body())[:-3])
    began = trio.current_time()
    assert await rest(session) == [Closed("no bind within the session init time", clean=False)]
    assert trio.current_time() - began == pytest.approx(10.0)
    assert await far.hear() is None


@pytest.mark.trio
async def test_half_a_pdu_and_silence_from_an_smsc(autojump_clock: Clock) -> None:
    """R-5.1: asked after 25 s, ended after 45."""
    async with bound_esme() as (session, far, _):
        await far.say(RECEIPT[:-1])
        began = trio.current_time()
        [closed] = await rest(session)
        assert closed == Closed("2 enquire_link in a row without an answer", clean=False)
        assert trio.current_time() - began == pytest.approx(45.0)


@pytest.mark.trio
@pytest.mark.parametrize("length", [4, 15, 0x10001, 0x7FFFFFFF])
@pytest.mark.parametrize("role", Role)
async def test_a_false_length_is_nacked_and_the_stream_closed(
    autojump_clock: Clock, role: Role, length: int
) -> None:
    """R-5.1, R-5.12: both roles."""
    near, far = streams()
    octets = length.to_bytes(4) + b"\xff" * 100
    if role is Role.ESME:
        await far.say(ACCEPTED, octets)
        async with open_session(near, bind=BIND) as session:
            events = await rest(session)
        await far.hear()
    else:
        await far.say(octets)
        events = await rest(Session(near, Connection(role, now=trio.current_time())))
    assert isinstance(events[-1], Closed)
    assert pdus(b"".join(pdu(*one) for one in await far.hear_all())) == [
        Pdu(C.GENERIC_NACK, status.INVALID_COMMAND_LENGTH, 0)
    ]
