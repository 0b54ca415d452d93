"""Applications: make one, look at it, change it. There is always one, named `default`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from engine.domain.campaign import zone
from engine.domain.errors import Refused
from engine.operations import Actor, application_of
from engine.operations.naming import check_name
from engine.store import applications, audit
from engine.store.applications import Counted
from engine.store.db import Tx


def add(
    tx: Tx, actor: Actor, name: str, *, timezone: str | None = None, company: str | None = None
) -> Counted:
    """Make an application; its time zone is that of the actor's unless one is given.

    Whoever may do that in the actor's application makes it. Raises Refused for a name that is
    taken or can't be one, and an unknown time zone.
    """
    mine = application_of(tx, actor, "app.add")
    name = check_name("application", name)
    made = applications.insert(
        tx,
        name,
        timezone=mine.timezone if timezone is None else zone(timezone.strip()).key,
        company=_company(company),
    )
    if not made:
        raise Refused(f'application "{name}" is there already; choose another name')
    [added] = applications.counted(tx, name)
    audit.record(
        tx,
        application_id=added.id,
        by=actor.by,
        action="app.add",
        object=name,
        after=_facts(added),
    )
    return added


def ls(tx: Tx, actor: Actor) -> list[Counted]:
    """All applications of the installation, by name."""
    application_of(tx, actor)
    return applications.counted(tx)


def show(tx: Tx, actor: Actor, name: str | None = None) -> Counted:
    """One application, the actor's own when none is named. Raises Refused for an unknown one."""
    one = application_of(tx, actor if name is None else replace(actor, application=name.strip()))
    [found] = applications.counted(tx, one.name)
    return found


def edit(
    tx: Tx, actor: Actor, name: str, *, timezone: str | None = None, company: str | None = None
) -> Counted:
    """Change what is given; an empty company is none. It is up to the admins of that application.

    Campaigns that are scheduled keep their moment and their zone.
    """
    application = application_of(tx, replace(actor, application=name.strip()), "app.edit")
    applications.lock(tx, application.id)
    [before] = applications.counted(tx, application.name)
    applications.update(
        tx,
        before.id,
        timezone=before.timezone if timezone is None else zone(timezone.strip()).key,
        company=before.company if company is None else _company(company),
    )
    [after] = applications.counted(tx, application.name)
    audit.record(
        tx,
        application_id=before.id,
        by=actor.by,
        action="app.edit",
        object=before.name,
        before=_facts(before),
        after=_facts(after),
    )
    return after


def _company(company: str | None) -> str | None:
    return check_name("company", company) if company and company.strip() else None


def _facts(one: Counted) -> dict[str, Any]:
    return {"timezone": one.timezone, "company": one.company}
