"""What the database server says of itself."""

from __future__ import annotations

from dataclasses import dataclass

from engine.store.db import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """`version` as the server names it; `clients` are the other connections to this database."""

    version: str
    size_bytes: int
    clients: int


def describe(tx: Tx) -> Server:
    """Ask the server; the size takes a moment when there are thousands of tables."""
    row = tx.execute(
        """
        SELECT current_setting('server_version'), pg_database_size(current_database()),
               (SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND backend_type = 'client backend'
                  AND pid <> pg_backend_pid())
        """
    ).fetchone()
    assert row is not None
    version, size_bytes, clients = row
    return Server(version=version, size_bytes=size_bytes, clients=clients)
