"""Questions to the person at the terminal."""

from __future__ import annotations

import sys

from engine.operations import Refused


def confirm(question: str, *, yes: bool) -> None:
    """Return when the answer is yes: given by --yes, or typed at a terminal.

    Raises Refused when it is no, and when there is nobody to ask: a script must say --yes.
    """
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Refused(f"{question} Nobody is there to answer; say --yes to go on")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().casefold() not in ("y", "yes"):
        raise Refused("not confirmed, nothing was changed")
