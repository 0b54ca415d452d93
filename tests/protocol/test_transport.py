"""The same over real sockets, where the system buffers, cuts and resets (R-5.1, R-5.2)."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from smpp import status, transport
from smpp.events import Closed, Deliveries, Event, SubmitResponses
from smpp.pdu import Command
from smpp.session import READ_SIZE, Session, SessionClosed, open_session
from smpp.timers import Timing
from tests.protocol.far import ACCEPTED, BIND, Far, read_into
from tests.protocol.wire import HALO, Pdu, pdu

C = Command
LOCAL = "127.0.0.1"
RECEIPT = pdu(C.DELIVER_SM, body=HALO)
Talk = Callable[[Far], Awaitable[None]]


@asynccontextmanager
async def smsc(talk: Talk) -> AsyncIterator[int]:
    """A server on the port that is given, which talks so with whoever comes; 10 s at most."""

    async def handler(stream: trio.abc.Stream) -> None:
        async with stream:
            await talk(Far(stream))

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            yield await nursery.start(partial(transport.serve, handler, LOCAL, 0))
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def bound(talk: Talk, timing: Timing | None = None) -> AsyncIterator[Session]:
    """A session that is bound to such a server, which accepts the bind before it talks."""

    async def accept(far: Far) -> None:
        await far.hear()
        await far.say(ACCEPTED)
        await talk(far)

    async with smsc(accept) as port:
        stream = await transport.connect(LOCAL, port, timeout_s=5)
        async with open_session(stream, bind=BIND, timing=timing or Timing()) as session:
            yield session


async def events_of(session: Session) -> list[Event]:
    events: list[Event] = []
    await read_into(events, session)
    return events


def reset(stream: trio.abc.Stream) -> None:
    """Close so that the other side gets a reset."""
    assert isinstance(stream, trio.SocketStream)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()


@pytest.mark.trio
async def test_no_delay_is_set_at_both_ends() -> None:
    """R-5.1: without it Nagle's algorithm costs a factor of 2 to 30."""
    seen: list[Any] = []

    async def talk(far: Far) -> None:
        assert isinstance(far.stream, trio.SocketStream)
        seen.append(far.stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        await far.hear()

    async with smsc(talk) as port, await transport.connect(LOCAL, port, timeout_s=5) as stream:
        assert isinstance(stream, trio.SocketStream)
        seen.append(stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        await stream.send_all(pdu(C.ENQUIRE_LINK))
        await stream.receive_some()  # it was there, and has closed
    assert len(seen) == 2
    assert all(seen)


@pytest.mark.trio
async def test_a_session_lives_on_a_socket() -> None:
    """R-5.1, R-5.3: bind, submit, response, receipt, unbind."""
    heard: list[Pdu] = []

    async def talk(far: Far) -> None:
        await far.say(RECEIPT)
        await far.be_an_smsc(heard)

    async with bound(talk) as session:
        await session.submit([(n, HALO) for n in range(100)])
        events: list[Event] = []
        answered: list[Any] = []
        while len(answered) < 100:
            batch = await anext(session)
            events += batch
            for event in batch:
                if isinstance(event, SubmitResponses):
                    answered += [token for token, *_ in event.items]
        await session.respond([(C.DELIVER_SM, 1, status.OK)])
        await session.unbind()
        [*_, closed] = await events_of(session)
    assert answered == list(range(100))
    assert any(isinstance(event, Deliveries) for event in events)
    assert closed == Closed("unbound", clean=True)
    assert [one.command for one in heard[-2:]] == [C.DELIVER_SM_RESP, C.UNBIND]


@pytest.mark.trio
async def test_an_owner_that_does_not_read_makes_the_smsc_wait() -> None:
    """R-5.10: TCP slows it down; our memory does not grow."""
    octets = RECEIPT * (32 * 1024 * 1024 // len(RECEIPT))
    done = trio.Event()

    async def talk(far: Far) -> None:
        await far.say(octets)
        done.set()
        await far.hear()

    async with bound(talk) as session:
        for batches in range(1, 20):
            await anext(session)
            assert session.statistics().octets_read <= READ_SIZE * (batches + 1)
        assert not done.is_set()


@pytest.mark.trio
async def test_a_peer_that_takes_nothing_is_given_up() -> None:
    """R-5.2, R-8.2: in the time that is set; all that it may have got is unknown."""
    timing = Timing(write_timeout_s=0.2)

    async def talk(far: Far) -> None:
        await trio.sleep_forever()

    async with bound(talk, timing) as session:
        batch = [(n, HALO) for n in range(100_000)]
        await session.submit(batch)
        with pytest.raises(SessionClosed, match=r"the peer took nothing for 0\.2 s"):
            await session.submit([("late", HALO)])
        assert await events_of(session) == [Closed("the peer took nothing for 0.2 s", clean=False)]
        assert session.abandon() == list(range(100_000))


@pytest.mark.trio
async def test_a_reset_ends_the_session_and_says_so() -> None:
    """R-5.2, R-8.2: the submit_sm that was out is unknown."""

    async def talk(far: Far) -> None:
        await far.hear()
        reset(far.stream)

    async with bound(talk) as session:
        await session.submit([("a", HALO)])
        [closed] = await events_of(session)
        assert isinstance(closed, Closed)
        assert closed.reason.startswith("the connection broke: ")
        assert "reset by peer" in closed.reason
        assert session.abandon() == ["a"]


@pytest.mark.trio
async def test_writing_into_a_reset_is_not_an_error_of_the_writer() -> None:
    """R-8.2: it may have gone out, so it is outstanding, and abandoned with the rest."""
    gone = trio.Event()

    async def talk(far: Far) -> None:
        reset(far.stream)
        gone.set()

    async with bound(talk) as session:
        await gone.wait()
        sent: list[int] = []
        with contextlib.suppress(SessionClosed):
            while len(sent) < 1000:  # the system may take the first
                await session.submit([(len(sent), HALO)])
                sent.append(len(sent))
        assert len(sent) < 1000
        await events_of(session)
        assert session.abandon() == sent


@pytest.mark.trio
async def test_a_port_where_nobody_listens() -> None:
    """R-5.2: the system's own words."""
    with socket.create_server((LOCAL, 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(transport.ConnectFailed) as caught:
        await transport.connect(LOCAL, port, timeout_s=5)
    assert str(caught.value) == f"{LOCAL}:{port}: Connection refused"


class Resolver(trio.abc.HostnameResolver):
    """Answers as a test wants it to."""

    def __init__(self, answer: Callable[[], Awaitable[Any]]) -> None:
        self._answer = answer

    async def getaddrinfo(self, *args: Any, **kwargs: Any) -> Any:
        return await self._answer()

    async def getnameinfo(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


@pytest.mark.trio
async def test_a_host_that_does_not_answer(autojump_clock: trio.testing.MockClock) -> None:
    """R-5.2: within the time that is set, whatever takes so long."""
    trio.socket.set_custom_hostname_resolver(Resolver(trio.sleep_forever))
    with pytest.raises(
        transport.ConnectFailed, match=r"^smsc\.test:2775: no connection within 7 s"
    ):
        await transport.connect("smsc.test", 2775, timeout_s=7)


@pytest.mark.trio
async def test_a_host_that_nobody_knows(autojump_clock: trio.testing.MockClock) -> None:
    """R-5.2."""

    async def unknown() -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    trio.socket.set_custom_hostname_resolver(Resolver(unknown))
    with pytest.raises(transport.ConnectFailed) as caught:
        await transport.connect("smsc.test", 2775, timeout_s=7)
    assert str(caught.value) == "smsc.test:2775: Name or service not known"


@pytest.mark.trio
@pytest.mark.parametrize("host", ["a..b", "x" * 64, "."])
async def test_a_host_that_can_be_none(host: str) -> None:
    """R-5.2: a slip in the configuration is an answer, too, not a crash of the engine."""
    with pytest.raises(transport.ConnectFailed, match="no host can have that name"):
        await transport.connect(host, 2775, timeout_s=5)


@pytest.mark.trio
async def test_a_port_that_is_taken() -> None:
    """R-5.12: `OSError`, for whoever started it to explain."""
    with socket.create_server((LOCAL, 0)) as taken, pytest.raises(OSError, match="in use"):
        await transport.serve(trio.aclose_forcefully, LOCAL, taken.getsockname()[1])


@pytest.mark.trio
async def test_all_addresses_of_a_host_are_served_on_one_port() -> None:
    """R-5.12: `localhost` may be 127.0.0.1 and ::1, and there is one port to tell of."""
    addresses = (LOCAL, "127.0.0.2")

    class Both(trio.abc.HostnameResolver):
        async def getaddrinfo(self, host: Any, port: Any, *args: Any) -> Any:
            kind = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
            return [(*kind, (address, port or 0)) for address in addresses]

        async def getnameinfo(self, *args: Any) -> Any:
            raise NotImplementedError

    trio.socket.set_custom_hostname_resolver(Both())
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            serve = partial(transport.serve, trio.aclose_forcefully, "smsc.test", 0)
            port = await nursery.start(serve)
            for address in addresses:
                await (await trio.open_tcp_stream(address, port)).aclose()
            nursery.cancel_scope.cancel()
