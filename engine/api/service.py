"""What every route of the API uses: who asks, and a bounded part of the database's seats.

The binds' loop is never blocked: what is done is done in threads. The API takes at most half of the
connections, so that turns never wait for its clients.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Annotated, Concatenate, Final, ParamSpec, Protocol, TypeVar

import trio
from fastapi import Depends, Request

from config.settings import Http
from engine import clock
from engine.api import guard
from engine.api.credentials import Doorkeeper
from engine.api.gathering import Gathering
from engine.api.limits import PATIENCE, Buckets, Patience, too_many
from engine.operations import Actor, submitting
from engine.store.db import Database, Tx

P = ParamSpec("P")
T = TypeVar("T")

SEATS: Final = 3
"""Transactions of the API at a time, of the pool's six."""

LONG: Final = 2
"""Imports and campaigns that are made at a time; each holds a thread and now and then a seat."""

WAKING_S: Final = 0.1
"""NOTIFY takes a lock of the whole database: so often is enough to be heard at once."""


class Woken(Protocol):
    """Called when there is something new to launch, where an engine is in the same process."""

    def __call__(self) -> None: ...


class Api:
    """The server's side of all routes; `run` must be running."""

    def __init__(
        self,
        db: Database,
        *,
        http: Http,
        patience: Patience = PATIENCE,
        private_callbacks: bool = False,
        woken: Woken | None = None,
        count: Callable[[int], None] = lambda status: None,
    ) -> None:
        self.db = db
        self.http = http
        self.patience = patience
        self.private_callbacks = private_callbacks
        self._seats = trio.CapacityLimiter(SEATS)
        self._long = trio.CapacityLimiter(LONG)
        self._rates = Buckets(http.user_rate)
        self._woken = woken
        self.count = count
        self._told = float("-inf")
        self._memory = submitting.Memory()
        self.doorkeeper = Doorkeeper(self.ask)
        self.gathering = Gathering(self._accept)

    async def run(self) -> None:
        """Accepts messages until cancelled."""
        await self.gathering.run()

    async def ask(
        self, verb: Callable[Concatenate[Tx, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """A verb of the operations, in a transaction of its own."""
        async with self._seats:
            return await self.db.transact(verb, *args, **kwargs)

    async def work(
        self, verb: Callable[Concatenate[Database, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """A verb that takes several transactions, in a thread.

        When the engine ends meanwhile, it is like a crash: what has not committed is undone.
        """
        call = functools.partial(verb, self.db, *args, **kwargs)
        return await trio.to_thread.run_sync(call, limiter=self._long, abandon_on_cancel=True)

    async def admit(self, authorization: str | None) -> Actor:
        """Who asks, of whom a request is counted. Raises Problem for nobody, and above the limit."""
        actor = await self.doorkeeper.who(authorization)
        if (wait_s := self._rates.take(actor, trio.current_time())) > 0:
            raise too_many(wait_s)
        return actor

    async def _accept(self, requests: Sequence[submitting.Request]) -> list[submitting.Outcome]:
        now = trio.current_time()
        waking = self._woken is None and now - self._told >= WAKING_S
        if waking:
            self._told = now
        outcomes = await self.ask(
            submitting.accept, requests, clock.utc_now(), memory=self._memory, waking=waking
        )
        if self._woken is not None:
            self._woken()
        return outcomes


def api_of(request: Request) -> Api:
    """The API whose route this is."""
    api = request.app.state.api
    assert isinstance(api, Api)
    return api


async def served(request: Request) -> Api:
    """The same as a dependency: one that is no coroutine costs a hop into a thread."""
    return api_of(request)


async def asker(request: Request) -> Actor:
    """Who asks: the guard has let nobody else come so far."""
    actor = request.scope[guard.ASKER]
    assert isinstance(actor, Actor)
    return actor


Served = Annotated[Api, Depends(served)]
Asker = Annotated[Actor, Depends(asker)]
