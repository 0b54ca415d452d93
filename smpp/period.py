"""Times in a submit_sm: how long the SMSC may try, or until when (SMPP 3.4 §7.1.1).

Sixteen characters, `YYMMDDhhmmsstnnp`: a moment when p is `+` or `-` (nn quarter hours of offset),
a length of time when it is `R`.
"""

from datetime import UTC, datetime
from typing import Final

LONGEST_S: Final = 100 * 365 * 86400 - 1
"""What two digits of years hold."""


def relative(seconds: int) -> str:
    """That long from when the SMSC takes it; `""` for 0: as long as it is used to.

    A month counts 30 days and a year 365, so that the SMSC may well understand more, but at most
    three days in hundred.

    >>> relative(3 * 86400)
    '000003000000000R'
    """
    if not 0 <= seconds <= LONGEST_S:
        raise ValueError(f"a period of {seconds} s; SMPP has 0 to {LONGEST_S}")
    if not seconds:
        return ""
    days, rest = divmod(seconds, 86400)
    years, days = divmod(days, 365)
    months, days = divmod(days, 30)
    return f"{years:02}{months:02}{days:02}{rest // 3600:02}{rest // 60 % 60:02}{rest % 60:02}000R"


def until(at: datetime) -> str:
    """Until that moment, which must be aware; fractions of a second are dropped, never added.

    >>> until(datetime(2026, 12, 1, 9, 10, tzinfo=UTC))
    '261201091000000+'
    """
    return at.astimezone(UTC).strftime("%y%m%d%H%M%S") + "000+"
