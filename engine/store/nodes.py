"""Nodes, their epochs and sessions, and what a dead one left in the air.

A node's epoch is one higher at each start. What an older epoch of a node launched and did not
settle is *uncertain* (R-8.2): it may have gone out or not. `flight` names these messages, so that
nobody has to look for them by state.

    up          renews its lease, by the database's clock
    silent      its lease has run out: any other node takes it over (`lost`)
    over        its last epoch has ended, and what it left is seen to (`over_epoch` = `epoch`): it was
                stopped, or lost and taken over

Whoever ends an epoch makes the next one, so that a turn of the old one can't begin any more, and
holds the node's row FOR UPDATE, so that one which is about to commit is waited for. A process that
wakes up and finds its epoch over asks for another one (`resume`), unless an engine has started under
its name since.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
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

# Half of it an engine may write without asking (engine.lease); what it left is taken over a second
# after the other half.
LEASE_S = 10.0

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
    draining: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """Who takes a node's name: this process, and where its name is held by a lock."""

    instance: str
    place: str
    """Of who holds the lock nobody else there lives."""
    host: str
    version: str
    lease_s: float = LEASE_S


def start(tx: Tx, name: str, now: datetime, process: Process | None = None) -> NodeStart:
    """Takes the node's next epoch, and what its earlier ones left in the air (R-8.2).

    Waits for a turn of the older epoch that is about to commit (a killed engine's COMMIT may still
    be on its way): what that launches is taken over with the rest. Raises Refused while the name is
    another one's, who lives and is elsewhere, where no lock of ours reaches (R-8.4).
    """
    # node_name_key. FOR UPDATE is what `check_epoch` holds against; the update alone would not wait.
    row = tx.execute(
        """
        SELECT place, host, CASE WHEN over_epoch < epoch
                            THEN extract(epoch FROM lease_until - clock_timestamp()) ELSE 0 END::float8
          FROM node WHERE name = %s FOR UPDATE
        """,
        (name,),
    ).fetchone()
    if row is not None and process is not None:
        place, host, left_s = row
        if left_s > 0 and place not in (None, process.place):
            raise Refused(
                f'node "{name}" is running already, on {host} in another home (SIARAN_HOME); give '
                f"this one another name (node.name), or, if that one is dead, start this one again "
                f"in {ceil(left_s)} s"
            )
    row = tx.execute(
        """
        INSERT INTO node (name, epoch, lease_until, started_at, instance, place, host, version)
        VALUES (%(name)s, 1, now() + make_interval(secs => %(lease)s), %(now)s, %(instance)s,
                %(place)s, %(host)s, %(version)s)
            ON CONFLICT (name) DO UPDATE
           SET epoch = node.epoch + 1, lease_until = excluded.lease_until, started_at = %(now)s,
               instance = excluded.instance, place = excluded.place, host = excluded.host,
               version = excluded.version, lost_at = NULL, taken_over_by = NULL, taken_over = 0
        RETURNING id, epoch, draining_at IS NOT NULL
        """,
        {
            "name": name,
            "now": now,
            "lease": LEASE_S if process is None else process.lease_s,
            "instance": None if process is None else process.instance,
            "place": None if process is None else process.place,
            "host": None if process is None else process.host,
            "version": None if process is None else process.version,
        },
    ).fetchone()
    assert row is not None
    node_id, epoch, draining = row
    uncertain = see_to(tx, node_id, epoch, now, "the engine was restarted")
    return NodeStart(node_id=node_id, epoch=epoch, uncertain=uncertain, draining=draining)


def resume(tx: Tx, node_id: int, process: Process, now: datetime) -> int:
    """Another epoch for a process that was taken over, and lives; its number.

    Raises Fenced when the name is another process's by now.
    """
    row = tx.execute(
        # node_pkey
        """
        SELECT epoch FROM node WHERE id = %s AND instance = %s AND over_epoch = epoch FOR UPDATE
        """,
        (node_id, process.instance),
    ).fetchone()
    if row is None:
        raise _fenced(tx, node_id)
    epoch = int(row[0]) + 1
    tx.execute(
        # node_pkey
        """
        UPDATE node SET epoch = %s, lease_until = now() + make_interval(secs => %s), lost_at = NULL
         WHERE id = %s
        """,
        (epoch, process.lease_s, node_id),
    )
    see_to(tx, node_id, epoch, now, "the engine was taken over")
    return epoch


def see_to(tx: Tx, node_id: int, below_epoch: int, now: datetime, reason: str) -> int:
    """All that older epochs of a node left; the answer: how many messages are uncertain by that.

    What it had on the wire, its sessions, its parts of carriers' rates, and what it was asked and has
    not answered. The node's row is locked. Its places in `outbox_worker` run out by themselves: who
    only sleeps may go on with what it has claimed there until then.
    """
    uncertain = take_over(tx, node_id, below_epoch, now)
    tx.execute(
        # session_open
        """
        UPDATE session SET closed_at = %s, close_reason = %s
         WHERE node_id = %s AND closed_at IS NULL
        """,
        (now, reason, node_id),
    )
    tx.execute("DELETE FROM carrier_share WHERE node_id = %s", (node_id,))  # has few rows
    tx.execute(
        # node_command_open
        """
        UPDATE node_command SET answered_at = now(), failed = true, answer = %s
         WHERE node_id = %s AND answered_at IS NULL
        """,
        (reason, node_id),
    )
    return uncertain


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
        raise _fenced(tx, node_id)
    now, parked, told = rows[0]
    return Begun(now, parked, None if told is None else Events(told))


def check_epoch(tx: Tx, node_id: int, epoch: int) -> tuple[datetime, bool]:
    """The same for who only wants to know the time, and whether any receipt waits."""
    begun = begin(tx, node_id, epoch)
    return begun.now, begun.parked


def _fenced(tx: Tx, node_id: int) -> Fenced:
    row = tx.execute(
        "SELECT name, host FROM node WHERE id = %s", (node_id,)
    ).fetchone()  # node_pkey
    name, host = row if row is not None else ("?", None)
    where = f" on {host}" if host else ""
    return Fenced(
        f'another engine has started under this node\'s name, "{name}"{where}, so this one has '
        "stopped; give each engine a name of its own (node.name)"
    )


def renew(
    tx: Tx, node_id: int, epoch: int, lease_s: float = LEASE_S, skew_s: float = 0.0
) -> datetime:
    """Renews the node's lease by the database's clock; answers what that says.

    `skew_s` is how far the node's was ahead of it the last time.
    """
    now, _ = check_epoch(tx, node_id, epoch)
    tx.execute(
        # node_pkey
        """
        UPDATE node SET lease_until = clock_timestamp() + make_interval(secs => %s), skew_s = %s
         WHERE id = %s
        """,
        (lease_s, skew_s, node_id),
    )
    return now


def stop(tx: Tx, node_id: int, epoch: int, now: datetime) -> int:
    """Gives the lease back: the engine has ended, and what it had on the wire is uncertain.

    Answers how much that is. Nobody has to start it again for that to be sent.
    """
    row = tx.execute(
        # node_pkey
        "SELECT 1 FROM node WHERE id = %s AND epoch = %s FOR UPDATE",
        (node_id, epoch),
    ).fetchone()
    if row is None:
        raise _fenced(tx, node_id)
    tx.execute(
        # node_pkey
        "UPDATE node SET lease_until = now(), epoch = epoch + 1, over_epoch = epoch + 1 WHERE id = %s",
        (node_id,),
    )
    return see_to(tx, node_id, epoch + 1, now, "the engine was stopped")


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
        WITH up AS (
            SELECT id, name, epoch, draining_at IS NOT NULL AS draining FROM node
             WHERE lease_until > now()),
        bound AS (
            SELECT DISTINCT c.name, c.paused_at IS NOT NULL AS paused, up.draining
              FROM session s
              JOIN up ON up.id = s.node_id AND up.epoch = s.epoch
              JOIN carrier c ON c.id = s.carrier_id
             WHERE s.closed_at IS NULL AND s.sends)
        SELECT (SELECT max(lease_until) FROM node WHERE lease_until > '-infinity'),
               EXISTS (SELECT FROM up),
               EXISTS (SELECT FROM bound WHERE NOT paused AND NOT draining),
               (SELECT s.close_reason FROM session s
                 WHERE s.closed_at IS NOT NULL AND s.sends ORDER BY s.id DESC LIMIT 1),
               ARRAY(SELECT DISTINCT name FROM bound WHERE paused ORDER BY name),
               ARRAY(SELECT name FROM up WHERE draining ORDER BY name)
        """
    ).fetchone()
    assert row is not None
    up_until, engine, bind, fell, paused, drained = row
    return WayOut(
        up_until=up_until,
        engine=engine,
        bind=bind,
        fell=fell,
        paused=tuple(paused),
        drained=tuple(drained),
    )


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
