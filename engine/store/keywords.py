"""Keywords: words that put who sends them into a list (R-6.6). A deleted one is kept, for ever."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from engine.store.db import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyword:
    """A keyword; `list` is None when that has been deleted. `keyword` is as it is advertised."""

    keyword: str
    word: str
    list_id: int
    list: str | None
    response: str | None
    active: bool
    created_at: datetime
    deleted_at: datetime | None


_COLUMNS = """
    k.written AS keyword, k.word, k.list_id, l.name AS list, k.response, k.active, k.created_at,
    k.deleted_at
"""
_FROM = "keyword k LEFT JOIN list l ON l.id = k.list_id AND l.deleted_at IS NULL"


def of_application(tx: Tx, application_id: int) -> list[Keyword]:
    """All of them by word, those that were deleted, too."""
    with tx.cursor(row_factory=class_row(Keyword)) as cursor:
        # keyword_pkey, list_pkey
        cursor.execute(
            f"SELECT {_COLUMNS} FROM {_FROM} WHERE k.application_id = %s ORDER BY k.word",
            (application_id,),
        )
        return cursor.fetchall()


def find(tx: Tx, application_id: int, word: str) -> Keyword | None:
    """The keyword of that folded word, deleted or not."""
    with tx.cursor(row_factory=class_row(Keyword)) as cursor:
        # keyword_pkey, list_pkey
        cursor.execute(
            f"SELECT {_COLUMNS} FROM {_FROM} WHERE k.application_id = %s AND k.word = %s",
            (application_id, word),
        )
        return cursor.fetchone()


def of_list(tx: Tx, list_id: int) -> list[str]:
    """The keywords that point to a list and can still be used, as they are advertised."""
    # keyword_list
    found = tx.execute(
        "SELECT written FROM keyword WHERE list_id = %s AND deleted_at IS NULL ORDER BY word",
        (list_id,),
    )
    return [row[0] for row in found]


def insert(
    tx: Tx,
    application_id: int,
    word: str,
    written: str,
    list_id: int,
    *,
    response: str | None,
    active: bool,
) -> bool:
    """Add a keyword; False when there is or was one of that word."""
    # keyword_pkey
    cursor = tx.execute(
        """
        INSERT INTO keyword (application_id, word, written, list_id, response, active)
        VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
        """,
        (application_id, word, written, list_id, response, active),
    )
    return cursor.rowcount == 1


def update(
    tx: Tx, application_id: int, word: str, list_id: int, *, response: str | None, active: bool
) -> None:
    """Change what a keyword does."""
    # keyword_pkey
    tx.execute(
        """
        UPDATE keyword SET list_id = %s, response = %s, active = %s
        WHERE application_id = %s AND word = %s
        """,
        (list_id, response, active, application_id, word),
    )


def delete(tx: Tx, application_id: int, word: str) -> None:
    """Delete a keyword; its row says for ever that it was one."""
    # keyword_pkey
    tx.execute(
        """
        UPDATE keyword SET deleted_at = now(), active = false
        WHERE application_id = %s AND word = %s
        """,
        (application_id, word),
    )


def leave_list(tx: Tx, list_id: int, *, delete: bool) -> None:
    """Let no keyword put anybody into a list that goes away: `delete` them for ever, or stop them."""
    # keyword_list
    tx.execute(
        """
        UPDATE keyword SET active = false, deleted_at = CASE WHEN %s THEN now() END
        WHERE list_id = %s AND deleted_at IS NULL
        """,
        (delete, list_id),
    )
