"""What an answer and a receipt change: segments of messages, in sets, conditional and repeatable.

Rows are grouped by what changes in them (nearly always one group a turn: segment 1, attempt 1) and
each group is one UPDATE by primary key. An update that comes twice changes nothing the second time.
Each returns how many messages of which campaign went from which state to which.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from engine.store.arrays import ints, texts
from engine.store.db import Tx

# A response or receipt is looked up among the messages of this long before it (wire.md: 72 h, and a
# day for messages that waited).
SUBMISSION_DAYS = 4

Moves = list[tuple[int | None, str, str, int]]
"""(campaign, state before, state after, how many messages)"""

_COUNTED = """
    SELECT campaign_id, was::text, became::text, count(*)::int
      FROM moved GROUP BY 1, 2, 3
"""


def settle_accepted(
    tx: Tx,
    accepted: Sequence[tuple[int, str | None]],
    *,
    carrier_id: int,
    segment: int,
    attempt: int,
    now: datetime,
) -> Moves:
    """The SMSC took `segment` of these (message, SMSC's id); with the last one a message is sent.

    A late answer to an earlier attempt counts as well, but leaves the newer attempt on the wire.
    What the SMSC calls each is noted in the same statement. Repeatable.
    """
    bit = 1 << (segment - 1)
    return tx.execute(
        # message_YYYYMMDD_pkey, a HOT update; submission_YYYYMMDD_pkey for the conflict
        f"""
        WITH noted AS (
            INSERT INTO submission (message_id, segment, attempt, carrier_id, smsc_id, at)
            SELECT m, %(segment)s, %(attempt)s, %(carrier)s, nullif(i, ''), %(now)s
              FROM unnest(%(ids)s::bigint[], string_to_array(%(smsc_ids)s, E'\\x1f')) AS r (m, i)
                ON CONFLICT DO NOTHING),
        moved AS (
            UPDATE message
               SET accepted = accepted | %(bit)s,
                   launched = CASE WHEN attempt = %(attempt)s THEN launched & ~ %(bit)s::int
                                   ELSE launched END,
                   sent_at = coalesce(sent_at, %(now)s),
                   state_at = CASE WHEN state IN ('launched', 'queued', 'uncertain')
                                   THEN %(now)s ELSE state_at END,
                   state = CASE WHEN state IN ('launched', 'queued', 'uncertain')
                                 AND accepted | delivered | %(bit)s = (1 << total) - 1
                                THEN 'sent' ELSE state END
             WHERE id = ANY (%(ids)s::bigint[])
            RETURNING campaign_id, old.state AS was, new.state AS became)
        {_COUNTED}
        """,
        {
            "bit": bit,
            "segment": segment,
            "attempt": attempt,
            "carrier": carrier_id,
            "now": now,
            "ids": ints(one[0] for one in accepted),
            "smsc_ids": texts(one[1] or "" for one in accepted),
        },
    ).fetchall()


def settle_otherwise(
    tx: Tx,
    ids: Sequence[int],
    *,
    segment: int,
    attempt: int,
    state: str,
    reason: str | None,
    counts: bool,
    now: datetime,
) -> Moves:
    """A segment was refused or not answered: the message is `queued` again, `uncertain`, or ended.

    Only the attempt that is on the wire can do that: the fate of an older one is told already. And a
    message of which some segment is uncertain stays so, whatever another one waits for (R-8.2).
    """
    final = state in ("failed", "rejected")
    replaced = ["launched", "queued"] if state == "queued" else ["launched", "queued", "uncertain"]
    bit = 1 << (segment - 1)
    return tx.execute(
        # message_YYYYMMDD_pkey; a HOT update
        f"""
        WITH moved AS (
            UPDATE message
               SET launched = launched & ~ %(bit)s::int,
                   failed = CASE WHEN %(final)s THEN failed | %(bit)s ELSE failed END,
                   refused = refused + %(counts)s,
                   reason = CASE WHEN state = ANY (%(replaced)s::message_state[])
                                 THEN %(reason)s ELSE reason END,
                   state_at = CASE WHEN state = ANY (%(replaced)s::message_state[])
                                   THEN %(now)s ELSE state_at END,
                   state = CASE WHEN state = ANY (%(replaced)s::message_state[])
                                THEN %(state)s::message_state ELSE state END
             WHERE id = ANY (%(ids)s::bigint[]) AND attempt = %(attempt)s
               AND launched & %(bit)s <> 0
            RETURNING campaign_id, old.state AS was, new.state AS became)
        {_COUNTED}
        """,
        {
            "bit": bit,
            "attempt": attempt,
            "state": state,
            "final": final,
            "replaced": replaced,
            "reason": reason,
            "counts": int(counts),
            "now": now,
            "ids": ints(ids),
        },
    ).fetchall()


def refusals(tx: Tx, ids: Sequence[int]) -> dict[int, tuple[int, int | None]]:
    """How often each of these messages was refused so far in a way that counts, and its campaign."""
    rows = tx.execute(
        # message_YYYYMMDD_pkey
        "SELECT id, refused, campaign_id FROM message WHERE id = ANY (%s::bigint[])",
        (ints(ids),),
    )
    return {message_id: (refused, campaign_id) for message_id, refused, campaign_id in rows}


class Submission(NamedTuple):
    """What was sent under an SMSC's id."""

    smsc_id: str
    message_id: int
    segment: int
    attempt: int


def find_submissions(
    tx: Tx, carrier_id: int, smsc_ids: Iterable[str], since_id: int
) -> list[Submission]:
    """All that a carrier knows under these ids, newest first; messages older than since_id aside."""
    rows = tx.execute(
        # submission_YYYYMMDD_carrier_id_smsc_id_idx
        """
        SELECT smsc_id, message_id, segment, attempt FROM submission
         WHERE carrier_id = %s AND smsc_id = ANY (string_to_array(%s, E'\\x1f'))
           AND message_id >= %s
         ORDER BY message_id DESC
        """,
        (carrier_id, texts(smsc_ids), since_id),
    )
    return [Submission._make(row) for row in rows]


def mobiles_of(tx: Tx, ids: Iterable[int]) -> dict[int, str]:
    """The numbers of messages, to break a tie between submissions with one id."""
    rows = tx.execute(
        "SELECT id, mobile FROM message WHERE id = ANY (%s::bigint[])",  # message_YYYYMMDD_pkey
        (ints(ids),),
    )
    return dict(rows.fetchall())


def receive_good(tx: Tx, ids: Sequence[int], *, segment: int, attempt: int, now: datetime) -> Moves:
    """A receipt says that the segment is on the handset; with the last one the message is delivered.

    A failure that came from UNKNOWN (`reason`) gives way to it, and so does one of a later attempt:
    a good receipt of any attempt settles its segment (R-5.8). Any other final state stays.
    """
    bit = 1 << (segment - 1)
    return tx.execute(
        # message_YYYYMMDD_pkey; a HOT update
        f"""
        WITH moved AS (
            UPDATE message
               SET delivered = delivered | %(bit)s,
                   failed = failed & ~ %(bit)s::int,
                   sent_at = coalesce(sent_at, %(now)s),
                   state_at = %(now)s,
                   reason = NULL,
                   state = CASE WHEN delivered | %(bit)s = (1 << total) - 1
                                THEN 'delivered'::message_state
                                WHEN failed & ~ %(bit)s::int = 0
                                 AND accepted | delivered | %(bit)s = (1 << total) - 1
                                THEN 'sent' ELSE state END
             WHERE id = ANY (%(ids)s::bigint[]) AND delivered & %(bit)s = 0
               AND (state IN ('launched', 'queued', 'uncertain', 'sent')
                    OR state = 'failed' AND reason = 'UNKNOWN'
                    OR state IN ('failed', 'rejected', 'expired') AND attempt > %(attempt)s)
            RETURNING campaign_id, old.state AS was, new.state AS became)
        {_COUNTED}
        """,
        {"bit": bit, "attempt": attempt, "now": now, "ids": ints(ids)},
    ).fetchall()


def receive_bad(
    tx: Tx,
    ids: Sequence[int],
    *,
    segment: int,
    attempt: int,
    state: str,
    reason: str,
    now: datetime,
) -> Moves:
    """A receipt says that the segment finally failed: so has the message.

    Only a receipt of its newest attempt can say so; an older one's bad end is made good by it.
    """
    bit = 1 << (segment - 1)
    return tx.execute(
        # message_YYYYMMDD_pkey; a HOT update
        f"""
        WITH moved AS (
            UPDATE message
               SET failed = failed | %(bit)s, state = %(state)s, reason = %(reason)s,
                   sent_at = coalesce(sent_at, %(now)s), state_at = %(now)s
             WHERE id = ANY (%(ids)s::bigint[]) AND delivered & %(bit)s = 0
               AND attempt = %(attempt)s
               AND (state IN ('launched', 'queued', 'uncertain', 'sent')
                    OR state = 'failed' AND reason = 'UNKNOWN')
            RETURNING campaign_id, old.state AS was, new.state AS became)
        {_COUNTED}
        """,
        {
            "attempt": attempt,
            "bit": bit,
            "state": state,
            "reason": reason,
            "now": now,
            "ids": ints(ids),
        },
    ).fetchall()


class Parked(NamedTuple):
    """A receipt that waits for its submission."""

    carrier_id: int
    ids: tuple[str, ...]
    mobile: str
    state: str
    stat: str | None
    err: str | None
    at: datetime


def park(tx: Tx, receipts: Sequence[Parked]) -> None:
    """Keeps receipts whose submission is not known (R-5.8: never dropped)."""
    for receipt in receipts:
        tx.execute(
            """
            WITH kept AS (
                INSERT INTO parked (carrier_id, ids, mobile, state, stat, err, at)
                VALUES (%(carrier)s, %(ids)s, %(mobile)s, %(state)s, %(stat)s, %(err)s, %(at)s)
                RETURNING id)
            INSERT INTO parked_candidate (carrier_id, smsc_id, parked_id)
            SELECT DISTINCT %(carrier)s::smallint, unnest(%(ids)s::text[]), id FROM kept
            """,
            {
                "carrier": receipt.carrier_id,
                "ids": list(receipt.ids),
                "mobile": receipt.mobile,
                "state": receipt.state,
                "stat": receipt.stat,
                "err": receipt.err,
                "at": receipt.at,
            },
        )


def unpark(tx: Tx, carrier_id: int, smsc_ids: Iterable[str]) -> list[Parked]:
    """Takes out the receipts that came before these ids were known, oldest first."""
    rows = tx.execute(
        # parked_candidate_pkey, parked_pkey
        """
        DELETE FROM parked
         WHERE id = ANY (ARRAY(SELECT parked_id FROM parked_candidate
                                WHERE carrier_id = %s
                                  AND smsc_id = ANY (string_to_array(%s, E'\\x1f'))))
        RETURNING id, carrier_id, ids, mobile, state, stat, err, at
        """,
        (carrier_id, texts(smsc_ids)),
    ).fetchall()
    return [Parked(row[1], tuple(row[2]), *row[3:]) for row in sorted(rows, key=lambda row: row[0])]


def joinable_parked(tx: Tx, since_id: int, now: datetime, *, oldest: timedelta) -> list[Parked]:
    """Takes out receipts that are parked for a second to `oldest`, and have a submission by now.

    Under READ COMMITTED a settle and a receipt that are open at the same time can miss each other;
    what is parked for a second is older than both (a turn lasts less), what came later looks here.
    """
    rows = tx.execute(
        # parked is small; submission_YYYYMMDD_carrier_id_smsc_id_idx
        """
        DELETE FROM parked
         WHERE id = ANY (ARRAY(
                SELECT p.id
                  FROM parked p
                  JOIN parked_candidate c ON c.parked_id = p.id
                 WHERE p.at BETWEEN %(now)s - %(oldest)s AND %(now)s - interval '1 s'
                   AND EXISTS (SELECT FROM submission s
                                WHERE s.carrier_id = c.carrier_id AND s.smsc_id = c.smsc_id
                                  AND s.message_id >= %(since)s)))
        RETURNING id, carrier_id, ids, mobile, state, stat, err, at
        """,
        {"now": now, "since": since_id, "oldest": oldest},
    ).fetchall()
    return [Parked(row[1], tuple(row[2]), *row[3:]) for row in sorted(rows, key=lambda row: row[0])]


def oldest_id(tx: Tx, now: datetime) -> int:
    """The first id of the days in which a receipt's message may lie."""
    row = tx.execute("SELECT first_id(day_of(%s) - %s)", (now, SUBMISSION_DAYS)).fetchone()
    assert row is not None
    return int(row[0])
