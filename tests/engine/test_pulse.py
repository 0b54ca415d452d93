"""What systemd is told, over a real socket, and how late the loop is (R-9.1)."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from engine import pulse
from tests.engine.conftest import PATIENCE_S, Stage
from tests.engine.test_process import configuration, siaran


class Systemd:
    """The end of the socket that systemd has."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + path[1:] if path.startswith("@") else path)
        self.socket.settimeout(PATIENCE_S)

    def hears(self) -> str:
        """What comes next."""
        return self.socket.recv(4096).decode()


@pytest.fixture(params=["file", "abstract"])
def systemd(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Systemd]:
    path = f"{tmp_path}/notify" if request.param == "file" else f"@siaran-test-{os.getpid()}"
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    it = Systemd(path)
    yield it
    it.socket.close()


def test_systemd_is_told(systemd: Systemd) -> None:
    assert pulse.notify("READY=1", "STATUS=bound")
    assert systemd.hears() == "READY=1\nSTATUS=bound"


@pytest.mark.parametrize("path", [None, "", "nowhere", "/nowhere/at/all"])
def test_where_nobody_listens_nothing_happens(
    path: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Started by hand, or by something else."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if path is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", path)
    assert pulse.notify("READY=1") is False


@pytest.mark.parametrize(
    ("usec", "pid", "expected"),
    [
        (None, None, None),
        ("0", None, None),
        ("x", None, None),
        ("30000000", None, 15.0),
        ("30000000", "ours", 15.0),
        ("30000000", "1", None),  # of who has started us
    ],
)
def test_how_often_systemd_wants_a_sign(
    usec: str | None, pid: str | None, expected: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("WATCHDOG_USEC", usec), ("WATCHDOG_PID", pid)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, str(os.getpid()) if value == "ours" else value)
    assert pulse.watchdog_s() == expected


@pytest.mark.trio
async def test_a_loop_that_stands_still_gives_no_sign_and_is_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery
) -> None:
    """The watchdog is fed by the loop alone; how late it was is measured."""
    path = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    systemd = Systemd(path)
    lags: list[float] = []
    nursery.start_soon(pulse.beat, lags.append)
    assert await trio.to_thread.run_sync(systemd.hears) == "WATCHDOG=1"
    systemd.socket.setblocking(False)
    threading.Event().wait(3 * pulse.BEAT_S)  # nothing in the loop goes on
    with pytest.raises(BlockingIOError):
        systemd.hears()
    systemd.socket.settimeout(PATIENCE_S)
    assert await trio.to_thread.run_sync(systemd.hears) == "WATCHDOG=1"
    assert max(lags) >= pulse.BEAT_S
    systemd.socket.close()


@pytest.mark.trio
@pytest.mark.parametrize("systemd", ["file"], indirect=True)
async def test_a_service_is_ready_lives_and_ends(
    stage: Stage, tmp_path: Path, systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`siaran run` as a unit starts it; and what it was doing when the watchdog ends it is said."""
    monkeypatch.setenv("WATCHDOG_USEC", "1000000")

    async def hears() -> str:
        return await trio.to_thread.run_sync(systemd.hears)

    async with stage.smsc() as smsc:
        file = configuration(tmp_path, stage, f"watched-{os.getpid()}", smsc.port)
        with siaran("run", "--config", file) as it:
            assert await hears() == "READY=1"
            assert await hears() == "WATCHDOG=1"
            it.send_signal(signal.SIGTERM)
            while (word := await hears()) == "WATCHDOG=1":
                pass
            assert word == "STOPPING=1"
            await trio.to_thread.run_sync(it.wait)
        with siaran("run", "--config", file) as it:
            assert await hears() == "READY=1"
            it.send_signal(signal.SIGABRT)
            _, err = await trio.to_thread.run_sync(it.communicate)
    assert "Fatal Python error: Aborted" in err
    assert "trio" in err
