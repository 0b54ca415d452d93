"""Applications, their users and what these may do."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from admin_cli.main import commands
from engine.operations import Actor
from tests.desk.conftest import Siaran


@pytest.fixture
def name() -> str:
    return f"shop-{uuid.uuid4()}"


def test_an_application_is_added_shown_and_edited(siaran: Siaran, name: str) -> None:
    added = siaran("app", "add", name, "--company", "Acme", "--timezone", "Pacific/Auckland")
    assert added.code == 0
    assert "has a sender" in added.err
    siaran("sender", "add", "Acme", "--app", name)
    shown = siaran("app", "show", name, "--json").json
    assert (shown["company"], shown["timezone"], shown["senders"]) == (
        "Acme",
        "Pacific/Auckland",
        1,
    )
    edited = siaran("app", "edit", name, "--company", "", "--timezone", "asia/jakarta")
    assert "did you mean Asia/Jakarta" in edited.err
    siaran("app", "edit", name, "--company", "", "--timezone", "Asia/Jakarta")
    listed = {one["name"]: one for one in siaran("app", "ls", "--json").json}
    assert (listed[name]["company"], listed[name]["timezone"]) == (None, "Asia/Jakarta")
    assert "default" in listed
    lines = siaran("log", "--app", name, "--action", "app", "--json").json
    assert [line["action"] for line in lines] == ["app.add", "app.edit"]
    assert lines[1]["before"] == {"company": "Acme", "timezone": "Pacific/Auckland"}


def test_without_a_zone_it_has_that_of_the_application_it_is_added_from(
    siaran: Siaran, name: str
) -> None:
    assert siaran("app", "add", name, "--json").json["timezone"] == "Asia/Jakarta"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("add", "default"), "is there already"),
        (("add", ""), "name is empty"),
        (("add", "a\x1b[2J"), "control character"),
        (("add", "сustomers"), "Cyrillic and Latin"),  # the first letter is Cyrillic
        (("add", "x", "--timezone", "Mars/Olympus"), "time zone"),
        (("show", "defalt"), "did you mean default?"),
        (("edit", "defalt"), "did you mean default?"),
    ],
)
def test_what_can_be_no_application_is_refused(
    siaran: Siaran, words: tuple[str, ...], why: str
) -> None:
    answer = siaran("app", *words)
    assert answer.code == 1
    assert why in answer.err
    assert len(answer.err.splitlines()) == 1


@pytest.fixture
def people(siaran: Siaran) -> None:
    """anna is an admin, olga an operator, victor a viewer."""
    siaran("user", "add", "anna", "--email", "anna@example.net")
    siaran("user", "add", "olga", "--as", "anna")
    siaran("user", "add", "victor", "--role", "viewer", "--as", "anna")


def test_the_first_user_is_an_admin_and_others_send(siaran: Siaran) -> None:
    refused = siaran("user", "add", "victor", "--role", "viewer")
    assert refused.code == 1
    assert "add an admin first" in refused.err
    assert siaran("user", "add", "anna", "--json").json["role"] == "admin"
    assert siaran("user", "add", "olga", "--as", "anna", "--json").json["role"] == "operator"
    listed = siaran("user", "ls", "--as", "olga", "--json").json
    assert [(one["name"], one["active"]) for one in listed] == [("anna", True), ("olga", True)]


# What each role may do, and not: with users, nobody else does anything.
COMMANDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("victor", ("list", "ls")),
    ("victor", ("member", "search", "L")),
    ("victor", ("setting", "ls")),
    ("victor", ("log",)),
    ("victor", ("app", "show")),
    ("olga", ("list", "create", "N")),
    ("olga", ("member", "add", "L", "+64211234567")),
    ("anna", ("setting", "set", "segments.max", "3")),
    ("anna", ("sender", "add", "Acme")),
    ("anna", ("prefix", "add", "021", "6421")),
    ("anna", ("user", "add", "eko")),
    ("anna", ("app", "edit", "@", "--company", "Acme")),
)


@pytest.mark.parametrize(("least", "words"), COMMANDS, ids=lambda value: str(value))
@pytest.mark.usefixtures("people")
def test_viewers_read_operators_send_admins_configure(
    siaran: Siaran, actor: Actor, least: str, words: tuple[str, ...]
) -> None:
    siaran("list", "create", "L", "--as", "anna")
    words = tuple(actor.application if word == "@" else word for word in words)
    order = ["stranger", "victor", "olga", "anna"]
    for who in order[: order.index(least)]:
        answer = siaran(*words, "--as", who)
        assert answer.code == 1, who
        assert "--as" in answer.err or "ask anna" in answer.err
    assert siaran(*words, "--as", least).code == 0


@pytest.mark.usefixtures("people")
def test_who_is_none_of_the_users_is_told_whom_there_is(siaran: Siaran) -> None:
    """With the nearest name."""
    assert "did you mean anna?" in siaran("list", "ls", "--as", "ana").err
    assert "which has anna, olga, victor" in siaran("list", "ls", "--as", "x").err


@pytest.mark.usefixtures("people")
def test_an_application_always_has_an_admin(siaran: Siaran) -> None:
    for words in (["--role", "operator"], ["--inactive"]):
        refused = siaran("user", "edit", "anna", *words, "--as", "anna")
        assert refused.code == 1
        assert "last active admin" in refused.err
    siaran("user", "edit", "olga", "--role", "admin", "--as", "anna")
    assert siaran("user", "edit", "anna", "--inactive", "--as", "olga").code == 0
    assert "not active any more" in siaran("list", "ls", "--as", "anna").err


@pytest.mark.usefixtures("people")
def test_users_are_edited_and_it_is_logged(siaran: Siaran) -> None:
    """R-7.5."""
    siaran("user", "edit", "olga", "--email", "olga@example.net", "--as", "anna")
    siaran("user", "edit", "olga", "--email", "", "--role", "viewer", "--as", "anna")
    assert "did you mean olga?" in siaran("user", "edit", "olg", "--as", "anna").err
    assert "write one address" in siaran("user", "edit", "olga", "--email", "x", "--as", "anna").err
    assert "is there already" in siaran("user", "add", "olga", "--as", "anna").err
    lines = siaran("log", "--action", "user.edit", "--as", "anna", "--json").json
    assert [(line["by"], line["object"], line["before"]["email"]) for line in lines] == [
        ("anna", "olga", None),
        ("anna", "olga", "olga@example.net"),
    ]


READING = {"ls", "show", "search", "download"}
NOUNS = {"app", "user", "setting", "blacklist", "sender", "list", "member", "prefix", "template"}

# Every command of the desk that changes something, with words that would do it.
CHANGES: dict[str, tuple[str, ...]] = {
    "app add": ("x",),
    "app edit": ("@", "--company", "x"),
    "user add": ("x",),
    "user edit": ("olga", "--email", "x@example.net"),
    "user token": ("olga",),
    "user password": ("olga", "--file", "%"),
    "setting set": ("segments.max", "3"),
    "setting unset": ("segments.max",),
    "blacklist add": ("+64211234567",),
    "blacklist remove": ("+64211234567",),
    "blacklist import": ("%",),
    "sender add": ("3700",),
    "sender edit": ("3700", "--default"),
    "sender delete": ("3700", "--yes"),
    "list create": ("x",),
    "list rename": ("L", "x"),
    "list edit": ("L", "--batch", "x"),
    "list import": ("L", "%"),
    "list delete": ("L", "--yes"),
    "member add": ("L", "+64211234567"),
    "member edit": ("L", "+64211234567", "x"),
    "member delete": ("L", "+64211234567"),
    "member restore": ("L", "+64211234567"),
    "member optout": ("L", "+64211234567"),
    "member optin": ("L", "+64211234567", "--reason", "x"),
    "prefix add": ("021", "6421"),
    "prefix edit": ("021", "6421"),
    "prefix delete": ("021", "--yes"),
    "template add": ("x", "Hello"),
    "template edit": ("x", "Hello"),
    "template delete": ("x", "--yes"),
}


def test_the_table_of_changes_is_complete() -> None:
    """A new command of these nouns says here who may not."""
    entries = {entry.name for entry in commands() if entry.name.split()[0] in NOUNS}
    assert set(CHANGES) == {name for name in entries if name.split()[1] not in READING}


@pytest.mark.usefixtures("people")
def test_a_viewer_changes_nothing(siaran: Siaran, actor: Actor, tmp_path: Path) -> None:
    """Also by file; and nothing of it is in the log."""
    siaran("list", "create", "L", "--as", "anna")
    file = tmp_path / "numbers.csv"
    file.write_text("+64211234567\n", "utf-8")
    words = {"@": actor.application, "%": str(file)}
    before = len(siaran("log", "--rows", "0", "--as", "anna", "--json").json)
    by_file = {
        "member delete": ("L", "--file", "%", "--yes"),
        "member optout": ("L", "--file", "%"),
    }
    for name, given in (*CHANGES.items(), *by_file.items()):
        answer = siaran(*name.split(), *(words.get(w, w) for w in given), "--as", "victor")
        assert answer.code == 1, name
        assert "and victor is a viewer" in answer.err, name
    assert len(siaran("log", "--rows", "0", "--as", "anna", "--json").json) == before
