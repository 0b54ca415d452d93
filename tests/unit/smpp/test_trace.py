"""A PDU as a line to read: what `siaran trace` shows (R-5.13)."""

from __future__ import annotations

import random

import pytest

from smpp import codec, tlv, trace
from smpp.pdu import (
    RESPONSE,
    Address,
    Bind,
    BindResp,
    CancelSm,
    Command,
    Mode,
    QuerySm,
    QuerySmResp,
)
from smpp.receipt import ReceiptState, render
from smpp.traffic import SubmitTemplate

C = Command
SOURCE, MOBILE = Address(3, 0, "3774"), Address(1, 1, "64211234567")
SECRET = b"Your PIN is 4711"


def framed(command: int, status: int, sequence: int, body: bytes = b"") -> bytes:
    return codec.pack_header(16 + len(body), command, status, sequence) + body


def submitted(
    text: bytes = SECRET, esm_class: int = 0, tlvs: bytes = b"", sequence: int = 17
) -> bytes:
    body = SubmitTemplate(SOURCE, 1, 1).body("64211234567", esm_class, 0, text, tlvs)
    return framed(C.SUBMIT_SM, 0, sequence, body)


def delivered(text: bytes, esm_class: int = 0, tlvs: bytes = b"") -> bytes:
    body = b"\0\1\x0164211234567\0\3\x003774\0" + bytes((esm_class,)) + b"\0\0\0\0\0\0\0\0"
    return framed(C.DELIVER_SM, 0, 5, body + bytes((len(text),)) + text + tlvs)


RECEIPT = render(
    "702113", ReceiptState.DELIVERED, submit_date="2611030910", done_date="2611030911", err="000"
)
WAY = "3774 (3/0) to 64211234567 (1/1), esm_class 0x{:02X}, data_coding 0x00"
BIND = Bind(mode=Mode.TRANSCEIVER, system_id="siaran", password="geheim", system_type="SMPP")

LINES = {
    "a submit": (submitted(), "submit_sm 17: " + WAY.format(0) + ", 16 octets of text"),
    "a segment": (
        submitted(b"\5\0\3\7\2\1Halo", 0x40),
        "submit_sm 17: " + WAY.format(0x40) + ", part 1 of 2 (reference 7), 10 octets of text",
    ),
    "parameters": (
        submitted(
            b"",
            0,
            tlv.build(tlv.MESSAGE_PAYLOAD, SECRET)
            + tlv.build(tlv.USER_MESSAGE_REFERENCE, b"\1\2")
            + tlv.build(0x1401, b"12"),
        ),
        "submit_sm 17: " + WAY.format(0) + ", 16 octets of text, message_payload 16 octets,"
        " user_message_reference 258, 0x1401 2 octets",
    ),
    "taken": (
        framed(C.SUBMIT_SM_RESP, 0, 17, b"702113\0"),
        "submit_sm_resp 17: ESME_ROK, id 702113",
    ),
    "taken, busy": (
        framed(C.SUBMIT_SM_RESP, 0, 17, b"7\0" + tlv.build(tlv.CONGESTION_STATE, b"\x5a")),
        "submit_sm_resp 17: ESME_ROK, id 7, congestion_state 90",
    ),
    "refused": (framed(C.SUBMIT_SM_RESP, 0x58, 17), "submit_sm_resp 17: ESME_RTHROTTLED"),
    "a vendor's": (
        framed(C.SUBMIT_SM_RESP, 0x481, 17),
        "submit_sm_resp 17: vendor specific (0x481)",
    ),
    "a receipt": (
        delivered(RECEIPT, 4, tlv.build(tlv.RECEIPTED_MESSAGE_ID, b"702113\0")),
        (
            "deliver_sm 5: 64211234567 (1/1) to 3774 (3/0), esm_class 0x04, data_coding 0x00,"
            f" receipt delivered of 702113, stat DELIVRD, err 000, {len(RECEIPT)} octets of text,"
            " receipted_message_id 702113"
        ),
    ),
    "a bind": (
        codec.encode(BIND, 1),
        "bind_transceiver 1: system_id siaran, password hidden, system_type SMPP, version 0x34",
    ),
    "its answer": (
        codec.encode(BindResp(mode=Mode.TRANSCEIVER, status=0, system_id="smsc", version=0x34), 1),
        "bind_transceiver_resp 1: ESME_ROK, system_id smsc, version 0x34",
    ),
    "an enquire_link": (framed(C.ENQUIRE_LINK, 0, 3), "enquire_link 3"),
    "a query": (
        codec.encode(QuerySm(message_id="702113", source=SOURCE), 4),
        "query_sm 4: id 702113, source 3774 (3/0)",
    ),
    "what it says": (
        codec.encode(QuerySmResp(status=0, message_id="702113", message_state=2), 4),
        "query_sm_resp 4: ESME_ROK, id 702113, message_state 2, error_code 0",
    ),
    "a cancel": (
        codec.encode(CancelSm(message_id="702113", source=SOURCE, destination=MOBILE), 4),
        "cancel_sm 4: id 702113, 3774 (3/0) to 64211234567 (1/1)",
    ),
    "nonsense refused": (framed(C.GENERIC_NACK, 3, 9), "generic_nack 9: ESME_RINVCMDID"),
    "unknown": (
        framed(0x00010203, 0, 9, SECRET),
        "unknown command 0x00010203 9: 16 octets",
    ),
    "cut short inside": (
        framed(C.SUBMIT_SM, 0, 9, b"\0\1"),
        "submit_sm 9: damaged: submit_sm ends in the midst of a parameter",
    ),
    "no PDU": (
        b"\0\0\0\4" + SECRET,
        "damaged: command_length 4 is not between 16 and 65536",
    ),
    "half a PDU": (submitted()[:20], "damaged: 20 octets, which are no whole PDU"),
}


@pytest.mark.parametrize(("octets", "line"), LINES.values(), ids=LINES.keys())
def test_a_line_says_what_it_is(octets: bytes, line: str) -> None:
    assert trace.line(octets) == line
    assert "PIN" not in line
    assert "geheim" not in trace.line(octets, show_text=True)


def test_a_text_is_shown_when_it_is_asked_for() -> None:
    assert trace.line(submitted(), show_text=True).endswith(", text 'Your PIN is 4711'")
    unknown = trace.line(framed(0x00010203, 0, 9, b"\1\2"), show_text=True)
    assert unknown == "unknown command 0x00010203 9: 0102"


def test_nothing_that_comes_makes_it_raise() -> None:
    """All commands, cut at each octet, and noise."""
    chance = random.Random(1)
    whole = [octets for octets, _ in LINES.values()]
    for octets in whole:
        for at in range(16, len(octets)):
            cut = octets[:at]
            trace.line((len(cut)).to_bytes(4, "big") + cut[4:], show_text=True)
    for command in (*C, *(one | RESPONSE for one in C), 0x7777):
        for size in (0, 1, 3, 17, 90):
            trace.line(framed(command, 0, 1, chance.randbytes(size)), show_text=True)
            trace.line(framed(command, 1, 1, chance.randbytes(size)))
