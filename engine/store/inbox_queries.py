"""The inbox as a person reads it: MO by number, content, list and batch, the newest first (R-6.1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from engine.store.db import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Mo:
    """One MO, with what is known of who wrote it.

    `opted_out` is what the number last said about the list that it answers, or about all of the
    application. `application` is None for one to a number that nobody owns.
    """

    id: int
    application: str | None
    received_at: datetime
    mobile: str
    destination: str
    content: str
    campaign_id: int | None
    message_id: int | None
    list: str | None
    batch: str | None
    params: Sequence[str] | None
    opted_out: bool
    meaning: str | None
    """What it was taken for (`domain.inbound.Meaning`)."""
    response_id: int | None
    response: str | None
    """The message that answers it, and its text until that is scrubbed."""
    parts: int
    parts_of: int
    """How many parts of it came; fewer than there should be when some never did (R-5.9)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which MO are looked for; None asks nothing. `mobile` and `content` match in part.

    `unowned` asks for those to numbers that no application owns, instead of the application's.
    """

    mobile: str | None = None
    content: str | None = None
    list: str | None = None
    batch: str | None = None
    opted_out: bool | None = None
    meaning: str | None = None
    unowned: bool = False


_OPTED_OUT = """
    coalesce((SELECT s.event = 'out' FROM consent s
              WHERE s.application_id = i.application_id AND s.mobile = i.mobile
                AND (s.list_id IS NULL OR s.list_id = i.list_id)
              ORDER BY s.id DESC LIMIT 1), false)
"""


def find(
    tx: Tx, application_id: int, asked: Filter, *, limit: int | None, before_id: int | None = None
) -> list[Mo]:
    """Give the newest `limit` MO that match, the newest first; None gives all.

    `before_id` is for the next page.
    """
    # inbox_application, backwards from the newest day's partition until there are enough
    return _select(tx, application_id, asked, "i.id < %(edge)s", "DESC", before_id, limit)


def after(tx: Tx, application_id: int, asked: Filter, *, after_id: int, limit: int) -> list[Mo]:
    """Give the first `limit` MO that match and have higher numbers, the oldest first."""
    # inbox_application from there on, the days before pruned
    return _select(tx, application_id, asked, "i.id > %(edge)s", "ASC", after_id, limit)


def _select(
    tx: Tx,
    application_id: int,
    asked: Filter,
    beyond: str,
    order: str,
    edge: int | None,
    limit: int | None,
) -> list[Mo]:
    owner = "i.application_id IS NULL" if asked.unowned else "i.application_id = %(app)s"
    with tx.cursor(row_factory=class_row(Mo)) as cursor:
        # consent_mobile and message_YYYYMMDD_pkey for each row that is given
        return cursor.execute(
            f"""
            SELECT i.id, a.name AS application, i.received_at, i.mobile, i.destination, i.content,
                   i.campaign_id, i.message_id, l.name AS list, c.batch, i.params,
                   {_OPTED_OUT} AS opted_out, i.meaning, i.response_id,
                   (SELECT m.text FROM message m WHERE m.id = i.response_id) AS response,
                   i.parts, i.parts_of
            FROM inbox i
            LEFT JOIN application a ON a.id = i.application_id
            LEFT JOIN campaign c ON c.id = i.campaign_id
            LEFT JOIN list l ON l.id = i.list_id
            WHERE {owner}
              AND (%(mobile)s::text IS NULL OR strpos(i.mobile, %(mobile)s) > 0)
              AND (%(content)s::text IS NULL OR strpos(lower(i.content), lower(%(content)s)) > 0)
              AND (%(list)s::text IS NULL OR l.name = %(list)s)
              AND (%(batch)s::text IS NULL OR c.batch = %(batch)s)
              AND (%(meaning)s::text IS NULL OR i.meaning = %(meaning)s)
              AND (%(opted_out)s::bool IS NULL OR {_OPTED_OUT} = %(opted_out)s)
              AND {beyond if edge is not None else "true"}
            ORDER BY i.id {order}
            LIMIT %(limit)s
            """,
            {
                "app": application_id,
                "mobile": asked.mobile,
                "content": asked.content,
                "list": asked.list,
                "batch": asked.batch,
                "opted_out": asked.opted_out,
                "meaning": asked.meaning,
                "edge": edge,
                "limit": limit,
            },
        ).fetchall()


def mobile_of(tx: Tx, application_id: int, inbox_id: int) -> str | None:
    """Who wrote an MO of the application; None when it has none of that id."""
    # inbox_YYYYMMDD_pkey
    row = tx.execute(
        "SELECT mobile FROM inbox WHERE id = %s AND application_id = %s",
        (inbox_id, application_id),
    ).fetchone()
    return None if row is None else str(row[0])
