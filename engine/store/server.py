"""What the database server says of itself, and of its standbys."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import psycopg

from engine.domain.replication import Replication, Seen, Standby
from engine.store.db import Database, Tx
from engine.store.servers import history_of, name_of, reason, split


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


def now(tx: Tx) -> datetime:
    """The server's clock, at this moment."""
    row = tx.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    at: datetime = row[0]
    return at


def replication(database: Database) -> Replication:
    """Asks the server in use, and each that the URL names: seconds, when one doesn't answer."""
    found = database.run(_replication)
    parameters = dict(database.parameters)
    if database.pooled:
        parameters.pop("options", None)  # which a pooler may refuse
    servers = split(parameters)
    if len(servers) == 1:
        return found
    return replace(found, servers=tuple(map(_seen, servers)))


def _replication(tx: Tx) -> Replication:
    row = tx.execute(
        """
        SELECT pg_is_in_recovery(), current_setting('synchronous_standby_names'),
               current_setting('synchronous_commit'),
               (SELECT count(*) FROM pg_stat_replication WHERE state IS DISTINCT FROM 'backup')
        """
    ).fetchone()
    assert row is not None
    standby, waits_for, commits, followers = row
    standbys = tx.execute(
        # Who may not see them sees rows without a state. Of a cascading standby's followers the
        # end of what it has received counts.
        """
        SELECT application_name, sync_state IN ('sync', 'quorum'), state = 'streaming',
               pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
                                    ELSE pg_current_wal_lsn() END, replay_lsn)::bigint,
               extract(epoch FROM replay_lag)::float8
          FROM pg_stat_replication WHERE state <> 'backup' ORDER BY application_name
        """
    )
    return Replication(
        standby=standby,
        waits_for=waits_for,
        commits=commits,
        followers=followers,
        standbys=tuple(
            Standby(
                name=name,
                synchronous=synchronous,
                streaming=streaming,
                behind=behind or 0,
                behind_s=behind_s or 0.0,
            )
            for name, synchronous, streaming, behind, behind_s in standbys
        ),
    )


def _seen(parameters: dict[str, object]) -> Seen:
    name = name_of(parameters)
    try:
        with psycopg.connect(**{**parameters, "target_session_attrs": "any"}) as connection:  # type: ignore[arg-type]
            found = history_of(connection)
    except psycopg.Error as error:
        return Seen(name=name, why=reason(error))
    return Seen(
        name=name,
        standby=found.timeline == 0,
        timeline=found.timeline,
        cluster=found.cluster,
        started_at=found.started_at,
    )


def same(database: Database, other: Database) -> bool:
    """Whether both are one database of one server."""
    return database.run(_which) == other.run(_which)


def _which(tx: Tx) -> tuple[object, ...] | None:
    return tx.execute("SELECT pg_postmaster_start_time(), current_database()").fetchone()
