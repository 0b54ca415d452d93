"""SMPP with who was not written here: an SMSC for the engine, three ESMEs for the simulator (R-5.1).

Each peer is a library in its own words, in a thread with a loop of its own. What both sides must
agree on is what people see: texts, long ones too, and what became of them.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import socket
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import aiosmpplib
import pytest
import smpp34
import smpplib.client
import smpplib.consts
import trio

from engine import clock
from smpp import simulator
from smpp.simulator import Counters, Options
from tests.engine.conftest import PATIENCE_S as PATIENCE_S
from tests.engine.conftest import News, Stage, Told, stage

__all__ = ["stage"]

MOBILE = "64211234567"
LONG = "Kia ora {1} €, ç? Ω! " * 20
"""UCS-2 for its ç, seven segments."""


def free_port() -> int:
    """A port that nobody has; theirs can't be asked which one they got."""
    with socket.create_server(("127.0.0.1", 0)) as there:
        return int(there.getsockname()[1])


# ---------------------------------------------------------------- the engine against an SMSC


@dataclass
class TheirSmsc:
    """smpp34's server: takes all, sends a receipt for each, and a long MO for the first."""

    port: int = field(default_factory=free_port)
    taken: list[tuple[str, bytes]] = field(default_factory=list)
    """Destinations and what was sent to them, the UDH first."""
    acknowledged: list[bool] = field(default_factory=list)
    failed: list[BaseException] = field(default_factory=list)
    _loop: asyncio.AbstractEventLoop | None = None
    _ready: threading.Event = field(default_factory=threading.Event)
    _task: asyncio.Task[None] | None = None

    def __enter__(self) -> TheirSmsc:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        assert self._task is not None
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(PATIENCE_S)

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        server = smpp34.Server(host="127.0.0.1", port=self.port, system_id="theirs")
        await server.start()
        self._ready.set()
        sessions: dict[str, smpp34.Esme] = {}
        try:
            while True:
                match await server.next():
                    case smpp34.Esme() as esme:
                        sessions[esme.session_id] = esme
                    case smpp34.SubmitSmEvent() as event:
                        await self._take(event, sessions[event.session_id])
        except asyncio.CancelledError:
            pass
        finally:
            await server.stop()

    async def _take(self, event: smpp34.SubmitSmEvent, esme: smpp34.Esme) -> None:
        self.taken.append((event.destination_addr, event.short_message))
        smsc_id = f"{len(self.taken):08X}"
        event.accept(message_id=smsc_id)
        deliver = partial(
            esme.deliver_sm,
            source_addr=event.destination_addr,
            destination_addr=event.source_addr,
            source_addr_ton=1,
        )
        text = f"id:{smsc_id} sub:001 dlvrd:001 stat:DELIVRD err:000 text:"
        said = [await deliver(esm_class=0x04, short_message=text.encode())]
        if len(self.taken) == 1:
            octets = LONG.encode("utf-16-be")
            parts = [octets[at : at + 134] for at in range(0, len(octets), 134)]
            for number in reversed(range(len(parts))):
                header = bytes((5, 0, 3, 77, len(parts), number + 1))
                said.append(
                    await deliver(
                        esm_class=0x40, data_coding=8, short_message=header + parts[number]
                    )
                )
        self.acknowledged += [one.is_success for one in said]


@pytest.mark.trio
async def test_the_engine_sends_through_an_smsc_of_others(stage: Stage) -> None:
    """R-5.1: bind, a campaign of long messages, receipts, a long MO in parts, unbind."""
    with TheirSmsc() as smsc:
        async with stage.engine(smsc.port) as engine:
            campaign = stage.campaign(10, LONG)
            await stage.settled(campaign, delivered=10)
            await stage.until(
                lambda: stage.road.all("SELECT FROM inbox"), "the reply, in all its parts"
            )
            assert engine.logged("bind.up")
    assert len(smsc.taken) == 10 * 7
    assert all(smsc.acknowledged)
    texts: dict[str, str] = {}
    for mobile, octets in sorted(smsc.taken, key=lambda taken: taken[1][5]):  # by part
        texts[mobile] = texts.get(mobile, "") + octets[octets[0] + 1 :].decode("utf-16-be")
    assert set(texts.values()) == {LONG}
    assert stage.road.all("SELECT content, parts FROM inbox") == [(LONG, 7)]
    assert stage.road.all("SELECT FROM parked") == []


# ---------------------------------------------------------------- the simulator against ESMEs


Heard = tuple[str, str]
"""The id that the SMSC gave, and the text of its receipt."""


def by_smpplib(port: int) -> Heard:
    """python-smpplib, which blocks."""
    client = smpplib.client.Client("127.0.0.1", port, allow_unknown_opt_params=True)
    client.logger.setLevel(logging.CRITICAL)
    ids: list[str] = []
    receipts: list[str] = []

    def hear(pdu: Any) -> int:
        receipts.append(pdu.short_message.decode())
        return 0

    client.set_message_sent_handler(lambda pdu: ids.append(pdu.message_id.decode()))
    client.set_message_received_handler(hear)
    client.connect()
    client.bind_transceiver(system_id="theirs", password="secret")
    client.send_message(
        source_addr="3774",
        destination_addr=MOBILE,
        short_message=b"Halo",
        registered_delivery=True,
    )
    while not receipts:
        client.read_once()
    client.unbind()
    client.disconnect()
    return ids[0], receipts[0]


def by_smpp34(port: int) -> Heard:
    """smpp34, whose core is written in Rust."""

    async def talk() -> Heard:
        client = smpp34.Client("127.0.0.1", port, "theirs", "secret", bind_type="TRX")
        smsc = await client.connect()
        answer = await smsc.submit_sm(
            destination_addr=MOBILE,
            source_addr="3774",
            short_message=b"Halo",
            registered_delivery=1,
        )
        event = await smsc.next()
        assert isinstance(event, smpp34.DeliverSmEvent)
        assert event.esm_class == 0x04
        await smsc.unbind()
        await client.stop()
        return answer.message_id or "", event.short_message.decode()

    return _run(talk)


class _Hook(aiosmpplib.AbstractHook):  # type: ignore[misc]
    def __init__(self, heard: asyncio.Queue[Any]) -> None:
        self.heard = heard

    async def sending(self, smpp_message: Any, pdu: bytes, client_id: str) -> None:
        """Nothing to do."""

    async def received(self, smpp_message: Any, pdu: bytes, client_id: str) -> None:
        await self.heard.put(smpp_message)

    async def send_error(self, smpp_message: Any, error: Exception, client_id: str) -> None:
        await self.heard.put(error)


def by_aiosmpplib(port: int) -> Heard:
    """aiosmpplib, an ESME on asyncio."""

    async def talk() -> Heard:
        heard: asyncio.Queue[Any] = asyncio.Queue()
        esme = aiosmpplib.ESME(
            smsc_host="127.0.0.1",
            smsc_port=port,
            system_id="theirs",
            password="secret",
            hook=_Hook(heard),
            log_level=logging.CRITICAL,
        )
        task = asyncio.create_task(esme.start())
        await esme.broker.enqueue(
            aiosmpplib.SubmitSm(
                short_message="Halo",
                source=aiosmpplib.PhoneNumber("3774"),
                destination=aiosmpplib.PhoneNumber(MOBILE),
                registered_delivery=1,
                log_id="1",
            )
        )
        smsc_id = receipt = ""
        while not (smsc_id and receipt):
            match await heard.get():
                case aiosmpplib.SubmitSmResp(message_id=smsc_id):
                    pass
                case aiosmpplib.DeliverSm() as deliver:
                    assert deliver.is_receipt()
                    assert deliver.parse_receipt()["id"]
                    receipt = deliver.short_message
                case Exception() as error:
                    raise error
        writer = esme._writer
        await esme.stop()
        await asyncio.wait_for(task, PATIENCE_S)
        writer.close()  # it writes EOF, and leaves the rest to the garbage collector
        await writer.wait_closed()
        return smsc_id, receipt

    return _run(talk)


def _run(talk: Callable[[], Coroutine[Any, Any, Heard]]) -> Heard:
    """In a thread of its own: asyncio's loop and trio's must not meet."""
    found: queue.Queue[Heard | BaseException] = queue.Queue()

    def main() -> None:
        try:
            found.put(asyncio.run(asyncio.wait_for(talk(), PATIENCE_S)))
        except BaseException as error:
            found.put(error)

    threading.Thread(target=main).start()
    answer = found.get(timeout=PATIENCE_S * 2)
    if isinstance(answer, BaseException):
        raise answer
    return answer


@pytest.mark.trio
@pytest.mark.parametrize("esme", [by_smpplib, by_smpp34, by_aiosmpplib])
async def test_the_simulator_serves_esmes_of_others(esme: Callable[[int], Heard]) -> None:
    """R-5.12: bind, a message, its receipt, unbind; each understands what it is told."""
    counters: Counters = Told(News())
    async with trio.open_nursery() as nursery:
        serve = partial(simulator.serve, utc_now=clock.utc_now, counters=counters)
        port = await nursery.start(serve, Options(port=0, seed=1, receipt_after_ms=20))
        with trio.fail_after(PATIENCE_S):
            smsc_id, receipt = await trio.to_thread.run_sync(esme, port, abandon_on_cancel=True)
        nursery.cancel_scope.cancel()
    assert smsc_id
    assert receipt.startswith(f"id:{smsc_id} ")
    assert "stat:DELIVRD" in receipt
    assert (counters.submits, counters.receipts_acked) == (1, 1)
