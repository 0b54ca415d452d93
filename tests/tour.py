"""The README's tour, played as its reader would: three terminals, commands typed, answers compared.

What is played are the fenced blocks of the tour. The words after a fence's language are for here:

    ```sh terminal-3         these lines are typed into terminal 3
    ```sh terminal-3 until   the same; again and again, until the answer is the one that follows
    ```text terminal-3       what it then shows
    ```text terminal-1 ctrl-c   what it shows after Ctrl-C

In an answer `…` stands for anything in its line, and alone in a line for any number of lines. Times
and ports are any; so are the reader's name (`anna`), home (`/home/anna`) and the space in columns.
Terminals 1, 2 and 4 hold what runs until Ctrl-C: of them the lines shown have to come, in their order.
"""

import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOREGROUND: Final = frozenset({1, 2, 4})

WITHIN_S: Final = 60.0
"""What one block may take on a machine that has other things to do."""

END: Final = "--- that was it ---"

FENCE: Final = re.compile(
    r"^```(sh|text) terminal-([1-4])(?: (until|ctrl-c))?\n(.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is typed (None: Ctrl-C), and what is seen then (None: nothing is said about it)."""

    terminal: int
    typed: str | None
    seen: str | None = None
    until: bool = False


def steps(tour: str) -> Iterator[Step]:
    """The tour's steps in order."""
    blocks = [(m[1], int(m[2]), m[3], m[4]) for m in FENCE.finditer(tour)]
    for at, (kind, terminal, word, text) in enumerate(blocks):
        if word == "ctrl-c":
            yield Step(terminal=terminal, typed=None, seen=text)
        elif kind == "sh":
            after = blocks[at + 1] if at + 1 < len(blocks) else ("", 0, None, "")
            answered = after[:3] == ("text", terminal, None)
            yield Step(
                terminal=terminal,
                typed=text,
                seen=after[3] if answered else None,
                until=word == "until",
            )


class Terminal:
    """A shell that blocks are typed into, and what it says."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=directory,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._stdout, selectors.EVENT_READ)
        self._rest = b""

    def type(self, text: str, file: Path) -> None:
        """Run the lines in this shell; they find nothing to read on their standard input."""
        file.write_text(text, "utf-8")
        self._stdin.write(f". '{file}' </dev/null; echo '{END}'\n".encode())
        self._stdin.flush()

    def ctrl_c(self) -> None:
        """What a terminal does to all that runs in it."""
        os.killpg(self._process.pid, signal.SIGINT)

    def lines(self) -> Iterator[str]:
        """Each line as it comes, until what was typed has ended; AssertionError if it takes long."""
        until = time.monotonic() + WITHIN_S
        while True:
            line, newline, rest = self._rest.partition(b"\n")
            if newline:
                self._rest = rest
                if line.decode() == END:
                    return
                yield line.decode()
                continue
            ready = self._selector.select(until - time.monotonic())
            assert ready, f"nothing more came for {WITHIN_S:g} s after: {self._rest.decode()!r}"
            octets = os.read(self._stdout.fileno(), 65536)
            assert octets, f"the shell has ended after: {self._rest.decode()!r}"
            self._rest += octets

    def close(self) -> None:
        """End it and all that runs in it."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
        self._stdin.close()
        self._process.wait(WITHIN_S)
        self._selector.close()
        self._stdout.close()


def same(shown: str, said: list[str]) -> bool:
    """Whether a terminal said what the README shows."""
    pattern = "".join(
        r"(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*?") + r"\n"
        for line in map(plain, shown.splitlines())
    )
    return re.fullmatch(pattern, "".join(f"{plain(line)}\n" for line in said)) is not None


def plain(line: str) -> str:
    """A line without what differs from one run to the next."""
    line = re.sub(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?Z?", "TIME", line)
    line = re.sub(r"\b127\.0\.0\.1:\d+", "127.0.0.1:PORT", line)
    return re.sub(r"  +", "  ", line.rstrip())


def come_in_order(shown: str, lines: Iterator[str]) -> list[str]:
    """Read until each line that is shown has come; all that was read."""
    read: list[str] = []
    for wanted in filter(lambda line: line != "…", shown.splitlines()):
        for line in lines:
            read.append(line)
            if same(wanted, [line]):
                break
        else:
            raise AssertionError(f"{wanted!r} never came; but:\n" + "\n".join(read))
    return read
