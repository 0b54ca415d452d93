"""Responses, opt-out commands and keywords at the desk (R-6.3, R-6.5, R-6.6)."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from tests.desk.conftest import Siaran

ADDRESSES = itertools.count(os.getpid() * 1000)
"""Dedicated numbers belong to one application of all."""


@pytest.fixture
def number(siaran: Siaran) -> None:
    """A dedicated number and a list."""
    assert siaran("sender", "add", f"+49{next(ADDRESSES)}", "--dedicated").code == 0
    assert siaran("list", "create", "club").code == 0


def test_responses_are_set_shown_and_deleted(siaran: Siaran) -> None:
    """R-6.5: on each level; every change is in the log (R-7.5)."""
    siaran("list", "create", "club")
    for words in (("general", "a"), ("optout", "b"), ("optin", "c"), ("help", "d")):
        assert siaran("response", "set", *words).code == 0
    assert siaran("response", "set", "list", "club", "x" * 161).err.startswith("this message is")
    assert siaran("response", "set", "general", "other").code == 0
    shown = siaran("response", "show", "--json").json
    assert [(one["kind"], one["list"], one["text"][:5]) for one in shown] == [
        ("general", None, "other"),
        ("help", None, "d"),
        ("optin", None, "c"),
        ("optout", None, "b"),
        ("list", "club", "xxxxx"),
    ]
    assert "--yes" in siaran("response", "delete", "general").err
    assert siaran("response", "delete", "general", "--yes").code == 0
    assert siaran("response", "delete", "list", "club", "--yes").code == 0
    assert len(siaran("response", "show", "--json").json) == 3
    assert len(siaran("log", "--action", "response", "--json").json) == 8


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("set", "genral", "x"), "write general"),
        (("set", "keyword", "x"), "write general"),
        (("set", "list", "x"), "needs the name of its list"),
        (("set", "general", "club", "x"), "needs the name of its list"),
        (("set", "list", "clb", "x"), "did you mean club?"),
        (("set", "general", " "), "empty"),
        (("set", "general", "Dear %%1%%"), "no params"),
        (("set", "general", "x" * 5000), "segments"),
        (("delete", "help", "--yes"), "no response help is set"),
    ],
)
def test_what_can_be_no_response_is_refused(
    siaran: Siaran, words: tuple[str, ...], why: str
) -> None:
    siaran("list", "create", "club")
    answer = siaran("response", *words)
    assert (answer.code, len(answer.err.splitlines())) == (1, 1)
    assert why in answer.err
    assert siaran("response", "show", "--json").json == []


def test_opt_out_commands_are_switched_added_and_deleted(siaran: Siaran) -> None:
    """R-6.3: six on, four off; each enabled or disabled, more can be added."""

    def on() -> set[str]:
        return {c["word"] for c in siaran("optout-command", "ls", "--json").json if c["enabled"]}

    first = {"STOP", "STOPALL", "UNSUBSCRIBE", "OPTOUT", "BERHENTI", "UNREG"}
    assert on() == first
    assert siaran("optout-command", "enable", "tidak").code == 0
    assert siaran("optout-command", "disable", "UNREG").code == 0
    assert siaran("optout-command", "add", "توقف").code == 0
    assert on() == first - {"UNREG"} | {"TIDAK", "توقف"}
    assert siaran("optout-command", "delete", "تَوَقَّف", "--yes").code == 0
    assert on() == first - {"UNREG"} | {"TIDAK"}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("enable", "STOP"), "enabled already"),
        (("disable", "quit"), "disabled already"),
        (("enable", "UNREGG"), "did you mean"),
        (("add", "stop!"), "there already"),
        (("add", "start"), "meaning of its own"),
        (("add", "two words"), "one word"),
        (("add", "Pizza"), "keyword PIZZA"),
        (("delete", "STOP", "--yes"), "disable it instead"),
    ],
)
def test_what_can_be_no_opt_out_is_refused(
    siaran: Siaran, number: None, words: tuple[str, ...], why: str
) -> None:
    assert siaran("keyword", "add", "pizza", "--list", "club").code == 0
    answer = siaran("optout-command", *words)
    assert (answer.code, len(answer.err.splitlines())) == (1, 1)
    assert why in answer.err


def test_a_keyword_lives_and_is_deleted_for_ever(siaran: Siaran, number: None) -> None:
    """R-6.6: active or not, tied to one list; a deleted one can never be used again."""
    assert siaran("keyword", "add", "Pizza", "--list", "club", "--response", "Hi").code == 0
    [one] = siaran("keyword", "ls", "--json").json
    del one["created_at"]
    assert one == {"keyword": "PIZZA", "list": "club", "response": "Hi", "status": "active"}
    edited = siaran("keyword", "edit", "pizza", "--inactive", "--response", "", "--json").json
    assert (edited["status"], edited["response"]) == ("inactive", None)
    assert siaran("keyword", "delete", "PIZZA", "--yes").code == 0
    assert [one["status"] for one in siaran("keyword", "ls", "--json").json] == ["deleted"]
    for words in (("add", "ＰＩＺＺＡ", "--list", "club"), ("edit", "pizza", "--active")):
        assert "can never be used again" in siaran("keyword", *words).err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("pizza!", "--list", "other"), "there already"),
        (("stop", "--list", "club"), "opt-out"),
        (("tidak", "--list", "club"), "opt-out"),
        (("opt-out", "--list", "club"), "opt-out"),
        (("Mulai", "--list", "club"), "resume"),
        (("info", "--list", "club"), "help word"),
        (("two words", "--list", "club"), "one word"),
        (("pasta", "--list", "clb"), "did you mean club?"),
        (("pasta", "--list", "club", "--response", "%%1%%"), "no params"),
    ],
)
def test_what_can_be_no_keyword_is_refused(
    siaran: Siaran, number: None, words: tuple[str, ...], why: str
) -> None:
    """R-6.6: one word, one list that is there, and no word with a meaning of its own."""
    siaran("list", "create", "other")
    assert siaran("keyword", "add", "pizza", "--list", "club").code == 0
    answer = siaran("keyword", "add", *words)
    assert (answer.code, len(answer.err.splitlines())) == (1, 1)
    assert why in answer.err
    assert len(siaran("keyword", "ls", "--json").json) == 1


def test_a_list_tells_its_keywords_before_it_is_deleted(siaran: Siaran, number: None) -> None:
    """R-1.11: they become inactive, or are deleted for ever, too."""
    siaran("list", "create", "other")
    for word, name in (("pizza", "club"), ("pasta", "other")):
        assert siaran("keyword", "add", word, "--list", name).code == 0
    assert "keywords become inactive: PIZZA" in siaran("list", "delete", "club").err
    assert siaran("list", "delete", "club", "--yes").code == 0
    assert siaran("list", "delete", "other", "--delete-keywords", "--yes").code == 0
    listed = siaran("keyword", "ls", "--json").json
    assert {one["keyword"]: (one["list"], one["status"]) for one in listed} == {
        "PIZZA": (None, "inactive"),
        "PASTA": (None, "deleted"),
    }
    assert "give --list another" in siaran("keyword", "edit", "pizza", "--active").err


def test_keywords_need_a_number_of_ones_own(siaran: Siaran) -> None:
    """R-6.6: dedicated numbers only."""
    siaran("list", "create", "club")
    assert "sender add" in siaran("keyword", "add", "pizza", "--list", "club").err


@pytest.fixture
def people(siaran: Siaran, tmp_path: Path) -> Path:
    """A file of two, and who a campaign to them comes from."""
    assert siaran("sender", "add", "4455").code == 0
    file = tmp_path / "people.csv"
    file.write_text("+64211234501\n+64211234502\n", encoding="utf-8")
    return file


def test_the_responses_in_force_are_shown_before_a_campaign_is_saved(
    siaran: Siaran, people: Path
) -> None:
    """R-3.1: the most specific that is set, for each thing that one may write; the list's with it."""
    siaran("response", "set", "general", "Thanks.")
    siaran("response", "set", "optout", "Gone.")
    quick = ("campaign", "quick", people, "--list", "march", "--now", "--message")
    general = siaran(*quick, "x" * 161)
    assert general.code == 1, "it wants to be confirmed"
    assert 'a reply gets the general response: "Thanks."' in general.err
    assert 'an opt-out gets the optout response: "Gone."' in general.err
    assert "no response is set for a resume word, HELP or INFO" in general.err
    long = "y" * 161
    own = siaran(*quick, "x" * 161, "--response", long, "--yes", "--json")
    assert own.err.count(f'a reply gets the list response, 2 segments: "{long}"') == 1
    assert [(one["meaning"], one["kind"], one["segments"]) for one in own.json["responses"]] == [
        ("reply", "list", 2),
        ("opt-out", "optout", 1),
        ("resume", None, 0),
        ("help", None, 0),
    ]
    shown = siaran("response", "show", "--json").json
    assert [one["text"] for one in shown if one["list"] == "march"] == [long]
    again = siaran("campaign", "new", "--list", "march", "--message", "Hi", "--now")
    assert "the list response" in again.err


def test_a_campaigns_response_is_set_with_it_or_not_at_all(siaran: Siaran, people: Path) -> None:
    """R-3.1: one transaction; one line says what is wrong with it."""
    quick = ("campaign", "quick", people, "--list", "march", "--now", "--message", "Hi")
    for text, why in (("Dear %%1%%", "no params"), (" ", "empty"), ("x" * 5000, "segments")):
        refused = siaran(*quick, "--response", text)
        assert (refused.code, len(refused.err.splitlines())) == (1, 1)
        assert "as a response" in refused.err
        assert why in refused.err
    assert siaran(*quick[:-2], "--message", "x" * 161, "--response", "Thanks.").code == 1
    assert siaran("list", "ls", "--json").json == siaran("response", "show", "--json").json == []
    assert "no response is set: nothing" in siaran(*quick).err
