"""The log: who did what and when, written in the transaction of the change itself (R-7.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from engine.store.db import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One change: `before` and `after` hold what the change touched, None where there is none."""

    id: int
    at: datetime
    application: str | None
    by: str
    action: str
    object: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


def record(
    tx: Tx,
    *,
    application_id: int | None,
    by: str,
    action: str,
    object: str,  # noqa: A002 - the column's own name
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Write one line: `action` is noun.verb (`list.import`), `object` a name or an id.

    `before` and `after` are JSON; never a secret, never a message's text to a single number.
    """
    tx.execute(
        """
        INSERT INTO log (application_id, by, action, object, before, after)
        VALUES (%s, %s, %s, %s, %s, %s)
        """,
        (application_id, by, action, object, _json(before), _json(after)),
    )


_MATCHES = """
      AND (%(by)s::text IS NULL OR by = %(by)s)
      AND (%(action)s::text IS NULL OR action = %(action)s
           OR starts_with(action, %(action)s || '.'))
      AND (%(object)s::text IS NULL OR strpos(lower(object), lower(%(object)s)) > 0)
      AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)
      AND (%(until)s::timestamptz IS NULL OR at < %(until)s)
    ORDER BY id DESC LIMIT %(limit)s
"""


def find(
    tx: Tx,
    application_id: int,
    *,
    by: str | None = None,
    action: str | None = None,
    object: str | None = None,  # noqa: A002 - the column's own name
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int | None = None,
) -> list[LogLine]:
    """The newest `limit` lines of an application and of the installation, oldest first.

    `action` matches itself and, given as a noun, all its verbs; `object` is any part of it, in any
    case; since ≤ at < until.
    """
    with tx.cursor(row_factory=class_row(LogLine)) as cursor:
        # Read from the end of log_application (application_id, id) and of log_installation; ids
        # rise with time, so the conditions filter a walk that the limit stops.
        cursor.execute(
            f"""
            SELECT log.id, at, application.name AS application, by, action, object, before, after
            FROM ((SELECT * FROM log WHERE application_id = %(application_id)s {_MATCHES})
                  UNION ALL
                  (SELECT * FROM log WHERE application_id IS NULL {_MATCHES})) AS log
            LEFT JOIN application ON application.id = application_id
            ORDER BY log.id DESC
            LIMIT %(limit)s
            """,
            {
                "application_id": application_id,
                "by": by,
                "action": action,
                "object": object,
                "since": since,
                "until": until,
                "limit": limit,
            },
        )
        return cursor.fetchall()[::-1]


def _json(value: Mapping[str, Any] | None) -> Jsonb | None:
    return None if value is None else Jsonb(value)
