"""The servers that a URL names, and which of them is the one to use.

PostgreSQL's own client library asks several hosts in their order and takes the first that takes
writes. That is not enough in two ways, which is why they are asked here, one by one:

- A dead host costs its time-out at each new connection. Here the one that answered last comes first.
- Two servers can take writes at once: a standby was promoted, and the old primary, cut off or just
  started again, knows nothing of it. What is written there is lost sooner or later. Each promotion
  begins a new *timeline*, with a higher number, so a server whose timeline is older than one we have
  seen is passed over, and one with a newer timeline is where we go, even from one that answers.

A process that has seen no promotion can't tell: fencing the old primary remains the operator's.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

import psycopg
from psycopg.conninfo import conninfo_to_dict

from engine.domain.errors import Refused

Connection = psycopg.Connection[tuple[Any, ...]]

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

SESSION: Final = {
    # Times are UTC on every side, whatever the server's default.
    "TimeZone": "UTC",
    # The longest honest statement is an import's merge of a million rows (a few tens of seconds);
    # one that takes longer waits for a lock that nobody gives back.
    "statement_timeout": "60s",
    # Between two statements there is only our own arithmetic (milliseconds). A client that stops
    # there, swapped out, in a debugger or without power, must not hold row locks for longer than a
    # node's lease: nobody could take over from it.
    "idle_in_transaction_session_timeout": "10s",
}
"""What holds for every transaction. A session begins with it; where a pooler gives each transaction
the session of somebody else, each transaction does."""


WHERE: Final = re.compile(r"^(connection failed: )?connection to server (at|on) .*? failed: ")
"""What libpq and psycopg put before the reason: who says it, says that already."""


class History(NamedTuple):
    """Whose copy a server is, which timeline it writes (0: none, it is a standby), since when it runs."""

    cluster: int
    timeline: int
    started_at: datetime


class Servers:
    """Where one URL's connections come from. For use by any thread."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._lock = threading.Lock()
        self._order = split(parameters)
        self.several = len(self._order) > 1
        self.timeline = 0
        """The newest that was seen; 0 while there is one server, which is not asked."""
        self._cluster: int | None = None

    def connect(self, **how: Any) -> tuple[Connection, int]:
        """A connection to the first that will do, and its timeline.

        Raises psycopg.OperationalError; of several servers it says what is wrong with each.
        """
        with self._lock:
            order = list(self._order)
        if not self.several:
            return psycopg.connect(**order[0], **how), 0
        failures: list[str] = []
        for parameters in order:
            try:
                connection = psycopg.connect(**parameters, **how)
            except psycopg.OperationalError as error:
                failures.append(f"{name_of(parameters)}: {reason(error)}")
                continue
            try:
                history = history_of(connection)
            except psycopg.Error as error:
                connection.close()
                failures.append(f"{name_of(parameters)}: {reason(error)}")
                continue
            if self._takes(parameters, history):
                return connection, history.timeline
            connection.close()
            failures.append(f"{name_of(parameters)}: {self._passed_over(history)}")
        raise psycopg.OperationalError("; ".join(failures))

    @property
    def in_use(self) -> str:
        """The name of the server that is asked first."""
        with self._lock:
            return name_of(self._order[0])

    def forget(self, name: str) -> None:
        """Connect without that parameter from now on."""
        with self._lock:
            self._order = [
                {key: value for key, value in one.items() if key != name} for one in self._order
            ]

    def newer(self, **how: Any) -> bool:
        """Whether another server than the one in use has been promoted meanwhile: then it is next.

        Looks at each of the others, as long as their time-outs let it.
        """
        with self._lock:
            others, known = self._order[1:], self.timeline
        for parameters in others:
            try:
                with psycopg.connect(**parameters, **how) as connection:
                    history = history_of(connection)
            except psycopg.Error:
                continue  # a standby, or away
            if history.timeline > known and self._takes(parameters, history):
                return True
        return False

    def _takes(self, parameters: dict[str, Any], history: History) -> bool:
        """False for an older or another history; else this server is asked first from now on."""
        with self._lock:
            if not history.timeline or history.timeline < self.timeline:
                return False
            if self._cluster not in (None, history.cluster):
                return False
            self._cluster = history.cluster
            self.timeline = history.timeline
            self._order.remove(parameters)
            self._order.insert(0, parameters)
            return True

    def _passed_over(self, history: History) -> str:
        if not history.timeline:
            return "a standby"
        if history.cluster != self._cluster:
            return "no copy of the database that we have used until now (another cluster)"
        return (
            f"an old primary (timeline {history.timeline}; another server was promoted to"
            f" {self.timeline}), which has to be stopped and made a standby"
        )


def parameters_of(url: str, application_name: str, *, key: str = "database.url") -> dict[str, Any]:
    """What to connect with: the URL's own words first, where it has any; our session settings."""
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # libpq's message may quote the password: `from None`, and no value.
        raise Refused(
            f"{key} is not a connection URL; it looks like"
            " postgresql://USER@HOST/DATABASE, with special characters as %XX"
        ) from None
    ours = " ".join(f"-c {name}={value}" for name, value in SESSION.items())
    options = f"{ours} {given.get('options') or ''}".strip()
    return {"application_name": application_name, **CONNECTING, **given, "options": options}


def split(parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The parameters of each server, in their order.

    Of several one is wanted that takes writes, unless the URL says otherwise. Hosts and ports pair
    as libpq pairs them; a list that doesn't fit is left whole, so that libpq says what is wrong.
    """
    lists = {
        key: str(parameters[key]).split(",")
        for key in ("host", "hostaddr", "port")
        if parameters.get(key)
    }
    hosts = max(len(lists.get("host", ())), len(lists.get("hostaddr", ())))
    if hosts < 2 or any(
        len(words) != hosts and not (key == "port" and len(words) == 1)
        for key, words in lists.items()
    ):
        return [dict(parameters)]
    common = {"target_session_attrs": "read-write", **parameters}
    return [
        common | {key: words[n if len(words) > 1 else 0] for key, words in lists.items()}
        for n in range(hosts)
    ]


def name_of(parameters: Mapping[str, Any]) -> str:
    """A server's name in a message: its host, and the port where it isn't the usual one."""
    host = parameters.get("host") or parameters.get("hostaddr") or "localhost"
    port = str(parameters.get("port") or "")
    return f"{host}:{port}" if port not in ("", "5432") else str(host)


def reason(error: psycopg.Error) -> str:
    """What the server or the client library said, in one line, without what it says of itself."""
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    line = WHERE.sub("", line)
    return "takes no changes (a standby?)" if line == "session is read-only" else line


def history_of(connection: Connection) -> History:
    """Asks a server what it is."""
    row = connection.execute(
        # A timeline is the first eight digits of a WAL file's name. (pg_control_checkpoint() says it
        # only after the next checkpoint.)
        """
        SELECT system_identifier,
               CASE WHEN NOT pg_is_in_recovery()
                    THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END,
               pg_postmaster_start_time()
          FROM pg_control_system()
        """
    ).fetchone()
    assert row is not None
    cluster, timeline, started_at = row
    return History(cluster, int(timeline or "0", 16), started_at)
