"""What every request has to pass before anything of it is read: credentials, media type, size, time.

Who has no credentials costs no more than the head of a request, whatever comes after it. A body is
read while it comes: without long pauses, and not for ever. What went wrong with us is answered
without a word of its cause.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import trio
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine import log
from engine.api.problems import Problem, problem_of
from engine.operations import Actor

ASKER: Final = "siaran.asker"
"""Where a request's scope holds who has sent it."""

OPEN: Final = frozenset({"/v1/openapi.json", "/v1/docs"})
"""What needs no credentials: how to use the rest."""

SLOWEST: Final = 1024
"""Octets a second that a body has to come with on the whole, after that time: a bad line has more."""

LINGER_S: Final = 5.0
"""So long what comes is read and thrown away, since who is still sending reads no answer."""

_MIB: Final = 2**20


class Guard:
    """The door of an application.

    `admit` gives the user whose Authorization it is, or raises Problem. `count` is told the status
    that answers each request of the API. `ready` waits until the application can answer. `json_mib` and `csv_mib` bound a body, and `pause_s` the
    time until its next octets.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        admit: Callable[[str | None], Awaitable[Actor]],
        count: Callable[[int], None],
        ready: Callable[[], Awaitable[None]],
        json_mib: int,
        csv_mib: int,
        pause_s: float,
    ) -> None:
        self.app = app
        self.admit = admit
        self.count = count
        self.ready = ready
        self.json_mib = json_mib
        self.csv_mib = csv_mib
        self.pause_s = pause_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        ours = scope["path"].startswith("/v1/")
        headers = dict(scope["headers"])
        body = _Body(receive, self.pause_s, there=_has_body(headers))
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                if ours:
                    self.count(message["status"])
            if body.left and not message.get("more_body", False):
                await body.throw_away_while(send, message)
            else:
                await send(message)

        try:
            if ours:
                await self._check(scope["path"], headers, scope, body)
                await self.ready()
            await self.app(scope, body.receive, sending)
        except ClientDisconnect:
            return  # who has gone hears nothing, and nothing was done
        except Exception as error:
            problem = problem_of(error)
            if problem.kind == "internal":
                log.error("http.failed", path=scope["path"], error=type(error).__name__)
            if begun:
                raise
            if problem.kind != "timeout":
                await body.throw_away()
            await problem.response()(scope, receive, sending)

    async def _check(
        self, path: str, headers: Mapping[bytes, bytes], scope: Scope, body: _Body
    ) -> None:
        if path not in OPEN:
            header = headers.get(b"authorization")
            scope[ASKER] = await self.admit(None if header is None else header.decode("latin-1"))
        media = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        csv = path.endswith("/import")
        if body.left and csv and media != b"text/csv":
            raise Problem("unsupported-media", "send the file itself, as Content-Type: text/csv")
        if body.left and not csv and media != b"application/json":
            raise Problem("unsupported-media", "send JSON, as Content-Type: application/json")
        body.most = (self.csv_mib if csv else self.json_mib) * _MIB
        if int(headers.get(b"content-length", b"0")) > body.most:
            raise body.too_large()


def _has_body(headers: Mapping[bytes, bytes]) -> bool:
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"


class _Body:
    """A request's body as it comes; `left`: there is more of it."""

    def __init__(self, receive: Receive, pause_s: float, *, there: bool) -> None:
        self.most = _MIB
        self.left = there
        self._receive = receive
        self._pause_s = pause_s
        self._began = trio.current_time()
        self._seen = 0

    async def receive(self) -> Message:
        """The next part. Raises Problem for too much of it, and for who takes too long."""
        if not self.left:
            return await self._receive()
        slowest = self._began + self._pause_s + self._seen / SLOWEST
        try:
            with trio.fail_at(min(trio.current_time() + self._pause_s, slowest)):
                message = await self._receive()
        except trio.TooSlowError:
            raise Problem(
                "timeout",
                f"of the body {self._seen:,} octets came in "
                f"{trio.current_time() - self._began:.0f} s, and then none",
                headers={"Connection": "close"},
            ) from None
        if message["type"] == "http.request":
            self._seen += len(message.get("body", b""))
            self.left = message.get("more_body", False)
            if self._seen > self.most:
                raise self.too_large()
        else:
            self.left = False
        return message

    def too_large(self) -> Problem:
        return Problem(
            "too-large",
            f"the body has more than {self.most // _MIB} MiB",
            headers={"Connection": "close"},
        )

    async def throw_away(self) -> None:
        """Reads what is left of it, for some seconds at most."""
        with trio.move_on_after(LINGER_S):
            await self._throw_away()

    async def throw_away_while(self, send: Send, message: Message) -> None:
        """Sends the last of an answer. Whoever asked may be writing still: hypercorn waits, even
        with the connection's end, until somebody takes that."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._throw_away)
            await send(message)
            nursery.cancel_scope.cancel()

    async def _throw_away(self) -> None:
        while self.left:
            message = await self._receive()
            self.left = message["type"] == "http.request" and message.get("more_body", False)
