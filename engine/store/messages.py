"""Single messages as a person sees them: accepted, looked at, resolved; turns launch them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from engine.domain.message import MessageClass, MessageState
from engine.store import callbacks, held, launching, settling
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
    flash: bool
    transliterate: bool
    """Its text is merged, then brought into GSM's characters."""
    reason: str | None
    mark: str | None
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
    flash: bool = False,
) -> int:
    """Accept a message outside campaigns, due at once; its id."""
    row = tx.execute(
        f"""
        WITH moved AS (
            INSERT INTO message (id, application_id, class, state_at, created_at, mobile, sender,
                                 text, encoding, flash)
            VALUES (next_id(), %(application)s, %(class)s, now(), now(), %(mobile)s, %(sender)s,
                    %(text)s, %(encoding)s, %(flash)s)
            RETURNING class, {callbacks.RETURNING_BORN}),
        told AS ({callbacks.BORN})
        INSERT INTO due (message_id, class, due_at) SELECT id, class, now() FROM moved
        RETURNING message_id
        """,
        {
            "application": application_id,
            "class": message_class.value,
            "mobile": mobile,
            "sender": sender,
            "text": text,
            "encoding": encoding,
            "flash": flash or None,
        },
    ).fetchone()
    assert row is not None
    return int(row[0])


def make_room(tx: Tx) -> None:
    """See that today has its partitions: they are made by engines, and none may have run for days."""
    # Asked first, since making them takes a lock that everybody who sends would wait for.
    tx.execute(
        """
        SELECT ensure_partitions((now() AT TIME ZONE 'UTC')::date, 1)
         WHERE to_regclass('message_' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD')) IS NULL
            OR to_regclass('submission_' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD')) IS NULL
        """
    )


def get(tx: Tx, application_id: int, message_id: int) -> Message | None:
    """One message of the application; None when it has none of that id."""
    with tx.cursor(row_factory=class_row(Message)) as cursor:
        # message_YYYYMMDD_pkey, campaign_pkey, list_pkey, due_pkey, held_pkey
        return cursor.execute(
            """
            SELECT m.id, m.campaign_id, l.name AS list, m.class AS message_class, m.state,
                   m.state_at, m.created_at, m.sent_at, m.mobile, m.sender,
                   coalesce(m.text, c.text) AS text, m.params,
                   coalesce(m.encoding, c.encoding, 'auto') AS encoding,
                   coalesce(m.flash, c.flash, false) AS flash,
                   coalesce(c.transliterate, false) AS transliterate, m.reason, m.mark, m.attempt,
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
        f"""
        WITH moved AS (
            UPDATE message
               SET state = 'failed', state_at = now(), reason = %s,
                   failed = failed | ((1 << total) - 1) & ~ (accepted | delivered)
             WHERE id = ANY (%s::bigint[]) AND application_id = %s AND state = 'uncertain'
            RETURNING {callbacks.RETURNING}),
        told AS ({callbacks.TOLD})
        SELECT id, campaign_id FROM moved
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """What an SMSC must be told of a message to know it again."""

    state: MessageState
    mobile: str
    sender: str
    ton: int
    npi: int
    parts: tuple[tuple[int, int, int, str], ...]
    """Segments that were taken, of the newest attempt: number, attempt, carrier, the SMSC's id."""


def on_the_wire(tx: Tx, message_id: int) -> Wire | None:
    """A message as its SMSCs know it; None when there is none of that id."""
    row = tx.execute(
        # message_YYYYMMDD_pkey, sender_application_id_address_key
        """
        SELECT m.state::text, m.mobile, m.sender, coalesce(s.ton, 0), coalesce(s.npi, 0)
          FROM message m
          LEFT JOIN sender s ON s.application_id = m.application_id AND s.address = m.sender
         WHERE m.id = %s
        """,
        (message_id,),
    ).fetchone()
    if row is None:
        return None
    parts = tx.execute(
        # submission_YYYYMMDD_pkey
        """
        SELECT DISTINCT ON (segment) segment, attempt, carrier_id, smsc_id FROM submission
         WHERE message_id = %s AND smsc_id IS NOT NULL ORDER BY segment, attempt DESC
        """,
        (message_id,),
    ).fetchall()
    state, *rest = row
    return Wire(
        state=MessageState(state),
        mobile=rest[0],
        sender=rest[1],
        ton=rest[2],
        npi=rest[3],
        parts=tuple(parts),
    )


def cancel_queued(tx: Tx, application_id: int, message_id: int, reason: str) -> bool:
    """End a message that no SMSC has; False when it is not queued (any more).

    A turn that launches it in this very moment has its row of `due`, where there is one: that is
    taken first here, too.
    """
    tx.execute("SELECT FROM due WHERE message_id = %s FOR UPDATE", (message_id,))  # due_pkey
    row = tx.execute(
        # message_YYYYMMDD_pkey; a HOT update
        f"""
        WITH moved AS (
            UPDATE message SET state = 'cancelled', state_at = now(), reason = %s
             WHERE id = %s AND application_id = %s AND state = 'queued' AND accepted = 0
            RETURNING {callbacks.RETURNING}),
        told AS ({callbacks.TOLD})
        SELECT campaign_id FROM moved
        """,
        (reason, message_id, application_id),
    ).fetchone()
    if row is None:
        return False
    launching.drop_due(tx, [message_id])
    if row[0] is not None:
        queued, cancelled = MessageState.QUEUED.value, MessageState.CANCELLED.value
        launching.add_tally(tx, {(row[0], queued): -1, (row[0], cancelled): 1})
    return True


def taken_back(tx: Tx, message_id: int, parts: Sequence[tuple[int, int]]) -> None:
    """An SMSC has cancelled these segments (number, attempt): what its receipt would say."""
    row = tx.execute("SELECT now()").fetchone()
    assert row is not None
    tally: Counter[tuple[int, str]] = Counter()
    for segment, attempt in parts:
        moves = settling.receive_bad(
            tx,
            [(message_id, "cancelled by a person")],
            segment=segment,
            attempt=attempt,
            state=MessageState.CANCELLED.value,
            now=row[0],
        )
        for campaign_id, was, became, n in moves:
            if campaign_id is not None and was != became:
                tally[campaign_id, was] -= n
                tally[campaign_id, became] += n
    launching.add_tally(tx, tally)
