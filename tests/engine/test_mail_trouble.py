"""Mail servers that are none: whatever they do, nothing is lost and nothing falls (R-6.8, R-8.3)."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from config.settings import MailTls, Smtp
from engine.outbox import mail
from engine.store import outbox
from tests.engine.conftest import Stage
from tests.engine.mailserver import MailServer, serving
from tests.engine.test_mail import SALES, emptied, mailing, reply, waiting

HELLO = b"220 mail.test\r\n"
OK = b"250 mail.test\r\n"
GO_ON = b"354 go on\r\n"

Script = Callable[[socket.socket], None]


def reset(peer: socket.socket) -> None:
    """An end without a word: RST instead of FIN."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def says(*answers: bytes, then: Callable[[socket.socket], None] | None = None) -> Script:
    """Each answer after something was read, but the first; then the end."""

    def script(peer: socket.socket) -> None:
        for n, answer in enumerate(answers):
            if n:
                peer.recv(65536)
            peer.sendall(answer)
        if then is not None:
            if answers:
                peer.recv(65536)
            then(peer)

    return script


BAD: dict[str, Script] = {
    "closes at once": says(),
    "resets at once": says(then=reset),
    "no SMTP": says(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"),
    "binary": says(bytes(range(256)) * 8),
    "an endless line": says(b"220 " + b"x" * 200_000),
    "not now": says(b"421 too busy\r\n"),
    "not for us": says(b"554 go away\r\n"),
    "two greetings": says(HELLO * 2, OK * 3),
    "closes after the greeting": says(HELLO),
    "resets after the greeting": says(HELLO, then=reset),
    "half an answer": says(HELLO, b"250-mail.test\r\n250-SIZE 10"),
    "knows no EHLO": says(HELLO, b"502 what?\r\n", b"502 what?\r\n"),
    "closes after MAIL": says(HELLO, OK, OK),
    "resets after RCPT": says(HELLO, OK, OK, OK, then=reset),
    "closes after DATA": says(HELLO, OK, OK, OK, GO_ON),
    "resets in the text": says(HELLO, OK, OK, OK, GO_ON, then=reset),
    "nonsense after the text": says(HELLO, OK, OK, OK, GO_ON, b"\xff\xfe taken\r\n"),
    "goes away after the text": says(HELLO, OK, OK, OK, GO_ON, b"421 bye\r\n"),
    "takes it, answers in advance": says(HELLO, OK, OK, OK * 3, b"354 x\r\n" * 2),
    "a dozen refusals": says(HELLO, OK, OK, *[b"450 later\r\n"] * 12),
}


@contextmanager
def badly(script: Script) -> Iterator[int]:
    """A server that follows a script with each who comes; its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer, suppress(OSError):
                peer.settimeout(5)
                script(peer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.mark.trio
@pytest.mark.parametrize("what", BAD)
async def test_a_server_that_is_none(stage: Stage, what: str) -> None:
    """The mail waits, some line says so, and it goes out over the next server that is one."""
    reply(stage.road, "one")
    with badly(BAD[what]) as port:
        async with mailing(stage, port, exchange_s=1.0) as (worker, engine):
            await stage.until(
                lambda: engine.logged("mail.waits") or engine.logged("mail.failed"), "a word of it"
            )
            assert waiting(stage.road) == 1
            with serving(MailServer()) as server:
                worker.smtp = None
                stage.road.sql("UPDATE outbox SET due_at = now()")
                worker.smtp = _at(server.port)
                await emptied(stage)
    assert set(server.to(SALES)) == {"one"}


@pytest.mark.trio
@pytest.mark.parametrize("tls", [MailTls.STARTTLS, MailTls.TLS])
@pytest.mark.parametrize(
    "script",
    [
        says(then=reset),
        says(b"\x15\x03\x01\x00\x02\x02\x28" * 3),
        says(HELLO, b"250-mail.test\r\n250 STARTTLS\r\n", b"220 go\r\n", b"\x16\x03\x01 nonsense"),
        says(HELLO, b"250-mail.test\r\n250 STARTTLS\r\n", b"220 go\r\n", then=reset),
        says(HELLO, b"250-mail.test\r\n250 STARTTLS\r\n", b"454 not now\r\n"),
        says(HELLO, OK),
    ],
)
async def test_tls_that_is_none(stage: Stage, tls: MailTls, script: Script) -> None:
    """Nothing goes in clear."""
    reply(stage.road, "one")
    with badly(script) as port:
        async with mailing(stage, port, tls=tls) as (_, engine):
            await stage.until(lambda: engine.logged("mail.waits"), "a word of it")
    assert stage.road.one("SELECT sum(attempts) FROM outbox") == 0


def _at(port: int) -> Smtp:
    return Smtp(host="127.0.0.1", port=port, from_="siaran@example.org")


@pytest.mark.trio
async def test_a_mail_that_cannot_be_written_ends_no_other(stage: Stage) -> None:
    """An address that no library takes (older versions let it in): dead, with the reason."""
    for text, to in (("lost", "a@[x"), ("one", SALES)):
        reply(stage.road, text, to=to)
    with serving(MailServer()) as server:
        async with mailing(stage, server.port) as (_, engine):
            await emptied(stage)
    assert server.to(SALES) == ["one"]
    assert len(engine.logged("mail.dead")) == 1
    [(to, reason)] = stage.road.all("SELECT recipient, reason FROM outbox_dead")
    assert (to, reason) == ("a@[x", "it can't be written: AttributeError")


@pytest.mark.trio
async def test_a_time_zone_that_is_none_ends_no_other(stage: Stage) -> None:
    """A report that is none, and a zone that tzdata has no more."""
    application = stage.road.application()
    stage.road.database.run(outbox.report, application, SALES, {"report": {"done": True}})
    stage.road.sql("UPDATE application SET timezone = 'Mars/Base'")
    reply(stage.road, "lost")
    try:
        with serving(MailServer()) as server:
            async with mailing(stage, server.port):
                await emptied(stage)
    finally:
        stage.road.sql("UPDATE application SET timezone = 'UTC'")
    assert stage.road.one("SELECT count(*) FROM outbox_dead") == 2


@pytest.mark.trio
@pytest.mark.parametrize(
    ("host", "why"),
    [("127.0.0.1", "127.0.0.1:1: Connection refused"), ("none.invalid", "none.invalid:1: ")],
)
async def test_why_nobody_answers_is_said_in_few_words(host: str, why: str) -> None:
    """`siaran check`: the system's words, without those of the libraries between."""
    with pytest.raises(mail.ServerTrouble) as raised:
        await mail.probe(Smtp(host=host, port=1, from_="siaran@example.org"))
    assert str(raised.value).startswith(why)
    assert raised.value.reason == "connection"
    assert not any(word in str(raised.value) for word in ("Errno", "Error connecting", "("))
