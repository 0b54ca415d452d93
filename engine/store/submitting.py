"""Single messages accepted by the thousand: one statement a table, however many there are (R-7.8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.types.json import Jsonb

from engine.store import callbacks
from engine.store.arrays import ints
from engine.store.db import Tx

KEPT = timedelta(days=1)
"""How long a request can be repeated under its key: longer than any client's retries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """A message to be accepted; `due_at` and `not_after` None: at once, and for ever."""

    application_id: int
    message_class: int
    mobile: str
    sender: str
    text: str
    encoding: str
    flash: bool
    due_at: datetime | None
    not_after: datetime | None


def insert(tx: Tx, messages: Sequence[NewMessage]) -> list[int]:
    """Accept them all; their ids, in that order."""
    rows = tx.execute(
        # message_YYYYMMDD_pkey, due_pkey
        f"""
        WITH new AS MATERIALIZED (
            SELECT next_id() AS id, w.*
              FROM unnest(%s::int[], %s::smallint[], %s::text[], %s::text[], %s::text[], %s::text[],
                          %s::boolean[], %s::timestamptz[], %s::timestamptz[])
                   WITH ORDINALITY
                   AS w (application_id, class, mobile, sender, text, encoding, flash, due_at,
                         not_after, n)),
        moved AS (
            INSERT INTO message (id, application_id, class, state_at, created_at, mobile, sender,
                                 text, encoding, flash, not_after)
            SELECT id, application_id, class, now(), now(), mobile, sender, text, encoding,
                   nullif(flash, false), not_after
              FROM new ORDER BY n
            RETURNING {callbacks.RETURNING_BORN}),
        told AS ({callbacks.BORN}),
        waiting AS (
            INSERT INTO due (message_id, class, due_at)
            SELECT id, class, coalesce(due_at, now()) FROM new ORDER BY n)
        SELECT id FROM new ORDER BY n
        """,
        (
            ints(one.application_id for one in messages),
            ints(one.message_class for one in messages),
            [one.mobile for one in messages],
            [one.sender for one in messages],
            [one.text for one in messages],
            [one.encoding for one in messages],
            [one.flash for one in messages],
            [one.due_at for one in messages],
            [one.not_after for one in messages],
        ),
    ).fetchall()
    return [row[0] for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of the log (`audit`)."""

    application_id: int
    by: str
    of: str
    after: Mapping[str, object]


def log(tx: Tx, action: str, lines: Sequence[Line]) -> None:
    """Write the lines of many changes of one kind."""
    tx.execute(
        """
        INSERT INTO log (application_id, by, action, object, after)
        SELECT a, b, %s, o, j
          FROM unnest(%s::int[], %s::text[], %s::text[], %s::jsonb[]) WITH ORDINALITY
               AS l (a, b, o, j, n)
         ORDER BY n
        """,
        (
            action,
            ints(line.application_id for line in lines),
            [line.by for line in lines],
            [line.of for line in lines],
            [Jsonb(line.after) for line in lines],
        ),
    )


Key = tuple[int, str]
"""Application and key."""


def take(tx: Tx, keys: Sequence[Key]) -> set[Key]:
    """Those of `keys`, each once, that nobody else has under way; they are ours until the end."""
    rows = tx.execute(
        """
        SELECT n, pg_try_advisory_xact_lock(hashtextextended(a || ':' || k, 712))
          FROM unnest(%s::int[], %s::text[]) WITH ORDINALITY AS w (a, k, n)
        """,
        _columns(keys),
    )
    return {keys[n - 1] for n, mine in rows if mine}


def done(tx: Tx, keys: Sequence[Key]) -> dict[Key, tuple[bytes, str]]:
    """Of those that were done under these keys, the request's digest and its answer."""
    rows = tx.execute(
        # idempotency_key_pkey
        """
        SELECT i.application_id, i.key, i.digest, i.answer
          FROM unnest(%s::int[], %s::text[]) AS w (a, k)
          JOIN idempotency_key i ON i.application_id = w.a AND i.key = w.k
        """,
        _columns(keys),
    )
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}


def keep(tx: Tx, answers: Sequence[tuple[Key, bytes, str]]) -> None:
    """Keep the answers to requests with keys: key, digest of the request, answer."""
    tx.execute(
        """
        INSERT INTO idempotency_key (application_id, key, digest, answer)
        SELECT * FROM unnest(%s::int[], %s::text[], %s::bytea[], %s::text[])
        """,
        (
            *_columns([key for key, _, _ in answers]),
            [digest for _, digest, _ in answers],
            [answer for _, _, answer in answers],
        ),
    )


def purge(tx: Tx, now: datetime) -> None:
    """Forget the keys of yesterday."""
    # idempotency_key_at
    tx.execute("DELETE FROM idempotency_key WHERE at < %s", (now - KEPT,))


def _columns(keys: Sequence[Key]) -> tuple[str, list[str]]:
    return ints(key[0] for key in keys), [key[1] for key in keys]
