"""What is launched next, and the marks that say so before an octet leaves (R-8.1).

Nothing here finds messages by their state: `feed` names ranges of campaign messages, `due` single
ones, and both are read by key. Every statement names the index that carries it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from engine.store import callbacks, held, hot, hours
from engine.store.arrays import ints, texts, times
from engine.store.db import Tx

# Places of `due` that are no routes: what no turn has judged yet, what has no route at all; and two
# where no turn looks: the queue brings back what a campaign's turn, or a recipient's hours, kept away.
NOT_JUDGED = 0
NO_ROUTE = -1
AWAY = -2
ASIDE = -3


class Origin(NamedTuple):
    """What the messages of one campaign (or one application's single ones) have in common.

    `rate` is in messages a second; `quota` and `cap` are the application's settings as they are kept.
    """

    application_id: int
    application: str
    campaign_id: int | None
    list_id: int | None
    text: str | None
    encoding: str
    sender: str
    sender_ton: int
    sender_npi: int
    flash: bool
    transliterate: bool
    opted_out: bool
    recipient_time: bool
    rate: float | None
    not_after: datetime | None
    quota: str | None
    cap: str | None


class Feed(NamedTuple):
    """A range of campaign messages, made and not yet launched; locked until the commit."""

    id: int
    next_id: int
    last_id: int
    origin: Origin


class Candidate(NamedTuple):
    """A message that may be launched now. A tuple: a turn makes hundreds of them."""

    id: int
    mobile: str
    params: list[str] | None
    text: str | None
    attempt: int
    accepted: int
    failed: int
    refused: int


def next_feed(
    tx: Tx, passed: Sequence[int], now: datetime, shut: Sequence[int] = ()
) -> Feed | None:
    """Locks the feed that has waited longest, of a campaign that may send; None when there is none.

    None of those `passed`, and none of the campaigns `shut`.

    One may send from when it has the turn until that is taken from it, its hours close or its time
    limit passes, to the moment (R-3.9, R-4.3).
    A turn on another connection holds another feed, never waits for ours: SKIP LOCKED.
    """
    rows = hot.ask(
        tx,
        # feed has some ten rows per running campaign; campaign, sender and setting by their primary
        # and unique keys
        """
        SELECT f.id, f.next_id, f.last_id, f.application_id, a.name, f.campaign_id, c.list_id,
               c.text, c.encoding, c.sender, coalesce(s.ton, 0), coalesce(s.npi, 0), c.flash,
               c.transliterate, c.opted_out_reason IS NOT NULL, c.recipient_time, c.rate, c.not_after,
               (SELECT value FROM setting
                 WHERE application_id = f.application_id AND key = 'quota.daily'),
               (SELECT value FROM setting
                 WHERE application_id = f.application_id AND key = 'frequency.cap')
          FROM feed f
          JOIN campaign c ON c.id = f.campaign_id
          JOIN application a ON a.id = f.application_id
          LEFT JOIN sender s ON s.application_id = f.application_id AND s.address = c.sender
         WHERE c.state IN ('running', 'finishing') AND f.id <> ALL (%(passed)s::bigint[])
           AND f.campaign_id <> ALL (%(shut)s::bigint[])
           AND (c.open_until IS NULL OR c.open_until > %(now)s)
           AND (c.not_after IS NULL OR c.not_after > %(now)s)
         ORDER BY f.served_at, f.id
         LIMIT 1
           FOR UPDATE OF f SKIP LOCKED
        """,
        {"passed": ints(passed), "shut": ints(shut), "now": now},
    )
    return Feed._make((*rows[0][:3], Origin._make(rows[0][3:]))) if rows else None


def feed_candidates(tx: Tx, feed: Feed, limit: int) -> list[Candidate]:
    """The next queued messages of a feed, in the order of their ids."""
    rows = hot.ask(
        tx,
        # message_YYYYMMDD_pkey, one partition by the range
        """
        SELECT id, mobile, params, NULL, attempt, accepted, failed, refused
          FROM message
         WHERE id BETWEEN %s AND %s AND campaign_id = %s AND state = 'queued'
         ORDER BY id
         LIMIT %s
        """,
        (feed.next_id, feed.last_id, feed.origin.campaign_id, limit),
    )
    return [Candidate._make(row) for row in rows]


def due_now(tx: Tx, now: datetime, limit: int, routes: Sequence[int]) -> dict[int, list[int]]:
    """The messages whose time has come on these routes, by class; not locked yet.

    At most `limit` of each class, the longest due first. One look for all classes, since nearly
    always there is nothing; a route without room is not looked at, whatever waits on it.
    """
    found: dict[int, list[int]] = {}
    rows = hot.ask(
        tx,
        # due_next: a probe for each class and route
        """
        SELECT c, d.message_id
          FROM generate_series(0, 2) AS c, unnest(%s::smallint[]) AS r,
               LATERAL (SELECT message_id, due_at FROM due
                         WHERE class = c AND route_id = r AND due_at <= %s
                         ORDER BY due_at LIMIT %s) AS d
         ORDER BY d.due_at
        """,
        (ints(routes), now, limit),
    )
    for message_class, message_id in rows:
        ids = found.setdefault(message_class, [])
        if len(ids) < limit:
            ids.append(message_id)
    return found


class Due(NamedTuple):
    """What of `due` can be launched, and what must not be any more: it is `over`, by its new state."""

    ready: list[tuple[Candidate, Origin]]
    over: dict[str, list[int]]


def due_candidates(tx: Tx, wanted: Sequence[int], now: datetime) -> Due:
    """Those of `wanted` that can be launched, locked; what is in need of nothing is dropped.

    A message that has been settled, cancelled or skipped meanwhile leaves `due` here. One that still
    has a segment on the wire is put off by a second. An uncertain one whose application wants such
    to be held leaves `due` for `held`, until someone resolves it (R-8.2); so does one whose campaign
    has been stopped. What its campaign may not launch now is put AWAY; one of the API's outside the
    sending hours is put off until they open (R-4.2).
    """
    ids = [
        row[0]
        for row in tx.execute(
            # due_pkey; who has the others locked launches them
            """
            SELECT message_id FROM due WHERE message_id = ANY (%s::bigint[]) AND due_at <= %s
             ORDER BY message_id FOR UPDATE SKIP LOCKED
            """,
            (ints(wanted), now),
        )
    ]
    if not ids:
        return Due([], {})
    rows = tx.execute(
        # message_YYYYMMDD_pkey; campaign_pkey; sender_application_id_address_key; setting_pkey
        """
        SELECT m.id, m.mobile, m.params, m.text, m.attempt, m.accepted, m.failed, m.refused,
               m.application_id, a.name, m.campaign_id, c.list_id, coalesce(m.text, c.text),
               coalesce(m.encoding, c.encoding, 'auto'), m.sender, coalesce(s.ton, 0),
               coalesce(s.npi, 0), coalesce(m.flash, c.flash, false),
               coalesce(c.transliterate, false), coalesce(c.opted_out_reason IS NOT NULL, false),
               coalesce(c.recipient_time, false), c.rate, coalesce(m.not_after, c.not_after),
               (SELECT value FROM setting WHERE application_id = m.application_id
                                            AND key = 'quota.daily' AND m.class > 0),
               (SELECT value FROM setting WHERE application_id = m.application_id
                                            AND key = 'frequency.cap' AND m.class = 2),
               c.state::text, coalesce(c.open_until > %(now)s, true),
               coalesce(c.not_after > %(now)s, true), m.class, m.state::text, m.launched
          FROM message m
          JOIN application a ON a.id = m.application_id
          LEFT JOIN campaign c ON c.id = m.campaign_id
          LEFT JOIN sender s ON s.application_id = m.application_id AND s.address = m.sender
         WHERE m.id = ANY (%(ids)s::bigint[])
         ORDER BY m.id
        """,
        {"ids": ints(ids), "now": now},
    ).fetchall()
    ready: list[tuple[Candidate, Origin]] = []
    busy: list[int] = []
    hold: list[int] = []
    away: list[int] = []
    later: list[tuple[int, datetime, int]] = []
    over: dict[str, list[int]] = {}
    opens: dict[int, datetime | None] = {}
    holding = held.holding(tx) if any(row[-2] == "uncertain" for row in rows) else frozenset()
    gone = set(ids)
    for *columns, campaign_state, is_open, in_time, message_class, state, launched in rows:
        candidate, origin = Candidate._make(columns[:8]), Origin._make(columns[8:])
        if state not in ("queued", "uncertain"):
            continue
        ended = _ENDED.get(campaign_state) or _late(campaign_state, candidate, origin, now)
        if state == "uncertain" and (ended or origin.application_id in holding):
            hold.append(candidate.id)
            continue
        if ended:
            over.setdefault(ended, []).append(candidate.id)
            continue
        gone.discard(candidate.id)
        if launched:
            busy.append(candidate.id)
        elif campaign_state is not None and not _may_go(
            campaign_state, candidate, is_open=is_open, in_time=in_time
        ):
            away.append(candidate.id)
        elif (
            message_class == 1 and not candidate.accepted and (at := _opens(tx, opens, origin, now))
        ):
            later.append((candidate.id, at, NOT_JUDGED))
        else:
            ready.append((candidate, origin))
    drop_due(tx, gone)
    if hold:
        held.hold(tx, hold, now)
    if away:
        tx.execute(
            # due_pkey
            "UPDATE due SET route_id = %s WHERE message_id = ANY (%s::bigint[])",
            (AWAY, ints(away)),
        )
    put_on_routes(tx, later)
    if busy:
        tx.execute(
            "UPDATE due SET due_at = %s + interval '1 s' WHERE message_id = ANY (%s::bigint[])",
            (now, ints(busy)),
        )
    return Due(ready, over)


# What becomes of a message that comes back after the end of its campaign.
_ENDED = {"stopped": "cancelled", "cancelled": "cancelled", "expired": "expired"}


def _late(
    campaign_state: str | None, candidate: Candidate, origin: Origin, now: datetime
) -> str | None:
    """A single message whose time is up before the SMSC has anything of it expires."""
    late = origin.not_after is not None and origin.not_after <= now
    return "expired" if late and campaign_state is None and not candidate.accepted else None


def _may_go(campaign_state: str, candidate: Candidate, *, is_open: bool, in_time: bool) -> bool:
    """Whether a retry of a campaign may go now: while it has the turn, or is finishing.

    What the SMSC has a part of goes on though the hours have closed: it is never torn apart (R-4.1).
    """
    if campaign_state in ("running", "finishing", "completed") and is_open and in_time:
        return True
    return bool(candidate.accepted) and campaign_state in ("running", "finishing", "waiting")


def _opens(
    tx: Tx, known: dict[int, datetime | None], origin: Origin, now: datetime
) -> datetime | None:
    """When the sending hours of an application open; None: they are."""
    application_id = origin.application_id
    if application_id not in known:
        mine = hours.in_force(tx, application_id)
        known[application_id] = None if mine is None or mine.open_at(now) else mine.opens_at(now)
    return known[application_id]


def drop_due(tx: Tx, ids: Iterable[int]) -> None:
    """Takes messages out of `due`."""
    array = ints(ids)
    if array != "{}":
        tx.execute("DELETE FROM due WHERE message_id = ANY (%s::bigint[])", (array,))  # due_pkey


def put_due(tx: Tx, entries: Sequence[tuple[int, datetime]]) -> None:
    """Makes messages due at a time, or later where another segment of it has to wait longer.

    On which route, the turn finds that launches them.
    """
    put_on_routes(tx, [(message_id, at, 0) for message_id, at in entries])


def put_on_routes(tx: Tx, entries: Sequence[tuple[int, datetime, int]]) -> None:
    """Makes messages (id, due at, route) due; see `put_due`."""
    if not entries:
        return
    ids = ints(entry[0] for entry in entries)
    hot.ask(
        tx,
        # message_YYYYMMDD_pkey, due_pkey
        """
        INSERT INTO due (message_id, class, campaign_id, due_at, route_id)
        SELECT m.id, m.class, m.campaign_id, e.due_at, e.route_id
          FROM unnest(%s::bigint[], %s::timestamptz[], %s::smallint[]) AS e (id, due_at, route_id)
          JOIN message m ON m.id = e.id
         WHERE m.id = ANY (%s::bigint[])
         ORDER BY m.id
            ON CONFLICT (message_id) DO UPDATE
           SET due_at = greatest(due.due_at, excluded.due_at), route_id = excluded.route_id
        """,
        (
            ids,
            times(entry[1] for entry in entries),
            ints(entry[2] for entry in entries),
            ids,
        ),
    )


def wait_on_routes(tx: Tx, waiting: Mapping[int, int]) -> None:
    """Says on which route each message in `due` waits, so that it comes when that has room."""
    if waiting:
        tx.execute(
            # due_pkey
            """
            UPDATE due SET route_id = w.route_id
              FROM unnest(%s::bigint[], %s::smallint[]) AS w (id, route_id)
             WHERE due.message_id = w.id AND due.message_id = ANY (%s::bigint[])
               AND due.route_id <> w.route_id
            """,
            (ints(waiting.keys()), ints(waiting.values()), ints(waiting.keys())),
        )


class Begun(NamedTuple):
    """Which carrier took a part of a message, and when the last one."""

    carrier_id: int
    at: datetime


def carriers_of(tx: Tx, ids: Iterable[int]) -> dict[int, Begun]:
    """Which carrier took a part of each of these messages: the rest must go over it, too (R-5.5)."""
    array = ints(ids)
    if array == "{}":
        return {}
    rows = tx.execute(
        # submission_YYYYMMDD_pkey
        """
        SELECT message_id, carrier_id, at FROM submission
         WHERE message_id = ANY (%s::bigint[]) ORDER BY attempt, at
        """,
        (array,),
    )
    return {message_id: Begun(carrier_id, at) for message_id, carrier_id, at in rows}


def put_off(tx: Tx, ids: Iterable[int], at: datetime) -> None:
    """Has messages in `due` looked at again at a time, not before."""
    array = ints(ids)
    if array != "{}":
        tx.execute(
            # due_pkey
            "UPDATE due SET due_at = %s WHERE message_id = ANY (%s::bigint[])",
            (at, array),
        )


def unwanted(
    tx: Tx, application_id: int, list_id: int | None, mobiles: Iterable[str]
) -> dict[str, str]:
    """Who of `mobiles` must get nothing, and why: opted out (R-6.3) or blacklisted (R-6.4).

    Opted out is whose newest event for the list or for all is an *out*.
    """
    rows = hot.ask(
        tx,
        # consent_mobile; blacklist_mobile
        """
        SELECT mobile, event = 'out', id FROM consent
         WHERE application_id = %(application)s
           AND mobile = ANY (string_to_array(%(mobiles)s, E'\\x1f'))
           AND (list_id IS NULL OR list_id = %(list)s)
        UNION ALL
        SELECT mobile, NULL, NULL FROM blacklist
         WHERE mobile = ANY (string_to_array(%(mobiles)s, E'\\x1f'))
           AND (application_id = %(application)s OR application_id IS NULL)
         ORDER BY 3 NULLS LAST  -- the last word counts, and the blacklist has it
        """,
        {"application": application_id, "list": list_id, "mobiles": texts(mobiles)},
    )
    last = {
        mobile: "blacklisted" if out is None else out and "opted out" for mobile, out, _ in rows
    }
    return {mobile: why for mobile, why in last.items() if why}


def excused(tx: Tx, ids: Iterable[int]) -> set[int]:
    """Which messages to who is unwanted go out all the same: auto-responses (R-6.5).

    The confirmation of an opt-out, and what answers for a list that the number wants again.
    """
    rows = tx.execute(
        # auto_response_pkey; consent_mobile, blacklist_mobile
        """
        SELECT r.message_id FROM auto_response r
         WHERE r.message_id = ANY (%s::bigint[])
           AND NOT EXISTS (
                SELECT FROM blacklist b
                 WHERE b.mobile = r.mobile
                   AND (b.application_id = r.application_id OR b.application_id IS NULL)
                   AND (r.kind <> 'optout' OR b.origin <> 'mo'))
           AND (r.kind = 'optout' OR r.list_id IS NOT NULL AND (
                SELECT event FROM consent c
                 WHERE c.application_id = r.application_id AND c.mobile = r.mobile
                   AND (c.list_id IS NULL OR c.list_id = r.list_id)
                 ORDER BY c.id DESC LIMIT 1) = 'in')
        """,
        (ints(ids),),
    )
    return {row[0] for row in rows}


def mark_launched(
    tx: Tx, ids: Sequence[int], *, total: int, launched: int, now: datetime
) -> dict[int, str]:
    """Marks messages of `total` segments as on the wire; answers those that were, with their state.

    Their ids are in order: a range of these spares a look into each partition.

    What is missing from the answer was cancelled or skipped in this very moment: it must not leave.
    """
    rows = hot.ask(
        tx,
        # message_YYYYMMDD_pkey; a HOT update
        """
        UPDATE message
           SET state = 'launched', state_at = %s, attempt = attempt + 1, total = %s, launched = %s
         WHERE id = ANY (%s::bigint[]) AND id BETWEEN %s AND %s AND state IN ('queued', 'uncertain')
        RETURNING id, old.state::text
        """,
        (now, total, launched, ints(ids), ids[0], ids[-1]),
    )
    return dict(rows)


def mark_continued(tx: Tx, message_id: int, attempt: int, launched: int) -> bool:
    """Marks further segments of a message larger than the window; False when it is over with it."""
    return (
        tx.execute(
            # message_YYYYMMDD_pkey; a HOT update
            """
            UPDATE message SET launched = launched | %(mask)s
             WHERE id = %(id)s AND attempt = %(attempt)s AND state = 'launched'
               AND (launched | accepted) & %(mask)s = 0
            """,
            {"mask": launched, "id": message_id, "attempt": attempt},
        ).rowcount
        == 1
    )


def take_back(
    tx: Tx, message_id: int, attempt: int, now: datetime
) -> tuple[bool, list[tuple[int | None, str, str, int]]]:
    """Queues a launched message of which nothing is on the wire; the first answer: something is."""
    # message_YYYYMMDD_pkey; locked first, so that a turn that settles its last answer is waited for
    row = tx.execute(
        """
        SELECT campaign_id, launched <> 0 FROM message
         WHERE id = %s AND attempt = %s AND state = 'launched' FOR UPDATE
        """,
        (message_id, attempt),
    ).fetchone()
    if row is None or row[1]:
        return row is not None, []
    tx.execute(
        # message_YYYYMMDD_pkey; a HOT update
        "UPDATE message SET state = 'queued', state_at = %s WHERE id = %s",
        (now, message_id),
    )
    return False, [(row[0], "launched", "queued", 1)]


def mark_ended(
    tx: Tx, ids: Sequence[int], state: str, reason: str, now: datetime
) -> list[tuple[int | None, str]]:
    """Ends messages that were never launched (skipped, failed); answers campaign and old state."""
    return tx.execute(
        # message_YYYYMMDD_pkey; a HOT update
        f"""
        WITH moved AS (
            UPDATE message SET state = %(state)s::message_state, state_at = %(now)s,
                               reason = %(reason)s
             WHERE id = ANY (%(ids)s::bigint[]) AND state IN ('queued', 'uncertain')
            RETURNING {callbacks.RETURNING}),
        told AS ({callbacks.TOLD})
        SELECT campaign_id, was::text FROM moved
        """,
        {"state": state, "now": now, "reason": reason, "ids": ints(ids)},
    ).fetchall()


def close_turn(
    tx: Tx,
    *,
    node_id: int,
    epoch: int,
    turn: int,
    launched: Iterable[int],
    settled_turns: Iterable[int],
    fed: Mapping[int, int],
    tally: Mapping[tuple[int, str], int],
    now: datetime,
) -> None:
    """What a turn writes last, in one statement.

    Its row in `flight` proves that it committed and names what it launched until all of it is
    settled; `settled_turns` are those of which all is. `fed` says where each feed goes on (behind
    its end: it goes away), `tally` the differences to the counts of campaigns by state.
    """
    rows = _differences(tally)
    hot.ask(
        tx,
        # flight_pkey, feed_pkey
        """
        WITH proof AS (
            INSERT INTO flight (node_id, epoch, turn, message_ids)
            VALUES (%(node)s, %(epoch)s, %(turn)s, %(launched)s::bigint[])),
        settled AS (
            DELETE FROM flight
             WHERE node_id = %(node)s AND epoch = %(epoch)s AND turn = ANY (%(settled)s::bigint[])),
        fed AS (
            SELECT * FROM unnest(%(feeds)s::bigint[], %(nexts)s::bigint[]) AS f (id, next_id)),
        exhausted AS (
            DELETE FROM feed USING fed WHERE feed.id = fed.id AND fed.next_id > feed.last_id),
        advanced AS (
            UPDATE feed SET next_id = fed.next_id, served_at = %(now)s
              FROM fed WHERE feed.id = fed.id AND fed.next_id <= feed.last_id)
        INSERT INTO tally (campaign_id, state, n)
        SELECT * FROM unnest(%(campaigns)s::bigint[], %(states)s::message_state[], %(ns)s::int[])
        """,
        {
            "node": node_id,
            "epoch": epoch,
            "turn": turn,
            "launched": ints(launched),
            "settled": ints(settled_turns),
            "feeds": ints(fed.keys()),
            "nexts": ints(fed.values()),
            "now": now,
            "campaigns": ints(row[0] for row in rows),
            "states": "{" + ",".join(row[1] for row in rows) + "}",
            "ns": ints(row[2] for row in rows),
        },
    )


def forget_turns(tx: Tx, node_id: int, epoch: int, turns: Iterable[int]) -> None:
    """Drops turns of which everything is settled, when there is nothing else to write."""
    tx.execute(
        # flight_pkey
        "DELETE FROM flight WHERE node_id = %s AND epoch = %s AND turn = ANY (%s::bigint[])",
        (node_id, epoch, ints(turns)),
    )


def add_tally(tx: Tx, changes: Mapping[tuple[int, str], int]) -> None:
    """Adds differences to the counts of campaigns by state."""
    rows = _differences(changes)
    if rows:
        tx.execute(
            """
            INSERT INTO tally (campaign_id, state, n)
            SELECT * FROM unnest(%s::bigint[], %s::message_state[], %s::int[])
            """,
            (
                ints(row[0] for row in rows),
                "{" + ",".join(row[1] for row in rows) + "}",
                ints(row[2] for row in rows),
            ),
        )


def _differences(changes: Mapping[tuple[int, str], int]) -> list[tuple[int, str, int]]:
    return [(campaign, state, n) for (campaign, state), n in sorted(changes.items()) if n]
