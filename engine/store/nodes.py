"""Nodes, their epochs and sessions, and what a dead one left in the air.

A node's epoch is one higher at each start. What an older epoch of a node launched and did not
settle is *uncertain* (R-8.2): it may have gone out or not. `flight` names these messages, so that
nobody has to look for them by state.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from engine.domain.callback import Events
from engine.domain.errors import Refused
from engine.domain.way_out import WayOut
from engine.store import callbacks, held, hot, launching, submitting
from engine.store.arrays import ints
from engine.store.db import Tx

# An uncertain message waits this long for a receipt or a late answer before it is sent again. It is
# read anew for each, so a test that kills engines can start them with less.
UNCERTAIN_S = 30.0

LEASE_S = 20.0

# A receipt whose submission is not known waits this long for it (wire.md, Ids).
PARKED = timedelta(hours=72)

# Two transactions that missed each other are found by the sweep after the later one's commit; with
# the database away for a while in between, a few sweeps later.
SWEPT = timedelta(minutes=2)
# Most sweeps look back no further than a turn takes at worst: of a flood that nobody here sent each
# receipt is looked at a few times, not for two minutes.
SWEPT_EACH = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStart:
    """What a node learns when it starts."""

    node_id: int
    epoch: int
    uncertain: int


def start(tx: Tx, name: str, now: datetime) -> NodeStart:
    """Takes the node's next epoch, and what its earlier ones left in the air (R-8.2).

    Waits for a turn of the older epoch that is about to commit (a killed engine's COMMIT may still
    be on its way): what that launches is taken over with the rest.
    """
    # node_name_key. FOR UPDATE is what `check_epoch` holds against; the update alone would not wait.
    tx.execute("SELECT 1 FROM node WHERE name = %s FOR UPDATE", (name,))
    row = tx.execute(
        """
        INSERT INTO node (name, epoch, lease_until, started_at)
        VALUES (%(name)s, 1, now() + make_interval(secs => %(lease)s), %(now)s)
            ON CONFLICT (name) DO UPDATE
           SET epoch = node.epoch + 1, lease_until = excluded.lease_until, started_at = %(now)s
        RETURNING id, epoch
        """,
        {"name": name, "now": now, "lease": LEASE_S},
    ).fetchone()
    assert row is not None
    node_id, epoch = row
    uncertain = take_over(tx, node_id, epoch, now)
    tx.execute(
        # session_open
        """
        UPDATE session SET closed_at = %s, close_reason = 'the engine was restarted'
         WHERE node_id = %s AND closed_at IS NULL
        """,
        (now, node_id),
    )
    return NodeStart(node_id=node_id, epoch=epoch, uncertain=uncertain)


def take_over(tx: Tx, node_id: int, below_epoch: int, now: datetime) -> int:
    """Makes what older epochs of a node left on the wire uncertain; answers how many messages.

    What another node has launched since is that one's: `flight` may name it for both.
    """
    ids = _left_by(tx, node_id, below_epoch)
    uncertain = tx.execute(
        # message_YYYYMMDD_pkey; a HOT update
        """
        UPDATE message SET state = 'uncertain', state_at = %s, launched = 0
         WHERE id = ANY (%s::bigint[]) AND state = 'launched'
        RETURNING id, campaign_id
        """,
        (now, ints(ids)),
    ).fetchall()
    # A message that waits for another try of one segment can have another segment on the wire.
    tx.execute(
        "UPDATE message SET launched = 0 WHERE id = ANY (%s::bigint[]) AND launched <> 0",
        (ints(ids),),
    )
    at = now + timedelta(seconds=UNCERTAIN_S)
    launching.put_due(tx, [(message_id, at) for message_id, _ in uncertain])
    tally: dict[tuple[int, str], int] = {}
    for _, campaign_id in uncertain:
        if campaign_id is not None:
            tally[campaign_id, "launched"] = tally.get((campaign_id, "launched"), 0) - 1
            tally[campaign_id, "uncertain"] = tally.get((campaign_id, "uncertain"), 0) + 1
    launching.add_tally(tx, tally)
    tx.execute("DELETE FROM flight WHERE node_id = %s AND epoch < %s", (node_id, below_epoch))
    return len(uncertain)


def _left_by(tx: Tx, node_id: int, below_epoch: int) -> list[int]:
    """The messages that older epochs of a node were the last to launch; locked, in order.

    Once they are locked nobody can launch them. Who was the last, the ages of the rows in `flight`
    tell, which are written with the launch and never changed: a message is launched again only when
    nothing of it is on the wire.
    """
    locked = [
        row[0]
        for row in tx.execute(
            # flight_pkey, message_YYYYMMDD_pkey
            """
            SELECT id FROM message
             WHERE id = ANY (ARRAY(SELECT unnest(message_ids) FROM flight
                                    WHERE node_id = %s AND epoch < %s))
               AND (state = 'launched' OR launched <> 0)
             ORDER BY id FOR UPDATE
            """,
            (node_id, below_epoch),
        )
    ]
    rows = tx.execute(
        # flight has a row for each turn of which not all is settled
        """
        SELECT named.id
          FROM (SELECT unnest(message_ids) AS id, age(xmin) AS age,
                       node_id = %s AND epoch < %s AS ours FROM flight) AS named
         WHERE named.id = ANY (%s::bigint[])
         GROUP BY named.id
        HAVING min(age) FILTER (WHERE ours) <= coalesce(min(age) FILTER (WHERE NOT ours), 2147483647)
         ORDER BY named.id
        """,
        (node_id, below_epoch, ints(locked)),
    )
    return [row[0] for row in rows]


class Fenced(Refused):
    """Another process has taken this node's epoch: it must stop sending at once."""


class Begun(NamedTuple):
    """What a turn begins with: the database's time, whether any receipt waits for its submission,
    and the most that any application wants to be told of its messages."""

    now: datetime
    parked: bool
    told: Events | None


def begin(tx: Tx, node_id: int, epoch: int) -> Begun:
    """Raises Fenced unless the node still is this process; holds that until the commit."""
    rows = hot.ask(
        tx,
        # node_pkey. KEY SHARE is the weakest lock that a take-over's FOR UPDATE waits for; the
        # lease, which is no key, can be renewed meanwhile.
        f"""
        SELECT clock_timestamp(), EXISTS (SELECT FROM parked_candidate), {callbacks.WANTED}
          FROM node WHERE id = %s AND epoch = %s FOR KEY SHARE
        """,
        (node_id, epoch),
    )
    if not rows:
        raise Fenced(
            f"another engine has started under this node's name (epoch {epoch} is over), so this one"
            " has stopped; give each engine a name of its own (node.name)"
        )
    now, parked, told = rows[0]
    return Begun(now, parked, None if told is None else Events(told))


def check_epoch(tx: Tx, node_id: int, epoch: int) -> tuple[datetime, bool]:
    """The same for who only wants to know the time, and whether any receipt waits."""
    begun = begin(tx, node_id, epoch)
    return begun.now, begun.parked


def renew(tx: Tx, node_id: int, epoch: int) -> datetime:
    """Renews the node's lease by the database's clock; answers what that says."""
    now, _ = check_epoch(tx, node_id, epoch)
    tx.execute(
        # node_pkey
        "UPDATE node SET lease_until = now() + make_interval(secs => %s) WHERE id = %s",
        (LEASE_S, node_id),
    )
    return now


def stop(tx: Tx, node_id: int, epoch: int, now: datetime) -> None:
    """Gives the lease back: the engine has ended, its sessions with it."""
    check_epoch(tx, node_id, epoch)
    tx.execute("UPDATE node SET lease_until = now() WHERE id = %s", (node_id,))  # node_pkey
    tx.execute(
        # session_open
        """
        UPDATE session SET closed_at = %s, close_reason = 'the engine was stopped'
         WHERE node_id = %s AND closed_at IS NULL
        """,
        (now, node_id),
    )


def turn_committed(tx: Tx, node_id: int, epoch: int, turn: int) -> bool:
    """Whether a turn whose COMMIT was cut off has committed.

    Asked by taking its place: while the turn is still committing, this waits for its key; if it did
    not commit, it never can now. Either way the answer holds for ever.
    """
    return (
        tx.execute(
            """
            INSERT INTO flight (node_id, epoch, turn, message_ids) VALUES (%s, %s, %s, '{}')
                ON CONFLICT DO NOTHING
            """,
            (node_id, epoch, turn),
        ).rowcount
        == 0
    )


def carrier_id(tx: Tx, name: str) -> int:
    """The number under which rows name a carrier."""
    row = tx.execute("SELECT id FROM carrier WHERE name = %s", (name,)).fetchone()
    if row is None:
        row = tx.execute(
            """
            INSERT INTO carrier (name) VALUES (%s)
                ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id
            """,
            (name,),
        ).fetchone()
        assert row is not None
    return int(row[0])


def open_session(
    tx: Tx, node_id: int, epoch: int, carrier: int, bind: str, *, sends: bool = True
) -> int:
    """Notes a bound session, and whether messages can go out over it; answers its id."""
    row = tx.execute(
        """
        INSERT INTO session (node_id, epoch, carrier_id, bind, sends) VALUES (%s, %s, %s, %s, %s)
        RETURNING id
        """,
        (node_id, epoch, carrier, bind, sends),
    ).fetchone()
    assert row is not None
    return int(row[0])


def way_out(tx: Tx) -> WayOut:
    """Whether messages can leave now: which engines are up, and their binds that send (R-3.4)."""
    row = tx.execute(
        # node has a row an engine; session_open; session_pkey backwards, mostly to its first row
        """
        WITH bound AS (
            SELECT DISTINCT c.name, c.paused_at IS NOT NULL AS paused
              FROM session s
              JOIN node n ON n.id = s.node_id AND n.epoch = s.epoch
              JOIN carrier c ON c.id = s.carrier_id
             WHERE s.closed_at IS NULL AND s.sends AND n.lease_until > now())
        SELECT (SELECT max(lease_until) FROM node WHERE lease_until > '-infinity'),
               EXISTS (SELECT FROM node WHERE lease_until > now()),
               EXISTS (SELECT FROM bound WHERE NOT paused),
               (SELECT s.close_reason FROM session s
                 WHERE s.closed_at IS NOT NULL AND s.sends ORDER BY s.id DESC LIMIT 1),
               ARRAY(SELECT name FROM bound WHERE paused ORDER BY name)
        """
    ).fetchone()
    assert row is not None
    up_until, engine, bind, fell, paused = row
    return WayOut(up_until=up_until, engine=engine, bind=bind, fell=fell, paused=tuple(paused))


def close_sessions(tx: Tx, closed: Iterable[tuple[int, str]], now: datetime) -> None:
    """Notes which sessions have fallen, and why. Repeatable."""
    for session_id, reason in closed:
        tx.execute(
            # session_pkey
            """
            UPDATE session SET closed_at = %s, close_reason = %s
             WHERE id = %s AND closed_at IS NULL
            """,
            (now, reason, session_id),
        )


def housekeep(tx: Tx, now: datetime) -> None:
    """What is done once an hour: partitions ahead, and the rows that outlived their use."""
    tx.execute("SELECT ensure_partitions((%s AT TIME ZONE 'UTC')::date, 3)", (now,))
    tx.execute("DELETE FROM mo_seen WHERE at < %s - interval '1 h'", (now,))
    tx.execute("DELETE FROM session WHERE closed_at < %s - interval '30 days'", (now,))
    held.purge(tx)
    submitting.purge(tx, now)
