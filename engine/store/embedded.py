"""The embedded PostgreSQL, as its clients see it: join it, stop it, ask about it.

A *keeper* (`engine.store.keeper`), a process of its own, is PostgreSQL's parent. Who needs the
database joins: starts a keeper when none lives, and holds a lock until it closes. The keeper
stops PostgreSQL some time after the last lock is gone.

What happens at each failure:

| killed -9, or gone        | what follows                                                        |
| ------------------------- | ------------------------------------------------------------------- |
| a client                  | its lock is gone with it                                            |
| who is starting the keeper| the keeper goes on; the next to join waits for it                   |
| the keeper                | PostgreSQL goes on; the next to join starts a keeper that takes it  |
|                           | over. With no next one, it runs until the machine stops or `stop`   |
| the postmaster            | the keeper waits for the orphans to end, and starts it again        |
| both                      | the next to join, or to reconnect, starts both                      |
| initdb                    | the next one begins anew                                            |
| the machine               | locks are gone; the files that lie about are known to be stale      |
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from engine.domain.errors import Refused, Unreachable
from engine.store.home import Home, State, own_lock

GRACE_S = 30.0
"""How long PostgreSQL stays after its last client: a person who types one command after the other
shouldn't wait for a start each time, nor find it running after lunch."""

KEEPER = "engine.store.keeper"
"""The module that is run as the keeper's process."""

LOOK_S = 0.01
"""How often one who waits for the keeper looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What there is in a home. `pid` is the postmaster's, None when it doesn't run."""

    running: bool
    pid: int | None
    version: str | None  # "18": the major version of the data; None: there are none yet
    data_dir: Path
    size_bytes: int
    clients: int
    url: str
    socket_dir: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """What `stop` found: whether it was running, and how many clients were connected."""

    was_running: bool
    clients: int


class Lease:
    """One client's hold on the embedded database, until `close` (or the process ends)."""

    def __init__(self, home: Home, name: str, grace_s: float) -> None:
        """Use `join`."""
        self._home = home
        self._grace_s = grace_s
        self._file = home.clients / f"{os.getpid()}-{secrets.token_hex(4)}"
        self._fd: int | None = own_lock(self._file, name)

    @property
    def home(self) -> Path:
        return self._home.path

    @property
    def url(self) -> str:
        return self._home.url

    def revive(self) -> bool:
        """Wait until PostgreSQL is up again, after it was lost: True.

        False when it was stopped on purpose (`stop`): then it stays down for this client.
        """
        with self._home.mutex():
            state = self._home.read_state()
            if state is not None and state.phase == "stopped" and not self._home.is_held("keeper"):
                return False
            _await_keeper(self._home, self._grace_s)
            return True

    def hand_on(self) -> None:
        """Let the program that this process becomes hold it, to its end."""
        if self._fd is not None:
            os.set_inheritable(self._fd, True)

    def close(self) -> None:
        """Let go. May be called twice."""
        fd, self._fd = self._fd, None
        if fd is not None:
            self._file.unlink(missing_ok=True)
            os.close(fd)


def default_home() -> Path:
    """SIARAN_HOME; else /var/lib/siaran for root, ~/.local/share/siaran for anybody else."""
    if given := os.environ.get("SIARAN_HOME"):
        return Path(given).expanduser().absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/siaran")
    try:
        return Path.home() / ".local/share/siaran"
    except RuntimeError as error:
        raise Refused(
            "your user has no home directory for the embedded database;"
            " set SIARAN_HOME to a directory of your own, or database.url to a server"
        ) from error


def join(home: Path, *, name: str = "siaran", grace_s: float = GRACE_S) -> Lease:
    """Have PostgreSQL running for `home`, for as long as the lease is open.

    Comes back when it takes connections, however long a crash recovery lasts. `name` says who,
    `grace_s` is for a keeper that this starts. Raises `Refused`, `Unreachable`.
    """
    place = Home.at(home)
    place.prepare()
    with place.mutex():
        lease = Lease(place, name, grace_s)
        try:
            _await_keeper(place, grace_s)
        except BaseException:
            lease.close()
            raise
    return lease


def ensure_running(home: Path, *, grace_s: float = GRACE_S) -> str:
    """Start PostgreSQL when it isn't running; its URL. Nothing holds it but the grace time."""
    lease = join(home, grace_s=grace_s)
    lease.close()
    return lease.url


def stop(home: Path) -> Stopped:
    """Stop PostgreSQL now, whoever is connected; comes back when it is down."""
    place = Home.at(home)
    if not place.base.exists():
        return Stopped(was_running=False, clients=0)
    place.prepare()
    with place.mutex():
        clients = place.count_clients()
        was_running = place.is_held("keeper") or place.is_held("server")
        while place.is_held("keeper"):
            # A keeper that was just born hasn't said its number yet.
            if state := place.read_state():
                _signal(state.keeper, signal.SIGTERM)
            time.sleep(LOOK_S)
        while place.is_held("server"):
            # Its keeper was killed. SIGINT is PostgreSQL's fast shutdown: roll back, checkpoint.
            if found := place.postmaster_pid():
                _signal(found[0], signal.SIGINT)
            time.sleep(LOOK_S)
        if was_running:
            place.write_state(State(phase="stopped", keeper=0))
    return Stopped(was_running=was_running, clients=clients)


def status(home: Path) -> Status:
    """What there is, without starting or making anything."""
    place = Home.at(home)
    running = place.is_held("server")
    found = place.postmaster_pid() if running else None
    try:
        version = (place.data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        version = None
    return Status(
        running=running,
        pid=found[0] if found else None,
        version=version,
        data_dir=place.data,
        size_bytes=_size_bytes(place.data),
        clients=place.count_clients(),
        url=place.url,
        socket_dir=place.socket_dir,
    )


def _await_keeper(home: Home, grace_s: float) -> None:
    """With the mutex: have a keeper, and wait until it says that PostgreSQL is ready."""
    started = False
    while True:
        lock = home.try_lock("keeper")
        state = home.read_state()
        if lock is None:
            if state is not None and state.phase == "ready":
                return
            time.sleep(LOOK_S)
        elif not started:
            try:
                home.write_state(None)
                _start_keeper(home, grace_s, lock)
            finally:
                os.close(lock)  # the keeper has it too
            started = True
        else:
            os.close(lock)
            why = state.why if state is not None else None
            raise Unreachable(
                f"the embedded database of {home.path} doesn't start:"
                f" {why or 'its keeper ended without a word'}; see {home.log}"
            )


def _start_keeper(home: Home, grace_s: float, lock: int) -> None:
    """Start a keeper that outlives us, our terminal and our process group."""
    ours = str(Path(__file__).parents[2])  # where `engine` lies, whatever the directory is
    python_path = os.pathsep.join(filter(None, [ours, os.environ.get("PYTHONPATH")]))
    home.log.touch(mode=0o600)
    with home.log.open("ab") as log:
        # It forks once more and this one ends, so that no client is left with a dead child.
        subprocess.run(
            [sys.executable, "-P", "-m", KEEPER, str(home.path), str(grace_s), str(lock)],
            env={"PYTHONPATH": python_path, "PATH": os.defpath},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(lock,),
            start_new_session=True,
            check=False,  # if it fails, its lock falls free and its log says why
        )


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # it may just have ended by itself
        os.kill(pid, number)


def _size_bytes(directory: Path) -> int:
    """What the disk has given to the files below `directory`; they come and go meanwhile."""
    total = 0
    for folder, _, files in os.walk(directory):
        for file in files:
            with contextlib.suppress(FileNotFoundError):
                total += Path(folder, file).lstat().st_blocks * 512
    return total
