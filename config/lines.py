"""Where in the text of a TOML document a key is written.

`tomllib` tells values, not places. But a document's first lines are a document, too, whenever they
end between two statements; so the place of a key is the first statement with which it is there.
Only errors ask, so that a few dozen parses don't matter.
"""

import bisect
import tomllib
from collections.abc import Sequence
from typing import Any


def line_of(text: str, path: Sequence[str | int]) -> int | None:
    """The line, from 1, of the statement that brings `path`, or as much of it as is there.

    >>> line_of("[http]\\nlisten = 1\\n", ("http", "listen"))
    2
    """
    lines = text.replace("\r\n", "\n").split("\n")
    document = tomllib.loads(text)
    while path and not _has(document, path):
        path = path[:-1]
    if not path:
        return None
    ends = bisect.bisect_left(
        range(len(lines) + 1), True, key=lambda count: _has(_whole(lines, count)[1], path)
    )
    return _whole(lines, ends - 1)[0] + 1


def _whole(lines: Sequence[str], count: int) -> tuple[int, dict[str, Any]]:
    """How many of the first `count` lines are whole statements, and what they say."""
    for whole in range(count, 0, -1):
        try:
            return whole, tomllib.loads("\n".join(lines[:whole]))
        except tomllib.TOMLDecodeError:
            continue
    return 0, {}


def _has(document: Any, path: Sequence[str | int]) -> bool:
    for key in path:
        match document:
            case dict() if key in document:
                document = document[key]
            case list() if isinstance(key, int) and key < len(document):
                document = document[key]
            case _:
                return False
    return True
