"""Carriers that do wrong: each is told by carrier, bind and reason, and none slows another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from msgspec.structs import replace

from config.kinds import Secret
from config.settings import Alphabet, Tls
from tests.engine.conftest import QUICK, Engine, Smsc, Stage
from tests.engine.test_carriers import carrier, settings, to

PAST = datetime(2020, 1, 1, tzinfo=UTC)


def told(engine: Engine, event: str, reason: str) -> bool:
    """Whether the log has that of the bad carrier's bind."""
    return any(
        "carrier=bad" in line and "bind=bad-1" in line and reason in line
        for line in engine.logged(event)
    )


async def counted(engine: Engine, reason: str) -> bool:
    """Whether the metric has it."""
    _, metrics = await engine.get("/metrics")
    line = f'siaran_bind_troubles_total{{bind="bad-1",carrier="bad",reason="{reason}"}} '
    return line in metrics


@asynccontextmanager
async def beside_a_good_one(
    stage: Stage, port: int, **words: Any
) -> AsyncIterator[tuple[Engine, Smsc]]:
    """An engine with that bad carrier for what begins with +1, and a good one for all the rest."""
    async with stage.smsc() as good:
        two = settings(
            carrier("bad", port, **words),
            carrier("good", good.port),
            routes=[to("bad", prefix="+1"), to("good")],
        )
        async with stage.running(two) as engine:
            yield engine, good


IMPATIENT = replace(QUICK, bind_timeout_s=0.1)


@pytest.mark.trio
@pytest.mark.parametrize(
    ("options", "event", "reason", "word"),
    [
        ({"silent_bind": True}, "bind.down", "no answer to the bind in time", "no answer"),
        ({"password": "x"}, "bind.refused", "ESME_RINVPASWD", "refused: ESME_RINVPASWD"),
        ({"refuse_binds": 0x05}, "bind.refused", "ESME_RALYBND", "refused: ESME_RALYBND"),
        ({"refuse_binds": 0x0D}, "bind.refused", "ESME_RBINDFAIL", "refused: ESME_RBINDFAIL"),
    ],
)
async def test_a_carrier_that_lets_nobody_in(
    stage: Stage, options: dict[str, Any], event: str, reason: str, word: str
) -> None:
    """R-5.2, R-5.7: no answer at all, and the ways to say no."""
    async with (
        stage.smsc(**options) as bad,
        beside_a_good_one(stage, bad.port, timers=IMPATIENT, password=Secret("secret")) as (
            engine,
            good,
        ),
    ):
        await stage.settled(stage.campaign(5), delivered=5)
        await stage.until(lambda: told(engine, event, reason), "the line")
        assert await counted(engine, word)
        _, metrics = await engine.get("/metrics")
        alerts = 'siaran_carrier_alerts_total{carrier="bad",reason="bind refused"}' in metrics
        # That our old session still stands is no alert before the fifth time.
        assert alerts is (event == "bind.refused" and "RALYBND" not in reason)
        assert good.counters.accepted == 5


@pytest.mark.trio
async def test_a_carrier_that_answers_what_nobody_asked(stage: Stage) -> None:
    """R-5.3: under a wrong sequence number, so that no message knows its answer."""
    timers = replace(QUICK, response_timeout_s=0.1, response_timeouts=100)
    async with (
        stage.smsc(wrong_sequence_pct=100) as bad,
        beside_a_good_one(stage, bad.port, timers=timers) as (engine, _),
    ):
        message = stage.road.single(mobile="+12025550123")
        await stage.settled(stage.campaign(5), delivered=5)
        await stage.until(lambda: told(engine, "bind.unknown_answer", "nothing"), "the line")
        await stage.until(lambda: told(engine, "bind.silent", "no answer in time"), "the timeout")
        await stage.until(lambda: stage.road.message(message).state == "uncertain", "the doubt")
        assert await counted(engine, "an answer to nothing that was asked")
        assert await counted(engine, "no answer in time")


@pytest.mark.trio
@pytest.mark.parametrize("with_body", [False, True])
async def test_an_error_may_have_no_body(stage: Stage, with_body: bool) -> None:
    """SMPP 3.4 §4.4.2: most SMSCs leave it out, and some don't."""
    async with (
        stage.smsc(error_pct=100, error_status=0x0B, error_body=with_body) as bad,
        beside_a_good_one(stage, bad.port) as (engine, _),
    ):
        message = stage.road.single(mobile="+12025550123")
        await stage.until(lambda: stage.road.message(message).state == "failed", "the failure")
        assert stage.road.message(message).reason == "ESME_RINVDSTADR"
        assert engine.logged("bind.damaged") == []


@pytest.mark.trio
async def test_what_was_taken_without_an_id_is_taken(stage: Stage) -> None:
    """wire.md: accepted, marked, and no receipt can ever find it."""
    async with (
        stage.smsc(no_id_pct=100) as bad,
        beside_a_good_one(stage, bad.port) as (engine, _),
    ):
        message = stage.road.single(mobile="+12025550123")
        await stage.until(lambda: stage.road.message(message).state == "sent", "its acceptance")
        assert told(engine, "bind.no_id", "accepted without an id")
        assert await counted(engine, "accepted without an id")
        assert stage.road.one("SELECT smsc_id FROM submission") is None


# ---------------------------------------------------------------- TLS


@pytest.fixture
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


def self_signed(path: Path) -> Path:
    """A certificate that nobody but itself has signed, and its key."""
    itself = trustme.CA()
    path.write_bytes(itself.private_key_pem.bytes() + itself.cert_pem.bytes())
    return path


@pytest.mark.trio
async def test_messages_and_receipts_go_over_tls(
    stage: Stage, ca: trustme.CA, ca_file: Path, issued: Callable[..., Path]
) -> None:
    """R-5.1: verified both ways, with a client certificate."""
    theirs, ours = issued(ca, "smsc.example"), issued(ca, "siaran.example")
    tls = Tls(ca_file=str(ca_file), certificate=str(ours), server_name="smsc.example")
    async with (
        stage.smsc(tls_certificate=theirs, tls_client_ca=ca_file) as smsc,
        stage.running(settings(carrier("tui", smsc.port, tls=tls))),
    ):
        await stage.settled(stage.campaign(20), delivered=20)
        assert smsc.counters.accepted == 20


@pytest.mark.trio
@pytest.mark.parametrize(
    ("which", "reason"),
    [
        ("expired", "expired"),
        ("stranger", "CA"),
        ("self-signed", "self-signed"),
        ("other host", "is not for"),
    ],
)
async def test_a_certificate_that_is_not_to_be_trusted(
    stage: Stage,
    ca: trustme.CA,
    ca_file: Path,
    issued: Callable[..., Path],
    tmp_path: Path,
    which: str,
    reason: str,
) -> None:
    """R-5.1: nothing is sent, not even the password, and the line says what is wrong with it."""
    certificate = {
        "expired": lambda: issued(ca, "smsc.example", not_before=PAST, not_after=PAST.replace(year=2021)),
        "stranger": lambda: issued(trustme.CA(), "smsc.example"),
        "self-signed": lambda: self_signed(tmp_path / "self-signed.pem"),
        "other host": lambda: issued(ca, "other.example"),
    }[which]()  # fmt: skip
    tls = Tls(ca_file=str(ca_file), server_name="smsc.example")
    async with (
        stage.smsc(tls_certificate=certificate) as bad,
        beside_a_good_one(stage, bad.port, tls=tls) as (engine, _),
    ):
        await stage.settled(stage.campaign(5), delivered=5)
        await stage.until(lambda: told(engine, "bind.down", reason), "the line")
        assert await counted(engine, "tls")
        assert (bad.counters.binds, bad.counters.binds_refused) == (0, 0)


# ---------------------------------------------------------------- texts


@pytest.mark.trio
async def test_a_text_that_a_carrier_cant_carry_fails_and_stops_no_other(stage: Stage) -> None:
    """R-5.6: Arabic over a carrier with nothing but ASCII; its text is not in the log (R-8.5)."""
    async with (
        stage.smsc(alphabet="ascii") as bad,
        beside_a_good_one(stage, bad.port, alphabet=Alphabet.ASCII, ucs2_coding=0) as (engine, _),
    ):
        road = stage.road
        arabic = road.single("مرحبا", mobile="+12025550123")
        plain = road.single("Hello", mobile="+12025550124")
        await stage.until(lambda: road.message(plain).state == "delivered", "the other one")
        assert road.message(arabic).state == "failed"
        await stage.until(lambda: told(engine, "message.unsendable", ""), "the line")
        assert await counted(engine, "characters beyond its alphabet")
        assert "مرحبا" not in "".join(engine.lines)
        assert bad.counters.accepted == 1
