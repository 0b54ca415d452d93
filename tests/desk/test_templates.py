"""Templates at the desk (R-2.4)."""

from __future__ import annotations

import io

import pytest

from tests.desk.conftest import Siaran


def test_a_template_is_added_edited_listed_and_deleted(siaran: Siaran) -> None:
    """R-2.4: name and text; every change is in the log (R-7.5)."""
    assert "12 characters, 1 segment" in siaran("template", "add", "r", "Dear %%1%%, hello").out
    assert "is there already" in siaran("template", "add", "r", "x").err
    edited = siaran("template", "edit", "r", "Dear %%2%%", "--json").json
    assert (edited["params"], edited["segments"], edited["encoding"]) == ([2], 1, "gsm")
    assert [one["text"] for one in siaran("template", "ls", "--json").json] == ["Dear %%2%%"]
    assert "--yes" in siaran("template", "delete", "r").err
    assert siaran("template", "delete", "r", "--yes").code == 0
    assert siaran("template", "ls", "--json").json == []
    lines = siaran("log", "--action", "template", "--json").json
    assert [line["action"] for line in lines] == [
        "template.add",
        "template.edit",
        "template.delete",
    ]
    assert (lines[1]["before"]["text"], lines[1]["after"]["text"]) == (
        "Dear %%1%%, hello",
        "Dear %%2%%",
    )


def test_a_text_may_be_piped_in(siaran: Siaran, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long ones, with line feeds."""
    monkeypatch.setattr("sys.stdin", io.StringIO("first\nsecond\n"))
    assert siaran("template", "add", "r", "--json").json["text"] == "first\nsecond"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("add", "r", "Dear %%7%%"), "%%7%%"),
        (("add", "r", " "), "text is empty"),
        (("add", "r", "x" * 5000), "segments"),
        (("add", "", "x"), "name is empty"),
        (("edit", "remindr", "x"), "did you mean reminder?"),
        (("delete", "remindr", "--yes"), "did you mean reminder?"),
    ],
)
def test_what_can_be_no_template_is_refused(
    siaran: Siaran, words: tuple[str, ...], why: str
) -> None:
    siaran("template", "add", "reminder", "Hello")
    answer = siaran("template", *words)
    assert answer.code == 1
    assert why in answer.err
    assert len(answer.err.splitlines()) == 1
    assert len(siaran("template", "ls", "--json").json) == 1
