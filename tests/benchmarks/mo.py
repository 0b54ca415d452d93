"""MO: how many a second are taken, committed and answered.

An SMSC of its own writes deliver_sm to a running engine, a fixed number ahead of the answers, and
counts these: each comes only after the commit (fsync on). Single-part MO from as many numbers; then
three-part ones, interleaved and shuffled over 500 senders, in the midst of which the engine is
killed (-9) and started again. Whatever was not answered is sent again, as an SMSC does. Afterwards
each text is in the inbox exactly once, or the run has failed.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from smpp.pdu import RESPONSE, Address, Command
from smpp.traffic import SubmitTemplate
from tests.benchmarks.figures import Figure
from tests.rig import PATIENCE_S, Rig

AT_LEAST = 5_000.0
AHEAD = 2_000
SENDERS = 500


def options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--messages", type=int, default=50_000, metavar="N", help="single-part MO")
    parser.add_argument("--long", type=int, default=10_000, metavar="N", help="three-part MO")
    parser.add_argument("--runs", type=int, default=3, metavar="N")
    parser.add_argument("--seed", type=int, default=1)


def run(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    """All runs, each in a database of its own."""
    speeds: list[float] = []
    exact: list[float] = []
    for n in range(given.runs):
        say(f"mo, run {n + 1} of {given.runs}: {given.messages:,} single ones")
        speeds.append(single(given.messages))
        say(f"  {speeds[-1]:,.0f}/s; {given.long:,} of three parts, and a kill")
        exact.append(long(given.long, given.seed + n) / given.long)
        say(f"  {exact[-1]:.2%} reassembled exactly")
    return [
        Figure(name="single-part MO", unit="/s", values=speeds, at_least=AT_LEAST),
        Figure(
            name="three-part MO reassembled exactly", unit="×", values=exact, at_least=1, at_most=1
        ),
    ]


def single(messages: int) -> float:
    """MO a second."""
    with Rig.open(window=10) as rig, Peer() as smsc:
        rig.use_smsc(smsc.port)
        rig.start_engine()
        bodies = [_body(f"6421{n:08}", 0, b"YES %d" % n) for n in range(messages)]
        smsc.bound.wait(PATIENCE_S)
        began = time.perf_counter()
        smsc.deliver(bodies)
        smsc.answered_all(PATIENCE_S + messages / 500)
        took = time.perf_counter() - began
        ((stored,),) = rig.sql("SELECT count(*) FROM inbox")
        assert stored == messages, f"{stored} of {messages} are in the inbox"
    return messages / took


def long(messages: int, seed: int, *, kill: bool = True) -> int:
    """How many messages of three parts were stored exactly, once and whole."""
    texts: dict[str, list[str]] = {}
    bodies: list[bytes] = []
    for n in range(messages):
        mobile, reference = f"6421{n % SENDERS:08}", n // SENDERS
        parts = [f"{n}:{part} ".ljust(150, "x") + "." for part in (1, 2, 3)]
        texts.setdefault(f"+{mobile}", []).append("".join(parts))
        bodies += [
            _body(mobile, 0x40, bytes((5, 0, 3, reference & 0xFF, 3, number)) + text.encode())
            for number, text in enumerate(parts, 1)
        ]
    # In no order, but within what a reference can tell apart: a handset counts to 255 and again.
    chance = random.Random(seed)
    stretch = SENDERS * 3 * 100
    for start in range(0, len(bodies), stretch):
        piece = bodies[start : start + stretch]
        chance.shuffle(piece)
        bodies[start : start + stretch] = piece
    with Rig.open(window=10) as rig, Peer() as smsc:
        rig.use_smsc(smsc.port)
        rig.start_engine()
        smsc.bound.wait(PATIENCE_S)
        smsc.deliver(bodies)
        if kill:
            rig.wait(lambda: smsc.answered >= len(bodies) // 2, "half of the answers")
            rig.engine.kill()
            smsc.bound.clear()
            rig.start_engine()
        smsc.answered_all(PATIENCE_S + len(bodies) / 300)
        found: dict[str, list[str]] = {}
        for mobile, content in rig.sql("SELECT mobile, content FROM inbox WHERE parts = 3"):
            found.setdefault(mobile, []).append(content)
        ((others,),) = rig.sql("SELECT count(*) FROM inbox WHERE parts <> 3")
        ((waiting,),) = rig.sql("SELECT count(*) FROM mo_part")
    assert (others, waiting) == (0, 0), f"{others} fragments, {waiting} parts that wait"
    return sum(
        len(set(wanted) & set(found.get(mobile, ())))
        if len(found.get(mobile, ())) == len(wanted)
        else 0
        for mobile, wanted in texts.items()
    )


def _body(mobile: str, esm_class: int, octets: bytes) -> bytes:
    return SubmitTemplate(Address(1, 1, mobile), 0, 1).body("3774", esm_class, 0, octets)


@dataclass(eq=False)
class Peer:
    """An SMSC in a thread: one bind at a time, deliver_sm with a window, and what was not answered
    is sent again on the next bind."""

    port: int = 0
    answered: int = 0
    bound: threading.Event = field(default_factory=threading.Event)
    _todo: deque[bytes] = field(default_factory=deque)
    _out: dict[int, bytes] = field(default_factory=dict)
    _sequence: int = 0
    _done: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _listener: socket.socket | None = None
    _open: socket.socket | None = None
    _closed: bool = False

    def __enter__(self) -> Peer:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        for one in (self._listener, self._open):
            if one is not None:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
        self._thread.join()

    def deliver(self, bodies: Sequence[bytes]) -> None:
        """Have these delivered."""
        with self._lock:
            self._todo.extend(bodies)
            self._done.clear()
            self._write()

    def answered_all(self, within_s: float) -> None:
        """Wait for the last answer."""
        assert self._done.wait(within_s), f"{len(self._out)} answers are missing"

    def _write(self) -> None:
        if self._open is None or not self.bound.is_set():
            return
        parts: list[bytes] = []
        while self._todo and len(self._out) < AHEAD:
            self._sequence += 1
            body = self._out[self._sequence] = self._todo.popleft()
            parts.append(_pdu(Command.DELIVER_SM, self._sequence, body))
        if parts:
            self._open.sendall(b"".join(parts))

    def _serve(self) -> None:
        listener = self._listener
        assert listener is not None
        while not self._closed:
            try:
                self._open, _ = listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError):
                self._talk(self._open)
            with self._lock:
                self.bound.clear()
                self._todo.extendleft(self._out[number] for number in reversed(self._out))
                self._out.clear()
                self._open.close()

    def _talk(self, stream: socket.socket) -> None:
        rest = b""
        while data := stream.recv(1 << 18):
            rest += data
            at = 0
            with self._lock:
                while len(rest) - at >= 16:
                    size, command, status, sequence = struct.unpack_from(">IIII", rest, at)
                    if len(rest) - at < size:
                        break
                    at += size
                    self._hear(stream, command, status, sequence)
                rest = rest[at:]
                self._write()
                if not self._todo and not self._out:
                    self._done.set()

    def _hear(self, stream: socket.socket, command: int, status: int, sequence: int) -> None:
        match command:
            case Command.DELIVER_SM_RESP:
                body = self._out.pop(sequence)
                if status:
                    self._todo.append(body)
                else:
                    self.answered += 1
            case Command.BIND_TRANSCEIVER:
                stream.sendall(_pdu(command | RESPONSE, sequence, b"smsc\0"))
                self.bound.set()
            case _ if not command & RESPONSE:
                stream.sendall(_pdu(command | RESPONSE, sequence, b""))


def _pdu(command: int, sequence: int, body: bytes) -> bytes:
    return struct.pack(">IIII", 16 + len(body), command, 0, sequence) + body
