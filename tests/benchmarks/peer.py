"""An SMSC of a benchmark's own: deliver_sm as fast as they are answered, or at a pace.

It sits in a thread, takes one bind at a time, and sends again on the next bind what was not answered,
as an SMSC does. What is submitted to it, it takes, and can write down.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from smpp import codec
from smpp.pdu import RESPONSE, Command

AHEAD = 2_000
"""deliver_sm that are out without an answer."""


@dataclass(eq=False)
class Peer:
    """Use it as a context; `port` is where it listens."""

    port: int = 0
    answered: int = 0
    bound: threading.Event = field(default_factory=threading.Event)
    write_down: bool = False
    """Whether `taken` is kept."""
    taken: Counter[tuple[str, bytes]] = field(default_factory=Counter)
    """What was submitted: destination and octets, how often."""
    delays_s: list[float] = field(default_factory=list)
    """From each deliver_sm to its answer."""
    _todo: deque[bytes] = field(default_factory=deque)
    _out: dict[int, tuple[bytes, float]] = field(default_factory=dict)
    _sequence: int = 0
    _ids: int = 0
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

    def pace(self, bodies: Sequence[bytes], a_second: float) -> None:
        """Have these delivered at that pace, whatever the answers do; five at a time."""
        began = time.perf_counter()
        for at in range(0, len(bodies), 5):
            time.sleep(max(began + at / a_second - time.perf_counter(), 0))
            self.deliver(bodies[at : at + 5])

    def answered_all(self, within_s: float) -> None:
        """Wait for the last answer."""
        assert self._done.wait(within_s), f"{len(self._out)} answers are missing"

    def _write(self) -> None:
        if self._open is None or not self.bound.is_set():
            return
        parts: list[bytes] = []
        now_s = time.perf_counter()
        while self._todo and len(self._out) < AHEAD:
            self._sequence += 1
            body = self._todo.popleft()
            self._out[self._sequence] = body, now_s
            parts.append(pdu(Command.DELIVER_SM, self._sequence, body))
        if parts:
            with contextlib.suppress(OSError):  # the next bind gets them
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
                self._todo.extendleft(self._out[number][0] for number in reversed(self._out))
                self._out.clear()
                self._open.close()

    def _talk(self, stream: socket.socket) -> None:
        rest = b""
        while data := stream.recv(1 << 18):
            rest += data
            at = 0
            answers: list[bytes] = []
            with self._lock:
                while len(rest) - at >= 16:
                    (size,) = struct.unpack_from(">I", rest, at)
                    if len(rest) - at < size:
                        break
                    self._hear(rest, at, size, answers)
                    at += size
                rest = rest[at:]
                if answers:
                    stream.sendall(b"".join(answers))
                self._write()
                if not self._todo and not self._out:
                    self._done.set()

    def _hear(self, data: bytes, at: int, size: int, answers: list[bytes]) -> None:
        _, command, status, sequence = struct.unpack_from(">IIII", data, at)
        match command:
            case Command.DELIVER_SM_RESP:
                body, sent_s = self._out.pop(sequence)
                if status:
                    self._todo.append(body)
                else:
                    self.answered += 1
                    self.delays_s.append(time.perf_counter() - sent_s)
            case Command.SUBMIT_SM:
                self._ids += 1
                if self.write_down:
                    submit = codec.parse_short_message(command, sequence, data, at + 16, at + size)
                    self.taken[submit.destination, submit.octets] += 1
                answers.append(pdu(command | RESPONSE, sequence, b"%d\0" % self._ids))
            case Command.BIND_TRANSCEIVER:
                answers.append(pdu(command | RESPONSE, sequence, b"smsc\0"))
                self.bound.set()
            case _ if not command & RESPONSE:
                answers.append(pdu(command | RESPONSE, sequence, b""))


def pdu(command: int, sequence: int, body: bytes) -> bytes:
    """A PDU with its header."""
    return struct.pack(">IIII", 16 + len(body), command, 0, sequence) + body
