"""Siaran's own programs as child processes that can't outlive whoever started them.

Each is `siaran …` in a session of its own, so that a Ctrl-C at the terminal reaches the parent
alone, which ends them in order. If the parent is killed, the kernel sends them SIGTERM.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

END_S = 12.0
"""From SIGTERM to SIGKILL: an engine may take 10 s to finish what is on the wire."""

_PR_SET_PDEATHSIG = 1  # prctl(2)


class Ended(Exception):
    """A child has ended that nobody has told to; the text says which and how."""

    def __init__(self, child: Child, how: str) -> None:
        super().__init__(f"`siaran {child.word}` {how}")
        self.child = child


class Child:
    """One running `siaran WORD …`; what it says goes to `log`, but its stdout, if that is read."""

    def __init__(self, words: tuple[str, ...], *, log: Path, home: Path, reads: bool) -> None:
        self.word = words[0]
        self.log = log
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "admin_cli", *words],
                env=_environment(home),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if reads else file,
                stderr=file,
                start_new_session=True,
                preexec_fn=_end_with(os.getpid()),
                encoding="utf-8",
            )

    def check(self) -> None:
        """Raises Ended when it has ended."""
        code = self._process.poll()
        if code is not None:
            how = f"with exit code {code}" if code >= 0 else f"by {signal.Signals(-code).name}"
            raise Ended(self, f"has ended {how}")

    def read_line(self, within_s: float) -> str:
        """The next line of its stdout. Raises Ended, also when there is none in time."""
        stdout = self._stdout()
        ready, _, _ = select.select([stdout], [], [], within_s)
        if ready and (line := stdout.readline()):
            return line
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)  # its stdout ends just before it does
        self.check()
        raise Ended(self, f"has said nothing for {within_s:g} s")

    def last_words(self, lines: int = 8) -> list[str]:
        """The end of its log."""
        return self.log.read_text("utf-8", errors="replace").splitlines()[-lines:]

    def end(self) -> str:
        """SIGTERM, and SIGKILL when it takes too long; what was left to read of its stdout."""
        self._process.terminate()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is None or self._process.stdout.closed:
            return ""
        with self._process.stdout as stdout:
            return stdout.read()

    def _stdout(self) -> IO[str]:
        assert self._process.stdout is not None, "it was started without `reads`"
        return self._process.stdout


class Children:
    """All of them. `running` ends them, the last one first."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._all: list[Child] = []

    def start(self, *words: str, reads: bool = False) -> Child:
        """Start `siaran WORDS`; its log is `WORD.log` in the home."""
        log = self._home / f"{words[0]}.log"
        child = Child(words, log=log, home=self._home, reads=reads)
        self._all.append(child)
        return child

    def check(self) -> None:
        """Raises Ended when one has ended."""
        for child in self._all:
            child.check()

    def logs(self) -> str:
        """Where their logs are, for a message."""
        return " and ".join(str(child.log) for child in self._all)

    def end(self) -> None:
        """End them all."""
        while self._all:
            self._all.pop().end()


@contextlib.contextmanager
def running(home: Path) -> Iterator[Children]:
    """Children whose SIARAN_HOME is `home`, and who are gone after the block."""
    children = Children(home)
    try:
        yield children
    finally:
        children.end()


def _environment(home: Path) -> dict[str, str]:
    """Ours, but none of our own variables: they get all that by their command line."""
    root = str(Path(__file__).parents[1])  # where `admin_cli` lies, whatever the directory is
    python_path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SIARAN_")}
    return kept | {"SIARAN_HOME": str(home), "PYTHONPATH": python_path, "PYTHONUTF8": "1"}


def _end_with(parent: int) -> Callable[[], None] | None:
    """What a child does before it becomes a program: ask for SIGTERM at the parent's death."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)  # Linux has it
    if prctl is None:
        return None

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it has died meanwhile
            os._exit(1)

    return ask
