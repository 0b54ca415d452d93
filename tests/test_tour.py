"""The README's ten-minute tour does what it says: its commands, run in order."""

import os
import pwd
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from engine.store import embedded
from tests import tour
from tests.docs import README, ROOT

CONFIGURATION = """\
[http]
listen = "127.0.0.1:0"

[carriers.default]
host = "127.0.0.1"
port = {port}
system_id = "siaran"
"""
"""The defaults, at ports that are free: the reader has none of it."""


def test_the_tour_does_what_it_says(tmp_path: Path) -> None:
    """Three terminals, from the first command to the last, with the answers that are shown."""
    text = README.read_text("utf-8").partition("\n## A ten-minute tour\n")[2].partition("\n## ")[0]
    steps = list(tour.steps(text))
    assert {step.terminal for step in steps} == {1, 2, 3}
    home, config = tmp_path / "anna", tmp_path / "siaran.toml"
    home.mkdir()
    environment = _environment() | {"HOME": str(home), "SIARAN_CONFIG": str(config)}

    def anonymous(line: str) -> str:
        line = line.replace(str(config), "no file, the defaults")
        line = line.replace(str(home.resolve()), "/home/anna")
        return re.sub(rf"(?<=  ){re.escape(login)}(?=  )", "anna", line)

    login = pwd.getpwuid(os.geteuid()).pw_name
    with ExitStack() as stack:
        stack.callback(embedded.stop, home / "siaran-tour")
        terminals = {n: tour.Terminal(ROOT, environment) for n in (1, 2, 3)}
        for terminal in terminals.values():
            stack.callback(terminal.close)
        for step in steps:
            terminal = terminals[step.terminal]
            if step.typed is None:
                terminal.ctrl_c()
                assert tour.come_in_order(step.seen or "", map(anonymous, terminal.lines()))
            elif step.terminal in tour.FOREGROUND:
                typed = re.sub(r"^siaran smsc\b", "siaran smsc --port 0", step.typed, flags=re.M)
                terminal.type(typed, tmp_path / f"typed-{step.terminal}")
                read = tour.come_in_order(step.seen or "", map(anonymous, terminal.lines()))
                if listening := re.search(r"listening on \S+:(\d+)", read[-1]):
                    config.write_text(CONFIGURATION.format(port=listening[1]), "utf-8")
            else:
                _asked(terminal, step, tmp_path / "typed-3", anonymous)
        assert list(home.iterdir()) == []


@pytest.mark.long
def test_two_nodes_do_what_the_chapter_says(tmp_path: Path) -> None:
    """R-8.4: four terminals, of which two are engines on one database; one is drained and stopped."""
    chapter = README.read_text("utf-8").partition("\n### Two nodes in five minutes\n")[2]
    steps = list(tour.steps(chapter.partition("\n### ")[0]))
    assert {step.terminal for step in steps} == {1, 2, 3, 4}
    home = tmp_path / "anna"
    home.mkdir()
    ports = {"127.0.0.1:8081": "127.0.0.1:0", "127.0.0.1:8082": "127.0.0.1:0"}

    def anonymous(line: str) -> str:
        return line.replace(str(home.resolve()), "/home/anna")

    with ExitStack() as stack:
        stack.callback(embedded.stop, home / "siaran-nodes")
        environment = _environment() | {"HOME": str(home)}
        terminals = {n: tour.Terminal(ROOT, environment) for n in (1, 2, 3, 4)}
        for terminal in terminals.values():
            stack.callback(terminal.close)
        for step in steps:
            terminal = terminals[step.terminal]
            if step.typed is None:
                terminal.ctrl_c()
                assert tour.come_in_order(step.seen or "", map(anonymous, terminal.lines()))
            elif step.terminal in tour.FOREGROUND:
                typed = re.sub(r"^siaran smsc\b", "siaran smsc --port 0", step.typed, flags=re.M)
                typed = typed.replace("; s/8081/8082/", "")
                for shown, free in ports.items():
                    typed = typed.replace(shown, free)
                terminal.type(typed, tmp_path / f"typed-{step.terminal}")
                read = tour.come_in_order(step.seen or "", map(anonymous, terminal.lines()))
                if listening := re.search(r"listening on \S+:(\d+)", read[-1]):
                    ports["port = 2775"] = f"port = {listening[1]}"
            else:
                _asked(terminal, step, tmp_path / "typed-3", anonymous)


def _asked(
    terminal: tour.Terminal, step: tour.Step, file: Path, anonymous: Callable[[str], str]
) -> None:
    """Type it, and see what the README shows; for a while, if it says so."""
    assert step.typed is not None
    until = time.monotonic() + (tour.WITHIN_S if step.until else 0.0)
    while True:
        terminal.type(step.typed, file)
        said = list(map(anonymous, terminal.lines()))
        if step.seen is None or tour.same(step.seen, said):
            return
        assert time.monotonic() < until, _differs(step, said)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["", "base-", "journal-"])
def test_a_backup_can_be_restored(kind: str) -> None:
    """The commands of the chapter Backup and restore, into a fresh home (R-9.4)."""
    text = README.read_text("utf-8")
    # Run as root, the server is another user, who reads the journal there.
    place = Path(tempfile.mkdtemp(prefix="siaran-backup-"))
    place.chmod(0o755)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, place)
        terminal = tour.Terminal(place, _environment() | {"PYTHONPATH": str(ROOT)})
        stack.callback(terminal.close)

        def typed(lines: str) -> list[str]:
            terminal.type(f"set -e\n{lines}\nset +e\n", place / "typed")
            return list(terminal.lines())

        def home(name: str) -> None:
            stack.callback(embedded.stop, place / name)
            typed(f"export SIARAN_HOME='{place / name}'")

        home("one")
        typed("siaran list create kept")
        if kind == "journal-":
            *first, for_ever = _block(text, "journal").splitlines()
            typed("\n".join([*first, f"{for_ever} & receiver=$!"]))
        typed(_block(text, f"{kind.replace('journal', 'base')}backup"))
        typed("siaran list create later")
        if kind == "journal-":
            typed("siaran db stop --yes; kill $receiver; wait $receiver || true; chmod -R a+rX wal")
        home("two")
        typed(_block(text, f"{kind}restore"))
        lists = [line.split()[0] for line in typed("siaran list ls")[1:]]
        assert lists == (["later", "kept"] if kind == "journal-" else ["kept"])
        assert any("hold" in line for line in typed("siaran setting ls") if "uncertain" in line)


def _block(text: str, name: str) -> str:
    """The lines of the one block of that name."""
    (lines,) = re.findall(rf"^```sh {name}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return str(lines)


def _environment() -> dict[str, str]:
    """A reader's: nothing in it is about Siaran but where it is."""
    kept = {name: word for name, word in os.environ.items() if not name.startswith("SIARAN_")}
    return kept | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONUNBUFFERED": "1",  # so that both streams come in the order of a terminal
        "LC_ALL": "C.UTF-8",
    }


def _differs(step: tour.Step, said: list[str]) -> str:
    return "\n".join(["typed:", step.typed or "", "shown:", step.seen or "", "said:", *said])
