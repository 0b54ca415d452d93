"""The PDUs that come by the thousand ↔ octets: submit_sm, deliver_sm and their responses.

Table-driven, over one buffer, without a copy of a PDU and without smpplib, which takes 75 µs for
what is done in 2 µs here (SMPP 3.4 §4.4, §4.6). `codec` hands on all of this and adds the rest.
"""

import struct
from collections.abc import Callable, Iterable
from typing import Final

from smpp import status as smpp_status
from smpp import tlv
from smpp.pdu import (
    ADDRESS_MAX,
    RESPONSE,
    SERVICE_TYPE_MAX,
    SHORT_MESSAGE_MAX,
    TIME_MAX,
    Address,
    PduError,
    ShortMessage,
    c_octets,
    name,
    octet,
)

# ---- built ------------------------------------------------------------------------------------

pack_header: Final[Callable[[int, int, int, int], bytes]] = struct.Struct(">IIII").pack
"""command_length, command_id, command_status, sequence_number (§3.2)."""

_pack_empty_id: Final = struct.Struct(">IIIIx").pack
_OCTETS: Final = tuple(bytes((n,)) for n in range(256))


def header_only(command: int, status: int, sequence: int) -> bytes:
    """A PDU without a body: enquire_link, unbind, their responses, generic_nack, refusals."""
    return pack_header(16, command, status, sequence)


def deliver_responses(answers: Iterable[tuple[int, int, int]]) -> bytes:
    """The responses to deliver_sm and data_sm, as (command of the request, sequence, status).

    Their message_id is unused and NULL (§4.6.2).
    """
    return b"".join(
        [
            _pack_empty_id(17, command | RESPONSE, status, sequence)
            for command, sequence, status in answers
        ]
    )


def submit_responses(answers: Iterable[tuple[int, int, int, str]]) -> bytes:
    """The responses to submit_sm and data_sm: (command of the request, sequence, status, id).

    Only a good one carries its id; an error has no body (§4.4.2). An SMSC's side.
    """
    parts: list[bytes] = []
    for command, sequence, status, message_id in answers:
        body = b"" if status else message_id.encode("latin-1") + b"\0"
        parts.append(pack_header(16 + len(body), command | RESPONSE, status, sequence))
        parts.append(body)
    return b"".join(parts)


class SubmitTemplate:
    """All of a submit_sm that messages of one sender on one carrier have in common.

    What stands before the destination is built once, what stands between it and the text once
    for each pair of esm_class and data_coding; `tlvs`, octets as `tlv.build` makes them, close
    each PDU. `ValueError` for what SMPP can't carry.
    """

    __slots__ = ("_before", "_between", "_tails", "_tlvs")

    def __init__(
        self,
        source: Address,
        dest_ton: int,
        dest_npi: int,
        service_type: str = "",
        protocol_id: int = 0,
        priority: int = 0,
        validity_period: str = "",
        schedule: str = "",
        registered_delivery: int = 1,
        replace: int = 0,
        tlvs: bytes = b"",
    ) -> None:
        self._before = b"%b\0%c%c%b\0%c%c" % (
            c_octets("service_type", service_type, SERVICE_TYPE_MAX),
            source.ton,
            source.npi,
            source.value.encode("latin-1"),
            octet("the destination's TON", dest_ton),
            octet("the destination's NPI", dest_npi),
        )
        self._between = b"%c%c%b\0%b\0%c%c" % (
            octet("protocol_id", protocol_id),
            octet("priority", priority),
            c_octets("schedule_delivery_time", schedule, TIME_MAX),
            c_octets("validity_period", validity_period, TIME_MAX),
            octet("registered_delivery", registered_delivery),
            octet("replace_if_present", replace),
        )
        self._tails: dict[tuple[int, int], bytes] = {}
        self._tlvs = tlvs

    def body(
        self,
        destination: str,
        esm_class: int,
        data_coding: int,
        short_message: bytes,
        tlvs: bytes = b"",
    ) -> bytes:
        """A submit_sm without its header: the sequence number is known when it is written.

        `tlvs` are those of this one segment (SAR, message_payload).
        """
        tail = self._tails.get((esm_class, data_coding)) or self._tail(esm_class, data_coding)
        size = len(short_message)
        if size > SHORT_MESSAGE_MAX or len(destination) > ADDRESS_MAX or "\0" in destination:
            c_octets("the destination", destination, ADDRESS_MAX)
            raise _too_long(size)
        octets = destination.encode("latin-1")
        return b"".join(
            (self._before, octets, tail, _OCTETS[size], short_message, tlvs, self._tlvs)
        )

    def _tail(self, esm_class: int, data_coding: int) -> bytes:
        tail = b"\0%c%b%c\0" % (
            octet("esm_class", esm_class),
            self._between,
            octet("data_coding", data_coding),
        )
        self._tails[esm_class, data_coding] = tail
        return tail


def deliver_back(
    submit: ShortMessage,
    *,
    esm_class: int = 0,
    data_coding: int = 0,
    short_message: bytes = b"",
    tlvs: bytes = b"",
) -> bytes:
    """A deliver_sm from where `submit` went to where it came from, without its header.

    An SMSC's side: a receipt, or what the subscriber wrote back.
    """
    size = len(short_message)
    if size > SHORT_MESSAGE_MAX:
        raise _too_long(size)
    return b"\0%c%c%b\0%c%c%b\0%c\0\0\0\0\0\0%c\0%c%b%b" % (
        submit.dest_ton,
        submit.dest_npi,
        submit.destination.encode("latin-1"),
        submit.source_ton,
        submit.source_npi,
        submit.source.encode("latin-1"),
        octet("esm_class", esm_class),
        octet("data_coding", data_coding),
        size,
        short_message,
        tlvs,
    )


# ---- read -------------------------------------------------------------------------------------

_middle_at: Final = struct.Struct(">BBB2xBBBBB").unpack_from
_after_at: Final = struct.Struct(">BBBBB").unpack_from
_new: Final = tuple.__new__


def parse_message_id(buffer: bytes, start: int, stop: int) -> str | None:
    """The id in a submit_sm_resp's body, as it came; None where there is none.

    A missing NUL and NULs too many are both seen in the field, and harmless.
    """
    if stop <= start:
        return None
    end = buffer.find(b"\0", start, stop)
    return buffer[start : stop if end < 0 else end].decode("latin-1") or None


def parse_short_message(
    command: int, sequence: int, buffer: bytes, start: int, stop: int
) -> ShortMessage:
    """The submit_sm or deliver_sm whose body is `buffer[start:stop]` (§4.4.1, §4.6.1).

    Raises `PduError` and nothing else. Long addresses are taken as they come.
    """
    find = buffer.find
    first = find(b"\0", start, stop)
    second = find(b"\0", first + 3, stop)
    third = find(b"\0", second + 3, stop)
    # A find that failed gave -1, and the next one then began too early: order shows it.
    if first < start or second <= first or third <= second or third + 11 > stop:
        raise truncated(command)
    if buffer[third + 4 : third + 6] == b"\0\0":  # no schedule, no validity: nearly always
        esm_class, protocol_id, priority, registered, _, data_coding, _, size = _middle_at(
            buffer, third + 1
        )
        at = third + 11
    else:
        schedule_end = find(b"\0", third + 4, stop)
        validity_end = find(b"\0", schedule_end + 1, stop)
        at = validity_end + 6
        if schedule_end < 0 or validity_end < 0 or at > stop:
            raise truncated(command)
        esm_class, protocol_id, priority = buffer[third + 1 : third + 4]
        registered, _, data_coding, _, size = _after_at(buffer, validity_end + 1)
    end = at + size
    if end > stop:
        raise PduError(
            smpp_status.INVALID_MESSAGE_LENGTH,
            f"{name(command)}: sm_length {size}, but {stop - at} octets follow",
        )
    return _new(
        ShortMessage,
        (
            command,
            sequence,
            buffer[start:first].decode("latin-1") if first > start else "",
            buffer[first + 1],
            buffer[first + 2],
            buffer[first + 3 : second].decode("latin-1"),
            buffer[second + 1],
            buffer[second + 2],
            buffer[second + 3 : third].decode("latin-1"),
            esm_class,
            protocol_id,
            priority,
            registered,
            data_coding,
            buffer[at:end],
            tlv.NONE if end == stop else tlv.parse(buffer, end, stop),
        ),
    )


def truncated(command: int) -> PduError:
    """The error of a body that ends before its last mandatory parameter."""
    return PduError(
        smpp_status.INVALID_COMMAND_LENGTH, f"{name(command)} ends in the midst of a parameter"
    )


def _too_long(size: int) -> ValueError:
    return ValueError(f"short_message has {size} octets; SMPP allows {SHORT_MESSAGE_MAX}")
