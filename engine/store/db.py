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
| a connection that died while it was idle| nothing: another one is taken   |
| the connection is lost in COMMIT        | `CommitUnknown` | nobody knows   |
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from engine.domain.errors import Refused, Unreachable
from engine.store import embedded, hot

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

CONNECTING = {
    # A dead host must not hang a thread: three seconds to connect (each host of the URL), five
    # for octets that nobody acknowledges, nine (5 + 2 x 2) of silence while we wait for an answer.
    "connect_timeout": 3,
    "tcp_user_timeout": 5000,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "client_encoding": "UTF8",
}

SESSION = (
    # Times are UTC on every side, whatever the server's default.
    "-c TimeZone=UTC "
    # The longest honest statement is an import's merge of a million rows (a few tens of seconds);
    # one that takes longer waits for a lock that nobody gives back.
    "-c statement_timeout=60s "
    # Between two statements there is only our own arithmetic (milliseconds). A client that stops
    # there, swapped out or in a debugger, must not hold the queue's row locks for long.
    "-c idle_in_transaction_session_timeout=30s"
)

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
    ) -> None:
        """Use `Database.open`; this connects to nothing."""
        self.url = url
        """For a connection of one's own (LISTEN, a subprocess). It may hold a password."""
        self.server_version = 0
        """As PostgreSQL counts it: 180004 is 18.4."""
        self._size = size
        self._parameters = _parameters(url, application_name)
        self._lease = lease
        self._idle: list[Tx] = []
        self._lock = threading.Lock()  # of _idle and _closed
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
    ) -> Database:
        """Connect to the server at `url`; None: to the embedded one of `home`, started if needed.

        `size` is the number of transactions at a time. Raises `Unreachable` when nobody answers,
        `Refused` for a URL that is none and for a server that won't do.
        """
        with contextlib.ExitStack() as undo:
            lease = None
            if url is None:
                lease = embedded.join(home or embedded.default_home(), name=application_name)
                undo.callback(lease.close)
                url = lease.url
            database = Database(url, size=size, application_name=application_name, lease=lease)
            undo.callback(database.close)
            first = database._connect()
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
        hosts = self._parameters.get("host") or self._parameters.get("hostaddr") or "localhost"
        return f'database "{self._parameters.get("dbname") or ""}" at {hosts}'

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
            tx.close()
            raise Unreachable(
                f"{self.describe()} takes no changes: {_first_line(error)}; see whether it is a"
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
                tx.execute("BEGIN", prepare=False)
                return tx
            except psycopg.Error:
                # It died while it was idle; the others will have died with it.
                tx.close()
                self._close_idle()
        tx = self._connect()
        try:
            tx.execute("BEGIN", prepare=False)
        except psycopg.Error as error:
            tx.close()
            raise self._unreachable(error) from error
        return tx

    def _commit(self, tx: Tx) -> None:
        try:
            tx.commit()
        except psycopg.Error as error:
            if tx.info.transaction_status is TransactionStatus.IDLE:
                self._keep(tx)
                raise  # the server answered: it is not written
            tx.close()
            raise CommitUnknown(
                f"{self.describe()}: the connection was lost in COMMIT ({_first_line(error)})"
            ) from error
        except BaseException:
            tx.close()
            raise
        self._keep(tx)

    def _roll_back(self, tx: Tx) -> bool:
        """Whether the connection lived on."""
        hot.forget(tx)
        try:
            tx.rollback()
        except psycopg.Error:
            tx.close()
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
        # autocommit, because BEGIN is said by us: it is where a dead connection shows.
        tx = psycopg.connect(**self._parameters, autocommit=True, prepare_threshold=PREPARE_AFTER)
        if self._aside:
            self._demote(tx)
        return tx

    def _keep(self, tx: Tx) -> None:
        """Make a connection available to the next transaction."""
        with self._lock:
            if not self._closed:
                self._idle.append(tx)
                return
        tx.close()

    def _close_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for tx in idle:
            tx.close()

    def _unreachable(self, error: psycopg.Error) -> Unreachable:
        advice = "" if self._lease else "; check that it runs, and database.url"
        return Unreachable(f"{self.describe()} can't be reached: {_first_line(error)}{advice}")


def retry_pause_s(attempt: int, chance: float) -> float:
    """Seconds to wait after the conflict number `attempt` (from 1); `chance` is in [0, 1).

    Doubles from 5 ms to 320 ms, and is spread over half of that, so that two that met once don't
    meet again.
    """
    return min(0.005 * 2.0 ** (attempt - 1), 0.32) * (0.5 + chance / 2)


def _parameters(url: str, application_name: str) -> dict[str, Any]:
    """What to connect with: the URL's own words first, where it has any; our session settings."""
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # libpq's message may quote the password: `from None`, and no value.
        raise Refused(
            "database.url is not a connection URL; it looks like"
            " postgresql://USER@HOST/DATABASE, with special characters as %XX"
        ) from None
    options = f"{SESSION} {given.get('options') or ''}".strip()
    return {"application_name": application_name, **CONNECTING, **given, "options": options}


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


def _is_the_servers(error: psycopg.Error) -> bool:
    """Whether an error says that the server is away or unwell; else it is our statement's.

    Without an SQLSTATE the server did not say it: libpq did, of the connection, or psycopg, of a
    value or a placeholder. Taken for an outage, that would be waited for without end.
    """
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return error.sqlstate[:2] in UNREACHABLE_CLASSES


def _first_line(error: psycopg.Error) -> str:
    """What the server or libpq said, in one line."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
