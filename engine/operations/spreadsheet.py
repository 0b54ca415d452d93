"""Text that goes into a CSV that a spreadsheet may open: no value of ours becomes a formula."""

from __future__ import annotations

import re

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?[0-9][0-9 .,]*")


def guarded(value: str) -> str:
    """The value, with an apostrophe before it when a spreadsheet would calculate it.

    Numbers stay as they are, mobiles with their plus, too.

    >>> guarded("=1+1"), guarded("+64211234567"), guarded("-12.50")
    ("'=1+1", '+64211234567', '-12.50')
    """
    if value.startswith(_FORMULA) and not _NUMBER.fullmatch(value):
        return "'" + value
    return value
