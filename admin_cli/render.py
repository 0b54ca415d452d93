"""How an answer looks: a table on a terminal, plain columns in a pipe, one JSON document for scripts."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import PurePath
from typing import Any

_SIMPLE = (str, int, float, date, PurePath)

_LONGEST_WORD = 16
"""A column of words up to this long (a mobile, a state) stays in one line, the others make room."""


def rows(values: Iterable[Any], columns: Sequence[str], *, empty: str, as_json: bool) -> None:
    """Print values (dataclasses or mappings) as a table of `columns`, or all of them as JSON."""
    if as_json:
        _print_json(plain(values))
        return
    records = [_record(value) for value in values]
    if not records:
        print(empty, file=sys.stderr)
    elif sys.stdout.isatty():
        _print_rich(records, columns)
    else:
        _print_columns([_titles(columns), *([cell(r[c]) for c in columns] for r in records)])


def card(value: Any, *, title: str | None, as_json: bool) -> None:
    """Print the fields of one value, a line each; those that are None or nested stay for JSON."""
    if as_json:
        _print_json(plain(value))
        return
    if title:
        print(printable(title))
    shown = {k: v for k, v in _record(value).items() if isinstance(v, _SIMPLE)}
    _print_columns([[_title(key), cell(v)] for key, v in shown.items()])


def done(sentence: str, value: Any, *, as_json: bool) -> None:
    """Print what was done: the sentence, or the value it left behind as JSON."""
    if as_json:
        _print_json(plain(value))
    else:
        print(printable(sentence))


def plain(value: Any) -> Any:
    """The value in JSON's own types: times ISO 8601 UTC with milliseconds and Z."""
    match value:
        case Enum():
            return value.value
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case date() | PurePath():
            return str(value)
        case Mapping():
            return {str(key): plain(inner) for key, inner in value.items()}
        case _ if dataclasses.is_dataclass(value):
            fields = dataclasses.fields(value)
            return {field.name: plain(getattr(value, field.name)) for field in fields}
        case _:
            return [plain(inner) for inner in value]


def cell(value: Any) -> str:
    """One value as a person reads it in a table: times UTC to the second."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}" if value < 1 << 40 else str(value)  # that large, it is an id
        case float():
            short = f"{value:,.2f}" if abs(value) >= 1 else f"{value:.3f}"
            return short.rstrip("0").rstrip(".")
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        case list() | tuple():
            return " | ".join(map(cell, value))
        case dict():
            return " ".join(f"{key}={cell(inner)}" for key, inner in value.items())
        case _:
            return printable(str(value))


def only_ascii() -> bool:
    """Whether stdout may have no other letters: its encoding, or a locale that says C or POSIX.

    In such a locale Python writes UTF-8 all the same, which a terminal may not show.
    """
    if not (sys.stdout.encoding or "").lower().startswith("utf"):
        return True
    said = (os.environ.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    return next((one for one in said if one), "C") in ("C", "POSIX")


def printable(text: str) -> str:
    """The text with control characters shown, not obeyed: names and messages come from outside."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _record(value: Any) -> Mapping[str, Any]:
    """The fields of one value, as they are."""
    if isinstance(value, Mapping):
        return value
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def _print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))


def _titles(columns: Sequence[str]) -> list[str]:
    return [_title(column).upper() for column in columns]


def _title(field: str) -> str:
    return field.removesuffix("_at").replace("_", " ")


def _print_columns(lines: Sequence[Sequence[str]]) -> None:
    """Aligned by spaces, so that it can be read in a log and split by two of them."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        print("  ".join(padded).rstrip())


def _print_rich(records: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD)
    for column in columns:
        values = [record[column] for record in records if record[column] is not None]
        numeric = bool(values) and all(isinstance(value, int | float) for value in values)
        words = [cell(value) for value in values]
        whole = all(" " not in word and len(word) <= _LONGEST_WORD for word in words)
        times = bool(values) and all(isinstance(value, datetime) for value in values)
        table.add_column(
            _title(column),
            justify="right" if numeric else "left",
            no_wrap=numeric or times or whole,
            overflow="fold",  # nothing is cut off: a number is there to be copied
        )
    for record in records:
        table.add_row(*(Text(cell(record[column])) for column in columns))
    Console().print(table)
