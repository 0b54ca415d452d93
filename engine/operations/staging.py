"""A file of numbers on its way into the database: read, cleaned, staged; then whoever asked goes on.

    file → rows → numbers cleaned → staged, 20,000 a transaction

However long the file is, memory holds one chunk of it. What is staged is nothing yet: a list, a
deletion or the blacklist comes from it in one transaction later, or nothing does.
"""

from __future__ import annotations

import contextlib
import itertools
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.domain import csvfile
from engine.domain.errors import Refused, Unreachable
from engine.operations.reading import Reading, Row, Rules, errors_file, good_rows
from engine.store import imports
from engine.store.db import Database, Tx

_CHUNK = 20_000
"""Rows a transaction: a fifth of a second, and some ten megabytes of memory."""

_REST = 1.0
"""While a campaign is being sent, a chunk is followed by a rest of so many times its own length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file, and what its invalid rows do: end it all, or be left out (`skip_invalid`).

    `errors`: where every invalid row is written to, as CSV.
    """

    file: Path
    skip_invalid: bool = False
    errors: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What is known when a file has been read, before its numbers are compared.

    `prefix_mapped` and `doubtful` are rows that are not invalid; the rows named are the first few,
    `mailed_rows` some more of the invalid ones.
    """

    rows: int
    invalid: int
    prefix_mapped: int
    doubtful: int
    invalid_rows: tuple[Row, ...]
    doubtful_rows: tuple[Row, ...]
    notices: tuple[str, ...]
    mailed_rows: tuple[Row, ...] = ()

    @property
    def good(self) -> int:
        return self.rows - self.invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a file is: rows read so far, and octets of it. `merging` comes last."""

    rows: int
    octets: int
    size: int
    merging: bool = False


Tell = Callable[[Progress], None]


class InvalidRows(Refused):
    """Nothing was done, because of invalid rows."""

    def __init__(self, done: str, read: Read) -> None:
        first = read.invalid_rows[0]
        which = "1 row is" if read.invalid == 1 else f"{read.invalid:,} rows are"
        super().__init__(
            f"nothing was {done}: {which} invalid, the first is line {first.line}: "
            f"{first.value!a}: {first.reason}; correct the file or use --on-error skip"
        )
        self.rows = read.invalid_rows


@contextlib.contextmanager
def staged(
    database: Database, source: Source, rules: Rules, tell: Tell
) -> Iterator[tuple[uuid.UUID, Read]]:
    """The good rows of `source`, staged under an id, until the end of the block.

    The block carries them out and discards them in one transaction; when it raises they are
    discarded here. Rows are staged only while it is possible that they will be needed. Raises
    Refused when the file can't be read.
    """
    _check(source)
    file = csvfile.read(source.file)
    size = source.file.stat().st_size
    import_id, reading = uuid.uuid4(), Reading()
    try:
        with errors_file(source.errors) as write_error:
            rows = iter(file)
            while True:
                began = time.monotonic()
                chunk = list(itertools.islice(rows, _CHUNK))
                if not chunk:
                    break
                good = list(good_rows(chunk, rules, reading=reading, write_error=write_error))
                # Once a row is invalid, the rest is read only to name all that are.
                if good and (source.skip_invalid or not reading.invalid):
                    database.run(imports.stage, import_id, good)
                tell(Progress(rows=reading.rows, octets=file.octets, size=size))
                if len(chunk) == _CHUNK and database.run(imports.campaigns_run):
                    time.sleep(_REST * (time.monotonic() - began))
        tell(Progress(rows=reading.rows, octets=size, size=size, merging=True))
        yield import_id, _read(reading, file.recognised.notices)
    except BaseException:
        with contextlib.suppress(Unreachable):  # then a later import clears it away
            database.run(imports.discard, import_id)
        raise


def check_all_there(tx: Tx, import_id: uuid.UUID, read: Read) -> None:
    """Refuse to go on when what was staged has been cleared away: somebody thought for an hour."""
    if imports.count(tx, import_id) != read.good:
        raise Refused(
            "it has taken too long, and what was read is gone; nothing was done, repeat it"
        )


def _check(source: Source) -> None:
    errors, file = source.errors, source.file
    if errors and errors.exists() and file.exists() and errors.samefile(file):
        raise Refused(f"{errors} is the file to import; write the errors to another")


def _read(reading: Reading, notices: tuple[str, ...]) -> Read:
    return Read(
        rows=reading.rows,
        invalid=reading.invalid,
        prefix_mapped=reading.mapped,
        doubtful=reading.doubtful,
        invalid_rows=tuple(reading.invalid_rows),
        doubtful_rows=tuple(reading.doubtful_rows),
        notices=notices,
        mailed_rows=tuple(reading.mailed_rows),
    )
