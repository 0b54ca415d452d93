"""The queue of an application: whose turn it is, and members that become message rows.

One dispatch step is one transaction that holds the application's row (SKIP LOCKED: a node that
finds it held goes on to the next), so several nodes need no election.
"""

from collections.abc import Sequence
from datetime import datetime

from engine.store import audit, callbacks
from engine.store.db import Tx

# Members become rows in chunks, at most AHEAD messages before the turns need them: the first
# message leaves at once whatever the size of the list, and no transaction is long.
CHUNK = 5_000
AHEAD = 40_000


def applications(tx: Tx, now: datetime) -> list[tuple[int, str]]:
    """Applications with something in their queue that may need a step now."""
    return tx.execute(
        # campaign_open, campaign_clearing
        """
        SELECT a.id, a.name FROM application a
         WHERE EXISTS (SELECT FROM campaign c
                        WHERE c.application_id = a.id
                          AND (c.state IN ('waiting', 'running', 'finishing')
                               OR c.state = 'scheduled' AND c.scheduled_at <= %(now)s
                               OR c.state = 'paused' AND c.not_after <= %(now)s))
            OR EXISTS (SELECT FROM campaign c
                        WHERE c.application_id = a.id AND c.clearing IS NOT NULL)
         ORDER BY a.id
        """,
        {"now": now},
    ).fetchall()


def hold(tx: Tx, application_id: int) -> bool:
    """Takes the application's queue for this transaction; False when another node has it."""
    return (
        tx.execute(
            "SELECT 1 FROM application WHERE id = %s FOR NO KEY UPDATE SKIP LOCKED",
            (application_id,),
        ).fetchone()
        is not None
    )


def enter(
    tx: Tx,
    campaign_id: int,
    state: str,
    expected: Sequence[str],
    now: datetime,
    *,
    yields: bool = False,
) -> bool:
    """Moves a campaign to a state if it still is in one of `expected`.

    With its first start the campaign's recipients are fixed: who joins the list later is not in it
    (R-3.7). One that `yields` has its place in line until it has the turn again. What is unsent of
    one that expires is left to `clearing`.
    """
    return (
        tx.execute(
            # campaign_pkey, member_pkey, campaign_recipient_pkey
            """
            UPDATE campaign c
               SET state = %(state)s::campaign_state,
                   yielded_at = CASE WHEN %(state)s = 'running' THEN NULL
                                     WHEN %(yields)s THEN %(now)s ELSE yielded_at END,
                   clearing = CASE WHEN %(state)s = 'expired' AND started_at IS NOT NULL
                                   THEN 'expired'::message_state ELSE clearing END,
                   started_at = CASE WHEN %(state)s = 'running'
                                     THEN coalesce(started_at, %(now)s) ELSE started_at END,
                   ended_at = CASE WHEN %(state)s IN ('completed', 'stopped', 'cancelled', 'expired')
                                   THEN %(now)s ELSE ended_at END,
                   recipients = CASE WHEN %(state)s = 'running' AND recipients IS NULL
                       THEN CASE WHEN from_campaign_id IS NULL
                            THEN (SELECT count(*) FROM member m
                                   WHERE m.list_id = c.list_id AND m.deleted_at IS NULL)
                            ELSE (SELECT count(*) FROM campaign_recipient r
                                   WHERE r.campaign_id = c.id) END
                       ELSE recipients END,
                   last_member_id = CASE WHEN %(state)s = 'running' AND last_member_id IS NULL
                       THEN CASE WHEN from_campaign_id IS NULL
                            THEN (SELECT coalesce(max(id), 0) FROM member m
                                   WHERE m.list_id = c.list_id)
                            ELSE (SELECT coalesce(max(id), 0) FROM campaign_recipient r
                                   WHERE r.campaign_id = c.id) END
                       ELSE last_member_id END
             WHERE id = %(id)s AND state = ANY (%(expected)s::campaign_state[])
            """,
            {
                "state": state,
                "now": now,
                "id": campaign_id,
                "expected": list(expected),
                "yields": yields,
            },
        ).rowcount
        == 1
    )


def pause_by_engine(tx: Tx, campaign_id: int, reason: str, now: datetime) -> None:
    """Pauses a campaign whose sender the SMSC refuses (R-5.7), with its line in the log."""
    row = tx.execute(
        "SELECT application_id, state FROM campaign WHERE id = %s FOR NO KEY UPDATE", (campaign_id,)
    ).fetchone()
    if row is None:
        return
    yields = row[1] == "running"
    if not enter(tx, campaign_id, "paused", ("running", "waiting"), now, yields=yields):
        return
    tx.execute("UPDATE campaign SET pause_reason = %s WHERE id = %s", (reason, campaign_id))
    audit.record(
        tx,
        application_id=row[0],
        by="engine",
        action="campaign.pause",
        object=str(campaign_id),
        after={"reason": reason},
    )


def waiting_in_feed(tx: Tx, campaign_id: int) -> int:
    """About how many message rows of a campaign wait to be launched."""
    row = tx.execute(
        # feed has some ten rows
        "SELECT coalesce(sum(last_id - next_id + 1), 0)::bigint FROM feed WHERE campaign_id = %s",
        (campaign_id,),
    ).fetchone()
    assert row is not None
    return int(row[0])


def feed_chunk(
    tx: Tx, campaign_id: int, now: datetime, *, unsent: tuple[str, str] | None = None
) -> int:
    """Makes the next recipients of a campaign message rows; answers how many (0: all are).

    A member that was deleted since the start becomes a skipped message, so that the report says so.
    `unsent`, a state and a reason: they are not to be sent any more, and are no turn's business.
    """
    state, reason = unsent or ("queued", None)
    row = tx.execute(
        # member_pkey or campaign_recipient_pkey for the range, in its order, with
        # member_list_id_mobile_key for each; the insert fills one partition from the end
        f"""
        WITH c AS (
            SELECT id, application_id, list_id, from_campaign_id, sender, fed_member_id,
                   last_member_id, started_at
              FROM campaign WHERE id = %(campaign)s AND fed_member_id < last_member_id
               FOR NO KEY UPDATE),
        chunk AS MATERIALIZED (
            (SELECT m.id, m.mobile, m.params, m.deleted_at IS NOT NULL AS deleted
               FROM c JOIN member m ON m.list_id = c.list_id
              WHERE c.from_campaign_id IS NULL
                AND m.id > c.fed_member_id AND m.id <= c.last_member_id
                AND (m.deleted_at IS NULL OR m.deleted_at >= c.started_at)
              ORDER BY m.id LIMIT %(chunk)s)
            UNION ALL
            (SELECT r.id, r.mobile, r.params, c.list_id IS NOT NULL AND NOT EXISTS (
                        SELECT FROM member m
                         WHERE m.list_id = c.list_id AND m.mobile = r.mobile
                           AND m.deleted_at IS NULL)
               FROM c JOIN campaign_recipient r ON r.campaign_id = c.id
              WHERE c.from_campaign_id IS NOT NULL
                AND r.id > c.fed_member_id AND r.id <= c.last_member_id
              ORDER BY r.id LIMIT %(chunk)s)),
        moved AS (
            INSERT INTO message (id, campaign_id, application_id, class, state, state_at,
                                 created_at, mobile, sender, reason, params)
            SELECT next_id(), c.id, c.application_id, 2,
                   CASE WHEN k.deleted THEN 'skipped' ELSE %(state)s END::message_state,
                   %(now)s, %(now)s, k.mobile, c.sender,
                   CASE WHEN k.deleted THEN 'deleted from the list' ELSE %(reason)s END,
                   nullif(k.params, '{{}}')
              FROM c CROSS JOIN chunk k ORDER BY k.id
            RETURNING {callbacks.RETURNING_BORN}),
        told AS ({callbacks.BORN}),
        counted AS (
            SELECT count(*)::int AS n, min(id) AS first, max(id) AS last,
                   count(*) FILTER (WHERE became = 'skipped')::int AS skipped FROM moved),
        fed AS (
            INSERT INTO feed (application_id, campaign_id, next_id, last_id)
            SELECT c.application_id, c.id, counted.first, counted.last FROM c, counted
             WHERE counted.n > 0 AND %(state)s = 'queued'),
        ranged AS (
            INSERT INTO campaign_range (campaign_id, first_id, last_id, n)
            SELECT c.id, counted.first, counted.last, counted.n FROM c, counted
             WHERE counted.n > 0),
        tallied AS (
            INSERT INTO tally (campaign_id, state, n)
            SELECT c.id, t.state, t.n
              FROM c, counted,
                   LATERAL (VALUES (%(state)s::message_state, counted.n - counted.skipped),
                                   ('skipped', counted.skipped)) AS t (state, n)
             WHERE t.n > 0)
        SELECT counted.n, (SELECT max(id) FROM chunk), c.last_member_id FROM c, counted
        """,
        {"campaign": campaign_id, "chunk": CHUNK, "now": now, "state": state, "reason": reason},
    ).fetchone()
    if row is None:
        return 0
    n, last, last_member_id = row
    # A short chunk was the last one; `recipients` follows what was really found.
    over = n < CHUNK
    tx.execute(
        # campaign_pkey
        """
        UPDATE campaign
           SET fed = fed + %(n)s,
               fed_member_id = %(upto)s,
               recipients = CASE WHEN %(over)s THEN fed + %(n)s ELSE recipients END
         WHERE id = %(campaign)s
        """,
        {
            "n": n,
            "upto": last_member_id if over else last,
            "over": over,
            "campaign": campaign_id,
        },
    )
    return int(n)


def bring_back(tx: Tx, campaign_id: int, now: datetime) -> int:
    """Puts what was put aside of a campaign that may launch where turns look; answers how many.

    What could not go since it had not the turn, and whose recipients' hours have opened.
    """
    return tx.execute(
        # due_campaign, due_pkey
        """
        WITH back AS (
            SELECT message_id FROM due
             WHERE campaign_id = %(campaign)s AND route_id IN (-3, -2) AND due_at <= %(now)s
             LIMIT %(chunk)s FOR UPDATE SKIP LOCKED)
        UPDATE due SET route_id = 0 WHERE message_id IN (SELECT message_id FROM back)
        """,
        {"campaign": campaign_id, "now": now, "chunk": CHUNK},
    ).rowcount


def compact_tally(tx: Tx) -> None:
    """Adds up the rows of each count. Differences that are inserted meanwhile stay beside it."""
    tx.execute(
        # tally is small: some rows a campaign and turn, added up every few seconds
        """
        WITH grown AS (SELECT campaign_id FROM tally GROUP BY 1 HAVING count(*) > 20),
        old AS (
            DELETE FROM tally WHERE campaign_id IN (SELECT campaign_id FROM grown)
            RETURNING campaign_id, state, n)
        INSERT INTO tally (campaign_id, state, n)
        SELECT campaign_id, state, sum(n) FROM old GROUP BY 1, 2 HAVING sum(n) <> 0
        """
    )
