"""A file split into numbered lists and campaigns (R-3.6)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.desk.conftest import Siaran

pytestmark = pytest.mark.usefixtures("sender")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Seven of whom one is twice there."""
    file = tmp_path / "seven.csv"
    rows = [f"+6421123450{n},Name {n}\n" for n in range(1, 8)]
    file.write_text("".join([*rows, rows[0]]), encoding="utf-8")
    return file


def words(file: Path, *more: str) -> tuple[str | Path, ...]:
    return ("campaign", "quick", file, "--list", "march", "--message", "Hi %%1%%", *more)


AT = ("--at", "2030-12-01 09:10", "--split", "3", "--every", "30m")


def test_a_file_becomes_numbered_lists_and_campaigns(
    siaran: Siaran, file: Path, say: Callable[..., None]
) -> None:
    """R-3.6: cleaned first, in the file's order, at rising times on the slots."""
    say("+64211234502", "out")
    answer = siaran(*words(file, *AT, "--batch", "b", "--email", "me@example.net", "--json"))
    assert answer.code == 0, answer.err
    made = answer.json["campaigns"]
    assert [one["list"] for one in made] == ["march 1", "march 2"]
    assert [one["scheduled_at"][11:16] for one in made] == ["02:10", "02:40"]
    assert all(one["quick"] and one["batch"] == "b" for one in made)
    assert answer.json["imported"]["duplicates"] == answer.json["imported"]["opted_out"] == 1
    lists = siaran("list", "ls", "--json").json
    assert [(one["name"], one["members"]) for one in lists] == [("march 2", 3), ("march 1", 3)]
    assert {one["email"] for one in lists} == {"me@example.net"}
    first = siaran("list", "download", "march 1").out.splitlines()
    assert [row[-1] for row in first] == ["1", "3", "4"]
    actions = [line["action"] for line in siaran("log", "--json").json][-6:]
    assert sorted(actions) == sorted(2 * ["list.create", "list.import", "campaign.create"])


def test_the_last_part_may_be_smaller(siaran: Siaran, file: Path) -> None:
    """R-3.6; a person sees the parts."""
    answer = siaran(*words(file, *AT))
    assert answer.code == 0, answer.err
    assert "march 3" in answer.out
    assert "3 campaigns to 7 members in all" in answer.err
    assert siaran("list", "show", "march 3", "--json").json["members"] == 1


@pytest.mark.parametrize(
    ("more", "code", "says"),
    [
        (["--split", "0", "--every", "30m"], 1, "at least 1"),
        (["--split", "3", "--every", "15m"], 1, "multiple of 10 minutes"),
        (["--split", "3"], 2, "give both"),
        (["--every", "30m"], 2, "give both"),
        (
            ["--split", "3", "--every", "30m", "--not-after", "2030-12-01 10:00"],
            1,
            "the last of 3 parts",
        ),
        (["--split", "3", "--every", "30m", "--message", "Hi " + "x" * 170], 1, "say --yes"),
    ],
)
def test_a_bad_split_leaves_nothing_behind(
    siaran: Siaran, file: Path, more: list[str], code: int, says: str
) -> None:
    """R-3.6."""
    answer = siaran(*words(file, "--at", "2030-12-01 09:10", *more))
    assert (answer.code, says in answer.err) == (code, True), answer.err
    assert siaran("list", "ls", "--json").json == siaran("campaign", "ls", "--json").json == []


def test_all_parts_or_none(siaran: Siaran, file: Path) -> None:
    """R-3.6: one of the lists is there already, so none is made."""
    siaran("list", "create", "march 2")
    answer = siaran(*words(file, *AT))
    assert (answer.code, 'list "march 2" is there already' in answer.err) == (1, True)
    assert [one["name"] for one in siaran("list", "ls", "--json").json] == ["march 2"]
    assert siaran("campaign", "ls", "--json").json == []


def test_parts_over_a_change_of_the_clocks(siaran: Siaran, file: Path) -> None:
    """R-3.6, R-3.3: an hour is missing on the wall, none in between."""
    answer = siaran(
        *words(file, "--at", "2030-09-29 01:30", "--timezone", "Pacific/Auckland"),
        "--split", "3", "--every", "30m",
    )  # fmt: skip
    assert [line.split()[-2] for line in answer.out.splitlines()[-3:]] == [
        "01:30",
        "03:00",
        "03:30",
    ]
