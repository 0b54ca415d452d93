"""The keeper: a process of its own that is the embedded PostgreSQL's parent.

    python -m engine.store.keeper HOME GRACE_S LOCK     (started by `engine.store.embedded`)

Its life: make the cluster when there is none; start PostgreSQL, or take over one whose keeper was
killed; look every second whether it lives and whether it has clients; start it again when it
crashed; stop it after `GRACE_S` without clients, or at SIGTERM. LOCK is the descriptor of the
flock `keeper`, which it inherits and never gives back: the kernel does that when it ends.

It has one thread and waits in one place, `sigtimedwait`: its signals are blocked and taken there,
so that none can arrive in the middle of something.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from engine.store.cluster import (
    Account,
    Failed,
    Programs,
    adopt,
    check_version,
    make_cluster,
    make_socket_dir,
    write_configuration,
)
from engine.store.home import Home, Phase, State

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)

LOOK_S = 1.0
"""How often it looks for clients; a fraction of short grace times."""

STARTING_S = 0.005
"""How often it looks whether a PostgreSQL that is starting takes connections."""

CRASHES = 5
CRASHES_WITHIN_S = 60.0
"""So many crashes in so short a time are no accident: another start would only wear the disk."""

STOP_S = 60.0
"""What a fast shutdown gets: it writes a checkpoint, at most what `max_wal_size` allows. After
that it is ended the hard way, and recovers at its next start."""

LOG_BYTES = 8 * 2**20
"""A log larger than this is moved to `log.1` (it holds warnings and errors only)."""


class Stop(Exception):
    """SIGTERM came, or somebody has shut PostgreSQL down in order."""


class Keeper:
    """One PostgreSQL from its start to its end."""

    def __init__(self, home: Home, grace_s: float) -> None:
        self._home = home
        self._grace_s = grace_s
        self._child: subprocess.Popen[bytes] | None = None  # None: taken over, or not running

    def keep(self) -> None:
        """From start to end. Raises `Failed` when it can't go on. PostgreSQL is down then."""
        crashes: list[float] = []
        try:
            while not self._serve():
                now = time.monotonic()
                crashes = [at for at in crashes if now - at < CRASHES_WITHIN_S] + [now]
                if len(crashes) == CRASHES:
                    raise Failed(f"PostgreSQL crashed {CRASHES} times within a minute")
        except Stop:
            self._say("stopping")
        finally:
            self._shut_down()

    def _serve(self) -> bool:
        """Have PostgreSQL running until nobody needs it: True; until it crashes: False."""
        self._say("starting")
        said_before = self._home.log.stat().st_size
        self._child = None
        if not self._takes_over():
            self._child = self._start()
        if self._becomes_ready():
            self._say("ready")
            if self._is_left_alone():
                return True
        if self._child is not None:
            if self._child.returncode == 0:
                raise Stop
            if self._child.returncode > 0:
                # An exit code of its own (not a signal): it will say the same next time.
                raise Failed(_complaint(self._home.log, said_before))
        return False

    def _takes_over(self) -> bool:
        """Whether a PostgreSQL lives whose keeper was killed. Orphans whose postmaster was killed
        are waited for: they see that, and end; a new one beside them would ruin the cluster."""
        while self._home.is_held("server"):
            if self._postmaster() is not None:
                return True
            self._wait(STARTING_S)
        return False

    def _start(self) -> subprocess.Popen[bytes]:
        """A postmaster; it holds the lock `server`, and the cluster by descriptor."""
        home = self._home
        while (lock := home.try_lock("server")) is None:
            self._wait(STARTING_S)  # somebody asks for it just now
        try:
            account = Account.for_home(home)
            programs = Programs.for_account(account)
            if not home.data.exists():
                make_cluster(home, account, programs)
            adopt(home, account)
            check_version(home, programs)
            # Nobody lives there (we have the lock): this file is stale, and if the process id in
            # it is in use again, PostgreSQL would refuse to start.
            (home.data / "postmaster.pid").unlink(missing_ok=True)
            make_socket_dir(home, account)
            with account.directory(home.data) as data:
                write_configuration(home, account, data)
                # Our blocked signals are inherited; PostgreSQL sets its own mask.
                return subprocess.Popen(
                    [programs.path("postgres"), "-D", data.path],
                    pass_fds=(data.fd, lock),
                    stdin=subprocess.DEVNULL,
                    **account.spawn,
                )
        except OSError as error:
            raise Failed(str(error)) from error
        finally:
            os.close(lock)

    def _becomes_ready(self) -> bool:
        """Wait, through a crash recovery too, until it takes connections; False: it died."""
        while (pid := self._postmaster()) is not None:
            if self._home.postmaster_pid() == (pid, True):
                return True
            self._wait(STARTING_S)
        return False

    def _is_left_alone(self) -> bool:
        """Wait until it had no client for the grace time, and stop it: True; False: it died."""
        look_s = min(LOOK_S, self._grace_s / 4)
        needed_at = time.monotonic()
        while self._postmaster() is not None:
            mutex = self._home.try_lock("mutex")
            if mutex is None:
                needed_at = time.monotonic()  # somebody is joining
            else:
                try:
                    self._home.forget_dead_clients()
                    if self._home.count_clients() > 0:
                        needed_at = time.monotonic()
                    elif time.monotonic() - needed_at >= self._grace_s:
                        # With the mutex: who wants to join now waits, and then starts anew.
                        self._say("stopping")
                        self._shut_down()
                        return True
                finally:
                    os.close(mutex)
            _trim(self._home.log)
            self._wait(look_s)
        return False

    def _shut_down(self) -> None:
        """Fast shutdown: sessions are rolled back, a checkpoint is written."""
        hard_at = time.monotonic() + STOP_S
        while (pid := self._postmaster()) is not None:
            hard = time.monotonic() > hard_at
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGQUIT if hard else signal.SIGINT)
            with suppress(Stop):
                self._wait(STARTING_S)
        with suppress(OSError):
            self._home.socket_dir.rmdir()

    def _postmaster(self) -> int | None:
        """The process id of the postmaster while it lives."""
        if self._child is not None:
            return self._child.pid if self._child.poll() is None else None
        found = self._home.postmaster_pid() if self._home.is_held("server") else None
        return found[0] if found is not None and _lives(found[0]) else None

    def _wait(self, seconds: float) -> None:
        """Wait for that time, or until something happens. Raises `Stop` at SIGTERM."""
        came = signal.sigtimedwait(SIGNALS, seconds)
        if came is not None and came.si_signo in (signal.SIGTERM, signal.SIGINT):
            raise Stop

    def _say(self, phase: Phase) -> None:
        self._home.write_state(State(phase=phase, keeper=os.getpid()))


def main() -> None:
    """Leave whoever started us, and keep."""
    path, grace_s, _lock = sys.argv[1:]
    if os.fork():
        os._exit(0)
    os.umask(0o077)
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    home = Home(Path(path))
    try:
        Keeper(home, float(grace_s)).keep()
    except Exception as error:
        home.write_state(State(phase="failed", keeper=os.getpid(), why=str(error)))
        if not isinstance(error, Failed):
            raise  # a bug: its traceback goes to the log


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _complaint(log: Path, offset: int) -> str:
    """What PostgreSQL said last, of what was written to the log after `offset`."""
    with log.open(errors="replace") as file:
        file.seek(offset)
        lines = [line for line in file if "FATAL: " in line or "PANIC: " in line]
    return lines[-1].partition("] ")[2].strip() if lines else "PostgreSQL ended without a word"


def _trim(log: Path) -> None:
    """Keep the log small. It is open in every process of PostgreSQL, so it is emptied in place."""
    if log.stat().st_size > LOG_BYTES:
        shutil.copyfile(log, log.with_suffix(".1"))
        os.truncate(log, 0)


if __name__ == "__main__":
    main()
