"""Callbacks out of the outbox, to real servers over real sockets (R-7.1–7.4, R-8.3)."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
import trio
import trustme
from aiohttp import web

from config.settings import Callbacks as Settings
from config.settings import Carrier, Http, Node, catch_all
from config.settings import Settings as EngineSettings
from engine import clock
from engine.domain.callback import Events, Kind
from engine.domain.retry import Gaps
from engine.metrics import Metrics
from engine.outbox.callbacks import Callbacks
from engine.store import callbacks, posting
from engine.store.callbacks import Setting
from tests.engine.conftest import NAMES, Engine, Stage, _overheard, _watched
from tests.engine.endpointserver import EndpointServer, serving
from tests.road import Road

SOON = Settings(allow_private=True, first_gap_s=0.05, most_gap_s=0.1)


@pytest.fixture
def server() -> Iterator[EndpointServer]:
    with serving(EndpointServer()) as server:
        yield server


@asynccontextmanager
async def posting_to(
    stage: Stage, *, holder: int = 1, settings: Settings = SOON, **more: Any
) -> AsyncIterator[tuple[Callbacks, Engine]]:
    """The task; what it logs is in `Engine.lines`. It is killed after the block."""
    words = {
        "look_s": 0.02,
        "jitter": lambda: 0.0,
        "pauses": Gaps(first_s=0.05, most_s=0.1, for_s=3600),
        **more,
    }
    engine = Engine(None, stage.news)  # type: ignore[arg-type]
    url = stage.road.database.url
    with _overheard(engine), contextlib.closing(_watched(url, stage.news)) as database:
        task = Callbacks(db=database, metrics=Metrics(), holder=holder, settings=settings, **words)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(task.run)
            yield task, engine
            nursery.cancel_scope.cancel()


def endpoint(road: Road, url: str, kind: Kind = Kind.RECEIPT, **setting: Any) -> None:
    """An endpoint of the application."""
    to = Setting(url=url, **setting)
    road.database.run(callbacks.put, road.application(), kind, to)


def happened(road: Road, message_id: int, *statuses: str) -> None:
    """Events of a message."""
    for status in statuses:
        road.sql(
            """
            INSERT INTO outbox (kind, application_id, endpoint_id, about_id, campaign_id, mobile,
                                status, status_at, sent_at, due_at)
            SELECT 'receipt', application_id, id, %s, 7, '+64211234567', %s,
                   '2031-01-02T03:04:05.678Z', NULL, clock_timestamp() FROM endpoint
             WHERE kind = 'receipt'
            """,
            message_id,
            status,
        )


def waiting(road: Road) -> int:
    return int(road.one("SELECT count(*) FROM outbox"))


async def emptied(stage: Stage) -> None:
    await stage.until(lambda: not waiting(stage.road), lambda: f"{waiting(stage.road)} events left")


@pytest.mark.trio
async def test_an_event_is_posted_with_all_that_was_set(
    stage: Stage, server: EndpointServer
) -> None:
    """R-7.2, R-7.3, R-7.4: body, fixed headers, a stable Idempotency-Key, the signature."""
    endpoint(stage.road, server.url, headers={"X-Api-Key": "abc"}, hmac_secret="geheim")
    server.answers = [500]
    happened(stage.road, 1, "received")
    async with posting_to(stage):
        await emptied(stage)
    first, second = server.posts
    assert first.octets == second.octets
    assert first.body == {
        "CampaignID": 7,
        "MessageId": 1,
        "Status": "received",
        "StatusDate": "2031-01-02T03:04:05.678Z",
        "Mobile": "+64211234567",
        "SentDate": None,
    }
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    assert first.headers["Content-Type"] == "application/json"
    assert first.headers["X-Api-Key"] == "abc"
    digest = hmac.new(b"geheim", first.octets, hashlib.sha256).hexdigest()
    assert first.headers["X-Siaran-Signature"] == f"sha256={digest}"


@pytest.mark.trio
async def test_a_reply_is_posted(stage: Stage, server: EndpointServer) -> None:
    """R-7.1; a scrubbed one is dead, and its reason says so."""
    road = stage.road
    endpoint(road, server.url, Kind.REPLY)
    for mobile, text in (("+64215550199", "Ja, bitte ☎"), ("", "")):
        road.sql(
            """
            WITH mo AS (
                INSERT INTO inbox (id, application_id, carrier_id, mobile, destination,
                                   received_at, content, data_coding)
                VALUES (next_id(), %s, 1, %s, '3774', now(), %s, 8) RETURNING id, application_id)
            INSERT INTO outbox (kind, application_id, endpoint_id, about_id)
            SELECT 'reply', mo.application_id, e.id, mo.id FROM mo, endpoint e
            """,
            road.application(),
            mobile,
            text,
        )
    async with posting_to(stage):
        await emptied(stage)
    [post] = server.posts
    assert post.body["source"] == "+64215550199"
    assert post.body["content"] == "Ja, bitte ☎"
    assert post.body["id"] == post.body["message-id"]
    [(reason,)] = road.all("SELECT reason FROM outbox_dead")
    assert reason == "what it was about is not kept any more"


@pytest.mark.trio
@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_any_2xx_is_enough(stage: Stage, server: EndpointServer, status: int) -> None:
    """R-7.4"""
    endpoint(stage.road, server.url)
    server.always = status
    for message in range(20):
        happened(stage.road, message, "received")
    async with posting_to(stage):
        await emptied(stage)
    assert len(server.posts) == 20


@pytest.mark.trio
@pytest.mark.parametrize("status", [500, 502, 503, 599, 408, 425, 429])
async def test_what_passes_is_tried_again(
    stage: Stage, server: EndpointServer, status: int
) -> None:
    """R-7.4"""
    endpoint(stage.road, server.url)
    server.answers = [status, status]
    happened(stage.road, 1, "received")
    async with posting_to(stage):
        await emptied(stage)
    assert len(server.posts) == 3
    assert stage.road.one("SELECT count(*) FROM outbox_dead") == 0


@pytest.mark.trio
@pytest.mark.parametrize("status", [301, 302, 307, 308, 401, 403, 404, 410])
async def test_what_is_a_persons_matter_suspends_the_endpoint(
    stage: Stage, server: EndpointServer, status: int
) -> None:
    """R-7.4: its events stay due and nothing is counted against them; setting it anew goes on."""
    endpoint(stage.road, server.url)

    async def moved(_: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": server.url})

    server.answers = [moved]
    happened(stage.road, 1, "sent", "received")
    async with posting_to(stage) as (_, engine):
        await stage.until(lambda: engine.logged("endpoint.suspended"), "a word of it")
        assert len(server.posts) == 1
        [(why, attempts)] = stage.road.all(
            """
            SELECT suspended_why, (SELECT sum(attempts)::int FROM outbox WHERE due_at <= now())
              FROM endpoint
            """
        )
        assert (why.partition(" ")[0], attempts) == (str(status), 0)
        happened(stage.road, 2, "received")
        endpoint(stage.road, server.url)
        await emptied(stage)
    assert server.statuses[1:] in (
        [(1, "sent"), (1, "received"), (2, "received")],
        [(1, "sent"), (2, "received"), (1, "received")],
        [(2, "received"), (1, "sent"), (1, "received")],
    )


@pytest.mark.trio
@pytest.mark.parametrize("status", [400, 402, 405, 413, 422, 451])
async def test_any_other_4xx_parks_the_event(
    stage: Stage, server: EndpointServer, status: int
) -> None:
    """R-7.4: and the next one of its message follows."""
    endpoint(stage.road, server.url)
    server.answers = [status]
    happened(stage.road, 1, "sent", "received")
    async with posting_to(stage) as (_, engine):
        await emptied(stage)
    assert server.statuses == [(1, "sent"), (1, "received")]
    [(about, reason, attempts)] = stage.road.all("SELECT status, reason, attempts FROM outbox_dead")
    assert (about, attempts) == ("sent", 1)
    assert reason.startswith(str(status))
    assert len(engine.logged("callback.dead")) == 1


@pytest.mark.trio
async def test_retry_after_is_honoured(stage: Stage, server: EndpointServer) -> None:
    """R-7.4: the endpoint is left alone until then; the event is due then."""
    endpoint(stage.road, server.url)

    async def busy(_: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": "3600"})

    server.answers = [busy]
    happened(stage.road, 1, "received")
    async with posting_to(stage) as (_, engine):
        await stage.until(lambda: engine.logged("endpoint.waits"), "a word of it")
        await stage.until(
            lambda: stage.road.one("SELECT due_at > now() + '50 min' FROM outbox"), "a later time"
        )
        happened(stage.road, 2, "received")
        with trio.move_on_after(0.2):
            await trio.sleep_forever()
    assert server.statuses == [(1, "received")]


@pytest.mark.trio
async def test_after_days_of_failures_it_is_given_up(stage: Stage, server: EndpointServer) -> None:
    """R-7.4: five days from the first attempt."""
    endpoint(stage.road, server.url)
    server.answers = [500, 500]
    happened(stage.road, 1, "sent", "received")
    stage.road.sql(
        "UPDATE outbox SET attempts = 30, first_at = now() - interval '5 d' WHERE status = 'sent'"
    )
    async with posting_to(stage):
        await emptied(stage)
    assert server.statuses == [(1, "sent"), (1, "received"), (1, "received")]
    [(reason,)] = stage.road.all("SELECT reason FROM outbox_dead")
    assert reason == "given up: 500 Internal Server Error"


@pytest.mark.trio
async def test_events_of_one_message_go_in_order(stage: Stage, server: EndpointServer) -> None:
    """R-7.4: whatever fails; also what comes while an older one waits. Others go on meanwhile."""
    endpoint(stage.road, server.url)
    server.answers = [500, 500, 500]
    happened(stage.road, 1, "submitted", "sent")
    async with posting_to(stage):
        await stage.until(lambda: stage.road.one("SELECT max(attempts) FROM outbox"), "a failure")
        happened(stage.road, 1, "received")
        happened(stage.road, 2, "received")
        await emptied(stage)
    firsts = list(dict.fromkeys(status for about, status in server.statuses if about == 1))
    assert firsts == ["submitted", "sent", "received"]
    lasts = [status for about, status in server.statuses if about == 1][-2:]
    assert lasts == ["sent", "received"]


@pytest.mark.trio
async def test_many_go_at_a_time(stage: Stage, server: EndpointServer) -> None:
    """R-7.4: as many as there are slots, each once."""
    endpoint(stage.road, server.url)
    gate = asyncio.Event()

    async def held(_: web.Request) -> web.Response:
        if server.most_at_once >= 20:
            gate.set()
        await gate.wait()
        return web.Response()

    server.always = held
    for message in range(100):
        happened(stage.road, message, "received")
    async with posting_to(stage, slots=20):
        await emptied(stage)
    assert server.most_at_once == 20
    assert sorted(server.statuses) == [(message, "received") for message in range(100)]


@pytest.mark.trio
async def test_an_endpoint_that_fails_is_left_alone(stage: Stage) -> None:
    """R-7.4: after ten failures in a row one probe at a time; nothing is counted against the others."""
    port = unused_port()
    endpoint(stage.road, f"http://127.0.0.1:{port}/sms")
    for message in range(300):
        happened(stage.road, message, "received")
    settings = Settings(allow_private=True, first_gap_s=60, most_gap_s=60)
    async with posting_to(stage, settings=settings, slots=10) as (_, engine):
        await stage.until(lambda: engine.logged("endpoint.waits"), "a word of it")
        with trio.move_on_after(0.3):
            await trio.sleep_forever()
        tried = stage.road.one("SELECT count(*) FROM outbox WHERE attempts > 0")
        assert 10 <= tried < 40
        assert stage.road.one("SELECT max(attempts) FROM outbox") == 1
        with serving(EndpointServer(port)) as server:
            stage.road.sql("UPDATE outbox SET due_at = now()")
            await emptied(stage)
    assert len({about for about, _ in server.statuses}) == 300
    assert len(engine.logged("endpoint.waits")) == 1


@pytest.mark.trio
async def test_one_endpoints_trouble_delays_no_other(stage: Stage, server: EndpointServer) -> None:
    """R-7.4: one that never answers, beside one that does."""

    async def silent(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    road = stage.road
    with serving(EndpointServer(always=silent)) as dead:
        endpoint(road, dead.url)
        for message in range(100):
            happened(road, message, "received")
        endpoint(road, server.url, Kind.REPLY)
        road.sql(
            """
            WITH mo AS (
                INSERT INTO inbox (id, application_id, carrier_id, mobile, destination,
                                   received_at, content, data_coding)
                SELECT next_id(), %s, 1, '+64215550199', '3774', now(), 'x', 8
                  FROM generate_series(1, 200) RETURNING id, application_id)
            INSERT INTO outbox (kind, application_id, endpoint_id, about_id)
            SELECT 'reply', mo.application_id, e.id, mo.id FROM mo, endpoint e
             WHERE e.kind = 'reply'
            """,
            road.application(),
        )
        async with posting_to(stage):
            await stage.until(lambda: len(server.posts) == 200, "all of the other's")
            assert road.one("SELECT count(*) FROM outbox WHERE kind = 'receipt'") == 100


# ---- bad servers


def unused_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def _trickle(request: web.Request) -> web.StreamResponse:
    """An octet now and then, for ever."""
    response = web.StreamResponse()
    response.content_length = 1000
    await response.prepare(request)
    while True:
        await response.write(b"x")
        await asyncio.sleep(0.05)


async def _slow(request: web.Request) -> web.StreamResponse:
    """A head that comes an octet now and then."""
    assert request.transport is not None
    for octet in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 1000:
        request.transport.write(bytes([octet]))
        await asyncio.sleep(0.05)
    return web.Response()


async def _huge(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        for _ in range(160):
            await response.write(b"x" * 65536)
    return response


@pytest.mark.trio
@pytest.mark.parametrize("answer", [_trickle, _huge])
async def test_a_body_is_never_waited_for(
    stage: Stage, server: EndpointServer, answer: Any
) -> None:
    """R-7.4: a 200 is a 200, though 10 MB follow it, or an octet now and then."""
    endpoint(stage.road, server.url)
    server.answers = [answer]
    happened(stage.road, 1, "received")
    async with posting_to(stage):
        await emptied(stage)
    assert len(server.posts) == 1


@pytest.mark.trio
async def test_a_slow_answer_is_none(stage: Stage, server: EndpointServer) -> None:
    """R-7.4: the time for all of it is bounded, not that for an octet."""
    endpoint(stage.road, server.url)
    server.answers = [_slow]
    happened(stage.road, 1, "received")
    async with posting_to(stage, total_s=0.3):
        await stage.until(
            lambda: stage.road.one("SELECT last_error FROM outbox") == "no answer within 0.3 s",
            "the time-out",
        )
        await emptied(stage)
    assert len(server.posts) == 2


BAD: dict[str, bytes | None] = {
    "closes at once": b"",
    "resets": None,
    "no HTTP": b"220 mail.test ESMTP\r\n",
    "binary": bytes(range(256)) * 8,
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "an endless header": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
    "a status that is none": b"HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n",
    "a negative length": b"HTTP/1.1 503 No\r\nContent-Length: -5\r\n\r\n",
}


@pytest.mark.trio
@pytest.mark.parametrize("what", BAD)
async def test_a_server_that_is_none(stage: Stage, what: str) -> None:
    """R-7.4: nothing falls, some line says so, and the event goes to the next one that is one."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    endpoint(stage.road, f"http://127.0.0.1:{port}/sms")
    happened(stage.road, 1, "received")

    def serve() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer, contextlib.suppress(OSError):
                peer.settimeout(5)
                peer.recv(65536)
                if (octets := BAD[what]) is None:
                    linger = struct.pack("ii", 1, 0)
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                else:
                    peer.sendall(octets)

    async with posting_to(stage, total_s=2.0):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, serve)
            await stage.until(
                lambda: stage.road.one("SELECT max(attempts) FROM outbox") or 0 > 0, "a failure"
            )
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        assert stage.road.one("SELECT last_error FROM outbox")
        with serving(EndpointServer()) as server:
            endpoint(stage.road, server.url)
            await emptied(stage)
    assert server.statuses == [(1, "received")]


@pytest.fixture
def ca() -> trustme.CA:
    return trustme.CA()


def context_of(ca: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(*names).configure_cert(context)
    return context


@pytest.mark.trio
async def test_tls_is_verified_against_a_private_ca(stage: Stage, ca: trustme.CA) -> None:
    """R-7.3"""
    with serving(EndpointServer(), tls=context_of(ca, "127.0.0.1")) as server:
        endpoint(stage.road, server.url, ca_pem=ca.cert_pem.bytes().decode())
        happened(stage.road, 1, "received")
        async with posting_to(stage):
            await emptied(stage)
    assert server.statuses == [(1, "received")]


@pytest.mark.trio
@pytest.mark.parametrize("what", ["another CA", "another name", "old", "no TLS"])
async def test_a_certificate_that_is_not_trusted(stage: Stage, ca: trustme.CA, what: str) -> None:
    """R-7.3: nothing is posted; the event waits, and the reason says why."""
    context = context_of(trustme.CA() if what == "another CA" else ca, *(
        ("api.example.net",) if what == "another name" else ("127.0.0.1",)
    ))  # fmt: skip
    if what == "old":
        with pytest.warns(DeprecationWarning, match="TLS"):
            context.maximum_version = ssl.TLSVersion.TLSv1_1
    with serving(EndpointServer(), tls=None if what == "no TLS" else context) as server:
        url = server.url.replace("http://", "https://")
        endpoint(stage.road, url, ca_pem=ca.cert_pem.bytes().decode())
        happened(stage.road, 1, "received")
        async with posting_to(stage):
            await stage.until(lambda: stage.road.one("SELECT last_error FROM outbox"), "an error")
        error = stage.road.one("SELECT last_error FROM outbox")
    words = {"old": "", "no TLS": "no TLS at this port"}  # some say in TLS why, some hang up
    assert error.startswith(words.get(what, "its certificate is not trusted"))
    assert server.posts == []


@pytest.mark.trio
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_private_addresses_are_not_connected_to(
    stage: Stage, server: EndpointServer, host: str
) -> None:
    """R-7.3: whatever a name resolves to; an address that is written otherwise, too."""
    endpoint(stage.road, f"http://{host}:{server.port}/sms")
    happened(stage.road, 1, "received")
    async with posting_to(stage, settings=Settings(first_gap_s=0.05, most_gap_s=0.1)):
        await stage.until(lambda: stage.road.one("SELECT last_error FROM outbox"), "an error")
    error = stage.road.one("SELECT last_error FROM outbox")
    assert "private network" in error
    assert "allow_private = true" in error
    assert server.posts == []


# ---- OAuth 2


def with_oauth(server: EndpointServer, **more: Any) -> dict[str, Any]:
    server.tokens = set()
    return {
        "oauth_url": server.token_url,
        "oauth_client_id": "us",
        "oauth_secret": "geheim%",
        **more,
    }


@pytest.mark.trio
async def test_a_token_is_fetched_once_and_used_by_all(
    stage: Stage, server: EndpointServer
) -> None:
    """R-7.3: one fetch, its scope; the endpoint's fixed headers are not the other server's business."""
    setting = with_oauth(server, oauth_scope="sms", headers={"X-Api-Key": "abc"})
    endpoint(stage.road, server.url, **setting)
    for message in range(30):
        happened(stage.road, message, "received")
    async with posting_to(stage):
        await emptied(stage)
    [(headers, form)] = server.token_posts
    assert form == {"grant_type": "client_credentials", "scope": "sms"}
    assert headers["Authorization"] == "Basic dXM6Z2VoZWltJTI1"
    assert "X-Api-Key" not in headers
    assert {post.headers["Authorization"] for post in server.posts} == {"Bearer token1"}


@pytest.mark.trio
async def test_a_401_gets_one_fresh_token_at_once(stage: Stage, server: EndpointServer) -> None:
    """R-7.4: a token that was revoked; no attempt is counted."""
    endpoint(stage.road, server.url, **with_oauth(server))
    happened(stage.road, 1, "received")
    async with posting_to(stage) as (_, engine):
        await emptied(stage)
        assert server.tokens is not None
        server.tokens.clear()
        for message in range(20):
            happened(stage.road, message, "received")
        await emptied(stage)
        assert len(server.token_posts) == 2
        server.tokens.clear()
        server.token_answers = [{"access_token": "of no use"}]
        happened(stage.road, 1, "received")
        await stage.until(lambda: engine.logged("endpoint.suspended"), "the second 401")
    assert stage.road.one("SELECT attempts FROM outbox") == 0


@pytest.mark.trio
@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"expires_in": None},
        {"expires_in": "3600"},
        {"expires_in": "soon"},
        {"expires_in": -5},
        {"expires_in": 1e300},
        {"expires_in": float("nan")},
        {"token_type": "bearer"},
    ],
)
async def test_what_authorization_servers_say_of_time(
    stage: Stage, server: EndpointServer, answer: dict[str, Any]
) -> None:
    """R-7.3: no expires_in, or one that is none."""
    endpoint(stage.road, server.url, **with_oauth(server))
    server.token_answers = [answer] * 50
    happened(stage.road, 1, "received")
    async with posting_to(stage):
        await emptied(stage)
    assert server.statuses == [(1, "received")]


@pytest.mark.trio
async def test_a_token_is_renewed_before_it_runs_out(stage: Stage, server: EndpointServer) -> None:
    """R-7.3: after three quarters of a short time."""
    endpoint(stage.road, server.url, **with_oauth(server))
    server.token_answers = [{"expires_in": 1}, {"expires_in": 3600}]
    happened(stage.road, 1, "received")
    async with posting_to(stage):
        await emptied(stage)
        with trio.move_on_after(1.0):
            await trio.sleep_forever()
        happened(stage.road, 2, "received")
        await emptied(stage)
    assert [post.headers["Authorization"] for post in server.posts] == [
        "Bearer token1",
        "Bearer token2",
    ]


@pytest.mark.trio
@pytest.mark.parametrize("answer", [500, 503, 429, "closes", "no token", "no JSON"])
async def test_an_authorization_server_that_is_down_is_no_events_fault(
    stage: Stage, server: EndpointServer, answer: Any
) -> None:
    """R-7.4: nothing is posted and nothing counted; when it is back, all goes."""

    async def strange(request: web.Request) -> web.StreamResponse:
        if answer == "closes":
            assert request.transport is not None
            request.transport.abort()
        return web.Response(text="{}" if answer == "no token" else "<html>")

    endpoint(stage.road, server.url, **with_oauth(server))
    bad = answer if isinstance(answer, int) else strange
    server.token_answers = [bad] * 4
    for message in range(5):
        happened(stage.road, message, "received")
    async with posting_to(stage) as (_, engine):
        await stage.until(lambda: engine.logged("endpoint.waits"), "a word of it")
        assert stage.road.one("SELECT max(attempts) FROM outbox") == 0
        await emptied(stage)
    assert len(server.posts) == 5
    assert "authorization server" in engine.logged("endpoint.waits")[0]


@pytest.mark.trio
async def test_credentials_that_are_refused_suspend_until_they_are_set_anew(
    stage: Stage, server: EndpointServer
) -> None:
    """R-7.4: a secret that was rotated; R-8.5: no secret in the log."""
    setting = with_oauth(server)
    endpoint(stage.road, server.url, **setting)
    server.token_answers = [401, 401]
    happened(stage.road, 1, "received")
    async with posting_to(stage) as (_, engine):
        await stage.until(lambda: engine.logged("endpoint.suspended"), "a word of it")
        endpoint(stage.road, server.url, **{**setting, "oauth_secret": "neu"})
        await emptied(stage)
    assert stage.road.one("SELECT suspended_why FROM endpoint") is None
    assert "geheim" not in "".join(engine.lines)
    assert server.token_posts[1][1]["client_secret"] == "geheim%"  # tried in the form as well


# ---- in an engine


@pytest.mark.trio
async def test_an_engine_tells_what_becomes_of_its_messages(
    stage: Stage, server: EndpointServer
) -> None:
    """R-7.2, design 16: all in one process; each status, in order."""
    endpoint(stage.road, server.url, events=Events.ALL)
    async with stage.smsc() as smsc:
        carriers = (Carrier(name="tui", port=smsc.port, host="127.0.0.1", system_id="x"),)
        settings = EngineSettings(
            node=Node(name=next(NAMES)),
            http=Http(listen="127.0.0.1:0"),
            carriers=carriers,
            routes=catch_all(carriers),
            callbacks=Settings(allow_private=True),
        )
        async with stage.running(settings) as engine:
            campaign = stage.campaign(3)
            await stage.settled(campaign, delivered=3)
            await emptied(stage)
            _, text = await engine.get("/metrics")
    told: dict[int, list[str]] = {}
    for about, status in server.statuses:
        told.setdefault(about, []).append(status)
    assert len(told) == 3
    for statuses in told.values():  # a receipt may be faster than the response
        assert statuses in (["submitted", "sent", "received"], ["submitted", "received"])
    done = 'siaran_callbacks_total{endpoint="default/receipt",result="done"}'
    assert f"{done} {float(len(server.posts))}" in text.splitlines()


# ---- several processes


@pytest.mark.trio
async def test_one_process_tells_an_endpoint_at_a_time(
    stage: Stage, server: EndpointServer
) -> None:
    """R-8.4: another one goes on when it has stopped; a lease that ran out is nobody's."""
    road = stage.road
    endpoint(road, server.url)
    async with posting_to(stage) as (first, _):
        happened(road, 1, "received")
        await emptied(stage)
        number = road.one("SELECT id FROM endpoint")
        claimed = road.database.run(posting.claim, number, Kind.RECEIPT, 2, clock.utc_now(), 10)
        assert claimed is None
        first.stop()
        await first.wait_stopped()
        async with posting_to(stage, holder=2):
            happened(road, 2, "received")
            await emptied(stage)
    later = clock.utc_now() + timedelta(seconds=61)
    assert road.database.run(posting.claim, number, Kind.RECEIPT, 3, later, 10) == []
    assert server.statuses == [(1, "received"), (2, "received")]


@pytest.mark.trio
async def test_an_end_waits_for_what_is_under_way(stage: Stage, server: EndpointServer) -> None:
    """R-8.3: what was posted is written down; nothing is posted twice by the next one."""
    endpoint(stage.road, server.url)
    gate = asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def held(_: web.Request) -> web.Response:
        loops.append(asyncio.get_running_loop())
        await gate.wait()
        return web.Response()

    server.always = held
    for message in range(10):
        happened(stage.road, message, "received")
    async with posting_to(stage, slots=3) as (task, _):
        await stage.until(lambda: len(server.posts) == 3, "posts that are under way")
        task.stop()
        loops[0].call_soon_threadsafe(gate.set)
        await task.wait_stopped()
        assert waiting(stage.road) == 10 - len(server.posts)
        assert stage.road.one("SELECT count(*) FROM outbox_worker") == 0
    async with posting_to(stage, holder=2):
        await emptied(stage)
    assert len(server.posts) == 10
