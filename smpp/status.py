"""command_status: number, name, meaning and what to do about it (SMPP 3.4 §5.1.3, R-5.7).

`policy` is what follows from a submit_sm_resp with that status; a carrier's configuration may
name another. `alert` asks for a person, because it is configuration or a fault of ours. For a
refused bind see `bind_policy`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

OK: Final = 0x00
INVALID_MESSAGE_LENGTH: Final = 0x01
INVALID_COMMAND_LENGTH: Final = 0x02
INVALID_COMMAND: Final = 0x03
INVALID_BIND_STATUS: Final = 0x04
ALREADY_BOUND: Final = 0x05
SYSTEM_ERROR: Final = 0x08
BIND_FAILED: Final = 0x0D
INVALID_PASSWORD: Final = 0x0E
INVALID_SYSTEM_ID: Final = 0x0F
QUEUE_FULL: Final = 0x14
THROTTLED: Final = 0x58
TEMPORARY: Final = 0x64
QUERY_FAILED: Final = 0x67
CANCEL_FAILED: Final = 0x11


class Policy(StrEnum):
    """What a status asks for."""

    ACCEPTED = "accepted"
    RETRY = "retry"  # 30 s growing, then another carrier, then failed
    RETRY_ONCE = "retry_once"  # once after 60 s, then failed
    THROTTLE = "throttle"  # not an attempt: back to the head of the queue, slower
    QUEUE_FULL = "queue_full"  # this message again in 60–180 s
    FAIL = "fail"
    FAIL_PDU = "fail_pdu"  # fail; repeated: reconnect
    FAIL_BIND = "fail_bind"  # fail; many in a row: pause the bind
    FAIL_CAMPAIGN = "fail_campaign"  # fail; 20 in a row: pause the campaign
    FAIL_TLV = "fail_tlv"  # fail; stop sending optional parameters on this bind
    REJECT = "reject"
    REBIND = "rebind"  # queue it again on a new session
    BIND_WAIT = "bind_wait"  # our old session still stands: 30–60 s
    BIND_RETRY = "bind_retry"  # slowly and for ever: 1–15 min


@dataclass(frozen=True, slots=True)
class StatusInfo:
    """One row of the table."""

    number: int
    name: str
    meaning: str
    policy: Policy
    alert: bool = False


_P = Policy
_ROWS: Final = (
    StatusInfo(0x00, "ESME_ROK", "accepted", _P.ACCEPTED),
    StatusInfo(0x01, "ESME_RINVMSGLEN", "invalid message length", _P.FAIL, alert=True),
    StatusInfo(0x02, "ESME_RINVCMDLEN", "invalid command length", _P.FAIL_PDU),
    StatusInfo(0x03, "ESME_RINVCMDID", "invalid command id", _P.FAIL_PDU),
    StatusInfo(0x04, "ESME_RINVBNDSTS", "wrong bind state for this command", _P.REBIND),
    StatusInfo(0x05, "ESME_RALYBND", "already bound", _P.FAIL, alert=True),
    StatusInfo(0x06, "ESME_RINVPRTFLG", "invalid priority", _P.FAIL_BIND, alert=True),
    StatusInfo(0x07, "ESME_RINVREGDLVFLG", "invalid registered_delivery", _P.FAIL_BIND, alert=True),
    StatusInfo(0x08, "ESME_RSYSERR", "system error", _P.RETRY),
    StatusInfo(0x0A, "ESME_RINVSRCADR", "invalid source address", _P.FAIL_CAMPAIGN),
    StatusInfo(0x0B, "ESME_RINVDSTADR", "invalid destination address", _P.FAIL),
    StatusInfo(0x0C, "ESME_RINVMSGID", "invalid message id", _P.FAIL, alert=True),
    StatusInfo(0x0D, "ESME_RBINDFAIL", "bind failed", _P.FAIL, alert=True),
    StatusInfo(0x0E, "ESME_RINVPASWD", "invalid password", _P.FAIL, alert=True),
    StatusInfo(0x0F, "ESME_RINVSYSID", "invalid system_id", _P.FAIL, alert=True),
    StatusInfo(0x11, "ESME_RCANCELFAIL", "cancel_sm failed", _P.FAIL, alert=True),
    StatusInfo(0x13, "ESME_RREPLACEFAIL", "replace_sm failed", _P.FAIL, alert=True),
    StatusInfo(0x14, "ESME_RMSGQFUL", "message queue full", _P.QUEUE_FULL),
    StatusInfo(0x15, "ESME_RINVSERTYP", "invalid service_type", _P.FAIL_BIND, alert=True),
    StatusInfo(0x33, "ESME_RINVNUMDESTS", "invalid number of destinations", _P.FAIL, alert=True),
    StatusInfo(0x34, "ESME_RINVDLNAME", "invalid distribution list", _P.FAIL, alert=True),
    StatusInfo(0x40, "ESME_RINVDESTFLAG", "invalid destination flag", _P.FAIL, alert=True),
    StatusInfo(0x42, "ESME_RINVSUBREP", "invalid submit with replace", _P.FAIL_BIND, alert=True),
    StatusInfo(0x43, "ESME_RINVESMCLASS", "invalid esm_class", _P.FAIL_BIND, alert=True),
    StatusInfo(0x44, "ESME_RCNTSUBDL", "can't submit to a list", _P.FAIL, alert=True),
    StatusInfo(0x45, "ESME_RSUBMITFAIL", "submit failed", _P.RETRY_ONCE),
    StatusInfo(0x48, "ESME_RINVSRCTON", "invalid source TON", _P.FAIL_BIND, alert=True),
    StatusInfo(0x49, "ESME_RINVSRCNPI", "invalid source NPI", _P.FAIL_BIND, alert=True),
    StatusInfo(0x50, "ESME_RINVDSTTON", "invalid destination TON", _P.FAIL_BIND, alert=True),
    StatusInfo(0x51, "ESME_RINVDSTNPI", "invalid destination NPI", _P.FAIL_BIND, alert=True),
    StatusInfo(0x53, "ESME_RINVSYSTYP", "invalid system_type", _P.FAIL, alert=True),
    StatusInfo(0x54, "ESME_RINVREPFLAG", "invalid replace_if_present", _P.FAIL_BIND, alert=True),
    StatusInfo(0x55, "ESME_RINVNUMMSGS", "invalid number of messages", _P.FAIL, alert=True),
    StatusInfo(0x58, "ESME_RTHROTTLED", "throttled", _P.THROTTLE),
    StatusInfo(0x61, "ESME_RINVSCHED", "invalid delivery time", _P.FAIL_BIND, alert=True),
    StatusInfo(0x62, "ESME_RINVEXPIRY", "invalid validity period", _P.FAIL_BIND, alert=True),
    StatusInfo(0x63, "ESME_RINVDFTMSGID", "invalid predefined message", _P.FAIL_BIND, alert=True),
    StatusInfo(0x64, "ESME_RX_T_APPN", "temporary application error", _P.RETRY),
    StatusInfo(0x65, "ESME_RX_P_APPN", "permanent application error", _P.FAIL),
    StatusInfo(0x66, "ESME_RX_R_APPN", "rejected by the application", _P.REJECT),
    StatusInfo(0x67, "ESME_RQUERYFAIL", "query_sm failed", _P.FAIL, alert=True),
    StatusInfo(0xC0, "ESME_RINVOPTPARSTREAM", "bad optional part", _P.FAIL_TLV),
    StatusInfo(0xC1, "ESME_ROPTPARNOTALLWD", "optional parameter not allowed", _P.FAIL_TLV),
    StatusInfo(0xC2, "ESME_RINVPARLEN", "invalid parameter length", _P.FAIL_TLV),
    StatusInfo(0xC3, "ESME_RMISSINGOPTPARAM", "optional parameter missing", _P.FAIL_TLV),
    StatusInfo(0xC4, "ESME_RINVOPTPARAMVAL", "invalid optional parameter", _P.FAIL_TLV),
    StatusInfo(0xFE, "ESME_RDELIVERYFAILURE", "delivery failure", _P.FAIL, alert=True),
    StatusInfo(0xFF, "ESME_RUNKNOWNERR", "unknown error", _P.RETRY),
    # SMPP 5.0 §4.7.6; peers of that version are accepted.
    StatusInfo(0x100, "ESME_RSERTYPUNAUTH", "service_type not authorised", _P.FAIL),
    StatusInfo(0x101, "ESME_RPROHIBITED", "prohibited from this operation", _P.FAIL),
    StatusInfo(0x102, "ESME_RSERTYPUNAVAIL", "service_type unavailable", _P.RETRY),
    StatusInfo(0x103, "ESME_RSERTYPDENIED", "service_type denied", _P.FAIL),
    StatusInfo(0x104, "ESME_RINVDCS", "invalid data_coding", _P.FAIL),
    StatusInfo(0x105, "ESME_RINVSRCADDRSUBUNIT", "invalid source subunit", _P.FAIL),
    StatusInfo(0x106, "ESME_RINVDSTADDRSUBUNIT", "invalid destination subunit", _P.FAIL),
    StatusInfo(0x107, "ESME_RINVBCASTFREQINT", "invalid broadcast interval", _P.FAIL),
    StatusInfo(0x108, "ESME_RINVBCASTALIAS_NAME", "invalid broadcast alias", _P.FAIL),
    StatusInfo(0x109, "ESME_RINVBCASTAREAFMT", "invalid broadcast area format", _P.FAIL),
    StatusInfo(0x10A, "ESME_RINVNUMBCAST_AREAS", "invalid number of areas", _P.FAIL),
    StatusInfo(0x10B, "ESME_RINVBCASTCNTTYPE", "invalid broadcast content", _P.FAIL),
    StatusInfo(0x10C, "ESME_RINVBCASTMSGCLASS", "invalid broadcast class", _P.FAIL),
    StatusInfo(0x10D, "ESME_RBCASTFAIL", "broadcast_sm failed", _P.FAIL),
    StatusInfo(0x10E, "ESME_RBCASTQUERYFAIL", "query_broadcast_sm failed", _P.FAIL),
    StatusInfo(0x10F, "ESME_RBCASTCANCELFAIL", "cancel_broadcast_sm failed", _P.FAIL),
)

TABLE: Final[Mapping[int, StatusInfo]] = MappingProxyType({row.number: row for row in _ROWS})


def info(number: int) -> StatusInfo:
    """The row of any number: vendors' own (0x400–0x4FF) fail, what nobody knows alerts too."""
    known = TABLE.get(number)
    if known is not None:
        return known
    if 0x400 <= number <= 0x4FF:
        return StatusInfo(number, "vendor specific", "the carrier's own error", _P.FAIL)
    return StatusInfo(number, "unknown", "no status of SMPP", _P.FAIL, alert=True)


def bind_policy(number: int) -> Policy:
    """What a refused bind asks for: a wait for our old session to end, else the slow retry."""
    return _P.BIND_WAIT if number == ALREADY_BOUND else _P.BIND_RETRY


def describe(number: int) -> str:
    """For people: name, number, meaning.

    >>> describe(0x58)
    'ESME_RTHROTTLED (0x58): throttled'
    """
    row = info(number)
    return f"{row.name} (0x{number:02X}): {row.meaning}"
