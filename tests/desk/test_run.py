"""`siaran run`: how it ends, and what it says then."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

from admin_cli import shell
from engine import clock
from engine.app import only_one
from engine.operations import Database, Refused, Tx, Unreachable
from engine.store import nodes
from engine.store.embedded import default_home
from tests.desk.conftest import Siaran

WITHIN_S = 30.0


@pytest.fixture
def node() -> str:
    """A name that nobody has."""
    return f"node-{uuid.uuid4()}"


@pytest.fixture
def file(configuration: Path, tmp_path: Path, node: str) -> Path:
    """The configuration of an engine whose carrier is away."""
    ours = tmp_path / "siaran.toml"
    ours.write_text(
        configuration.read_text()
        + f'[node]\nname = "{node}"\n[http]\nlisten = "127.0.0.1:0"\n'
        + '[carriers.tui]\nhost = "127.0.0.1"\nport = 1\nsystem_id = "siaran"\n'
    )
    return ours


@contextlib.contextmanager
def engine(file: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    """A process of its own that has just started."""
    with subprocess.Popen(
        [sys.executable, "-m", "admin_cli", "run", "--config", file, *more],
        cwd=Path(__file__).parents[2],
        env={name: value for name, value in os.environ.items() if name != "SIARAN_DEBUG"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if " http.listening " in line:
                    break
            yield process
        finally:
            process.kill()


def test_a_node_runs_once_on_a_machine(siaran: Siaran, file: Path, node: str) -> None:
    """R-8.4: two engines of one name would take each other's epoch in turns."""
    with only_one(default_home(), node):
        answer = siaran("run", "--config", file)
    assert (answer.code, answer.out) == (1, "")
    [line] = answer.err.splitlines()
    assert line.startswith(f'siaran: node "{node}" is running already on this machine')


def test_who_has_lost_its_name_stops_at_once_and_says_so(
    file: Path, node: str, database: Database
) -> None:
    """R-8.4: an engine of that name has started elsewhere; this one must not send any more."""
    with engine(file) as process:
        database.run(nodes.start, node, clock.utc_now())
        _, said = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 1
    *_, line = said.splitlines()
    assert line.startswith("siaran: another engine has started under this node's name")
    assert "node.name" in line
    assert "Traceback" not in said
    assert "Group" not in said


def test_who_is_told_to_end_gives_its_lease_back(file: Path, database: Database) -> None:
    """R-3.4, R-8.4: nobody has to wait until it has run out to know that no engine is up."""
    database.run(_end_all)
    with engine(file) as process:
        assert database.run(nodes.way_out).engine
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=WITHIN_S)
    assert process.returncode == 0
    assert not database.run(nodes.way_out).engine


def _end_all(tx: Tx) -> None:
    tx.execute("UPDATE node SET lease_until = '-infinity'")


@pytest.mark.parametrize(
    ("errors", "told"),
    [
        ([KeyError("a")], KeyError),
        ([KeyError("a"), ValueError("b")], Exception),
        ([KeyError("a"), Refused("no")], Refused),
        ([Unreachable("away"), nodes.Fenced("gone")], nodes.Fenced),
        ([ValueError("b"), Unreachable("away")], Unreachable),
    ],
)
def test_of_what_ends_all_tasks_one_is_told(errors: list[Exception], told: type[Exception]) -> None:
    """What was raised for a person first, else any; the group, which has them all, is its cause."""

    async def tasks() -> None:
        async def fail(error: Exception, turn: int) -> None:
            await ready.wait()
            raise error

        ready = trio.Event()
        async with trio.open_nursery() as outer, trio.open_nursery() as inner:
            for number, error in enumerate(errors):
                (outer if number % 2 else inner).start_soon(fail, error, number)
            await trio.testing.wait_all_tasks_blocked()
            ready.set()

    with pytest.raises(told) as raised:
        shell.run(tasks)
    assert raised.value in errors
    assert isinstance(raised.value.__cause__, BaseExceptionGroup)


def test_an_unexpected_error_is_one_line_with_its_place(
    siaran: Siaran, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never a traceback; where to look all the same."""

    def fail(*_: object, **__: object) -> None:
        raise KeyError("strange")

    monkeypatch.delenv("SIARAN_DEBUG", raising=False)
    monkeypatch.setattr("engine.operations.lists.ls", fail)
    answer = siaran("list", "ls")
    assert answer.code == 1
    [line] = answer.err.splitlines()
    assert re.search(r"unexpected KeyError: 'strange' \(\w+/[\w/]+\.py:\d+\); SIARAN_DEBUG=1", line)


def test_the_api_runs_in_a_process_of_its_own(file: Path, node: str, database: Database) -> None:
    """Beside the node, whose name it does not take; it ends as quietly."""
    with only_one(default_home(), node), engine(file, "--role", "api") as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(WITHIN_S) == 0
        assert process.stderr is not None
        assert "engine.stopped" in process.stderr.read()
    rows = database.run(
        lambda tx: tx.execute("SELECT FROM node WHERE name = %s", (node,)).fetchall()
    )
    assert rows == []
