"""Lists at the desk (R-1.1)."""

from __future__ import annotations

import csv
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.operations import Actor, Database, Refused, Tx, application_of, lists
from engine.store import lists as stored
from tests.desk.conftest import Siaran, until_somebody_waits


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


def test_a_list_is_renamed_and_keeps_what_it_has(siaran: Siaran) -> None:
    """R-1.1: rename; the log has both names (R-7.5)."""
    siaran("list", "create", "March", "--batch", "b")
    siaran("list", "create", "April")
    siaran("member", "add", "March", "+64211234567")
    assert siaran("list", "rename", "March", "March 2026", "--json").json["batch"] == "b"
    assert siaran("list", "show", "March 2026", "--json").json["members"] == 1
    assert "did you mean March 2026?" in siaran("list", "show", "March").err
    for new, why in (
        ("April", "is there already"),
        ("March 2026", "that name already"),
        ("", "empty"),
    ):
        assert why in siaran("list", "rename", "March 2026", new).err
    [line] = siaran("log", "--action", "list.rename", "--json").json
    assert (line["before"], line["after"]) == ({"name": "March"}, {"name": "March 2026"})


def test_a_list_is_edited(siaran: Siaran) -> None:
    """R-1.1: batch and address; an empty one takes it away."""
    siaran("list", "create", "L", "--batch", "b", "--email", "me@example.net")
    siaran("list", "edit", "L", "--email", "")
    edited = siaran("list", "edit", "L", "--batch", "c", "--json").json
    assert (edited["batch"], edited["email"]) == ("c", None)
    assert "write one address" in siaran("list", "edit", "L", "--email", "x").err
    lines = siaran("log", "--action", "list.edit", "--json").json
    assert [line["before"]["email"] for line in lines] == ["me@example.net", None]


def test_a_name_is_found_however_its_accents_are_written(siaran: Siaran) -> None:
    """Unicode: é as one character or as two; blanks round it don't count."""
    siaran("list", "create", "Cafe\u0301")
    assert siaran("list", "show", " Caf\u00e9 ", "--json").json["name"] == "Caf\u00e9"
    assert "is there already" in siaran("list", "create", "Caf\u00e9").err


def test_a_name_of_letters_that_only_look_alike_is_refused(siaran: Siaran) -> None:
    """Unicode look-alikes: nobody could type it again."""
    answer = siaran("list", "create", "сustomers")  # the first letter is Cyrillic
    assert answer.code == 1
    assert "Cyrillic and Latin letters in one word" in answer.err
    assert siaran("list", "create", "VIP Клиенты").code == 0


def test_a_list_is_deleted_after_a_yes_and_its_name_is_free(
    siaran: Siaran, database: Database, actor: Actor
) -> None:
    """R-1.1: members and all; what they have said stays (R-1.10)."""
    siaran("list", "create", "L", "--batch", "b")
    siaran("member", "add", "L", "+64211234567")
    siaran("member", "optout", "L", "+64211234567", "--everywhere")
    asked = siaran("list", "delete", "L")
    assert asked.code == 1
    assert 'Delete list "L" with its 1 member,' in asked.err
    assert siaran("list", "delete", "L", "--yes", "--json").json["members"] == 1
    assert "not found" in siaran("list", "show", "L").err
    assert siaran("list", "ls", "--json").json == []
    assert siaran("list", "create", "L").code == 0
    assert "has opted out" in siaran("member", "add", "L", "+64211234567").err
    [line] = siaran("log", "--action", "list.delete", "--json").json
    assert line["before"] == {"batch": "b", "email": None, "members": 1, "deleted": 0}
    left: Any = database.run(
        lambda tx: tx.execute(
            """
            SELECT count(*) FROM member m JOIN list l ON l.id = list_id
            JOIN application a ON a.id = application_id WHERE a.name = %s
            """,
            (actor.application,),
        ).fetchone()
    )
    assert left == (0,)


def test_a_list_that_a_campaign_needs_is_not_deleted(siaran: Siaran) -> None:
    """R-1.11: what is scheduled can be sent; what is over still names its list."""
    siaran("sender", "add", "4455")
    siaran("list", "create", "L")
    siaran("member", "add", "L", "+64211234567")
    words = ("campaign", "new", "--list", "L", "--message", "Hi", "--at", "2030-12-01 09:10")
    campaign = siaran(*words, "--json").json["campaign"]["id"]
    refused = siaran("list", "delete", "L", "--yes")
    assert refused.code == 1
    assert f"needed by campaign {campaign}" in refused.err
    siaran("campaign", "cancel", campaign, "--yes")
    assert siaran("list", "delete", "L", "--yes").code == 0
    assert siaran("campaign", "show", campaign, "--json").json["list"] == "L"
    assert siaran(*words).code == 1


def test_deletion_and_campaign_at_the_same_moment(
    siaran: Siaran, database: Database, actor: Actor
) -> None:
    """The deletion waits for a campaign that is being made, and is then refused."""
    siaran("list", "create", "L")
    ready = threading.Event()

    def make(tx: Tx) -> None:
        found = lists.get(tx, application_of(tx, actor).id, "L")
        assert stored.hold(tx, found.id)
        ready.set()
        until_somebody_waits(tx)
        tx.execute(
            """
            INSERT INTO campaign (application_id, list_id, quick, text, sender, scheduled_at,
                                  timezone, created_by)
            SELECT application_id, id, false, 'x', '1', now(), 'UTC', 'anna' FROM list WHERE id = %s
            """,
            (found.id,),
        )

    thread = threading.Thread(target=database.run, args=(make,))
    thread.start()
    assert ready.wait(10)
    try:
        with pytest.raises(Refused, match="needed by campaign"):
            database.run(lists.delete, actor, "L")
    finally:
        thread.join()


def test_who_waits_for_a_list_too_long_is_told_why(
    siaran: Siaran, database: Database, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list that an import is being merged into: one line, not a time-out of the database."""
    siaran("list", "create", "L")
    monkeypatch.setattr(stored, "WAIT", "50ms")
    ready, done = threading.Event(), threading.Event()

    def keep(tx: Tx) -> None:
        lists.get_locked(tx, application_of(tx, actor).id, "L")
        ready.set()
        assert done.wait(10)

    thread = threading.Thread(target=database.run, args=(keep,))
    thread.start()
    try:
        assert ready.wait(10)
        answer = siaran("member", "add", "L", "+64211234567")
    finally:
        done.set()
        thread.join()
    assert answer.code == 1
    assert "being changed by somebody else" in answer.err
