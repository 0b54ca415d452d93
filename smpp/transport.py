"""TCP and TLS for SMPP: a connection out, and a listener for the simulator (R-5.1).

TLS is 1.2 or newer, and verified: the chain against a CA, the certificate against the host's name,
which is also what SNI tells. Whatever is wrong with it is one line for a person.
"""

import contextlib
import errno
import os
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, NoReturn, overload

import trio

Trouble = Literal["name", "network", "timeout", "tls"]

_LISTEN_BACKLOG: Final = 128
_PORTS_TRIED: Final = 10
"""Of those that the system chose for one address, until one is free on the others, too."""
_HANDSHAKE_S: Final = 10.0
"""How long our listener waits for a client's part of the handshake."""


class ConnectFailed(Exception):
    """No connection; the text says to what and why, for a person, `trouble` in a word for metrics."""

    def __init__(self, text: str, trouble: Trouble) -> None:
        super().__init__(text)
        self.trouble = trouble


class TlsFault(Exception):
    """A file for TLS can't be used; the text says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How a carrier's TLS is checked, and what we show it.

    `ca_file` None: the system's CAs. `certificate` and `key` are ours, where the carrier wants one;
    the key may stand in the certificate's file. `server_name` is whose certificate it has to be,
    where that is not the host we connect to. Without `verify` anybody may be at the other end.
    """

    ca_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str | None = None
    verify: bool = True


@dataclass(frozen=True, slots=True)
class TlsClient:
    """A `Tls` with its files read, for any number of connections."""

    context: ssl.SSLContext
    server_name: str | None


def tls_client(tls: Tls) -> TlsClient:
    """Read the files. Raises `TlsFault`."""
    # Not create_default_context: from Python 3.13 on that refuses the certificates of many private
    # CAs for what they lack beside a signature (VERIFY_X509_STRICT).
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif tls.ca_file is None:
        context.load_default_certs()
    else:
        _trust(context, tls.ca_file)
    if tls.certificate is not None:
        _show(context, tls.certificate, tls.key)
    return TlsClient(context, tls.server_name)


def tls_server(
    certificate: Path, key: Path | None = None, client_ca: Path | None = None
) -> ssl.SSLContext:
    """A listener's side; with `client_ca` it lets in only who has a certificate of that CA.

    Raises `TlsFault`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _show(context, certificate, key)
    if client_ca is not None:
        _trust(context, client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@overload
async def connect(host: str, port: int, *, timeout_s: float) -> trio.SocketStream: ...


@overload
async def connect(
    host: str, port: int, *, timeout_s: float, tls: TlsClient | None
) -> trio.abc.Stream: ...


async def connect(
    host: str, port: int, *, timeout_s: float, tls: TlsClient | None = None
) -> trio.abc.Stream:
    """Connect within `timeout_s`, TLS included, or raise `ConnectFailed`.

    TCP_NODELAY is set: without it Nagle's algorithm and delayed ACKs cost a factor of 2 to 30.
    """
    where, step = f"{host}:{port}", "connection"
    stream: trio.abc.Stream | None = None
    try:
        with trio.fail_after(timeout_s):
            tcp = stream = await trio.open_tcp_stream(host, port)
            tcp.setsockopt(trio.socket.IPPROTO_TCP, trio.socket.TCP_NODELAY, 1)
            if tls is not None:
                step = "TLS handshake"
                stream = await _handshake(tcp, host, tls)
        connected, stream = stream, None
        return connected
    except trio.TooSlowError:
        raise ConnectFailed(f"{where}: no {step} within {timeout_s:g} s", "timeout") from None
    except trio.BrokenResourceError as error:
        raise ConnectFailed(f"{where}: TLS: {_tls_reason(error, host, tls)}", "tls") from error
    except OSError as error:
        trouble: Trouble = "name" if isinstance(error, trio.socket.gaierror) else "network"
        raise ConnectFailed(f"{where}: {_reason(error)}", trouble) from error
    except UnicodeError as error:  # of the codec for host names
        raise ConnectFailed(f"{where}: no host can have that name", "name") from error
    finally:
        if stream is not None:
            await trio.aclose_forcefully(stream)


async def _handshake(tcp: trio.SocketStream, host: str, tls: TlsClient) -> trio.abc.Stream:
    # https_compatible: an SMSC that drops TCP without TLS's goodbye is seen daily, and no error.
    stream = trio.SSLStream(
        tcp, tls.context, server_hostname=tls.server_name or host, https_compatible=True
    )
    await stream.do_handshake()
    return stream


@overload
async def serve(
    handler: Callable[[trio.SocketStream], Awaitable[None]],
    host: str,
    port: int,
    *,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None: ...


@overload
async def serve(
    handler: Callable[[trio.abc.Stream], Awaitable[None]],
    host: str,
    port: int,
    *,
    tls: ssl.SSLContext | None,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None: ...


async def serve(
    handler: Callable[[Any], Awaitable[None]],
    host: str,
    port: int,
    *,
    tls: ssl.SSLContext | None = None,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run `handler` for each connection until cancelled; the started value is the bound port.

    Port 0 lets the system choose one. Who fails in the TLS handshake is dropped.
    `OSError` when the port can't be had.
    """

    async def prepared(tcp: trio.SocketStream) -> None:
        tcp.setsockopt(trio.socket.IPPROTO_TCP, trio.socket.TCP_NODELAY, 1)
        if tls is None:
            await handler(tcp)
            return
        stream = trio.SSLStream(tcp, tls, server_side=True, https_compatible=True)
        try:
            with trio.fail_after(_HANDSHAKE_S):
                await stream.do_handshake()
        except (trio.BrokenResourceError, trio.TooSlowError):
            await trio.aclose_forcefully(stream)
            return
        await handler(stream)

    listeners = await _listeners(host, port)
    bound_port: int = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, prepared, listeners)
        task_status.started(bound_port)


async def _listeners(host: str, port: int) -> list[trio.SocketListener]:
    """All addresses of a host on one port: for 0 each would be given one of its own."""
    for _ in range(_PORTS_TRIED):
        listeners = await trio.open_tcp_listeners(port, host=host, backlog=_LISTEN_BACKLOG)
        ports = [listener.socket.getsockname()[1] for listener in listeners]
        if len(set(ports)) == 1:
            return listeners
        for listener in listeners:
            await trio.aclose_forcefully(listener)
        with contextlib.suppress(OSError):  # taken on one of the addresses: another one, then
            return await trio.open_tcp_listeners(ports[0], host=host, backlog=_LISTEN_BACKLOG)
    raise OSError(errno.EADDRINUSE, f"no port is free on all addresses of {host}")


# ---- files ------------------------------------------------------------------------------------


def _trust(context: ssl.SSLContext, ca_file: Path) -> None:
    try:
        context.load_verify_locations(ca_file)
    except ssl.SSLError:
        raise TlsFault(f"{ca_file}: no certificates in PEM form in it") from None
    except OSError as error:
        raise TlsFault(f"{ca_file}: can't be read: {error.strerror}") from None


def _show(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    holder = certificate if key is None else key

    def ask() -> NoReturn:  # OpenSSL would ask at the terminal, where nobody is
        raise TlsFault(f"{holder}: the key is encrypted; store it without a passphrase, mode 0600")

    try:
        for file in {certificate, holder}:
            file.open("rb").close()  # the error of the next call doesn't say which of them it is
        context.load_cert_chain(certificate, key, ask)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            why = f"{certificate}: the key in {holder} is another certificate's"
        elif key is None:
            why = f"{certificate}: a certificate and its key in PEM form are expected in it"
        else:
            why = f"{certificate}, {key}: not a certificate and a key in PEM form"
        raise TlsFault(why) from None
    except OSError as error:
        raise TlsFault(f"{error.filename}: can't be read: {error.strerror}") from None


# ---- reasons ----------------------------------------------------------------------------------

_UNTRUSTED: Final = (
    "its CA is none that we trust; name that CA's file, if this is right (tls.ca_file)"
)
# X509_V_ERR_… of OpenSSL's x509_vfy.h.
_CERTIFICATE: Final[Mapping[int, str]] = MappingProxyType(
    {
        2: _UNTRUSTED,
        9: "its certificate is not valid yet",
        10: "its certificate has expired",
        18: "its certificate is self-signed; name its file, if this is right (tls.ca_file)",
        19: _UNTRUSTED,
        20: _UNTRUSTED,
        21: _UNTRUSTED,
        23: "its certificate has been revoked",
    }
)
_HUNG_UP: Final = "the peer closed the connection in the handshake"
_OTHER_HOST: Final = frozenset({62, 64})  # host name, IP address
_HANDSHAKE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "UNEXPECTED_EOF_WHILE_READING": _HUNG_UP,
        "WRONG_VERSION_NUMBER": "the peer speaks no TLS at this port",
        "HTTP_REQUEST": "the peer speaks no TLS at this port",
        "UNSUPPORTED_PROTOCOL": "the peer has nothing newer than TLS 1.1",
        "TLSV1_ALERT_PROTOCOL_VERSION": "the peer has nothing newer than TLS 1.1",
        "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the peer wants a certificate of ours (tls.certificate)",
        "TLSV1_ALERT_UNKNOWN_CA": "the peer doesn't trust the CA of our certificate",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the peer says that our certificate has expired",
        "SSLV3_ALERT_BAD_CERTIFICATE": "the peer refuses our certificate",
        "SSLV3_ALERT_HANDSHAKE_FAILURE": "the peer accepts none of our ciphers, or wants a certificate",
    }
)


def _tls_reason(error: BaseException, host: str, tls: TlsClient | None) -> str:
    """What was wrong in a handshake."""
    match error.__cause__:
        case ssl.SSLCertVerificationError(verify_code=code) if code in _OTHER_HOST:
            name = (tls and tls.server_name) or host
            return (
                f'its certificate is not for "{name}"; name whose it is, if known (tls.server_name)'
            )
        case ssl.SSLCertVerificationError(verify_code=code, verify_message=message):
            return _CERTIFICATE.get(code, message)
        case ssl.SSLError(reason=str(reason)):
            return _HANDSHAKE.get(reason, reason.replace("_", " ").lower())
        case OSError(strerror=str(reason)):
            return f"the handshake broke off: {reason.lower()}"
        case _:
            return _HUNG_UP


def _reason(error: OSError) -> str:
    """The system's own words; trio groups those of several addresses behind one error."""
    cause = error.__cause__
    if isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    first = cause if isinstance(cause, OSError) else error
    if first.errno is not None and first.errno > 0:
        return os.strerror(first.errno)
    return first.strerror or str(first)  # name resolution has error numbers of its own
