"""What a request holds, as a file: where operations read a list from, in chunks (R-1.12)."""

from __future__ import annotations

import contextlib
import csv
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import trio
from fastapi import Request

from engine.api.bodies import NewMember

NAME: Final = "request.csv"
"""How the log and the import's report name it."""


@contextlib.contextmanager
def members_file(members: Sequence[NewMember]) -> Iterator[Path]:
    """A file of these members, that nobody else can read, until the end of the block."""
    with tempfile.TemporaryDirectory(prefix="siaran-") as directory:
        path = Path(directory) / NAME
        with path.open("w", encoding="utf-8", newline="") as file:
            out = csv.writer(file)
            # A number without digits would be taken for the head of a column.
            out.writerows([one.mobile, *one.params] for one in members)
        yield path


@asynccontextmanager
async def uploaded(request: Request) -> AsyncIterator[Path]:
    """The body, written down as it comes: memory stays flat however long it is."""
    directory = await trio.to_thread.run_sync(lambda: tempfile.TemporaryDirectory(prefix="siaran-"))
    try:
        path = Path(directory.name) / NAME
        async with await trio.open_file(path, "wb") as file:
            async for octets in request.stream():
                await file.write(octets)
        yield path
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(directory.cleanup)
