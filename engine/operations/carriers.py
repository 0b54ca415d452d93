"""Carriers of running engines: look at their binds, pause, resume, rebind, reload (R-5.7, R-9.2).

Carriers belong to the installation, not to an application: who may do what is judged in the actor's
application; the log line stands in all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from engine.domain.errors import Refused
from engine.domain.suggest import did_you_mean
from engine.operations import Actor, application_of
from engine.store import audit, control
from engine.store import receipts as stored
from engine.store.control import BindShown as BindShown
from engine.store.control import Reply as Reply
from engine.store.db import Tx
from engine.store.receipts import Kept as Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Commands that nodes were asked to carry out; `replies` has their answers."""

    ids: tuple[int, ...]
    nodes: tuple[str, ...]


def ls(tx: Tx, actor: Actor, *, now: datetime) -> list[BindShown]:
    """All binds of all nodes, by carrier."""
    application_of(tx, actor)
    return control.binds(tx, now)


def receipts(
    tx: Tx, actor: Actor, name: str, *, unknown: bool, now: datetime, limit: int
) -> list[Kept]:
    """The newest of a carrier's receipts that could not be carried out; they are kept for 72 hours."""
    application_of(tx, actor)
    return stored.kept(tx, _carrier(tx, name), unknown=unknown, now=now, limit=limit)


def pause(tx: Tx, actor: Actor, name: str, *, reason: str | None, now: datetime) -> None:
    """Launch nothing more to a carrier, until `resume`; what comes from it is taken all the same."""
    application_of(tx, actor, "carrier.pause")
    if not control.pause(tx, _carrier(tx, name), by=actor.by, reason=reason, now=now):
        raise Refused(f"carrier {name} is paused already; nothing was changed")
    _record(tx, actor, "carrier.pause", name, {"reason": reason})


def resume(tx: Tx, actor: Actor, name: str) -> None:
    """End a carrier's pause."""
    application_of(tx, actor, "carrier.resume")
    if not control.resume(tx, _carrier(tx, name)):
        raise Refused(f"carrier {name} is not paused; nothing was changed")
    _record(tx, actor, "carrier.resume", name, None)


def rebind(tx: Tx, actor: Actor, name: str, *, now: datetime) -> Asked:
    """Ask every engine that has the carrier to unbind from it and bind again."""
    application_of(tx, actor, "carrier.rebind")
    asked = _post(tx, actor, "rebind", name, control.nodes_up(tx, _carrier(tx, name)))
    _record(tx, actor, "carrier.rebind", name, None)
    return asked


def reload(tx: Tx, actor: Actor, *, now: datetime) -> Asked:
    """Ask every engine to read its configuration again; only what changed is bound anew (R-9.2)."""
    application_of(tx, actor, "carrier.reload")
    asked = _post(tx, actor, "reload", "", control.nodes_up(tx))
    _record(tx, actor, "carrier.reload", "all", None)
    return asked


def replies(tx: Tx, asked: Asked) -> list[Reply]:
    """What the nodes have answered so far."""
    return control.replies(tx, asked.ids)


def _post(tx: Tx, actor: Actor, verb: str, argument: str, nodes: list[tuple[int, str]]) -> Asked:
    if not nodes:
        what = f"has binds to carrier {argument}" if argument else "is running"
        raise Refused(f"no engine {what} now; start one with `siaran run`, and see `carrier ls`")
    ids = control.post(tx, [node_id for node_id, _ in nodes], verb, argument, actor.by)
    return Asked(ids=tuple(ids), nodes=tuple(name for _, name in nodes))


def _carrier(tx: Tx, name: str) -> int:
    known = control.carriers(tx)
    if name not in known:
        raise Refused(f'carrier "{name}" not found{did_you_mean(name, known)}; see `carrier ls`')
    return known[name]


def _record(
    tx: Tx,
    actor: Actor,
    action: str,
    name: str,
    after: dict[str, str | None] | None,
) -> None:
    audit.record(tx, application_id=None, by=actor.by, action=action, object=name, after=after)
