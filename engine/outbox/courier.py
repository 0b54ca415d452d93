"""What tells one endpoint: many posts at a time, the events of one message in their order (R-7.4).

    claimed → posted → done       written away many at a time
                     ↘ later      and the later events of its message behind it
                     ↘ parked     the next one of its message follows
                     ↘ suspended  nothing is counted against it: it is due when a person has seen to it

What is true at all times:

- An event is deleted only after its 2xx, so it is told at least once. What is not written yet is held
  in memory (`_held`), and not claimed again; of that there is no more than LAG, so that after kill -9
  at most the posts under way and LAG answers are repeated. After a 2xx was committed none is.
- Of one message one event is under way; the next one begins after an answer that settles it.
- No claim runs beside a write, so what a claim has read is what memory knows, too.
- Nothing is begun in the second half of the lease, and no post takes that long: no other process
  tells the endpoint meanwhile.
- Nothing is shared with other endpoints but the pool of database connections, and a courier asks for
  one of these at a time for claims and one for results.

All of it is coroutines of asyncio's, since a switch to trio for each post would cost as much as the
post; the database is trio's.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, assert_never

import trio_asyncio

from engine import clock, log
from engine.domain.answers import Fate, retry_after_s
from engine.domain.breaker import Breaker
from engine.domain.errors import Unreachable
from engine.domain.retry import Gaps, next_attempt
from engine.lease import Lease
from engine.metrics import Metrics
from engine.outbox.http import SLOTS, TOTAL_S, Answer, Poster
from engine.store import posting
from engine.store.callbacks import Endpoint
from engine.store.db import CommitUnknown, Database
from engine.store.posting import Event, Failed, Later, Parked, Results

CLAIMED: Final = 500
"""Events that a claim brings at most."""

FEW: Final = 200
"""With fewer that wait in memory, more are claimed."""

LAG: Final = 50
"""Answers that wait to be written; with more nothing is begun."""


@dataclass(slots=True, eq=False)
class Courier:
    """One endpoint's, as it is set now. `run` it; it ends some time after `retire`."""

    db: Database
    metrics: Metrics
    endpoint: Endpoint
    holder: int
    gaps: Gaps
    allow_private: bool
    look_s: float
    breaker: Breaker = field(default_factory=Breaker)
    total_s: float = TOTAL_S
    slots: int = SLOTS
    jitter: Callable[[], float] = field(default_factory=lambda: random.Random().random)
    suspended: str | None = field(default=None, init=False)
    """Why nothing more may be posted before a person has seen to it."""
    busy_at: float = field(init=False)
    """When it last had something to do (boottime)."""
    _queues: dict[int, deque[Event]] = field(default_factory=dict, init=False)
    """By message: what waits, the first one of it may be under way."""
    _ready: deque[int] = field(default_factory=deque, init=False)
    """Messages of which nothing is under way."""
    _held: set[int] = field(default_factory=set, init=False)
    """Events in memory: waiting, under way, or not written yet."""
    _behind: dict[int, Failed] = field(default_factory=dict, init=False)
    """By message: an event of it that failed, as long as that is not written."""
    _results: Results = field(default_factory=Results, init=False)
    _writing: Results = field(default_factory=Results, init=False)
    _slots: set[asyncio.Task[None]] = field(default_factory=set, init=False)
    _lease: Lease = field(init=False)
    _news: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _answered: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _books: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    """Held by a claim, and by a write."""
    _due: bool = field(default=True, init=False)
    _retired: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._lease = Lease(posting.LEASE.total_seconds() / 2)
        self.busy_at = clock.boottime()

    @property
    def name(self) -> str:
        """For logs and metrics: `shop/receipt`."""
        return f"{self.endpoint.application}/{self.endpoint.kind}"

    def wake(self) -> None:
        """Something is due."""
        self._due = True
        self._news.set()

    def retire(self) -> None:
        """Begin no other post, and end when all results are written."""
        self._retired = True
        self._news.set()

    async def run(self) -> None:
        """Works until it is retired, or cancelled. In trio."""
        await trio_asyncio.aio_as_trio(self._run)()

    # ---- the rounds

    async def _run(self) -> None:
        async with Poster(
            self.endpoint, self.allow_private, total_s=self.total_s, slots=self.slots
        ) as poster:
            writer = asyncio.create_task(self._write())
            try:
                while not self._retired:
                    self._news.clear()
                    if self._hungry:
                        await self._claim()
                    pause = self._begin(poster)
                    if not self._hungry or pause:
                        await self._wait(pause)
                while self._slots or self._results or self._writing:
                    self._news.clear()
                    await self._wait(None)
            finally:
                tasks = [writer, *self._slots]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def _hungry(self) -> bool:
        """Whether more should be claimed."""
        return self._due and len(self._queues) < FEW and not self._retired

    async def _wait(self, pause: float | None) -> None:
        """Until there is news, or the pause is over."""
        try:
            async with asyncio.timeout(pause):
                await self._news.wait()
        except TimeoutError:
            pass

    async def _claim(self) -> None:
        """Takes what is due next into memory. `_due` is false when that was all."""
        self._due = False
        async with self._books:
            asked_at = clock.boottime()
            limit = len(self._held) + CLAIMED
            try:
                events = await self._transact(
                    posting.claim,
                    self.endpoint.id,
                    self.endpoint.kind,
                    self.holder,
                    clock.utc_now(),
                    limit,
                )
            except (Unreachable, CommitUnknown):
                return  # whoever looks wakes us again
            if events is None:  # another process has the endpoint
                return
        self._lease.renewed(asked_at)
        self._due = self._due or len(events) == limit
        new = [event for event in events if event.id not in self._held]
        if new:
            self.busy_at = asked_at
        new.sort(key=attrgetter("about_id", "id"))
        for about_id, group in groupby(new, attrgetter("about_id")):
            self._take(about_id, list(group))

    def _take(self, about_id: int, events: list[Event]) -> None:
        """Events of one message, in their order: behind those in memory, or behind one that waits."""
        queue = self._queues.get(about_id)
        failed = self._behind.get(about_id)
        self._held.update(event.id for event in events)
        if failed is not None:
            self._put_off(events, failed.due_at)
        elif queue is not None:
            queue.extend(events)
        elif (until := events[0].behind) is not None:
            self._put_off(events, until)
        else:
            self._queues[about_id] = deque(events)
            self._ready.append(about_id)

    def _put_off(self, events: Iterable[Event], until: datetime) -> None:
        self._results.later += [Later(event.id, until) for event in events]
        self._answered.set()

    def _begin(self, poster: Poster) -> float | None:
        """Begins what may be begun; how long to wait at most before it is looked again."""
        now = clock.boottime()
        if self._ready and not self._lease.holds(now):  # another process may have it by now
            while self._ready:
                self._let_go(self._queues.pop(self._ready.popleft()))
            self._due = True
        allowed = self.breaker.allowed(self.slots, now)
        for _ in range(min(allowed - len(self._slots), len(self._ready))):
            if not self._may_begin(now):
                break
            slot = asyncio.create_task(self._slot(poster, self._ready.popleft()))
            self._slots.add(slot)
            slot.add_done_callback(self._ended)
        return self.breaker.until - now if now < self.breaker.until else None

    def _may_begin(self, now: float) -> bool:
        few = len(self._results) + len(self._writing) < LAG
        return few and self._lease.holds(now) and not self._retired

    def _let_go(self, events: Iterable[Event]) -> None:
        """They are as they were: due, and to be claimed again."""
        self._held.difference_update(event.id for event in events)

    def _ended(self, slot: asyncio.Task[None]) -> None:
        self._slots.discard(slot)
        self._news.set()

    # ---- one message after another

    async def _slot(self, poster: Poster, about_id: int) -> None:
        """Tells the events of a message, then those of the next one, as long as that is allowed."""
        while True:
            await self._tell(poster, about_id)
            now = clock.boottime()
            room = len(self._slots) <= self.breaker.allowed(self.slots, now)
            if not (room and self._ready and self._may_begin(now)):
                return
            about_id = self._ready.popleft()
            if self._hungry:
                self._news.set()

    async def _tell(self, poster: Poster, about_id: int) -> None:
        """The events of a message, until one of them has to wait."""
        queue = self._queues[about_id]
        while queue:
            event = queue[0]
            if event.body is None:
                answer = None
                self._park(event, "what it was about is not kept any more")
            else:
                answer = await poster.post(event.key, event.body)
            if answer is not None and not self._settle(event, answer):
                break
            queue.popleft()
            if queue and self.breaker.allowed(1, clock.boottime()) == 0:
                break
        del self._queues[about_id]
        failed = self._behind.get(about_id)
        if failed is None:
            self._due = self._due or bool(queue)
            self._let_go(queue)
        else:
            self._put_off((event for event in queue if event.id != failed.id), failed.due_at)

    def _settle(self, event: Event, answer: Answer) -> bool:
        """Takes down what an answer means; whether the next event of its message may follow."""
        now = clock.boottime()
        self.busy_at = now
        if not answer.posted and answer.fate is Fate.LATER:  # there is no token, for nobody
            self.metrics.outbox.callback_failed(self.name, answer.reason)
            self._waits(answer, self.breaker.failed(now, self.jitter(), at_once=True))
            return False
        match answer.fate:
            case Fate.DONE:
                self._results.done.append(event.id)
                self._answered.set()
                self._good()
                return True
            case Fate.PARKED:
                self.metrics.outbox.callback_failed(self.name, answer.reason)
                self._park(event, answer.text)
                self._good()
                return True
            case Fate.SUSPENDS:
                self.metrics.outbox.callback_failed(self.name, answer.reason)
                self.suspended = self.suspended or answer.text
                self.retire()
                return False
            case Fate.LATER:
                self.metrics.outbox.callback_failed(self.name, answer.reason)
                return self._failed(event, answer, now)
            case _:
                assert_never(answer.fate)

    def _failed(self, event: Event, answer: Answer, now: float) -> bool:
        """It is tried again, or has been for long enough."""
        at = clock.utc_now()
        wait_s = retry_after_s(answer.retry_after, at)
        self._waits(answer, self.breaker.failed(now, self.jitter(), retry_after_s=wait_s))
        due_at = next_attempt(
            self.gaps, event.attempts + 1, event.first_at or at, at, self.jitter()
        )
        if due_at is None:
            self._park(event, f"given up: {answer.text}")
            return True
        if wait_s is not None:
            due_at = at + timedelta(seconds=wait_s)
        failed = Failed(event.id, answer.text, due_at)
        self._behind[event.about_id] = failed
        self._results.failed.append(failed)
        self._answered.set()
        return False

    def _park(self, event: Event, reason: str) -> None:
        self._results.parked.append(Parked(event.id, reason))
        self._answered.set()

    def _waits(self, answer: Answer, opened: bool) -> None:
        if opened:
            log.error("endpoint.waits", endpoint=self.name, reason=answer.reason, why=answer.text)
            self.metrics.outbox.endpoint(self.name, up=False)

    def _good(self) -> None:
        if self.breaker.good():
            log.info("endpoint.goes_on", endpoint=self.name)
            self.metrics.outbox.endpoint(self.name, up=True)
            self._news.set()

    # ---- the books

    async def _write(self) -> None:
        """Writes what became of events, many at a time, whatever time the database takes."""
        while True:
            await self._answered.wait()
            self._answered.clear()
            while self._results:
                self._writing, self._results = self._results, Results()
                async with self._books:
                    await self._write_down(posting.write, self._writing, clock.utc_now())
                    self._forget(self._writing)
                self._writing = Results()
                self._news.set()

    def _forget(self, results: Results) -> None:
        """What is written needs no memory."""
        self._held.difference_update(results.ids)
        if results.failed:
            ids = {one.id for one in results.failed}
            self._behind = {key: one for key, one in self._behind.items() if one.id not in ids}
        self.metrics.outbox.callbacks_told(
            self.name, len(results.done), len(results.failed), len(results.parked)
        )
        if results.parked:
            log.error(
                "callback.dead",
                endpoint=self.name,
                count=len(results.parked),
                reason=results.parked[0].reason,
            )

    async def _write_down(self, fn: Callable[..., object], *args: object) -> None:
        while True:
            try:
                await self._transact(fn, *args)
            except (Unreachable, CommitUnknown):
                await asyncio.sleep(self.look_s)
            else:
                return

    async def _transact(self, fn: Callable[..., Any], *args: object) -> Any:
        result = await trio_asyncio.trio_as_aio(self.db.transact)(fn, *args)
        # A transaction is never torn, so it answers though we were cancelled meanwhile; of that
        # asyncio reminds nobody.
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError
        return result
