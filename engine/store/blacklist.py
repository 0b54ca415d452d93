"""The blacklist: who is never sent to, by an application or by any (R-6.4).

A number stands on it at most once an application, and once for all of them. Where it came from says
who may take it off: `mo` rows go with the person's own word, the others only by hand.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from psycopg.rows import class_row

from engine.store.arrays import texts
from engine.store.db import Tx


class Origin(StrEnum):
    """How a number came on the blacklist; the stronger one stays, and is named last."""

    MO = "mo"
    IMPORT = "import"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A number on the blacklist; `everywhere` when it is on that of the installation."""

    id: int
    mobile: str
    origin: Origin
    everywhere: bool
    by: str
    reason: str | None
    at: datetime

    def __post_init__(self) -> None:
        # psycopg gives the enum's word; everything above speaks of origins.
        object.__setattr__(self, "origin", Origin(self.origin))


_COLUMNS = "id, mobile, origin, application_id IS NULL AS everywhere, by, reason, at"


def blacklisted(tx: Tx, application_id: int, mobiles: Iterable[str]) -> set[str]:
    """Who of `mobiles` the application must not send to."""
    rows = tx.execute(
        # blacklist_mobile
        """
        SELECT mobile FROM blacklist
         WHERE mobile = ANY (string_to_array(%s, E'\\x1f'))
           AND (application_id = %s OR application_id IS NULL)
        """,
        (texts(mobiles), application_id),
    )
    return {row[0] for row in rows}


def find(tx: Tx, application_id: int | None, mobile: str) -> Entry | None:
    """The number's entry on exactly that blacklist; None is the installation's."""
    with tx.cursor(row_factory=class_row(Entry)) as cursor:
        # blacklist_mobile
        cursor.execute(
            f"""
            SELECT {_COLUMNS} FROM blacklist
            WHERE mobile = %s AND application_id IS NOT DISTINCT FROM %s::int
            """,
            (mobile, application_id),
        )
        return cursor.fetchone()


_STRONGER = """
    ON CONFLICT (mobile, application_id) DO UPDATE
        SET origin = excluded.origin, by = excluded.by, reason = excluded.reason, at = excluded.at
        WHERE blacklist.origin < excluded.origin
"""


def add(
    tx: Tx,
    application_id: int | None,
    mobile: str,
    origin: Origin,
    *,
    by: str,
    reason: str | None = None,
) -> bool:
    """Put a number on a blacklist; False when it stood there as firmly already.

    One that is there for a weaker reason is there for the stronger one from now on.
    """
    cursor = tx.execute(
        # blacklist_mobile
        f"""
        INSERT INTO blacklist (application_id, mobile, origin, by, reason)
        VALUES (%s, %s, %s, %s, %s)
        {_STRONGER}
        """,
        (application_id, mobile, origin.value, by, reason),
    )
    return cursor.rowcount == 1


def add_staged(
    tx: Tx, import_id: UUID, application_id: int | None, *, by: str, reason: str | None
) -> tuple[int, int]:
    """Put the staged numbers of an import on a blacklist: (different ones, new ones of them)."""
    # The merge of a million rows; import_row_import, sorted by mobile; blacklist_mobile.
    tx.execute("SET LOCAL statement_timeout = '30min'; SET LOCAL work_mem = '64MB'")
    row = tx.execute(
        f"""
        WITH numbers AS (SELECT DISTINCT mobile FROM import_row WHERE import_id = %(import_id)s),
        added AS (
            INSERT INTO blacklist (application_id, mobile, origin, by, reason)
            SELECT %(application_id)s, mobile, 'import', %(by)s, %(reason)s FROM numbers
            ORDER BY mobile
            {_STRONGER}
            RETURNING old.id IS NULL AS new)
        SELECT (SELECT count(*) FROM numbers), (SELECT count(*) FROM added WHERE new)
        """,
        {"import_id": import_id, "application_id": application_id, "by": by, "reason": reason},
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def count_staged(tx: Tx, import_id: UUID, application_id: int | None) -> tuple[int, int]:
    """What `add_staged` would do, without doing it."""
    tx.execute("SET LOCAL statement_timeout = '30min'; SET LOCAL work_mem = '64MB'")
    row = tx.execute(  # as `add_staged`
        """
        SELECT count(*), count(*) FILTER (WHERE NOT EXISTS (
            SELECT FROM blacklist b
            WHERE b.mobile = numbers.mobile
              AND b.application_id IS NOT DISTINCT FROM %s::int))
        FROM (SELECT DISTINCT mobile FROM import_row WHERE import_id = %s) AS numbers
        """,
        (application_id, import_id),
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def remove(tx: Tx, application_id: int | None, mobile: str) -> None:
    """Take a number off exactly that blacklist."""
    # blacklist_mobile
    tx.execute(
        """
        DELETE FROM blacklist WHERE mobile = %s AND application_id IS NOT DISTINCT FROM %s::int
        """,
        (mobile, application_id),
    )


def lift(tx: Tx, application_id: int, mobile: str) -> bool:
    """Take a number off that came by its own SMS, since it wants messages again (R-6.4)."""
    cursor = tx.execute(
        # blacklist_mobile
        "DELETE FROM blacklist WHERE mobile = %s AND application_id = %s AND origin = 'mo'",
        (mobile, application_id),
    )
    return cursor.rowcount == 1


def search(
    tx: Tx,
    application_id: int,
    *,
    part: str | None,
    limit: int | None,
    before_id: int | None = None,
) -> list[Entry]:
    """The newest `limit` entries that count in an application, whose mobile holds `part`.

    `before_id` is for the next page.
    """
    with tx.cursor(row_factory=class_row(Entry)) as cursor:
        # blacklist_application, backwards until there are enough, once for each of the two lists.
        cursor.execute(
            f"""
            SELECT {_COLUMNS} FROM (
                (SELECT * FROM blacklist
                 WHERE application_id = %(application_id)s
                   AND (%(part)s::text IS NULL OR strpos(mobile, %(part)s) > 0)
                   AND (%(before)s::bigint IS NULL OR id < %(before)s)
                 ORDER BY id DESC LIMIT %(limit)s)
                UNION ALL
                (SELECT * FROM blacklist
                 WHERE application_id IS NULL
                   AND (%(part)s::text IS NULL OR strpos(mobile, %(part)s) > 0)
                   AND (%(before)s::bigint IS NULL OR id < %(before)s)
                 ORDER BY id DESC LIMIT %(limit)s)
            ) AS found
            ORDER BY id DESC LIMIT %(limit)s
            """,
            {
                "application_id": application_id,
                "part": part,
                "before": before_id,
                "limit": limit,
            },
        )
        return cursor.fetchall()


def page(tx: Tx, application_id: int, part: str | None, *, after_id: int, rows: int) -> list[Entry]:
    """The next `rows` entries that count in an application and match, in the order they came."""
    with tx.cursor(row_factory=class_row(Entry)) as cursor:
        # blacklist_pkey from `after_id` on.
        cursor.execute(
            f"""
            SELECT {_COLUMNS} FROM blacklist
            WHERE id > %(after)s
              AND (application_id = %(application_id)s OR application_id IS NULL)
              AND (%(part)s::text IS NULL OR strpos(mobile, %(part)s) > 0)
            ORDER BY id LIMIT %(rows)s
            """,
            {"after": after_id, "application_id": application_id, "part": part, "rows": rows},
        )
        return cursor.fetchall()
