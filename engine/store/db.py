"""Transactions: a synchronous function, run between BEGIN and COMMIT.

What is true at all times:

- No `await` stands between BEGIN and COMMIT, and no cancellation tears a transaction: the
  function runs in a thread, to its end (but see `end_by`).
- The function may run twice (a serialization failure or a deadlock repeats it whole), so it has
  no effects but those in its transaction.
- It never commits and never rolls back; what it raises rolls back and comes out as it is.

What a caller sees when something fails:

| what                                    | comes out       | is it written? |
| --------------------------------------- | --------------- | -------------- |
| the function raises                     | its exception   | no             |
| conflicts, more often than `TRIES`      | `Unreachable`   | no             |
| no connection, or lost before COMMIT    | `Unreachable`   | no             |
| a server that is read-only              | `Unreachable`   | no             |
| another server was promoted (`follow`)  | as if lost      | as if lost     |
| a connection that died while it was idle| nothing: another one is taken   |
| the connection is lost in COMMIT        | `CommitUnknown` | nobody knows   |
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from engine.domain.errors import Refused, Unreachable
from engine.store import embedded, hot
from engine.store.servers import SESSION, Servers, name_of, parameters_of, reason, split

if TYPE_CHECKING:
    import trio

Tx = psycopg.Connection[tuple[Any, ...]]
"""An open transaction: what every function of the store takes first."""

P = ParamSpec("P")
T = TypeVar("T")

OLDEST_SERVER = 180000  # RETURNING old/new, used by the turns, came with PostgreSQL 18

TRIES = 10
"""How often a function runs before its conflicts are given up. Batches are ordered by id, so two
in a row are rare; ten mean that something holds on to the rows."""

BEGIN: Final = b"BEGIN"
BEGIN_POOLED: Final = (
    "BEGIN; " + "; ".join(f"SET LOCAL {name} = '{value}'" for name, value in SESSION.items())
).encode()

NO_OPTIONS: Final = "unsupported startup parameter"
"""How PgBouncer refuses `options`, unless it is told to ignore them."""

FOLLOW_S = 2.0
"""How often the other servers of the URL are asked whether one has been promoted. Each time costs
each of them one connection, some milliseconds."""

Watch = Callable[[float, float, str | None], None]
"""Told of a transaction: seconds of waiting, seconds that it took, and why it failed, if it did."""

PREPARE_AFTER = 2
"""Runs of a statement on a connection before it is prepared: the turns repeat few statements for
hours, and a command line's one-off statement shouldn't pay for it."""

ASIDE = 10
"""The nice value of work that steps aside: about a tenth of what others get of a busy core."""

UNREACHABLE_CLASSES = frozenset({"08", "53", "57", "58"})
"""SQLSTATE classes that say something about the server's health, not about our statement:
connection, out of resources, operator intervention (time-outs too), system error."""


class CommitUnknown(Exception):
    """The connection was lost in COMMIT: nobody knows whether the transaction is written."""


class Database:
    """A pool of connections; every transaction is a synchronous function.

    Connections are kept last in, first out, so that a quiet engine works on one warm connection.
    No thread watches the pool: a connection that died is found out by the BEGIN that opens its
    next transaction, when nothing can have been lost yet, and replaced.
    """

    def __init__(
        self,
        url: str,
        *,
        size: int,
        application_name: str,
        lease: embedded.Lease | None = None,
        listen_url: str | None = None,
    ) -> None:
        """Use `Database.open`; this connects to nothing."""
        self.url = url
        """For a connection of one's own. It may hold a password."""
        self.server_version = 0
        """As PostgreSQL counts it: 180004 is 18.4."""
        self.pooled = False
        """Whether a pooler (PgBouncer and the like) stands between us and the server."""
        self._size = size
        self.parameters = parameters_of(url, application_name)
        """What it connects with. They may hold a password."""
        self._servers = Servers(self.parameters)
        listening = (
            parameters_of(listen_url, application_name, key="database.listen_url")
            if listen_url
            else None
        )
        self._listened = self._servers if listening is None else Servers(listening)
        self._begins = BEGIN
        self._lease = lease
        self._idle: list[Tx] = []
        self._timelines: dict[Tx, int] = {}  # of each connection there is
        self._lock = threading.Lock()  # of _idle, _timelines and _closed
        self._seats = threading.BoundedSemaphore(size)
        self._limiter: trio.CapacityLimiter | None = None
        self._watch: Watch | None = None
        self._under_way: set[trio.CancelScope] = set()
        self._end_at = math.inf
        self._closed = False
        self._aside = False

    @staticmethod
    def open(
        url: str | None,
        *,
        home: Path | None = None,
        size: int = 6,
        application_name: str = "siaran",
        listen_url: str | None = None,
    ) -> Database:
        """Connect to the server at `url`; None: to the embedded one of `home`, started if needed.

        `size` is the number of transactions at a time; `listen_url` is where LISTEN reaches the
        server itself, when `url` is a pooler's. Raises `Unreachable` when nobody answers,
        `Refused` for a URL that is none and for a server that won't do.
        """
        with contextlib.ExitStack() as undo:
            lease = None
            if url is None:
                lease = embedded.join(home or embedded.default_home(), name=application_name)
                undo.callback(lease.close)
                url = lease.url
            database = Database(
                url,
                size=size,
                application_name=application_name,
                lease=lease,
                listen_url=listen_url,
            )
            undo.callback(database.close)
            first = database._connect()
            if lease is None and _is_pooled(first):
                database._be_pooled(first)
            database._keep(first)
            _check_server(first, database.describe())
            database.server_version = first.info.server_version
            undo.pop_all()
        return database

    def run(self, fn: Callable[Concatenate[Tx, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """BEGIN, `fn(tx, *args, **kwargs)`, COMMIT in this thread; what `fn` returns.

        Waits while `size` transactions are running. For failures see the head of this file.
        """
        with self._seats:
            for attempt in range(TRIES):
                if attempt > 0:
                    time.sleep(retry_pause_s(attempt, random.random()))
                try:
                    return self._attempt(lambda tx: fn(tx, *args, **kwargs))
                except (
                    psycopg.errors.SerializationFailure,
                    psycopg.errors.DeadlockDetected,
                    psycopg.errors.InvalidSqlStatementName,  # see `hot`
                ) as error:
                    conflict = error
        raise Unreachable(
            f"{self.describe()}: {TRIES} attempts at one transaction met others that change the"
            " same rows; try again, and look for what holds them (pg_stat_activity)"
        ) from conflict

    async def transact(
        self, fn: Callable[Concatenate[Tx, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`run` in a worker thread.

        A cancellation is seen before it begins or after it ended, never in between: once it has
        begun, its result is returned (the scope ends at the caller's next checkpoint). Only what
        `end_by` says goes before that: then it is `CommitUnknown`, or the cancellation.
        """
        import trio  # here: 50 ms that no command of the command line needs to pay

        if self._limiter is None:
            self._limiter = trio.CapacityLimiter(self._size)
        asked_at = time.monotonic()
        async with self._limiter:
            with (
                self._watched(asked_at),
                trio.CancelScope(shield=True, deadline=self._end_at) as scope,
            ):
                self._under_way.add(scope)
                try:
                    return await trio.to_thread.run_sync(
                        functools.partial(self.run, fn, *args, **kwargs), abandon_on_cancel=True
                    )
                finally:
                    self._under_way.discard(scope)
        await trio.lowlevel.checkpoint_if_cancelled()
        raise CommitUnknown(f"{self.describe()} did not answer before we ended")

    @contextlib.contextmanager
    def _watched(self, asked_at: float) -> Iterator[None]:
        """Tells `watch` how long a transaction waited for its connection, took, and failed."""
        began_at, failure = time.monotonic(), None
        try:
            yield
        except Unreachable:
            failure = "unreachable"
            raise
        except CommitUnknown:
            failure = "unknown"
            raise
        finally:
            if self._watch is not None:
                self._watch(began_at - asked_at, time.monotonic() - began_at, failure)

    def watch(self, watch: Watch) -> None:
        """Tell this of each of `transact`'s transactions, in the event loop's thread."""
        self._watch = watch

    def pool(self) -> tuple[int, int, int]:
        """How many transactions `transact` runs at a time, runs now, and lets wait."""
        if self._limiter is None:
            return self._size, 0, 0
        found = self._limiter.statistics()
        return self._size, found.borrowed_tokens, found.tasks_waiting

    def end_by(self, at: float) -> None:
        """Wait for no transaction longer than until `at` (trio's time): the process is to end.

        A server that stands still, or whose disk does, answers nobody, and no time-out of ours or
        its own ends that. What is under way then may be committed or not, like in a crash of ours.
        """
        self._end_at = at
        for scope in self._under_way:
            scope.deadline = at

    async def follow(self, moved: Callable[[str], None]) -> None:
        """With several servers: leaves one that was in use for another that has been promoted.

        A primary that died is left by whoever gets no answer. This is for one that is cut off, or
        stands still, or goes on answering: all connections to it are cut. What was under way there
        is `Unreachable` or `CommitUnknown`, and is asked for at the new one. `moved` is told where
        that is. Runs until it is cancelled.
        """
        import trio

        known = self._servers.timeline
        while self._servers.several:
            await trio.sleep(FOLLOW_S)
            await trio.to_thread.run_sync(self._look_elsewhere, abandon_on_cancel=True)
            if known < self._servers.timeline:
                known = self._servers.timeline
                moved(self._servers.in_use)

    def _look_elsewhere(self) -> None:
        self._servers.newer(**self._how())
        self._leave()

    def _leave(self) -> None:
        """Cuts the connections to servers that are no primary any more."""
        with self._lock:
            old = [tx for tx, at in self._timelines.items() if at < self._servers.timeline]
            for tx in old:
                # Its thread may be waiting in it, so it is not ours to close; it will find it at
                # its end, and close it. (Should the number be another socket's by now, that one
                # is made anew, like every connection of ours.)
                with contextlib.suppress(OSError, psycopg.Error):
                    there = socket.socket(fileno=os.dup(tx.fileno()))
                    with there:
                        there.shutdown(socket.SHUT_RDWR)

    def connect_to_listen(self) -> Tx | None:
        """A connection for LISTEN, to be given to `hang_up`; None where none of ours can hear.

        Through a pooler LISTEN is heard by nobody. Raises psycopg.Error. Seconds at most.
        """
        if self.pooled and self._listened is self._servers:
            return None
        tx, timeline = self._listened.connect(autocommit=True, prepare_threshold=None)
        if self._listened is self._servers:
            with self._lock:
                self._timelines[tx] = timeline
        return tx

    def hang_up(self, tx: Tx) -> None:
        """Ends a connection."""
        with self._lock:
            self._timelines.pop(tx, None)
        tx.close()

    def step_aside(self) -> None:
        """Let all others go first: for long work that is in no hurry, in a process of its own.

        It means this process, and what the embedded server does for it; on an idle machine nothing
        is slower for it. A server elsewhere has other work than ours, and its own ways.
        """
        if self._lease is None:
            return
        self._aside = True
        os.setpriority(os.PRIO_PROCESS, 0, ASIDE)
        with self._lock:
            for tx in self._idle:
                self._demote(tx)

    def _demote(self, tx: Tx) -> None:
        with contextlib.suppress(OSError):  # it belongs to another account
            os.setpriority(os.PRIO_PROCESS, tx.info.backend_pid, ASIDE)

    def describe(self) -> str:
        """Which database this is, without secrets, as error messages name it."""
        if self._lease is not None:
            return f"the embedded database of {self._lease.home}"
        hosts = self.parameters.get("host") or self.parameters.get("hostaddr") or "localhost"
        if self._servers.several:
            hosts = ",".join(map(name_of, split(self.parameters)))
        return f'database "{self.parameters.get("dbname") or ""}" at {hosts}'

    def close(self) -> None:
        """Close what is idle now, and what is in use when its transaction ends."""
        with self._lock:
            self._closed = True
        self._close_idle()
        if self._lease is not None:
            self._lease.close()

    def _attempt(self, work: Callable[[Tx], T]) -> T:
        """One try, on one connection. Conflicts come out as psycopg raises them."""
        tx = self._begin()
        try:
            result = work(tx)
            if tx.info.transaction_status is not TransactionStatus.INTRANS:
                # COMMIT would quietly roll back, or has been done: either is a bug of `work`.
                raise RuntimeError(
                    "a transaction's function ended it, or went on after an error of the database"
                )
        except psycopg.errors.ReadOnlySqlTransaction as error:
            # A standby, or read-only for a while, which each connection finds out when it begins.
            self.hang_up(tx)
            raise Unreachable(
                f"{self.describe()} takes no changes: {reason(error)}; see whether it is a"
                " standby, or was made read-only"
            ) from error
        except psycopg.Error as error:
            if not self._roll_back(tx) or _is_the_servers(error):
                raise self._unreachable(error) from error
            raise
        except BaseException:
            self._roll_back(tx)
            raise
        self._commit(tx)
        return result

    def _begin(self) -> Tx:
        """A connection with an open transaction."""
        with self._lock:
            if self._closed:
                raise RuntimeError("the Database is closed")
            tx = self._idle.pop() if self._idle else None
        if tx is not None:
            try:
                tx.execute(self._begins, prepare=False)
                return tx
            except psycopg.Error:
                # It died while it was idle; the others will have died with it.
                self.hang_up(tx)
                self._close_idle()
        tx = self._connect()
        try:
            tx.execute(self._begins, prepare=False)
        except psycopg.Error as error:
            self.hang_up(tx)
            raise self._unreachable(error) from error
        return tx

    def _commit(self, tx: Tx) -> None:
        try:
            tx.commit()
        except psycopg.Error as error:
            if tx.info.transaction_status is TransactionStatus.IDLE:
                self._keep(tx)
                raise  # the server answered: it is not written
            self.hang_up(tx)
            raise CommitUnknown(
                f"{self.describe()}: the connection was lost in COMMIT ({reason(error)})"
            ) from error
        except BaseException:
            self.hang_up(tx)
            raise
        self._keep(tx)

    def _roll_back(self, tx: Tx) -> bool:
        """Whether the connection lived on."""
        hot.forget(tx)
        try:
            tx.rollback()
        except psycopg.Error:
            self.hang_up(tx)
            return False
        self._keep(tx)
        return True

    def _connect(self) -> Tx:
        """A new connection."""
        try:
            return self._dial()
        except psycopg.OperationalError as error:
            if self._lease is None or not self._lease.revive():
                raise self._unreachable(error) from error
        try:
            return self._dial()
        except psycopg.OperationalError as error:
            raise self._unreachable(error) from error

    def _dial(self) -> Tx:
        try:
            tx, timeline = self._servers.connect(**self._how())
        except psycopg.OperationalError as error:
            if self.pooled or NO_OPTIONS not in str(error):
                raise
            self._be_pooled(None)
            tx, timeline = self._servers.connect(**self._how())
        with self._lock:
            self._timelines[tx] = timeline
        if self._aside:
            self._demote(tx)
        return tx

    def _how(self) -> dict[str, Any]:
        # autocommit, because BEGIN is said by us: it is where a dead connection shows.
        return {"autocommit": True, "prepare_threshold": None if self.pooled else PREPARE_AFTER}

    def _be_pooled(self, tx: Tx | None) -> None:
        """No session is ours for longer than a transaction: nothing is prepared or set for later."""
        self.pooled = True
        self._begins = BEGIN_POOLED
        self._servers.forget("options")
        if tx is not None:
            tx.prepare_threshold = None

    def _keep(self, tx: Tx) -> None:
        """Make a connection available to the next transaction."""
        with self._lock:
            if not self._closed and self._timelines[tx] >= self._servers.timeline:
                self._idle.append(tx)
                return
        self.hang_up(tx)

    def _close_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for tx in idle:
            self.hang_up(tx)

    def _unreachable(self, error: psycopg.Error) -> Unreachable:
        advice = "" if self._lease else "; check that it runs, and database.url"
        return Unreachable(f"{self.describe()} can't be reached: {reason(error)}{advice}")


def retry_pause_s(attempt: int, chance: float) -> float:
    """Seconds to wait after the conflict number `attempt` (from 1); `chance` is in [0, 1).

    Doubles from 5 ms to 320 ms, and is spread over half of that, so that two that met once don't
    meet again.
    """
    return min(0.005 * 2.0 ** (attempt - 1), 0.32) * (0.5 + chance / 2)


def _check_server(tx: Tx, name: str) -> None:
    if tx.info.server_version < OLDEST_SERVER:
        found = f"{tx.info.server_version // 10000}.{tx.info.server_version % 10000}"
        raise Refused(f"{name} is PostgreSQL {found}; Siaran needs 18 or newer")
    encoding = tx.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise Refused(
            f"{name} stores text as {encoding}; Siaran needs a database created with"
            " ENCODING 'UTF8' (carriers' texts have every character there is)"
        )


def _is_pooled(tx: Tx) -> bool:
    """A pooler makes up the process that it says we are talking to."""
    return tx.execute("SELECT pg_backend_pid()").fetchone() != (tx.info.backend_pid,)


def _is_the_servers(error: psycopg.Error) -> bool:
    """Whether an error says that the server is away or unwell; else it is our statement's.

    Without an SQLSTATE the server did not say it: libpq did, of the connection, or psycopg, of a
    value or a placeholder. Taken for an outage, that would be waited for without end.
    """
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return error.sqlstate[:2] in UNREACHABLE_CLASSES
