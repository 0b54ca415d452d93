"""The task that empties the outbox: mails, for now (R-6.8, R-8.3).

    claim → sent → deleted           in the order of each recipient, over a few connections
                 ↘ due later         4xx, time-out, broken connection: the recipient's next ones wait
                 ↘ dead              5xx, or five days of failures: kept, counted, said in the log
    the server is in trouble         nobody's fault: all wait as they are, and it is asked again soon

What is true at all times:

- A row is deleted only after the server has taken the mail, so a mail is sent at least once. After
  kill -9 at most one a connection is sent twice, under the same Message-ID.
- One node sends at a time, by a lease; it does not outlive what was claimed under it.
- Nothing else in the engine waits for this task.
"""

from __future__ import annotations

import contextlib
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import trio
import trio_asyncio

from config.settings import Smtp
from engine import clock, log
from engine.domain.errors import Unreachable
from engine.domain.retry import FOR_MAIL, Gaps, next_attempt
from engine.metrics import Metrics
from engine.outbox import mail
from engine.store import outbox
from engine.store.db import CommitUnknown, Database
from engine.store.outbox import Mail

LOOK_S: Final = 1.0
"""How often it is looked for mails that are due."""

COUNT_S: Final = 15.0
"""How often what waits is counted, for the metrics."""

CONNECTIONS: Final = 4

CLAIMED_S: Final = 60.0
"""So long mails of a claim are begun with; then it is claimed anew, and the lease is renewed."""

FOR_SERVER: Final = Gaps(first_s=1, most_s=300, for_s=float("inf"))
"""The pauses while the mail server is in trouble."""


@dataclass(slots=True)
class Worker:
    """The task; `smtp` may be another one at any time, None while no mail server is configured."""

    db: Database
    metrics: Metrics
    node_id: int
    smtp: Smtp | None
    gaps: Gaps = FOR_MAIL
    server_gaps: Gaps = FOR_SERVER
    exchange_s: float = mail.EXCHANGE_S
    look_s: float = LOOK_S
    jitter: Callable[[], float] = field(default_factory=lambda: random.Random().random)
    _ending: trio.Event = field(default_factory=trio.Event)
    _ended: trio.Event = field(default_factory=trio.Event)
    _troubles: int = 0
    """How often in a row the server was in trouble."""

    async def run(self) -> None:
        """Works until `stop`, or cancelled."""
        try:
            async with trio_asyncio.open_loop(), trio.open_nursery() as nursery:
                nursery.start_soon(self._count)
                await self._work()
                nursery.cancel_scope.cancel()
        finally:
            # Also when it was cut off: nothing is under way any more. `db.end_by` bounds it.
            with trio.CancelScope(shield=True):
                await self._release()
            self._ended.set()

    def stop(self) -> None:
        """Begin no other mail."""
        self._ending.set()

    async def wait_stopped(self) -> None:
        """Comes back when the mails that were begun have been sent, or have failed."""
        await self._ended.wait()

    # ---- the rounds

    async def _work(self) -> None:
        while not self._ending.is_set():
            pause = self.look_s
            if self.smtp is not None:
                try:
                    pause = await self._round(self.smtp)
                except (Unreachable, CommitUnknown):
                    pause = self.look_s  # `keep_lease` says so
            with trio.move_on_after(pause):
                await self._ending.wait()

    async def _round(self, smtp: Smtp) -> float:
        """Sends what is due; how long to wait before the next one."""
        claim = await self.db.transact(outbox.claim_mails, self.node_id, clock.utc_now())
        if not claim.groups:
            return 0.0 if claim.more else self.look_s
        groups = deque(claim.groups)
        until = trio.current_time() + CLAIMED_S
        troubles: list[mail.ServerTrouble] = []
        async with trio.open_nursery() as nursery:
            for _ in range(min(CONNECTIONS, len(groups))):
                nursery.start_soon(self._send_all, smtp, groups, until, troubles)
        if troubles:
            return self._in_trouble(troubles[0])
        self._well()
        return 0.0

    async def _send_all(
        self,
        smtp: Smtp,
        groups: deque[tuple[Mail, ...]],
        until: float,
        troubles: list[mail.ServerTrouble],
    ) -> None:
        """One connection: each group's mails in their order; the next waits when one fails."""

        def goes_on() -> bool:
            in_time = trio.current_time() < until
            return in_time and not troubles and not self._ending.is_set()

        while groups and goes_on():
            try:
                async with mail.connected(smtp, self.exchange_s) as connection:
                    while groups and goes_on() and not connection.broken:
                        for one in groups.popleft():
                            if not goes_on() or not await self._send(smtp, connection, one):
                                break
            except mail.ServerTrouble as trouble:
                troubles.append(trouble)

    async def _send(self, smtp: Smtp, connection: mail.Connection, one: Mail) -> bool:
        """Sends a mail and writes down what became of it; whether the next may follow."""
        now = clock.utc_now()
        try:
            await connection.send(one.recipient, mail.written(one, smtp))
        except mail.Refused as error:
            await self._write(outbox.died, one.id, str(error), now)
            self._tell_dead(one, error)
            return not connection.broken
        except mail.Later as error:
            return await self._failed(one, error)
        await self._write(outbox.done, [one.id])
        self.metrics.outbox.mail_sent()
        self._well()
        return True

    async def _failed(self, one: Mail, error: mail.Later) -> bool:
        """It is tried again, or has been for long enough; whether the next may follow."""
        now = clock.utc_now()
        failures = one.attempts + 1
        due_at = next_attempt(self.gaps, failures, one.first_at or now, now, self.jitter())
        if due_at is None:
            await self._write(outbox.died, one.id, f"given up: {error}", now)
            self._tell_dead(one, error)
            return True
        await self._write(outbox.failed, one.id, str(error), due_at, now)
        self.metrics.outbox.mail_failed(error.reason)
        log.warning(
            "mail.failed",
            id=one.id,
            to=mail.masked(one.recipient),
            reason=error.reason,
            code=_code(error),
            failures=failures,
            again_at=due_at.isoformat(timespec="seconds"),
        )
        return False

    async def _write(self, fn: Callable[..., None], *args: object) -> None:
        """A result is written down, whatever time the database takes: else it is sent once more."""
        while True:
            try:
                await self.db.transact(fn, *args)
            except (Unreachable, CommitUnknown):
                await trio.sleep(self.look_s)
            else:
                return

    def _tell_dead(self, one: Mail, error: mail.Later) -> None:
        self.metrics.outbox.mail_failed(error.reason)
        self.metrics.outbox.mail_dead()
        log.error(
            "mail.dead",
            id=one.id,
            to=mail.masked(one.recipient),
            reason=error.reason,
            code=_code(error),
        )

    # ---- the server

    def _in_trouble(self, trouble: mail.ServerTrouble) -> float:
        """How long to leave it alone. Said once, however long it lasts, for each reason."""
        self._troubles += 1
        self.metrics.outbox.mail_failed(trouble.reason)
        self.metrics.outbox.mail_server(up=False)
        pause = self.server_gaps.pause_s(self._troubles, self.jitter())
        if self._troubles == 1:
            log.error("mail.waits", reason=trouble.reason, why=mail.masked(str(trouble)))
        return pause

    def _well(self) -> None:
        if self._troubles:
            log.info("mail.goes_on", after_failures=self._troubles)
        self._troubles = 0
        self.metrics.outbox.mail_server(up=True)

    # ---- around it

    async def _count(self) -> None:
        """Tells the metrics what waits."""
        while True:
            try:
                depth = await self.db.transact(outbox.mails)
            except (Unreachable, CommitUnknown):
                pass
            else:
                age = clock.utc_now() - depth.oldest_at if depth.oldest_at else None
                self.metrics.outbox.mails(depth.waiting, age.total_seconds() if age else 0.0)
            await trio.sleep(COUNT_S)

    async def _release(self) -> None:
        """Another node may go on at once."""
        with contextlib.suppress(Unreachable, CommitUnknown):  # then it runs out by itself
            await self.db.transact(outbox.release, outbox.MAIL, self.node_id)


def _code(error: mail.Later) -> str | None:
    """The number in an answer; its words may have an address or a piece of the text in them."""
    code = str(error).partition(" ")[0]
    return code if code.isdecimal() else None
