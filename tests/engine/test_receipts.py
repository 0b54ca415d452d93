"""Receipts as carriers send them, from the socket to the state of a message (R-5.8; wire.md).

All samples of the real world come over one bind, each about a message of its own: as deliver_sm, in
message_payload, and as data_sm, which is where some carriers put them.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trio

from smpp import codec, tlv, transport
from smpp.pdu import RESPONSE, Address, Command
from smpp.traffic import SubmitTemplate
from tests.engine.conftest import Stage
from tests.protocol.far import ACCEPTED, Far
from tests.protocol.wire import Pdu, pdu
from tests.road import receipt_of

SAMPLES: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "unit/smpp/receipts.jsonl").read_text().splitlines()
]
STATES = {
    "delivered": "delivered",
    "undeliverable": "failed",
    "rejected": "rejected",
    "expired": "expired",
    "enroute": "sent",
    "accepted": "sent",
    "unknown": "sent",  # a word that no table knows
}


@dataclass(eq=False)
class Smsc:
    """An SMSC with one bind, which gives the ids that a test wants, and says what it wants."""

    stage: Stage
    ids: list[str]
    taken: list[str] = field(default_factory=list)
    """The numbers that it took messages for, in the order of `ids`."""
    answered: dict[int, int] = field(default_factory=dict)
    """Our deliver_sm and data_sm by sequence, and the status that each was answered with."""
    _far: Far | None = None

    async def serve(self, *, task_status: trio.TaskStatus[int]) -> None:
        """Be that SMSC until cancelled."""
        await transport.serve(self._talk, "127.0.0.1", 0, task_status=task_status)

    async def _talk(self, stream: trio.SocketStream) -> None:
        self._far = far = Far(stream)
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while (one := await far.hear()) is not None:
                await self._answer(far, one)

    async def _answer(self, far: Far, one: Pdu) -> None:
        match one.command:
            case Command.BIND_TRANSCEIVER:
                await far.say(pdu(Command.BIND_TRANSCEIVER_RESP, 0, one.sequence, ACCEPTED[16:]))
            case Command.SUBMIT_SM:
                read = codec.parse_short_message(one.command, 1, one.body, 0, len(one.body))
                body = self.ids[len(self.taken)].encode("latin-1") + b"\0"
                self.taken.append(read.destination)
                await far.say(pdu(Command.SUBMIT_SM_RESP, 0, one.sequence, body))
            case Command.DELIVER_SM_RESP | Command.DATA_SM_RESP:
                self.answered[one.sequence] = one.status
                self.stage.news.tell()
            case command if not command & RESPONSE:
                await far.say(pdu(command | RESPONSE, 0, one.sequence))

    async def say(self, *octets: bytes) -> None:
        """Write to the engine."""
        assert self._far is not None
        await self._far.say(*octets)


def tlvs_of(sample: dict[str, Any]) -> bytes:
    described = sample["tlv"] or {}
    found = b""
    if "receipted_message_id" in described:
        found += tlv.build(0x001E, described["receipted_message_id"].encode("latin-1"))
    if "message_state" in described:
        found += tlv.build(0x0427, bytes((described["message_state"],)))
    if "network_error_code" in described:
        found += tlv.build(0x0423, bytes.fromhex(described["network_error_code"]))
    return found


def deliver(how: str, sample: dict[str, Any], mobile: str, sequence: int) -> bytes:
    """The sample as a PDU from `mobile` to us."""
    text, extra = sample["text"].encode("latin-1"), tlvs_of(sample)
    payload = tlv.build(tlv.MESSAGE_PAYLOAD, text)
    if how == "data_sm":
        head = b"\0\1\1" + mobile.encode() + b"\0\0\x013774\0"
        body = head + bytes((sample["esm_class"], 0, 0)) + payload + extra
        return pdu(Command.DATA_SM, 0, sequence, body)
    if how == "payload":
        text, extra = b"", payload + extra
    template = SubmitTemplate(Address(1, 1, mobile), 0, 1, tlvs=extra)
    body = template.body("3774", sample["esm_class"], 0, text)
    return pdu(Command.DELIVER_SM, 0, sequence, body)


@pytest.mark.trio
@pytest.mark.parametrize("how", ["short_message", "payload", "data_sm"])
async def test_every_receipt_of_the_real_world_does_its_work(
    stage: Stage, nursery: trio.Nursery, how: str
) -> None:
    """R-5.8: 47 samples; some have the same id, so that the number decides."""
    ids = [sample["expect"].get("id") or f"none-{n}" for n, sample in enumerate(SAMPLES)]
    smsc = Smsc(stage, ids)
    port = await nursery.start(smsc.serve)
    async with stage.engine(port, window=1) as engine:
        for n in range(len(SAMPLES)):
            stage.road.single(mobile=f"+64215{n:06}")
        stage.road.sql("NOTIFY siaran")
        await stage.until(lambda: stage.road.states() == {"sent": 47}, "all sent")
        known = len(smsc.taken)
        await smsc.say(
            *(deliver(how, sample, smsc.taken[n], n + 1) for n, sample in enumerate(SAMPLES))
        )
        await stage.until(lambda: len(smsc.answered) == known, "all answered")
        _, metrics = await engine.get("/metrics")
    assert set(smsc.answered.values()) == {0}
    states = {one.mobile.removeprefix("+"): one.state for one in stage.road.messages()}
    for mobile, sample in zip(smsc.taken, SAMPLES, strict=True):
        expect = sample["expect"]
        is_ours = expect["is_dlr"] and expect["id"] is not None
        wanted = STATES[expect["state"]] if is_ours else "sent"
        assert states[mobile] == wanted, sample["text"]
    assert stage.road.all("SELECT stat FROM parked") == [("DELIVRD",)], "the one without an id"
    assert stage.road.one("SELECT count(*) FROM inbox") == 2
    assert 'siaran_receipts_total{state="unrecognised"} 1.0' in metrics
    assert 'siaran_receipts_total{state="parked"} 1.0' in metrics


@pytest.mark.trio
async def test_what_the_sweep_joins_is_counted_too(stage: Stage, nursery: trio.Nursery) -> None:
    """R-5.8: a receipt and its response that missed each other, in transactions of two nodes."""
    road = stage.road
    message = road.sent("A1")
    road.receive(receipt_of("B1"))
    road.sql("UPDATE submission SET smsc_id = 'B1' WHERE message_id = %s", message.id)
    road.pass_time(2)
    smsc = Smsc(stage, [])
    async with stage.engine(await nursery.start(smsc.serve)) as engine:
        await stage.until(lambda: road.states() == {"delivered": 1}, "the sweep")
        _, metrics = await engine.get("/metrics")
    assert 'siaran_receipts_total{state="delivered"} 1.0' in metrics
