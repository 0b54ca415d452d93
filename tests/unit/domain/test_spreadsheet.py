"""No value of ours becomes a formula, and each comes back as it was (R-1.1, R-1.3)."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.domain import csvfile
from engine.domain.csvfile import Row
from engine.domain.spreadsheet import guarded, unguarded

VALUES = st.text(st.sampled_from("'=+-@\t\r0159., aé\""), max_size=8) | st.text(max_size=20)

PARAMS = st.lists(
    st.text(st.sampled_from("'=+-@0159., aé\""), max_size=9).map(str.strip), max_size=6
)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("=1+1", "'=1+1"),
        ("@x", "'@x"),
        ("+ten", "'+ten"),
        ("-", "'-"),
        ("\tx", "'\tx"),
        ("-12.50", "-12.50"),
        ("+64211234567", "+64211234567"),
        ("Anna", "Anna"),
        ("'s-Hertogenbosch", "'s-Hertogenbosch"),
        ("'-5", "''-5"),
        ("'=x", "''=x"),
        ("", ""),
    ],
)
def test_what_would_be_calculated_is_guarded(value: str, written: str) -> None:
    """And read back as it was; a genuine apostrophe stays."""
    assert guarded(value) == written
    assert unguarded(written) == value


@given(VALUES)
def test_every_value_comes_back(value: str) -> None:
    assert unguarded(guarded(value)) == value


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PARAMS)
def test_what_was_downloaded_is_imported_as_it_was(tmp_path: Path, params: list[str]) -> None:
    """R-1.1, R-1.3: a list that went through a file has the same params."""
    while params and not params[-1]:
        params.pop()
    file = tmp_path / "list.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["+64211234567", *map(guarded, params)])
        writer.writerow(["+64211234568", "so that commas are seen"])
    assert next(iter(csvfile.read(file))) == Row(1, "+64211234567", tuple(params))


def test_a_param_of_fifty_characters_that_is_guarded_is_not_too_long(tmp_path: Path) -> None:
    """R-1.3: the apostrophe doesn't count."""
    file = tmp_path / "list.csv"
    file.write_text(f"+64211234567,'={'x' * 49}\n", encoding="utf-8")
    assert [row.params for row in csvfile.read(file) if isinstance(row, Row)] == [("=" + "x" * 49,)]
