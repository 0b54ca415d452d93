"""Two engines of one name, and one that is told to end while its SMSC says nothing (R-8.2, R-8.4)."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from smpp.pdu import RESPONSE, Command
from tests.engine.between import Wire
from tests.engine.conftest import Stage

ROOT = Path(__file__).parents[2]


@contextmanager
def siaran(*words: str) -> Iterator[subprocess.Popen[str]]:
    """A command in a process of its own, which is gone after the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "admin_cli", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def configuration(directory: Path, stage: Stage, name: str, port: int) -> str:
    """A file for `siaran run`."""
    file = directory / "siaran.toml"
    file.write_text(
        f'[node]\nname = "{name}"\n[http]\nlisten = "127.0.0.1:0"\n'
        f'[database]\nurl = "{stage.road.database.url}"\n'
        f'[carriers.tui]\nhost = "127.0.0.1"\nport = {port}\nsystem_id = "siaran"\n'
    )
    return str(file)


@pytest.mark.trio
async def test_a_second_engine_of_the_same_name_is_refused(stage: Stage, tmp_path: Path) -> None:
    """R-8.4: one line, exit 1; the first goes on, its epoch untouched."""
    async with stage.smsc() as smsc, stage.engine(smsc.port, name="single") as engine:
        file = configuration(tmp_path, stage, "single", smsc.port)
        with siaran("run", "--config", file) as second:
            out, err = await trio.to_thread.run_sync(second.communicate)
        assert (second.returncode, out) == (1, ""), err
        [line] = err.splitlines()
        assert line.startswith('siaran: node "single" is running already on this machine')
        campaign = stage.campaign(5)
        await stage.settled(campaign, delivered=5)
        assert stage.road.one("SELECT epoch FROM node WHERE name = 'single'") == 1
        assert len(engine.logged("engine.started")) == 1


@pytest.mark.trio
async def test_sigterm_ends_within_ten_seconds_whatever_the_smsc_does(
    stage: Stage, tmp_path: Path, nursery: trio.Nursery
) -> None:
    """R-8.2: 8 s for the answers; what is still unanswered then is uncertain, and nothing else."""
    unanswered = (Command.SUBMIT_SM | RESPONSE, Command.UNBIND_RESP)
    async with stage.smsc() as smsc:
        wire = Wire(smsc.port, from_smsc=lambda pdu: pdu.command not in unanswered)
        port = await nursery.start(wire.serve)
        stage.campaign(30)
        with siaran("run", "--config", configuration(tmp_path, stage, "silence", port)) as it:
            await stage.until(lambda: smsc.counters.submits == 10, "a whole window")
            it.send_signal(signal.SIGTERM)
            began = trio.current_time()
            _, err = await trio.to_thread.run_sync(it.communicate)
            assert trio.current_time() - began < 10
        assert it.returncode == 0, err
        assert "engine.stopped" in err.splitlines()[-1]
        assert smsc.counters.submits == 10
        async with stage.engine(smsc.port, name="silence"):
            await stage.until(
                lambda: stage.road.states() == {"uncertain": 10, "delivered": 20}, "the others"
            )
            stage.road.pass_time(30)
            await stage.until(lambda: stage.road.states() == {"delivered": 30}, "all of them")
