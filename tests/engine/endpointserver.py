"""A real HTTP server (aiohttp) in a thread of its own: an endpoint, and its authorization server."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

PATH = "/sms"


@dataclass(frozen=True, slots=True)
class Post:
    """What came."""

    body: Any
    headers: dict[str, str]
    octets: bytes


@dataclass(slots=True, eq=False)
class EndpointServer:
    """What came, in its order; and what is answered, before the usual 200.

    An answer is a status, or a function of the request. `tokens` are those that are good; None: no
    token is asked for.
    """

    port: int = 0
    tell: Callable[[], None] = lambda: None
    posts: list[Post] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)
    always: Any = 200
    tokens: set[str] | None = None
    token_posts: list[tuple[dict[str, str], dict[str, str]]] = field(default_factory=list)
    """Headers and forms that came to `/token`."""
    token_answers: list[Any] = field(default_factory=list)
    tls: bool = False
    most_at_once: int = 0
    _now: int = 0

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}{PATH}"

    @property
    def token_url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/token"

    @property
    def statuses(self) -> list[tuple[int, str]]:
        """Of receipts: the message and what was said of it."""
        return [(post.body["MessageId"], post.body["Status"]) for post in self.posts]

    async def take(self, request: web.Request) -> web.StreamResponse:
        """An event."""
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            octets = await request.read()
            if self.tokens is not None:
                token = request.headers.get("Authorization", "").removeprefix("Bearer ")
                if token not in self.tokens:
                    return web.Response(status=401)
            self.posts.append(Post(json.loads(octets), dict(request.headers), octets))
            self.tell()
            answer = self.answers.pop(0) if self.answers else self.always
            if callable(answer):
                answer = await answer(request)
            return answer if not isinstance(answer, int) else web.Response(status=answer)
        finally:
            self._now -= 1

    async def give_token(self, request: web.Request) -> web.StreamResponse:
        """A token, the next number, good for an hour."""
        self.token_posts.append((dict(request.headers), dict(await request.post())))  # type: ignore[arg-type]
        self.tell()
        token = f"token{len(self.token_posts)}"
        answer = self.token_answers.pop(0) if self.token_answers else {"expires_in": 3600}
        if callable(answer):
            answer = await answer(request)
        if isinstance(answer, int):
            return web.json_response({"error": "invalid_client"}, status=answer)
        if isinstance(answer, dict):
            if self.tokens is not None:
                self.tokens.add(token)
            return web.json_response({"access_token": token, "token_type": "Bearer"} | answer)
        return answer  # type: ignore[no-any-return]


@contextmanager
def serving(
    server: EndpointServer, *, tls: ssl.SSLContext | None = None
) -> Iterator[EndpointServer]:
    """The server at its port (0: one that the system chooses), until the end of the block."""
    ready, ends = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []
    server.tls = tls is not None

    async def serve() -> None:
        app = web.Application(client_max_size=2**20)
        app.router.add_post(PATH, server.take)
        app.router.add_post("/token", server.give_token)
        runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=0.01
        )
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", server.port, ssl_context=tls)
        await site.start()
        assert site._server is not None
        server.port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        loops.append(asyncio.get_running_loop())
        ready.set()
        await ends.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="endpoint")
    thread.start()
    assert ready.wait(30), "the endpoint does not start"
    try:
        yield server
    finally:
        loops[0].call_soon_threadsafe(ends.set)
        thread.join(30)
