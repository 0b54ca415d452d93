"""`siaran node`: the engines that share the database."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from admin_cli.desk import Desk, command, noun

if TYPE_CHECKING:
    from engine.operations import Database
    from engine.operations.carriers import Asked

app = noun("Nodes: the engines that share the database, who is lost, who launches nothing.")

_Name = Annotated[str, typer.Argument(metavar="NAME", help="as `siaran node ls` shows it")]


@command(app, "ls", "siaran node ls", "siaran node ls --json")
def ls(desk: Desk) -> None:
    """Show every engine: its state, for how long its lease is good, its binds, and what is out.

    up; draining (told to launch nothing, some answers are out); drained (idle); silent (its lease
    has run out); lost (another node has taken over what it had left); stopped.
    """
    import dataclasses

    from engine.clock import utc_now
    from engine.operations import nodes

    found = desk.run(nodes.ls, now=utc_now())
    if desk.json:
        desk.card(found)
        return
    rows = [{**dataclasses.asdict(one), "binds": f"{one.bound}/{one.binds}"} for one in found.nodes]
    desk.rows(
        rows,
        *("node", "state", "host", "version", "epoch", "since", "lease_s", "binds"),
        *("in_flight", "ahead_s", "note"),
        empty="no engine has been run yet; start one: siaran run",
    )
    for route, names in found.lone_routes.items():
        desk.note(f"route {route}: only {', '.join(names)} has it; what it is for waits for that")


@command(app, "drain", "siaran node drain gw1", "siaran node drain gw1 --undo")
def drain(
    desk: Desk,
    name: _Name,
    undo: Annotated[bool, typer.Option("--undo", help="let it launch again")] = False,
    wait: Annotated[
        float,
        typer.Option("--wait", metavar="SECONDS", min=0, help="for the answers that are still out"),
    ] = 75.0,
) -> None:
    """Have an engine launch nothing more, and wait until all that it has sent is answered.

    Its binds stay, and it takes receipts and replies, until it is stopped. It stays drained over a
    restart, until --undo. What was meant for it the other engines send.
    """
    from engine.clock import utc_now
    from engine.operations import nodes

    if undo:
        desk.run(nodes.undrain, name)
        desk.done(f"node {name} launches again", {"node": name, "drained": False})
        return
    actor = desk.actor()
    with desk.database() as database:
        drained = database.run(lambda tx: nodes.drain(tx, actor, name, now=utc_now()))
        if not drained.others:
            desk.note("no other engine is up that launches: nothing is sent now")
        idle = drained.asked is None or _idle(database, drained.asked, wait)
    if drained.asked is None:
        says = f"node {name} is not up; it will launch nothing when it starts, until --undo"
    elif idle:
        says = f"node {name} is drained: nothing of it is on the wire; it can be stopped"
    else:
        says = f"node {name} launches nothing more; some answers are still out (siaran node ls)"
    desk.done(says, {"node": name, "drained": True, "idle": idle, "others_launch": drained.others})


def _idle(database: Database, asked: Asked, wait_s: float) -> bool:
    """Whether the engine says in time that nothing of it is on the wire."""
    from engine.operations import Refused, carriers

    until = time.monotonic() + wait_s
    while True:
        [reply] = database.run(carriers.replies, asked)
        if reply.failed:
            raise Refused(f"{reply.node}: {reply.answer}")
        if reply.answer is not None:
            return True
        if time.monotonic() > until:
            return False
        time.sleep(0.1)


@command(app, "forget", "siaran node forget gw3", "siaran node forget gw3 --yes")
def forget(desk: Desk, name: _Name) -> None:
    """Remove an engine that is stopped or lost, and does not come back, from `node ls`.

    Nothing of it is lost by that. Should it start again after all, it is there again.
    """
    from engine.operations import nodes

    desk.run(nodes.forget, name)
    desk.done(f"node {name} is forgotten", {"node": name, "forgotten": True})
