"""What commands that read a file of numbers, or write one, have in common."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

if TYPE_CHECKING:
    from admin_cli.desk import Desk
    from engine.operations.reading import Row


class OnError(StrEnum):
    """What an invalid row does to what is done with its file."""

    ABORT = "abort"
    SKIP = "skip"


OnErrorOption = Annotated[
    OnError, typer.Option("--on-error", help="an invalid row ends it all, or is left out")
]
Errors = Annotated[
    Path | None, typer.Option("--errors", metavar="FILE", help="CSV of all invalid rows")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="tell what would be done, do nothing")]
Output = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="FILE", help="default: stdout")
]


def show_rows(desk: Desk, notices: Sequence[str], **kinds: tuple[Sequence[Row], int]) -> None:
    """What was found in a file, on stderr: notices, and of each kind the first rows and the rest.

    With --json the rows stand in the document.
    """
    for notice in notices:
        desk.note(notice)
    if desk.json:
        return
    for kind, (rows, count) in kinds.items():
        for row in rows:
            desk.note(f"line {row.line}: {row.value!a}: {row.reason} ({kind})")
        if count > len(rows):
            desk.note(f"… and {count - len(rows):,} more {kind} rows")


def counted(n: int, noun: str) -> str:
    """`1 member`, `2,000 members`."""
    return f"{n:,} {noun}" + "s" * (n != 1)


@contextmanager
def writing(path: Path | None) -> Iterator[TextIO]:
    """The file at `path`, or stdout, which stays open. Raises Refused when it can't be written."""
    from engine.operations import Refused

    if path is None:
        yield sys.stdout
        return
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            yield file
    except OSError as error:
        raise Refused(f"{path}: can't be written: {error.strerror}") from error
