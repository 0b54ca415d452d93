"""Optional parameters: tag, length, value (SMPP 3.4 §3.2.4, §5.3.2).

Values stay octets: what a carrier put into one is judged by whoever needs it, so that a strange
TLV never costs the PDU it came with.
"""

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

RECEIPTED_MESSAGE_ID: Final = 0x001E
USER_MESSAGE_REFERENCE: Final = 0x0204
SAR_MSG_REF_NUM: Final = 0x020C
SAR_TOTAL_SEGMENTS: Final = 0x020E
SAR_SEGMENT_SEQNUM: Final = 0x020F
SC_INTERFACE_VERSION: Final = 0x0210
MESSAGE_PAYLOAD: Final = 0x0424
MESSAGE_STATE: Final = 0x0427
CONGESTION_STATE: Final = 0x0428

NONE: Final[Mapping[int, bytes]] = MappingProxyType({})
"""What a PDU without optional parameters has: one shared value, which nobody can write to."""

_HEAD: Final = struct.Struct(">HH")
_head_at = _HEAD.unpack_from


def parse(octets: bytes, start: int = 0, stop: int | None = None) -> Mapping[int, bytes]:
    """The parameters in `octets[start:stop]`; never raises.

    A damaged one ends the reading and what came before it is kept; the NUL too many that some
    carriers append is such an end. Of a tag that comes twice the first counts.

    >>> parse(build(MESSAGE_STATE, b"\\x02") + b"\\0")
    {1063: b'\\x02'}
    """
    end = len(octets) if stop is None else stop
    found: dict[int, bytes] = {}
    at = start
    while at + 4 <= end:
        tag, length = _head_at(octets, at)
        at += 4
        value_end = at + length
        if value_end > end:
            break
        if tag not in found:
            found[tag] = octets[at:value_end]
        at = value_end
    return found or NONE


def build(tag: int, value: bytes) -> bytes:
    """One parameter's octets. `ValueError` where tag or length don't fit 16 bits."""
    if not 0 <= tag <= 0xFFFF or len(value) > 0xFFFF:
        raise ValueError(f"TLV 0x{tag:04X} of {len(value)} octets doesn't fit 16 bits")
    return _HEAD.pack(tag, len(value)) + value


def c_string(value: bytes) -> str:
    """The text of a C-octet string parameter: up to the first NUL, which may be missing."""
    return value.partition(b"\0")[0].decode("latin-1")
