"""Prefix maps at the desk (R-1.9)."""

from __future__ import annotations

import pytest

from tests.desk.conftest import Siaran


def test_a_map_is_added_edited_listed_and_deleted(siaran: Siaran) -> None:
    """R-1.9: add, edit, delete, list."""
    assert siaran("prefix", "add", "021", "6421").code == 0
    assert siaran("prefix", "edit", "021", "+6422").code == 0
    assert siaran("prefix", "ls", "--json").json == [{"prefix": "021", "replacement": "6422"}]
    assert siaran("prefix", "delete", "021", "--yes").code == 0
    assert siaran("prefix", "ls", "--json").json == []


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("add", "021", "6421"), "has a map already"),
        (("add", "x", "6421"), "digits"),
        (("add", "022", "0642"), "country code"),
        (("edit", "0211", "6421"), "did you mean 021"),
        (("delete", "7", "--yes"), "prefix ls"),
    ],
)
def test_what_can_be_no_map_is_refused(siaran: Siaran, words: tuple[str, ...], why: str) -> None:
    """R-1.9: what is stored can be applied."""
    siaran("prefix", "add", "021", "6421")
    answer = siaran("prefix", *words)
    assert answer.code == 1
    assert why in answer.err


def test_maps_are_applied_and_the_longest_prefix_wins(siaran: Siaran) -> None:
    """R-1.9: `021` → `6421` turns 021555666 into +6421555666."""
    siaran("list", "create", "customers")
    siaran("prefix", "add", "0", "62")
    siaran("prefix", "add", "021", "6421")
    added = siaran("member", "add", "customers", "021555666", "--json").json
    assert added["mobile"] == "+6421555666"
