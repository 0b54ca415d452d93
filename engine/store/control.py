"""Words between people and running engines: what binds are doing, what is asked of a node.

An engine writes what its binds are doing and reads what it is asked once a second, or at once when
it is woken (`listening`). A person's command posts a row a node and waits for its answer.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from psycopg.rows import class_row

from engine.store import audit
from engine.store.arrays import ints
from engine.store.db import Tx
from engine.store.listening import wake

# Who did what no person did, in the log.
ENGINE = "engine"

# A receipt whose submission is not known for so long is no early one: nobody here sent it.
EARLY_S = 60.0

# Answered commands are kept for the log's reader for a day.
KEPT = timedelta(days=1)


class BindRow(NamedTuple):
    """What a bind is doing. `rate` and `rate_limit` are PDUs a second, 0: no limit.

    `throttles`: answers that said that we are too fast, since its engine has started.
    """

    name: str
    carrier_id: int
    mode: str
    state: str
    since: datetime
    last_error: str | None
    window_size: int
    outstanding: int
    rate: float
    rate_limit: float
    latency_ms: float | None
    throttles: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BindShown:
    """A bind as a person sees it; `alive`: its node has renewed its lease."""

    node: str
    alive: bool
    carrier: str
    bind: str
    mode: str
    state: str
    since: datetime
    window: int
    outstanding: int
    rate: float
    rate_limit: float
    latency_ms: float | None
    throttles: int
    unknown_receipts: int
    ambiguous_receipts: int
    paused_at: datetime | None
    paused_by: str | None
    pause_reason: str | None
    last_error: str | None


class Command(NamedTuple):
    """What somebody asks of a node."""

    id: int
    verb: str
    argument: str
    by: str


class Reply(NamedTuple):
    """A node's answer; `answer` is None while there is none."""

    node: str
    failed: bool
    answer: str | None


# ---------------------------------------------------------------- an engine's side


def write_binds(tx: Tx, node_id: int, rows: Sequence[BindRow]) -> None:
    """Says what the binds of a node are doing; those it has no longer go away."""
    columns = list(zip(*rows, strict=True)) if rows else [() for _ in BindRow._fields]
    tx.execute(
        # bind_pkey
        """
        WITH now AS (
            SELECT * FROM unnest(%s::text[], %s::smallint[], %s::text[], %s::text[],
                                 %s::timestamptz[], %s::text[], %s::int[], %s::int[],
                                 %s::real[], %s::real[], %s::real[], %s::bigint[])
                AS b (name, carrier_id, mode, state, since, last_error, window_size, outstanding,
                      rate, rate_limit, latency_ms, throttles)),
        gone AS (
            DELETE FROM bind WHERE node_id = %s AND name NOT IN (SELECT name FROM now))
        INSERT INTO bind (node_id, name, carrier_id, mode, state, since, last_error, window_size,
                          outstanding, rate, rate_limit, latency_ms, throttles)
        SELECT %s, now.* FROM now
            ON CONFLICT (node_id, name) DO UPDATE
           SET carrier_id = excluded.carrier_id, mode = excluded.mode, state = excluded.state,
               since = excluded.since, last_error = excluded.last_error,
               window_size = excluded.window_size, outstanding = excluded.outstanding,
               rate = excluded.rate, rate_limit = excluded.rate_limit,
               latency_ms = excluded.latency_ms, throttles = excluded.throttles
        """,
        (*(list(column) for column in columns), node_id, node_id),
    )


def asked(tx: Tx, node_id: int) -> list[Command]:
    """What is asked of the node and not answered yet, the oldest first."""
    rows = tx.execute(
        # node_command_open
        """
        SELECT id, verb, argument, by FROM node_command
         WHERE node_id = %s AND answered_at IS NULL ORDER BY id
        """,
        (node_id,),
    )
    return [Command._make(row) for row in rows]


def answer(tx: Tx, command_id: int, text: str, *, failed: bool) -> None:
    """Answers a command."""
    tx.execute(
        # node_command_pkey
        """
        UPDATE node_command SET answered_at = now(), answer = %s, failed = %s
         WHERE id = %s AND answered_at IS NULL
        """,
        (text, failed, command_id),
    )


def paused(tx: Tx) -> dict[int, str]:
    """The carriers that nothing is launched to, and why."""
    return dict(
        tx.execute(
            """
            SELECT id, coalesce(pause_reason, 'paused by ' || paused_by)
              FROM carrier WHERE paused_at IS NOT NULL
            """
        ).fetchall()
    )


def route_ids(tx: Tx, keys: Iterable[str]) -> dict[str, int]:
    """The numbers of routes, new ones made."""
    keys = sorted(set(keys))
    tx.execute("INSERT INTO route (key) SELECT unnest(%s::text[]) ON CONFLICT DO NOTHING", (keys,))
    return dict(tx.execute("SELECT key, id FROM route WHERE key = ANY (%s)", (keys,)).fetchall())


def tell_routes(tx: Tx, carriers: Mapping[str, Iterable[str]]) -> None:
    """Notes the carriers of routes, by key, for who asks why messages wait (R-3.4)."""
    tx.execute(
        # route_key_key; a carrier's name has no blank
        """
        UPDATE route SET carriers = string_to_array(r.names, ' ')
          FROM unnest(%s::text[], %s::text[]) AS r (key, names)
         WHERE route.key = r.key AND route.carriers <> string_to_array(r.names, ' ')
        """,
        (list(carriers), [" ".join(names) for names in carriers.values()]),
    )


def forget_routes(tx: Tx, current: Iterable[int]) -> int:
    """Has what waits on routes that are no longer configured judged anew; answers how many."""
    return tx.execute(
        # due: read once at a start or reload; what is AWAY or ASIDE waits for no route
        """
        UPDATE due SET route_id = 0
         WHERE route_id >= -1 AND route_id <> 0 AND route_id <> ALL (%s::smallint[])
        """,
        (ints(current),),
    ).rowcount


# ---------------------------------------------------------------- a person's side


def binds(tx: Tx, now: datetime) -> list[BindShown]:
    """All binds of all nodes, by carrier."""
    with tx.cursor(row_factory=class_row(BindShown)) as cursor:
        return cursor.execute(
            """
            SELECT n.name AS node, n.lease_until > now() AS alive, c.name AS carrier,
                   b.name AS bind, b.mode, b.state, b.since, b.window_size AS window,
                   b.outstanding, b.rate, b.rate_limit, b.latency_ms, b.throttles,
                   coalesce(k.unknown, 0) AS unknown_receipts,
                   coalesce(k.ambiguous, 0) AS ambiguous_receipts,
                   c.paused_at, c.paused_by, c.pause_reason, b.last_error
              FROM bind b JOIN node n ON n.id = b.node_id JOIN carrier c ON c.id = b.carrier_id
              LEFT JOIN (
                    SELECT carrier_id, count(*) FILTER (WHERE NOT ambiguous) AS unknown,
                           count(*) FILTER (WHERE ambiguous) AS ambiguous
                      FROM parked WHERE at < %(now)s - make_interval(secs => %(early)s)
                     GROUP BY 1) k ON k.carrier_id = c.id
             ORDER BY c.name, n.name, b.name
            """,
            {"now": now, "early": EARLY_S},
        ).fetchall()


def carriers(tx: Tx) -> dict[str, int]:
    """All carriers that ever were, by name."""
    return dict(tx.execute("SELECT name, id FROM carrier ORDER BY name").fetchall())


def pause(tx: Tx, carrier_id: int, *, by: str, reason: str | None, now: datetime) -> bool:
    """Pauses a carrier; False when it was."""
    changed = tx.execute(
        """
        UPDATE carrier SET paused_at = %s, paused_by = %s, pause_reason = %s
         WHERE id = %s AND paused_at IS NULL
        """,
        (now, by, reason, carrier_id),
    ).rowcount
    wake(tx)
    return changed == 1


def pause_by_engine(tx: Tx, carrier_id: int, reason: str, now: datetime) -> None:
    """Pauses a carrier whose answers ask for a person (R-5.7), with its line in the log."""
    if pause(tx, carrier_id, by=ENGINE, reason=reason, now=now):
        row = tx.execute("SELECT name FROM carrier WHERE id = %s", (carrier_id,)).fetchone()
        audit.record(
            tx,
            application_id=None,
            by=ENGINE,
            action="carrier.pause",
            object=row[0] if row else str(carrier_id),
            after={"reason": reason},
        )


def resume(tx: Tx, carrier_id: int) -> bool:
    """Ends a carrier's pause; False when it had none."""
    changed = tx.execute(
        """
        UPDATE carrier SET paused_at = NULL, paused_by = NULL, pause_reason = NULL
         WHERE id = %s AND paused_at IS NOT NULL
        """,
        (carrier_id,),
    ).rowcount
    wake(tx)
    return changed == 1


def nodes_up(tx: Tx, carrier_id: int | None = None) -> list[tuple[int, str]]:
    """The nodes whose lease is good, and that have binds to the carrier when one is named."""
    return tx.execute(
        """
        SELECT id, name FROM node n
         WHERE lease_until > now()
           AND (%(carrier)s::int IS NULL
                OR EXISTS (SELECT FROM bind b
                            WHERE b.node_id = n.id AND b.carrier_id = %(carrier)s::int))
         ORDER BY name
        """,
        {"carrier": carrier_id},
    ).fetchall()


def nodes_bound(tx: Tx, carrier_id: int) -> list[tuple[int, str]]:
    """The nodes whose lease is good, and that are bound to the carrier to send over it."""
    return tx.execute(
        """
        SELECT DISTINCT n.id, n.name FROM node n JOIN bind b ON b.node_id = n.id
         WHERE n.lease_until > now() AND b.carrier_id = %s AND b.state = 'bound'
           AND b.mode <> 'receiver'
         ORDER BY n.name
        """,
        (carrier_id,),
    ).fetchall()


def post(tx: Tx, node_ids: Sequence[int], verb: str, argument: str, by: str) -> list[int]:
    """Asks something of nodes; answers the commands' ids."""
    tx.execute("DELETE FROM node_command WHERE at < now() - %s", (KEPT,))
    ids = [
        row[0]
        for row in tx.execute(
            """
            INSERT INTO node_command (node_id, verb, argument, by)
            SELECT n, %s, %s, %s FROM unnest(%s::int[]) AS n
            RETURNING id
            """,
            (verb, argument, by, ints(node_ids)),
        )
    ]
    wake(tx)
    return ids


def replies(tx: Tx, command_ids: Sequence[int]) -> list[Reply]:
    """What the nodes have answered so far."""
    rows = tx.execute(
        """
        SELECT n.name, c.failed, c.answer FROM node_command c JOIN node n ON n.id = c.node_id
         WHERE c.id = ANY (%s::bigint[]) ORDER BY n.name
        """,
        (ints(command_ids),),
    )
    return [Reply._make(row) for row in rows]
