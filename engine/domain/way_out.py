"""Whether messages can leave at all: an engine that is up, a bind that sends (R-3.4).

What is asked of the database and not of an engine, so that it is also true when none is there to be
asked: an engine renews its lease every few seconds, and notes its sessions as they come and go.
"""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

__all__ = ["WayOut", "hindrance", "moment"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WayOut:
    """What there is between the queue and the SMSCs.

    `up_until` is the end of the last lease, None when there never was one; `engine` whether a lease
    is live; `bind` whether an engine that has one and is not drained has a bind that sends, of a
    carrier that is not paused; `paused` are the carriers that would have one, `drained` the engines;
    `fell` why the last session of that kind ended, None when none has.
    """

    up_until: datetime | None
    engine: bool
    bind: bool
    fell: str | None
    paused: tuple[str, ...] = ()
    drained: tuple[str, ...] = ()


OPEN = WayOut(up_until=None, engine=True, bind=True, fell=None)
"""All is well."""


def hindrance(way: WayOut, zone: ZoneInfo) -> str | None:
    """Say what keeps every message from leaving; None when nothing does."""
    if not way.engine:
        if way.up_until is None:
            return "no engine has ever been up; start one with `siaran run`"
        return (
            f"no engine is up since {moment(way.up_until, zone)}: none is running, or it can't write "
            "to the database (its log says so); start one with `siaran run`"
        )
    if not way.bind and way.drained:
        names = ", ".join(way.drained)
        who = f"node {names} is" if len(way.drained) == 1 else f"nodes {names} are"
        return f"{who} drained; see `siaran node ls`, `siaran node drain NAME --undo`"
    if not way.bind and way.paused:
        names = ", ".join(way.paused)
        who = f"carrier {names} is" if len(way.paused) == 1 else f"carriers {names} are"
        return f"{who} paused; see `siaran carrier ls`, `siaran carrier resume`"
    if not way.bind:
        why = f" (the last one ended: {way.fell})" if way.fell else ""
        return f"no bind that sends is up{why}; see `siaran check`, and the engine's log"
    return None


def moment(at: datetime, zone: ZoneInfo) -> str:
    """A time to the second. Not "so long ago": whoever watches wants to see what changes only."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S} ({zone.key})"
