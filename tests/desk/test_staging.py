"""What a demonstration stands on: its home, its signals, its story."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from admin_cli.staging import Story, interruptible, temporary_home, undisturbed
from engine.operations import Refused

ALL = {"run.log", "record.jsonl", "postgres/log", "postgres/data/PG_VERSION"}
LOGS = {"run.log", "postgres/log"}


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where homes are made."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("end", "keep", "left"),
    [
        (None, False, set()),
        (KeyboardInterrupt(), False, set()),
        (BrokenPipeError(), False, set()),
        (Refused("no"), False, LOGS),
        (ZeroDivisionError(), False, LOGS),
        (None, True, ALL),
        (Refused("no"), True, ALL),
        (KeyboardInterrupt(), True, ALL),
    ],
)
def test_of_a_home_only_what_is_asked_for_or_needed_stays(
    end: BaseException | None, keep: bool, left: set[str], temporary: Path
) -> None:
    """Nothing; the logs after a failure, since its message names them; all with --keep."""

    def play() -> None:
        with temporary_home(keep=keep) as home:
            assert os.environ["SIARAN_HOME"] == str(home)
            for name in ALL:
                (home / name).parent.mkdir(parents=True, exist_ok=True)
                (home / name).touch()
            if end is not None:
                raise end

    before = os.environ["SIARAN_HOME"]
    if end is None:
        play()
    else:
        with pytest.raises(type(end)):
            play()
    assert os.environ["SIARAN_HOME"] == before
    files = {file.relative_to(temporary) for file in temporary.rglob("*") if file.is_file()}
    assert {str(Path(*file.parts[1:])) for file in files if file.name != "mutex"} == left
    assert bool(list(temporary.iterdir())) == bool(left)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_whatever_asks_it_to_end_does_so_as_ctrl_c(number: signal.Signals) -> None:
    """So everything is tidied up; and while that is done, nothing disturbs it."""
    before = signal.getsignal(number)
    with interruptible():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        undisturbed()
        signal.raise_signal(number)
    assert signal.getsignal(number) is before


def test_under_nohup_a_hangup_is_nothing() -> None:
    """Who said so meant it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_story_has_numbered_sections_and_aligned_columns(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What came from outside is shown, not obeyed."""
    story = Story(quiet=False)
    story.head("Send", "siaran campaign new")
    story.table([("+64211234567", "Halo"), ("+642912345", "\x1b[2J")])
    story.head("Report")
    assert capsys.readouterr().out.splitlines() == [
        "",
        "1. Send",
        "   $ siaran campaign new",
        "   +64211234567  Halo",
        "   +642912345    \\x1b[2J",
        "",
        "2. Report",
    ]
    Story(quiet=True).head("Send")
    assert capsys.readouterr().out == ""
