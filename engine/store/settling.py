"""What an answer and a receipt change: segments of messages, in sets, conditional and repeatable.

Rows are grouped by what changes in them (nearly always one group a turn: segment 1, attempt 1) and
each group is one UPDATE by primary key. An update that comes twice changes nothing the second time.
Each returns how many messages of which campaign went from which state to which.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from engine.domain.callback import Events
from engine.domain.receipts import MARK_SILENCE, MARK_WHOLE, NO_RECEIPT_S, SILENCE_S, SOFT
from engine.store import callbacks, hot
from engine.store.arrays import ints, texts
from engine.store.db import Tx
from engine.store.ids import A_DAY, first_of_day

# A response or receipt is looked up among the messages of this long before it (wire.md: 72 h, and a
# day for messages that waited).
SUBMISSION_DAYS = 4

Moves = list[tuple[int | None, str, str, int]]
"""(campaign, state before, state after, how many messages)"""

_COUNTED = """
    SELECT campaign_id, was::text, became::text, count(*)::int
      FROM moved GROUP BY 1, 2, 3
"""

_MOVED = "campaign_id, old.state AS was, new.state AS became"

# What a statement ends with when somebody may want to be told of what it changes.
_TOLD = f", told AS ({callbacks.TOLD}) {_COUNTED}"


def settle_accepted(
    tx: Tx,
    accepted: Sequence[tuple[int, str | None]],
    *,
    carrier_id: int,
    segment: int,
    attempt: int,
    now: datetime,
    told: Events | None = Events.ALL,
) -> Moves:
    """The SMSC took `segment` of these (message, SMSC's id); with the last one a message is sent.

    They are in the order of their ids: a range of these spares a look into each partition.

    A late answer to an earlier attempt counts as well, but leaves the newer attempt on the wire.
    What the SMSC calls each is noted in the same statement. Repeatable. `told`: the most that any
    application wants to be told.
    """
    bit = 1 << (segment - 1)
    returned, end = (callbacks.RETURNING, _TOLD) if told is Events.ALL else (_MOVED, _COUNTED)
    return hot.ask(
        tx,
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
             WHERE id = ANY (%(ids)s::bigint[]) AND id BETWEEN %(low)s AND %(high)s
            RETURNING {returned})
        {end}
        """,
        {
            "bit": bit,
            "segment": segment,
            "attempt": attempt,
            "carrier": carrier_id,
            "now": now,
            "ids": ints(one[0] for one in accepted),
            "low": accepted[0][0],
            "high": accepted[-1][0],
            "smsc_ids": texts(one[1] or "" for one in accepted),
        },
    )


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
    last = "false" if state == "uncertain" else "(state = 'sent' AND failed & %(bit)s <> 0)"
    return tx.execute(
        # message_YYYYMMDD_pkey; a HOT update
        f"""
        WITH moved AS (
            UPDATE message
               SET launched = launched & ~ %(bit)s::int,
                   failed = CASE WHEN %(final)s THEN failed | %(bit)s ELSE failed END,
                   refused = refused + %(counts)s,
                   reason = CASE WHEN state = ANY (%(replaced)s::message_state[]) OR {last}
                                 THEN %(reason)s ELSE reason END,
                   state_at = CASE WHEN state = ANY (%(replaced)s::message_state[]) OR {last}
                                   THEN %(now)s ELSE state_at END,
                   state = CASE WHEN state = ANY (%(replaced)s::message_state[])
                                THEN %(state)s::message_state
                                WHEN {last} THEN %(end)s::message_state ELSE state END
             WHERE id = ANY (%(ids)s::bigint[]) AND attempt = %(attempt)s
               AND launched & %(bit)s <> 0
            RETURNING {callbacks.RETURNING})
        {_TOLD}
        """,
        {
            "bit": bit,
            "attempt": attempt,
            "state": state,
            "end": state if final else "failed",
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
    rows = hot.ask(
        tx,
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


def ages(tx: Tx, ids: Iterable[int], carrier_id: int, now: datetime) -> list[float]:
    """For how many seconds a carrier has had each of these messages, the last of its attempts."""
    rows = tx.execute(
        # submission_YYYYMMDD_pkey
        """
        SELECT greatest(extract(epoch FROM %s - max(at)), 0)::float8 FROM submission
         WHERE message_id = ANY (%s::bigint[]) AND carrier_id = %s
         GROUP BY message_id
        """,
        (now, ints(ids), carrier_id),
    )
    return [row[0] for row in rows]


def mobiles_of(tx: Tx, ids: Iterable[int]) -> dict[int, str]:
    """The numbers of messages, to break a tie between submissions with one id."""
    rows = tx.execute(
        "SELECT id, mobile FROM message WHERE id = ANY (%s::bigint[])",  # message_YYYYMMDD_pkey
        (ints(ids),),
    )
    return dict(rows.fetchall())


def receive_good(
    tx: Tx,
    ids: Sequence[int],
    *,
    segment: int,
    attempt: int,
    now: datetime,
    whole: bool = False,
    mark: str | None = None,
    told: Events | None = Events.ALL,
) -> Moves:
    """A receipt says that the segment is on the handset; with the last one the message is delivered.

    A failure that came from UNKNOWN (`reason`) gives way to it, and so does one of a later attempt:
    a good receipt of any attempt settles its segment (R-5.8). Any other final state stays. `whole`:
    it is about all segments, once the SMSC has taken them all. `mark` is kept with what it changes;
    where it says nothing else, that one receipt stood for several segments. One that had ended for
    good, and is only opened by that, is not told again (R-7.2).
    """
    bit = 1 << (segment - 1)
    returned, end = (callbacks.RETURNING, _TOLD) if told else (_MOVED, _COUNTED)
    got = f"""(CASE WHEN %(whole)s AND accepted | delivered | {bit} = (1 << total) - 1
                    THEN (1 << total) - 1 ELSE {bit} END)"""
    return hot.ask(
        tx,
        # message_YYYYMMDD_pkey; a HOT update; receipt_watch_pkey for those that wait for others
        f"""
        WITH moved AS (
            UPDATE message
               SET delivered = delivered | {got},
                   failed = failed & ~ {got},
                   sent_at = coalesce(sent_at, %(now)s),
                   state_at = %(now)s,
                   reason = NULL,
                   mark = coalesce(%(mark)s::text, CASE WHEN {got} <> {bit} THEN %(stood)s ELSE mark END),
                   state = CASE WHEN delivered | {got} = (1 << total) - 1
                                THEN 'delivered'::message_state
                                WHEN failed & ~ {got} = 0
                                 AND accepted | delivered | {bit} = (1 << total) - 1
                                THEN 'sent' ELSE state END,
                   final_told = CASE WHEN state IN ('failed', 'rejected', 'expired')
                                      AND reason IS DISTINCT FROM %(soft)s
                                     THEN true ELSE final_told END
             WHERE id = ANY (%(ids)s::bigint[]) AND id BETWEEN %(low)s AND %(high)s
               AND delivered & {bit} = 0
               AND (state IN ('launched', 'queued', 'uncertain', 'sent')
                    OR state = 'failed' AND reason = %(soft)s
                    OR state IN ('failed', 'rejected', 'expired') AND attempt > %(attempt)s)
            RETURNING {returned}{"" if told else ", id"}),
        others AS (
            INSERT INTO receipt_watch (message_id, segment, attempt, due_at)
            SELECT id, 0, 0, %(now)s + make_interval(secs => %(silence)s)
              FROM moved WHERE became = 'sent'
                ON CONFLICT DO NOTHING)
        {end}
        """,
        {
            "whole": whole,
            "mark": mark,
            "stood": MARK_WHOLE,
            "soft": SOFT,
            "silence": SILENCE_S,
            "attempt": attempt,
            "now": now,
            "ids": ints(ids),
            "low": ids[0],
            "high": ids[-1],
        },
    )


def receive_bad(
    tx: Tx,
    failures: Sequence[tuple[int, str]],
    *,
    segment: int,
    attempt: int,
    state: str,
    now: datetime,
) -> Moves:
    """A receipt says that the segment finally failed: so has the message. (message, reason) each.

    An older attempt's bad end says so only when no newer attempt of that segment is open: on the
    wire, or taken by the SMSC (R-5.8). Else it is remembered (`failed`), for when that is refused.
    """
    moves: Moves = []
    for start in range(0, len(failures), _FAILURES):
        part = failures[start : start + _FAILURES]
        words = {"segment": segment, "attempt": attempt, "state": state, "now": now}
        ended = _receive_bad(tx, part, newest=True, **words)
        if sum(n for *_, n in ended) < len(part):
            # Locked by a statement of its own: the next one sees what was settled meanwhile.
            older = {row[0] for row in tx.execute(_OLDER, {"ids": _ids(part), "attempt": attempt})}
            part = [one for one in part if one[0] in older]
            ended += _receive_bad(tx, part, newest=False, **words) if part else []
        moves += ended
    return moves


# Each of them is looked for in the array of all: so many at a time.
_FAILURES = 500

# message_YYYYMMDD_pkey
_OLDER = """
    SELECT id FROM message WHERE id = ANY (%(ids)s::bigint[]) AND attempt > %(attempt)s
     ORDER BY id FOR UPDATE
"""

# submission_YYYYMMDD_pkey. Not EXISTS, which may be planned as a hash of the whole table.
_OPEN = """
    CASE WHEN launched & %(bit)s <> 0 THEN true
         ELSE coalesce((SELECT true FROM submission s
                         WHERE s.message_id = message.id AND s.segment = %(segment)s
                           AND s.attempt > %(attempt)s LIMIT 1), false) END
"""


def _ids(failures: Sequence[tuple[int, str]]) -> str:
    return ints(one[0] for one in failures)


def _receive_bad(
    tx: Tx,
    failures: Sequence[tuple[int, str]],
    *,
    newest: bool,
    **words: Any,
) -> Moves:
    """Those whose newest attempt it is, or the others, which may have another one open."""
    is_open = "false" if newest else _OPEN
    return tx.execute(
        # message_YYYYMMDD_pkey; a HOT update
        f"""
        WITH moved AS (
            UPDATE message
               SET failed = failed | %(bit)s,
                   state = CASE WHEN {is_open} THEN state ELSE %(state)s::message_state END,
                   mark = CASE WHEN {is_open} THEN mark END,
                   reason = CASE WHEN {is_open} THEN reason ELSE
                       (%(reasons)s::text[])[array_position(%(ids)s::bigint[], id)] END,
                   sent_at = coalesce(sent_at, %(now)s),
                   state_at = CASE WHEN {is_open} THEN state_at ELSE %(now)s END
             WHERE id = ANY (%(ids)s::bigint[]) AND delivered & %(bit)s = 0
               AND attempt {"=" if newest else ">"} %(attempt)s
               AND (state IN ('launched', 'queued', 'uncertain', 'sent')
                    OR state = 'failed' AND reason = %(soft)s)
            RETURNING {callbacks.RETURNING})
        {_TOLD}
        """,
        {
            **words,
            "bit": 1 << (words["segment"] - 1),
            "soft": SOFT,
            "reasons": [reason for _, reason in failures],
            "ids": _ids(failures),
        },
    ).fetchall()


# ---------------------------------------------------------------- parked


class Parked(NamedTuple):
    """A receipt that waits for its submission, or for a person where it is `ambiguous`."""

    carrier_id: int
    ids: tuple[str, ...]
    mobile: str
    state: str
    stat: str | None
    err: str | None
    at: datetime
    other: str = ""
    ambiguous: bool = False
    id: int = 0


def park(tx: Tx, receipts: Sequence[Parked]) -> None:
    """Keeps receipts whose submission is not known (R-5.8: never dropped), all in one statement."""
    if not receipts:
        return
    tx.execute(
        # no index is read; parked_candidate gets a row for each way to write an id
        """
        WITH kept AS (
            INSERT INTO parked (carrier_id, ids, mobile, other, state, stat, err, ambiguous, at)
            SELECT carrier_id, string_to_array(coalesce(ids, ''), E'\\x1e'), coalesce(mobile, ''),
                   coalesce(other, ''), state,
                   nullif(stat, ''), nullif(err, ''), ambiguous, at
              FROM unnest(%(carriers)s::smallint[],
                          string_to_array(%(ids)s, E'\\x1f'), string_to_array(%(mobiles)s, E'\\x1f'),
                          string_to_array(%(others)s, E'\\x1f'), string_to_array(%(states)s, E'\\x1f'),
                          string_to_array(%(stats)s, E'\\x1f'), string_to_array(%(errs)s, E'\\x1f'),
                          %(ambiguous)s::boolean[], %(ats)s::timestamptz[])
                   AS r (carrier_id, ids, mobile, other, state, stat, err, ambiguous, at)
            RETURNING id, carrier_id, ids, ambiguous)
        INSERT INTO parked_candidate (carrier_id, smsc_id, parked_id)
        SELECT DISTINCT carrier_id, unnest(ids), id FROM kept WHERE NOT ambiguous
        """,
        {
            "carriers": ints(one.carrier_id for one in receipts),
            "ids": texts(_joined(one.ids) for one in receipts),
            "mobiles": texts(one.mobile for one in receipts),
            "others": texts(one.other for one in receipts),
            "states": texts(one.state for one in receipts),
            "stats": texts(one.stat or "" for one in receipts),
            "errs": texts(one.err or "" for one in receipts),
            "ambiguous": [one.ambiguous for one in receipts],
            "ats": [one.at for one in receipts],
        },
    )


def _joined(ids: Iterable[str]) -> str:
    """Ids as one text; what takes them apart again is printed by nobody."""
    return "\x1e".join(one.replace("\x1e", "") for one in ids)


_TAKEN = """
        taken AS (
            DELETE FROM parked WHERE id = ANY (ARRAY(SELECT id FROM wanted))
            RETURNING carrier_id, ids, mobile, state, stat, err, at, other, ambiguous, id),
        waiting AS (
            DELETE FROM parked_candidate c USING (
                SELECT carrier_id, unnest(ids) AS smsc_id, id FROM taken) AS t
             WHERE c.carrier_id = t.carrier_id AND c.smsc_id = t.smsc_id AND c.parked_id = t.id)
        SELECT * FROM taken ORDER BY id
"""


def unpark(tx: Tx, carrier_id: int, smsc_ids: Iterable[str]) -> list[Parked]:
    """Takes out the receipts that came before these ids were known, oldest first."""
    rows = tx.execute(
        # parked_candidate_pkey, parked_pkey
        f"""
        WITH wanted AS (
            SELECT parked_id AS id FROM parked_candidate
             WHERE carrier_id = %s AND smsc_id = ANY (string_to_array(%s, E'\\x1f'))),
        {_TAKEN}
        """,
        (carrier_id, texts(smsc_ids)),
    )
    return [_parked(row) for row in rows]


def parked_between(
    tx: Tx, since: datetime, before: tuple[datetime, int], limit: int
) -> list[Parked]:
    """Receipts that wait for their submission, parked before `before` (time, id), newest first."""
    rows = tx.execute(
        # parked_at, backwards
        """
        SELECT carrier_id, ids, mobile, state, stat, err, at, other, ambiguous, id FROM parked
         WHERE (at, id) < (%s, %s) AND at >= %s ORDER BY at DESC, id DESC LIMIT %s
        """,
        (*before, since, limit),
    )
    return [_parked(row) for row in rows]


def take_parked(tx: Tx, ids: Iterable[int]) -> set[int]:
    """Takes these out; answers those that nobody else has taken."""
    rows = tx.execute(
        # parked_pkey, parked_candidate_pkey
        f"""
        WITH wanted AS (SELECT unnest(%s::bigint[]) AS id),
        {_TAKEN}
        """,
        (ints(sorted(ids)),),
    )
    return {row[-1] for row in rows}


def purge_parked(tx: Tx, before: datetime, limit: int) -> int:
    """Forgets receipts that were parked before `before`, at most `limit`; answers how many."""
    return len(
        tx.execute(
            # parked_at, parked_pkey, parked_candidate_pkey
            f"""
            WITH wanted AS (
                SELECT id FROM parked WHERE at < %s ORDER BY at, id LIMIT %s
                   FOR UPDATE SKIP LOCKED),
            {_TAKEN}
            """,
            (before, limit),
        ).fetchall()
    )


def _parked(row: tuple[Any, ...]) -> Parked:
    return Parked(row[0], tuple(row[1]), *row[2:])


# ---------------------------------------------------------------- what is looked at again


def watch_stat(
    tx: Tx, stats: Sequence[tuple[int, str]], *, carrier_id: int, segment: int, attempt: int
) -> None:
    """Notes stats that no table knows, (message, stat) each: 72 h after the response they fail."""
    tx.execute(
        # submission_YYYYMMDD_pkey, receipt_watch_pkey
        """
        INSERT INTO receipt_watch (message_id, segment, attempt, carrier_id, stat, due_at)
        SELECT message_id, segment, attempt, %(carrier)s,
               (%(stats)s::text[])[array_position(%(ids)s::bigint[], message_id)],
               at + make_interval(secs => %(wait)s)
          FROM submission
         WHERE message_id = ANY (%(ids)s::bigint[]) AND segment = %(segment)s
           AND attempt = %(attempt)s
            ON CONFLICT DO NOTHING
        """,
        {
            "carrier": carrier_id,
            "stats": [stat for _, stat in stats],
            "ids": [message_id for message_id, _ in stats],
            "segment": segment,
            "attempt": attempt,
            "wait": NO_RECEIPT_S,
        },
    )


class Watched(NamedTuple):
    """What is to be looked at again; `stat` None: segments of which nothing was heard."""

    message_id: int
    segment: int
    attempt: int
    stat: str | None


def watched(tx: Tx, now: datetime, limit: int) -> list[Watched]:
    """Takes out what is due to be looked at again."""
    rows = tx.execute(
        # receipt_watch_due, receipt_watch_pkey
        """
        WITH due AS (
            SELECT message_id, segment, attempt FROM receipt_watch WHERE due_at <= %s
             ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED)
        DELETE FROM receipt_watch w USING due d
         WHERE w.message_id = d.message_id AND w.segment = d.segment AND w.attempt = d.attempt
        RETURNING w.message_id, w.segment, w.attempt, w.stat
        """,
        (now, limit),
    )
    return sorted(Watched._make(row) for row in rows)


def end_silence(tx: Tx, ids: Sequence[int], now: datetime) -> Moves:
    """Messages with segments delivered, none failed, and 10 minutes of silence are delivered.

    They are marked. Those that had another receipt meanwhile are looked at again.
    """
    moves = tx.execute(
        # message_YYYYMMDD_pkey; a HOT update
        f"""
        WITH moved AS (
            UPDATE message
               SET delivered = (1 << total) - 1, state = 'delivered', state_at = %(now)s,
                   reason = NULL, mark = %(mark)s
             WHERE id = ANY (%(ids)s::bigint[]) AND state = 'sent' AND delivered <> 0
               AND failed = 0 AND state_at <= %(now)s - make_interval(secs => %(silence)s)
            RETURNING {callbacks.RETURNING})
        {_TOLD}
        """,
        {"ids": ints(ids), "now": now, "mark": MARK_SILENCE, "silence": SILENCE_S},
    ).fetchall()
    tx.execute(
        # message_YYYYMMDD_pkey, receipt_watch_pkey
        """
        INSERT INTO receipt_watch (message_id, segment, attempt, due_at)
        SELECT id, 0, 0, greatest(state_at, %(now)s - interval '1 s')
                         + make_interval(secs => %(silence)s)
          FROM message
         WHERE id = ANY (%(ids)s::bigint[]) AND delivered <> 0
           AND state IN ('launched', 'queued', 'uncertain', 'sent')
            ON CONFLICT DO NOTHING
        """,
        {"ids": ints(ids), "now": now, "silence": SILENCE_S},
    )
    return moves


def oldest_id(now: datetime) -> int:
    """The first id of the days in which a receipt's message may lie."""
    return first_of_day(now) - SUBMISSION_DAYS * A_DAY
