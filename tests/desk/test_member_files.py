"""Members by file: deleted for ever, opted out (R-1.8)."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.desk.conftest import Siaran


@pytest.fixture
def four(siaran: Siaran, tmp_path: Path) -> None:
    """A list of four, the last of whom is deleted."""
    file = tmp_path / "four.csv"
    file.write_text("".join(f"+6421123456{last},Anna\n" for last in range(4)), "utf-8")
    siaran("list", "import", "L", file, "--create")
    siaran("member", "delete", "L", "+64211234563")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Six rows: a member twice, one that was deleted, a stranger, no number, and a mapped one."""
    path = tmp_path / "numbers.csv"
    path.write_text(
        "Mobile\n+64211234560\n+64211234560\n64211234563\n+64211234569,whatever\nx1\n0211234561\n",
        "utf-8",
    )
    return path


def members(siaran: Siaran) -> str:
    rows = siaran("member", "search", "L", "--deleted", "any", "--json").json
    return "".join(row["mobile"][-1] for row in rows)


@pytest.mark.usefixtures("four")
def test_members_are_deleted_by_file_for_ever(siaran: Siaran, file: Path) -> None:
    """R-1.8: numbers only, column 1; after a confirmation; also those deleted one by one."""
    siaran("prefix", "add", "021", "6421")
    words = ("member", "delete", "L", "--file", file, "--on-error", "skip")
    asked = siaran(*words)
    assert asked.code == 1
    assert "Delete 3 members" in asked.err
    assert members(siaran) == "0123"
    done = siaran(*words, "--yes", "--json").json
    counts = {key: done[key] for key in ("rows", "deleted", "not_in_list", "duplicates", "invalid")}
    assert counts == {"rows": 6, "deleted": 3, "not_in_list": 1, "duplicates": 1, "invalid": 1}
    assert (done["prefix_mapped"], done["done"]) == (1, True)
    assert members(siaran) == "2"
    [line] = siaran("log", "--action", "member.delete", "--json").json[1:]
    assert (line["object"], line["before"], line["after"]) == (
        "L",
        {"members": 3},
        {"file": "numbers.csv", "for_ever": True},
    )


@pytest.mark.parametrize("verb", ["delete", "optout"])
@pytest.mark.usefixtures("four")
def test_one_bad_row_and_nothing_is_done(
    siaran: Siaran, file: Path, tmp_path: Path, verb: str
) -> None:
    """R-1.6's rule for every file: the row is named, and all of them are in the errors file."""
    errors = tmp_path / "errors.csv"
    answer = siaran("member", verb, "L", "--file", file, "--errors", errors, "--yes")
    assert answer.code == 1
    assert "line 6: 'x1'" in answer.err
    assert "nothing was" in answer.err
    assert members(siaran) == "0123"
    assert siaran("list", "show", "L", "--json").json["opted_out"] == 0
    with errors.open(newline="") as lines:
        assert [row["line"] for row in csv.DictReader(lines)] == ["6", "7"]


@pytest.mark.usefixtures("four")
def test_a_dry_run_deletes_nothing_and_asks_nothing(siaran: Siaran, file: Path) -> None:
    words = ("member", "delete", "L", "--file", file, "--on-error", "skip", "--dry-run")
    told = siaran(*words, "--json").json
    assert (told["deleted"], told["done"], told["dry_run"]) == (2, False, True)
    assert members(siaran) == "0123"


@pytest.mark.usefixtures("four")
def test_members_are_opted_out_by_file(
    siaran: Siaran, file: Path, say: Callable[..., None]
) -> None:
    """R-1.8: they did so on a web site; who is not in the list counts when it comes."""
    siaran("prefix", "add", "021", "6421")
    say("+64211234561", "out")
    words = ("member", "optout", "L", "--file", file, "--on-error", "skip")
    told = siaran(*words, "--dry-run", "--json").json
    assert (told["opted_out"], told["done"]) == (3, False)
    done = siaran(*words, "--reason", "web site", "--json").json
    counts = {key: done[key] for key in ("rows", "opted_out", "already", "duplicates", "invalid")}
    assert counts == {"rows": 6, "opted_out": 3, "already": 1, "duplicates": 1, "invalid": 1}
    assert done["not_in_list"] == 1
    outs = siaran("member", "search", "L", "--opted-out", "yes", "--deleted", "any", "--json").json
    assert [row["mobile"][-1] for row in outs] == ["0", "1", "3"]
    assert "has opted out" in siaran("member", "add", "L", "+64211234569").err
    again = siaran(*words, "--json").json
    assert (again["opted_out"], again["already"]) == (0, 4)
    line = siaran("log", "--action", "member.optout", "--json").json[0]
    assert (line["after"]["opted_out"], line["after"]["reason"]) == (3, "web site")


@pytest.mark.usefixtures("four")
def test_an_opt_out_of_all_by_file_is_of_every_list(siaran: Siaran, file: Path) -> None:
    """R-6.7: --everywhere."""
    words = ("member", "optout", "L", "--file", file, "--on-error", "skip")
    assert siaran(*words, "--json").json["opted_out"] == 3
    assert siaran(*words, "--everywhere", "--json").json["opted_out"] == 3  # a wider word
    assert siaran(*words, "--everywhere", "--json").json["opted_out"] == 0
    siaran("list", "create", "M")
    assert "has opted out" in siaran("member", "add", "M", "+64211234560").err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "give one MOBILE, or --file"),
        (("+64211234560", "--file", "x.csv"), "give one MOBILE, or --file"),
        (("+64211234560", "--dry-run"), "belong to --file"),
    ],
)
@pytest.mark.parametrize("verb", ["delete", "optout"])
@pytest.mark.usefixtures("four")
def test_one_number_or_a_file(siaran: Siaran, verb: str, words: tuple[str, ...], why: str) -> None:
    answer = siaran("member", verb, "L", *words)
    assert answer.code == 2
    assert why in answer.err
