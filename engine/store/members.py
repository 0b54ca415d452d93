"""Members of a list: add, change, find, delete (R-1.2, R-1.8, R-1.10); imports are `imports`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

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


def change(tx: Tx, member_id: int, list_id: int, params: Sequence[str]) -> None:
    """Give a member other params."""
    # member_pkey
    tx.execute(
        "UPDATE member SET params = %s WHERE list_id = %s AND id = %s",
        (list(params), list_id, member_id),
    )


def delete(tx: Tx, member_id: int, list_id: int) -> None:
    """Delete a member so that it can be restored."""
    # member_pkey
    tx.execute(
        "UPDATE member SET deleted_at = now() WHERE list_id = %s AND id = %s", (list_id, member_id)
    )


def restore(tx: Tx, member_id: int, list_id: int) -> None:
    """Take a deletion back."""
    # member_pkey
    tx.execute(
        "UPDATE member SET deleted_at = NULL WHERE list_id = %s AND id = %s", (list_id, member_id)
    )


def delete_for_ever(tx: Tx, member_id: int, list_id: int) -> None:
    """Remove a member; nothing of it is left but what it has said."""
    # member_pkey
    tx.execute("DELETE FROM member WHERE list_id = %s AND id = %s", (list_id, member_id))


def count_staged(tx: Tx, import_id: UUID, list_id: int) -> tuple[int, int]:
    """Of the staged numbers of a file: how many different ones, and how many are in the list."""
    _be_patient(tx)
    row = tx.execute(  # import_row_import, sorted; member_list_id_mobile_key or member_pkey, hashed
        """
        SELECT count(*), count(m.mobile)
        FROM (SELECT DISTINCT mobile FROM import_row WHERE import_id = %s) AS first
        LEFT JOIN member m ON m.list_id = %s AND m.mobile = first.mobile
        """,
        (import_id, list_id),
    ).fetchone()
    assert row is not None
    tx.execute("RESET enable_nestloop")
    return row[0], row[1]


def delete_staged(tx: Tx, import_id: UUID, list_id: int) -> int:
    """Remove the members that a file names, the deleted ones, too; how many there were."""
    _be_patient(tx)
    cursor = tx.execute(  # as `count_staged`
        """
        DELETE FROM member WHERE list_id = %s
           AND mobile IN (SELECT mobile FROM import_row WHERE import_id = %s)
        """,
        (list_id, import_id),
    )
    tx.execute("RESET enable_nestloop")
    return cursor.rowcount


def _be_patient(tx: Tx) -> None:
    """Let a statement over a million rows take its time, by a plan that is good for a million.

    As in `imports.sort_out`: the planner may know nothing of a file that has just been staged.
    """
    tx.execute(
        """
        SET LOCAL statement_timeout = '30min';
        SET LOCAL work_mem = '64MB';
        SET LOCAL enable_nestloop = off
        """
    )


def search(
    tx: Tx,
    application_id: int,
    list_id: int,
    *,
    part: str | None,
    opted_out: bool | None,
    deleted: bool | None,
    limit: int | None,
    after_id: int = 0,
) -> list[Member]:
    """The first `limit` members after one, in order of joining, whose mobile holds `part`.

    None is any.
    """
    with tx.cursor(row_factory=class_row(Member)) as cursor:
        # member_pkey by its list until there are enough; consent_mobile for each that is looked at.
        cursor.execute(
            f"""
            SELECT id, mobile, params, created_at, deleted_at, {_OPTED_OUT} AS opted_out
            FROM member m
            WHERE m.list_id = %(list_id)s AND m.id > %(after_id)s
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
                "after_id": after_id,
            },
        )
        return cursor.fetchall()
