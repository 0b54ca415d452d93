"""What a campaign's report says beside its counts: segments, replies, opt-outs, numbers by state.

The messages of a campaign have no index of their own, since one would cost every launch. They are
found by the ranges of ids that they were made in (`campaign_range`), or else, for a campaign that an
engine of an older version has begun, in the days from its start to its end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from engine.domain.message import MessageState
from engine.store.arrays import ints
from engine.store.db import Tx

_NEAR = 100
"""Ranges that are so near to each other are read as one; to read others' rows costs more than to look
for the next range."""


def at_one_moment(tx: Tx) -> None:
    """Let all statements of this transaction see the same rows. Its first statement."""
    tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The ids that a campaign's messages can have: `first` ≤ id < `end`."""

    first: int
    end: int


def span(tx: Tx, started_at: datetime, ended_at: datetime | None) -> Span:
    """Tell in which days the messages of a campaign lie that ran from `started_at` to `ended_at`.

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


_NEVER = (1 << 53) - 1  # above every id (design 14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a campaign's messages are: in ranges of ids, each from `firsts[i]` to `lasts[i]`."""

    firsts: tuple[int, ...]
    lasts: tuple[int, ...]

    @property
    def first_id(self) -> int:
        """No message of it is before this one, and no answer to it."""
        return self.firsts[0] if self.firsts else _NEVER


def place(tx: Tx, campaign_id: int) -> Place:
    """Tell where the messages of a campaign are; nowhere for one that has none."""
    ranges = tx.execute(  # campaign_range_pkey: one for 5,000 messages
        """
        SELECT first_id, last_id, n FROM campaign_range WHERE campaign_id = %s ORDER BY first_id
        """,
        (campaign_id,),
    ).fetchall()
    row = tx.execute(  # campaign_pkey
        "SELECT fed, started_at, ended_at FROM campaign WHERE id = %s", (campaign_id,)
    ).fetchone()
    if row is None or row[1] is None:
        return Place(firsts=(), lasts=())
    fed, started_at, ended_at = row
    if fed != sum(n for *_, n in ranges):
        days = span(tx, started_at, ended_at)
        return Place(firsts=(days.first,), lasts=(days.end - 1,))
    firsts: list[int] = []
    lasts: list[int] = []
    for first, last, _ in ranges:
        if lasts and first - lasts[-1] <= _NEAR:
            lasts[-1] = max(lasts[-1], last)
        else:
            firsts.append(first)
            lasts.append(last)
    return Place(firsts=tuple(firsts), lasts=tuple(lasts))


def first_of(tx: Tx, campaign_ids: Sequence[int]) -> int:
    """An id that is not above that of the first message of these campaigns."""
    row = tx.execute(
        # campaign_pkey
        """
        SELECT coalesce(first_id(day_of(min(started_at))), %s) FROM campaign
         WHERE id = ANY (%s::bigint[])
        """,
        (_NEVER, ints(campaign_ids)),
    ).fetchone()
    assert row is not None
    first: int = row[0]
    return first


def segments_sent(tx: Tx, campaign_id: int, place: Place) -> tuple[int, int]:
    """Count the segments of a campaign that the SMSC took, and those that are on the handset."""
    if not place.firsts:
        return 0, 0
    # message_YYYYMMDD_pkey for each range: OFFSET 0 keeps the planner from a join of all ranges with
    # all messages. There are few masks, so bits are counted of these.
    row = tx.execute(
        """
        SELECT coalesce(sum(n * bit_count(accepted::bit(32))), 0)::bigint,
               coalesce(sum(n * bit_count(delivered::bit(32))), 0)::bigint
          FROM (SELECT m.accepted, m.delivered, count(*) AS n
                  FROM unnest(%s::bigint[], %s::bigint[]) AS r (first, last),
                       LATERAL (SELECT accepted, delivered FROM message
                                 WHERE id >= r.first AND id <= r.last AND campaign_id = %s
                                   AND accepted <> 0 OFFSET 0) AS m
                 GROUP BY 1, 2) AS masks
        """,
        (ints(place.firsts), ints(place.lasts), campaign_id),
    ).fetchone()
    assert row is not None
    return row[0], row[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What is known of a campaign's rows that were dropped for their age: sums (R-9.3)."""

    messages: Mapping[MessageState, int]
    segments: int
    segments_delivered: int
    replies: int
    opted_out: int


def past(tx: Tx, campaign_id: int) -> Past:
    """What days that are gone have left of a campaign; zeros, mostly."""
    rows = tx.execute(  # past_campaign
        "SELECT what, key, sum(n)::bigint FROM past WHERE campaign_id = %s GROUP BY 1, 2",
        (campaign_id,),
    ).fetchall()
    known = {(what, key): n for what, key, n in rows}
    return Past(
        messages={state: n for state in MessageState if (n := known.get(("message", state), 0))},
        segments=known.get(("segment", "accepted"), 0),
        segments_delivered=known.get(("segment", "delivered"), 0),
        replies=sum(n for (what, _), n in known.items() if what == "mo"),
        opted_out=known.get(("opt-out", ""), 0),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What subscribers answered to a campaign: MO by what they were taken for.

    `opted_out`: recipients who answered with an opt-out command; who says it twice is one.
    """

    by_meaning: Mapping[str, int]
    opted_out: int


def answers(
    tx: Tx, application_id: int, campaign_ids: Sequence[int], first_id: int
) -> dict[int, Answers]:
    """Count what answers campaigns of an application; those that nobody answered are left out.

    `first_id` is not above the id of their first message.
    """
    rows = tx.execute(
        # inbox_application, in the partitions from the first campaign's first day on. A number may
        # be scrubbed; the message that it answers stays, and is another for each recipient.
        """
        SELECT campaign_id, coalesce(meaning, 'reply'), count(*),
               count(DISTINCT coalesce(message_id, id)) FILTER (WHERE meaning = 'opt-out')
          FROM inbox
         WHERE application_id = %s AND id >= %s AND campaign_id = ANY (%s::bigint[])
         GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2
        """,
        (application_id, first_id, ints(campaign_ids)),
    )
    found: dict[int, Answers] = {}
    for campaign_id, meaning, n, recipients in rows:
        before = found.get(campaign_id, NOTHING)
        found[campaign_id] = Answers(
            by_meaning={**before.by_meaning, meaning: n}, opted_out=before.opted_out + recipients
        )
    return found


NOTHING: Final = Answers(by_meaning={}, opted_out=0)


def numbers(
    tx: Tx,
    campaign_id: int,
    state: MessageState,
    *,
    first_id: int,
    last_id: int,
    rows: int,
) -> list[tuple[Any, ...]]:
    """Give the next messages of a campaign in a state with first_id ≤ id ≤ last_id, by id.

    Tuples of (id, mobile, state_at, sent_at, reason, params), at most `rows` of maybe a million.
    """
    # message_YYYYMMDD_pkey of each day, in order; a page goes on where the last one ended, so that
    # the pages together read each row once.
    return tx.execute(
        """
        SELECT id, mobile, state_at, sent_at, reason, params FROM message
        WHERE id >= %s AND id <= %s AND campaign_id = %s AND state = %s
        ORDER BY id LIMIT %s
        """,
        (first_id, last_id, campaign_id, state, rows),
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
