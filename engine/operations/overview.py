"""What the whole installation is doing now: nodes, binds, queue, inbound, outbox (`siaran top`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from engine.operations import Actor, application_of, nodes
from engine.store import control, overview
from engine.store.control import BindShown as BindShown
from engine.store.db import Tx
from engine.store.overview import MOST as MOST
from engine.store.overview import Open as Open
from engine.store.overview import Told as Told


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """One look at all nodes and applications. What is counted is counted up to MOST.

    `inbound` is what subscribers sent in the last minute, by what it was taken for; `singles` are
    messages outside campaigns that are to be launched; `dead` is what could not be told.
    """

    at: datetime
    nodes: tuple[nodes.Shown, ...]
    binds: tuple[BindShown, ...]
    campaigns: tuple[Open, ...]
    singles: int
    inbound: Mapping[str, int]
    outbox: tuple[Told, ...]
    dead: int


def look(tx: Tx, actor: Actor, *, now: datetime) -> Overview:
    """How it stands. Nodes and carriers belong to the installation, and so does this."""
    application_of(tx, actor)
    return Overview(
        at=now,
        nodes=nodes.ls(tx, actor, now=now).nodes,
        binds=tuple(control.binds(tx, now)),
        campaigns=tuple(overview.campaigns(tx, now)),
        singles=overview.singles(tx),
        inbound=overview.inbound(tx, now),
        outbox=tuple(overview.outbox(tx)),
        dead=overview.dead(tx),
    )
