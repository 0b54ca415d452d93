"""Endpoints at the desk: where an application is told, and what could not be told (R-7.3, R-7.4).

No secret leaves this module: what is shown and logged says that there is one, and which were changed.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from engine.domain.callback import Events as Events
from engine.domain.callback import Kind as Kind
from engine.domain.callback import Receipt, Reply, Status
from engine.domain.endpoint import check_headers, check_secret, check_url, masked
from engine.domain.errors import NotFound, Refused
from engine.operations import Actor, application_of
from engine.store import audit, callbacks, posting
from engine.store.callbacks import Dead as Dead
from engine.store.callbacks import Endpoint as Endpoint
from engine.store.callbacks import Setting
from engine.store.db import Tx
from engine.store.listening import wake

ROWS: Final = 5_000
"""Events that one transaction deletes or replays: some tens of milliseconds."""

LEAST_HMAC: Final = 16
"""Characters: less could be found by trying."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An endpoint and what is due to it; `secrets` names those that it has."""

    kind: Kind
    url: str
    events: Events
    headers: tuple[str, ...]
    oauth_url: str | None
    oauth_client_id: str | None
    oauth_scope: str | None
    secrets: tuple[str, ...]
    private_ca: bool
    set_at: datetime
    suspended_at: datetime | None
    suspended_why: str | None
    waiting: int
    oldest_at: datetime | None
    tried: int
    dead: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of an endpoint, as it was written; secrets are the texts of their files."""

    url: str
    headers: Sequence[str] = field(default=(), repr=False)
    events: Events = Events.FINAL
    oauth_url: str | None = None
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    scope: str | None = None
    hmac_secret: str | None = field(default=None, repr=False)
    ca_pem: str | None = field(default=None, repr=False)


def show(tx: Tx, actor: Actor) -> list[Shown]:
    """What the application has set."""
    set_ = callbacks.of_application(tx, application_of(tx, actor).id)
    return [_shown(tx, one) for one in set_.values()]


def set_(
    tx: Tx, actor: Actor, kind: Kind, asked: Asked, *, allow_private: bool
) -> tuple[Shown, list[str]]:
    """Set where the application is told of a kind; all of it, what is not said is taken away.

    What is due to the endpoint that was set before is due to this one; events are told from now on.
    The second answer: what a person should hear of. Raises Refused for what can't be meant.
    """
    application = application_of(tx, actor, "callback.set")
    wanted = check(asked, kind, allow_private=allow_private)
    before = callbacks.of_application(tx, application.id).get(kind)
    callbacks.put(tx, application.id, kind, wanted)
    wake(tx)
    after = callbacks.of_application(tx, application.id)[kind]
    audit.record(
        tx,
        application_id=application.id,
        by=actor.by,
        action="callback.set",
        object=kind.value,
        before=None if before is None else _logged(before),
        after=_logged(after) | ({} if before is None else {"changed": _changed(before, after)}),
    )
    return _shown(tx, after), _notices(wanted)


def check(asked: Asked, kind: Kind, *, allow_private: bool) -> Setting:
    """What is to be kept of what was asked. Raises Refused, naming what and where."""
    if kind is Kind.REPLY and asked.events is not Events.FINAL:
        raise Refused("replies are all told; --events is for receipts")
    oauth_url = asked.oauth_url
    if oauth_url is not None:
        oauth_url = check_url("OAuth URL", oauth_url, allow_private=allow_private)
        if asked.client_id is None or asked.client_secret is None:
            raise Refused("OAuth 2 needs a client id and its secret; give both")
    elif asked.client_id is not None or asked.client_secret is not None or asked.scope is not None:
        raise Refused("client id, secret and scope are of OAuth 2; give its URL, too")
    return Setting(
        url=check_url("callback URL", asked.url, allow_private=allow_private),
        headers=check_headers(asked.headers, oauth=oauth_url is not None),
        events=asked.events,
        oauth_url=oauth_url,
        oauth_client_id=_checked("client id", asked.client_id),
        oauth_secret=_checked("client secret", asked.client_secret),
        oauth_scope=_checked("scope", asked.scope),
        hmac_secret=_checked("HMAC secret", asked.hmac_secret, LEAST_HMAC),
        ca_pem=None if asked.ca_pem is None else _check_ca(asked),
    )


def _checked(what: str, text: str | None, least: int = 1) -> str | None:
    return None if text is None else check_secret(what, text, least=least)


def _check_ca(asked: Asked) -> str:
    urls = (asked.url, asked.oauth_url or "")
    if not any(url.strip().lower().startswith("https:") for url in urls):
        raise Refused("a CA has no use with http://; leave it out, or write https://")
    pem = asked.ca_pem or ""
    if "PRIVATE KEY" in pem:
        raise Refused("CA file: it holds a private key; give the certificate of the CA only")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError, TypeError):
        raise Refused(
            "CA file: no certificates in PEM; it begins with -----BEGIN CERTIFICATE-----"
        ) from None
    return pem


def _notices(to: Setting) -> list[str]:
    notices = []
    if to.url.lower().startswith("http:"):
        notices.append(
            "http:// is not encrypted: numbers, texts and headers can be read on the way"
        )
    if to.oauth_url is not None and to.oauth_url.lower().startswith("http:"):
        notices.append("the OAuth URL is http://: the client secret can be read on the way")
    return notices


def due(tx: Tx, actor: Actor, kind: Kind) -> int:
    """How many events are due to an endpoint. Raises Refused where none is set."""
    application = application_of(tx, actor)
    return callbacks.depth(tx, _get(tx, application.id, kind)).waiting


def off(tx: Tx, actor: Actor, kind: Kind) -> Shown:
    """Take an endpoint off: nothing is told any more, and what is due is deleted (`clear`)."""
    application = application_of(tx, actor, "callback.off")
    endpoint = _get(tx, application.id, kind)
    shown = _shown(tx, endpoint)
    callbacks.off(tx, endpoint.id)
    wake(tx)
    audit.record(
        tx,
        application_id=application.id,
        by=actor.by,
        action="callback.off",
        object=kind.value,
        before={**_logged(endpoint), "due": shown.waiting},
        after=None,
    )
    return shown


def clear(tx: Tx) -> bool:
    """Delete some of what was due to endpoints that were taken off; False: nothing is left.

    Whoever took one off asks for it until it is done; what a kill leaves, the engine deletes.
    """
    return callbacks.clear_off(tx, ROWS)


def everywhere(tx: Tx) -> list[tuple[Endpoint, int]]:
    """The endpoints of all applications, and how much is due to each, counted up to 100,000."""
    return [(one.endpoint, one.waiting) for one in posting.depths(tx, callbacks.endpoints(tx))]


def to_test(tx: Tx, actor: Actor, kind: Kind) -> Endpoint:
    """The endpoint that is to be tried, with its secrets. Raises Refused when none is set."""
    return _get(tx, application_of(tx, actor, "callback.test").id, kind)


def sample(kind: Kind, mobile: str, now: datetime) -> bytes:
    """What a test posts: an event that is about nothing."""
    if kind is Kind.REPLY:
        return Reply(
            id=0,
            source=mobile,
            destination="0",
            content="This is a test.",
            reply_to=None,
            campaign_id=None,
        ).body
    return Receipt(
        message_id=0,
        campaign_id=None,
        status=Status.RECEIVED,
        status_at=now,
        mobile=mobile,
        sent_at=now,
    ).body


def where(endpoint: Endpoint) -> str:
    """Its address as it may be shown."""
    return masked(endpoint.url)


def tested(tx: Tx, actor: Actor, endpoint: Endpoint, answer: str, *, good: bool) -> bool:
    """Write down what a test has shown; a good one ends a suspension. Whether it did."""
    resumed = good and callbacks.resume(tx, endpoint)
    audit.record(
        tx,
        application_id=endpoint.application_id,
        by=actor.by,
        action="callback.test",
        object=endpoint.kind.value,
        before={"suspended": endpoint.suspended_why} if resumed else None,
        after={"answer": answer},
    )
    return resumed


def dead(tx: Tx, actor: Actor, *, kind: Kind | None = None, limit: int | None = None) -> list[Dead]:
    """The newest events of the application that could not be told; None: all."""
    return callbacks.dead(tx, application_of(tx, actor).id, kind, limit)


def replay(
    tx: Tx, actor: Actor, ids: Sequence[int], *, everything: bool = False
) -> tuple[list[Dead], bool]:
    """Let dead events be told after all, by their endpoints as they are set now. What was dead.

    These, all or none; or as many of all as one transaction takes: the second answer says whether to
    ask again. Raises Refused for one that is not dead, has no endpoint, or has lost its text.
    """
    application = application_of(tx, actor, "callback.replay")
    if everything and ids:
        raise Refused("name events or say --all, not both")
    if not everything and not ids:
        raise Refused("name an event, see `callback dead`, or say --all")
    if len(set(ids)) > ROWS:
        raise Refused(f"{len(set(ids)):,} events; name at most {ROWS:,} at a time, or say --all")
    back = callbacks.replay(tx, application.id, None if everything else sorted(set(ids)), ROWS)
    missing = sorted(set(ids) - {one.id for one in back})
    if missing:
        raise Refused(_why_not(tx, application.id, missing))
    if back:
        wake(tx)
        audit.record(
            tx,
            application_id=application.id,
            by=actor.by,
            action="callback.replay",
            object=f"{len(back)} event{'' if len(back) == 1 else 's'}",
            before={"dead": [one.id for one in back[:100]]},
        )
    return back, everything and len(back) == ROWS


def _why_not(tx: Tx, application_id: int, missing: Sequence[int]) -> str:
    left = callbacks.left_dead(tx, application_id, missing)
    unknown = [number for number in missing if number not in left]
    if unknown:
        some = ", ".join(map(str, unknown[:10])) + ", …" * (len(unknown) > 10)
        return f"event {some}: not dead, or not there; see `callback dead`"
    number, kind = next(iter(left.items()))
    if kind not in callbacks.of_application(tx, application_id):
        return (
            f"event {number}: no endpoint is set for a {kind.value};"
            f" see `siaran callback set {kind.value} --help`"
        )
    return f"event {number}: the text of that reply is not kept any more (retention.text)"


def _get(tx: Tx, application_id: int, kind: Kind) -> Endpoint:
    endpoint = callbacks.of_application(tx, application_id).get(kind)
    if endpoint is None:
        raise NotFound(
            f"no endpoint is set for a {kind.value}; see `siaran callback set {kind.value} --help`"
        )
    return endpoint


_SECRETS: Final[Mapping[str, str]] = {"oauth_secret": "client secret", "hmac_secret": "HMAC secret"}


def _secrets(endpoint: Endpoint) -> tuple[str, ...]:
    return tuple(words for name, words in _SECRETS.items() if getattr(endpoint, name) is not None)


def _shown(tx: Tx, endpoint: Endpoint) -> Shown:
    depth = callbacks.depth(tx, endpoint)
    return Shown(
        kind=endpoint.kind,
        url=masked(endpoint.url),
        events=endpoint.events,
        headers=tuple(endpoint.headers),
        oauth_url=None if endpoint.oauth_url is None else masked(endpoint.oauth_url),
        oauth_client_id=endpoint.oauth_client_id,
        oauth_scope=endpoint.oauth_scope,
        secrets=_secrets(endpoint),
        private_ca=endpoint.ca_pem is not None,
        set_at=endpoint.set_at,
        suspended_at=endpoint.suspended_at,
        suspended_why=endpoint.suspended_why,
        waiting=depth.waiting,
        oldest_at=depth.oldest_at,
        tried=depth.tried,
        dead=depth.dead,
    )


def _logged(endpoint: Endpoint) -> dict[str, object]:
    """An endpoint in the log: no secrets, and no values that may be some."""
    told: dict[str, object] = {
        "url": masked(endpoint.url),
        "events": endpoint.events.value,
        "headers": list(endpoint.headers),
        "oauth_url": None if endpoint.oauth_url is None else masked(endpoint.oauth_url),
        "oauth_client_id": endpoint.oauth_client_id,
        "oauth_scope": endpoint.oauth_scope,
        "secrets": list(_secrets(endpoint)),
        "private_ca": endpoint.ca_pem is not None,
    }
    return {key: value for key, value in told.items() if value}


def _changed(before: Endpoint, after: Endpoint) -> list[str]:
    """What was changed, in words: also where it can't be seen."""
    changed = [
        words
        for name, words in (
            ("url", "URL"),
            ("events", "events"),
            ("oauth_url", "OAuth URL"),
            ("oauth_client_id", "client id"),
            ("oauth_scope", "scope"),
            ("ca_pem", "CA"),
            *_SECRETS.items(),
        )
        if getattr(before, name) != getattr(after, name)
    ]
    names = before.headers.keys() | after.headers.keys()
    return changed + [
        f"header {name}"
        for name in sorted(names)
        if before.headers.get(name) != after.headers.get(name)
    ]
