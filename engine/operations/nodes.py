"""The engines that share the database: look at them, drain them, forget those that are gone (R-8.4).

Like carriers they belong to the installation: who may do what is judged in the actor's application;
the log line stands in all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.domain import nodes
from engine.domain.errors import NotFound, Refused
from engine.domain.nodes import Facts, NodeState
from engine.domain.suggest import did_you_mean
from engine.operations import Actor, application_of
from engine.operations.carriers import Asked
from engine.store import audit, control, peers
from engine.store.db import Tx

VERB = "drain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A node as a person sees it.

    `last_word_s`: how long ago it renewed its lease; None for one that ended. `in_flight`: segments
    without an answer. `ahead_s`: its clock against the database's. `note`: what else is to be known.
    """

    node: str
    state: NodeState
    host: str | None
    version: str | None
    epoch: int
    since: datetime | None
    lease_s: float | None
    bound: int
    binds: int
    in_flight: int
    ahead_s: float
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """All of them, and the routes that some of the living ones don't have: who has each."""

    nodes: tuple[Shown, ...]
    lone_routes: dict[str, list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """A drain that is asked for: what its engine will answer, and whether any other one launches."""

    asked: Asked | None
    """None: the node is not up, and will be drained when it starts."""
    others: bool


def ls(tx: Tx, actor: Actor, *, now: datetime) -> Nodes:
    """All nodes, by name."""
    application_of(tx, actor)
    found = peers.facts(tx)
    return Nodes(
        nodes=tuple(_shown(one, now) for one in found), lone_routes=nodes.lone_routes(found)
    )


def warnings(tx: Tx) -> list[str]:
    """What somebody should know of them, a line each; [] when all is well."""
    found = peers.facts(tx)
    said: list[str] = []
    for one in found:
        state = nodes.state_of(one)
        if state in (NodeState.LOST, NodeState.SILENT):
            said.append(
                f"{one.name} is {state}; start it again, or `siaran node forget {one.name}`"
            )
        elif one.draining_at is not None and state is not NodeState.STOPPED:
            said.append(
                f"{one.name} is drained by {one.draining_by} and launches nothing; "
                f"`siaran node drain {one.name} --undo`"
            )
        if state.alive and abs(one.skew_s) > nodes.SKEW_S:
            said.append(
                f"the clock of {one.name} is {abs(one.skew_s):.0f} s "
                f"{'ahead of' if one.skew_s > 0 else 'behind'} the database's; mend it (NTP)"
            )
    for route, names in nodes.lone_routes(found).items():
        said.append(f"route {route}: only {', '.join(names)} has it; what it is for waits for that")
    return said


def drain(tx: Tx, actor: Actor, name: str, *, now: datetime) -> Drained:
    """Have a node launch nothing more, also after a restart, until `undrain`.

    Its binds stay, and what comes in over them is taken. Raises Refused when it is drained already.
    """
    application_of(tx, actor, "node.drain")
    found = _found(tx, name)
    if not peers.drain(tx, name, by=actor.by, now=now):
        raise Refused(f"node {name} is drained already; nothing was changed")
    _record(tx, actor, "node.drain", name)
    up = [one for one in control.nodes_up(tx) if one[1] == name]
    asked = None
    if up:
        ids = control.post(tx, [node_id for node_id, _ in up], VERB, "", actor.by)
        asked = Asked(ids=tuple(ids), nodes=(name,))
    others = any(
        nodes.state_of(one) is NodeState.UP and one.name != found.name for one in peers.facts(tx)
    )
    return Drained(asked=asked, others=others)


def undrain(tx: Tx, actor: Actor, name: str) -> None:
    """Have a node launch again."""
    application_of(tx, actor, "node.undrain")
    _found(tx, name)
    if not peers.undrain(tx, name):
        raise Refused(f"node {name} is not drained; nothing was changed")
    _record(tx, actor, "node.undrain", name)


def forget(tx: Tx, actor: Actor, name: str) -> None:
    """Remove a node that is gone for good from what `ls` shows; its routes go with it."""
    application_of(tx, actor, "node.forget")
    state = nodes.state_of(_found(tx, name))
    if state not in (NodeState.LOST, NodeState.STOPPED):
        raise Refused(
            f"node {name} is {state}; only one that is stopped or lost can be forgotten: "
            + ("wait until it is taken over" if state is NodeState.SILENT else "stop it first")
        )
    peers.forget(tx, name)
    _record(tx, actor, "node.forget", name)


def _found(tx: Tx, name: str) -> Facts:
    known = {one.name: one for one in peers.facts(tx)}
    if name not in known:
        raise NotFound(f'node "{name}" not found{did_you_mean(name, known)}; see `node ls`')
    return known[name]


def _shown(one: Facts, now: datetime) -> Shown:
    state = nodes.state_of(one)
    notes = []
    if state is NodeState.LOST:
        uncertain = f", {one.taken_over} messages uncertain" if one.taken_over else ""
        notes.append(f"taken over by {one.taken_over_by}{uncertain}")
    elif one.draining_by is not None:
        notes.append(
            f"drained by {one.draining_by}" + ("" if state.alive else ", also when it starts")
        )
    if state.alive and abs(one.skew_s) > nodes.SKEW_S:
        notes.append(f"its clock is {abs(one.skew_s):.0f} s {'fast' if one.skew_s > 0 else 'slow'}")
    if state.alive and one.version is None:
        notes.append("an older version")
    ended = None if one.lease_s is None else now + timedelta(seconds=min(one.lease_s, 0.0))
    return Shown(
        node=one.name,
        state=state,
        host=one.host,
        version=one.version,
        epoch=one.epoch,
        since=one.started_at if state.alive else one.lost_at or ended,
        lease_s=round(one.lease_s, 1) if one.lease_s is not None and not one.over else None,
        bound=one.bound if state.alive else 0,
        binds=one.binds,
        in_flight=one.outstanding if state.alive else 0,
        ahead_s=round(one.skew_s, 1) + 0.0,  # not -0
        note="; ".join(notes) or None,
    )


def _record(tx: Tx, actor: Actor, action: str, name: str) -> None:
    audit.record(tx, application_id=None, by=actor.by, action=action, object=name)
