"""What numbers have said about being messaged: events, of which the newest counts (R-6.3).

For a list, that is the newest of those on it and those on all of the application. Nothing is ever
taken back: an event is followed by another.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from engine.store.db import Tx


class Event(StrEnum):
    """What was said."""

    OUT = "out"
    IN = "in"


class Said(NamedTuple):
    """What came of a file of opt-outs: different numbers, those that are new, and non-members."""

    numbers: int
    new: int
    not_in_list: int


def say(
    tx: Tx,
    application_id: int,
    mobile: str,
    list_id: int | None,
    event: Event,
    *,
    origin: str,
    by: str,
    reason: str | None = None,
) -> None:
    """Write an event down; `list_id` None is all of the application.

    `origin` is mo, keyword, manual or import; `by` the person, or the number itself.
    """
    tx.execute(
        """
        INSERT INTO consent (application_id, mobile, list_id, event, origin, by, reason)
        VALUES (%s, %s, %s, %s, %s, %s, %s)
        """,
        (application_id, mobile, list_id, event.value, origin, by, reason),
    )


def newest(tx: Tx, application_id: int, mobile: str, list_id: int | None) -> Event | None:
    """The newest event that counts for a list; for None, the newest on anything at all."""
    # consent_mobile
    row = tx.execute(
        """
        SELECT event FROM consent
        WHERE application_id = %(application_id)s AND mobile = %(mobile)s
          AND (%(list_id)s::int IS NULL OR list_id IS NULL OR list_id = %(list_id)s)
        ORDER BY id DESC LIMIT 1
        """,
        {"application_id": application_id, "mobile": mobile, "list_id": list_id},
    ).fetchone()
    return None if row is None else Event(row[0])


def out_of_all(tx: Tx, application_id: int, mobile: str) -> bool:
    """Whether the number's very last word was *out*, to all of the application."""
    # consent_mobile
    row = tx.execute(
        """
        SELECT event = 'out' AND list_id IS NULL FROM consent
        WHERE application_id = %s AND mobile = %s ORDER BY id DESC LIMIT 1
        """,
        (application_id, mobile),
    ).fetchone()
    return row is not None and bool(row[0])


def opt_out_staged(
    tx: Tx,
    import_id: UUID,
    application_id: int,
    list_id: int,
    *,
    everywhere: bool,
    by: str,
    reason: str | None,
    dry_run: bool,
) -> Said:
    """Write *out* down for the staged numbers of a file that have not said it last.

    From the list, or `everywhere` in the application. A dry run only counts.
    """
    # import_row_import, sorted by mobile; consent_mobile and member_list_id_mobile_key for each.
    tx.execute("SET LOCAL statement_timeout = '30min'; SET LOCAL work_mem = '64MB'")
    row = tx.execute(
        """
        WITH numbers AS MATERIALIZED (
            SELECT first.mobile,
                   coalesce(said.event = 'out'
                            AND (NOT %(everywhere)s OR said.list_id IS NULL), false) AS already,
                   EXISTS (SELECT FROM member m
                           WHERE m.list_id = %(list_id)s AND m.mobile = first.mobile) AS member
            FROM (SELECT DISTINCT mobile FROM import_row WHERE import_id = %(import_id)s) AS first
            LEFT JOIN LATERAL (
                SELECT event, list_id FROM consent
                WHERE application_id = %(application_id)s AND mobile = first.mobile
                  AND (%(everywhere)s OR list_id IS NULL OR list_id = %(list_id)s)
                ORDER BY id DESC LIMIT 1
            ) AS said ON true),
        written AS (
            INSERT INTO consent (application_id, mobile, list_id, event, origin, by, reason)
            SELECT %(application_id)s, mobile, CASE WHEN NOT %(everywhere)s THEN %(list_id)s END,
                   'out', 'import', %(by)s, %(reason)s
            FROM numbers WHERE NOT already AND NOT %(dry_run)s ORDER BY mobile)
        SELECT count(*), count(*) FILTER (WHERE NOT already), count(*) FILTER (WHERE NOT member)
        FROM numbers
        """,
        {
            "import_id": import_id,
            "application_id": application_id,
            "list_id": list_id,
            "everywhere": everywhere,
            "by": by,
            "reason": reason,
            "dry_run": dry_run,
        },
    ).fetchone()
    assert row is not None
    return Said(*row)
