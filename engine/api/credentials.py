"""Who asks: the user of a token (Bearer), or of a name and a password (Basic) (R-7.8, R-8.5).

What has been found out is remembered for some seconds, so that a busy client costs neither a look
into the database nor a slow hash with each request; what was refused is not. Of a wrong password
nobody learns whether the user exists, and guessing is slow.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Final

import trio

from engine.api.limits import Buckets, too_many
from engine.api.problems import Problem
from engine.domain import credentials as rules
from engine.operations import Actor, credentials

REMEMBERED_S: Final = 3.0
"""So long a token that was revoked may still come in."""

_MOST: Final = 1_000
_GUESSES: Final = (0.2, 10.0)
"""Wrong passwords for a name: one in five seconds, after ten."""

_NOBODY: Final = rules.hashed("nobody has this password", b"\0" * 16)
"""Hashed against for a user who has none, so that it takes as long."""

Ask = Callable[..., Awaitable[Any]]


class Doorkeeper:
    """Knows who comes in. `ask(verb, *args)` is one transaction."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._known: OrderedDict[bytes, tuple[Actor, float]] = OrderedDict()
        self._guesses = Buckets(*_GUESSES)
        self._one = trio.CapacityLimiter(1)  # a hash takes a core for 0.1 s: others have work, too

    async def who(self, header: str | None) -> Actor:
        """The user whose credentials these are. Raises Problem."""
        if not header:
            raise _unauthorized("no credentials: send `Authorization: Bearer TOKEN`")
        now = trio.current_time()
        digest = hashlib.sha256(header.encode("latin-1", "replace")).digest()
        if (known := self._known.get(digest)) is not None:
            if now - known[1] < REMEMBERED_S:
                return known[0]
            del self._known[digest]
        scheme, _, value = header.partition(" ")
        match scheme.casefold():
            case "bearer":
                actor = await self._ask(credentials.by_token, value.strip())
            case "basic":
                actor = await self._by_password(value.strip(), now)
            case _:
                raise _unauthorized("credentials of an unknown kind: send Bearer or Basic")
        if actor is None:
            raise _unauthorized("these credentials are nobody's, or not any more")
        assert isinstance(actor, Actor)
        self._known[digest] = actor, now
        while len(self._known) > _MOST:
            self._known.popitem(last=False)
        return actor

    async def _by_password(self, value: str, now: float) -> Actor | None:
        try:
            name, colon, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise _unauthorized("HTTP Basic that can't be read: base64 of NAME:PASSWORD") from None
        if not colon or len(password) > rules.LONGEST or "\0" in name:
            return None
        application, slash, user = name.partition("/")
        actor = Actor(application=application if slash else "default", by=user if slash else name)
        if (wait_s := self._guesses.empty(actor, now)) > 0:
            raise too_many(wait_s)
        kept = await self._ask(credentials.kept_of, actor)
        fits = await trio.to_thread.run_sync(
            functools.partial(rules.fits, password, kept or _NOBODY), limiter=self._one
        )
        if kept is not None and fits:
            return actor
        self._guesses.take(actor, now)
        return None


def _unauthorized(detail: str) -> Problem:
    return Problem(
        "unauthorized", detail, headers={"WWW-Authenticate": 'Bearer realm="siaran", Basic'}
    )
