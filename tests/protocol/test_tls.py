"""TLS as carriers have it: 1.2 or newer, verified, SNI, client certificates (R-5.1)."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme
from cryptography.hazmat.primitives import serialization

from smpp import transport
from smpp.events import Deliveries, SubmitResponses
from smpp.pdu import Address, Bind, Mode
from smpp.session import BindFailed, open_session
from smpp.simulator import Options, serve
from smpp.timers import Timing
from smpp.traffic import SubmitTemplate
from smpp.transport import ConnectFailed, Tls, TlsClient, TlsFault, connect, tls_client, tls_server

NOW = datetime(2030, 1, 1, tzinfo=UTC)
"""Certificates made here are dated by the real clock; nothing compares with this one."""


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def issued(tmp_path: Path) -> Callable[..., Path]:
    """`issued(ca, "localhost", ...)`: a file with a certificate and its key."""

    def make(by: trustme.CA, *names: str, **dates: Any) -> Path:
        path = tmp_path / f"cert-{len(list(tmp_path.iterdir()))}.pem"
        by.issue_cert(*names, **dates).private_key_and_cert_chain_pem.write_to_path(path)
        return path

    return make


@pytest.fixture
def ca_file(ca: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(path)
    return path


async def echo(stream: trio.abc.Stream) -> None:
    """Say back the first that comes."""
    with suppress(trio.BrokenResourceError):
        await stream.send_all(await stream.receive_some())
    await trio.aclose_forcefully(stream)


async def hold(_: trio.abc.Stream) -> None:
    """Say nothing, for ever."""
    await trio.sleep_forever()


@asynccontextmanager
async def listening(
    context: ssl.SSLContext | None,
    handler: Callable[[trio.abc.Stream], Awaitable[None]] = echo,
) -> AsyncIterator[int]:
    async with trio.open_nursery() as nursery:
        yield await nursery.start(partial(transport.serve, handler, "127.0.0.1", 0, tls=context))
        nursery.cancel_scope.cancel()


async def said_back(port: int, tls: TlsClient | None, host: str = "localhost") -> bytes:
    stream = await connect(host, port, timeout_s=5, tls=tls)
    await stream.send_all(b"Halo")
    answer = bytes(await stream.receive_some())
    await trio.aclose_forcefully(stream)
    return answer


async def failure(port: int, tls: TlsClient, host: str = "localhost") -> str:
    """The one line that says why there is no connection, without the address."""
    with pytest.raises(ConnectFailed) as raised:
        await connect(host, port, timeout_s=5, tls=tls)
    assert raised.value.trouble == "tls"
    assert "\n" not in str(raised.value)
    return str(raised.value).removeprefix(f"{host}:{port}: TLS: ")


@pytest.mark.trio
async def test_a_verified_connection_tells_the_name_it_wants(
    ca: trustme.CA, issued: Callable[..., Path], ca_file: Path
) -> None:
    """SNI; and TLS 1.2 is the oldest that either side speaks."""
    context = tls_server(issued(ca, "localhost", "smsc.example"))
    asked: list[str | None] = []
    context.sni_callback = lambda _, name, __: asked.append(name)
    async with listening(context) as port:
        assert await said_back(port, tls_client(Tls(ca_file=ca_file))) == b"Halo"
        named = tls_client(Tls(ca_file=ca_file, server_name="smsc.example"))
        assert await said_back(port, named, "127.0.0.1") == b"Halo"
    assert asked == ["localhost", "smsc.example"]
    for one in (named.context, context):
        assert one.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.trio
@pytest.mark.parametrize(
    ("names", "dates", "why"),
    [
        (("localhost",), {"not_after": timedelta(days=-1)}, "its certificate has expired"),
        (("localhost",), {"not_before": timedelta(days=1)}, "its certificate is not valid yet"),
        (("other.example",), {}, 'its certificate is not for "localhost"; name whose it is'),
        (("127.0.0.2",), {}, 'its certificate is not for "localhost"'),
    ],
)
async def test_a_wrong_certificate_is_one_clear_line(
    ca: trustme.CA,
    issued: Callable[..., Path],
    ca_file: Path,
    names: tuple[str, ...],
    dates: dict[str, timedelta],
    why: str,
) -> None:
    """Expired, not valid yet, for another host."""
    now = datetime.now(UTC)
    spans = {
        "not_before": now - timedelta(days=9),
        "not_after": now + timedelta(days=9),
    } | {name: now + span for name, span in dates.items()}
    async with listening(tls_server(issued(ca, *names, **spans))) as port:
        assert (await failure(port, tls_client(Tls(ca_file=ca_file)))).startswith(why)
        # Whoever has switched verification off gets what he wanted.
        assert await said_back(port, tls_client(Tls(verify=False))) == b"Halo"


@pytest.mark.trio
async def test_a_certificate_of_nobody_we_trust(
    issued: Callable[..., Path], ca_file: Path, tmp_path: Path
) -> None:
    """Self-signed, or of another CA; that one's own file is what it takes."""
    stranger = trustme.CA()
    own = tmp_path / "self-signed.pem"
    own.write_bytes(stranger.private_key_pem.bytes() + stranger.cert_pem.bytes())
    async with listening(tls_server(own)) as port:
        why = await failure(port, tls_client(Tls(ca_file=ca_file)))
        assert why.startswith("its certificate is self-signed; name its file, if this is right")
    async with listening(tls_server(issued(stranger, "localhost"))) as port:
        for tls in (Tls(ca_file=ca_file), Tls()):
            assert (await failure(port, tls_client(tls))).startswith("its CA is none that we trust")
        assert await said_back(port, tls_client(Tls(ca_file=own))) == b"Halo"


@pytest.mark.trio
async def test_a_peer_without_tls(ca_file: Path) -> None:
    """Which answers our hello with a generic_nack."""
    async with trio.open_nursery() as nursery:
        port = await nursery.start(partial(serve, Options(port=0), utc_now=lambda: NOW))
        why = await failure(port, tls_client(Tls(ca_file=ca_file)))
        assert why == "the peer speaks no TLS at this port"
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_peer_that_never_answers_and_one_that_hangs_up(ca_file: Path) -> None:
    tls = tls_client(Tls(ca_file=ca_file))
    async with listening(None, hold) as port:
        with pytest.raises(ConnectFailed, match=r"no TLS handshake within 0\.2 s") as raised:
            await connect("localhost", port, timeout_s=0.2, tls=tls)
        assert raised.value.trouble == "timeout"
    async with listening(None, trio.aclose_forcefully) as port:
        assert await failure(port, tls) == "the peer closed the connection in the handshake"


@pytest.mark.trio
async def test_nobody_there() -> None:
    async with listening(None) as port:
        pass
    with pytest.raises(ConnectFailed, match="Connection refused") as raised:
        await connect("127.0.0.1", port, timeout_s=5)
    assert raised.value.trouble == "network"
    with pytest.raises(ConnectFailed) as raised:
        await connect("no-such-host.invalid", port, timeout_s=5)
    assert raised.value.trouble == "name"


@pytest.mark.trio
async def test_a_listener_outlives_a_client_that_fails(
    ca: trustme.CA, issued: Callable[..., Path], ca_file: Path
) -> None:
    async with listening(tls_server(issued(ca, "localhost"))) as port:
        with pytest.raises(ConnectFailed):
            await connect("localhost", port, timeout_s=5, tls=tls_client(Tls()))
        plain = await connect("localhost", port, timeout_s=5)
        await plain.send_all(b"no TLS at all")
        await plain.aclose()
        assert await said_back(port, tls_client(Tls(ca_file=ca_file))) == b"Halo"


def accept_once(listener: socket.socket, context: ssl.SSLContext) -> None:
    """A listener without trio, which sends its alerts before it hangs up."""
    with (
        suppress(OSError),
        listener.accept()[0] as tcp,
        context.wrap_socket(tcp, server_side=True) as stream,
    ):
        stream.sendall(stream.recv(100))
        stream.recv(100)  # until the other end has read it


@pytest.mark.trio
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_certificate(
    ca: trustme.CA, issued: Callable[..., Path], ca_file: Path, version: ssl.TLSVersion
) -> None:
    """Shown where the carrier wants one.

    In TLS 1.3 a client learns only after the handshake that it was, and only if it reads before it
    writes: so there the bind fails, not always with that reason.
    """
    context = tls_server(issued(ca, "localhost"), client_ca=ca_file)
    context.maximum_version = version
    ours = Tls(ca_file=ca_file, certificate=issued(ca, "siaran.example"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, accept_once, listener, context)
            assert await said_back(port, tls_client(ours)) == b"Halo"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, accept_once, listener, context)
            with pytest.raises((ConnectFailed, BindFailed)) as raised:
                await bind_at(port, tls_client(Tls(ca_file=ca_file)))
    why = str(raised.value)
    if version is ssl.TLSVersion.TLSv1_2:
        assert "the peer accepts none of our ciphers, or wants a certificate" in why
    else:
        assert "certificate required" in why or "the peer closed the connection" in why
    assert "\n" not in why


async def bind_at(port: int, tls: TlsClient) -> None:
    stream = await connect("localhost", port, timeout_s=5, tls=tls)
    async with open_session(stream, bind=Bind(mode=Mode.TRANSCEIVER, system_id="siaran")):
        pass


@pytest.mark.trio
async def test_a_session_runs_over_tls_as_over_tcp(
    ca: trustme.CA, issued: Callable[..., Path], ca_file: Path
) -> None:
    """R-5.1: both directions at once, in batches, to the clean end."""
    options = Options(port=0, tls_certificate=issued(ca, "localhost"), seed=1)
    body = SubmitTemplate(Address(0, 1, "3774"), 1, 1).body("64211234567", 0, 0, b"Halo")
    tokens, answered, receipts = list(range(2000)), set[int](), 0
    async with trio.open_nursery() as nursery:
        port = await nursery.start(partial(serve, options, utc_now=lambda: NOW))
        stream = await connect("localhost", port, timeout_s=5, tls=tls_client(Tls(ca_file=ca_file)))
        bind = Bind(mode=Mode.TRANSCEIVER, system_id="siaran")
        async with open_session(stream, bind=bind, timing=Timing(unbind_timeout_s=5)) as session:
            for start in range(0, 2000, 100):
                nursery.start_soon(
                    session.submit, [(token, body) for token in tokens[start : start + 100]]
                )
            async for batch in session.batches():
                for event in batch:
                    if isinstance(event, SubmitResponses):
                        answered |= {token for token, *_ in event.items}
                    elif isinstance(event, Deliveries):
                        receipts += len(event.items)
                        await session.respond([(d.command, d.sequence, 0) for d in event.items])
                if receipts == len(answered) == 2000:
                    break
            await session.unbind()
        nursery.cancel_scope.cancel()
    assert answered == set(tokens)


def test_a_file_that_cannot_be_used_is_named(
    ca: trustme.CA, issued: Callable[..., Path], tmp_path: Path
) -> None:
    """One line each: which file, why; and no question at the terminal."""
    good, other, none = issued(ca, "a.example"), issued(ca, "b.example"), tmp_path / "none"
    empty = tmp_path / "empty.pem"
    empty.write_text("no PEM")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    leaf = ca.issue_cert("c.example")
    cert.write_bytes(leaf.cert_chain_pems[0].bytes())
    secret = serialization.load_pem_private_key(leaf.private_key_pem.bytes(), None)
    key.write_bytes(
        secret.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"geheim"),
        )
    )
    faults = [
        (Tls(ca_file=none), f"{none}: can't be read: No such file or directory"),
        (Tls(ca_file=tmp_path), f"{tmp_path}: can't be read: Is a directory"),
        (Tls(ca_file=empty), f"{empty}: no certificates in PEM form in it"),
        (Tls(certificate=none), f"{none}: can't be read: No such file or directory"),
        (Tls(certificate=cert, key=none), f"{none}: can't be read: No such file or directory"),
        (Tls(certificate=cert), f"{cert}: a certificate and its key in PEM form are expected"),
        (Tls(certificate=cert, key=other), f"{cert}: the key in {other} is another certificate's"),
        (Tls(certificate=cert, key=empty), f"{cert}, {empty}: not a certificate and a key"),
        (Tls(certificate=cert, key=key), f"{key}: the key is encrypted; store it without"),
    ]
    for tls, why in faults:
        with pytest.raises(TlsFault) as raised:
            tls_client(tls)
        assert str(raised.value).startswith(why)
    assert tls_client(Tls(certificate=good)).server_name is None
