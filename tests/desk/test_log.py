"""Who did what, and when (R-7.5)."""

from __future__ import annotations

import pytest

from tests.desk.conftest import Siaran


def test_every_change_leaves_its_line(siaran: Siaran) -> None:
    """R-7.5: who did what to what, before and after."""
    siaran("sender", "add", "3700", "--as", "budi")
    siaran("sender", "edit", "3700", "--ton", "2")
    siaran("prefix", "add", "021", "6421")
    siaran("list", "create", "customers")
    siaran("member", "add", "customers", "+64211234567", "Anna")
    lines = siaran("log", "--json").json
    assert [line["action"] for line in lines] == [
        "sender.add",
        "sender.edit",
        "prefix.add",
        "list.create",
        "member.add",
    ]
    assert lines[0]["by"] == "budi"
    assert (lines[1]["before"]["ton"], lines[1]["after"]["ton"]) == (3, 2)
    assert lines[4]["object"] == "customers +64211234567"


def test_what_was_refused_leaves_no_line(siaran: Siaran) -> None:
    """R-7.5: the log holds what was done."""
    assert siaran("member", "add", "nobody", "+64211234567").code == 1
    assert siaran("sender", "add", "!").code == 1
    assert siaran("log", "--json").json == []


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["--user", "budi"], 1),
        (["--user", "bud"], 0),
        (["--action", "sender"], 1),
        (["--action", "sender.add"], 1),
        (["--action", "send"], 0),
        (["--since", "2020-01-01"], 2),
        (["--until", "2020-01-01"], 0),
        (["--since", "2020-01-01 08:00", "--until", "2999-01-01"], 2),
        (["--object", "CUSTOM"], 1),
        (["--object", "3700", "--user", "anna"], 0),
        (["--rows", "1"], 1),
    ],
)
def test_the_log_is_searched(siaran: Siaran, words: list[str], count: int) -> None:
    """R-7.5: searchable, by whole words and half-open times."""
    siaran("sender", "add", "3700", "--as", "budi")
    siaran("list", "create", "customers", "--as", "anna")
    assert len(siaran("log", *words, "--json").json) == count


def test_a_time_that_is_none_is_refused(siaran: Siaran) -> None:
    """R-7.5: one line says how to write it."""
    answer = siaran("log", "--since", "yesterday")
    assert answer.code == 1
    assert "--since 'yesterday': write" in answer.err
