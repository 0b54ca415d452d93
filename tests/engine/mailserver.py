"""A real mail server (aiosmtpd) in a thread of its own, that does what a test wants."""

from __future__ import annotations

import asyncio
import email
import email.policy
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

SILENCE = "silence"
"""An answer that never comes."""


@dataclass(slots=True, eq=False)
class MailServer:
    """What came, in its order; and what is answered, by recipient, before the usual 250."""

    port: int = 0
    tell: Callable[[], None] = lambda: None
    mails: list[EmailMessage] = field(default_factory=list)
    """All texts that were read to their end, taken or not."""
    rcpt: dict[str, list[str]] = field(default_factory=dict)
    data: dict[str, list[str]] = field(default_factory=dict)
    login: tuple[str, str] | None = None

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self.rcpt.get(address):
            return self.rcpt[address].pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        answers = self.data.get(envelope.rcpt_tos[0])
        self.mails.append(mail)
        self.tell()
        answer = answers.pop(0) if answers else "250 taken"
        if answer == SILENCE:
            await asyncio.Event().wait()
        return answer

    def authenticate(
        self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        given = (data.login.decode(), data.password.decode())
        return AuthResult(success=given == self.login, handled=False)

    def to(self, recipient: str) -> list[str]:
        """The subjects' or texts' first words of what came for somebody."""
        return [text_of(mail) for mail in self.mails if mail["To"] == recipient]


def text_of(mail: EmailMessage) -> str:
    """What the subscriber wrote: what stands after the facts."""
    return body_of(mail).partition("\n\n")[2].strip()


def body_of(mail: EmailMessage) -> str:
    """The text of a mail."""
    body = mail.get_body()
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


@contextmanager
def serving(
    server: MailServer, *, tls: ssl.SSLContext | None = None, starttls: ssl.SSLContext | None = None
) -> Iterator[MailServer]:
    """The server at its port (0: one that the system chooses), until the end of the block."""
    ready, ends = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []
    transports: list[asyncio.Transport] = []

    class Noted(SMTP):
        def connection_made(self, transport: Any) -> None:
            transports.append(transport)
            super().connection_made(transport)

    async def serve() -> None:
        loop = asyncio.get_running_loop()

        def smtp() -> SMTP:
            with warnings.catch_warnings(action="ignore"):  # of AUTH in clear, which is wanted
                return Noted(
                    server,
                    loop=loop,
                    hostname="mail.test",
                    tls_context=starttls,
                    require_starttls=starttls is not None,
                    authenticator=server.authenticate,
                    auth_required=server.login is not None,
                    auth_require_tls=False,
                    enable_SMTPUTF8=True,
                    timeout=60,
                )

        listening = await loop.create_server(smtp, "127.0.0.1", server.port, ssl=tls)
        server.port = listening.sockets[0].getsockname()[1]
        loops.append(loop)
        ready.set()
        await ends.wait()
        listening.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for transport in transports:
            transport.abort()
        for _ in range(3):
            await asyncio.sleep(0)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="mail server")
    thread.start()
    assert ready.wait(30), "the mail server does not start"
    try:
        yield server
    finally:
        loops[0].call_soon_threadsafe(ends.set)
        thread.join(30)
