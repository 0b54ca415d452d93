"""Mails out of the outbox, to a real mail server over real sockets (R-6.8, R-8.3, R-1.6)."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
import trustme

from config.kinds import Secret
from config.settings import MailTls, Smtp
from engine import clock
from engine.domain.retry import Gaps
from engine.metrics import Metrics
from engine.outbox import mail
from engine.outbox.worker import Worker
from engine.store import outbox
from tests.engine.conftest import Engine, Stage, _overheard, _watched
from tests.engine.mailserver import SILENCE, MailServer, body_of, serving, text_of
from tests.road import Road

SALES, OTHER = "sales@example.net", "other@example.net"

SOON = Gaps(first_s=0.05, most_s=0.1, for_s=3600)


@pytest.fixture
def server() -> Iterator[MailServer]:
    with serving(MailServer()) as server:
        yield server


@asynccontextmanager
async def mailing(
    stage: Stage, port: int, *, node: int = 1, **more: Any
) -> AsyncIterator[tuple[Worker, Engine]]:
    """A worker; what it logs is in `Engine.lines`. It is killed after the block."""
    settings = {"gaps": SOON, "server_gaps": SOON, "look_s": 0.02, "jitter": lambda: 0.0}
    words = {name: more.pop(name) for name in list(more) if name in Worker.__slots__}
    smtp = Smtp(host="127.0.0.1", port=port, from_="siaran@example.org", **more)
    engine = Engine(None, stage.news)  # type: ignore[arg-type]
    url = stage.road.database.url
    with _overheard(engine), contextlib.closing(_watched(url, stage.news)) as database:
        worker = Worker(
            db=database, metrics=Metrics(), node_id=node, smtp=smtp, **{**settings, **words}
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(worker.run)
            yield worker, engine
            nursery.cancel_scope.cancel()


def reply(road: Road, text: str, *, to: str = SALES, campaign: int | None = None) -> None:
    """An MO that is to be mailed."""
    road.sql(
        """
        WITH mo AS (
            INSERT INTO inbox (id, application_id, carrier_id, mobile, destination, received_at,
                               content, data_coding, campaign_id, list_id, params, meaning)
            SELECT next_id(), %s, 1, '+64215550199', '3774', '2031-01-02T03:04:05Z', %s, 8, c.id,
                   c.list_id, '{Anna,Auckland}', 'reply'
              FROM (SELECT) AS one LEFT JOIN campaign c ON c.id = %s
            RETURNING id, application_id)
        INSERT INTO outbox (kind, application_id, recipient, about_id)
        SELECT 'forward', application_id, %s, id FROM mo
        """,
        road.application(),
        text,
        campaign,
        to,
    )


def waiting(road: Road) -> int:
    return int(road.one("SELECT count(*) FROM outbox"))


async def emptied(stage: Stage) -> None:
    await stage.until(lambda: not waiting(stage.road), lambda: f"{waiting(stage.road)} mails left")


def unused_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.mark.trio
async def test_a_reply_says_all_that_is_known_of_it(stage: Stage, server: MailServer) -> None:
    """R-6.8: list, params, campaign, the time in the application's zone; together in a thread."""
    road = stage.road
    road.sql("UPDATE application SET timezone = 'Pacific/Auckland'")
    campaign = road.campaign(1, text="Shall we call you?")
    road.sql("UPDATE list SET name = 'März 2031', batch = 'B7'")
    long = "\u200fשלום 你好 " + "x" * 10_000
    reply(road, "Yes\n.\n..please", campaign=campaign)
    reply(road, long, campaign=campaign)
    async with mailing(stage, server.port):
        await emptied(stage)
    first, second = server.mails
    assert first["To"] == SALES
    assert first["From"] == "siaran@example.org"
    assert first["Subject"] == second["Subject"] == f"Reply to list März 2031, campaign {campaign}"
    assert first["Reply-To"] is None
    assert first["References"] == second["References"] is not None
    assert first["Message-ID"] != second["Message-ID"]
    assert first["Message-ID"].endswith("@example.org>")
    assert first["Date"] is not None
    facts = body_of(first).partition("\n\n")[0].splitlines()
    assert facts == [
        "From: +64215550199",
        "To: 3774",
        "Received: 2031-01-02 16:04:05 +1300 (Pacific/Auckland)",
        "List: März 2031",
        "Batch: B7",
        f"Campaign: {campaign}",
        "Params: Anna, Auckland",
        "Taken for: reply",
        "It answers: Shall we call you?",
    ]
    assert text_of(first) == "Yes\n.\n..please"
    assert text_of(second) == long


@pytest.mark.trio
async def test_an_import_report_has_the_invalid_rows_with_it(
    stage: Stage, server: MailServer
) -> None:
    """R-1.6"""
    report = {"list": "March", "done": True, "rows": 3, "imported": 2, "invalid": 1}
    payload = {"by": "anna", "report": report, "errors": [[2, "64 21 ab", "letters in a number"]]}
    stage.road.database.run(outbox.report, stage.road.application(), "anna@example.net", payload)
    async with mailing(stage, server.port):
        await emptied(stage)
    [one] = server.mails
    assert one["Subject"] == "Import into list March: 2 of 3 rows"
    assert "           1  invalid" in body_of(one)
    [attached] = one.iter_attachments()
    assert attached.get_filename() == "errors.csv"
    assert attached.get_content().removeprefix("\ufeff").splitlines() == [
        "line,value,reason",
        "2,64 21 ab,letters in a number",
    ]


@pytest.mark.trio
async def test_a_server_that_is_down_is_nobodys_fault(stage: Stage) -> None:
    """R-6.8: no mail is counted against; all go when it is up again."""
    for text in ("one", "two"):
        reply(stage.road, text)
    port = unused_port()
    async with mailing(stage, port) as (_, engine):
        await stage.until(lambda: engine.logged("mail.waits"), "a word about it")
        assert stage.road.one("SELECT max(attempts) FROM outbox") == 0
        with serving(MailServer(port)) as server:
            await emptied(stage)
    assert server.to(SALES) == ["one", "two"]
    assert len(engine.logged("mail.waits")) == 1


@pytest.mark.trio
async def test_a_recipient_that_is_refused_costs_nobody_else(
    stage: Stage, server: MailServer
) -> None:
    """R-6.8: that mail is dead, with the reason; R-8.5: the log has no address."""
    server.rcpt[SALES] = [f"550 5.1.1 <{SALES}>: nobody of that name"]
    for text, to in (("lost", SALES), ("one", OTHER), ("two", SALES)):
        reply(stage.road, text, to=to)
    async with mailing(stage, server.port) as (_, engine):
        await emptied(stage)
    assert (server.to(SALES), server.to(OTHER)) == (["two"], ["one"])
    [(to, reason)] = stage.road.all("SELECT recipient, reason FROM outbox_dead")
    assert to == SALES
    assert reason.startswith("550 5.1.1")
    [line] = engine.logged("mail.dead")
    assert "code=550" in line
    assert "…@example.net" in line
    assert "sales" not in "".join(engine.lines)


@pytest.mark.trio
async def test_what_is_put_off_is_waited_for(stage: Stage, server: MailServer) -> None:
    """R-6.8: in order, also what came meanwhile; another recipient's go on."""
    server.rcpt[SALES] = ["451 greylisted", "451 greylisted"]
    for text, to in (("1", SALES), ("2", SALES), ("a", OTHER)):
        reply(stage.road, text, to=to)
    async with mailing(stage, server.port) as (_, engine):
        await stage.until(lambda: engine.logged("mail.failed"), "the first failure")
        reply(stage.road, "3")
        await emptied(stage)
    assert server.to(SALES) == ["1", "2", "3"]
    assert server.to(OTHER) == ["a"]
    assert len(engine.logged("mail.failed")) == 2


@pytest.mark.trio
@pytest.mark.parametrize("where", ["rcpt", "data"])
async def test_a_mail_that_the_server_closes_at_each_time_holds_up_no_other(
    stage: Stage, server: MailServer, where: str
) -> None:
    """R-6.8: 421 for one mail, always; all others go, and the next of its recipient after it."""
    getattr(server, where)[SALES] = ["421 4.3.2 closing"] * 3
    reply(stage.road, "0", to=SALES)
    for n in range(5):
        reply(stage.road, str(n), to=f"other{n}@example.net")
    reply(stage.road, "1", to=SALES)
    async with mailing(stage, server.port) as (_, engine):
        await emptied(stage)
    took = [mail["To"] for mail in server.mails if mail["To"] != SALES]
    assert sorted(took) == [f"other{n}@example.net" for n in range(5)]
    assert server.to(SALES)[-2:] == ["0", "1"]
    assert not engine.logged("mail.waits")
    assert len(engine.logged("mail.failed")) == 3


@pytest.mark.trio
async def test_a_lease_is_given_back_also_when_the_work_is_cut_off(
    stage: Stage, server: MailServer
) -> None:
    """R-8.4: a drain that took too long ends in the midst of a mail; another node goes on at once."""
    server.data[SALES] = [SILENCE]
    token = trio.lowlevel.current_trio_token()
    server.tell = lambda: token.run_sync_soon(stage.news.tell)
    reply(stage.road, "one")
    async with mailing(stage, server.port) as (worker, _):
        await stage.until(lambda: server.mails, "a mail that is under way")
        assert stage.road.one("SELECT count(*) FROM outbox_worker") == 1
        worker.stop()
    assert stage.road.one("SELECT count(*) FROM outbox_worker") == 0
    async with mailing(stage, server.port, node=2):
        await emptied(stage)


@pytest.mark.trio
async def test_what_may_have_been_taken_comes_again_as_the_same(
    stage: Stage, server: MailServer
) -> None:
    """R-8.3: no answer after the text: once more, under the same Message-ID."""
    server.data[SALES] = [SILENCE]
    reply(stage.road, "one")
    async with mailing(stage, server.port, exchange_s=0.3):
        await emptied(stage)
    first, second = server.mails
    assert first["Message-ID"] == second["Message-ID"]
    assert server.to(SALES) == ["one", "one"]


@pytest.mark.trio
async def test_after_days_of_failures_it_is_given_up(stage: Stage, server: MailServer) -> None:
    """R-6.8: and kept."""
    server.data[SALES] = ["452 no room"] * 2
    reply(stage.road, "one")
    gaps = Gaps(first_s=0.05, most_s=0.1, for_s=0.01)
    async with mailing(stage, server.port, gaps=gaps) as (_, engine):
        await stage.until(lambda: engine.logged("mail.dead"), "the end")
    assert waiting(stage.road) == 0
    [(reason,)] = stage.road.all("SELECT reason FROM outbox_dead")
    assert reason.startswith("given up: 452 no room")


@pytest.fixture
def ca() -> trustme.CA:
    return trustme.CA()


def context_of(ca: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(*names).configure_cert(context)
    return context


@pytest.mark.trio
@pytest.mark.parametrize("tls", [MailTls.STARTTLS, MailTls.TLS])
async def test_encrypted_and_authenticated(
    stage: Stage, ca: trustme.CA, tmp_path: Any, tls: MailTls
) -> None:
    """R-6.8; R-8.5: a wrong password is not told, and loses nothing."""
    ca_file = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(ca_file))
    context = context_of(ca, "127.0.0.1")
    how = {"tls": context} if tls is MailTls.TLS else {"starttls": context}
    reply(stage.road, "one")
    more: dict[str, Any] = {"tls": tls, "ca_file": str(ca_file), "username": "siaran"}
    with serving(MailServer(login=("siaran", "geheim")), **how) as server:
        wrong: dict[str, Any] = {**more, "password": Secret("falsch")}
        async with mailing(stage, server.port, **wrong) as (_, engine):
            await stage.until(lambda: engine.logged("mail.waits"), "a word about it")
        [line] = engine.logged("mail.waits")
        assert "reason=credentials" in line
        assert "falsch" not in line
        assert (waiting(stage.road), server.mails) == (1, [])
        async with mailing(stage, server.port, **more, password=Secret("geheim")):
            await emptied(stage)
    assert server.to(SALES) == ["one"]


@pytest.mark.trio
@pytest.mark.parametrize("tls", [MailTls.STARTTLS, MailTls.TLS])
async def test_a_certificate_that_is_not_trusted(
    stage: Stage, ca: trustme.CA, tmp_path: Any, tls: MailTls
) -> None:
    """R-6.8: of another CA, for another host; no TLS at all: nothing is sent, and it is said why."""
    ca_file = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(ca_file))
    reply(stage.road, "one")
    for by, name in ((trustme.CA(), "127.0.0.1"), (ca, "mail.example.net")):
        context = context_of(by, name)
        how = {"tls": context} if tls is MailTls.TLS else {"starttls": context}
        with serving(MailServer(), **how) as server:
            async with mailing(stage, server.port, tls=tls, ca_file=str(ca_file)) as (_, engine):
                await stage.until(partial(engine.logged, "mail.waits"), "a word about it")
        assert "its certificate is not trusted" in engine.logged("mail.waits")[0]
        assert (waiting(stage.road), server.mails) == (1, [])
    with serving(MailServer()) as plain:
        async with mailing(stage, plain.port, tls=tls, ca_file=str(ca_file)) as (_, engine):
            await stage.until(lambda: engine.logged("mail.waits"), "a word about it")
        assert plain.mails == []


@pytest.mark.trio
async def test_one_node_sends_at_a_time(stage: Stage, server: MailServer) -> None:
    """R-8.4: another one goes on when it has stopped, or its lease has run out."""
    async with mailing(stage, server.port) as (first, _):
        reply(stage.road, "one")
        await emptied(stage)
        async with mailing(stage, server.port, node=2) as (second, _):
            first.smtp = None
            reply(stage.road, "two")
            claim = stage.road.database.run(outbox.claim_mails, 2, clock.utc_now())
            assert claim.groups == ()
            first.stop()
            await first.wait_stopped()
            await emptied(stage)
            second.stop()
            await second.wait_stopped()
    stage.road.sql("INSERT INTO outbox_worker VALUES ('mail', 9, now() - interval '1 s')")
    reply(stage.road, "three")
    async with mailing(stage, server.port):
        await emptied(stage)
    assert server.to(SALES) == ["one", "two", "three"]


@pytest.mark.trio
async def test_addresses_outside_of_ascii(stage: Stage, server: MailServer) -> None:
    """RFC 6531"""
    reply(stage.road, "one", to="müller@example.net")
    async with mailing(stage, server.port):
        await emptied(stage)
    assert len(server.mails) == 1


@pytest.mark.trio
async def test_the_probe_sends_nothing(server: MailServer) -> None:
    """`siaran check`"""
    smtp = Smtp(host="127.0.0.1", port=server.port, from_="siaran@example.org")
    await mail.probe(smtp)
    assert server.mails == []
    with pytest.raises(mail.ServerTrouble, match="onnect"):
        await mail.probe(Smtp(host="127.0.0.1", port=unused_port(), from_="a@example.org"))
