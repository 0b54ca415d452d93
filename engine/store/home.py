"""Where the embedded PostgreSQL of a home lies, and who holds what of it.

    HOME/postgres/data          the cluster; complete, or not there
                  data.new      one that initdb is at work on
                  local.conf    an operator's own PostgreSQL settings; read last, at each start
                  log           what PostgreSQL and its keeper said
                  state         what the keeper is at (JSON), see `State`
                  mutex         flock: held by who starts, stops, joins
                  keeper        flock: held by the keeper as long as it lives
                  server        flock: held by every process of PostgreSQL as long as one lives
                  clients/*     flock each: one file for each open Database

Every question "does it live?" is answered by a flock, never by a process id: the kernel lets go of
a lock when its last holder dies, however that happens, and no reboot leaves one behind. A lock
that is handed to a child is held by both (it belongs to the open file, flock(2)); this is how the
keeper has its lock before it runs, and how PostgreSQL holds one without knowing of it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import pwd
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from engine.domain.errors import Refused

Phase = Literal["starting", "ready", "stopping", "stopped", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the keeper last said of itself. Only true while its flock is held."""

    phase: Phase
    keeper: int  # process id
    why: str | None = None  # of "failed", for a person


@dataclass(frozen=True, slots=True)
class Home:
    """The paths of one home, and its locks."""

    path: Path
    """Absolute, without symbolic links: it gives the socket directory its name."""

    @staticmethod
    def at(path: Path) -> Home:
        """The home at `path`, which need not be there."""
        return Home(Path(os.path.realpath(path)))

    @property
    def base(self) -> Path:
        return self.path / "postgres"

    @property
    def data(self) -> Path:
        return self.base / "data"

    @property
    def data_new(self) -> Path:
        return self.base / "data.new"

    @property
    def local_conf(self) -> Path:
        return self.base / "local.conf"

    @property
    def log(self) -> Path:
        return self.base / "log"

    @property
    def clients(self) -> Path:
        return self.base / "clients"

    @property
    def socket_dir(self) -> Path:
        """Where PostgreSQL's socket is: outside of the home, since a socket's path is limited to
        107 octets and a home's isn't. The same for every process, whatever its environment says
        (TMPDIR, XDG_RUNTIME_DIR), and below a directory that outlives a login session.
        """
        name = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]
        if os.geteuid() == 0 and os.access("/run", os.W_OK):
            return Path("/run") / f"siaran-{name}"
        return Path("/tmp") / f"siaran-{os.geteuid()}-{name}"

    @property
    def url(self) -> str:
        return f"postgresql://siaran@/siaran?host={quote(str(self.socket_dir), safe='')}"

    def prepare(self) -> None:
        """Make the directories, for their owner alone. Raises `Refused`."""
        me = os.geteuid()
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            owner = self.path.stat().st_uid
            if owner == me:
                self.base.mkdir(mode=0o700, exist_ok=True)
                self.clients.mkdir(mode=0o700, exist_ok=True)
                owner = self.base.stat().st_uid
        except OSError as error:
            raise Refused(
                f"{self.path}: the home of the embedded database can't be made or entered"
                f" ({error.strerror}); set SIARAN_HOME to a directory of your own,"
                " or database.url to a server"
            ) from error
        if owner != me:
            raise Refused(
                f"{self.path} belongs to {_user_name(owner)}: run siaran as that user,"
                " or set SIARAN_HOME to a directory of your own"
            )

    def read_state(self) -> State | None:
        """What the keeper last said; None when there was none yet."""
        try:
            return State(**json.loads((self.base / "state").read_text()))
        except FileNotFoundError:
            return None

    def write_state(self, state: State | None) -> None:
        """Replace the state at once, so that a reader sees the old or the new one."""
        if state is None:
            (self.base / "state").unlink(missing_ok=True)
            return
        new = self.base / "state.new"
        new.write_text(json.dumps(asdict(state)))
        new.replace(self.base / "state")

    @contextlib.contextmanager
    def mutex(self) -> Iterator[None]:
        """Wait until nobody else starts, stops or joins."""
        fd = _open(self.base / "mutex")
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def try_lock(self, name: Literal["mutex", "keeper", "server"]) -> int | None:
        """The descriptor of the lock, to be closed by the caller; None when it is held."""
        return _try_lock(self.base / name)

    def is_held(self, name: Literal["keeper", "server"]) -> bool:
        """Whether somebody holds the lock. Touches nothing; False when there is no home."""
        return _is_held(self.base / name)

    def count_clients(self) -> int:
        """How many Databases are open, in all processes."""
        return sum(_is_held(file) for file in self._client_files())

    def forget_dead_clients(self) -> None:
        """Remove the files of clients that died. To be called with the mutex."""
        for file in self._client_files():
            if not _is_held(file):
                file.unlink(missing_ok=True)

    def postmaster_pid(self) -> tuple[int, bool] | None:
        """(process id, whether it takes connections), as PostgreSQL wrote it down.

        Worth something only while the lock `server` is held, else it may be years old.
        """
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            # Line 1 and 8: src/include/utils/pidfile.h, PM_STATUS_READY.
            return int(lines[0]), len(lines) > 7 and lines[7].strip() == "ready"
        except (FileNotFoundError, ValueError, IndexError):
            return None  # not there, or being written

    def _client_files(self) -> list[Path]:
        try:
            return list(self.clients.iterdir())
        except FileNotFoundError:
            return []


def own_lock(file: Path, words: str) -> int:
    """Make a new file that holds `words`, locked; the descriptor that holds the lock."""
    fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    os.write(fd, words.encode())
    return fd


def _open(file: Path) -> int:
    return os.open(file, os.O_RDWR | os.O_CREAT, 0o600)


def _try_lock(file: Path) -> int | None:
    fd = _open(file)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def _is_held(file: Path) -> bool:
    try:
        fd = os.open(file, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two that ask at once don't see each other.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"the user with the number {uid}"
