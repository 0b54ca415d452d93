"""Where one PDU ends and the next begins (SMPP 3.4 §3.2).

TCP brings octets, not PDUs: they come split and glued. A command_length that can't be true means
that we no longer know where a PDU begins; the session can only be ended.
"""

import struct
from typing import Final

HEADER_SIZE: Final = 16
PDU_MAX: Final = 64 * 1024
"""No PDU of SMPP 3.4 needs more: the largest value, message_payload, has 16 bits of length."""

_header_at = struct.Struct(">IIII").unpack_from
_length_at = struct.Struct(">I").unpack_from


Frame = tuple[int, int, int, int, int]
"""One whole PDU: command, status, sequence, and from where to where its body stands in the
buffer. A plain tuple: this is the hot path."""


def split(buffer: bytes) -> tuple[list[Frame], int, str | None]:
    """Find the whole PDUs of `buffer`: (frames, octets used up, fault).

    A fault says why what follows can't be read; the frames before it are good. A false length is
    seen in its first 4 octets.
    """
    frames: list[Frame] = []
    at, size = 0, len(buffer)
    while at + HEADER_SIZE <= size:
        length, command, status, sequence = _header_at(buffer, at)
        if not HEADER_SIZE <= length <= PDU_MAX:
            break
        stop = at + length
        if stop > size:
            break
        frames.append((command, status, sequence, at + HEADER_SIZE, stop))
        at = stop
    if at + 4 <= size:
        (length,) = _length_at(buffer, at)
        if not HEADER_SIZE <= length <= PDU_MAX:
            return frames, at, f"command_length {length} is not between {HEADER_SIZE} and {PDU_MAX}"
    return frames, at, None
