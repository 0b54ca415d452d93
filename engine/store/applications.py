"""Applications: one tenant each, with its lists, senders, campaigns and settings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from engine.store.db import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """A tenant; `timezone` is an IANA name, that of its hours and reports."""

    id: int
    name: str
    timezone: str
    company: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A tenant and how many of each it has; the users are those who are active."""

    id: int
    name: str
    company: str | None
    timezone: str
    created_at: datetime
    users: int
    senders: int
    lists: int
    campaigns: int


_COLUMNS = "id, name, timezone, company, created_at"


def find(tx: Tx, name: str) -> Application | None:
    """The application of that name."""
    with tx.cursor(row_factory=class_row(Application)) as cursor:
        # application_name_key
        cursor.execute(f"SELECT {_COLUMNS} FROM application WHERE name = %s", (name,))
        return cursor.fetchone()


def names(tx: Tx) -> list[str]:
    """All names, sorted: there are few."""
    return [row[0] for row in tx.execute("SELECT name FROM application ORDER BY name")]


def ids(tx: Tx) -> list[int]:
    """All ids, sorted."""
    return [row[0] for row in tx.execute("SELECT id FROM application ORDER BY id")]


def counted(tx: Tx, name: str | None = None) -> list[Counted]:
    """All of them with their counts, by name; or the one of that name."""
    with tx.cursor(row_factory=class_row(Counted)) as cursor:
        # application_name_key; users_application_id_name_key, sender_application_id_address_key,
        # list_name; campaigns are some thousands, read as a whole.
        cursor.execute(
            """
            SELECT a.id, a.name, a.company, a.timezone, a.created_at,
                   (SELECT count(*) FROM users WHERE application_id = a.id AND active) AS users,
                   (SELECT count(*) FROM sender WHERE application_id = a.id) AS senders,
                   (SELECT count(*) FROM list
                    WHERE application_id = a.id AND deleted_at IS NULL) AS lists,
                   coalesce(c.n, 0) AS campaigns
            FROM application a
            LEFT JOIN (SELECT application_id, count(*) AS n FROM campaign GROUP BY 1) c
                   ON c.application_id = a.id
            WHERE %(name)s::text IS NULL OR a.name = %(name)s
            ORDER BY a.name
            """,
            {"name": name},
        )
        return cursor.fetchall()


def insert(tx: Tx, name: str, *, timezone: str, company: str | None) -> bool:
    """Make an application; False when there is one of that name."""
    cursor = tx.execute(
        """
        INSERT INTO application (name, timezone, company) VALUES (%s, %s, %s)
        ON CONFLICT DO NOTHING
        """,
        (name, timezone, company),
    )
    return cursor.rowcount == 1


def update(tx: Tx, application_id: int, *, timezone: str, company: str | None) -> None:
    """Change what an application is."""
    # application_pkey
    tx.execute(
        "UPDATE application SET timezone = %s, company = %s WHERE id = %s",
        (timezone, company, application_id),
    )


def lock(tx: Tx, application_id: int) -> None:
    """Let nobody else change the application or take a step of its queue until the end.

    It waits for a step that is being taken, so what that made is seen by later statements.
    """
    # application_pkey; the same lock as `dispatching.hold`.
    tx.execute("SELECT FROM application WHERE id = %s FOR NO KEY UPDATE", (application_id,))
