"""The database itself: how it is, its schema, and its end when it is the embedded one."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from config.settings import Settings
from engine.domain.errors import Refused, Unreachable
from engine.domain.replication import Doubt, doubts, summary
from engine.store import embedded, migrations, server, tools
from engine.store.db import Database, Tx
from engine.store.embedded import Stopped


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One of PostgreSQL's programs, and the environment by which it finds the database.

    There may be a password in it: it is for the program alone.
    """

    path: Path
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How the database is. `clients` are other connections to it; no secrets.

    Of an embedded one that doesn't run only `data_dir`, `size_bytes` and `clients` (its own
    processes) are known; `socket` is the directory of its socket, for `psql -h`. Of a server by URL
    `data_dir` is not shown to everybody.
    """

    kind: str  # embedded, server
    where: str
    running: bool
    server_version: str | None
    schema_version: str | None
    pending: list[str]
    size_bytes: int
    data_dir: Path | None
    socket: Path | None
    clients: int


def status(settings: Settings) -> Status:
    """How the configured database is. Starts nothing, changes nothing. Raises Unreachable."""
    url = settings.database.url
    if url is not None:
        return _status_of("server", url.reveal())
    home = embedded.default_home()
    found = embedded.status(home)
    if found.running:
        running = _status_of("embedded", found.url)
        return replace(running, where=str(home), data_dir=found.data_dir, socket=found.socket_dir)
    return Status(
        kind="embedded",
        where=str(home),
        running=False,
        server_version=found.version,
        schema_version=None,
        pending=[],
        size_bytes=found.size_bytes,
        data_dir=found.data_dir,
        socket=None,
        clients=found.clients,
    )


def replication(settings: Settings, database: Database) -> tuple[str, list[Doubt]] | None:
    """How the configured server is replicated, in a line, and what is to be doubted about it.

    None for the embedded one, and for a server alone that nobody follows. May take the time-out of
    each server that doesn't answer. Raises Unreachable.
    """
    if settings.database.url is None:
        return None
    found = server.replication(database)
    doubted = doubts(found)
    alone = not (found.servers or found.followers or found.waits_for)
    return None if alone and not doubted else (summary(found), doubted)


def deaf(settings: Settings, database: Database) -> str | None:
    """Why engines would not hear of a person's words at once; None: they would."""
    url = settings.database.listen_url
    if url is None:
        return (
            "a pooler stands before the server, so engines hear of commands within a second, not at"
            " once; set database.listen_url to the server itself"
            if database.pooled
            else None
        )
    try:
        with contextlib.closing(Database.open(url.reveal(), size=1)) as other:
            if other.pooled:
                return "database.listen_url leads to a pooler, through which nothing is heard"
            if not server.same(database, other):
                return "database.listen_url leads to another server or database than database.url"
    except (Refused, Unreachable) as error:
        return f"database.listen_url: {error}"
    return None


def now(tx: Tx) -> datetime:
    """The database's time: what leases, schedules and reports go by."""
    return server.now(tx)


def migrate(settings: Settings) -> list[str]:
    """Bring the schema up to this version; the migrations that were run, [] when none was due."""
    url = settings.database.url
    with contextlib.closing(Database.open(url.reveal() if url else None)) as database:
        return migrations.migrate(database)


def tool(settings: Settings, name: str) -> Tool:
    """One of PostgreSQL's programs for the configured database.

    For the embedded one this process holds it up from now on, and so does the program that it
    becomes (execve). Raises Refused for a name that is none, Unreachable when it doesn't start.
    """
    path = tools.program(name)
    url = settings.database.url
    if url is not None:
        return Tool(path=path, environment=tools.environment(url.reveal()))
    lease = embedded.join(embedded.default_home(), name=f"siaran db tool {name}")
    lease.hand_on()
    return Tool(path=path, environment=tools.environment(lease.url))


def embedded_clients(settings: Settings) -> int:
    """How many processes use the embedded database. Raises Refused for a server by URL."""
    return embedded.status(_own_home(settings)).clients


def stop(settings: Settings) -> Stopped:
    """Stop the embedded database, whoever is connected. Raises Refused for a server by URL."""
    return embedded.stop(_own_home(settings))


def _own_home(settings: Settings) -> Path:
    if settings.database.url is not None:
        raise Refused(
            "the database is a server by URL (database.url), which Siaran doesn't stop; "
            "only the embedded one is its own"
        )
    return embedded.default_home()


def _status_of(kind: str, url: str) -> Status:
    with contextlib.closing(Database.open(url)) as database:
        found = database.run(server.describe)
        return Status(
            kind=kind,
            where=database.describe(),
            running=True,
            server_version=found.version,
            schema_version=database.run(migrations.current),
            pending=database.run(migrations.pending),
            size_bytes=found.size_bytes,
            data_dir=None,
            socket=None,
            clients=found.clients,
        )
