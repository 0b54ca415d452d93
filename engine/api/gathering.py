"""Requests of many clients, gathered into one transaction each time one can begin (R-7.8).

A commit costs a millisecond or more, whatever is in it. So who comes while one is under way waits
for the next, and shares it with all who came meanwhile: a quiet server answers as fast as it can, a
busy one takes more in each. Nobody is answered before the commit; a request that is refused, or
that nobody expected, spoils no other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import trio

from engine import log
from engine.api.problems import Problem
from engine.domain.errors import Unreachable
from engine.operations import submitting
from engine.operations.submitting import Answer, Outcome, Request
from engine.store.db import CommitUnknown

AT_ONCE: Final = 2
"""Transactions under way: while one commits, the next is judged."""

MOST_MESSAGES: Final = 2_000
"""Messages of a transaction, unless one request alone has more: some tens of milliseconds."""

MOST_WAITING: Final = 20_000
"""Messages that wait, some seconds' worth; who comes then is told to come again."""

Run = Callable[[Sequence[Request]], Awaitable[list[Outcome]]]


@dataclass(slots=True, eq=False)
class _Waiting:
    request: Request
    done: trio.Event = field(default_factory=trio.Event)
    outcome: Answer | Exception | None = None


class Gathering:
    """The queue of requests between the clients and the database."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._queue: deque[_Waiting] = deque()
        self._messages = 0
        self._idle = trio.lowlevel.ParkingLot()
        self._keys: set[tuple[str, str]] = set()
        self._ended = False

    async def accept(self, request: Request) -> Answer:
        """The answer, once it is committed. Raises what `submitting.accept` gives, and Problem."""
        if self._ended:
            raise Unreachable("the engine ends")
        if self._messages + len(request.messages) > MOST_WAITING:
            raise Problem(
                "unavailable",
                f"{self._messages:,} messages wait to be accepted; come again in a moment",
                headers={"Retry-After": "2"},
            )
        key = None if request.key is None else (request.actor.application, request.key)
        if key in self._keys:
            raise submitting.UnderWay(
                "Idempotency-Key: the first request under it is not done yet; repeat this in a "
                "moment"
            )
        waiting = _Waiting(request)
        self._queue.append(waiting)
        self._messages += len(request.messages)
        if key is not None:
            self._keys.add(key)
        self._idle.unpark()
        try:
            # Who hangs up does not take back what the transaction has begun.
            with trio.CancelScope(shield=True):
                await waiting.done.wait()
        finally:
            self._messages -= len(request.messages)
            if key is not None:
                self._keys.discard(key)
        if isinstance(waiting.outcome, Answer):
            return waiting.outcome
        assert waiting.outcome is not None
        raise waiting.outcome

    async def run(self) -> None:
        """Accepts until cancelled; who waits then gets no answer, and may repeat under its key."""
        try:
            async with trio.open_nursery() as nursery:
                for _ in range(AT_ONCE):
                    nursery.start_soon(self._loop)
        finally:
            self._ended = True  # a request that is just being read must not wait for ever
            for waiting in self._queue:
                _fail(waiting, Unreachable("the engine ends"))

    async def _loop(self) -> None:
        while True:
            batch = self._take()
            if not batch:
                await self._idle.park()
                continue
            try:
                await self._accept(batch)
            finally:
                for waiting in batch:
                    _fail(waiting, CommitUnknown("the engine ends"))

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        n = 0
        while self._queue:
            n += len(self._queue[0].request.messages)
            if batch and n > MOST_MESSAGES:
                break
            batch.append(self._queue.popleft())
        return batch

    async def _accept(self, batch: list[_Waiting]) -> None:
        try:
            outcomes = await self._run([waiting.request for waiting in batch])
        except (Unreachable, CommitUnknown) as error:
            for waiting in batch:
                _fail(waiting, error)
        except Exception as error:
            if len(batch) > 1:  # one of them is the cause; the others have nothing to do with it
                for waiting in batch:
                    await self._accept([waiting])
                return
            log.error("api.failed", error=type(error).__name__)
            _fail(batch[0], Problem("internal", "it could not be accepted; it is in the log"))
        else:
            for waiting, outcome in zip(batch, outcomes, strict=True):
                waiting.outcome = outcome
                waiting.done.set()


def _fail(waiting: _Waiting, error: Exception) -> None:
    if not waiting.done.is_set():
        waiting.outcome = error
        waiting.done.set()
