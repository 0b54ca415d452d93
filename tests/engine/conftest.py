"""An engine in this process, a simulated SMSC beside it, and a database of the test's own.

All of it is real but the processes' borders. Nobody sleeps: each commit, each log line and each
count of the simulator is news, and `News.until` looks again when there is some.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import os
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import trio

from config.settings import Carrier, Http, Node, Settings, Timers, catch_all
from engine import app, clock
from engine.store.db import Database
from smpp import simulator
from smpp.simulator import Counters, Options
from tests.road import Road

NAMES = (f"test-{os.getpid()}-{n}" for n in itertools.count(1))
"""Nodes: the lock of a name is the machine's."""

PATIENCE_S = float(os.environ.get("SIARAN_TEST_PATIENCE", 30))
"""How long anything may take that is waited for, on a machine that has other things to do."""

QUICK = Timers(
    reconnect_min_s=0.02, reconnect_max_s=0.1, after_unbind_s=0.02, refused_min_s=0.02,
    refused_max_s=0.1, unbind_timeout_s=0.5,
)  # fmt: skip


class News:
    """Wakes whoever waits for something to become true."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        """What all engines have logged."""
        self._event = trio.Event()

    def tell(self) -> None:
        """Something has changed."""
        self._event.set()
        self._event = trio.Event()

    async def until(self, condition: Callable[[], object], what: str | Callable[[], str]) -> None:
        """Come back when the condition holds."""
        await trio.lowlevel.checkpoint()
        with trio.move_on_after(PATIENCE_S) as patience:
            while not condition():
                await self._event.wait()
        if patience.cancelled_caught:
            words = what if isinstance(what, str) else what()
            raise AssertionError("\n".join([f"{words}: did not come about", *self.lines[-20:]]))


class Told(Counters):
    """The simulator's counts, each change of which is news."""

    def __init__(self, news: News) -> None:
        object.__setattr__(self, "news", news)
        Counters.__init__(self)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        self.news.tell()

    news: News


@dataclass(slots=True, eq=False)
class Smsc:
    """A simulated SMSC."""

    port: int
    counters: Told


@dataclass(slots=True, eq=False)
class Engine:
    """A running engine."""

    settings: Settings
    news: News
    lines: list[str] = field(default_factory=list)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)

    def logged(self, event: str) -> list[str]:
        """The log lines of that event."""
        return [line for line in self.lines if line.split(" ")[1] == event]

    async def get(self, path: str) -> tuple[int, str]:
        """What its HTTP server answers: status and body."""
        [line] = self.logged("http.listening")
        [address] = json.loads(line.partition("addresses=")[2])
        return await trio.to_thread.run_sync(_get, f"{address}{path}")

    def kill(self) -> None:
        """Stop it in the midst of everything, between two steps of its tasks."""
        self.scope.cancel()


@dataclass(slots=True, eq=False)
class Stage:
    """What a test plays on."""

    road: Road
    news: News
    url: str | None = None
    """Of the engines' database, where their way to it is not the road's."""

    @asynccontextmanager
    async def smsc(self, **options: Any) -> AsyncIterator[Smsc]:
        """A simulator; its receipts come at once when nothing else is said."""
        counters = Told(self.news)
        async with trio.open_nursery() as nursery:
            serve = partial(simulator.serve, utc_now=clock.utc_now, counters=counters)
            port = await nursery.start(serve, Options(port=0, seed=1, **options))
            yield Smsc(port, counters)
            nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def engine(
        self, port: int, *, name: str | None = None, timers: Timers = QUICK, **carrier: Any
    ) -> AsyncIterator[Engine]:
        """An engine with one carrier on that port of this machine; killed after the block."""
        words = {"system_id": "siaran", "timers": timers, **carrier}
        carriers = (Carrier(name="tui", host="127.0.0.1", port=port, **words),)
        settings = Settings(
            node=Node(name=name or next(NAMES)),
            http=Http(listen="127.0.0.1:0"),
            carriers=carriers,
            routes=catch_all(carriers),
        )
        async with self.running(settings) as engine:
            yield engine

    @asynccontextmanager
    async def running(self, settings: Settings) -> AsyncIterator[Engine]:
        """An engine with these settings; what `Engine.settings` is later, a reload takes."""
        engine = Engine(settings, self.news)
        with (
            _overheard(engine),
            contextlib.closing(_watched(self.url or self.road.database.url, self.news)) as database,
        ):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_run, engine, database)
                await self.news.until(lambda: engine.logged("http.listening"), "the engine's start")
                yield engine
                engine.kill()

    async def until(self, condition: Callable[[], object], what: str | Callable[[], str]) -> None:
        """Come back when the condition holds."""
        await self.news.until(condition, what)

    def campaign(self, members: int, text: str = "Hello %%1%%") -> int:
        """A campaign that is due; whoever listens hears of it."""
        campaign_id = self.road.planned(members, text=text)
        self.road.sql("NOTIFY siaran")
        return campaign_id

    async def settled(self, campaign_id: int, **states: int) -> None:
        """Wait until the campaign's messages are in these states."""
        await self.until(
            lambda: self.road.states(campaign_id) == states,
            lambda: f"{states}, there are {dict(self.road.states(campaign_id))}",
        )
        self.road.check()


@pytest.fixture
def stage(database: Database) -> Stage:
    """A database with a schema, and nobody on the stage yet."""
    return Stage(Road.open(database, "nobody"), News())


async def _run(engine: Engine, database: Database) -> None:
    with engine.scope:
        await app.run(engine.settings, database, lambda: engine.settings)


@contextlib.contextmanager
def _overheard(engine: Engine) -> Iterator[None]:
    """A filter hears what is logged, whatever the engine does to the handlers.

    Of several engines each hears all: there is one log of a process.
    """
    logger = logging.getLogger("siaran")
    if not _hearing:
        logger.addFilter(_hear)
    _hearing.append(engine)
    try:
        yield
    finally:
        _hearing.remove(engine)
        if not _hearing:
            logger.removeFilter(_hear)


_hearing: list[Engine] = []


def _hear(record: logging.LogRecord) -> bool:
    for engine in _hearing:
        engine.lines.append(record.getMessage())
    _hearing[0].news.lines.append(record.getMessage())
    _hearing[0].news.tell()
    return False


def _watched(url: str, news: News) -> Database:
    """A database each transaction of which is news."""
    database = Database.open(url)
    transact = database.transact

    async def watched(fn: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return await transact(fn, *args, **kwargs)
        finally:
            news.tell()

    database.transact = watched  # type: ignore[method-assign, assignment]
    return database


def _get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
