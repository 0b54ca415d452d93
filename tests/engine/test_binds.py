"""Binds that fall, are refused, and meet an SMSC that means harm (R-5.2, wire.md: Session)."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable

import pytest
import trio
from msgspec.structs import replace

from config.kinds import Secret
from engine.gateway import turn
from engine.gateway.turn import Done, Work
from engine.store import nodes
from engine.store.db import Tx
from smpp.pdu import Command
from tests.engine.between import Wire
from tests.engine.conftest import QUICK, Stage
from tests.protocol.wire import Pdu

SLOWER = replace(QUICK, reconnect_min_s=0.04, reconnect_max_s=0.16)


@pytest.mark.trio
async def test_a_carrier_that_goes_is_asked_again_ever_more_slowly(
    stage: Stage, nursery: trio.Nursery
) -> None:
    """R-5.2: backoff and jitter; when it is there again, so is the bind, and the queue goes on."""
    async with stage.smsc() as smsc:
        wire = Wire(smsc.port)
        port = await nursery.start(wire.serve)
        async with stage.engine(port, timers=SLOWER) as engine:
            await stage.until(lambda: engine.logged("bind.up"), "the bind")
            wire.refuses = True
            wire.asked_at.clear()
            await wire.cut()
            await stage.until(lambda: len(wire.asked_at) >= 6, "attempts")
            campaign = stage.campaign(20)
            wire.refuses = False
            await stage.settled(campaign, delivered=20)
            assert len(engine.logged("bind.up")) == 2
            reasons = {line.partition("reason=")[2] for line in engine.logged("bind.down")}
            assert all(reasons)
    gaps = [later - sooner for sooner, later in zip(wire.asked_at, wire.asked_at[1:], strict=False)]
    # After the first fall 0.04 s, doubling to 0.16 s; each a quarter less or more.
    for gap, least in zip(gaps, (0.06, 0.12, 0.12, 0.12, 0.12), strict=False):
        assert gap >= least


@pytest.mark.trio
async def test_a_carrier_that_drops_after_each_few_messages_is_back_at_once(
    stage: Stage, nursery: trio.Nursery
) -> None:
    """R-5.2: sessions that carried something are no row of failures; doubled, the tenth is a minute."""
    doubling = replace(QUICK, reconnect_min_s=0.05, reconnect_max_s=60.0)
    answers = 0

    def passing(pdu: Pdu) -> bool:
        nonlocal answers
        if pdu.command == Command.SUBMIT_SM_RESP:
            answers += 1
            if answers % 3 == 0:
                nursery.start_soon(wire.cut)
        return True

    async with stage.smsc() as smsc:
        wire = Wire(smsc.port, from_smsc=passing)
        port = await nursery.start(wire.serve)
        async with stage.engine(port, timers=doubling, window=1) as engine:
            campaign = stage.campaign(40)
            await stage.until(lambda: len(engine.logged("bind.up")) > 12, "a session after those")
            waits = [float(line.partition("again_in_s=")[2]) for line in engine.logged("bind.down")]
            assert max(waits) <= 0.1
            assert stage.road.states(campaign)["delivered"] > 12


@pytest.mark.trio
async def test_a_bind_that_is_to_end_promises_nothing(stage: Stage) -> None:
    """R-9.2: neither one that a reload takes away nor one of an engine that stops."""
    async with stage.smsc() as smsc, stage.engine(smsc.port) as engine:
        await stage.until(lambda: engine.logged("bind.up"), "the bind")
        before = engine.settings
        engine.settings = replace(before, carriers=(), routes=())
        os.kill(os.getpid(), signal.SIGHUP)
        await stage.until(lambda: engine.logged("bind.closed"), "its end")
        engine.settings = before
        os.kill(os.getpid(), signal.SIGHUP)
        await stage.until(lambda: len(engine.logged("bind.up")) == 2, "the bind")
        os.kill(os.getpid(), signal.SIGTERM)
        await stage.until(lambda: engine.logged("engine.stopped"), "the end")
        reasons = [line.partition("reason=")[2] for line in engine.logged("bind.closed")]
        assert reasons == ['"its carrier is no longer configured"', '"the engine stops"']
        assert engine.logged("bind.down") == []


@pytest.mark.trio
async def test_refusals_in_a_row_are_one_alert(stage: Stage, nursery: trio.Nursery) -> None:
    """R-5.7: it says that something began to be wrong, and not how often we ask."""
    async with stage.smsc(password="other") as strict, stage.smsc() as kind:
        wire = Wire(strict.port)
        port = await nursery.start(wire.serve)
        async with stage.engine(port) as engine:

            async def alerts() -> float:
                _, metrics = await engine.get("/metrics")
                name = 'siaran_carrier_alerts_total{carrier="tui",reason="bind refused"}'
                [line] = [one for one in metrics.splitlines() if one.startswith(name)]
                return float(line.rpartition(" ")[2])

            await stage.until(lambda: strict.counters.binds_refused >= 3, "refusals")
            assert await alerts() == 1
            wire.to_port = kind.port
            await stage.until(lambda: engine.logged("bind.up"), "the bind")
            wire.to_port, refused = strict.port, strict.counters.binds_refused
            await wire.cut()
            await stage.until(lambda: strict.counters.binds_refused > refused + 2, "refusals")
            assert await alerts() == 2


@pytest.mark.trio
async def test_a_refused_bind_is_tried_for_ever_and_stops_nothing(
    stage: Stage, nursery: trio.Nursery
) -> None:
    """R-5.2, R-5.7: the engine serves, says what is wrong, and binds as soon as it may."""
    async with stage.smsc(password="other") as strict, stage.smsc() as kind:
        wire = Wire(strict.port)
        port = await nursery.start(wire.serve)
        async with stage.engine(port, password=Secret("secret")) as engine:
            await stage.until(lambda: strict.counters.binds_refused >= 4, "refusals")
            [line, *_] = engine.logged("bind.refused")
            assert "ESME_RINVPASWD" in line
            assert "secret" not in "".join(engine.lines)
            status, body = await engine.get("/readyz")
            assert (status, "carrier tui is not bound" in body) == (503, True)
            assert (await engine.get("/healthz"))[0] == 200
            campaign = stage.campaign(5)
            wire.to_port = kind.port
            await stage.settled(campaign, delivered=5)
            assert (await engine.get("/readyz"))[0] == 200


@pytest.mark.trio
async def test_what_was_marked_for_a_session_that_fell_meanwhile_leaves_at_once(
    stage: Stage, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-8.2: it was written to no socket, so nobody has to wait 30 s to know what became of it."""
    monkeypatch.setattr(nodes, "UNCERTAIN_S", 3600.0)
    async with stage.smsc() as smsc:
        wire = Wire(smsc.port)
        port = await nursery.start(wire.serve)
        async with stage.engine(port) as engine:
            await stage.until(lambda: engine.logged("bind.up"), "the bind")
            cuts = _cut_before_commit(stage, wire, monkeypatch, lambda done: done.launched > 0)
            campaign = stage.campaign(5)
            await stage.settled(campaign, delivered=5)
            assert (len(cuts), smsc.counters.submits, smsc.counters.repeats) == (1, 5, 0)


@pytest.mark.trio
async def test_the_rest_of_a_message_goes_on_after_its_session_fell_between_two_parts(
    stage: Stage, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-8.1: nothing of it is on the wire then, and no answer comes that would remember it."""
    monkeypatch.setattr(nodes, "UNCERTAIN_S", 3600.0)
    async with stage.smsc() as smsc:
        wire = Wire(smsc.port)
        port = await nursery.start(wire.serve)
        async with stage.engine(port, window=1, rate=4.0) as engine:
            await stage.until(lambda: engine.logged("bind.up"), "the bind")
            cuts = _cut_before_commit(stage, wire, monkeypatch, _holds_a_rest)
            campaign = stage.campaign(1, text="x" * 300)
            await stage.settled(campaign, delivered=1)
            assert (len(cuts), smsc.counters.submits, smsc.counters.repeats) == (1, 2, 0)


def _holds_a_rest(done: Done) -> bool:
    """Whether a turn has the rest of a message that its pace lets none go of."""
    return any(slots.partial is not None and not slots.batch for slots in done.slots)


def _cut_before_commit(
    stage: Stage, wire: Wire, monkeypatch: pytest.MonkeyPatch, when: Callable[[Done], bool]
) -> list[Done]:
    """The session falls once, while a turn of that kind is about to commit; that turn."""
    run, cuts = turn.run, list[Done]()

    async def fall() -> None:
        fell = len([line for line in stage.news.lines if " bind.down " in line])
        await wire.cut()
        await stage.until(
            lambda: len([line for line in stage.news.lines if " bind.down " in line]) > fell,
            "the fall",
        )

    def cutting(tx: Tx, work: Work) -> Done:
        done = run(tx, work)
        if not cuts and when(done):
            cuts.append(done)
            trio.from_thread.run(fall)
        return done

    monkeypatch.setattr(turn, "run", cutting)
    return cuts


ENDS = {
    "random octets": random.Random(5).randbytes(4096),
    "command_length 4": bytes.fromhex("00000004 00000015 00000000 00000001"),
    "command_length 0x7fffffff": bytes.fromhex("7fffffff 00000005 00000000 00000001"),
    "half a PDU and silence": bytes.fromhex("000000f0 00000005 00000000"),
}
STAYS = {
    "an unknown command": bytes.fromhex("00000010 00000777 00000000 00000009"),
    "a response to nothing": bytes.fromhex("00000011 80000004 00000000 00007777 00"),
    "a deliver_sm cut short": bytes.fromhex("00000013 00000005 00000000 00000002 414243"),
}
IMPATIENT = replace(QUICK, enquire_after_s=0.2, enquire_timeout_s=0.2, enquire_misses=1)


@pytest.mark.trio
@pytest.mark.parametrize("garbage", ENDS.values(), ids=ENDS.keys())
async def test_a_hostile_smsc_loses_its_connection_and_the_engine_goes_on(
    stage: Stage, nursery: trio.Nursery, garbage: bytes
) -> None:
    """R-5.2, wire.md: broken framing can't be mended; the next session is a new one."""
    async with stage.smsc() as smsc:
        wire = Wire(smsc.port, foul=[garbage] * 3)
        port = await nursery.start(wire.serve)
        async with stage.engine(port, timers=IMPATIENT) as engine:
            await stage.until(lambda: len(engine.logged("bind.up")) >= 4, "a session after those")
            assert len(engine.logged("bind.down")) == 3
            campaign = stage.campaign(5)
            await stage.settled(campaign, delivered=5)


@pytest.mark.trio
@pytest.mark.parametrize("garbage", STAYS.values(), ids=STAYS.keys())
async def test_what_an_smsc_should_not_say_is_refused_and_the_session_goes_on(
    stage: Stage, nursery: trio.Nursery, garbage: bytes
) -> None:
    """R-5.2, wire.md: one PDU that can't be read is no reason to fall."""
    async with stage.smsc() as smsc:
        wire = Wire(smsc.port, foul=[garbage])
        port = await nursery.start(wire.serve)
        async with stage.engine(port, timers=IMPATIENT) as engine:
            campaign = stage.campaign(5)
            await stage.settled(campaign, delivered=5)
            assert len(engine.logged("bind.up")) == 1
            assert engine.logged("bind.down") == []
