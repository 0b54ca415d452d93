"""How answers look: for people, in pipes, for scripts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from admin_cli import render


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    name: str
    made_at: datetime
    n: int | None = None


NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "json"),
    [
        (NOON, "2026-11-24T12:00:00.000Z"),
        (Path("a/b"), "a/b"),
        (("x", None, 1.5, True), ["x", None, 1.5, True]),
        ({"a": Thing(name="x", made_at=NOON)}, {"a": {"name": "x", "made_at": "2026-11-24T12:00:00.000Z", "n": None}}),
    ],
)  # fmt: skip
def test_values_become_json_of_their_own_field_names(value: Any, json: Any) -> None:
    """Stable keys; times ISO 8601 UTC with milliseconds and Z, as in the callbacks (R-7.2)."""
    assert render.plain(value) == json


def test_a_table_in_a_pipe_is_aligned_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Plain text when piped."""
    things = [Thing(name="a", made_at=NOON, n=12345), Thing(name="longer", made_at=NOON)]
    render.rows(things, ("name", "made_at", "n"), empty="none", as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "NAME    MADE                  N",
        "a       2026-11-24 12:00:00Z  12,345",
        "longer  2026-11-24 12:00:00Z  -",
    ]


def test_a_table_on_a_terminal_keeps_numbers_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A narrow one wraps what was written in words; a mobile is there to be copied."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    rows = [{"mobile": "+64211234567", "at": NOON, "content": "Thank you, I have paid. " * 3}]
    render.rows(rows, ("at", "mobile", "content"), empty="none", as_json=False)
    out = capsys.readouterr().out
    assert "+64211234567" in out
    assert " ".join(out.split()).count("paid.") == 3


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.526342, "0.526"), (12.0, "12"), (0.1, "0.1"), (1234.5678, "1,234.57"), (0.0, "0")],
)
def test_a_fraction_is_as_long_as_somebody_reads(value: float, shown: str) -> None:
    """Scripts have all of it (--json)."""
    assert render.cell(value) == shown


def test_an_id_is_no_number_to_be_read_in_groups() -> None:
    """It is typed again, into `message show`."""
    assert render.cell(1428128165527556) == "1428128165527556"
    assert render.cell(1_000_000) == "1,000,000"


def test_nothing_found_is_said_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """stdout holds results only."""
    render.rows([], ("name",), empty="no things", as_json=False)
    assert capsys.readouterr() == ("", "no things\n")


def test_what_came_from_outside_does_not_drive_the_terminal() -> None:
    """A member's param or an MO may hold anything."""
    assert render.printable("a\x1b[2J\u202eb\n") == "a\\x1b[2J\\u202eb\\n"
    assert render.printable("Ünï 😀") == "Ünï 😀"
