"""The inbox at the desk (R-6.1)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from admin_cli.inbox import LATE_S, News, line
from engine.operations import Actor, Database, Tx
from engine.operations.inbox import Mo
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
        mobile: str,
        content: str,
        *,
        list_name: str | None = None,
        owned: bool = True,
        meaning: str | None = None,
        parts: tuple[int, int] = (1, 1),
    ) -> None:
        def insert(tx: Tx) -> None:
            tx.execute(
                """
                INSERT INTO inbox (id, application_id, carrier_id, mobile, destination, received_at,
                                   content, data_coding, list_id, campaign_id, params, meaning,
                                   parts, parts_of)
                SELECT next_id(), CASE WHEN %s THEN a.id END, 1, %s, '4455', now(), %s, 0,
                       l.id, c.id, CASE WHEN l.id IS NOT NULL THEN ARRAY['Ann'] END,
                       %s, %s, %s
                FROM application a
                LEFT JOIN list l ON l.application_id = a.id AND l.name = %s
                LEFT JOIN campaign c ON c.list_id = l.id
                WHERE a.name = %s
                """,
                (owned, mobile, content, meaning, *parts, list_name, actor.application),
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
    assert "write one of opt-out" in siaran("inbox", "download", "--meaning", "x").err


def test_a_download_takes_what_a_listing_takes(siaran: Siaran, receive: Receive) -> None:
    """R-6.1: by number, content, meaning and opt-out."""
    receive("+64211234501", "STOP", meaning="opt-out")
    receive("+64211234502", "please stop", meaning="near miss", parts=(1, 3))

    def found(*words: str) -> list[str]:
        lines = siaran("inbox", "download", *words).out.splitlines()[1:]
        return [line.split(",", 5)[4] for line in lines]

    assert found("--meaning", "near miss") == found("--mobile", "502") == ["please stop"]
    assert found("--content", "STOP", "--meaning", "opt-out") == ["STOP"]
    assert found("--opted-out", "yes") == found("--list", "nowhere") == []


def test_a_listing_tells_what_each_was_taken_for_and_what_is_missing(
    siaran: Siaran, receive: Receive
) -> None:
    """R-6.3: near misses stand out; R-5.9: a long one of which parts never came is marked."""
    receive("+64211234502", "please stop", meaning="near miss", parts=(1, 3))
    out = siaran("inbox", "ls").out
    assert "MEANING" in out
    assert "near miss  please stop [1 of 3 parts]" in out
    [mo] = siaran("inbox", "ls", "--json").json
    assert (mo["parts"], mo["parts_of"], mo["meaning"]) == (1, 3, "near miss")
    assert str(mo["id"]) in out, "optout wants it"


def test_what_nobody_owns_answers_nothing(siaran: Siaran, receive: Receive) -> None:
    """R-6.1: so nobody looks for a list among it in vain."""
    siaran("list", "create", "march")
    for words in (("--list", "march"), ("--batch", "b"), ("--opted-out", "yes")):
        refused = siaran("inbox", "ls", "--unowned", *words)
        assert (refused.code, len(refused.err.splitlines())) == (1, 1)
        assert "nobody owns" in refused.err


def mo(number: int) -> Mo:
    """An MO of that number."""
    return Mo(
        id=number,
        application="default",
        received_at=datetime(2026, 11, 25, 6, tzinfo=UTC),
        mobile="+64211234501",
        destination="3774",
        content="Yes\x1b",
        campaign_id=12,
        message_id=1,
        list="march",
        batch=None,
        params=None,
        opted_out=False,
        meaning="reply",
        response_id=1,
        response="Thanks",
        parts=1,
        parts_of=2,
    )


def test_who_watches_is_told_each_once_though_it_commits_late() -> None:
    """R-6.1: numbers are given before the commit; one below another may come to light after it."""
    there: list[int] = []
    asked: list[int] = []

    def since(after: int) -> list[Mo]:
        asked.append(after)
        return [mo(n) for n in there if n > after]

    news = News(since, 10)

    def look(at_s: float) -> list[int]:
        return [one.id for one in news.look(at_s)]

    assert look(0.0) == []
    there += [11, 13]
    assert look(1.0) == [11, 13]
    there.insert(1, 12)
    assert look(2.0) == [12]
    assert look(2.0 + LATE_S + 1) == []
    assert asked[-1] == 10
    there.append(14)
    assert look(20.0) == [14]
    assert asked[-1] == 13, "what is long told is not asked for again"


def test_who_watches_reads_a_line_for_each_until_ctrl_c(
    configuration: Path, actor: Actor, receive: Receive, siaran: Siaran
) -> None:
    """R-6.1: what was there on request, then what comes; ended by Ctrl-C it is well (exit 0)."""
    receive("+64211234501", "before", meaning="reply")
    command = (sys.executable, "-m", "admin_cli", "inbox", "watch", "--rows", "5", "--json")
    with subprocess.Popen(
        command,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"SIARAN_CONFIG": str(configuration), "SIARAN_APP": actor.application},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["content"] == "before"
            receive("+64211234502", "STOP", meaning="opt-out")
            new = json.loads(process.stdout.readline())
            assert (new["content"], new["meaning"]) == ("STOP", "opt-out")
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, out) == (0, "")
    assert err == "watching the inbox; Ctrl-C ends it\n"


def test_a_line_of_watch_commands_no_terminal() -> None:
    """What a subscriber wrote is shown, not obeyed."""
    assert line(mo(1)) == (
        '2026-11-25 06:00:00Z +64211234501 → 3774 reply: "Yes\\x1b" [1 of 2 parts]; list "march"; '
        'campaign 12; answered "Thanks"'
    )
