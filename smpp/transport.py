"""TCP for SMPP: a connection out, and a listener for the simulator (R-5.1)."""

import os
from collections.abc import Awaitable, Callable
from typing import Final

import trio

Handler = Callable[[trio.SocketStream], Awaitable[None]]

_LISTEN_BACKLOG: Final = 128


class ConnectFailed(Exception):
    """No TCP connection; the text says to what and why, for a person."""


async def connect(host: str, port: int, *, timeout_s: float) -> trio.SocketStream:
    """Connect within `timeout_s`, or raise `ConnectFailed`.

    TCP_NODELAY is set: without it Nagle's algorithm and delayed ACKs cost a factor of 2 to 30.
    """
    try:
        with trio.fail_after(timeout_s):
            stream = await trio.open_tcp_stream(host, port)
    except trio.TooSlowError:
        raise ConnectFailed(f"{host}:{port}: no connection within {timeout_s:g} s") from None
    except OSError as error:
        raise ConnectFailed(f"{host}:{port}: {_reason(error)}") from error
    stream.setsockopt(trio.socket.IPPROTO_TCP, trio.socket.TCP_NODELAY, 1)
    return stream


async def serve(
    handler: Handler,
    host: str,
    port: int,
    *,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run `handler` for each connection until cancelled; the started value is the bound port.

    Port 0 lets the system choose one. `OSError` when the port can't be had.
    """

    async def prepared(stream: trio.SocketStream) -> None:
        stream.setsockopt(trio.socket.IPPROTO_TCP, trio.socket.TCP_NODELAY, 1)
        await handler(stream)

    listeners = await trio.open_tcp_listeners(port, host=host, backlog=_LISTEN_BACKLOG)
    bound_port: int = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, prepared, listeners)
        task_status.started(bound_port)


def _reason(error: OSError) -> str:
    """The system's own words; trio groups those of several addresses behind one error."""
    cause = error.__cause__
    if isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    first = cause if isinstance(cause, OSError) else error
    if first.errno is not None and first.errno > 0:
        return os.strerror(first.errno)
    return first.strerror or str(first)  # name resolution has error numbers of its own
