"""Lists of recipients, and how many are in them (R-1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from engine.store.db import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class List:
    """A list by itself; `email` is where replies are forwarded to."""

    id: int
    name: str
    batch: str | None
    email: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A list as it stands among others: `members` are those that are not deleted."""

    id: int
    name: str
    batch: str | None
    email: str | None
    created_at: datetime
    members: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A list in full: the opted out are members, marked; the deleted are none."""

    id: int
    name: str
    batch: str | None
    email: str | None
    created_at: datetime
    members: int
    opted_out: int
    deleted: int


def find(tx: Tx, application_id: int, name: str) -> List | None:
    """The list of that name."""
    with tx.cursor(row_factory=class_row(List)) as cursor:
        # list_application_id_name_key
        cursor.execute(
            """
            SELECT id, name, batch, email, created_at FROM list
            WHERE application_id = %s AND name = %s
            """,
            (application_id, name),
        )
        return cursor.fetchone()


def lock(tx: Tx, list_id: int) -> bool:
    """Keep others from changing the list or its members until the end; False when it is gone.

    Whoever changes members takes this first, so that what was counted is still so when it is
    written. Campaigns may refer to the list meanwhile.
    """
    # list_pkey
    cursor = tx.execute("SELECT FROM list WHERE id = %s FOR NO KEY UPDATE", (list_id,))
    return cursor.rowcount == 1


def names(tx: Tx, application_id: int) -> list[str]:
    """The names of the newest 1,000 lists: what a mistyped one is compared with."""
    # list_application_id_name_key; a few thousand lists are sorted in a millisecond.
    found = tx.execute(
        "SELECT name FROM list WHERE application_id = %s ORDER BY id DESC LIMIT 1000",
        (application_id,),
    )
    return [row[0] for row in found]


def insert(
    tx: Tx, application_id: int, name: str, *, batch: str | None, email: str | None
) -> List | None:
    """Make a list; None when there is one of that name."""
    with tx.cursor(row_factory=class_row(List)) as cursor:
        cursor.execute(
            """
            INSERT INTO list (application_id, name, batch, email) VALUES (%s, %s, %s, %s)
            ON CONFLICT DO NOTHING
            RETURNING id, name, batch, email, created_at
            """,
            (application_id, name, batch, email),
        )
        return cursor.fetchone()


def describe(tx: Tx, list_id: int, *, batch: str | None, email: str | None) -> None:
    """Set the batch reference and the address for replies."""
    # list_pkey
    tx.execute("UPDATE list SET batch = %s, email = %s WHERE id = %s", (batch, email, list_id))


def search(
    tx: Tx, application_id: int, *, text: str | None, batch: str | None, limit: int | None
) -> list[Listed]:
    """The newest `limit` lists whose name holds `text` (any case) and whose batch is `batch`."""
    with tx.cursor(row_factory=class_row(Listed)) as cursor:
        # list_application_id_name_key; for the members of each list that is shown, member_pkey.
        cursor.execute(
            """
            SELECT found.*, (SELECT count(*) FROM member
                             WHERE list_id = found.id AND deleted_at IS NULL) AS members
            FROM (
                SELECT id, name, batch, email, created_at FROM list
                WHERE application_id = %(application_id)s
                  AND (%(text)s::text IS NULL OR strpos(lower(name), lower(%(text)s)) > 0)
                  AND (%(batch)s::text IS NULL OR batch = %(batch)s)
                ORDER BY id DESC
                LIMIT %(limit)s
            ) AS found
            ORDER BY found.id DESC
            """,
            {"application_id": application_id, "text": text, "batch": batch, "limit": limit},
        )
        return cursor.fetchall()


def show(tx: Tx, application_id: int, name: str) -> Shown | None:
    """The list with its counts."""
    with tx.cursor(row_factory=class_row(Shown)) as cursor:
        # member_pkey by its list, once. Who is opted out is found from the side of consent
        # (consent_mobile, in order, so that the newest event is the last of its mobile): few have
        # ever said a word, and asking each of a million members took seconds.
        cursor.execute(
            """
            SELECT l.id, l.name, l.batch, l.email, l.created_at,
                   counted.members, counted.deleted,
                   (SELECT count(*) FROM (
                        SELECT DISTINCT ON (mobile) mobile, event FROM consent
                        WHERE application_id = l.application_id
                          AND (list_id IS NULL OR list_id = l.id)
                        ORDER BY mobile, id DESC
                    ) AS latest
                    JOIN member m ON m.list_id = l.id AND m.mobile = latest.mobile
                    WHERE latest.event = 'out' AND m.deleted_at IS NULL) AS opted_out
            FROM list l, LATERAL (
                SELECT count(*) FILTER (WHERE deleted_at IS NULL) AS members,
                       count(*) FILTER (WHERE deleted_at IS NOT NULL) AS deleted
                FROM member WHERE list_id = l.id
            ) AS counted
            WHERE l.application_id = %s AND l.name = %s
            """,
            (application_id, name),
        )
        return cursor.fetchone()
