"""Lists at the desk (R-1.1)."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.desk.conftest import Siaran


def test_a_list_is_created_found_and_shown(siaran: Siaran) -> None:
    """R-1.1: a name, a batch reference, an address for replies."""
    siaran("list", "create", "March", "--batch", "2026-03", "--email", "me@example.net")
    siaran("list", "create", "April")
    siaran("member", "add", "March", "+64211234567")
    assert [one["name"] for one in siaran("list", "ls", "--json").json] == ["April", "March"]
    assert [one["name"] for one in siaran("list", "ls", "--search", "mar", "--json").json] == [
        "March"
    ]
    assert siaran("list", "ls", "--batch", "2026", "--json").json == []
    shown = siaran("list", "show", "March", "--json").json
    assert (shown["members"], shown["opted_out"], shown["deleted"]) == (1, 0, 0)
    assert (shown["batch"], shown["email"]) == ("2026-03", "me@example.net")


def test_the_opted_out_are_members_and_counted(siaran: Siaran, say: Callable[..., None]) -> None:
    """R-1.10, decision 18: the newest word for the list or for all counts."""
    siaran("list", "create", "A")
    siaran("list", "create", "B")
    for last, name in enumerate("AAAB"):
        siaran("member", "add", name, f"+6421123456{last}")
    say("+64211234560", "out")
    say("+64211234561", "out", "A")
    say("+64211234562", "out")
    say("+64211234562", "in", "A")
    say("+64211234563", "out", "A")
    shown = {name: siaran("list", "show", name, "--json").json for name in "AB"}
    assert (shown["A"]["members"], shown["A"]["opted_out"]) == (3, 2)
    assert (shown["B"]["members"], shown["B"]["opted_out"]) == (1, 0)


@pytest.mark.parametrize("name", ["", "   ", "a\x1b[2Jb", "x" * 101, "a\nb"])
def test_what_can_be_no_name_is_refused(siaran: Siaran, name: str) -> None:
    """One line, and nothing in it that the terminal would obey."""
    answer = siaran("list", "create", name)
    assert answer.code == 1
    assert "name" in answer.err
    assert len(answer.err.splitlines()) == 1
    assert "\x1b" not in answer.err


def test_a_name_is_taken_once_and_an_unknown_one_is_guessed(siaran: Siaran) -> None:
    """Unknown list: what may have been meant."""
    siaran("list", "create", "customers")
    assert "is there already" in siaran("list", "create", "customers").err
    assert "did you mean customers?" in siaran("list", "show", "custmers").err
    assert "list ls" in siaran("list", "show", "x").err


@pytest.mark.parametrize("email", ["nobody", "a@b@c", "a b@c.d", "@example.net", ""])
def test_an_address_that_mail_can_not_go_to_is_refused(siaran: Siaran, email: str) -> None:
    """R-6.8 will send there."""
    assert "write one address" in siaran("list", "create", "L", "--email", email).err


def test_a_download_has_all_members_and_no_formulas(siaran: Siaran, tmp_path: Path) -> None:
    """R-1.1: CSV of mobile and params; a spreadsheet calculates none of them."""
    siaran("list", "create", "L")
    siaran("member", "add", "L", "--", "+64211234567", "=1+1", "@x", "-12.50", 'say "hi", you')
    siaran("member", "add", "L", "+64211234568")
    file = tmp_path / "out.csv"
    assert siaran("list", "download", "L", "-o", file).code == 0
    with file.open(newline="") as lines:
        assert list(csv.reader(lines)) == [
            ["+64211234567", "'=1+1", "'@x", "-12.50", 'say "hi", you'],
            ["+64211234568"],
        ]
    assert siaran("list", "download", "L").out == file.read_text()


def test_a_download_of_an_unknown_list_touches_no_file(siaran: Siaran, tmp_path: Path) -> None:
    """Nothing is half done: an older download stays."""
    file = tmp_path / "out.csv"
    file.write_text("before")
    assert siaran("list", "download", "L", "-o", file).code == 1
    assert file.read_text() == "before"
    siaran("list", "create", "L")
    assert "can't be written" in siaran("list", "download", "L", "-o", tmp_path).err
