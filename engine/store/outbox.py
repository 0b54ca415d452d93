"""What is to be told outside of SMPP, and what became of it (R-6.8, R-8.3).

A row is written in the transaction that causes it (an MO's in `subscribers`) and deleted when it has
been told. A place (the mail server) has one worker at a time, by a lease: it changes no row to claim
it, so that a worker that was killed leaves all as it was, and the same node goes on at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from engine.store.arrays import ints, literal
from engine.store.db import Tx

MAIL = "mail"
"""The place where mails go."""

LEASE = timedelta(seconds=180)
"""Longer than a worker tells what it has claimed: twice `worker.CLAIMED_S`, and one exchange."""

LOOKED_AT = 200
"""Due mails that a claim looks at."""

EACH = 20
"""Mails to one recipient that a claim takes at most, so that others have their turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail that is due: what it is about, as far as that is still kept.

    `about` what an MO was, `payload` what only the outbox has (an import's report).
    """

    id: int
    kind: str
    recipient: str
    created_at: datetime
    attempts: int
    first_at: datetime | None
    due_at: datetime
    payload: Mapping[str, Any]
    timezone: str
    mobile: str | None
    destination: str | None
    received_at: datetime | None
    content: str | None
    whole: bool | None
    meaning: str | None
    params: list[str] | None
    list: str | None
    batch: str | None
    list_id: int | None
    list_at: datetime | None
    campaign_id: int | None
    campaign_at: datetime | None
    campaign_text: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What is to be sent now, each recipient's in order. `more`: look again at once."""

    groups: tuple[tuple[Mail, ...], ...] = ()
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """What waits, and since when the oldest does; how many could not be told."""

    waiting: int
    oldest_at: datetime | None
    dead: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A mail that waits: when it is due, how often it has failed, and why it did last."""

    id: int
    kind: str
    recipient: str
    created_at: datetime
    due_at: datetime
    attempts: int
    last_error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dead:
    """A mail that could not be sent."""

    id: int
    kind: str
    recipient: str
    created_at: datetime
    attempts: int
    died_at: datetime
    reason: str


# ---------------------------------------------------------------- in


def report(tx: Tx, application_id: int, recipient: str, payload: Mapping[str, Any]) -> None:
    """The report of an import is to be mailed."""
    tx.execute(
        """
        INSERT INTO outbox (kind, application_id, recipient, payload) VALUES ('report', %s, %s, %s)
        """,
        (application_id, recipient, Jsonb(payload)),
    )


# ---------------------------------------------------------------- out


def claim_mails(tx: Tx, node_id: int, now: datetime) -> Claim:
    """Mails that are due, for the one node that sends them; none while another one does.

    A mail waits for the older ones to its recipient: while the oldest is not due, they are due with
    it.
    """
    due = tx.execute(
        # outbox_due, in its order; without endpoint_id in that, all that is due would be sorted
        """
        SELECT id, recipient FROM outbox WHERE endpoint_id IS NULL AND due_at <= %s
         ORDER BY endpoint_id, due_at, id LIMIT %s
        """,
        (now, LOOKED_AT),
    ).fetchall()
    if not due or not hold(tx, MAIL, node_id, now, LEASE):
        return Claim()
    recipients = list(dict.fromkeys(recipient for _, recipient in due))
    groups: list[tuple[Mail, ...]] = []
    later: dict[str, datetime] = {}
    for recipient in recipients:
        mails = _of(tx, recipient)
        if mails and mails[0].due_at > now:
            later[recipient] = mails[0].due_at
        elif mails:
            groups.append(tuple(mails))
    waiting = [(mail_id, later[recipient]) for mail_id, recipient in due if recipient in later]
    if waiting:
        tx.execute(
            # outbox_pkey
            """
            UPDATE outbox SET due_at = w.due_at
              FROM unnest(%s::bigint[], %s::timestamptz[]) AS w (id, due_at)
             WHERE outbox.id = w.id AND outbox.id = ANY (%s::bigint[])
            """,
            (*(list(column) for column in zip(*waiting, strict=True)), [one for one, _ in waiting]),
        )
    return Claim(groups=tuple(groups), more=bool(groups) or len(due) == LOOKED_AT)


def hold(tx: Tx, place: str, node_id: int, now: datetime, lease: timedelta) -> bool:
    """Take or renew the lease of a place; False while another node has it."""
    cursor = tx.execute(
        # outbox_worker_pkey
        """
        INSERT INTO outbox_worker (place, node_id, until) VALUES (%(place)s, %(node)s, %(until)s)
            ON CONFLICT (place) DO UPDATE SET node_id = excluded.node_id, until = excluded.until
         WHERE outbox_worker.node_id = excluded.node_id OR outbox_worker.until <= %(now)s
        """,
        {"place": place, "node": node_id, "until": now + lease, "now": now},
    )
    return cursor.rowcount == 1


def release(tx: Tx, place: str, node_id: int) -> None:
    """Let another node have a place at once."""
    # outbox_worker_pkey
    tx.execute("DELETE FROM outbox_worker WHERE place = %s AND node_id = %s", (place, node_id))


def _of(tx: Tx, recipient: str) -> list[Mail]:
    """The oldest mails to a recipient, with all that they tell."""
    with tx.cursor(row_factory=class_row(Mail)) as cursor:
        cursor.execute(
            # outbox_recipient; inbox_YYYYMMDD_pkey, list_pkey, campaign_pkey, application_pkey
            """
            SELECT o.id, o.kind, o.recipient, o.created_at, o.attempts, o.first_at, o.due_at,
                   o.payload, a.timezone, i.mobile, i.destination, i.received_at, i.content,
                   i.parts >= i.parts_of AS whole, i.meaning, i.params, l.name AS list, l.batch,
                   l.id AS list_id, l.created_at AS list_at, c.id AS campaign_id,
                   c.created_at AS campaign_at, c.text AS campaign_text
              FROM outbox o
              JOIN application a ON a.id = o.application_id
              LEFT JOIN inbox i ON i.id = o.about_id
              LEFT JOIN list l ON l.id = i.list_id
              LEFT JOIN campaign c ON c.id = i.campaign_id
             WHERE o.recipient = %s
             ORDER BY o.id LIMIT %s
            """,
            (recipient, EACH),
        )
        return cursor.fetchall()


def done(tx: Tx, ids: Sequence[int]) -> None:
    """These have been told."""
    # outbox_pkey
    tx.execute("DELETE FROM outbox WHERE id = ANY (%s::bigint[])", (ints(ids),))


def failed(tx: Tx, outbox_id: int, error: str, due_at: datetime, now: datetime) -> None:
    """It could not be told now; it is tried again."""
    tx.execute(
        # outbox_pkey
        """
        UPDATE outbox SET attempts = attempts + 1, first_at = coalesce(first_at, %s),
                          last_error = %s, due_at = %s
         WHERE id = %s
        """,
        (now, error, due_at, outbox_id),
    )


def died(tx: Tx, outbox_id: int, reason: str, now: datetime) -> None:
    """It can't be told; it is kept, with the reason."""
    bury(tx, [(outbox_id, reason)], now)


def bury(tx: Tx, dead: Sequence[tuple[int, str]], now: datetime) -> None:
    """These can't be told, mails and callbacks; each is kept, with its reason."""
    ids = ints(outbox_id for outbox_id, _ in dead)
    tx.execute(
        # outbox_pkey
        """
        WITH gone AS (DELETE FROM outbox WHERE id = ANY (%s::bigint[]) RETURNING *)
        INSERT INTO outbox_dead (id, kind, application_id, endpoint_id, recipient, about_id, payload,
                                 created_at, attempts, first_at, died_at, reason, campaign_id,
                                 mobile, status, status_at, sent_at)
        SELECT g.id, g.kind, g.application_id, g.endpoint_id, g.recipient, g.about_id, g.payload,
               g.created_at, g.attempts + 1, coalesce(g.first_at, %s), %s, d.reason, g.campaign_id,
               g.mobile, g.status, g.status_at, g.sent_at
          FROM gone g JOIN unnest(%s::bigint[], %s::text[]) AS d (id, reason) USING (id)
        """,
        (ids, now, now, ids, literal(reason for _, reason in dead)),
    )


# ---------------------------------------------------------------- looking on


def mails(tx: Tx) -> Depth:
    """How many mails wait, and how many could not be sent, of all applications."""
    row = tx.execute(
        # outbox_due; outbox_dead is small
        """
        SELECT (SELECT count(*) FROM outbox WHERE endpoint_id IS NULL),
               (SELECT min(created_at) FROM outbox WHERE endpoint_id IS NULL),
               (SELECT count(*) FROM outbox_dead WHERE endpoint_id IS NULL)
        """
    ).fetchone()
    assert row is not None
    return Depth(waiting=row[0], oldest_at=row[1], dead=row[2])


def waiting(tx: Tx, application_id: int, limit: int | None) -> list[Waiting]:
    """The mails of an application that wait, the oldest first."""
    with tx.cursor(row_factory=class_row(Waiting)) as cursor:
        cursor.execute(
            # outbox_pkey, in the order of time
            """
            SELECT id, kind, recipient, created_at, due_at, attempts, last_error FROM outbox
             WHERE application_id = %s AND recipient IS NOT NULL
             ORDER BY id LIMIT %s
            """,
            (application_id, limit),
        )
        return cursor.fetchall()


def dead(tx: Tx, application_id: int, limit: int | None) -> list[Dead]:
    """The mails of an application that could not be sent, the newest first."""
    with tx.cursor(row_factory=class_row(Dead)) as cursor:
        cursor.execute(
            # outbox_dead_application
            """
            SELECT id, kind, recipient, created_at, attempts, died_at, reason FROM outbox_dead
             WHERE application_id = %s AND recipient IS NOT NULL
             ORDER BY id DESC LIMIT %s
            """,
            (application_id, limit),
        )
        return cursor.fetchall()


def replay(tx: Tx, application_id: int, ids: Sequence[int] | None, now: datetime) -> list[Dead]:
    """Dead mails wait again, as if they had never been tried; None: all. What was dead.

    Each keeps its number: it is the same mail, with the same Message-ID.
    """
    with tx.cursor(row_factory=class_row(Dead)) as cursor:
        cursor.execute(
            # outbox_dead_application
            """
            WITH back AS (
                DELETE FROM outbox_dead
                 WHERE application_id = %(application)s AND recipient IS NOT NULL
                   AND (%(ids)s::bigint[] IS NULL OR id = ANY (%(ids)s::bigint[]))
                RETURNING *),
            put AS (
                INSERT INTO outbox (id, kind, application_id, recipient, about_id, payload,
                                    created_at, due_at)
                OVERRIDING SYSTEM VALUE
                SELECT id, kind, application_id, recipient, about_id, payload, created_at, %(now)s
                  FROM back)
            SELECT id, kind, recipient, created_at, attempts, died_at, reason FROM back ORDER BY id
            """,
            {
                "application": application_id,
                "ids": None if ids is None else ints(ids),
                "now": now,
            },
        )
        return cursor.fetchall()


def discard(tx: Tx, before: datetime, rows: int) -> int:
    """Forget what died before a time, and reports that waited since before it; how many.

    An MO waits as long as it has to.
    """
    dead = tx.execute(
        # outbox_dead_at
        """
        DELETE FROM outbox_dead WHERE id IN (
            SELECT id FROM outbox_dead WHERE died_at < %s ORDER BY died_at LIMIT %s)
        """,
        (before, rows),
    )
    waited = tx.execute(
        # outbox_pkey, in the order of time
        """
        DELETE FROM outbox WHERE id IN (
            SELECT id FROM (SELECT id, kind, created_at FROM outbox ORDER BY id LIMIT %s) AS oldest
             WHERE kind = 'report' AND created_at < %s)
        """,
        (rows, before),
    )
    return dead.rowcount + waited.rowcount
