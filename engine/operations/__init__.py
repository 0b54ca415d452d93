"""What a person can ask for: one function a verb, with its log line in the same transaction.

A verb is `verb(tx, actor, …)`: it runs in the caller's transaction, gives a frozen value back, and
raises `Refused` with a sentence for the person when it can't be done.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain import roles
from engine.domain.errors import Forbidden as Forbidden
from engine.domain.errors import NotFound as NotFound
from engine.domain.errors import Refused as Refused
from engine.domain.errors import Unreachable as Unreachable
from engine.domain.suggest import did_you_mean
from engine.operations.opening import open_database as open_database
from engine.store import applications as _applications
from engine.store import users as _users
from engine.store.applications import Application
from engine.store.db import CommitUnknown as CommitUnknown
from engine.store.db import Database as Database
from engine.store.db import Tx as Tx

_NAMED = 5
"""Users that a refusal names: enough to see what kind of names are meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who asks, of which application."""

    application: str
    by: str


def application_of(tx: Tx, actor: Actor, action: str | None = None) -> Application:
    """The application that the actor works in, when its users may do `action` there.

    `action` is what the log will say (`list.create`), None for reading. Raises Refused when there
    is no application of that name, and when the actor may not (`domain.roles`).
    """
    application = _applications.find(tx, actor.application)
    if application is None:
        meant = did_you_mean(actor.application, _applications.names(tx))
        raise Refused(f'application "{actor.application}" not found{meant}')
    check_may(tx, actor, application, action)
    return application


def check_may(tx: Tx, actor: Actor, application: Application, action: str | None) -> None:
    """Refuse what the actor may not do in an application. One without users is open."""
    user = _users.find(tx, application.id, actor.by)
    if user is not None and user.active and roles.may(user.role, action):
        return
    known = [one for one in _users.of_application(tx, application.id) if one.active]
    if not known:
        return
    where = f'application "{application.name}"'
    if user is None:
        meant = did_you_mean(actor.by, (one.name for one in known))
        names = ", ".join(one.name for one in known[:_NAMED]) + ", …" * (len(known) > _NAMED)
        raise Forbidden(
            f"{actor.by!r} is no user of {where}, which has {names}; say who you are with"
            f" --as{meant}"
        )
    if not user.active:
        raise Forbidden(f"user {user.name} of {where} is not active any more; ask an admin of it")
    able = ", ".join(one.name for one in known if roles.may(one.role, action))
    raise Forbidden(
        f"{action} needs {roles.A[roles.needed(action)]}, and {user.name} is {roles.A[user.role]}"
        f" of {where}; ask {able}"
    )
