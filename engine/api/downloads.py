"""Answers that are as long as they are: CSV, read from the database while it is written (R-7.8).

What is refused is refused before the first line. When something fails later, the connection ends
before the answer does, so that nobody takes a half for the whole.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from fastapi.responses import StreamingResponse

from engine.api.service import Api
from engine.operations import Database

CSV: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "CSV in UTF-8, with a head line",
        "content": {"text/csv": {"schema": {"type": "string"}}},
    }
}
"""How the document describes such an answer."""

_LINES: Final = 2_000
"""Lines that are made at a time: some milliseconds in a thread."""

Rows = Iterable[Sequence[str]]


async def csv_of(
    api: Api, head: Sequence[str], rows: Callable[[Database], Rows], *, name: str
) -> StreamingResponse:
    """A file of these lines under a head. Raises what `rows` does."""

    def start(database: Database) -> tuple[Iterator[Sequence[str]], str]:
        lines = itertools.chain([head], rows(database))
        return lines, _text(lines)

    lines, first = await api.work(start)

    async def parts() -> AsyncIterator[str]:
        part = first
        while part:
            yield part
            part = await api.work(lambda database: _text(lines))

    return StreamingResponse(
        parts(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _text(lines: Iterator[Sequence[str]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(itertools.islice(lines, _LINES))
    return file.getvalue()
