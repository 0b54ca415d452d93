"""What a campaign's report says beside its counts: segments, replies, opt-outs, numbers by state.

The messages of a campaign have no index of their own, since one would cost every launch. Their ids
begin at the day on which it started and end with the day on which it ended, so partitions outside
of these days are not read.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from engine.domain.message import MessageState
from engine.store.db import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The ids that a campaign's messages can have: `first` ≤ id < `end`."""

    first: int
    end: int


def span(tx: Tx, started_at: datetime, ended_at: datetime | None) -> Span:
    """Tell where the messages of a campaign lie that ran from `started_at` to `ended_at`.

    While it runs, rows can still be made: then the end is the day after tomorrow.
    """
    row = tx.execute(
        """
        SELECT first_id(day_of(%s)), first_id(day_of(coalesce(%s::timestamptz, now() + %s)) + 1)
        """,
        (started_at, ended_at, timedelta(days=1)),
    ).fetchone()
    assert row is not None
    return Span(first=row[0], end=row[1])


def segments_sent(tx: Tx, campaign_id: int, span: Span) -> tuple[int, int]:
    """Count the segments of a campaign that the SMSC took, and those that are on the handset."""
    # A parallel scan of the partitions in the span: pruned by id, no index helps a whole campaign.
    row = tx.execute(
        """
        SELECT coalesce(sum(bit_count(accepted::bit(32))), 0)::bigint,
               coalesce(sum(bit_count(delivered::bit(32))), 0)::bigint
          FROM message
         WHERE id >= %s AND id < %s AND campaign_id = %s AND accepted <> 0
        """,
        (span.first, span.end, campaign_id),
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def replies(tx: Tx, application_id: int, campaign_id: int, first_id: int) -> int:
    """Count the MO that answer a campaign whose first message id is not below `first_id`."""
    # inbox_application, in the partitions from the campaign's first day on.
    row = tx.execute(
        "SELECT count(*) FROM inbox WHERE application_id = %s AND id >= %s AND campaign_id = %s",
        (application_id, first_id, campaign_id),
    ).fetchone()
    assert row is not None
    count: int = row[0]
    return count


def opted_out(tx: Tx, application_id: int, list_id: int, since: datetime) -> int:
    """Count the numbers that opted out of a list since the campaign to it started."""
    # consent_mobile by its application: consent has one row an event, far fewer than messages.
    row = tx.execute(
        """
        SELECT count(DISTINCT mobile) FROM consent
        WHERE application_id = %s AND list_id = %s AND event = 'out' AND at >= %s
        """,
        (application_id, list_id, since),
    ).fetchone()
    assert row is not None
    count: int = row[0]
    return count


def numbers(
    tx: Tx, campaign_id: int, state: MessageState, *, after_id: int, end_id: int, rows: int
) -> list[tuple[Any, ...]]:
    """Give the next messages of a campaign in a state with after_id < id < end_id, by id.

    Tuples of (id, mobile, state_at, sent_at, reason, params), at most `rows` of maybe a million.
    """
    # message_YYYYMMDD_pkey of each day in the span, in order; a page goes on where the last one
    # ended, so that the pages together read each row once.
    return tx.execute(
        """
        SELECT id, mobile, state_at, sent_at, reason, params FROM message
        WHERE id > %s AND id < %s AND campaign_id = %s AND state = %s
        ORDER BY id LIMIT %s
        """,
        (after_id, end_id, campaign_id, state, rows),
    ).fetchall()


def unfed(tx: Tx, campaign_id: int, *, after_id: int, rows: int) -> list[tuple[Any, ...]]:
    """Give the next recipients of a started campaign that are not message rows yet (queued).

    Tuples of (recipient's id, mobile, params), by id, at most `rows`.
    """
    return tx.execute(
        # campaign_pkey; member_pkey, or campaign_recipient_pkey for one that has its own
        """
        (SELECT m.id, m.mobile, m.params
           FROM campaign c JOIN member m ON m.list_id = c.list_id
          WHERE c.id = %(campaign)s AND c.from_campaign_id IS NULL
            AND m.id > greatest(c.fed_member_id, %(after)s) AND m.id <= c.last_member_id
          ORDER BY m.id LIMIT %(rows)s)
        UNION ALL
        (SELECT r.id, r.mobile, r.params
           FROM campaign c JOIN campaign_recipient r ON r.campaign_id = c.id
          WHERE c.id = %(campaign)s AND c.from_campaign_id IS NOT NULL
            AND r.id > greatest(c.fed_member_id, %(after)s) AND r.id <= c.last_member_id
          ORDER BY r.id LIMIT %(rows)s)
        """,
        {"campaign": campaign_id, "after": after_id, "rows": rows},
    ).fetchall()
