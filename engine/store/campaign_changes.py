"""What a person changes of a campaign that is there: its draft, its state, its recipients (R-3.5).

The caller holds the campaign's lock (`campaigns.lock`) and has looked; dispatch takes the same lock
when it starts one, so that of a start and an edit at the same moment the second sees the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime

from engine.domain.campaign import ENDED, CampaignState
from engine.domain.message import MessageState
from engine.store.arrays import texts
from engine.store.campaigns import NewCampaign
from engine.store.db import Tx
from engine.store.reports import Span

Recipient = tuple[int, str, Sequence[str]]
"""(id, mobile, params), as `campaigns.members_after` gives members."""


def change(tx: Tx, campaign_id: int, now_is: NewCampaign) -> None:
    """Schedule a campaign that has not started anew, with another draft, as its next version."""
    tx.execute(  # campaign_pkey
        """
        UPDATE campaign
           SET list_id = %(list_id)s, batch = %(batch)s, text = %(text)s, encoding = %(encoding)s,
               sender = %(sender)s, scheduled_at = %(scheduled_at)s, timezone = %(timezone)s,
               flash = %(flash)s, transliterate = %(transliterate)s, template = %(template)s,
               rate = %(rate)s, not_after = %(not_after)s, respect_hours = %(respect_hours)s,
               recipient_time = %(recipient_time)s, state = 'scheduled', version = version + 1
         WHERE id = %(id)s
        """,
        {**asdict(now_is), "id": campaign_id},
    )


def move(
    tx: Tx, campaign_id: int, state: CampaignState, now: datetime, *, reason: str | None = None
) -> None:
    """Bring a campaign into a state; `reason` is why a person paused it.

    One that had the turn keeps its place in line. What is unsent of one that is stopped is left to
    the queue (`clearing`). Of one that is paused or ended nothing is launched from the commit on.
    """
    tx.execute(  # campaign_pkey
        """
        UPDATE campaign
           SET state = %(state)s::campaign_state, pause_reason = %(reason)s,
               yielded_at = CASE WHEN state = 'running' THEN %(now)s ELSE yielded_at END,
               clearing = CASE WHEN %(state)s = 'stopped' AND started_at IS NOT NULL
                               THEN 'cancelled'::message_state ELSE clearing END,
               ended_at = CASE WHEN %(ended)s THEN %(now)s ELSE ended_at END
         WHERE id = %(id)s
        """,
        {"state": state, "ended": state in ENDED, "now": now, "reason": reason, "id": campaign_id},
    )
    if state in ENDED or state is CampaignState.PAUSED:
        # feed has some ten rows, due_campaign what is due. Turns that launch some of it commit first;
        # others pass it by meanwhile, and then see the new state.
        tx.execute("SELECT FROM feed WHERE campaign_id = %s ORDER BY id FOR UPDATE", (campaign_id,))
        tx.execute(
            """
            SELECT FROM due WHERE campaign_id = %s AND route_id >= 0 AND due_at <= now()
             ORDER BY message_id LIMIT 10000 FOR UPDATE
            """,
            (campaign_id,),
        )


def delete(tx: Tx, campaign_id: int, now: datetime) -> None:
    """Take an ended campaign out of sight; its row stays for its messages and for reports."""
    # campaign_pkey
    tx.execute("UPDATE campaign SET deleted_at = %s WHERE id = %s", (now, campaign_id))


def messages_after(
    tx: Tx, campaign_id: int, state: MessageState, span: Span, after_id: int, rows: int
) -> list[Recipient]:
    """The next messages of a campaign in a state, by id, whose number is still known.

    Tuples, since a campaign has up to a million of them.
    """
    return tx.execute(
        # message_YYYYMMDD_pkey of each day in the span, in order
        """
        SELECT id, mobile, coalesce(params, '{}') FROM message
         WHERE id > %s AND id >= %s AND id < %s AND campaign_id = %s AND state = %s AND mobile <> ''
         ORDER BY id LIMIT %s
        """,
        (after_id, span.first, span.end, campaign_id, state, rows),
    ).fetchall()


def take_recipients(tx: Tx, campaign_id: int, from_id: int, state: MessageState, span: Span) -> int:
    """Make the messages of another campaign in a state the recipients of this one; how many."""
    tx.execute("SET LOCAL statement_timeout = '30min'")  # a million takes some seconds
    return tx.execute(
        # message_YYYYMMDD_pkey of each day in the span: pruned by id, read once as a whole
        """
        INSERT INTO campaign_recipient (campaign_id, id, mobile, params)
        SELECT %s, id, mobile, coalesce(params, '{}') FROM message
         WHERE id >= %s AND id < %s AND campaign_id = %s AND state = %s AND mobile <> ''
         ORDER BY id
        """,
        (campaign_id, span.first, span.end, from_id, state),
    ).rowcount


def recipients_after(tx: Tx, campaign_id: int, after_id: int, rows: int) -> list[Recipient]:
    """The next recipients of a campaign that has its own, by id."""
    return tx.execute(  # campaign_recipient_pkey
        """
        SELECT id, mobile, params FROM campaign_recipient
         WHERE campaign_id = %s AND id > %s ORDER BY id LIMIT %s
        """,
        (campaign_id, after_id, rows),
    ).fetchall()


def count_recipients(tx: Tx, campaign_id: int) -> int:
    """How many recipients a campaign has that has its own."""
    row = tx.execute(  # campaign_recipient_pkey
        "SELECT count(*) FROM campaign_recipient WHERE campaign_id = %s", (campaign_id,)
    ).fetchone()
    assert row is not None
    return int(row[0])


def count_deleted(tx: Tx, list_id: int) -> int:
    """How many members were deleted from a list, and could be restored."""
    # member_pkey by its list: 0.1 s for a million
    row = tx.execute(
        "SELECT count(*) FROM member WHERE list_id = %s AND deleted_at IS NOT NULL", (list_id,)
    ).fetchone()
    assert row is not None
    return int(row[0])


def no_members(tx: Tx, list_id: int, mobiles: Iterable[str]) -> list[str]:
    """Which of these numbers are not, or no longer, on a list."""
    rows = tx.execute(
        # member_list_id_mobile_key, for each
        """
        SELECT t.mobile FROM unnest(string_to_array(%s, E'\\x1f')) AS t (mobile)
         WHERE NOT EXISTS (
               SELECT FROM member m
                WHERE m.list_id = %s AND m.mobile = t.mobile AND m.deleted_at IS NULL)
        """,
        (texts(mobiles), list_id),
    )
    return [row[0] for row in rows]
