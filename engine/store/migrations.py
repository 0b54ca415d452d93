"""The schema, as the sum of the files in `migrations_sql`, each run once and in order.

What was run stands in the table `schema_migration`: version, name, checksum, time. A file that
was run anywhere is never changed again; a correction is a new file.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from engine.domain.errors import Refused
from engine.store.db import Database, Tx

FOLDER = Path(__file__).parent / "migrations_sql"

ONE_AT_A_TIME = 0x5349_4152_414E  # "SIARAN": the key of the advisory lock

LOCK_WAIT = "10s"
"""What a migration waits for a table that is in use. While it waits, everybody who comes after it
waits too (the engines of the previous version), so rather give up and be run again."""

FILE_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One file. `name` is the file's without its ending: `0001_first_road`."""

    version: int
    name: str
    sql: bytes

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql).hexdigest()


def read_files(folder: Path = FOLDER) -> list[Migration]:
    """All migrations, in order. A folder with a gap or a stray name is a bug: `ValueError`."""
    migrations = []
    for version, file in enumerate(sorted(folder.glob("*.sql")), start=1):
        name = FILE_NAME.fullmatch(file.name)
        if name is None or int(name[1]) != version:
            raise ValueError(f"{file.name}: expected {version:04d}_words_like_this.sql")
        migrations.append(Migration(version=version, name=file.stem, sql=file.read_bytes()))
    return migrations


def migrate(database: Database, migrations: Sequence[Migration] | None = None) -> list[str]:
    """Run what is due; the names of what was run, [] when nothing was.

    Each file is one transaction, under a lock: of several that migrate at once, one does it and
    the others find it done. Raises `Refused` for what `pending` refuses, and for a file that
    fails: it leaves no trace, those before it stay.
    """
    if migrations is None:
        migrations = read_files()
    done: list[str] = []
    if database.run(pending, migrations):  # else there is no lock to wait for
        while (name := database.run(_run_next, migrations)) is not None:
            done.append(name)
    return done


def pending(tx: Tx, migrations: Sequence[Migration] | None = None) -> list[str]:
    """The names of what is not run yet.

    Raises `Refused` when the database is newer than this code, or was made by other files.
    """
    return [migration.name for migration in _due(tx, migrations)]


def current(tx: Tx) -> str | None:
    """The name of the newest migration that was run; None for an empty database."""
    names = [name for _, name, _ in _applied(tx)]
    return names[-1] if names else None


def _run_next(tx: Tx, migrations: Sequence[Migration]) -> str | None:
    """Run the first that is due; its name, None when none is."""
    # Waiting for the one who migrates, and migrating a large table, may take long.
    tx.execute("SET LOCAL statement_timeout = 0")
    tx.execute("SELECT pg_advisory_xact_lock(%s)", (ONE_AT_A_TIME,))
    due = _due(tx, migrations)
    if not due:
        return None
    migration = due[0]
    tx.execute(
        """
        CREATE TABLE IF NOT EXISTS schema_migration (
            version integer PRIMARY KEY,
            name text NOT NULL,
            checksum text NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT now()
        )
        """
    )
    tx.execute("SELECT set_config('lock_timeout', %s, true)", (LOCK_WAIT,))
    try:
        tx.execute(migration.sql, prepare=False)
    except psycopg.OperationalError as error:
        if isinstance(error, psycopg.errors.LockNotAvailable):
            raise Refused(
                f"migration {migration.name}: a table it changes was in use for {LOCK_WAIT};"
                " nothing was changed by it, try again when less is going on"
            ) from error
        raise
    except psycopg.Error as error:
        raise Refused(
            f"migration {migration.name} failed, and nothing was changed by it:"
            f" {error.diag.message_primary or error}"
        ) from error
    tx.execute(
        "INSERT INTO schema_migration (version, name, checksum) VALUES (%s, %s, %s)",
        (migration.version, migration.name, migration.checksum),
    )
    return migration.name


def _due(tx: Tx, migrations: Sequence[Migration] | None) -> list[Migration]:
    if migrations is None:
        migrations = read_files()
    applied = _applied(tx)
    if len(applied) > len(migrations):
        raise Refused(
            f"the database's schema is {applied[-1][1]}, newer than this Siaran, which knows up to"
            f" {migrations[-1].name if migrations else 'none'}; run the newer version of Siaran"
        )
    for (version, name, checksum), migration in zip(applied, migrations, strict=False):
        if (version, checksum) != (migration.version, migration.checksum):
            raise Refused(
                f"the database's schema was made by another {name} than the one of this Siaran"
                f" ({migration.name}); run the version that made it, or restore a backup of it"
            )
    return list(migrations[len(applied) :])


def _applied(tx: Tx) -> list[tuple[int, str, str]]:
    """(version, name, checksum) in order."""
    # to_regclass instead of an exception, which would end the transaction.
    there = tx.execute("SELECT to_regclass('schema_migration') IS NOT NULL").fetchone()
    if there != (True,):
        return []
    return [
        (version, name, checksum)
        for version, name, checksum in tx.execute(
            "SELECT version, name, checksum FROM schema_migration ORDER BY version"
        )
    ]
