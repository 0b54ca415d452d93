"""Credentials of users for the HTTP API: given, taken back, recognised (R-7.8, R-8.5).

Only what can't be turned back is stored; a token is seen once, by who asked for it. Whoever may
configure users gives credentials to them, and each user to themselves.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.domain import credentials as rules
from engine.domain.errors import Refused
from engine.operations import Actor, application_of, users
from engine.store import audit
from engine.store import credentials as stored
from engine.store.applications import Application
from engine.store.credentials import Token as Token
from engine.store.db import Tx

MOST = 20
"""Tokens of a user that are in force: more are not looked after by anybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A new token: the only time that it is seen."""

    user: str
    token: str
    hint: str
    expires_at: datetime | None


def give(
    tx: Tx, actor: Actor, name: str, *, now: datetime, lifetime: timedelta | None = None
) -> Given:
    """Give a user a token. Raises Refused for an unknown or inactive one, and beyond `MOST`."""
    application, user = _user(tx, actor, name, "user.token")
    if not user.active:
        raise Refused(f"user {user.name} is not active; `siaran user edit {user.name} --active`")
    if lifetime is not None and lifetime <= timedelta(0):
        raise Refused("a token that expires at once is of no use; give it a day at least")
    valid = [one for one in stored.of_user(tx, application.id, user.name) if in_force(one, now)]
    if len(valid) >= MOST:
        raise Refused(
            f"user {user.name} has {len(valid)} tokens; revoke those that nobody uses: "
            f"`siaran user token {user.name} --revoke {valid[-1].hint}`"
        )
    token = rules.token_of(secrets.token_bytes(rules.TOKEN_OCTETS))
    expires_at = None if lifetime is None else now + lifetime
    kept = stored.insert(
        tx,
        application.id,
        user.name,
        digest=rules.digest(token),
        hint=rules.hint(token),
        by=actor.by,
        expires_at=expires_at,
    )
    _log(tx, application, actor, "user.token", user.name, {"token": kept.hint})
    return Given(user=user.name, token=token, hint=kept.hint, expires_at=expires_at)


def ls(tx: Tx, actor: Actor, name: str) -> list[Token]:
    """The tokens of a user, the newest first, without what is secret of them."""
    application = application_of(tx, actor)
    return stored.of_user(tx, application.id, users.get(tx, application.id, name).name)


def revoke(tx: Tx, actor: Actor, name: str, which: str, *, now: datetime) -> list[Token]:
    """Take back the token that begins so, or `all`. Raises Refused when there is none."""
    application, user = _user(tx, actor, name, "user.token")
    valid = [one for one in stored.of_user(tx, application.id, user.name) if in_force(one, now)]
    wanted = which.strip()
    meant = [one for one in valid if wanted == "all" or wanted[: len(one.hint)] == one.hint]
    if not meant:
        known = ", ".join(one.hint for one in valid) or "none"
        raise Refused(f"user {user.name} has no such token; in force: {known}; or write all")
    stored.revoke(tx, [one.id for one in meant])
    hints = ", ".join(one.hint for one in meant)
    _log(tx, application, actor, "user.revoke", user.name, {"tokens": hints})
    return meant


def set_password(tx: Tx, actor: Actor, name: str, password: str | None) -> str:
    """Give a user a password, None for no password; the user's name."""
    application, user = _user(tx, actor, name, "user.password")
    kept = None
    if password is not None:
        kept = rules.hashed(rules.check_password(password), secrets.token_bytes(16))
    stored.set_password(tx, application.id, user.name, kept)
    _log(tx, application, actor, "user.password", user.name, {"password": kept is not None})
    return user.name


def by_token(tx: Tx, token: str) -> Actor | None:
    """Whose token it is; None when it is nobody's, was revoked or has expired."""
    found = stored.user_of_token(tx, rules.digest(token))
    return None if found is None else Actor(application=found[0], by=found[1])


def kept_of(tx: Tx, actor: Actor) -> str | None:
    """What is kept of a user's password, for `domain.credentials.fits`; None without one."""
    return stored.password_of(tx, actor.application, actor.by)


def in_force(token: Token, now: datetime) -> bool:
    """Whether somebody comes in with it."""
    return token.revoked_at is None and (token.expires_at is None or token.expires_at > now)


def _user(tx: Tx, actor: Actor, name: str, action: str) -> tuple[Application, users.User]:
    """The user, when the actor may give credentials to them: each to themselves, an admin to all."""
    application = application_of(tx, actor)
    user = users.get(tx, application.id, name)
    if user.name != actor.by:
        application_of(tx, actor, action)
    return application, user


def _log(
    tx: Tx,
    application: Application,
    actor: Actor,
    action: str,
    name: str,
    after: dict[str, object],
) -> None:
    audit.record(
        tx, application_id=application.id, by=actor.by, action=action, object=name, after=after
    )
