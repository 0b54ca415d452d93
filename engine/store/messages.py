"""Single messages as a person sees them: accepted, looked at, resolved; turns launch them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from engine.domain.message import MessageClass, MessageState
from engine.store import held, launching
from engine.store.arrays import ints
from engine.store.db import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message's row, with its campaign's text and list, and what it waits for.

    The masks have bit i set for segment i + 1 (`domain.message.fold`).
    """

    id: int
    campaign_id: int | None
    list: str | None
    message_class: MessageClass
    state: MessageState
    state_at: datetime
    created_at: datetime
    sent_at: datetime | None
    mobile: str
    sender: str
    text: str | None
    """None when it was scrubbed."""
    params: Sequence[str] | None
    """Of the member, for a campaign's text; None where there are none."""
    encoding: str
    reason: str | None
    attempt: int
    total: int
    launched: int
    accepted: int
    delivered: int
    failed: int
    due_at: datetime | None
    held_at: datetime | None

    def __post_init__(self) -> None:
        # psycopg gives words and numbers; everything above speaks of states and classes.
        object.__setattr__(self, "state", MessageState(self.state))
        object.__setattr__(self, "message_class", MessageClass(self.message_class))


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """An attempt at a segment that the SMSC took, and what it calls it."""

    segment: int
    attempt: int
    carrier: str
    smsc_id: str | None
    at: datetime


def insert(
    tx: Tx,
    *,
    application_id: int,
    message_class: MessageClass,
    mobile: str,
    sender: str,
    text: str,
    encoding: str = "auto",
) -> int:
    """Accept a message outside campaigns, due at once; its id."""
    row = tx.execute(
        """
        WITH made AS (
            INSERT INTO message (id, application_id, class, state_at, created_at, mobile, sender,
                                 text, encoding)
            VALUES (next_id(), %(application)s, %(class)s, now(), now(), %(mobile)s, %(sender)s,
                    %(text)s, %(encoding)s)
            RETURNING id, class)
        INSERT INTO due (message_id, class, due_at) SELECT id, class, now() FROM made
        RETURNING message_id
        """,
        {
            "application": application_id,
            "class": message_class.value,
            "mobile": mobile,
            "sender": sender,
            "text": text,
            "encoding": encoding,
        },
    ).fetchone()
    assert row is not None
    return int(row[0])


def make_room(tx: Tx) -> None:
    """See that today has its partitions: they are made by engines, and none may have run for days."""
    tx.execute("SELECT ensure_partitions((now() AT TIME ZONE 'UTC')::date, 1)")


def get(tx: Tx, application_id: int, message_id: int) -> Message | None:
    """One message of the application; None when it has none of that id."""
    with tx.cursor(row_factory=class_row(Message)) as cursor:
        # message_YYYYMMDD_pkey, campaign_pkey, list_pkey, due_pkey, held_pkey
        return cursor.execute(
            """
            SELECT m.id, m.campaign_id, l.name AS list, m.class AS message_class, m.state,
                   m.state_at, m.created_at, m.sent_at, m.mobile, m.sender,
                   coalesce(m.text, c.text) AS text, m.params,
                   coalesce(m.encoding, c.encoding, 'auto') AS encoding, m.reason, m.attempt,
                   m.total, m.launched, m.accepted, m.delivered, m.failed, d.due_at,
                   h.at AS held_at
              FROM message m
              LEFT JOIN campaign c ON c.id = m.campaign_id
              LEFT JOIN list l ON l.id = c.list_id
              LEFT JOIN due d ON d.message_id = m.id
              LEFT JOIN held h ON h.message_id = m.id AND m.state = 'uncertain'
             WHERE m.id = %s AND m.application_id = %s
            """,
            (message_id, application_id),
        ).fetchone()


def taken(tx: Tx, message_id: int) -> list[Taken]:
    """What SMSCs took of a message, by segment, then attempt."""
    with tx.cursor(row_factory=class_row(Taken)) as cursor:
        # submission_YYYYMMDD_pkey, carrier_pkey
        return cursor.execute(
            """
            SELECT s.segment, s.attempt, c.name AS carrier, s.smsc_id, s.at
              FROM submission s JOIN carrier c ON c.id = s.carrier_id
             WHERE s.message_id = %s ORDER BY s.segment, s.attempt
            """,
            (message_id,),
        ).fetchall()


def resend(tx: Tx, application_id: int, ids: Sequence[int]) -> list[int]:
    """Queue uncertain messages again, due now; which of `ids` that were (R-8.2).

    A turn that launches one in this very moment has its row of `due`: that is taken first here, too,
    so that one waits for the other and finds it changed.
    """
    tx.execute(
        # message_YYYYMMDD_pkey, due_pkey
        """
        INSERT INTO due (message_id, class, campaign_id, due_at)
        SELECT id, class, campaign_id, now() FROM message
         WHERE id = ANY (%s::bigint[]) AND application_id = %s AND state = 'uncertain' ORDER BY id
            ON CONFLICT (message_id) DO UPDATE SET due_at = excluded.due_at, route_id = 0
        """,
        (ints(ids), application_id),
    )
    rows = tx.execute(
        # message_YYYYMMDD_pkey; a HOT update
        """
        UPDATE message SET state = 'queued', state_at = now(), reason = NULL
         WHERE id = ANY (%s::bigint[]) AND application_id = %s AND state = 'uncertain'
        RETURNING id, campaign_id
        """,
        (ints(ids), application_id),
    ).fetchall()
    return _resolved(tx, rows, MessageState.QUEUED)


def fail(tx: Tx, application_id: int, ids: Sequence[int], reason: str) -> list[int]:
    """End uncertain messages as failed; which of `ids` that were (R-8.2).

    Whatever the SMSC still says of them changes no state. Those in `due` leave it by themselves.
    """
    rows = tx.execute(
        # message_YYYYMMDD_pkey; a HOT update
        """
        UPDATE message
           SET state = 'failed', state_at = now(), reason = %s,
               failed = failed | ((1 << total) - 1) & ~ (accepted | delivered)
         WHERE id = ANY (%s::bigint[]) AND application_id = %s AND state = 'uncertain'
        RETURNING id, campaign_id
        """,
        (reason, ints(ids), application_id),
    ).fetchall()
    return _resolved(tx, rows, MessageState.FAILED)


def _resolved(tx: Tx, rows: Sequence[tuple[int, int | None]], state: MessageState) -> list[int]:
    tally: Counter[tuple[int, str]] = Counter()
    for _, campaign_id in rows:
        if campaign_id is not None:
            tally[campaign_id, MessageState.UNCERTAIN.value] -= 1
            tally[campaign_id, state.value] += 1
    launching.add_tally(tx, tally)
    ids = sorted(row[0] for row in rows)
    held.release(tx, ids)
    return ids
