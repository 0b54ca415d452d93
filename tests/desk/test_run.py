"""`siaran run` as a process: how it begins, and how it ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

Start = Callable[[str], subprocess.Popen[str]]


@pytest.fixture
def start(database_url: str, tmp_path: Path) -> Iterator[Start]:
    """Start an engine with this in its configuration, on a database of its own."""
    started: list[subprocess.Popen[str]] = []

    def run(configuration: str) -> subprocess.Popen[str]:
        file = tmp_path / "siaran.toml"
        file.write_text(f'{configuration}\n[database]\nurl = "{database_url}"\n')
        process = subprocess.Popen(
            [sys.executable, "-m", "admin_cli", "run", "--config", str(file)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_order(start: Start, ending: signal.Signals) -> None:
    """SIGTERM and Ctrl-C: exit 0, and it says that it stopped; no SMSC is no reason to hang."""
    process = start('[node]\nname = "ends"\n[http]\nlisten = "127.0.0.1:0"\n')
    assert process.stderr is not None
    for line in process.stderr:
        if "http.listening" in line:
            process.send_signal(ending)
            break
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "")
    assert "engine.stopped" in err.splitlines()[-1]


def test_a_taken_http_port_is_one_line(start: Start) -> None:
    """It ends, and says which port and where it is set; no traceback of nurseries in groups."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        process = start(f'[node]\nname = "taken"\n[http]\nlisten = "{where}"\n')
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    started, last = err.splitlines()
    assert "engine.started" in started
    assert last.startswith(
        f'siaran: http.listen = "{where}": can\'t listen there: Address already in use'
    )
