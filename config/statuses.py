"""The names of command_status, for configuration: what stands there is a name or a number.

The table itself, with meanings and policies, is `smpp.status`; a test holds the names equal.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

NUMBERS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "RINVMSGLEN": 0x01,
        "RINVCMDLEN": 0x02,
        "RINVCMDID": 0x03,
        "RINVBNDSTS": 0x04,
        "RALYBND": 0x05,
        "RINVPRTFLG": 0x06,
        "RINVREGDLVFLG": 0x07,
        "RSYSERR": 0x08,
        "RINVSRCADR": 0x0A,
        "RINVDSTADR": 0x0B,
        "RINVMSGID": 0x0C,
        "RBINDFAIL": 0x0D,
        "RINVPASWD": 0x0E,
        "RINVSYSID": 0x0F,
        "RCANCELFAIL": 0x11,
        "RREPLACEFAIL": 0x13,
        "RMSGQFUL": 0x14,
        "RINVSERTYP": 0x15,
        "RINVNUMDESTS": 0x33,
        "RINVDLNAME": 0x34,
        "RINVDESTFLAG": 0x40,
        "RINVSUBREP": 0x42,
        "RINVESMCLASS": 0x43,
        "RCNTSUBDL": 0x44,
        "RSUBMITFAIL": 0x45,
        "RINVSRCTON": 0x48,
        "RINVSRCNPI": 0x49,
        "RINVDSTTON": 0x50,
        "RINVDSTNPI": 0x51,
        "RINVSYSTYP": 0x53,
        "RINVREPFLAG": 0x54,
        "RINVNUMMSGS": 0x55,
        "RTHROTTLED": 0x58,
        "RINVSCHED": 0x61,
        "RINVEXPIRY": 0x62,
        "RINVDFTMSGID": 0x63,
        "RX_T_APPN": 0x64,
        "RX_P_APPN": 0x65,
        "RX_R_APPN": 0x66,
        "RQUERYFAIL": 0x67,
        "RINVOPTPARSTREAM": 0xC0,
        "ROPTPARNOTALLWD": 0xC1,
        "RINVPARLEN": 0xC2,
        "RMISSINGOPTPARAM": 0xC3,
        "RINVOPTPARAMVAL": 0xC4,
        "RDELIVERYFAILURE": 0xFE,
        "RUNKNOWNERR": 0xFF,
        "RSERTYPUNAUTH": 0x100,
        "RPROHIBITED": 0x101,
        "RSERTYPUNAVAIL": 0x102,
        "RSERTYPDENIED": 0x103,
        "RINVDCS": 0x104,
        "RINVSRCADDRSUBUNIT": 0x105,
        "RINVDSTADDRSUBUNIT": 0x106,
        "RINVBCASTFREQINT": 0x107,
        "RINVBCASTALIAS_NAME": 0x108,
        "RINVBCASTAREAFMT": 0x109,
        "RINVNUMBCAST_AREAS": 0x10A,
        "RINVBCASTCNTTYPE": 0x10B,
        "RINVBCASTMSGCLASS": 0x10C,
        "RBCASTFAIL": 0x10D,
        "RBCASTQUERYFAIL": 0x10E,
        "RBCASTCANCELFAIL": 0x10F,
    }
)

PREFIX: Final = "ESME_"
"""May stand before a name, as it does in SMPP's documents."""


def number(key: str) -> int:
    """The command_status that a key names; `KeyError` for none.

    >>> number("ESME_RTHROTTLED"), number("0x58"), number("88")
    (88, 88, 88)
    """
    bare = key.removeprefix(PREFIX)
    return NUMBERS[bare] if bare in NUMBERS else _digits(key)


def _digits(key: str) -> int:
    try:
        return int(key, 16 if key[:2] in ("0x", "0X") else 10)
    except ValueError:
        raise KeyError(key) from None
