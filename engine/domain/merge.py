"""A member's params merged into a message: `Dear %%1%%` and `Sari` → `Dear Sari` (R-2.3).

A text is compiled once a campaign and merged once a recipient, so what is done a million times is
one copy of a list and one join.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from engine.domain.errors import Refused

__all__ = ["PARAMS", "Template", "compile_text", "missing"]

PARAMS: Final = 6
"""Params of a member (R-1.3), so the highest number that a placeholder can have."""

# Whatever stands between two double percent signs without a blank inside: also what looks like a
# placeholder and is none, since a million people would read `%%name%%`. `50%% off, 20%% cash` is
# not one.
_PLACEHOLDER: Final = re.compile(r"%% ?([^%\s]+) ?%%")
_KNOWN: Final = {str(number): number for number in range(1, PARAMS + 1)}
_NOT_TEXT: Final = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A text whose placeholders are known to be good; `compile_text` makes it.

    `params` are the numbers it refers to, each once, ascending. `_pieces` are its parts in order,
    empty where a param goes; `_slots` say which: (place in `_pieces`, index of the param).
    """

    text: str
    params: tuple[int, ...]
    _pieces: tuple[str, ...]
    _slots: tuple[tuple[int, int], ...]

    def merge(self, params: Sequence[str | None]) -> str:
        """Give the text with each placeholder replaced by its param; a missing one leaves nothing.

        One pass: a param that holds `%%2%%` stays as it is (R-2.3).

        >>> compile_text("%%1%%, %%2%%!").merge(["%%2%%", "hi"])
        '%%2%%, hi!'
        """
        pieces = list(self._pieces)
        given = len(params)
        for place, index in self._slots:
            if index < given:
                pieces[place] = params[index] or ""
        return "".join(pieces)


def compile_text(text: str) -> Template:
    """Find the placeholders `%%1%%` to `%%6%%` of a message.

    Raises Refused naming every other placeholder and its position (R-2.3), and what is no text:
    NUL and halves of surrogate pairs, which neither the database nor a phone takes.
    """
    if match := _NOT_TEXT.search(text):
        raise Refused(
            f"message, character {match.start() + 1}: U+{ord(match[0]):04X} is no character that "
            "can be sent; remove it, and see that the text is UTF-8"
        )
    found = list(_PLACEHOLDER.finditer(text))
    unknown = [match for match in found if match[0][2:-2] not in _KNOWN]
    if unknown:
        named = ", ".join(f"{match[0]} (character {match.start() + 1})" for match in unknown)
        raise Refused(
            f"message: unknown placeholder{'s' if len(unknown) > 1 else ''} {named}; "
            f"%%1%% to %%{PARAMS}%% stand for a member's params"
        )
    pieces: list[str] = []
    slots: list[tuple[int, int]] = []
    end = 0
    for match in found:
        pieces += (text[end : match.start()], "")
        slots.append((len(pieces) - 1, _KNOWN[match[1]] - 1))
        end = match.end()
    pieces.append(text[end:])
    return Template(
        text=text,
        params=tuple(sorted({index + 1 for _, index in slots})),
        _pieces=tuple(pieces),
        _slots=tuple(slots),
    )


def missing(template: Template, params: Sequence[str | None]) -> tuple[int, ...]:
    """Give the numbers of the params that the text refers to and this member lacks (R-2.3)."""
    return tuple(
        number for number in template.params if number > len(params) or not params[number - 1]
    )
