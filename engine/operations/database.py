"""The database itself: how it is, its schema, and its end when it is the embedded one."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path

from config.settings import Settings
from engine.domain.errors import Refused
from engine.store import embedded, migrations, server
from engine.store.db import Database
from engine.store.embedded import Stopped


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


def migrate(settings: Settings) -> list[str]:
    """Bring the schema up to this version; the migrations that were run, [] when none was due."""
    url = settings.database.url
    with contextlib.closing(Database.open(url.reveal() if url else None)) as database:
        return migrations.migrate(database)


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
