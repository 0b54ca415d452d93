"""The way to an endpoint: one POST, and in one line what came of it (R-7.3, R-7.4).

What is true of each:

- It goes where a person has said: a redirect is an answer like another one, a proxy of the
  environment is not asked, and an address of this machine or of a private network is not connected
  to unless that is allowed, whatever its name resolves to.
- TLS is 1.2 or newer, the certificate verified against the host's name.
- It is over within `total_s`, though a server may send an octet now and then for ever; of a body no
  more is read than lets the next post have the connection.

aiohttp knows only asyncio: `Poster` is used in coroutines of asyncio's, under trio-asyncio.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
import trio_asyncio
from yarl import URL

from engine.domain.answers import Fate, fate
from engine.domain.endpoint import KEY_HEADER, SIGNATURE_HEADER, is_public
from engine.outbox.oauth import NoToken, Tokens
from engine.store.callbacks import Endpoint
from smpp.transport import Tls, tls_client

TOTAL_S: Final = 15.0
"""For all of a post, from the look at the name to the status of the answer."""

CONNECT_S: Final = 5.0

SLOTS: Final = 50
"""Posts to one endpoint at a time."""

KEPT_S: Final = 4.0
"""So long a connection is kept for the next post. Servers close theirs after 5 s and more; who posts
just then gets no answer."""

_REST_S: Final = 1.0
_REST: Final = 16_384
"""So much of an answer's body is read, within so long, for the connection to be used again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a post. `status` None: nobody answered; `posted` False: it was not even tried.

    `reason` is one of few words, for metrics; `text` a line for a person, without anything of a body.
    """

    fate: Fate
    status: int | None = None
    reason: str
    text: str
    retry_after: str | None = None
    posted: bool = True


class Forbidden(OSError):
    """The address is of this machine or of a private network, and that is not allowed."""


@dataclass(slots=True, eq=False)
class Poster:
    """An open way to one endpoint as it is set: `async with Poster(…) as poster`."""

    endpoint: Endpoint
    allow_private: bool
    total_s: float = TOTAL_S
    slots: int = SLOTS
    _session: aiohttp.ClientSession | None = None
    _tokens: Tokens | None = None
    _url: URL = field(init=False)
    _headers: dict[str, str] = field(init=False)
    _secret: bytes | None = field(init=False)

    def __post_init__(self) -> None:
        self._url = URL(self.endpoint.url, encoded=True)
        # Not the session's: they are none of the authorization server's business.
        self._headers = {"Content-Type": "application/json", **self.endpoint.headers}
        secret = self.endpoint.hmac_secret
        self._secret = None if secret is None else secret.encode()

    async def __aenter__(self) -> Self:
        self._session = _session(
            context_of(self.endpoint.ca_pem),
            allow_private=self.allow_private,
            total_s=self.total_s,
            slots=self.slots,
        )
        if self.endpoint.oauth_url is not None:
            self._tokens = Tokens(self.endpoint, self._form)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._session is not None
        await self._session.close()
        for _ in range(3):  # sockets are closed in the loop's next rounds
            await asyncio.sleep(0)

    async def post(self, key: str, body: bytes) -> Answer:
        """Post a body under its Idempotency-Key, within twice `total_s` (it may take two, and a
        token). Whatever goes wrong is an answer, too."""
        try:
            async with asyncio.timeout(2 * self.total_s):
                return await self._post(key, body)
        except TimeoutError as error:
            return self._unanswered(error)
        except Exception as error:  # no answer of theirs, whatever it is, may end us
            return Answer(fate=fate(None), reason="fault", text=type(error).__name__)

    async def _post(self, key: str, body: bytes) -> Answer:
        headers = {**self._headers, KEY_HEADER: key}
        if self._secret is not None:
            headers[SIGNATURE_HEADER] = signature(self._secret, body)
        if self._tokens is None:
            return await self._exchange(headers, body)
        try:
            token = await self._tokens.get()
            headers["Authorization"] = f"Bearer {token}"
            answer = await self._exchange(headers, body)
            if answer.status == 401:  # it may have been revoked: a fresh one, once
                headers["Authorization"] = f"Bearer {await self._tokens.get(instead_of=token)}"
                answer = await self._exchange(headers, body)
        except NoToken as error:
            what = Fate.SUSPENDS if error.refused else Fate.LATER
            return Answer(fate=what, reason="oauth", text=str(error), posted=False)
        return answer

    async def _exchange(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """One POST; one more when a connection that was kept turns out to be closed."""
        assert self._session is not None
        for again in (True, False):
            try:
                async with self._session.post(
                    self._url, data=body, headers=headers, allow_redirects=False
                ) as response:
                    await _read_rest(response)
                    return _answered(response)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                if not again or isinstance(error, aiohttp.ClientConnectorError):
                    return self._unanswered(error)
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                return self._unanswered(error)
        raise AssertionError("unreachable")

    def _unanswered(self, error: Exception) -> Answer:
        reason, text = _why(error, self.total_s)
        return Answer(fate=fate(None), reason=reason, text=text)

    async def _form(self, url: str, data: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        """For `Tokens`: POST a form to the authorization server; its status and some of its body."""
        assert self._session is not None
        try:
            async with self._session.post(
                URL(url, encoded=True),
                data=dict(data),
                headers={**headers, "Content-Type": "application/x-www-form-urlencoded"},
                allow_redirects=False,
                ssl=context_of(self.endpoint.ca_pem, public=True),
            ) as response:
                octets = b""
                while len(octets) < _REST and (more := await response.content.read(_REST)):
                    octets += more
                return response.status, octets[:_REST]
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise NoToken(_why(error, self.total_s)[1], refused=False) from None


async def post_once(endpoint: Endpoint, allow_private: bool, key: str, body: bytes) -> Answer:
    """A single post, in trio: what `siaran callback test` shows."""

    async def post() -> Answer:
        async with Poster(endpoint, allow_private, slots=1) as poster:
            return await poster.post(key, body)

    async with trio_asyncio.open_loop():
        answer: Answer = await trio_asyncio.aio_as_trio(post)()
    return answer


def signature(secret: bytes, body: bytes) -> str:
    """`sha256=` and the HMAC of the body in hexadecimal: what the receiver computes, too."""
    return f"sha256={hmac.new(secret, body, hashlib.sha256).hexdigest()}"


def context_of(ca_pem: str | None, *, public: bool = False) -> ssl.SSLContext:
    """TLS with the system's CAs, or these instead; `public`: both."""
    if ca_pem is None:
        return tls_client(Tls()).context
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=ca_pem)
    if public:
        context.load_default_certs()
    return context


def _session(
    context: ssl.SSLContext,
    *,
    allow_private: bool,
    total_s: float,
    slots: int,
) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=slots,
            ssl=context,
            keepalive_timeout=KEPT_S,
            ttl_dns_cache=30,
            socket_factory=_anywhere if allow_private else _public,
        ),
        headers={"User-Agent": "siaran"},
        timeout=aiohttp.ClientTimeout(total=total_s, sock_connect=min(CONNECT_S, total_s)),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        read_bufsize=_REST,
    )


def _anywhere(address: Any) -> socket.socket:
    family, kind, protocol, *_ = address
    return socket.socket(family=family, type=kind, proto=protocol)


def _public(address: Any) -> socket.socket:
    """The socket for an address that was found: the last moment to look at it."""
    to = str(address[4][0])
    if not is_public(to):
        raise Forbidden(f"{to} is this machine or a private network")
    return _anywhere(address)


async def _read_rest(response: aiohttp.ClientResponse) -> None:
    """Reads a short body to its end; else the connection is closed, and the rest never read."""
    if response.content.is_eof():
        return
    left = _REST
    try:
        async with asyncio.timeout(_REST_S):
            while left > 0 and (more := await response.content.read(left)):
                left -= len(more)
    except (aiohttp.ClientError, OSError, TimeoutError):
        response.close()  # its status is what counts


def _answered(response: aiohttp.ClientResponse) -> Answer:
    status = response.status
    words = "".join(c for c in response.reason or "" if c.isprintable())[:100]
    where = ""
    if status // 100 == 3:
        where = "; it redirects, which is not followed: set the URL that it redirects to"
    return Answer(
        fate=fate(status),
        status=status,
        reason=str(status) if 100 <= status <= 599 else "answer",
        text=f"{status} {words}".strip() + where,
        retry_after=response.headers.get("Retry-After"),
    )


def _why(error: Exception, total_s: float) -> tuple[str, str]:
    """A word and a line: why nobody answered, without what the libraries put round it."""
    system: Any = getattr(error, "os_error", error)
    match error:
        case TimeoutError():
            return "time-out", f"no answer within {total_s:g} s"
        case aiohttp.ClientConnectorCertificateError():
            cause = error.certificate_error
            why = getattr(cause, "verify_message", None) or str(cause)
            return "TLS", f"its certificate is not trusted: {_line(why)}; see --ca-file"
        case aiohttp.ClientSSLError():
            return "TLS", f"no TLS at this port: {_line(getattr(system, 'reason', None) or system)}"
        case aiohttp.ClientConnectorDNSError():
            return "name", f"{error.host}: {_line(getattr(system, 'strerror', None) or system)}"
        case aiohttp.ClientConnectorError():
            if "private network" in str(system):
                allowed = "allow_private = true under [callbacks] in siaran.toml allows that"
                return "private", f"{_line(system)}; {allowed}"
            words = os.strerror(system.errno) if system.errno else _line(system)
            return "connection", f"{error.host}:{error.port}: {words}"
        case aiohttp.ServerDisconnectedError() | ConnectionError() | aiohttp.ClientOSError():
            return "connection", "the connection broke off without an answer"
        case aiohttp.ClientResponseError():
            return "answer", f"what answers is no HTTP: {_line(error.message)}"
        case _:
            return "connection", _line(error) or type(error).__name__


def _line(value: object) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())[:200]
