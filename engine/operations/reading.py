"""The rows of a file, cleaned for an import: the good ones on, the others noted (R-1.4, R-1.6)."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from engine.domain import csvfile, numbers
from engine.domain.errors import Refused
from engine.domain.numbers import PrefixMaps
from engine.domain.settings import NUMBERS_MAX_DIGITS, NUMBERS_MIN_DIGITS
from engine.operations import prefixes
from engine.operations.spreadsheet import guarded
from engine.store import settings
from engine.store.db import Tx
from engine.store.imports import Staged

_SHOWN = 20
"""Rows that a report names; all of them are in the errors file."""

_MAILED = 1_000
"""Invalid rows that go with the mail of a report: some 200 kB at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row to look at: its line in the file, what stands there, and what is wrong with it."""

    line: int
    value: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What makes a number of what stands in a file: the application's maps and limits.

    `strict`: a doubtful number is invalid, too.
    """

    maps: PrefixMaps
    min_digits: int
    max_digits: int
    strict: bool = False

    def clean(self, raw: str) -> numbers.Cleaned | numbers.Invalid:
        """The number that is meant, or why none is."""
        return numbers.clean(
            raw,
            self.maps,
            min_digits=self.min_digits,
            max_digits=self.max_digits,
            strict=self.strict,
        )


def rules_of(tx: Tx, application_id: int, *, strict: bool = False) -> Rules:
    """The rules of an application."""
    return Rules(
        maps=prefixes.maps_of(tx, application_id),
        min_digits=settings.get(tx, application_id, NUMBERS_MIN_DIGITS),
        max_digits=settings.get(tx, application_id, NUMBERS_MAX_DIGITS),
        strict=strict,
    )


def number_of(tx: Tx, application_id: int, raw: str) -> numbers.Cleaned:
    """One number that a person has typed. Raises Refused when it is none."""
    cleaned = rules_of(tx, application_id).clean(raw)
    if isinstance(cleaned, numbers.Invalid):
        raise Refused(f"mobile {raw[:40]!a}: {cleaned.reason}")
    return cleaned


@dataclass(slots=True)
class Reading:
    """What is known of a file while it is read."""

    rows: int = 0
    mapped: int = 0
    invalid: int = 0
    doubtful: int = 0
    invalid_rows: list[Row] = field(default_factory=list)
    mailed_rows: list[Row] = field(default_factory=list)
    doubtful_rows: list[Row] = field(default_factory=list)


def good_rows(
    rows: Iterable[csvfile.Row | csvfile.BadRow],
    rules: Rules,
    *,
    reading: Reading,
    write_error: Callable[[Row], None],
) -> Iterator[Staged]:
    """The rows that can be imported; what is to be known of the others goes into `reading`."""
    for row in rows:
        reading.rows += 1
        cleaned = row if isinstance(row, csvfile.BadRow) else rules.clean(row.mobile_raw)
        if not isinstance(cleaned, numbers.Cleaned):
            bad = Row(line=row.line, value=cleaned.value, reason=cleaned.reason)
            reading.invalid += 1
            _keep(reading.invalid_rows, bad)
            if len(reading.mailed_rows) < _MAILED:
                reading.mailed_rows.append(bad)
            write_error(bad)
            continue
        assert isinstance(row, csvfile.Row)
        if cleaned.warnings:
            reading.doubtful += 1
            why = "; ".join(cleaned.warnings)
            _keep(reading.doubtful_rows, Row(line=row.line, value=row.mobile_raw, reason=why))
        reading.mapped += cleaned.mapped
        yield Staged(row.line, cleaned.mobile, row.params, cleaned.mapped)


def _keep(rows: list[Row], row: Row) -> None:
    if len(rows) < _SHOWN:
        rows.append(row)


@contextlib.contextmanager
def errors_file(path: Path | None) -> Iterator[Callable[[Row], None]]:
    """A function that takes every invalid row: into the file, or nowhere."""
    if path is None:
        yield lambda row: None
        return
    try:
        file = path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise Refused(f"{path}: can't write the errors there: {error.strerror}") from None
    with file:
        out = csv.writer(file)
        out.writerow(["line", "value", "reason"])
        yield lambda row: out.writerow([row.line, guarded(row.value), row.reason])
