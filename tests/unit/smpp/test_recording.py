"""What the simulator writes down of what it got (R-5.12)."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smpp import recording, segments, tlv
from smpp.pdu import Command, ShortMessage
from smpp.recording import Part

AT = datetime(2026, 11, 3, 9, 10, 0, 123456, tzinfo=UTC)


def submit(
    octets: bytes, *, esm_class: int = 0, data_coding: int = 0, payload: bytes | None = None
) -> ShortMessage:
    tlvs = tlv.NONE if payload is None else {tlv.MESSAGE_PAYLOAD: payload}
    return ShortMessage(
        Command.SUBMIT_SM, 1, "", 3, 0, "3774", 1, 1, "64211234567", esm_class, 0, 0, 1,
        data_coding, octets, tlvs,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("message", "text", "part"),
    [
        (submit(b"Halo"), "Halo", None),
        (submit(b"", payload=b"Halo"), "Halo", None),
        (submit("Hālo".encode("utf-16-be"), data_coding=8), "Hālo", None),
        (submit(b"\x05\0\x03\x2a\3\2Halo", esm_class=0x40), "Halo", Part(42, 2, 3)),
        (submit(b"\x06\x08\4\1\2\3\2Halo", esm_class=0x40), "Halo", Part(258, 2, 3)),
        # Another element before it: application ports.
        (submit(b"\x0b\5\4\1\2\3\4\0\3\7\2\1Halo", esm_class=0x40), "Halo", Part(7, 1, 2)),
        (submit(b"\x06\5\4\1\2\3\4Halo", esm_class=0x40), "Halo", None),
        (submit(b"\5\0\3*\3\2Halo"), "é@¥*¥$Halo", None),  # not marked as a header: text
        (submit(b"\x05\0\x03\x2a", esm_class=0x40), "", None),  # a header that breaks off
        (submit(b"", esm_class=0x40), "", None),
        (submit(b"\0", esm_class=0x40), "", None),
    ],
)
def test_a_segment_is_read(message: ShortMessage, text: str, part: Part | None) -> None:
    assert recording.read(message) == (text, part)


@given(text=st.text(max_size=600), reference=st.integers(0, 65535))
def test_what_was_cut_is_read_back(text: str, reference: int) -> None:
    """R-2.2: the texts of all parts joined are the text, and they are numbered."""
    clean = "".join(char for char in text if not 0xD800 <= ord(char) < 0xE000 and char != "\0")
    read = [
        recording.read(submit(s.octets, esm_class=s.esm_class, data_coding=s.data_coding))
        for s in segments.split(clean, None, reference=reference)
    ]
    assert "".join(text for text, _ in read) == clean
    if len(read) > 1:
        assert [part for _, part in read] == [
            Part(reference & 0xFF, number, len(read)) for number in range(1, len(read) + 1)
        ]
    else:
        assert [part for _, part in read] == [None]


@given(
    octets=st.binary(max_size=254),
    esm_class=st.integers(0, 255),
    data_coding=st.integers(0, 255),
    payload=st.none() | st.binary(max_size=300),
    source=st.text(st.characters(max_codepoint=255), max_size=30),
    message_id=st.none() | st.just("702113"),
)
def test_anything_makes_one_line(
    octets: bytes,
    esm_class: int,
    data_coding: int,
    payload: bytes | None,
    source: str,
    message_id: str | None,
) -> None:
    """Never raises, and can be written as UTF-8, whatever an ESME sends."""
    message = submit(octets, esm_class=esm_class, data_coding=data_coding, payload=payload)
    line = recording.line(
        message._replace(source=source), bind="siaran", message_id=message_id, at=AT
    )
    assert line.encode("utf-8").count(b"\n") == 1
    read = json.loads(line)
    assert list(read) == [
        "at", "bind", "source", "destination", "data_coding", "esm_class", "text", "ref", "part",
        "total", "id",
    ]  # fmt: skip
    assert (read["at"], read["bind"]) == ("2026-11-03T09:10:00.123456+00:00", "siaran")
    assert (read["source"], read["id"], read["esm_class"]) == (source, message_id, esm_class)
