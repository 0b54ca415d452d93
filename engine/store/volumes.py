"""Who has sent how much: campaigns with their users, companies and applications (R-7.7).

Campaigns stay for ever, with how many recipients they had, so volumes outlive the messages.
"""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from engine.store.db import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A campaign that has started: who sent it, and to how many."""

    user: str
    company: str | None
    application: str
    campaign: int
    list: str | None
    recipients: int
    sent_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which campaigns: of one application or of all, that started in since ≤ t < until."""

    application_id: int | None
    since: datetime | None
    until: datetime | None


# Some ten thousand campaigns: read as a whole, no index is worth its place.
_WHICH = """
      FROM campaign c
      JOIN application a ON a.id = c.application_id
      LEFT JOIN list l ON l.id = c.list_id
     WHERE c.started_at IS NOT NULL
       AND (%(application)s::int IS NULL OR c.application_id = %(application)s)
       AND (%(since)s::timestamptz IS NULL OR c.started_at >= %(since)s)
       AND (%(until)s::timestamptz IS NULL OR c.started_at < %(until)s)
"""


def total(tx: Tx, asked: Filter) -> tuple[int, int]:
    """How many campaigns, and how many recipients they had together."""
    row = tx.execute(
        f"SELECT count(*), coalesce(sum(c.recipients), 0)::bigint {_WHICH}", _params(asked)
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def find(tx: Tx, asked: Filter, *, rows: int, skip: int) -> list[Volume]:
    """The newest of them behind `skip`, at most `rows`."""
    with tx.cursor(row_factory=class_row(Volume)) as cursor:
        return cursor.execute(
            f"""
            SELECT c.created_by AS user, a.company, a.name AS application, c.id AS campaign,
                   l.name AS list, c.recipients, c.started_at AS sent_at
            {_WHICH}
             ORDER BY c.started_at DESC, c.id DESC LIMIT %(rows)s OFFSET %(skip)s
            """,
            {**_params(asked), "rows": rows, "skip": skip},
        ).fetchall()


def scheduled(tx: Tx, application_id: int, since: datetime, until: datetime) -> list[int]:
    """The campaigns of an application with since ≤ scheduled_at < until, by that; not deleted ones."""
    return [
        row[0]
        for row in tx.execute(
            """
            SELECT id FROM campaign
             WHERE application_id = %s AND scheduled_at >= %s AND scheduled_at < %s
               AND deleted_at IS NULL
             ORDER BY scheduled_at, id
            """,
            (application_id, since, until),
        )
    ]


def _params(asked: Filter) -> dict[str, object]:
    return {"application": asked.application_id, "since": asked.since, "until": asked.until}
