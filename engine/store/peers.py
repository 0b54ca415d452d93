"""The nodes that share a database: who is lost, who launches nothing, who is gone for good (R-8.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from engine.domain.nodes import Facts
from engine.store import nodes
from engine.store.db import Tx
from engine.store.listening import wake


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A node that was taken over, and how many of its messages are uncertain by that."""

    name: str
    uncertain: int


def take_over(tx: Tx, node_id: int, epoch: int) -> Lost | None:
    """Takes over one node whose lease has run out; None when there is none, or another is at it.

    What it left is seen to as if it had been started again (R-8.2), and its epoch ends: should it
    only have been asleep, nothing of what it does then counts. Raises Fenced for who is lost itself.
    """
    now, _ = nodes.check_epoch(tx, node_id, epoch)
    row = tx.execute(
        # node has a row an engine. SKIP LOCKED: a turn of it that hangs is waited for by nobody
        """
        SELECT id, name, epoch + 1 FROM node
         WHERE over_epoch < epoch AND lease_until < clock_timestamp() AND id <> %s
         ORDER BY lease_until LIMIT 1
           FOR UPDATE SKIP LOCKED
        """,
        (node_id,),
    ).fetchone()
    if row is None:
        return None
    lost_id, name, over = row
    uncertain = nodes.see_to(tx, lost_id, over, now, "the engine was lost")
    tx.execute(
        # node_pkey
        """
        UPDATE node SET epoch = %(over)s, over_epoch = %(over)s, lost_at = %(now)s,
                        taken_over = %(n)s,
                        taken_over_by = (SELECT name FROM node WHERE id = %(by)s)
         WHERE id = %(id)s
        """,
        {"over": over, "now": now, "n": uncertain, "by": node_id, "id": lost_id},
    )
    wake(tx)
    return Lost(name=name, uncertain=uncertain)


# ---------------------------------------------------------------- for people


def facts(tx: Tx) -> list[Facts]:
    """What the rows say of each node, by name."""
    with tx.cursor(row_factory=class_row(Facts)) as cursor:
        return cursor.execute(
            # node has a row an engine, bind one a bind; flight one a turn that is not all settled
            """
            SELECT n.name, n.host, n.version, n.epoch, n.over_epoch >= n.epoch AS over, n.lost_at,
                   n.taken_over_by, n.taken_over, n.started_at, n.draining_at, n.draining_by,
                   CASE WHEN n.lease_until > '-infinity' THEN
                        extract(epoch FROM n.lease_until - clock_timestamp())::float8 END AS lease_s,
                   n.skew_s::float8, n.routes,
                   coalesce(b.bound, 0) AS bound, coalesce(b.binds, 0) AS binds,
                   coalesce(b.outstanding, 0) AS outstanding
              FROM node n
              LEFT JOIN (
                    SELECT node_id, count(*)::int AS binds,
                           count(*) FILTER (WHERE state = 'bound')::int AS bound,
                           sum(outstanding)::int AS outstanding
                      FROM bind GROUP BY 1) b ON b.node_id = n.id
             ORDER BY n.name
            """
        ).fetchall()


def drain(tx: Tx, name: str, *, by: str, now: datetime) -> bool | None:
    """Has a node launch nothing; False when it does so already, None when there is no such node."""
    row = tx.execute(
        # node_name_key
        """
        UPDATE node SET draining_at = coalesce(draining_at, %s), draining_by = coalesce(draining_by, %s)
         WHERE name = %s
        RETURNING old.draining_at IS NULL
        """,
        (now, by, name),
    ).fetchone()
    wake(tx)
    return None if row is None else bool(row[0])


def undrain(tx: Tx, name: str) -> bool | None:
    """Has a node launch again; False when it did, None when there is no such node."""
    row = tx.execute(
        # node_name_key
        """
        UPDATE node SET draining_at = NULL, draining_by = NULL WHERE name = %s
        RETURNING old.draining_at IS NOT NULL
        """,
        (name,),
    ).fetchone()
    wake(tx)
    return None if row is None else bool(row[0])


def draining(tx: Tx, node_id: int) -> bool:
    """Whether a node is to launch nothing."""
    row = tx.execute(
        "SELECT draining_at IS NOT NULL FROM node WHERE id = %s",
        (node_id,),  # node_pkey
    ).fetchone()
    return row is not None and bool(row[0])


def forget(tx: Tx, name: str) -> None:
    """Removes a node that is over, and what its binds were doing."""
    tx.execute(
        # node_name_key, bind_pkey
        """
        WITH gone AS (DELETE FROM node WHERE name = %s AND over_epoch >= epoch RETURNING id)
        DELETE FROM bind WHERE node_id IN (SELECT id FROM gone)
        """,
        (name,),
    )


# ---------------------------------------------------------------- routes of others

# A node that was stopped or lost has its routes for so long: what they are for waits for it.
ROUTES_S = 3600.0


def tell_routes(tx: Tx, node_id: int, routes: Sequence[dict[str, Any]]) -> None:
    """Notes which routes a node is configured with."""
    tx.execute("UPDATE node SET routes = %s WHERE id = %s", (Jsonb(list(routes)), node_id))


def routes_of_others(tx: Tx, node_id: int) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """The routes of the other nodes that are up, or were not long ago, by their names."""
    return tx.execute(
        # node has a row an engine
        """
        SELECT name, routes FROM node
         WHERE id <> %s AND lease_until > now() - make_interval(secs => %s) AND routes <> '[]'
         ORDER BY name
        """,
        (node_id, ROUTES_S),
    ).fetchall()
