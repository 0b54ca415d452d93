"""Siaran's own programs as child processes that can't outlive whoever started them.

Each is `siaran …` in a session of its own, so that a Ctrl-C at the terminal reaches the parent
alone, who ends them in order. If the parent is killed, the kernel sends them SIGTERM.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO

from engine.operations import Refused

_PR_SET_PDEATHSIG = 1  # prctl(2)

END_S = 12.0
"""From SIGTERM to SIGKILL: an engine may take 10 s to finish what is on the wire."""

_TAIL = 8


class Child:
    """One running `siaran …`; its stderr goes to `log`, its stdout is a pipe."""

    def __init__(self, name: str, words: tuple[str, ...], log: Path, home: Path) -> None:
        self.name = name
        self.log = log
        root = str(Path(__file__).parents[1])
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SIARAN_")}
        environment |= {"SIARAN_HOME": str(home), "PYTHONPATH": root, "PYTHONUTF8": "1"}
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "admin_cli", *words],
                env=environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=file,
                start_new_session=True,
                preexec_fn=_end_with_parent(os.getpid()),
                encoding="utf-8",
            )

    def check(self) -> None:
        """Raises Refused, with its last words, when it has ended."""
        code = self._process.poll()
        if code is None:
            return
        how = f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
        said = self.log.read_text("utf-8", errors="replace").splitlines()[-_TAIL:]
        raise Refused("\n".join([f"{self.name} has ended ({how}); its last words:", *said]))

    def read_line(self, within_s: float) -> str:
        """The next line of its stdout. Raises Refused when there is none: it ended, or hangs."""
        stdout = self._stdout()
        ready, _, _ = select.select([stdout], [], [], within_s)
        line = stdout.readline() if ready else ""
        if not line:
            self._wait(1.0)
            self.check()
            raise Refused(f"{self.name} has said nothing for {within_s:g} s; its log: {self.log}")
        return line

    def end(self) -> str:
        """SIGTERM, then what is left of its stdout; SIGKILL when it takes too long."""
        self.tell()
        if not self._wait(END_S):
            self._process.kill()
            self._process.wait()
        return self._stdout().read()

    def tell(self) -> None:
        """SIGTERM, without waiting."""
        self._process.terminate()

    def _wait(self, seconds: float) -> bool:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _stdout(self) -> IO[str]:
        assert self._process.stdout is not None
        return self._process.stdout


class Children:
    """All of them: as a context, they are ended when it is left, the last one first."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._all: list[Child] = []

    def __enter__(self) -> Children:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for child in reversed(self._all):
            child.tell()
        for child in reversed(self._all):
            child.end()

    def start(self, name: str, *words: str) -> Child:
        """Start `siaran WORDS`; its log is HOME/NAME.log."""
        child = Child(name, words, self._home / f"{name}.log", self._home)
        self._all.append(child)
        return child

    def check(self) -> None:
        """Raises Refused when one has ended."""
        for child in self._all:
            child.check()


def _end_with_parent(parent: int) -> Callable[[], None] | None:
    """What the child does before it becomes a program: ask for SIGTERM at its parent's death."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is None:
        return None

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it has died meanwhile
            os._exit(1)

    return ask
