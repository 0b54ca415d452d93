"""`siaran trace`: PDUs of a running engine, told to who may look (R-5.13)."""

from __future__ import annotations

import json
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import trio

from engine import app, tracing
from tests.engine.conftest import Engine, Stage
from tests.engine.test_carriers import bound, carrier, settings


class Watcher:
    """Somebody who watches an engine."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._rest = b""

    async def read(self) -> dict[str, Any]:
        """The next line."""
        while b"\n" not in self._rest:
            data = bytes(await self._stream.receive_some(65536))
            assert data, "it ended"
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return dict(json.loads(line))

    async def pdu(self, begins: str) -> dict[str, Any]:
        """The next PDU whose line begins so."""
        with trio.fail_after(20):
            while True:
                line = await self.read()
                if str(line.get("pdu", "")).startswith(begins):
                    return line


@asynccontextmanager
async def watching(engine: Engine, **wanted: Any) -> AsyncIterator[Watcher]:
    path = app.trace_socket(engine.settings.node.name)
    stream = await trio.open_unix_socket(str(path))
    async with stream:
        await stream.send_all(json.dumps(wanted).encode() + b"\n")
        yield Watcher(stream)


@pytest.mark.trio
async def test_who_watches_sees_all_but_texts(stage: Stage) -> None:
    """From the bind on; the socket is its owner's alone."""
    async with stage.smsc() as smsc, stage.engine(smsc.port) as engine:
        await bound(stage, engine, 1)
        path = app.trace_socket(engine.settings.node.name)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        async with watching(engine) as watcher:
            assert await watcher.read() == {"binds": ["tui-1"]}
            stage.campaign(1, "Your PIN is 4711")
            sent = await watcher.pdu("submit_sm ")
            assert (sent["bind"], sent["direction"]) == ("tui-1", "out")
            assert sent["pdu"].endswith("16 octets of text")
            answer = await watcher.pdu("submit_sm_resp ")
            assert answer["direction"] == "in"
            assert "ESME_ROK, id " in answer["pdu"]
            assert "receipt delivered" in (await watcher.pdu("deliver_sm "))["pdu"]
            assert (await watcher.pdu("deliver_sm_resp "))["direction"] == "out"
        async with watching(engine, show_text=True) as watcher:
            await watcher.read()
            stage.campaign(1, "Your PIN is 4711")
            assert "text 'Your PIN is 4711'" in (await watcher.pdu("submit_sm "))["pdu"]


@pytest.mark.trio
async def test_one_bind_alone_from_its_bind_on(stage: Stage) -> None:
    """Also over a new session, and without its password."""
    async with stage.smsc() as a, stage.smsc(drop_every=1) as b:
        two = settings(carrier("a", a.port), carrier("b", b.port))
        async with stage.running(two) as engine:
            await bound(stage, engine, 2)
            async with watching(engine, bind="b-1") as watcher:
                await watcher.read()
                stage.campaign(20)
                line = await watcher.pdu("bind_transceiver ")
                assert line["bind"] == "b-1"
                assert "system_id b, password hidden" in line["pdu"]
                assert "ESME_ROK" in (await watcher.pdu("bind_transceiver_resp "))["pdu"]
            async with watching(engine, bind="c-1") as watcher:
                assert await watcher.read() == {
                    "error": 'no bind is called "c-1"',
                    "binds": ["a-1", "b-1"],
                }


@pytest.mark.trio
async def test_who_is_too_slow_misses_some_and_slows_nobody(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is put aside for him is bounded; what was dropped is counted."""
    monkeypatch.setattr(tracing, "WAITING", 50)
    async with stage.smsc() as smsc, stage.engine(smsc.port, window=100) as engine:
        await bound(stage, engine, 1)
        async with watching(engine) as watcher:
            await watcher.read()
            await stage.settled(stage.campaign(300), delivered=300)
            seen = dropped = 0
            with trio.fail_after(20):
                while seen + dropped < 1200:
                    line = await watcher.read()
                    dropped += line.get("dropped", 0)
                    seen += "pdu" in line
            assert dropped > 0


@pytest.mark.trio
async def test_nobody_watches_and_nothing_is_hooked(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor when he has gone; what makes no sense is not answered."""
    made: list[tracing.Tracing] = []

    def make(*args: Any) -> tracing.Tracing:
        made.append(tracing.Tracing(*args))
        return made[-1]

    monkeypatch.setattr(app, "Tracing", make)
    async with stage.smsc() as smsc, stage.engine(smsc.port) as engine:
        await bound(stage, engine, 1)
        [bind] = made[0].binds()

        def hooked() -> bool:
            assert bind.session is not None
            return bind.trace is not None or bind.session.trace is not None

        assert not hooked()
        for wanted in ({}, {"bind": "tui-1"}):
            async with watching(engine, **wanted) as watcher:
                await watcher.read()
                assert hooked()
            with trio.fail_after(20):
                while hooked():
                    await trio.lowlevel.checkpoint()
        path = app.trace_socket(engine.settings.node.name)
        for rubbish in (b"\n", b"[]\n", b"\xff" * 5000):
            async with await trio.open_unix_socket(str(path)) as stream:
                await stream.send_all(rubbish)
                with suppress(trio.BrokenResourceError):
                    assert await stream.receive_some(10) == b""
        await stage.settled(stage.campaign(5), delivered=5)
    assert not path.exists()
    assert not path.parent.exists() or list(path.parent.iterdir())  # other nodes of this home
