"""PDUs of a running engine, told live to whoever may look at its home (R-5.13).

A unix socket for the engine's own user; its path is short, whatever the home's is. Who connects says
what he wants in a line of JSON, hears in another whether he can have it, and then gets a line a PDU.

Nobody watches: a session's hook is None, and costs a comparison a read. Somebody does: PDUs are put
aside for him, so many at most, and made readable in his own task, so many a second; what is beyond
that is dropped and counted. He can slow nobody down.
"""

import contextlib
import errno
import json
import os
from collections import deque
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

import trio

from engine import clock, log
from smpp import framing, trace
from smpp.pdu import Mode
from smpp.session import Session, Trace

WAITING: Final = 2_000
"""PDUs that are put aside for somebody who watches."""
AT_ONCE: Final = 200
PAUSE_S: Final = 0.1
"""Between two times that so many are made readable: 2,000 a second cost a tenth of a core."""
REQUEST_MAX: Final = 4096
LISTEN_BACKLOG: Final = 8


_BINDS: Final = frozenset(int(mode) for mode in Mode)


class Bound(Protocol):
    """What must be known of a bind: `trace` is for all its sessions, `Session.trace` for this one."""

    name: str
    trace: Trace | None
    session: Session | None


@dataclass(slots=True, eq=False)
class _Watcher:
    """Somebody who watches, and what he has not seen yet."""

    bind: str | None
    pdus: deque[tuple[datetime, str, bool, bytes]] = field(default_factory=deque)
    dropped: int = 0
    more: trio.Event = field(default_factory=trio.Event)

    def see(self, name: str, outgoing: bool, pdus: Iterable[bytes]) -> None:
        at = clock.utc_now()
        for pdu in pdus:
            if len(self.pdus) >= WAITING:
                self.dropped += 1
            else:
                self.pdus.append((at, name, outgoing, pdu))
        self.more.set()


@dataclass(slots=True, eq=False)
class _Tap:
    """The hook of one bind's sessions."""

    name: str
    watchers: list[_Watcher] = field(default_factory=list)
    rest: bytes = b""
    """Of a PDU that has been read in part."""

    def __call__(self, outgoing: bool, octets: bytes) -> None:
        if outgoing:
            pdus, _ = _cut(octets)
            if int.from_bytes(octets[4:8], "big") in _BINDS:  # a session begins: nothing is half
                self.rest = b""
        else:
            pdus, self.rest = _cut(self.rest + octets)
        for watcher in self.watchers:
            watcher.see(self.name, outgoing, pdus)


def _cut(octets: bytes) -> tuple[list[bytes], bytes]:
    """Whole PDUs, and what is left over; where no PDU can begin, all that follows is one."""
    frames, used, fault = framing.split(octets)
    pdus = [octets[start - framing.HEADER_SIZE : stop] for _, _, _, start, stop in frames]
    if fault is not None:
        return [*pdus, octets[used:]], b""
    return pdus, octets[used:]


@dataclass(slots=True)
class Tracing:
    """The task that serves who watches."""

    binds: Callable[[], Collection[Bound]]
    path: Path
    _watchers: list[_Watcher] = field(default_factory=list)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serves until cancelled; started when it listens.

        Where the socket can't be made, the log says so, and no more.
        """
        try:
            await self._listen(task_status)
        except OSError as error:
            log.warning("trace.off", path=str(self.path), reason=error.strerror or str(error))
            with contextlib.suppress(RuntimeError):  # it had begun
                task_status.started()

    async def _listen(self, task_status: trio.TaskStatus[None]) -> None:
        with trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM) as listener:
            await self._bind(listener)
            self.path.chmod(0o600)
            try:
                listener.listen(LISTEN_BACKLOG)
                task_status.started()
                async with trio.open_nursery() as nursery:
                    while True:
                        peer, _ = await listener.accept()
                        nursery.start_soon(self._serve, trio.SocketStream(peer))
            finally:
                self.path.unlink(missing_ok=True)
                with suppress(OSError):  # another node of this home has its own in it
                    self.path.parent.rmdir()

    async def _bind(self, listener: trio.socket.SocketType) -> None:
        directory = self.path.parent
        while True:
            directory.mkdir(mode=0o700, exist_ok=True)
            if directory.is_symlink() or directory.stat().st_uid != os.geteuid():
                raise PermissionError(errno.EPERM, "the directory is somebody else's")
            self.path.unlink(missing_ok=True)  # of an engine that was killed: the name is ours
            try:
                await listener.bind(str(self.path))
            except FileNotFoundError:
                continue  # a node that ended just now has taken the directory away
            return

    async def _serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                wanted = await _request(stream)
                if wanted is None:
                    return
                bind, show_text = wanted
                names = sorted(one.name for one in self.binds())
                if bind is not None and bind not in names:
                    refusal = {"error": f'no bind is called "{bind}"', "binds": names}
                    await stream.send_all(json.dumps(refusal).encode() + b"\n")
                    return
                watcher = _Watcher(bind)
                self._watchers.append(watcher)
                self._attach()
                try:
                    await stream.send_all(json.dumps({"binds": names}).encode() + b"\n")
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(self._tell, watcher, stream, show_text)
                        while await stream.receive_some(REQUEST_MAX):
                            pass
                        nursery.cancel_scope.cancel()  # he has gone
                finally:
                    self._watchers.remove(watcher)
                    self._attach()

    async def _tell(self, watcher: _Watcher, stream: trio.SocketStream, show_text: bool) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while True:
                with trio.move_on_after(1.0):
                    await watcher.more.wait()
                watcher.more = trio.Event()
                self._attach()  # a reload may have brought other binds
                while watcher.pdus or watcher.dropped:
                    lines = [
                        _line(*watcher.pdus.popleft(), show_text=show_text)
                        for _ in range(min(AT_ONCE, len(watcher.pdus)))
                    ]
                    if not watcher.pdus and watcher.dropped:
                        lines.append(json.dumps({"dropped": watcher.dropped}))
                        watcher.dropped = 0
                    await stream.send_all("".join(f"{one}\n" for one in lines).encode())
                    await trio.sleep(PAUSE_S)

    def _attach(self) -> None:
        """Each bind has a hook exactly while somebody watches it."""
        for bind in self.binds():
            watchers = [one for one in self._watchers if one.bind in (None, bind.name)]
            if not watchers:
                tap = None
            elif isinstance(bind.trace, _Tap):
                tap = bind.trace
                tap.watchers = watchers
            else:
                tap = _Tap(bind.name, watchers)
                if bind.session is not None:  # in step with what was read so far
                    tap.rest = bind.session.connection.half
            bind.trace = tap
            if bind.session is not None:
                bind.session.trace = tap


async def _request(stream: trio.SocketStream) -> tuple[str | None, bool] | None:
    data = b""
    while b"\n" not in data and len(data) < REQUEST_MAX:
        more = await stream.receive_some(REQUEST_MAX)
        if not more:
            return None
        data += bytes(more)
    try:
        asked = json.loads(data)
        bind = asked.get("bind")
        return (None if bind is None else str(bind)), bool(asked.get("show_text"))
    except (ValueError, AttributeError):
        return None


def _line(at: datetime, name: str, outgoing: bool, pdu: bytes, *, show_text: bool) -> str:
    return json.dumps(
        {
            "at": at.isoformat(),
            "bind": name,
            "direction": "out" if outgoing else "in",
            "pdu": trace.line(pdu, show_text=show_text),
        },
        ensure_ascii=False,
    )
