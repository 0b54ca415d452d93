"""What a simulated SMSC received, a line of JSON for each submit_sm (R-5.12).

    {"at": "2026-11-03T09:10:00.123456+00:00", "bind": "siaran", "source": "3774",
     "destination": "64211234567", "data_coding": 0, "esm_class": 0, "text": "Halo",
     "ref": null, "part": null, "total": null, "id": "702113"}

`text` is the segment's own; `ref`, `part` and `total` are those of a concatenated message. `id`
is null for what the SMSC did not take.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from smpp import alphabet, national, tlv
from smpp.alphabet import Alphabet
from smpp.pdu import Submit

_UDHI: Final = 0x40
_CONCATENATED_8: Final = 0x00
_CONCATENATED_16: Final = 0x08
_DEFAULT: Final = (0x00, 0x10)  # the default alphabet; flash


class Part(NamedTuple):
    """Where a segment stands in a concatenated message (3GPP 23.040 §9.2.3.24.1)."""

    reference: int
    part: int
    total: int


def read(submit: Submit, default: Alphabet = "gsm") -> tuple[str, Part | None]:
    """The text of a segment, and its place when it is one of several. Never raises.

    `default` is what data_coding 0 means.
    """
    octets, part, shift = submit.octets, None, national.PLAIN
    if submit.esm_class & _UDHI and octets:
        end = 1 + octets[0]
        header = octets[1:end]
        part, shift = _part(header), national.read_header(header)
        octets = octets[end:]
    elif tlv.SAR_TOTAL_SEGMENTS in submit.tlvs:
        part = _sar(submit.tlvs)
    if shift != national.PLAIN and default == "gsm" and submit.data_coding in _DEFAULT:
        return national.decode(octets, shift), part
    return alphabet.decode(octets, submit.data_coding, default), part


def line(
    submit: Submit,
    *,
    bind: str,
    message_id: str | None,
    at: datetime,
    default: Alphabet = "gsm",
) -> str:
    """The line of one submit_sm, with its newline."""
    text, part = read(submit, default)
    record = {
        "at": at.isoformat(),
        "bind": bind,
        "source": submit.source,
        "destination": submit.destination,
        "data_coding": submit.data_coding,
        "esm_class": submit.esm_class,
        "text": text,
        "ref": part and part.reference,
        "part": part and part.part,
        "total": part and part.total,
        "id": message_id,
    }
    return json.dumps(record, ensure_ascii=False) + "\n"


def _part(header: bytes) -> Part | None:
    """The concatenation element of a user data header; others are skipped."""
    at = 0
    while at + 2 <= len(header):
        kind, size = header[at], header[at + 1]
        value = header[at + 2 : at + 2 + size]
        if kind == _CONCATENATED_8 and len(value) == 3:
            return Part(value[0], value[2], value[1])
        if kind == _CONCATENATED_16 and len(value) == 4:
            return Part(value[0] << 8 | value[1], value[3], value[2])
        at += 2 + size
    return None


def _sar(tlvs: Mapping[int, bytes]) -> Part:
    """The place that SAR parameters tell (SMPP 3.4 §5.3.2.22–24); what is missing is 0."""
    reference, total, part = (
        int.from_bytes(tlvs.get(tag, b""), "big")
        for tag in (tlv.SAR_MSG_REF_NUM, tlv.SAR_TOTAL_SEGMENTS, tlv.SAR_SEGMENT_SEQNUM)
    )
    return Part(reference, part, total)
