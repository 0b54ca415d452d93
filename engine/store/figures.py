"""The figures of a campaign's pictures, read from its messages in one pass when they are asked for.

Nothing of this is counted while messages are sent: a million rows are read in about two seconds when
somebody wants the picture, and that costs the turns nothing the rest of the time.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from engine.domain.message import MessageState
from engine.domain.report import LATENCIES_S, PREFIX, Figures, common, moment_s
from engine.store.arrays import ints
from engine.store.db import Tx
from engine.store.reports import Place

_REASONED = (
    MessageState.FAILED,
    MessageState.REJECTED,
    MessageState.EXPIRED,
    MessageState.CANCELLED,
    MessageState.SKIPPED,
)

_MOMENTS = 300
"""Moments of the rate over time while a campaign ran, about: a picture has room for fewer."""

_TAIL_S = 60
"""Receipts that come so long after the end are shown in the rate over time, at least."""


def of_messages(
    tx: Tx, campaign_id: int, place: Place, began: datetime, ended: datetime
) -> Figures:
    """Sum up the messages of a campaign that ran so long: states, countries, reasons, times."""
    over_s = (ended - began).total_seconds()
    width = moment_s(over_s, _MOMENTS)
    rows = tx.execute(
        # message_YYYYMMDD_pkey for each range. One hash aggregate over the rows, whose groups (some
        # thousands) are looked at from all sides afterwards: a fifth of what five over the rows take.
        """
        WITH one AS MATERIALIZED (
            SELECT m.state, left(m.mobile, %(prefix)s) AS prefix,
                   CASE WHEN m.state = ANY (%(reasoned)s::message_state[])
                        THEN coalesce(m.reason, '') END AS reason,
                   floor(date_part('epoch', m.sent_at) / %(width)s)::int AS sent,
                   CASE WHEN m.state = 'delivered' AND m.state_at < %(until)s
                        THEN floor(date_part('epoch', m.state_at) / %(width)s)::int END AS done,
                   CASE WHEN m.state = 'delivered' AND m.sent_at IS NOT NULL
                        THEN width_bucket(date_part('epoch', m.state_at - m.sent_at),
                                          %(bounds)s::float8[]) END AS class,
                   m.accepted, m.delivered, count(*) AS n
              FROM unnest(%(firsts)s::bigint[], %(lasts)s::bigint[]) AS r (first, last),
                   LATERAL (SELECT * FROM message
                             WHERE id >= r.first AND id <= r.last AND campaign_id = %(campaign)s
                            OFFSET 0) AS m
             GROUP BY 1, 2, 3, 4, 5, 6, 7, 8)
        SELECT grouping(prefix), grouping(reason), grouping(sent), grouping(done), grouping(class),
               state::text, prefix, reason, sent::bigint * %(width)s, done::bigint * %(width)s,
               class, sum(n)::bigint, sum(n * bit_count(accepted::bit(32)))::bigint,
               sum(n * bit_count(delivered::bit(32)))::bigint
          FROM one
         GROUP BY GROUPING SETS ((state, prefix), (state, reason), (sent), (done), (class))
        """,
        {
            "campaign": campaign_id,
            "firsts": ints(place.firsts),
            "lasts": ints(place.lasts),
            "prefix": PREFIX,
            "reasoned": list(_REASONED),
            "bounds": [float(bound) for bound in LATENCIES_S],
            "width": width,
            # A tail of three days would leave no room for what it is the tail of.
            "until": ended + timedelta(seconds=max(over_s / 2, _TAIL_S)),
        },
    )
    counts: Counter[str] = Counter()
    countries: dict[str, Counter[str]] = {}
    reasons: dict[str, Counter[str]] = {}
    sent: Counter[int] = Counter()
    delivered: Counter[int] = Counter()
    latencies: Counter[int] = Counter()
    segments = segments_delivered = 0
    for row in rows:
        state, prefix, reason, sent_s, done_s, latency, n, taken, done = row[5:]
        match row[:5]:
            case (0, 1, 1, 1, 1):
                counts[state] += n
                segments += taken
                segments_delivered += done
                countries.setdefault(prefix, Counter())[state] = n
            case (1, 0, 1, 1, 1) if reason is not None:
                reasons.setdefault(state, Counter())[reason] = n
            case (1, 1, 0, 1, 1) if sent_s is not None:
                sent[sent_s] = n
            case (1, 1, 1, 0, 1) if done_s is not None:
                delivered[done_s] = n
            case (1, 1, 1, 1, 0) if latency is not None:
                latencies[latency] = n
            case _:
                pass  # those of which there is no such thing
    return Figures(
        counts=counts,
        segments=segments,
        segments_delivered=segments_delivered,
        countries=countries,
        reasons=common(reasons),
        moment_s=width,
        sent=sent,
        delivered=delivered,
        latencies=latencies,
        carriers=_by_carrier(tx, campaign_id, place),
    )


def _by_carrier(tx: Tx, campaign_id: int, place: Place) -> Mapping[str, Counter[str]]:
    """What each carrier took: segments, and messages by what became of them.

    A message counts with its first segment; one that two carriers took (R-8.2) counts at both.
    """
    found: dict[str, Counter[str]] = {}
    rows: list[tuple[Any, ...]] = tx.execute(
        # message_YYYYMMDD_pkey and submission_YYYYMMDD_pkey, side by side for each range
        """
        SELECT c.name, one.state::text, one.messages, one.segments
          FROM (SELECT t.carrier_id, t.state,
                       count(*) FILTER (WHERE t.segment = 1) AS messages,
                       count(*) AS segments
                  FROM unnest(%(firsts)s::bigint[], %(lasts)s::bigint[]) AS r (first, last),
                       LATERAL (SELECT s.carrier_id, s.segment, m.state
                                  FROM message m
                                  JOIN submission s ON s.message_id = m.id
                                   AND s.message_id >= r.first AND s.message_id <= r.last
                                 WHERE m.id >= r.first AND m.id <= r.last
                                   AND m.campaign_id = %(campaign)s
                                OFFSET 0) AS t
                 GROUP BY t.carrier_id, t.state) AS one
          JOIN carrier c ON c.id = one.carrier_id
         ORDER BY c.name
        """,
        {"campaign": campaign_id, "firsts": ints(place.firsts), "lasts": ints(place.lasts)},
    ).fetchall()
    for name, state, messages, segments in rows:
        one = found.setdefault(name, Counter())
        one[state] += messages
        one["segments"] += segments
    return found
