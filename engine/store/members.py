"""Members of a list, one by one: add, find (R-1.2, R-1.10). Imports are `imports.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from engine.store.db import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A mobile in a list; opted out is what it last said to this list or to all."""

    id: int
    mobile: str
    params: list[str]
    created_at: datetime
    deleted_at: datetime | None
    opted_out: bool


_OPTED_OUT = """
    coalesce((SELECT event = 'out' FROM consent
              WHERE application_id = %(application_id)s AND mobile = m.mobile
                AND (list_id IS NULL OR list_id = m.list_id)
              ORDER BY id DESC LIMIT 1), false)
"""

# Those who are opted out are few and are found from consent's side; of those who aren't, the
# first that are needed come at once.
_WHO = {
    None: "",
    False: f"AND NOT {_OPTED_OUT}",
    True: """
        AND m.mobile IN (
            SELECT mobile FROM (
                SELECT DISTINCT ON (mobile) mobile, event FROM consent
                WHERE application_id = %(application_id)s
                  AND (list_id IS NULL OR list_id = %(list_id)s)
                ORDER BY mobile, id DESC
            ) AS latest WHERE event = 'out')
    """,
}
_WHICH = {
    None: "",
    False: "AND m.deleted_at IS NULL",
    True: "AND m.deleted_at IS NOT NULL",
}


def find(tx: Tx, application_id: int, list_id: int, mobile: str) -> Member | None:
    """The member of that mobile, deleted or not."""
    with tx.cursor(row_factory=class_row(Member)) as cursor:
        # member_list_id_mobile_key; consent_mobile
        cursor.execute(
            f"""
            SELECT id, mobile, params, created_at, deleted_at, {_OPTED_OUT} AS opted_out
            FROM member m WHERE list_id = %(list_id)s AND mobile = %(mobile)s
            """,
            {"application_id": application_id, "list_id": list_id, "mobile": mobile},
        )
        return cursor.fetchone()


def insert(tx: Tx, list_id: int, mobile: str, params: Sequence[str]) -> None:
    """Add a member; the caller holds the list's lock and has seen that there is none."""
    tx.execute(
        "INSERT INTO member (list_id, mobile, params) VALUES (%s, %s, %s)",
        (list_id, mobile, list(params)),
    )


def revive(tx: Tx, list_id: int, mobile: str, params: Sequence[str]) -> None:
    """Bring back a deleted member, with these params."""
    # member_list_id_mobile_key
    tx.execute(
        """
        UPDATE member SET deleted_at = NULL, params = %s WHERE list_id = %s AND mobile = %s
        """,
        (list(params), list_id, mobile),
    )


def opted_out(tx: Tx, application_id: int, list_id: int, mobile: str) -> bool:
    """Whether the mobile's newest word to the list or to all of the application is *out*."""
    # consent_mobile
    row = tx.execute(
        """
        SELECT event = 'out' FROM consent
        WHERE application_id = %s AND mobile = %s AND (list_id IS NULL OR list_id = %s)
        ORDER BY id DESC LIMIT 1
        """,
        (application_id, mobile, list_id),
    ).fetchone()
    return row is not None and bool(row[0])


def search(
    tx: Tx,
    application_id: int,
    list_id: int,
    *,
    part: str | None,
    opted_out: bool | None,
    deleted: bool | None,
    limit: int | None,
) -> list[Member]:
    """The first `limit` members, in order of joining, whose mobile holds `part`; None: any."""
    with tx.cursor(row_factory=class_row(Member)) as cursor:
        # member_pkey by its list until there are enough; consent_mobile for each that is looked at.
        cursor.execute(
            f"""
            SELECT id, mobile, params, created_at, deleted_at, {_OPTED_OUT} AS opted_out
            FROM member m
            WHERE m.list_id = %(list_id)s
              AND (%(part)s::text IS NULL OR strpos(m.mobile, %(part)s) > 0)
              {_WHICH[deleted]} {_WHO[opted_out]}
            ORDER BY m.id
            LIMIT %(limit)s
            """,
            {
                "application_id": application_id,
                "list_id": list_id,
                "part": part,
                "limit": limit,
            },
        )
        return cursor.fetchall()
