"""Auto-responses of an application and of its lists (R-6.5); those of keywords are in `keywords`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from engine.domain.inbound import Kind
from engine.store.db import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A text that is sent by itself; `list` is the name of the list that one of kind list is for."""

    kind: str
    list: str | None
    text: str
    changed_at: datetime


def of_application(tx: Tx, application_id: int) -> list[Response]:
    """All that are set, those of lists last."""
    with tx.cursor(row_factory=class_row(Response)) as cursor:
        # response_one, list_pkey
        cursor.execute(
            """
            SELECT r.kind, l.name AS list, r.text, r.changed_at
            FROM response r LEFT JOIN list l ON l.id = r.list_id
            WHERE r.application_id = %s AND l.deleted_at IS NULL
            ORDER BY r.kind = 'list', r.kind, l.name
            """,
            (application_id,),
        )
        return cursor.fetchall()


def find(tx: Tx, application_id: int, kind: Kind, list_id: int | None) -> str | None:
    """The text that is set; None when none is."""
    row = tx.execute(
        # response_one
        """
        SELECT text FROM response
        WHERE application_id = %s AND kind = %s AND list_id IS NOT DISTINCT FROM %s::int
        """,
        (application_id, kind.value, list_id),
    ).fetchone()
    return None if row is None else str(row[0])


def store(tx: Tx, application_id: int, kind: Kind, list_id: int | None, text: str) -> None:
    """Set a response; it is in force for the next MO."""
    # response_one
    tx.execute(
        """
        INSERT INTO response (application_id, kind, list_id, text) VALUES (%s, %s, %s, %s)
        ON CONFLICT (application_id, kind, list_id)
        DO UPDATE SET text = excluded.text, changed_at = now()
        """,
        (application_id, kind.value, list_id, text),
    )


def delete(tx: Tx, application_id: int, kind: Kind, list_id: int | None) -> None:
    """Take a response away: the next less specific one is sent, or nothing."""
    # response_one
    tx.execute(
        """
        DELETE FROM response
        WHERE application_id = %s AND kind = %s AND list_id IS NOT DISTINCT FROM %s::int
        """,
        (application_id, kind.value, list_id),
    )
