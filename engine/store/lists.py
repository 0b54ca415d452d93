"""Lists of recipients, and how many are in them (R-1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row

from engine.domain.errors import Refused
from engine.store.db import Tx

WAIT = "20s"
"""What somebody at a terminal waits for a list that is being changed."""

LONG_WAIT = "30min"
"""What an import waits, that has read its file already: no merge takes longer."""


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
        # list_name
        cursor.execute(
            """
            SELECT id, name, batch, email, created_at FROM list
            WHERE application_id = %s AND name = %s AND deleted_at IS NULL
            """,
            (application_id, name),
        )
        return cursor.fetchone()


def lock(tx: Tx, list_id: int, *, patient: bool = False, alone: bool = False) -> List | None:
    """The list, that nobody else changes, nor its members, until the end; None when it is gone.

    Whoever changes members takes this first, so that what was counted is still so when it is
    written. Campaigns may be made to the list meanwhile, unless it is locked `alone`. Raises
    Refused when somebody else keeps it for long: seconds, or, for who is `patient`, as long as an
    import's merge may take.
    """
    # list_pkey. The time-out of statements counts the waiting, too.
    tx.execute(
        """
        SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', '0', true)
        """,
        (LONG_WAIT if patient else WAIT,),
    )
    try:
        with tx.cursor(row_factory=class_row(List)) as cursor:
            cursor.execute(
                f"""
                SELECT id, name, batch, email, created_at FROM list
                WHERE id = %s AND deleted_at IS NULL
                FOR {"UPDATE" if alone else "NO KEY UPDATE"}
                """,
                (list_id,),
            )
            locked = cursor.fetchone()
    except psycopg.errors.LockNotAvailable as error:
        raise Refused(
            "the list is being changed by somebody else, probably by a large import; try again"
            " when that is done"
        ) from error
    tx.execute("SET LOCAL lock_timeout TO DEFAULT; SET LOCAL statement_timeout TO DEFAULT")
    return locked


def hold(tx: Tx, list_id: int) -> bool:
    """Keep the list from being deleted until the end; False when it has been."""
    # list_pkey
    cursor = tx.execute(
        "SELECT FROM list WHERE id = %s AND deleted_at IS NULL FOR KEY SHARE", (list_id,)
    )
    return cursor.rowcount == 1


def names(tx: Tx, application_id: int) -> list[str]:
    """The names of the newest 1,000 lists: what a mistyped one is compared with."""
    # list_name; a few thousand lists are sorted in a millisecond.
    found = tx.execute(
        """
        SELECT name FROM list WHERE application_id = %s AND deleted_at IS NULL
        ORDER BY id DESC LIMIT 1000
        """,
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


def rename(tx: Tx, application_id: int, list_id: int, name: str) -> bool:
    """Give a list another name; False when there is a list of that name."""
    if find(tx, application_id, name) is not None:
        return False
    try:
        with tx.transaction():  # somebody may be quicker
            # list_pkey
            tx.execute("UPDATE list SET name = %s WHERE id = %s", (name, list_id))
    except psycopg.errors.UniqueViolation:
        return False
    return True


def open_campaigns(tx: Tx, list_id: int) -> list[int]:
    """The campaigns to the list that have not ended."""
    # campaign_list
    return [
        row[0]
        for row in tx.execute(
            """
            SELECT id FROM campaign
            WHERE list_id = %s
              AND state IN ('scheduled', 'waiting', 'running', 'paused', 'finishing')
            ORDER BY id
            """,
            (list_id,),
        )
    ]


def delete(tx: Tx, list_id: int) -> None:
    """Delete a list that the caller has locked alone: from now on nobody finds it.

    Its row stays for those that name it (campaigns, the inbox); `purge` removes the members.
    """
    # list_pkey
    tx.execute("UPDATE list SET deleted_at = now() WHERE id = %s", (list_id,))


def purge(tx: Tx, rows: int) -> int:
    """Remove the next `rows` members of deleted lists; how many there were (0: none is left)."""
    # list_deleted; member_pkey, for each list that was ever deleted until there are enough.
    cursor = tx.execute(
        """
        DELETE FROM member WHERE (list_id, id) IN (
            SELECT m.list_id, m.id FROM list l
            CROSS JOIN LATERAL (
                SELECT list_id, id FROM member WHERE list_id = l.id
                ORDER BY id LIMIT %(rows)s FOR UPDATE SKIP LOCKED
            ) AS m
            WHERE l.deleted_at IS NOT NULL
            LIMIT %(rows)s)
        """,
        {"rows": rows},
    )
    return cursor.rowcount


def search(
    tx: Tx,
    application_id: int,
    *,
    text: str | None,
    batch: str | None,
    limit: int | None,
    before_id: int | None = None,
) -> list[Listed]:
    """The newest `limit` lists whose name holds `text` (any case) and whose batch is `batch`.

    `before_id` is for the next page.
    """
    with tx.cursor(row_factory=class_row(Listed)) as cursor:
        # list_name; for the members of each list that is shown, list_size_list.
        cursor.execute(
            """
            SELECT found.*, (SELECT coalesce(sum(n), 0)::int FROM list_size
                             WHERE list_id = found.id) AS members
            FROM (
                SELECT id, name, batch, email, created_at FROM list
                WHERE application_id = %(application_id)s AND deleted_at IS NULL
                  AND (%(text)s::text IS NULL OR strpos(lower(name), lower(%(text)s)) > 0)
                  AND (%(batch)s::text IS NULL OR batch = %(batch)s)
                  AND (%(before)s::bigint IS NULL OR id < %(before)s)
                ORDER BY id DESC
                LIMIT %(limit)s
            ) AS found
            ORDER BY found.id DESC
            """,
            {
                "application_id": application_id,
                "text": text,
                "batch": batch,
                "before": before_id,
                "limit": limit,
            },
        )
        return cursor.fetchall()


def compact_sizes(tx: Tx) -> None:
    """Add up the rows of each list's size. Differences that are inserted meanwhile stay beside it."""
    tx.execute(  # list_size is small: a row for each change of members since the last time
        """
        WITH grown AS (SELECT list_id FROM list_size GROUP BY 1 HAVING count(*) > 1),
        old AS (
            DELETE FROM list_size WHERE list_id IN (SELECT list_id FROM grown)
            RETURNING list_id, n)
        INSERT INTO list_size (list_id, n)
        SELECT list_id, sum(n) FROM old GROUP BY 1 HAVING sum(n) <> 0
        """
    )


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
            WHERE l.application_id = %s AND l.name = %s AND l.deleted_at IS NULL
            """,
            (application_id, name),
        )
        return cursor.fetchone()
