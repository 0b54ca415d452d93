"""A line an event, in each form; no mobile and no line end gets through (R-8.5, R-9.1)."""

from __future__ import annotations

import json
import logging
import shlex
from collections.abc import Iterator

import pytest

from engine import log

NASTY = 'a "quoted" = sign,\na line end, \\ and 🙃'


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Others have a log, too."""
    ours, root = logging.getLogger("siaran"), logging.getLogger()
    kept = (ours.handlers, ours.level, ours.propagate, root.handlers)
    yield
    log.start()
    ours.handlers, ours.level, ours.propagate, root.handlers = kept


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_text_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    log.start("text")
    log.warning("bind.down", carrier="tui", again_in_s=1.5, reason="it said no")
    [line] = lines(capsys)
    level, at, event, rest = line.split(" ", 3)
    assert (level, event) == ("WARNING", "bind.down")
    assert at.endswith("Z")
    assert rest == 'carrier=tui again_in_s=1.5 reason="it said no"'


def test_json_is_a_document_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    log.start("json")
    log.error("database.away", reason=NASTY, tries=3, hosts=["a", "b"], code=None)
    [line] = lines(capsys)
    document = json.loads(line)
    assert list(document)[:3] == ["at", "level", "event"]
    assert document["level"] == "error"
    assert document["event"] == "database.away"
    assert document["reason"] == NASTY
    assert (document["tries"], document["hosts"], document["code"]) == (3, ["a", "b"], None)


def test_logfmt_has_time_and_level_as_fields(capsys: pytest.CaptureFixture[str]) -> None:
    log.start("logfmt")
    log.info("bind.up", carrier="tui", peer="SMSC of Tui", empty="", odd=NASTY)
    [line] = lines(capsys)
    fields = dict(word.split("=", 1) for word in shlex.split(line))
    assert (fields["level"], fields["event"], fields["carrier"]) == ("info", "bind.up", "tui")
    assert fields["peer"] == "SMSC of Tui"
    assert fields["empty"] == ""


@pytest.mark.parametrize("form", ["text", "logfmt", "json"])
@pytest.mark.parametrize("shown", [False, True])
def test_mobiles_are_masked_unless_they_are_to_be_seen(
    form: str, shown: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    log.start(form, mobiles=shown)
    log.info("command", argument="+64211234567", id=1413900000000001)
    [line] = lines(capsys)
    assert ("+64211234567" in line) is shown
    assert ("+642…67" in line) is not shown
    assert "1413900000000001" in line, "a message's number is no mobile"


def test_the_environment_shows_them_as_before(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SIARAN_LOG_MOBILES", "1")
    log.start()
    log.info("command", argument="+64211234567")
    assert "+64211234567" in lines(capsys)[0]


def test_a_level_leaves_out_what_is_less_and_can_be_changed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log.start(level="warning")
    log.info("bind.up", carrier="tui")
    log.warning("bind.down", carrier="tui")
    log.start("logfmt", "error")
    log.warning("bind.down", carrier="tui")
    log.start("text", "info")
    log.info("bind.up", carrier="moa")
    first, second = lines(capsys)
    assert "bind.down" in first
    assert second.endswith("bind.up carrier=moa"), "one line each, however often it was started"


@pytest.mark.parametrize("form", ["text", "logfmt", "json"])
def test_a_librarys_trouble_is_a_line_as_well(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its exception by name, and no trace over twenty lines; from warnings on."""
    log.start(form)
    foreign = logging.getLogger("somebody.else")
    foreign.info("nothing to see")
    try:
        raise ValueError("two\nlines about +64211234567")
    except ValueError:
        foreign.exception("it broke\nhere")
    [line] = lines(capsys)
    assert "library" in line
    assert "somebody.else" in line
    assert "ValueError" in line
    assert "4211234567" not in line
