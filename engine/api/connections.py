"""Connections of clients: how many there are, and how long one is kept that does not read.

hypercorn speaks HTTP on each of them. What it is given to write to is ours, because it waits past
every cancellation for a client that takes nothing, so that no engine would ever end; and because a
fault of one connection would end all of them, and the binds beside them.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import trio
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState, LifespanState
from hypercorn.utils import wrap_app

from engine import log
from engine.api.certificate import Certificate

GRACE_S: Final = 1.0
"""For requests that are under way when it is to end."""

PIECE: Final = 2**16
"""Octets that are written at a time; each piece has to be taken in time."""

SPARE: Final = 50
"""Connections above the most that are told so; those above are closed without a word."""

_BUSY: Final = (
    b'{"type":"/v1/docs#unavailable","title":"Not now","status":503,'
    b'"detail":"too many connections; come again in a moment"}'
)
_TURNED_AWAY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nConnection: close\r\n"
    b"Content-Type: application/problem+json\r\nContent-Length: %d\r\n\r\n%s" % (len(_BUSY), _BUSY)
)


class Connection(trio.abc.HalfCloseableStream):
    """A socket whose writing ends: with what it takes, or with BrokenResourceError."""

    def __init__(self, stream: trio.SocketStream, write_s: float) -> None:
        self.socket = stream.socket
        self._stream = stream
        self._write_s = write_s

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Sends it, a piece at a time. Half a piece is of no use to anybody: then it is cut."""
        view = memoryview(data)
        for at in range(0, max(len(view), 1), PIECE):
            with trio.move_on_after(self._write_s) as waiting:
                await self._stream.send_all(view[at : at + PIECE])
            if waiting.cancelled_caught:
                self.cut()
                raise trio.BrokenResourceError("the client takes nothing")

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()

    def cut(self) -> None:
        """Closes it now; who reads or writes it, shielded or not, gets ClosedResourceError."""
        self.socket.close()


class Connections:
    """All of a server's; `most` at a time, each of which takes a piece within `write_s`."""

    def __init__(
        self,
        app: Any,
        config: Config,
        *,
        certificate: Certificate | None,
        most: int,
        write_s: float,
    ) -> None:
        self._app = wrap_app(app, 0, "asgi")
        self._config = config
        self._certificate = certificate
        self._most = most
        self._write_s = write_s
        self._context = WorkerContext(None)
        self._open: set[Connection] = set()
        self._left = trio.lowlevel.ParkingLot()

    async def serve(
        self, listeners: list[trio.SocketListener], shutdown: Callable[[], Awaitable[None]]
    ) -> None:
        """Serves until `shutdown` returns; then requests that are under way have GRACE_S."""
        async with trio.open_nursery() as handlers:
            try:
                async with trio.open_nursery() as accepting:
                    accepting.start_soon(
                        partial(
                            trio.serve_listeners, self._handle, listeners, handler_nursery=handlers
                        )
                    )
                    await shutdown()
                    accepting.cancel_scope.cancel()
                await self._context.terminated.set()
                with trio.move_on_after(GRACE_S):
                    while self._open:
                        await self._left.park()
            finally:
                for connection in self._open:
                    connection.cut()
                handlers.cancel_scope.cancel()

    async def _handle(self, stream: trio.SocketStream) -> None:
        connection = Connection(stream, self._write_s)
        crowd = len(self._open)
        self._open.add(connection)
        try:
            if crowd < self._most:
                await self._speak(connection)
            elif crowd < self._most + SPARE and self._certificate is None:
                await _turn_away(connection)
        except Exception as error:  # of one client: it is no reason to end, and others go on
            log.error("http.connection", error=type(error).__name__)
        finally:
            connection.cut()
            self._open.discard(connection)
            self._left.unpark(count=math.inf)

    async def _speak(self, connection: Connection) -> None:
        stream: Any = connection
        if self._certificate is not None:
            stream = trio.SSLStream(
                connection, self._certificate.context(), server_side=True, https_compatible=True
            )
        state = ConnectionState(LifespanState({}))
        await _Server(self._app, self._config, self._context, state, stream).run()


class _Server(TCPServer):
    """One connection's HTTP."""

    async def _read_data(self) -> None:
        """Who has gone is not waited for: hypercorn would keep the connection until it is idle."""
        await super()._read_data()
        await self.idle_task.stop()


async def _turn_away(connection: Connection) -> None:
    """Says 503; what has come is read before, else closing would take the answer away again."""
    with trio.move_on_after(GRACE_S):
        await connection.receive_some(PIECE)
        await connection.send_all(_TURNED_AWAY)
        await connection.send_eof()
        while await connection.receive_some(PIECE):
            pass
