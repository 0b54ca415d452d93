"""Sending hours: look at them, set them, switch them off (R-4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from engine.domain import campaign as rules
from engine.domain.errors import Refused
from engine.domain.hours import Hours, days_of, days_text, hour_of
from engine.operations import Actor, application_of
from engine.store import applications, audit, hours
from engine.store.applications import Application
from engine.store.db import Tx
from engine.store.hours import Stored
from engine.store.listening import wake


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An application's hours. `changes_at` is when they open or close next, None: never.

    Switched off, or never set, they are always open; `from_hour` and the others then are what they
    were, or None.
    """

    enabled: bool
    from_hour: int | None
    to_hour: int | None
    days: str | None
    timezone: str
    open: bool
    changes_at: datetime | None


def show(tx: Tx, actor: Actor, *, now: datetime) -> Shown:
    """The hours as they are, and whether they are open now."""
    application = application_of(tx, actor)
    return _shown(application, hours.get(tx, application.id), now)


def set_(
    tx: Tx,
    actor: Actor,
    *,
    from_hour: str,
    to_hour: str,
    days: str,
    timezone: str | None = None,
    now: datetime,
) -> Shown:
    """Send only inside these hours. Raises Refused for what is no hour, day or time zone."""
    application = application_of(tx, actor, "hours.set")
    wanted = Hours(
        from_hour=hour_of(from_hour),
        to_hour=hour_of(to_hour, last=24),
        days=days_of(days),
        zone=rules.zone(timezone or application.timezone),
    )
    new = Stored(
        enabled=True,
        from_hour=wanted.from_hour,
        to_hour=wanted.to_hour,
        days=wanted.days,
        timezone=None if timezone is None else wanted.zone.key,
    )
    return _change(tx, actor, "hours.set", application, new, now)


def off(tx: Tx, actor: Actor, *, now: datetime) -> Shown:
    """Send at any time. Raises Refused when that is so already."""
    application = application_of(tx, actor, "hours.off")
    before = hours.get(tx, application.id)
    if before is None or not before.enabled:
        raise Refused("there are no sending hours in force: messages are sent at any time")
    new = Stored(
        enabled=False,
        from_hour=before.from_hour,
        to_hour=before.to_hour,
        days=before.days,
        timezone=before.timezone,
    )
    return _change(tx, actor, "hours.off", application, new, now)


def _change(
    tx: Tx, actor: Actor, action: str, application: Application, new: Stored, now: datetime
) -> Shown:
    applications.lock(tx, application.id)  # no step of the queue meanwhile goes by the old ones
    before = hours.get(tx, application.id)
    hours.put(tx, application.id, new)
    hours.tell_campaigns(
        tx, application.id, hours.open_until(hours.in_force(tx, application.id), now)
    )
    hours.look_again(tx, application.id)
    audit.record(
        tx,
        application_id=application.id,
        by=actor.by,
        action=action,
        object=application.name,
        before=_logged(before),
        after=_logged(new),
    )
    wake(tx)
    return _shown(application, new, now)


def _logged(one: Stored | None) -> dict[str, object] | None:
    if one is None:
        return None
    return {
        "enabled": one.enabled,
        "from": one.from_hour,
        "to": one.to_hour,
        "days": days_text(one.days),
        "timezone": one.timezone,
    }


def _shown(application: Application, one: Stored | None, now: datetime) -> Shown:
    zone = rules.zone((one and one.timezone) or application.timezone)
    held: Hours | None = None
    if one is not None and one.enabled:
        held = Hours(from_hour=one.from_hour, to_hour=one.to_hour, days=one.days, zone=zone)
    changes_at = None if held is None else held.next_change(now)
    return Shown(
        enabled=held is not None,
        from_hour=None if one is None else one.from_hour,
        to_hour=None if one is None else one.to_hour,
        days=None if one is None else days_text(one.days),
        timezone=zone.key,
        open=held is None or held.open_at(now),
        changes_at=None if changes_at is None else changes_at.astimezone(zone),
    )
