"""`siaran demo`, as whoever has just cloned the repository runs it: real processes, TCP, SQL."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from admin_cli import demo_replies
from admin_cli.demo import Outcome, faults, made_up, read_record
from admin_cli.demo_replies import Heard
from engine.domain.campaign import CampaignState
from engine.domain.numbers import Cleaned, PrefixMaps, clean
from engine.operations.campaigns import MessageState
from engine.operations.importing import ImportReport
from engine.operations.reports import Report

ROOT = Path(__file__).parents[2]

AMY, SARAH, MICHAEL = "+64211234567", "+6427123456", "+642912345"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The repository, in a directory with a blank, an umlaut and a long name."""
    link = tmp_path / f"Größe {'x' * 120}" / "siaran"
    link.parent.mkdir()
    link.symlink_to(ROOT)
    return link


@pytest.fixture
def temporary(checkout: Path) -> Path:
    """Where the demo makes its home: an empty directory below such a one."""
    path = checkout.parent / "tmp"
    path.mkdir()
    return path


def demo(checkout: Path, temporary: Path, *words: str) -> subprocess.Popen[str]:
    """Start it. What our environment says about Siaran is not meant for it."""
    return subprocess.Popen(
        [sys.executable, "-m", "admin_cli", "demo", *words],
        cwd=checkout,
        env=os.environ | {"TMPDIR": str(temporary), "SIARAN_CONFIG": "none.toml"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def living(path: Path) -> dict[int, str]:
    """The processes that have to do with `path`: by command line, environment or directory."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
            about = words + (process / "environ").read_bytes()
            about += os.fsencode((process / "cwd").readlink())
        except OSError:
            continue  # it has ended, or is somebody else's
        if os.fsencode(path) in about:
            found[int(process.name)] = words.replace(b"\0", b" ").decode(errors="replace")
    return found


def test_every_message_comes_back(checkout: Path, temporary: Path) -> None:
    """From a CSV to delivery receipts in one command; and nothing is left of it."""
    process = demo(checkout, temporary, "--recipients", "50", "--json")
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    document = json.loads(out)
    assert document["ok"] is True
    assert document["exactly_once"] is True
    assert (document["recipients"], document["delivered"]) == (53, 53)
    assert document["import"]["imported"] == 53
    assert document["report"]["counts"]["delivered"] == 53
    assert document["smsc"]["unique_destinations"] == 53
    assert document["smsc"]["receipts_acked"] == 53 + 3
    assert {message["mobile"]: message["text"] for message in document["messages"]} == {
        AMY: "Hai Amy, pembayaran Anda berikutnya jatuh tempo pada 12 Nov untuk $159.62. "
        "Silakan hubungi 0800123456 untuk menyediakan akun Anda#.",
        SARAH: "Hai Sarah, pembayaran Anda berikutnya jatuh tempo pada 14 Nov untuk $321.45. "
        "Silakan hubungi 080012345 untuk menyediakan akun Anda#.",
        MICHAEL: "Hai Michael, pembayaran Anda berikutnya jatuh tempo pada 22 Nov untuk $295.22. "
        "Silakan hubungi 04 1234567 untuk menyediakan akun Anda#.",
    }
    assert [
        (reply["mobile"], reply["meaning"], reply["opted_out"], reply["joined"], reply["delivered"])
        for reply in sorted(document["replies"], key=lambda reply: str(reply["meaning"]))
    ] == [
        (MICHAEL, "keyword", False, True, True),
        (AMY, "opt-out", True, False, True),
        (SARAH, "reply", False, False, True),
    ]
    assert living(temporary) == {}
    assert list(temporary.iterdir()) == []


def test_an_interrupted_demo_leaves_nothing(checkout: Path, temporary: Path) -> None:
    """Ctrl-C in the midst of it: children end, the database is stopped, the home is removed."""
    process = demo(checkout, temporary, "--recipients", "20000")
    assert process.stdout is not None
    for line in process.stdout:
        if "running: queued" in line:
            assert len(living(temporary)) >= 4  # simulator, engine, keeper, PostgreSQL
            process.send_signal(signal.SIGINT)
            break
    out, err = process.communicate()
    assert (process.returncode, err) == (130, "")
    assert "Report" not in out
    assert living(temporary) == {}
    assert list(temporary.iterdir()) == []


def test_a_child_that_dies_is_told_with_its_log(checkout: Path, temporary: Path) -> None:
    """Exit 1, its last words, and of the files only the logs, because one is named."""
    process = demo(checkout, temporary, "--recipients", "0")
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("2. Import"):
            (engine,) = (pid for pid, words in living(temporary).items() if " run " in words)
            os.kill(engine, signal.SIGKILL)
            break
    _, err = process.communicate()
    assert process.returncode == 1
    (home,) = temporary.iterdir()
    assert "The last words of `siaran run`:" in err
    last = err.splitlines()[-1]
    assert last == f"siaran: `siaran run` has ended by SIGKILL; its log is {home / 'run.log'}"
    left = {str(file.relative_to(home)) for file in home.rglob("*") if file.is_file()}
    assert left == {"run.log", "smsc.log", "postgres/log"}
    assert living(temporary) == {}


def heard(n: int, **more: Any) -> Heard:
    """What the recipient +64n wrote, and what became of it; `more` is what is wrong with that."""
    wanted = demo_replies.EXPECTED[n - 1]
    found = Heard(
        mobile=f"+64{n}",
        content=wanted.text,
        meaning=wanted.meaning,
        list="demo",
        opted_out=wanted.meaning == "opt-out",
        joined=wanted.meaning == "keyword",
        response=wanted.response,
        delivered=True,
    )
    return replace(found, **more)


THREE = (heard(1), heard(2), heard(3))
ANSWERS = {one.mobile: [str(one.response)] for one in THREE}


def outcome(
    received: dict[str, int],
    *,
    delivered: int,
    replies: Sequence[Heard] = THREE,
    answers: dict[str, list[str]] = ANSWERS,
) -> Outcome:
    """Of a demo with the recipients +641, +642 and +643."""
    counts = dict.fromkeys(MessageState, 0) | {MessageState.DELIVERED: delivered}
    at = datetime(2026, 11, 3, tzinfo=UTC)
    return Outcome(
        expected=["+641", "+642", "+643"],
        received=received,
        messages=[],
        replies=replies,
        answers=answers,
        imported=ImportReport(list="demo"),
        report=Report(
            id=1,
            state=CampaignState.COMPLETED,
            list="demo",
            batch=None,
            sender="3774",
            user="anna",
            scheduled_at=at,
            started_at=at,
            ended_at=at,
            duration_s=1.0,
            planned=None,
            recipients=3,
            counts=counts,
            segments=3,
            segments_delivered=3,
            replies=len(replies),
            opted_out=0,
            removed=0,
        ),
        smsc={},
        took_s=1.0,
    )


ALL = {"+641": 1, "+642": 1, "+643": 1}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (outcome(ALL, delivered=3), []),
        (outcome(ALL, delivered=2), ["1 of 3 messages have no good receipt"]),
        (
            outcome({"+641": 1, "+643": 1}, delivered=3),
            ["the SMSC did not get 1, such as that to +642"],
        ),
        (
            outcome(ALL | {"+643": 2}, delivered=3),
            ["the SMSC got 1 repeatedly, such as that to +643"],
        ),
        (outcome(ALL | {"+649": 1}, delivered=3), ["the SMSC got 1 to others, such as +649"]),
        (
            outcome(ALL, delivered=3, replies=THREE[1:]),
            ["2 replies came in, not 3", '"STOP" is not in the inbox'],
        ),
        (
            outcome(ALL, delivered=3, replies=(heard(1, opted_out=False), *THREE[1:])),
            ['"STOP" has opted out nobody'],
        ),
        (
            outcome(ALL, delivered=3, replies=(*THREE[:2], heard(3, joined=False))),
            ['"KLUB" has put nobody into "klub"'],
        ),
        (
            outcome(ALL, delivered=3, replies=(heard(1, meaning="reply"), *THREE[1:])),
            ['"STOP" was taken for reply to list demo'],
        ),
        (
            outcome(ALL, delivered=3, replies=(heard(1, delivered=False), *THREE[1:])),
            ['"STOP" was not answered as it should be'],
        ),
        (
            outcome(ALL, delivered=3, answers=ANSWERS | {"+641": ANSWERS["+641"] * 2}),
            ['the SMSC got 2 responses to "STOP", not that one'],
        ),
    ],
)
def test_all_is_well_only_when_the_smsc_agrees(found: Outcome, said: list[str]) -> None:
    """Exit 0 needs a receipt for each, and each recipient exactly once in the SMSC's record."""
    assert faults(found) == said


def test_made_up_recipients_are_all_different_and_none_is_doubted() -> None:
    """The import would say so, and a newcomer would wonder; and nobody gets two segments."""
    rows = [row.rstrip("\n").split(",") for row in made_up(100_000)]
    assert len({mobile for mobile, *_ in rows}) == 100_000
    for mobile, *params in rows[::97]:
        assert clean(mobile, PrefixMaps()) == Cleaned(mobile=mobile, mapped=False, warnings=())
        assert sum(map(len, params)) <= 40
    assert list(made_up(3)) == list(made_up(5))[:3]


def test_the_record_counts_messages_not_segments_or_refusals(tmp_path: Path) -> None:
    """What the SMSC took, by number; and the texts that are asked for, in that order."""

    def line(destination: str, **more: Any) -> str:
        row = {"destination": destination, "text": f"to {destination}", "part": None, "id": "1"}
        return json.dumps(row | more) + "\n"

    file = tmp_path / "record.jsonl"
    file.write_text(
        line("641") + line("642", id=None) + line("642") + line("643", part=1) + line("643", part=2)
    )
    answer = demo_replies.EXPECTED[0].response
    file.write_text(file.read_text() + line("641", text=answer))
    received, texts, answers = read_record(file, ["+642", "+641", "+649"])
    assert answers == {"+641": [answer]}
    assert received == Counter({"+641": 1, "+642": 1, "+643": 1})
    assert list(texts.items()) == [("+642", "to 642"), ("+641", "to 641")]
