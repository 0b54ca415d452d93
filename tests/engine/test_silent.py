"""A database host that is there, over TCP, and says nothing for a while (R-8.1, R-8.3)."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from psycopg.conninfo import conninfo_to_dict

from engine.domain import outage
from engine.gateway import gateway
from engine.store import nodes
from tests.engine.conftest import Stage


@dataclass(eq=False)
class Cable:
    """The way to a database, by TCP. It stops forwarding and closes nothing; or it is cut.

    In threads of its own: the engine connects in the one that a test runs in.
    """

    socket_file: str
    flows: threading.Event = field(default_factory=threading.Event)
    _ends: list[socket.socket] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    @contextlib.contextmanager
    def plugged_in(self) -> Iterator[int]:
        """Forwards from this port within the block."""
        self.flows.set()
        listener = socket.create_server(("127.0.0.1", 0))
        self._start(self._accept, listener)
        try:
            yield listener.getsockname()[1]
        finally:
            self.flows.set()
            for end in (listener, *self._ends):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
            for thread in self._threads:
                thread.join()

    def _start(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.socket(socket.AF_UNIX)
                self._ends += [near, far]
                far.connect(self.socket_file)
                self._start(self._carry, near, far)
                self._start(self._carry, far, near)

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.flows.wait()
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@pytest.mark.trio
async def test_a_database_host_that_goes_silent_is_waited_for(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-8.1, R-8.3: the engine says so once, is not ready, and goes on by itself; nothing is lost."""
    monkeypatch.setattr(outage, "SILENT_S", 0.2)
    monkeypatch.setattr(gateway, "WATCH_S", 0.05)
    monkeypatch.setattr(nodes, "UNCERTAIN_S", 3600.0)  # nothing is in doubt because of it
    known = conninfo_to_dict(stage.road.database.url)
    cable = Cable(f"{known['host']}/.s.PGSQL.{known.get('port') or 5432}")
    with cable.plugged_in() as port:
        stage.url = f"postgresql://{known['user']}@127.0.0.1:{port}/{known['dbname']}"
        async with stage.smsc(latency_ms=5) as smsc, stage.engine(smsc.port, window=5) as engine:
            await stage.until(lambda: engine.logged("bind.up"), "the bind")
            campaign = stage.campaign(60)
            await stage.until(lambda: smsc.counters.submits >= 20, "a third of it")
            cable.flows.clear()
            await stage.until(lambda: engine.logged("database.away"), "its word that it waits")
            assert "has not answered" in engine.logged("database.away")[0]
            assert (await engine.get("/readyz"))[0] == 503
            assert smsc.counters.submits < 60
            cable.flows.set()
            await stage.until(lambda: engine.logged("database.back"), "its word that it goes on")
            await stage.settled(campaign, delivered=60)
            assert (smsc.counters.submits, smsc.counters.repeats) == (60, 0)
            assert len(engine.logged("database.away")) == len(engine.logged("database.back")) == 1
            assert engine.logged("bind.down") == []
