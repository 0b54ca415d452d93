"""Text that goes into a CSV that a spreadsheet may open: no value of ours becomes a formula.

An apostrophe says "this is text" to a spreadsheet. It is put before what would be calculated, and
taken away again when such a file is imported: for every value, `unguarded(guarded(value)) == value`.
"""

from __future__ import annotations

import re

_GUARDED = re.compile(r"'*[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?[0-9][0-9 .,]*")


def guarded(value: str) -> str:
    """The value, with an apostrophe before it when a spreadsheet would calculate it.

    Numbers stay as they are, mobiles with their plus, too. What looks as if it were guarded already
    is guarded once more.

    >>> guarded("=1+1"), guarded("+64211234567"), guarded("-12.50"), guarded("'=1+1")
    ("'=1+1", '+64211234567', '-12.50', "''=1+1")
    """
    if _GUARDED.match(value) and not _NUMBER.fullmatch(value):
        return "'" + value
    return value


def unguarded(value: str) -> str:
    """The value that was guarded; any other, one with an apostrophe of its own, too, stays.

    >>> unguarded("'=1+1"), unguarded("'s-Hertogenbosch"), unguarded("'-5")
    ('=1+1', "'s-Hertogenbosch", "'-5")
    """
    if value.startswith("'") and guarded(value[1:]) == value:
        return value[1:]
    return value
