"""Collections, a page at a time: what `next` is given as, and taken back as `cursor` (R-7.8).

A cursor says after which one the next page begins. So who is added or taken away meanwhile moves
nobody to another page. What stands in it is ours alone, and may become something else.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Final, TypeVar

from pydantic import Field

from engine.api.bodies import Body
from engine.api.problems import Problem

T = TypeVar("T")

MOST: Final = 1_000
"""Of a page."""

Limit = Annotated[int, Field(ge=1, le=MOST, description="of a page")]
Cursor = Annotated[
    str | None,
    Field(min_length=1, max_length=1000, description="the `next` of the page before, as it is"),
]
Next = Annotated[
    str | None, Field(description="the `cursor` of the next page; null: this is the last")
]


class Paged(Body):
    """Which page."""

    limit: Limit = 100
    cursor: Cursor = None


def after_id(of: str, asked: Paged) -> int | None:
    """The number after which a page of `of` begins, None for the first. Raises Problem."""
    at = _read(of, asked.cursor)
    if at is not None and (not isinstance(at, int) or not 0 < at < 2**63):
        raise _no_cursor(of)
    return at


def after_name(of: str, asked: Paged) -> str | None:
    """The name after which a page of `of` begins, None for the first. Raises Problem."""
    at = _read(of, asked.cursor)
    if at is not None and not isinstance(at, str):
        raise _no_cursor(of)
    return at


def page(
    of: str, asked: Paged, found: Sequence[T], key: Callable[[T], int | str]
) -> tuple[list[T], str | None]:
    """A page of what was found, of which there may be one more than asked for, and its `next`."""
    shown = list(found[: asked.limit])
    return shown, written(of, key(shown[-1])) if len(found) > asked.limit else None


def sliced(
    of: str, asked: Paged, everything: Sequence[T], key: Callable[[T], str]
) -> tuple[list[T], str | None]:
    """The same of a collection that is short enough to be read whole, in the order of its keys."""
    after = after_name(of, asked)
    rest = [one for one in sorted(everything, key=key) if after is None or key(one) > after]
    return page(of, asked, rest, key)


def written(of: str, at: int | str) -> str:
    """The cursor after `at` in the collection `of`.

    >>> after_id("lists", Paged(cursor=written("lists", 7)))
    7
    """
    text = json.dumps([of, at], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read(of: str, cursor: str | None) -> int | str | None:
    if cursor is None:
        return None
    try:
        octets = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        name, at = json.loads(base64.b64decode(octets, altchars=b"-_", validate=True))
    except (ValueError, TypeError, RecursionError):
        raise _no_cursor(of) from None
    if name != of or isinstance(at, bool) or not isinstance(at, int | str):
        raise _no_cursor(of)
    return at


def _no_cursor(of: str) -> Problem:
    reason = f"is no cursor of {of}; begin again without, or take the `next` of a page as it is"
    return Problem("invalid", f"cursor: {reason}", errors=[("cursor", reason)])
