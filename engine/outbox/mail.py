"""The way to the mail server: one connection, and one mail after another over it (R-6.8).

What went wrong is either the server's (nobody answers, TLS, credentials, our sender: `ServerTrouble`,
no mail is to blame and none is counted against) or the mail's: `Later`, tried again at growing gaps,
and `Refused`, which is final. A server that closes (421) once it knows for whom the mail is may do so
for this one each time: that is the mail's, too. An answer that never comes after the text was sent is `Later`: it may
have been taken, and comes again under the same Message-ID.

aiosmtplib knows only asyncio: whoever calls this is inside of `trio_asyncio.open_loop()`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import aiosmtplib
import trio
import trio_asyncio

from config.settings import MailTls, Smtp
from engine.domain import letter
from engine.store.outbox import Mail
from smpp.transport import Tls, TlsFault, tls_client

CONNECT_S: Final = 15.0
"""For all that comes before a mail: TCP, TLS, EHLO, AUTH."""

EXCHANGE_S: Final = 60.0
"""For a mail. RFC 5321 §4.5.3.2 allows ten minutes after the text; who takes more than one gets it
again, under the same Message-ID."""

_CLOSING: Final = 421  # the server goes away, whatever was asked (RFC 5321 §3.8)
_ADDRESS: Final = re.compile(r"[^\s<>@\"']+@[^\s<>@\"']+")


class ServerTrouble(Exception):
    """No mail can be sent now; the text says why. `reason` is one of few words."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Later(Exception):
    """This mail could not be sent now. `reason` is one of few words."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Refused(Later):
    """This mail will not be taken."""


@dataclass(slots=True, eq=False)
class Connection:
    """A connection that takes mails. Use `connected`."""

    client: aiosmtplib.SMTP
    sender: str
    exchange_s: float
    broken: bool = False
    """Nothing more goes over it."""
    _named: bool = False
    """The server has been told for whom the mail is that is under way."""

    async def send(self, recipient: str, octets: bytes) -> None:
        """Comes back when the server has taken the mail. Raises ServerTrouble, Later, Refused."""
        try:
            with trio.fail_after(self.exchange_s):
                await self._exchange(recipient, octets)
        except trio.TooSlowError:
            self.broken = True
            raise Later("time-out", f"no answer within {self.exchange_s:g} s") from None
        except aiosmtplib.SMTPResponseException as error:
            if error.code == _CLOSING:
                self.broken = True
                # Before it knows of the mail, it is the server's trouble. Later it may be this mail
                # that it can't stand, each time: no other one must wait for that.
                raise (Later if self._named else ServerTrouble)("closing", _answer(error)) from None
            if isinstance(error, aiosmtplib.SMTPSenderRefused):
                text = f"{self.sender} may not send: {_answer(error)}"
                raise ServerTrouble("sender", text) from None
            kind = Refused if error.code >= 500 else Later
            reason = (
                "recipient" if isinstance(error, aiosmtplib.SMTPRecipientRefused) else "content"
            )
            await self._forget()
            raise kind(reason, _answer(error)) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            self.broken = True
            raise Later("connection", f"the connection broke off: {error}") from None

    async def _exchange(self, recipient: str, octets: bytes) -> None:
        options: list[str] = []
        encoding = "ascii"
        if not recipient.isascii():
            if not self.client.supports_extension("smtputf8"):
                why = "the mail server takes no addresses with characters outside of ASCII"
                raise Refused("recipient", why)
            options, encoding = ["SMTPUTF8", "BODY=8BITMIME"], "utf-8"
        self._named = False
        await _in_asyncio(self.client.mail, self.sender, options=options, encoding=encoding)
        self._named = True
        await _in_asyncio(self.client.rcpt, recipient, encoding=encoding)
        await _in_asyncio(self.client.data, octets)

    async def _forget(self) -> None:
        """After a refusal the next mail begins anew."""
        try:
            with trio.fail_after(CONNECT_S):
                await _in_asyncio(self.client.rset)
        except (aiosmtplib.SMTPException, OSError, trio.TooSlowError):
            self.broken = True


@asynccontextmanager
async def connected(smtp: Smtp, exchange_s: float = EXCHANGE_S) -> AsyncIterator[Connection]:
    """A connection to the mail server: encrypted and authenticated as configured.

    Raises ServerTrouble. The end is polite where that is possible within a second.
    """
    client = aiosmtplib.SMTP(
        hostname=smtp.host,
        port=smtp.port,
        local_hostname=_our_name(smtp),
        timeout=None,  # ours stand round each exchange
        use_tls=smtp.tls is MailTls.TLS,
        start_tls=False,
        tls_context=_context(smtp),
    )
    try:
        await _open(client, smtp)
        connection = Connection(client, smtp.from_, exchange_s)
        yield connection
        if not connection.broken:
            with trio.move_on_after(1.0), contextlib.suppress(aiosmtplib.SMTPException, OSError):
                await _in_asyncio(client.quit)
    finally:
        transport = client.transport
        client.close()
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()  # of TLS, close() would wait for the other side's goodbye
        with trio.CancelScope(shield=True):  # sockets are closed in the loop's next rounds
            for _ in range(3):
                await _in_asyncio(asyncio.sleep, 0)


async def probe(smtp: Smtp) -> None:
    """Connects as the engine would, and sends nothing. Raises ServerTrouble."""
    trouble: ServerTrouble | None = None
    async with trio_asyncio.open_loop():  # whose nursery would wrap what is raised in it
        try:
            async with connected(smtp):
                pass
        except ServerTrouble as error:
            trouble = error
    if trouble is not None:
        raise trouble


async def _open(client: aiosmtplib.SMTP, smtp: Smtp) -> None:
    where = f"{smtp.host}:{smtp.port}"
    try:
        with trio.fail_after(CONNECT_S):
            await _in_asyncio(client.connect)
            if smtp.tls is MailTls.STARTTLS:
                await _in_asyncio(client.starttls)
            if smtp.username:
                await _in_asyncio(client.login, smtp.username, smtp.password.reveal())
            else:
                await _in_asyncio(client.ehlo)
    except trio.TooSlowError:
        raise ServerTrouble("time-out", f"{where}: no answer within {CONNECT_S:g} s") from None
    except aiosmtplib.SMTPAuthenticationError as error:
        text = f"{where}: username and password are refused: {_answer(error)}"
        raise ServerTrouble("credentials", text) from None
    except aiosmtplib.SMTPNotSupported as error:
        raise ServerTrouble("not supported", f"{where}: {_plain(error)}") from None
    except aiosmtplib.SMTPResponseException as error:
        raise ServerTrouble("refused", f"{where}: {_answer(error)}") from None
    except (aiosmtplib.SMTPException, OSError) as error:
        tls = next((one for one in _causes(error) if isinstance(one, ssl.SSLError)), None)
        if tls is not None:
            raise ServerTrouble("TLS", f"{where}: {_tls_reason(tls)}") from None
        raise ServerTrouble("connection", f"{where}: {_system_reason(error)}") from None


def thread_of(mail: Mail, smtp: Smtp) -> str | None:
    """What mails about the same campaign have in common, so that they are shown together."""
    domain = smtp.from_.rpartition("@")[2]
    if mail.campaign_id is not None and mail.campaign_at is not None:
        return f"campaign-{mail.campaign_id}.{_micros(mail.campaign_at)}@{domain}"
    if mail.list_id is not None and mail.list_at is not None:
        return f"list-{mail.list_id}.{_micros(mail.list_at)}@{domain}"
    return None


def written(mail: Mail, smtp: Smtp) -> bytes:
    """The mail as it goes out; its Message-ID is the same each time, whatever node sends it.

    Raises Refused when it can't be made: an address, a time zone that no library takes.
    """
    domain = smtp.from_.rpartition("@")[2]
    try:
        return letter.letter(
            _content(mail),
            sender=smtp.from_,
            recipient=mail.recipient,
            at=mail.created_at,
            message_id=f"{mail.id}.{_micros(mail.created_at)}@{domain}",
            thread=thread_of(mail, smtp),
        )
    except Exception as error:  # one mail that can't be written must not end all others
        raise Refused("content", f"it can't be written: {type(error).__name__}") from error


def _content(mail: Mail) -> letter.Reply | letter.Import:
    if mail.kind == "report":
        payload = mail.payload
        return letter.Import(
            by=payload.get("by", ""),
            report=payload.get("report", {}),
            errors=payload.get("errors", ()),
        )
    return letter.Reply(
        list=mail.list or "",
        batch=mail.batch,
        campaign_id=mail.campaign_id,
        campaign_text=mail.campaign_text,
        mobile=mail.mobile or None,
        destination=mail.destination,
        received_at=mail.received_at,
        timezone=mail.timezone,
        text=mail.content if mail.mobile else None,  # what was scrubbed has no mobile, either
        whole=mail.whole is not False,
        meaning=mail.meaning,
        params=mail.params or (),
    )


def _micros(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)


def _context(smtp: Smtp) -> ssl.SSLContext | None:
    if smtp.tls is MailTls.NONE:
        return None
    ca_file = None if smtp.ca_file is None else Path(smtp.ca_file)
    try:
        return tls_client(Tls(ca_file=ca_file)).context
    except TlsFault as error:
        raise ServerTrouble("TLS", str(error)) from None


def _our_name(smtp: Smtp) -> str:
    """How we greet: not by asking the DNS, which may take long."""
    name = socket.gethostname()
    if "." not in name:
        name = smtp.from_.rpartition("@")[2]
    return name if name.isascii() else "localhost"


def _answer(error: aiosmtplib.SMTPResponseException) -> str:
    return f"{error.code} {' '.join(error.message.split())}"[:300]


def _plain(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _system_reason(error: BaseException) -> str:
    """Why there is no connection, in the system's words: asyncio and aiosmtplib wrap them twice."""
    for one in _causes(error):
        if isinstance(one, OSError) and one.errno is not None:
            named = isinstance(one, socket.gaierror)
            return str(one.strerror) if named else os.strerror(one.errno)
    return _plain(error)


def _causes(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}; see smtp.ca_file"
    return f"no TLS at this port: {error.reason or error}"


def masked(text: str) -> str:
    """The text with the addresses in it covered but for their domains."""
    return _ADDRESS.sub(lambda match: f"…@{match[0].rpartition('@')[2]}", text)


async def _in_asyncio(fn: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Any:
    return await trio_asyncio.aio_as_trio(fn)(*args, **kwargs)
