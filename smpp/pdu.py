"""What is said on an SMPP session, as values (SMPP 3.4 §4): no octets, no state.

Values of ours are valid once built: they refuse what the wire can't carry, with a `ValueError`,
and never cut it. `ShortMessage` alone is a tuple, because thousands a second are read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, NamedTuple

from smpp import tlv

RESPONSE: Final = 0x80000000
"""The bit that makes a request's command_id that of its response."""


class Command(IntEnum):
    """command_id (SMPP 3.4 §5.1.2.1)."""

    BIND_RECEIVER = 0x1
    BIND_TRANSMITTER = 0x2
    QUERY_SM = 0x3
    SUBMIT_SM = 0x4
    DELIVER_SM = 0x5
    UNBIND = 0x6
    REPLACE_SM = 0x7
    CANCEL_SM = 0x8
    BIND_TRANSCEIVER = 0x9
    OUTBIND = 0xB
    ENQUIRE_LINK = 0x15
    SUBMIT_MULTI = 0x21
    ALERT_NOTIFICATION = 0x102
    DATA_SM = 0x103
    GENERIC_NACK = 0x80000000
    BIND_RECEIVER_RESP = 0x80000001
    BIND_TRANSMITTER_RESP = 0x80000002
    QUERY_SM_RESP = 0x80000003
    SUBMIT_SM_RESP = 0x80000004
    DELIVER_SM_RESP = 0x80000005
    UNBIND_RESP = 0x80000006
    REPLACE_SM_RESP = 0x80000007
    CANCEL_SM_RESP = 0x80000008
    BIND_TRANSCEIVER_RESP = 0x80000009
    ENQUIRE_LINK_RESP = 0x80000015
    SUBMIT_MULTI_RESP = 0x80000021
    DATA_SM_RESP = 0x80000103


def name(command: int) -> str:
    """A command_id for people: its name, or its number where it has none."""
    try:
        return Command(command).name.lower()
    except ValueError:
        return f"command 0x{command:08X}"


class PduError(Exception):
    """A PDU of the peer's can't be read. `status` is the command_status to answer it with."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Mode(IntEnum):
    """What a bind is for; the number is its command_id."""

    RECEIVER = Command.BIND_RECEIVER
    TRANSMITTER = Command.BIND_TRANSMITTER
    TRANSCEIVER = Command.BIND_TRANSCEIVER


VERSION_33: Final = 0x33
VERSION_34: Final = 0x34

# Sizes without the closing NUL (SMPP 3.4 §5.2). message_id has 65 with it.
SYSTEM_ID_MAX: Final = 15
PASSWORD_MAX: Final = 8
SYSTEM_TYPE_MAX: Final = 12
ADDRESS_RANGE_MAX: Final = 40
ADDRESS_MAX: Final = 20
SERVICE_TYPE_MAX: Final = 5
MESSAGE_ID_MAX: Final = 64
TIME_MAX: Final = 16
SHORT_MESSAGE_MAX: Final = 254


def c_octets(name: str, value: str, limit: int) -> bytes:
    """`value` as Latin-1 without its closing NUL; `ValueError` names the field and the fault."""
    if len(value) > limit:
        raise ValueError(f"{name} has {len(value)} characters; SMPP allows {limit}")
    if "\0" in value:
        raise ValueError(f"{name} has a NUL in it")
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} has {value[error.start]!r}, which is not Latin-1") from None


def octet(name: str, value: int) -> int:
    """`value` itself if it fits one octet, else `ValueError`."""
    if not 0 <= value <= 0xFF:
        raise ValueError(f"{name} is {value}; it must be 0 to 255")
    return value


@dataclass(frozen=True, slots=True)
class Address:
    """A source or destination: type of number, numbering plan, digits or letters (§5.2.5–5.2.9)."""

    ton: int
    npi: int
    value: str

    def __post_init__(self) -> None:
        octet("TON", self.ton)
        octet("NPI", self.npi)
        c_octets("the address", self.value, ADDRESS_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """bind_transmitter, bind_receiver, bind_transceiver (§4.1). The password is never in a repr."""

    mode: Mode
    system_id: str
    password: str = field(default="", repr=False)
    system_type: str = ""
    interface_version: int = VERSION_34
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""

    def __post_init__(self) -> None:
        c_octets("system_id", self.system_id, SYSTEM_ID_MAX)
        try:
            c_octets("the password", self.password, PASSWORD_MAX)
        except ValueError:
            # Not even one character of it may reach a log.
            raise ValueError(
                f"the password of system_id {self.system_id!r} must be at most {PASSWORD_MAX} "
                "Latin-1 characters without NUL"
            ) from None
        c_octets("system_type", self.system_type, SYSTEM_TYPE_MAX)
        c_octets("address_range", self.address_range, ADDRESS_RANGE_MAX)
        octet("interface_version", self.interface_version)
        octet("addr_ton", self.addr_ton)
        octet("addr_npi", self.addr_npi)


@dataclass(frozen=True, slots=True, kw_only=True)
class BindResp:
    """The answer to a bind. `version` is None where the SMSC named none: it speaks 3.3 (§4.1)."""

    mode: Mode
    status: int
    system_id: str = ""
    version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuerySm:
    """What became of a message (§4.8.1)? `source` must be that of its submit_sm."""

    message_id: str
    source: Address

    def __post_init__(self) -> None:
        c_octets("message_id", self.message_id, MESSAGE_ID_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuerySmResp:
    """The answer: `message_state` as in the receipt's TLV; all but `status` is empty on errors."""

    status: int
    message_id: str = ""
    final_date: str = ""
    message_state: int = 0
    error_code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelSm:
    """Take a message back (§4.9.1)."""

    message_id: str
    source: Address
    destination: Address
    service_type: str = ""

    def __post_init__(self) -> None:
        c_octets("message_id", self.message_id, MESSAGE_ID_MAX)
        c_octets("service_type", self.service_type, SERVICE_TYPE_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelSmResp:
    """The answer to cancel_sm: a status and nothing else (§4.9.2)."""

    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertNotification:
    """A handset can be reached again (§4.12.1). Nothing answers it."""

    source: str
    esme: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbind:
    """The SMSC asks us to bind (§4.1.7). Nothing answers it; its password is not kept."""

    system_id: str


Request = Bind | QuerySm | CancelSm
Response = BindResp | QuerySmResp | CancelSmResp
Pdu = Request | Response | AlertNotification | Outbind


class ShortMessage(NamedTuple):
    """A submit_sm, deliver_sm or data_sm as it was read: one layout for all (§4.4.1, §4.6.1, §4.7.1).

    Addresses are Latin-1 text; `short_message` is octets with the user data header if there is
    one; `tlvs` is `tlv.NONE` when there are none. What data_sm lacks is 0 or empty.
    """

    command: int
    sequence: int
    service_type: str
    source_ton: int
    source_npi: int
    source: str
    dest_ton: int
    dest_npi: int
    destination: str
    esm_class: int
    protocol_id: int
    priority: int
    registered_delivery: int
    data_coding: int
    short_message: bytes
    tlvs: Mapping[int, bytes]

    @property
    def octets(self) -> bytes:
        """The user data: short_message, else message_payload, else nothing (§4.4.1 note 2)."""
        return self.short_message or self.tlvs.get(tlv.MESSAGE_PAYLOAD, b"")


Deliver = ShortMessage
"""A deliver_sm or data_sm that an ESME has read."""

Submit = ShortMessage
"""A submit_sm or data_sm that an SMSC has read."""
