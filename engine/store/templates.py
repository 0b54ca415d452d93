"""Templates: texts that a campaign can start from (R-2.4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from engine.store.db import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A text under a name; it may hold `%%1%%` to `%%6%%`."""

    name: str
    text: str
    created_at: datetime
    changed_at: datetime


_COLUMNS = "name, text, created_at, changed_at"


def of_application(tx: Tx, application_id: int) -> list[Template]:
    """All of them by name: there are some dozens."""
    with tx.cursor(row_factory=class_row(Template)) as cursor:
        # template_pkey
        cursor.execute(
            f"SELECT {_COLUMNS} FROM template WHERE application_id = %s ORDER BY name",
            (application_id,),
        )
        return cursor.fetchall()


def find(tx: Tx, application_id: int, name: str) -> Template | None:
    """The template of that name."""
    with tx.cursor(row_factory=class_row(Template)) as cursor:
        # template_pkey
        cursor.execute(
            f"SELECT {_COLUMNS} FROM template WHERE application_id = %s AND name = %s",
            (application_id, name),
        )
        return cursor.fetchone()


def insert(tx: Tx, application_id: int, name: str, text: str) -> bool:
    """Add a template; False when there is one of that name."""
    cursor = tx.execute(
        """
        INSERT INTO template (application_id, name, text) VALUES (%s, %s, %s)
        ON CONFLICT DO NOTHING
        """,
        (application_id, name, text),
    )
    return cursor.rowcount == 1


def update(tx: Tx, application_id: int, name: str, text: str) -> None:
    """Give a template another text; campaigns that were made from it keep theirs."""
    # template_pkey
    tx.execute(
        """
        UPDATE template SET text = %s, changed_at = now() WHERE application_id = %s AND name = %s
        """,
        (text, application_id, name),
    )


def delete(tx: Tx, application_id: int, name: str) -> None:
    """Remove a template."""
    # template_pkey
    tx.execute(
        "DELETE FROM template WHERE application_id = %s AND name = %s", (application_id, name)
    )
