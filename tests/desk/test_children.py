"""Child processes that can't outlive whoever started them."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from admin_cli.children import Child, Ended, running

ROOT = Path(__file__).parents[2]
SMSC = ("smsc", "--json", "--port", "0")


def test_a_child_is_gone_after_the_block_and_has_said_all(tmp_path: Path) -> None:
    """SIGTERM, and what it had to say at its end can be read."""
    with running(tmp_path) as children:
        smsc = children.start(*SMSC, reads=True)
        assert json.loads(smsc.read_line(60))["port"] > 0
        children.check()
        assert json.loads(smsc.end())["submits"] == 0
        with pytest.raises(Ended, match="`siaran smsc` has ended with exit code 0"):
            children.check()


def test_an_error_in_the_block_ends_the_children_too(tmp_path: Path) -> None:
    """Whatever happens: no orphan."""
    started: list[Child] = []

    def fail() -> None:
        with running(tmp_path) as children:
            started.append(children.start(*SMSC, reads=True))
            started[0].read_line(60)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with pytest.raises(Ended):
        started[0].check()


def test_a_child_that_does_not_start_says_why(tmp_path: Path) -> None:
    """Its last words are in its log, which is named."""
    with running(tmp_path) as children:
        smsc = children.start("smsc", "--record", str(tmp_path), reads=True)
        with pytest.raises(Ended, match="exit code 1"):
            smsc.read_line(60)
        (said,) = smsc.last_words()
        assert "the record can't be written: Is a directory" in said
        assert smsc.log == tmp_path / "smsc.log"


def test_a_killed_parent_takes_its_children_along(tmp_path: Path) -> None:
    """A SIGKILL leaves nobody who could tidy up: the kernel tells the children."""
    script = (
        "import sys; from pathlib import Path; from admin_cli.children import running\n"
        "with running(Path(sys.argv[1])) as children:\n"
        f"    smsc = children.start(*{SMSC}, reads=True)\n"
        "    smsc.read_line(60)\n"
        "    print(smsc._process.pid, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        assert parent.stdout is not None
        child = os.pidfd_open(int(parent.stdout.readline()))
        try:
            parent.send_signal(signal.SIGKILL)
            ended, _, _ = select.select([child], [], [], 60)
        finally:
            os.close(child)
    assert ended, "the simulator lives on"
