"""Applications: one tenant each, with its lists, senders, campaigns and settings."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg.rows import class_row

from engine.store.db import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """A tenant; `timezone` is an IANA name, that of its hours and reports."""

    id: int
    name: str
    timezone: str


def find(tx: Tx, name: str) -> Application | None:
    """The application of that name."""
    with tx.cursor(row_factory=class_row(Application)) as cursor:
        # application_name_key
        cursor.execute("SELECT id, name, timezone FROM application WHERE name = %s", (name,))
        return cursor.fetchone()


def names(tx: Tx) -> list[str]:
    """All names, sorted: there are few."""
    return [row[0] for row in tx.execute("SELECT name FROM application ORDER BY name")]
