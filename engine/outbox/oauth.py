"""Tokens by OAuth 2 client credentials (RFC 6749 §4.4): cached, fetched by one at a time (R-7.3).

A client of some sixty lines instead of a library: the well-kept ones (Authlib, oauthlib) bring an
HTTP client of their own or a session that asks before each request; what is needed is one form and
one number.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote_plus

from engine import clock
from engine.store.callbacks import Endpoint

DEFAULT_S: Final = 300.0
"""How long a token is used whose server does not say. One that has run out is renewed at the 401."""

BEFORE_S: Final = 30.0
"""A token is renewed so long before it runs out; one of less than two minutes after three quarters."""

LONGEST_S: Final = 86_400.0

Post = Callable[[str, Mapping[str, str], Mapping[str, str]], Awaitable[tuple[int, bytes]]]
"""URL, form and headers → status and body. Raises NoToken when nobody answers."""


class NoToken(Exception):
    """There is no token; `refused`: nor will there be one until a person has seen to it."""

    def __init__(self, text: str, *, refused: bool) -> None:
        super().__init__(f"authorization server: {text}")
        self.refused = refused


@dataclass(slots=True, eq=False)
class Tokens:
    """The token of one endpoint as it is set. What several ask for at once is fetched once."""

    endpoint: Endpoint
    post: Post
    now: Callable[[], float] = clock.boottime
    _token: str | None = None
    _until: float = 0.0
    _in_form: bool = False
    """The server wants the credentials in the form, not as a header (RFC 6749 §2.3.1 allows it)."""
    _fetching: asyncio.Task[str] | None = field(default=None, init=False)

    async def get(self, *, instead_of: str | None = None) -> str:
        """A token that is good for a while; with `instead_of` another one than that. Raises NoToken."""
        if self._token is not None and self._token != instead_of and self.now() < self._until:
            return self._token
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.get_running_loop().create_task(self._fetch())
            self._fetching.add_done_callback(_seen)
        return await asyncio.shield(self._fetching)

    async def _fetch(self) -> str:
        status, octets = await self._ask()
        if status in (400, 401) and _error(octets) in (None, "invalid_client", "invalid_request"):
            self._in_form = not self._in_form
            other, answer = await self._ask()
            if other == 200:
                status, octets = other, answer
            else:
                self._in_form = not self._in_form
        if status != 200:
            error = _error(octets)
            text = f"{status}{f' {error}' if error else ''}"
            raise NoToken(text, refused=300 <= status < 500 and status not in (408, 425, 429))
        self._token, good_for_s = _token(octets)
        self._until = self.now() + good_for_s - min(BEFORE_S, good_for_s / 4)
        return self._token

    async def _ask(self) -> tuple[int, bytes]:
        one = self.endpoint
        assert one.oauth_url is not None
        assert one.oauth_client_id is not None
        assert one.oauth_secret is not None
        form = {"grant_type": "client_credentials"}
        if one.oauth_scope is not None:
            form["scope"] = one.oauth_scope
        headers = {"Accept": "application/json"}
        if self._in_form:
            form |= {"client_id": one.oauth_client_id, "client_secret": one.oauth_secret}
        else:
            pair = f"{quote_plus(one.oauth_client_id)}:{quote_plus(one.oauth_secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        return await self.post(one.oauth_url, form, headers)


def _token(octets: bytes) -> tuple[str, float]:
    """The token in an answer, and for how many seconds it is good. Raises NoToken."""
    answer = _parsed(octets)
    token = answer.get("access_token")
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
        raise NoToken("there is no access_token in its answer", refused=False)
    if str(answer.get("token_type", "bearer")).lower() != "bearer":
        raise NoToken("its tokens are not of type Bearer", refused=True)
    try:
        good_for_s = float(str(answer.get("expires_in", DEFAULT_S)))  # some send it as a string
    except (TypeError, ValueError):
        good_for_s = DEFAULT_S
    return token, min(max(good_for_s, 1.0), LONGEST_S) if good_for_s == good_for_s else DEFAULT_S


def _error(octets: bytes) -> str | None:
    """The `error` of an answer (RFC 6749 §5.2), when it is one of its words."""
    error = _parsed(octets).get("error")
    if isinstance(error, str) and error.replace("_", "").isalpha() and len(error) < 40:
        return error
    return None


def _parsed(octets: bytes) -> Mapping[str, object]:
    try:
        answer = json.loads(octets)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _seen(task: asyncio.Task[str]) -> None:
    """Who asked for it may be gone: then nobody else looks at what it raised."""
    if not task.cancelled():
        task.exception()
