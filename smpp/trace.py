"""A PDU as a line to read (R-5.13). Pure: octets in, text out, and nothing raises.

    submit_sm 17: 3774 (3/0) to 64211234567 (1/1), esm_class 0x40, data_coding 0x00, part 1 of 2
    (reference 9), 133 octets of text
    submit_sm_resp 17: ESME_ROK, id 702113

Passwords never stand in it, texts only when they are asked for. What can't be read is told as what
it is: unknown, or damaged and why.
"""

from collections.abc import Mapping
from typing import Final

from smpp import codec, recording, status, tlv
from smpp import receipt as receipts
from smpp.framing import split
from smpp.pdu import (
    RESPONSE,
    Address,
    AlertNotification,
    Bind,
    BindResp,
    CancelSm,
    Command,
    Outbind,
    PduError,
    QuerySm,
    QuerySmResp,
    ShortMessage,
    name,
)

__all__ = ["line"]

_KNOWN: Final = frozenset(int(command) for command in Command)
_TEXTS: Final = frozenset({int(Command.SUBMIT_SM), int(Command.DELIVER_SM)})
_WITH_ID: Final = frozenset(
    int(command) | RESPONSE for command in (Command.SUBMIT_SM, Command.DELIVER_SM, Command.DATA_SM)
)
_TLVS: Final[Mapping[int, str]] = {
    value: word.lower()
    for word, value in vars(tlv).items()
    if word.isupper() and isinstance(value, int)
}
_NAMES: Final = frozenset({tlv.RECEIPTED_MESSAGE_ID})
"""Parameters that are C-octet strings."""
_SHOWN: Final = 32
"""Octets of a value that is shown as hexadecimal digits."""
_NUMBER: Final = 4
"""A value of at most so many octets is shown as a number."""


def line(octets: bytes, *, show_text: bool = False) -> str:
    """One PDU, header and all. One that is cut short is damaged."""
    frames, _, fault = split(octets)
    if not frames:
        return f"damaged: {fault or f'{len(octets)} octets, which are no whole PDU'}"
    command, number, sequence, start, stop = frames[0]
    begin = f"{name(command)} {sequence}"
    if command not in _KNOWN:
        body = _hex(octets[start:stop]) if show_text else f"{stop - start} octets"
        return f"unknown command 0x{command:08X} {sequence}: {body}"
    words: list[str] = []
    if command & RESPONSE or number:
        info = status.info(number)
        listed = number in status.TABLE
        words.append(info.name if listed else f"{info.name} (0x{number:X})")
    try:
        words += _words(command, number, sequence, octets, start, stop, show_text)
    except PduError as error:
        words.append(f"damaged: {error.message}")
    return f"{begin}: {', '.join(words)}" if words else begin


def _words(
    command: int,
    number: int,
    sequence: int,
    octets: bytes,
    start: int,
    stop: int,
    show_text: bool,
) -> list[str]:
    if command in _TEXTS:
        message = codec.parse_short_message(command, sequence, octets, start, stop)
        return _message(message, show_text)
    if command == Command.DATA_SM:
        return _message(codec.parse_data_sm(command, sequence, octets, start, stop), show_text)
    if command in _WITH_ID:
        smsc_id = codec.parse_message_id(octets, start, stop)
        end = octets.find(b"\0", start, stop)
        tlvs = tlv.NONE if end < 0 else tlv.parse(octets, end + 1, stop)
        return ([] if smsc_id is None else [f"id {smsc_id}"]) + _tlvs(tlvs, show_text)
    if stop == start:
        return []
    match codec.decode(command, number, octets, start, stop):
        case Bind(system_id=system_id, interface_version=version, system_type=system_type):
            kind = [f"system_type {system_type}"] if system_type else []
            return [f"system_id {system_id}", "password hidden", *kind, f"version 0x{version:02X}"]
        case BindResp(system_id=system_id, version=None):
            return [f"system_id {system_id}", "no version"]
        case BindResp(system_id=system_id, version=answered):
            return [f"system_id {system_id}", f"version 0x{answered:02X}"]
        case QuerySm(message_id=message_id, source=source):
            return [f"id {message_id}", f"source {_address(source)}"]
        case QuerySmResp(message_id=message_id, message_state=state, error_code=error):
            return [f"id {message_id}", f"message_state {state}", f"error_code {error}"]
        case CancelSm(message_id=message_id, source=source, destination=destination):
            return [f"id {message_id}", f"{_address(source)} to {_address(destination)}"]
        case AlertNotification(source=about):
            return [f"source {about}"]
        case Outbind(system_id=system_id):
            return [f"system_id {system_id}", "password hidden"]
        case _:
            return [f"{stop - start} octets"]


def _message(message: ShortMessage, show_text: bool) -> list[str]:
    source = f"{message.source} ({message.source_ton}/{message.source_npi})"
    destination = f"{message.destination} ({message.dest_ton}/{message.dest_npi})"
    words = [f"{source} to {destination}"]
    if message.service_type:
        words.append(f"service_type {message.service_type}")
    words += [f"esm_class 0x{message.esm_class:02X}", f"data_coding 0x{message.data_coding:02X}"]
    read = None
    if message.command != Command.SUBMIT_SM:
        read = receipts.parse(message.octets, message.tlvs, message.esm_class, message.data_coding)
    if read is not None:
        words.append(f"receipt {read.state} of {' or '.join(read.ids) or 'no id'}")
        words += [f"stat {read.stat}"] if read.stat else []
        words += [f"err {read.err}"] if read.err else []
    text, part = recording.read(message)
    if part is not None:
        words.append(f"part {part.part} of {part.total} (reference {part.reference})")
    if show_text:
        words.append(f"text {text!r}")
    else:
        words.append(f"{len(message.octets)} octets of text")
    return words + _tlvs(message.tlvs, show_text)


def _tlvs(tlvs: Mapping[int, bytes], show_text: bool) -> list[str]:
    words: list[str] = []
    for tag, value in tlvs.items():
        word = _TLVS.get(tag, f"0x{tag:04X}")
        if tag == tlv.MESSAGE_PAYLOAD:
            words.append(f"{word} {len(value)} octets")  # it is the text
        elif tag in _NAMES:
            words.append(f"{word} {tlv.c_string(value)}")
        elif tag in _TLVS and 0 < len(value) <= _NUMBER:
            words.append(f"{word} {int.from_bytes(value, 'big')}")
        elif show_text or tag in _TLVS:
            words.append(f"{word} {_hex(value)}")
        else:  # a carrier's own: who knows what it holds
            words.append(f"{word} {len(value)} octets")
    return words


def _address(address: Address) -> str:
    return f"{address.value} ({address.ton}/{address.npi})"


def _hex(octets: bytes) -> str:
    more = f"… ({len(octets)} octets)" if len(octets) > _SHOWN else ""
    return f"{octets[:_SHOWN].hex() or 'empty'}{more}"
