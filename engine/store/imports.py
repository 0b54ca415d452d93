"""An import on its way: rows are staged in short transactions and merged into the list in one.

Nothing of it is in the list before the merge commits, so an import that was killed leaves only
staged rows, which the next import of anybody clears away after an hour.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from engine.store.db import Tx


class Staged(NamedTuple):
    """A row that can be imported. A tuple, for a file has a million of them."""

    line: int
    mobile: str
    params: tuple[str, ...]
    mapped: bool


class Fate(StrEnum):
    """What becomes of a staged row; duplicates in the file never get this far."""

    NEW = "new"  # joins the list
    THERE = "there"  # is in the list
    BLACKLISTED = "blacklisted"  # of the application, or of all
    DELETED = "deleted"  # was in the list and was deleted from it
    OPTED_OUT = "opted_out"  # its newest word to the list, or to all, is *out*


class Merged(NamedTuple):
    """What a merge did; `updated` of those that were there got new params."""

    imported: int
    updated: int


# What a param's characters are inside an array inside COPY's text; U+001F, which no param holds,
# stands between two of them. The driver's own way, value by value, takes five times as long.
_BETWEEN = "\x1f"
_IN_COPY = str.maketrans(
    {"\\": "\\\\\\\\", '"': '\\\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", _BETWEEN: '","'}
)


def stage(tx: Tx, import_id: UUID, rows: Iterable[Staged]) -> None:
    """Write a chunk of rows down; some 20,000 at a time keep transactions and memory short."""
    start = f"{import_id}\t"
    lines = [
        f"{start}{line}\t{mobile}\t{_array(params)}\t{'t' if mapped else 'f'}\n"
        for line, mobile, params, mapped in rows
    ]
    with tx.cursor().copy(
        "COPY import_row (import_id, line, mobile, params, mapped) FROM STDIN"
    ) as copy:
        copy.write("".join(lines))


def _array(params: tuple[str, ...]) -> str:
    return f'{{"{_BETWEEN.join(params).translate(_IN_COPY)}"}}' if params else "{}"


def campaigns_run(tx: Tx) -> bool:
    """Whether any campaign is being sent, which an import must not slow down."""
    # campaign_open
    return bool(tx.execute("SELECT FROM campaign WHERE state = 'running' LIMIT 1").fetchall())


def discard(tx: Tx, import_id: UUID) -> None:
    """Forget what was staged."""
    # import_row_import
    tx.execute("DELETE FROM import_row WHERE import_id = %s", (import_id,))


def count(tx: Tx, import_id: UUID) -> int:
    """How many rows are staged."""
    # import_row_import
    row = tx.execute(
        "SELECT count(*) FROM import_row WHERE import_id = %s", (import_id,)
    ).fetchone()
    assert row is not None
    return int(row[0])


def discard_stale(tx: Tx) -> None:
    """Forget what imports staged that were killed: nothing was added for an hour."""
    # A scan: the table is empty but for imports that are on their way.
    tx.execute(
        """
        DELETE FROM import_row WHERE import_id IN (
            SELECT import_id FROM import_row GROUP BY import_id
            HAVING max(at) < now() - interval '1 hour')
        """
    )


def be_patient(tx: Tx) -> None:
    """Let the next statements wait for another import's merge."""
    tx.execute("SET LOCAL statement_timeout = '30min'")


def sort_out(
    tx: Tx, import_id: UUID, *, application_id: int, list_id: int | None, keep_opted_out: bool
) -> dict[Fate, int]:
    """Decide what becomes of each number, once; how many have each fate.

    The first row of a number wins. `list_id` None: a list that is still to be made. What was
    decided stands in the temporary table `sorted_row` until the transaction ends.
    """
    # A merge of a million rows takes longer than any other statement may. Without nested loops its
    # plan is good for ten rows and for a million: both tables may be so new that the planner knows
    # nothing of them, and it has been seen to go through the file once for each member.
    tx.execute(
        """
        SET LOCAL statement_timeout = '30min';
        SET LOCAL work_mem = '64MB';
        SET LOCAL enable_nestloop = off
        """
    )
    # import_row_import, sorted by mobile; member_pkey by its list and
    # blacklist_application, hashed; consent_mobile for each (a lateral join of one row can't be but
    # a nested loop).
    tx.execute(
        """
        CREATE TEMPORARY TABLE sorted_row ON COMMIT DROP AS
        SELECT first.line, first.mobile, first.params, m.id AS member_id,
               first.params <> '{}' AND first.params <> m.params AS changed,
               CASE WHEN never.mobile IS NOT NULL THEN 'blacklisted'
                    WHEN said.event = 'out' AND NOT %(keep)s THEN 'opted_out'
                    WHEN m.deleted_at IS NOT NULL THEN 'deleted'
                    WHEN m.id IS NOT NULL THEN 'there'
                    ELSE 'new' END AS fate
        FROM (
            SELECT DISTINCT ON (mobile) line, mobile, params FROM import_row
            WHERE import_id = %(import_id)s
            ORDER BY mobile, line
        ) AS first
        LEFT JOIN member m ON m.list_id = %(list_id)s AND m.mobile = first.mobile
        LEFT JOIN (
            SELECT DISTINCT mobile FROM blacklist
            WHERE application_id = %(application_id)s OR application_id IS NULL
        ) AS never ON never.mobile = first.mobile
        LEFT JOIN LATERAL (
            SELECT event FROM consent
            WHERE application_id = %(application_id)s AND mobile = first.mobile
              AND (list_id IS NULL OR list_id = %(list_id)s)
            ORDER BY id DESC LIMIT 1
        ) AS said ON true
        """,
        {
            "import_id": import_id,
            "application_id": application_id,
            "list_id": list_id,
            "keep": keep_opted_out,
        },
    )
    counts = dict.fromkeys(Fate, 0)
    counted = tx.execute("SELECT fate, count(*) FROM sorted_row GROUP BY fate")
    counts.update((Fate(fate), n) for fate, n in counted)
    return counts


def merge(tx: Tx, import_id: UUID, list_id: int) -> Merged:
    """Carry out what `sort_out` decided: the caller holds the list's lock since before it.

    Who is there already gets the file's params where the file has some and they differ; the rows
    join in the file's order.
    """
    # member_pkey
    updated = tx.execute(
        """
        UPDATE member m SET params = s.params FROM sorted_row s
        WHERE s.fate = 'there' AND s.changed AND m.list_id = %s AND m.id = s.member_id
        """,
        (list_id,),
    ).rowcount
    imported = tx.execute(
        """
        INSERT INTO member (list_id, mobile, params)
        SELECT %s, mobile, params FROM sorted_row WHERE fate = 'new' ORDER BY line
        """,
        (list_id,),
    ).rowcount
    discard(tx, import_id)
    tx.execute("RESET enable_nestloop")
    return Merged(imported=imported, updated=updated)


def new_rows(tx: Tx, params: int, rows: int = 20_000) -> Iterator[list[tuple[int, str, list[str]]]]:
    """What `sort_out` found to be new, as (line, mobile, params), in the file's order, in chunks.

    Of each the first `params`. It is read while the transaction lasts, after `merge`, too, and
    holds a chunk at a time.
    """
    with tx.cursor(name="new_rows") as cursor:
        cursor.execute(
            """
            SELECT line, mobile, params[:%s] FROM sorted_row WHERE fate = 'new' ORDER BY line
            """,
            (params,),
        )
        while chunk := cursor.fetchmany(rows):
            yield chunk


def merge_parts(tx: Tx, list_ids: Sequence[int], size: int) -> list[int]:
    """Put what `sort_out` found to be new into new lists, `size` each, in the file's order.

    How many each has got.
    """
    tx.execute(
        """
        INSERT INTO member (list_id, mobile, params)
        SELECT (%s::int[])[1 + (row_number() OVER (ORDER BY line) - 1) / %s], mobile, params
          FROM sorted_row WHERE fate = 'new' ORDER BY line
        """,
        (list(list_ids), size),
    )
    counted: dict[int, int] = dict(
        tx.execute(
            # list_size_list: rows of this transaction, by member's triggers
            "SELECT list_id, sum(n)::int FROM list_size WHERE list_id = ANY (%s) GROUP BY 1",
            (list(list_ids),),
        ).fetchall()
    )
    return [counted.get(list_id, 0) for list_id in list_ids]


def refresh_statistics(tx: Tx) -> None:
    """Tell the planner of members that have just come in great numbers: it would plan for none."""
    # In a transaction of its own, because its lock lasts; whoever holds it now does the same.
    tx.execute("ANALYZE (SKIP_LOCKED) member")
