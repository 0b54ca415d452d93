"""The dates in a receipt's text: read in the six forms that carriers use, written in one.

They are the SMSC's local time, naive where they name no zone: kept, never used for ordering.
"""

import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Final

__all__ = ["read", "write"]

_DIGITS: Final = re.compile(r"\s*([0-9][0-9 ]*[-+R]?)")
_ISO: Final = re.compile(
    r"\s*([0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(?::[0-9]{2})?(?:[.][0-9]{3,6})?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})?)"
)


@lru_cache(maxsize=4096)  # receipts come in crowds that share their minute
def read(value: str) -> datetime | None:
    """Read the date that `value` begins with; zeros and nonsense are None. Never raises.

    10 digits are YYMMDDhhmm; 12 are YYYYMMDDhhmm when digits 3–4 exceed 12, else YYMMDDhhmmss;
    14 are YYYYMMDDhhmmss; 16 characters the absolute time of SMPP 3.4 §7.1.1, aware; else ISO 8601
    with a blank or a T. Blanks between digits don't count. What was read is remembered whole.

    >>> read("2402251804")
    datetime.datetime(2024, 2, 25, 18, 4)
    """
    try:
        if iso := _ISO.match(value):
            return datetime.fromisoformat(iso[1])
        if match := _DIGITS.match(value):
            return _from_digits(match[1].replace(" ", ""))
    except ValueError:  # the 31st of February, or the zeros of a date that isn't there
        return None
    return None


def write(at: datetime) -> str:
    """Give `at` as Appendix B writes it, YYMMDDhhmm, in the zone that `at` has."""
    return f"{at:%y%m%d%H%M}"


def _from_digits(digits: str) -> datetime | None:
    match len(digits):
        case 16 if digits[15] in "+-":  # YYMMDDhhmmsstnnp: t tenths, nn quarter hours from UTC
            quarters = int(digits[13:15]) * (1 if digits[15] == "+" else -1)
            zone = timezone(timedelta(minutes=15 * quarters))
            second = _pairs(2000, digits[:12])
            return second.replace(microsecond=int(digits[12]) * 100_000, tzinfo=zone)
        case 14:
            return _pairs(0, digits)
        case 12 if digits[2:4] > "12":  # no month: the first four are a year
            return _pairs(0, digits)
        case 10 | 12:
            return _pairs(2000, digits)
        case _:  # R too, an offset from a moment that the text doesn't tell
            return None


def _pairs(century: int, digits: str) -> datetime:
    """Read YYMMDDhhmm[ss] of `century`, or YYYYMMDDhhmm[ss] when that is 0. Raises ValueError."""
    width = 2 if century else 4
    rest = digits[width:].ljust(10, "0")
    month, day, hour, minute, second = (int(rest[place : place + 2]) for place in range(0, 10, 2))
    return datetime(century + int(digits[:width]), month, day, hour, minute, second)
