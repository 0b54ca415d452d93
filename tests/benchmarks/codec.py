"""The codec: what the hot PDUs cost, compared with smpplib.

Microseconds a message, in one thread: a GSM text of one segment to the octets of its submit_sm; a
submit_sm_resp to its message_id; a deliver_sm with a receipt in Appendix B's form to what it says
(smpplib stops at the text, which is less than half of that work). Ours read and write batches of
100, as they come off a socket; smpplib takes one PDU at a time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from smpplib import gsm
from smpplib.smpp import make_pdu, parse_pdu

from smpp import receipt, segments
from smpp.codec import SubmitTemplate
from smpp.events import Deliveries, SubmitResponses
from smpp.pdu import Address
from smpp.protocol import Connection
from tests.benchmarks.figures import Figure
from tests.benchmarks.floor import Paper, bound_pair

BATCH = 100
ROUNDS = 200

TEXTS = [f"Dear Siti of {n} Long Street in Jakarta, your number is {n}." for n in range(BATCH)]
MOBILE = "628120000001"
SENDER = Address(3, 0, "3774")


def options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--runs", type=int, default=5, metavar="N")


def run(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    """All three, all runs."""
    say("codec")
    figures = []
    for name, ours, theirs in (
        ("text → submit_sm", _submit, _their_submit),
        ("submit_sm_resp → id", _responses, _their_responses),
        ("deliver_sm → receipt", _receipts, _their_receipts),
    ):
        us = [_time(ours) for _ in range(given.runs)]
        their_us = [_time(theirs) for _ in range(given.runs)]
        figures += [
            Figure(name=name, unit="µs", values=us),
            Figure(name=f"{name}, smpplib", unit="µs", values=their_us),
            Figure(
                name=f"{name}: smpplib ÷ ours",
                unit="×",
                values=[their / our for our, their in zip(us, their_us, strict=True)],
            ),
        ]
    return figures


def _time(what: Callable[[], Callable[[], None]]) -> float:
    """Microseconds a message; `what` prepares a round of BATCH, and gives what runs it."""
    spent = 0.0
    for _ in range(ROUNDS):
        go = what()
        began = time.perf_counter()
        go()
        spent += time.perf_counter() - began
    return spent * 1e6 / (ROUNDS * BATCH)


def _submit() -> Callable[[], None]:
    near, _ = bound_pair()
    template = SubmitTemplate(SENDER, 1, 1)

    def go() -> None:
        near.submit([(n, _body(template, n)) for n in range(BATCH)], 0.0)

    return go


def _body(template: SubmitTemplate, n: int) -> bytes:
    (one,) = segments.split(TEXTS[n], None, reference=n)
    return template.body(MOBILE, one.esm_class, one.data_coding, one.octets)


def _their_submit() -> Callable[[], None]:
    def go() -> None:
        for n in range(BATCH):
            (octets,), coding, esm_class = gsm.make_parts(TEXTS[n])
            pdu = make_pdu(
                "submit_sm",
                sequence=n + 1,
                source_addr_ton=SENDER.ton,
                source_addr_npi=SENDER.npi,
                source_addr=SENDER.value,
                dest_addr_ton=1,
                dest_addr_npi=1,
                destination_addr=MOBILE,
                esm_class=esm_class,
                data_coding=coding,
                short_message=octets,
                registered_delivery=True,
            )
            pdu.generate()

    return go


def _said() -> tuple[Connection, bytes, bytes]:
    """A session with submits out; the octets of their responses, and those of their receipts."""
    near, far = bound_pair()
    template, paper = SubmitTemplate(SENDER, 1, 1), Paper()
    submits = near.submit([(n, _body(template, n)) for n in range(BATCH)], 0.0)
    return near, paper.answer(far, submits), paper.answer(far, b"")


def _responses() -> Callable[[], None]:
    near, octets, _ = _said()

    def go() -> None:
        (event,) = near.receive_data(octets, 0.0)
        assert isinstance(event, SubmitResponses)

    return go


def _their_responses() -> Callable[[], None]:
    pdus = _cut(_said()[1])

    def go() -> None:
        for pdu in pdus:
            assert _theirs(pdu).message_id

    return go


def _receipts() -> Callable[[], None]:
    near, _, octets = _said()

    def go() -> None:
        (event,) = near.receive_data(octets, 0.0)
        assert isinstance(event, Deliveries)
        for item in event.items:
            read = receipt.parse(item.octets, item.tlvs, item.esm_class, item.data_coding)
            assert read is not None

    return go


def _their_receipts() -> Callable[[], None]:
    pdus = _cut(_said()[2])

    def go() -> None:
        for pdu in pdus:
            assert _theirs(pdu).short_message

    return go


def _cut(octets: bytes) -> list[bytes]:
    """PDU by PDU."""
    pdus = []
    while octets:
        size = int.from_bytes(octets[:4], "big")
        pdus.append(octets[:size])
        octets = octets[size:]
    return pdus


def _theirs(pdu: bytes) -> Any:
    return parse_pdu(pdu, client=None, sequence=0, allow_unknown_opt_params=True)
