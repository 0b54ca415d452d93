"""PDUs ↔ octets (SMPP 3.4 §4): those of `traffic`, and here the rare ones.

Binds and queries are built by smpplib, out of values that can't be too long, because smpplib
cuts silently. Nothing foreign is *read* by smpplib: truncated input makes it raise
`struct.error`, read nonsense as good, or jump back (seen in 2.2.4). A property test holds both
equal, octet for octet, wherever smpplib is right.
"""

from collections.abc import Mapping
from typing import Any, Final, assert_never

from smpplib import smpp as smpplib_pdu

from smpp import status as smpp_status
from smpp import tlv
from smpp.pdu import (
    RESPONSE,
    Address,
    AlertNotification,
    Bind,
    BindResp,
    CancelSm,
    CancelSmResp,
    Command,
    Mode,
    Outbind,
    Pdu,
    PduError,
    QuerySm,
    QuerySmResp,
    Request,
    Response,
    ShortMessage,
    name,
)
from smpp.traffic import (
    SubmitTemplate,
    deliver_back,
    deliver_responses,
    header_only,
    pack_header,
    parse_message_id,
    parse_short_message,
    submit_responses,
    truncated,
)

__all__ = [
    "PduError",
    "SubmitTemplate",
    "decode",
    "deliver_back",
    "deliver_responses",
    "encode",
    "header_only",
    "name",
    "pack_header",
    "parse_data_sm",
    "parse_message_id",
    "parse_short_message",
    "submit_responses",
]

_BIND: Final = "zzzbbbz"
_LAYOUTS: Final[Mapping[int, str]] = {
    # Mandatory parameters in their order: z = C-octet string, b = one octet.
    Command.BIND_RECEIVER: _BIND,
    Command.BIND_TRANSMITTER: _BIND,
    Command.BIND_TRANSCEIVER: _BIND,
    Command.QUERY_SM: "zbbz",
    Command.QUERY_SM_RESP: "zzbb",
    Command.CANCEL_SM: "zzbbzbbz",
    Command.DATA_SM: "zbbzbbzbbb",
    Command.ALERT_NOTIFICATION: "bbzbbz",
    Command.OUTBIND: "zz",
}


def encode(pdu: Request | Response, sequence: int) -> bytes:
    """The octets of a PDU that is not hot, with its header."""
    match pdu:
        case Bind():
            return _by_smpplib(
                name(pdu.mode),
                sequence,
                system_id=pdu.system_id,
                password=pdu.password,
                system_type=pdu.system_type,
                interface_version=pdu.interface_version,
                addr_ton=pdu.addr_ton,
                addr_npi=pdu.addr_npi,
                address_range=pdu.address_range,
            )
        case BindResp() | QuerySmResp() if pdu.status:
            command = pdu.mode | RESPONSE if isinstance(pdu, BindResp) else Command.QUERY_SM_RESP
            return header_only(command, pdu.status, sequence)
        case BindResp():
            return _by_smpplib(
                name(pdu.mode) + "_resp",
                sequence,
                system_id=pdu.system_id,
                sc_interface_version=pdu.version,
            )
        case QuerySm():
            return _by_smpplib(
                "query_sm",
                sequence,
                message_id=pdu.message_id,
                source_addr_ton=pdu.source.ton,
                source_addr_npi=pdu.source.npi,
                source_addr=pdu.source.value,
            )
        case QuerySmResp():
            return _by_smpplib(
                "query_sm_resp",
                sequence,
                message_id=pdu.message_id,
                final_date=pdu.final_date,
                message_state=pdu.message_state,
                error_code=pdu.error_code,
            )
        case CancelSm():  # smpplib has none
            return _frame(
                Command.CANCEL_SM,
                sequence,
                pdu.service_type,
                pdu.message_id,
                *_parts(pdu.source),
                *_parts(pdu.destination),
            )
        case CancelSmResp():
            return header_only(Command.CANCEL_SM_RESP, pdu.status, sequence)
        case _:
            assert_never(pdu)


def decode(command: int, status: int, buffer: bytes, start: int, stop: int) -> Pdu:
    """The value of a PDU that is not hot. Raises `PduError` and nothing else."""
    match command:
        case Command.BIND_RECEIVER | Command.BIND_TRANSMITTER | Command.BIND_TRANSCEIVER:
            return _decode_bind(Mode(command), buffer, start, stop)
        case (
            Command.BIND_RECEIVER_RESP
            | Command.BIND_TRANSMITTER_RESP
            | Command.BIND_TRANSCEIVER_RESP
        ):
            end = buffer.find(b"\0", start, stop)
            end = stop if end < 0 else end
            version = tlv.parse(buffer, end + 1, stop).get(tlv.SC_INTERFACE_VERSION)
            return BindResp(
                mode=Mode(command & ~RESPONSE),
                status=status,
                system_id=buffer[start:end].decode("latin-1"),
                version=version[0] if version else None,
            )
        case Command.QUERY_SM_RESP if status:
            return QuerySmResp(status=status)
        case Command.CANCEL_SM_RESP:
            return CancelSmResp(status=status)
        case _ if command not in _LAYOUTS:
            raise PduError(smpp_status.INVALID_COMMAND, f"{name(command)} is not supported")
    fields, _ = _read_layout(command, buffer, start, stop)
    try:
        return _from_fields(command, fields)
    except ValueError as error:
        raise PduError(smpp_status.INVALID_COMMAND_LENGTH, f"{name(command)}: {error}") from None


def parse_data_sm(
    command: int, sequence: int, buffer: bytes, start: int, stop: int
) -> ShortMessage:
    """A data_sm as a `ShortMessage` (§4.7.1); its text is in message_payload."""
    fields, end = _read_layout(Command.DATA_SM, buffer, start, stop)
    service_type, ton, npi, source, dest_ton, dest_npi, destination, esm, registered, coding = (
        fields
    )
    return ShortMessage(
        command=command,
        sequence=sequence,
        service_type=service_type,
        source_ton=ton,
        source_npi=npi,
        source=source,
        dest_ton=dest_ton,
        dest_npi=dest_npi,
        destination=destination,
        esm_class=esm,
        protocol_id=0,
        priority=0,
        registered_delivery=registered,
        data_coding=coding,
        short_message=b"",
        tlvs=tlv.parse(buffer, end, stop),
    )


def _decode_bind(mode: Mode, buffer: bytes, start: int, stop: int) -> Bind:
    fields, _ = _read_layout(mode, buffer, start, stop)
    system_id, password, system_type, version, ton, npi, address_range = fields
    try:
        return Bind(
            mode=mode,
            system_id=system_id,
            password=password,
            system_type=system_type,
            interface_version=version,
            addr_ton=ton,
            addr_npi=npi,
            address_range=address_range,
        )
    except ValueError as error:
        raise PduError(smpp_status.BIND_FAILED, f"{name(mode)}: {error}") from None


def _from_fields(command: int, fields: list[Any]) -> Pdu:
    match command:
        case Command.QUERY_SM:
            return QuerySm(message_id=fields[0], source=Address(*fields[1:4]))
        case Command.QUERY_SM_RESP:
            return QuerySmResp(
                status=smpp_status.OK,
                message_id=fields[0],
                final_date=fields[1],
                message_state=fields[2],
                error_code=fields[3],
            )
        case Command.CANCEL_SM:
            return CancelSm(
                service_type=fields[0],
                message_id=fields[1],
                source=Address(*fields[2:5]),
                destination=Address(*fields[5:8]),
            )
        case Command.ALERT_NOTIFICATION:
            return AlertNotification(source=fields[2], esme=fields[5])
        case _:
            return Outbind(system_id=fields[0])


def _read_layout(command: int, buffer: bytes, start: int, stop: int) -> tuple[list[Any], int]:
    """The mandatory parameters and where they end: str for z, int for b."""
    fields: list[Any] = []
    at = start
    for kind in _LAYOUTS[command]:
        if kind == "b":
            if at >= stop:
                raise truncated(command)
            fields.append(buffer[at])
        else:
            end = buffer.find(b"\0", at, stop)
            if end < 0:
                raise truncated(command)
            fields.append(buffer[at:end].decode("latin-1"))
            at = end
        at += 1
    return fields, at


def _by_smpplib(command: str, sequence: int, **fields: str | int | None) -> bytes:
    pdu = smpplib_pdu.make_pdu(command, sequence=sequence)
    # Its constructors want a sequence and then ignore it, as they do an interface_version.
    pdu.sequence = sequence
    for field, value in fields.items():
        setattr(pdu, field, value)
    return bytes(pdu.generate())


def _frame(command: Command, sequence: int, *fields: int | str) -> bytes:
    body = b"".join(
        bytes((field,)) if isinstance(field, int) else field.encode("latin-1") + b"\0"
        for field in fields
    )
    return pack_header(16 + len(body), command, 0, sequence) + body


def _parts(address: Address) -> tuple[int, int, str]:
    return address.ton, address.npi, address.value
