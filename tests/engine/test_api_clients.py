"""Clients as there are some: slow ones, too many, with too much, under TLS (R-7.8, R-8.5)."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trustme
from msgspec.structs import replace

from engine.api.limits import Patience
from engine.domain.errors import Refused
from tests.engine.conftest import Stage
from tests.engine.serving import OPEN, WAIT_S, Answer, Served, serving

SHORT = Patience(head_s=0.2, body_s=0.2, write_s=0.2)
MIB = 2**20


@contextlib.asynccontextmanager
async def connected(api: Served, *, window: int | None = None) -> AsyncIterator[trio.SocketStream]:
    """A connection; `window`: octets that it takes before it is read."""
    sock = trio.socket.socket()
    if window is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    await sock.connect((api.host, api.port))
    async with trio.SocketStream(sock) as stream:
        with trio.fail_after(WAIT_S):
            yield stream


async def trickle(stream: trio.SocketStream, octets: bytes) -> None:
    """An octet at a time, until nobody takes any more."""
    for octet in octets:
        with contextlib.suppress(trio.BrokenResourceError):
            await stream.send_all(bytes([octet]))
        await trio.sleep(0.02)  # what this client is


async def said(stream: trio.SocketStream) -> bytes:
    """All that comes, up to the end of the connection."""
    octets = b""
    with contextlib.suppress(trio.BrokenResourceError):
        while part := await stream.receive_some(2**16):
            octets += part
    return octets


def head(token: str, length: int, path: str = "/v1/messages") -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


@pytest.mark.trio
async def test_a_head_that_trickles_in_is_cut(stage: Stage) -> None:
    async with (
        serving(stage, patience=SHORT) as api,
        connected(api) as stream,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(trickle, stream, b"GET /v1/lists HTTP/1.1\r\nX: " + b"x" * 1000)
        assert await said(stream) == b""
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_body_that_trickles_in_or_stops_is_a_problem(stage: Stage) -> None:
    async with serving(stage, patience=SHORT) as api:
        token = await api.token("anna")
        for begun in (b'{"to": "', b""):
            async with connected(api) as stream, trio.open_nursery() as nursery:
                await stream.send_all(head(token, 1000) + begun)
                if begun:
                    nursery.start_soon(trickle, stream, b"1" * 900)
                answer = await said(stream)
                assert answer.startswith(b"HTTP/1.1 408 ")
                assert b'"/v1/docs#timeout"' in answer
                nursery.cancel_scope.cancel()
        unwanted = b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n"
        async with connected(api) as stream, trio.open_nursery() as nursery:
            await stream.send_all(unwanted)
            nursery.start_soon(trickle, stream, b"1" * 900)
            assert (await said(stream)).endswith(b'{"status":"ok"}')
            nursery.cancel_scope.cancel()
        assert api.rows("SELECT count(*) FROM message") == [(0,)]


@pytest.mark.trio
async def test_who_does_not_read_keeps_nobody_from_ending(stage: Stage) -> None:
    """R-8.3: neither the others, nor the server when it is to end."""
    async with serving(stage, patience=SHORT) as api:
        token = await api.token("anna")
        api.rows(
            "INSERT INTO template (application_id, name, text)"
            " SELECT 1, n::text, repeat('x', 1500) FROM generate_series(1, 2000) n RETURNING 1"
        )
        async with connected(api, window=2048) as stream:
            ask = f"GET /v1/templates HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
            await stream.send_all(ask.encode() * 4)
            assert await stream.receive_some(1) == b"H"
            assert (await api.get("/v1/lists", token=token)).status == 200
            await trio.sleep(SHORT.write_s * 2)  # it is this client that lets time go by
            answers = await said(stream)
            assert len(answers) < 4 * 1500 * 1000, "it was cut"
    async with (
        serving(stage, patience=Patience(write_s=3600)) as api,
        connected(api, window=2048) as stream,
    ):
        await stream.send_all(ask.encode() * 4)
        assert await stream.receive_some(1) == b"H"
        with trio.fail_after(5):
            await api.end()


@pytest.mark.trio
async def test_more_connections_than_may_be_are_turned_away(stage: Stage) -> None:
    async with serving(stage, replace(OPEN, connections=2)) as api:
        token = await api.token("anna")
        async with connected(api) as first, connected(api):
            await first.send_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await first.receive_some(8)).startswith(b"HTTP")
            away = await api.get("/v1/lists", token=token)
            assert away.problem("unavailable") == 503
            assert away.headers["retry-after"] == "2"
        with trio.fail_after(WAIT_S):
            while (await api.get("/v1/lists", token=token)).status != 200:
                pass


@pytest.mark.trio
async def test_a_large_body_is_refused_and_the_answer_is_heard(stage: Stage) -> None:
    """R-7.8: with a length and without; a limit that can be set."""
    async with serving(stage, replace(OPEN, json_limit_mib=1, csv_limit_mib=2)) as api:
        token = await api.token("anna")
        for size in (MIB + 1, 50 * MIB):
            large = await api.send("POST", "/v1/messages", b" " * size, token=token)
            assert large.problem("too-large") == 413
            assert "1 MiB" in large.json["detail"]
        path = "/v1/lists/many/import?create=true"
        rows = b"+64211234567\n" * (2 * MIB // 13 + 1)
        large = await api.send("POST", path, rows, token=token, media="text/csv")
        assert large.problem("too-large") == 413
        async with connected(api) as stream:
            chunked = head(token, 0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
            await stream.send_all(chunked)
            part = b"%x\r\n%s\r\n" % (MIB // 2, b" " * (MIB // 2))
            for _ in range(3):
                await stream.send_all(part)
            await stream.send_all(b"0\r\n\r\n")
            assert (await stream.receive_some(13)).startswith(b"HTTP/1.1 413")


@pytest.mark.trio
async def test_who_is_nobody_is_told_before_the_body(stage: Stage) -> None:
    """R-8.5: what is sent without credentials is not even looked at."""
    async with serving(stage) as api:
        for body in (b"{", b"[" * 200_000, b" " * (9 * MIB)):
            nobody = await api.send("POST", "/v1/messages", body, media="text/plain")
            assert nobody.problem("unauthorized") == 401
        assert (await api.get("/v1/nothing")).problem("unauthorized") == 401
        assert (await api.get("/v1/docs")).status == 200


@pytest.mark.trio
async def test_another_media_type_is_refused(stage: Stage) -> None:
    async with serving(stage) as api:
        token = await api.token("anna")
        body = json.dumps({"to": "+64211234567", "text": "Hi"}).encode()
        for media in ("text/plain", "application/x-www-form-urlencoded", "text/csv", "json", ""):
            other = await api.send("POST", "/v1/messages", body, token=token, media=media)
            assert other.problem("unsupported-media") == 415, media
        named = "Application/JSON; charset=utf-8"
        assert (
            await api.send("POST", "/v1/messages", body, token=token, media=named)
        ).status == 202
        path = "/v1/lists/many/import?create=true"
        other = await api.send("POST", path, b"+64211234567\n", token=token)
        assert other.problem("unsupported-media") == 415


@pytest.mark.trio
async def test_the_port_can_have_tls(stage: Stage, tmp_path: Path) -> None:
    """R-7.8: for API and metrics; a certificate that is renewed is taken without a restart."""
    ca, later = trustme.CA(), trustme.CA()
    certificate, key = tmp_path / "api.pem", tmp_path / "key.pem"

    def issue(by: trustme.CA) -> ssl.SSLContext:
        issued = by.issue_cert("127.0.0.1")
        issued.private_key_pem.write_to_path(key)
        certificate.unlink(missing_ok=True)
        for n, pem in enumerate(issued.cert_chain_pems):
            pem.write_to_path(certificate, append=n > 0)
        context = ssl.create_default_context()
        by.configure_trust(context)
        return context

    known = issue(ca)
    secure = replace(OPEN, tls_certificate=str(certificate), tls_key=str(key))
    async with serving(stage, secure) as api:
        token = await api.token("anna")
        api.ca = known
        assert (await api.get("/v1/lists", token=token)).status == 200
        assert (await api.get("/healthz")).json == {"status": "ok"}
        api.ca = issue(later)
        assert (await api.get("/v1/lists", token=token)).status == 200
        key.write_text("nothing")
        assert (await api.get("/v1/lists", token=token)).status == 200, "as it was"
        api.ca = None
        with pytest.raises((OSError, http.client.HTTPException)):
            await api.get("/v1/lists", token=token)


@pytest.mark.trio
async def test_a_certificate_that_is_none_is_said_at_the_start(
    stage: Stage, tmp_path: Path
) -> None:
    file = tmp_path / "api.pem"
    file.write_text("no certificate")
    with pytest.RaisesGroup(Refused, flatten_subgroups=True) as refused:
        async with serving(stage, replace(OPEN, tls_certificate=str(file))):
            pass
    [error] = refused.value.exceptions
    assert f'http.tls_certificate = "{file}"' in str(error)


@pytest.mark.trio
async def test_a_port_that_is_taken_is_said(stage: Stage) -> None:
    async with serving(stage) as api:
        taken = f"{api.host}:{api.port}"
        with pytest.RaisesGroup(Refused, flatten_subgroups=True) as refused:
            async with serving(stage, replace(OPEN, listen=taken)):
                pass
        [error] = refused.value.exceptions
        assert f'http.listen = "{taken}"' in str(error)


@pytest.mark.trio
async def test_a_busy_server_says_when_to_come_again(stage: Stage) -> None:
    """R-7.8: a database that is away is a 503 with Retry-After, never a 500."""
    async with serving(stage) as api:
        token = await api.token("anna")
        assert (await api.get("/v1/lists", token=token)).status == 200
        api.unplug()
        gone: Answer = await api.get("/v1/lists", token=token)
        assert gone.problem("unavailable") == 503
        assert int(gone.headers["retry-after"]) >= 1
