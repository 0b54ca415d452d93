"""Users of an application and their roles; what roles may is `domain.roles`."""

from __future__ import annotations

from typing import Any

from engine.domain.errors import NotFound, Refused
from engine.domain.roles import Role as Role
from engine.domain.suggest import did_you_mean
from engine.operations import Actor, application_of
from engine.operations.naming import check_email, check_name, email_or_none
from engine.store import applications, audit, users
from engine.store.db import Tx
from engine.store.users import User as User


def add(
    tx: Tx, actor: Actor, name: str, *, email: str | None = None, role: Role | None = None
) -> User:
    """Add a user: the first of an application is an admin, others operators unless a role is given.

    From the first one on, only users may do anything in the application. Raises Refused for a name
    that is taken or can't be one, and for a first user who could not add a second.
    """
    application = application_of(tx, actor, "user.add")
    applications.lock(tx, application.id)
    name = check_name("user", name)
    first = not users.of_application(tx, application.id)
    if first and role not in (None, Role.ADMIN):
        raise Refused(
            f"user {name} is the first of application {application.name}, so nobody could"
            " configure it any more; add an admin first"
        )
    wanted = role or (Role.ADMIN if first else Role.OPERATOR)
    email = None if email is None else check_email(email)
    if not users.insert(tx, application.id, name, email=email, role=wanted):
        raise Refused(f"user {name} is there already; change it with `user edit`")
    added = get(tx, application.id, name)
    audit.record(
        tx,
        application_id=application.id,
        by=actor.by,
        action="user.add",
        object=name,
        after=_facts(added),
    )
    return added


def ls(tx: Tx, actor: Actor) -> list[User]:
    """All users of the application, by name."""
    return users.of_application(tx, application_of(tx, actor).id)


def edit(
    tx: Tx,
    actor: Actor,
    name: str,
    *,
    email: str | None = None,
    role: Role | None = None,
    active: bool | None = None,
) -> User:
    """Change what is given; an empty e-mail address is none.

    Raises Refused for an unknown user, and for what would leave the application without an admin.
    """
    application = application_of(tx, actor, "user.edit")
    applications.lock(tx, application.id)
    before = get(tx, application.id, name)
    users.update(
        tx,
        application.id,
        before.name,
        email=before.email if email is None else email_or_none(email),
        role=role or before.role,
        active=before.active if active is None else active,
    )
    everybody = users.of_application(tx, application.id)
    if not any(one.active and one.role is Role.ADMIN for one in everybody):
        raise Refused(
            f"user {before.name} is the last active admin of application {application.name};"
            " make somebody else one first"
        )
    after = get(tx, application.id, before.name)
    audit.record(
        tx,
        application_id=application.id,
        by=actor.by,
        action="user.edit",
        object=before.name,
        before=_facts(before),
        after=_facts(after),
    )
    return after


def get(tx: Tx, application_id: int, name: str) -> User:
    """The user of that name. Raises Refused, with the names that may have been meant."""
    found = users.find(tx, application_id, name.strip())
    if found is None:
        known = (one.name for one in users.of_application(tx, application_id))
        meant = did_you_mean(name, known) or "; see `user ls`"
        raise NotFound(f"user {name.strip()[:40]!r} not found{meant}")
    return found


def _facts(user: User) -> dict[str, Any]:
    return {"email": user.email, "role": user.role.value, "active": user.active}
