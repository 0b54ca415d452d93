"""The inbox at the desk (R-6.1)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.operations import Actor, Database, Tx
from tests.desk.conftest import Siaran

Receive = Callable[..., None]


@pytest.fixture(autouse=True)
def sender(siaran: Siaran) -> str:
    """What a campaign comes from when it says nothing."""
    assert siaran("sender", "add", "4455").code == 0
    return "4455"


@pytest.fixture
def receive(database: Database, actor: Actor, siaran: Siaran) -> Receive:
    """Write down an MO as the engine does: `receive("+64…", "Yes", list_name="march")`."""

    def write(
        mobile: str, content: str, *, list_name: str | None = None, owned: bool = True
    ) -> None:
        def insert(tx: Tx) -> None:
            tx.execute(
                """
                INSERT INTO inbox (id, application_id, carrier_id, mobile, destination, received_at,
                                   content, data_coding, list_id, campaign_id, params)
                SELECT next_id(), CASE WHEN %s THEN a.id END, 1, %s, '4455', now(), %s, 0,
                       l.id, c.id, CASE WHEN l.id IS NOT NULL THEN ARRAY['Ann'] END
                FROM application a
                LEFT JOIN list l ON l.application_id = a.id AND l.name = %s
                LEFT JOIN campaign c ON c.list_id = l.id
                WHERE a.name = %s
                """,
                (owned, mobile, content, list_name, actor.application),
            )

        database.run(insert)

    return write


def test_replies_are_found_by_number_content_list_and_batch(
    siaran: Siaran, receive: Receive, say: Callable[..., None]
) -> None:
    """R-6.1: with list, params, campaign and what the number said last, the newest first."""
    siaran("list", "create", "march")
    siaran("member", "add", "march", "+64211234501", "Ann")
    words = ("--list", "march", "--message", "Hi", "--now", "--batch", "b1", "--json")
    campaign = siaran("campaign", "new", *words).json["campaign"]["id"]
    receive("+64211234501", "Yes please", list_name="march")
    receive("+64211234502", "50%")
    say("+64211234501", "out", "march")

    def found(*words: str) -> list[str]:
        return [mo["content"] for mo in siaran("inbox", "ls", *words, "--json").json]

    assert found() == ["50%", "Yes please"]
    assert found("--content", "YES") == found("--list", "march") == ["Yes please"]
    assert found("--batch", "b1") == found("--mobile", "34501") == ["Yes please"]
    assert found("--content", "%") == found("--rows", "1") == ["50%"]
    newest, oldest = siaran("inbox", "ls", "--json").json
    assert (oldest["campaign_id"], oldest["list"], oldest["params"]) == (campaign, "march", ["Ann"])
    assert (oldest["opted_out"], newest["opted_out"]) == (True, False)
    assert "did you mean march?" in siaran("inbox", "ls", "--list", "mach").err


def test_what_nobody_owns_is_kept_and_shown(siaran: Siaran, receive: Receive) -> None:
    """R-6.1: --unowned, and never in an application's inbox."""
    receive("+64211234509", "Who is this?", owned=False)
    assert siaran("inbox", "ls", "--json").json == []
    unowned = siaran("inbox", "ls", "--unowned", "--mobile", "34509", "--json").json
    assert {mo["application"] for mo in unowned} == {None}


def test_what_came_in_can_not_command_the_terminal(siaran: Siaran, receive: Receive) -> None:
    """A subscriber's escape sequences are shown, not obeyed."""
    receive("+64211234501", "\x1b[2Jboo\nline")
    out = siaran("inbox", "ls").out
    assert "\x1b" not in out
    assert "boo\\nline" in out


def test_a_person_opts_out_who_wrote(siaran: Siaran, receive: Receive) -> None:
    """R-6.7: from all of the application; R-6.1: searched by opt-out."""
    receive("+64211234501", "Leave me alone")
    receive("+64211234502", "Hello")
    [one] = siaran("inbox", "ls", "--mobile", "34501", "--json").json
    assert siaran("inbox", "optout", str(one["id"]), "--reason", "asked").code == 0
    assert "opted out already" in siaran("inbox", "optout", str(one["id"])).err
    assert "is in the inbox" in siaran("inbox", "optout", "7").err

    def found(which: str) -> list[str]:
        return [mo["content"] for mo in siaran("inbox", "ls", "--opted-out", which, "--json").json]

    assert (found("yes"), found("no")) == (["Leave me alone"], ["Hello"])
    assert found("any") == ["Hello", "Leave me alone"]
    [line] = siaran("log", "--action", "inbox.optout", "--json").json
    assert line["object"] == "+64211234501"


def test_the_inbox_is_downloaded(siaran: Siaran, receive: Receive) -> None:
    """R-6.1: as CSV; what a spreadsheet would calculate does not."""
    receive("+64211234501", "=1+1")
    receive("+64211234502", "Hello, you")
    lines = siaran("inbox", "download").out.splitlines()
    assert lines[0].startswith("id,received_at,mobile,")
    assert ',+64211234502,4455,"Hello, you",' in lines[1]
    assert ",'=1+1," in lines[2]
    assert "write one of opt-out" in siaran("inbox", "ls", "--meaning", "x").err
