"""What a demonstration stands on: a home of its own, signals that only end it, a way to tell."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import sys
import tempfile
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import FrameType

from admin_cli import render
from config.load import load
from engine.operations import Refused, database

INDENT = "   "

_NARROW = 20  # in so narrow a column nothing reads well

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Story:
    """What is told on the way, in numbered sections; nothing when `quiet`."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self._numbers = itertools.count(1)

    def say(self, *lines: str) -> None:
        """Lines at the margin."""
        if lines and not self.quiet:
            print(*lines, sep="\n", flush=True)

    def head(self, title: str, *typed: str) -> None:
        """A new section, and what a person would type to get what it shows."""
        self.say("", f"{next(self._numbers)}. {title}")
        self.say(*(f"{INDENT}$ {line}" for line in typed))

    def table(self, rows: Iterable[Sequence[str]]) -> None:
        """Columns side by side, below the head; the last one may be as long as it likes."""
        cells = [[render.printable(cell) for cell in row] for row in rows]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for *row, last in cells:
            padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
            margin = INDENT + "".join(f"{cell}  " for cell in padded)
            self.say(_hung(last, margin).rstrip())


def _hung(text: str, margin: str) -> str:
    """The text after its margin; on a terminal its further lines stand below its first."""
    room = shutil.get_terminal_size().columns - len(margin)
    if not sys.stdout.isatty() or len(text) <= room or room < _NARROW:
        return margin + text
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    return f"\n{' ' * len(margin)}".join([margin + lines[0], *lines[1:]])


@contextlib.contextmanager
def temporary_home(*, keep: bool) -> Iterator[Path]:
    """A new SIARAN_HOME. After the block its database is stopped, and it is removed.

    After an error its logs stay, so that a message may name them; with `keep` all of it does.
    """
    try:
        home = Path(tempfile.mkdtemp(prefix="siaran-demo-")).resolve()
    except OSError as error:
        raise Refused(f"no directory can be made to work in: {error}; set TMPDIR") from error
    before = os.environ.get("SIARAN_HOME")
    os.environ["SIARAN_HOME"] = str(home)
    spared: tuple[str, ...] = ()
    try:
        yield home
    except BrokenPipeError:
        raise  # `siaran demo | head`: nothing failed
    except Exception:
        spared = ("*.log", "postgres/log")
        raise
    finally:
        database.stop(load(None, {}))
        if before is None:
            del os.environ["SIARAN_HOME"]
        else:
            os.environ["SIARAN_HOME"] = before
        if not keep:
            _remove(home, spared)


def _remove(home: Path, spared: Sequence[str]) -> None:
    """Remove a home but for these files."""
    keep = {path for pattern in spared for path in home.glob(pattern)}
    for folder in (home / "postgres", home):
        for path in folder.iterdir() if folder.exists() else ():
            if path in keep or any(kept.is_relative_to(path) for kept in keep):
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    if not keep:
        home.rmdir()


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Whatever asks the process to end does so as Ctrl-C does, so that it can tidy up."""
    before = {number: signal.getsignal(number) for number in _ENDING}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # under nohup
            signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def undisturbed() -> None:
    """From now on nothing but a SIGKILL ends the process: it is tidying up."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
