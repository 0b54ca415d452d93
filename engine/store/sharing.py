"""The parts of carriers' rates that nodes may use: see `engine.domain.sharing`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.domain.sharing import changed, part_of
from engine.store import nodes
from engine.store.arrays import ints
from engine.store.db import Tx
from engine.store.listening import wake


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """The parts that a node may use, by carrier. `lower`: say again when less is used, for some."""

    parts: Mapping[int, float]
    lower: bool


def claim(tx: Tx, node_id: int, epoch: int, used: Mapping[int, float]) -> Claimed:
    """What a node may use of the rates of these carriers, of which it uses so much now.

    What is less than that counts only when it is used, and claimed again. A node that has no bind
    there that sends, or is drained, gets nothing. One of an older version keeps to no part.
    """
    nodes.check_epoch(tx, node_id, epoch)
    tx.execute(
        # carrier_pkey: one claims at a time
        "SELECT 1 FROM carrier WHERE id = ANY (%s::smallint[]) ORDER BY id FOR NO KEY UPDATE",
        (ints(used),),
    )
    rows = tx.execute(
        # node has a row an engine; session_open, carrier_share_pkey
        """
        WITH sending AS (
            SELECT DISTINCT s.carrier_id, n.id, n.instance IS NULL AS old
              FROM node n JOIN session s ON s.node_id = n.id AND s.epoch = n.epoch
             WHERE s.closed_at IS NULL AND s.sends AND n.lease_until > now()
               AND n.draining_at IS NULL),
        others AS (
            SELECT carrier_id, sum(part) AS taken
              FROM carrier_share p JOIN node n ON n.id = p.node_id
             WHERE p.node_id <> %(node)s AND n.lease_until > now() GROUP BY 1)
        SELECT c.id, count(s.id)::int, coalesce(bool_or(s.id = %(node)s), false),
               coalesce(max(o.taken), 0) + count(s.id) FILTER (WHERE s.old AND s.id <> %(node)s),
               (SELECT part FROM carrier_share WHERE carrier_id = c.id AND node_id = %(node)s)
          FROM unnest(%(carriers)s::smallint[]) AS c (id)
          LEFT JOIN sending s ON s.carrier_id = c.id
          LEFT JOIN others o ON o.carrier_id = c.id
         GROUP BY c.id
        """,
        {"node": node_id, "carriers": ints(used)},
    ).fetchall()
    parts: dict[int, float] = {}
    said: list[tuple[int, float]] = []
    lower = wanting = False
    for carrier_id, sharing, ours, taken, before in rows:
        part = part_of(sharing, taken) if ours else 0.0
        if not changed(part, used[carrier_id]):
            part = used[carrier_id]
        parts[carrier_id] = part
        lower |= part < used[carrier_id]
        wanting |= ours and part < 1 / sharing and changed(part, 1 / sharing)
        now = max(part, used[carrier_id])
        if before is None or changed(before, now):
            said.append((carrier_id, now))
            wanting |= before is not None and now < before
    if said:
        tx.execute(
            # carrier_share_pkey
            """
            INSERT INTO carrier_share (carrier_id, node_id, part)
            SELECT c, %s, p FROM unnest(%s::smallint[], %s::float8[]) AS r (c, p)
                ON CONFLICT (carrier_id, node_id) DO UPDATE SET part = excluded.part
            """,
            (node_id, [one[0] for one in said], [one[1] for one in said]),
        )
        if wanting:
            wake(tx)
    return Claimed(parts=parts, lower=lower)
