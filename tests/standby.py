"""PostgreSQL on several servers: a primary and its streaming standbys, to kill, freeze and promote.

Made with the programs of the wheel that the embedded one comes from. Each server is a process on a
port of its own at 127.0.0.1, reached over TCP with a password, as servers elsewhere are.

    with Servers.open(standbys=1) as servers:
        ...                                     # clients use servers.url
        servers.primary.kill()
        servers.promote(servers.standbys[0])
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg.conninfo import make_conninfo

from engine.store import cluster
from engine.store.cluster import Account, Programs
from engine.store.home import Home

PATIENCE_S = 60.0

LOOK_S = 0.01

HOST = "127.0.0.1"

# One iteration: a test's password is worth no work. Without fsync a killed process loses nothing.
SETTINGS = """\
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
shared_buffers = 16MB
max_connections = 60
fsync = off
wal_level = replica
max_wal_senders = 8
wal_keep_size = 256MB
wal_retrieve_retry_interval = 200ms
autovacuum_naptime = 15s
log_min_messages = fatal
timezone = 'UTC'
"""

HBA = """\
host all,replication all 127.0.0.1/32 scram-sha-256
"""


@dataclass(slots=True, eq=False)
class Server:
    """One of them, running or not."""

    name: str
    """As synchronous_standby_names calls it."""
    directory: Path
    port: int
    password: str
    account: Account
    programs: Programs
    settings: str = ""
    _process: subprocess.Popen[bytes] | None = None

    def url(self, user: str = "siaran") -> str:
        """This server alone, whatever it is just then."""
        database = "siaran" if user == "siaran" else "postgres"
        return f"postgresql://{user}:{self.password}@{HOST}:{self.port}/{database}"

    def configure(self, settings: str) -> None:
        """Settings beside `SETTINGS`, in force at the next start."""
        file = self.directory / "postgresql.conf"
        own = f"port = {self.port}\ncluster_name = '{self.name}'\n"
        file.write_text(f"{SETTINGS}{own}{self.settings}{settings}")
        self.account.own(file)

    def start(self) -> None:
        """Comes back when it takes connections."""
        with (self.directory.parent / f"{self.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self.programs.path("postgres"), "-D", self.directory],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self.account.spawn,
            )
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.sql("SELECT 1")
                return
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > until:
                    words = Path(log.name).read_text(errors="replace")[-2000:]
                    raise AssertionError(f"{self.name} doesn't start: {error}\n{words}") from error
                time.sleep(LOOK_S)

    def kill(self) -> None:
        """The immediate shutdown: no checkpoint, no goodbye; its machine still answers."""
        self._end(signal.SIGQUIT)

    def freeze(self) -> None:
        """It stands still, as one whose disk hangs: connections stay, and nobody answers."""
        for pid in self._pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on as if nothing had been."""
        for pid in self._pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def stop(self) -> None:
        """In order, if it runs."""
        if self._process is not None and self._process.poll() is None:
            self.thaw()
            self._end(signal.SIGINT)

    def sql(self, query: LiteralString, *args: object) -> list[Any]:
        """What a statement answers this server's superuser; committed."""
        url = self.url("postgres")
        with psycopg.connect(url, autocommit=True, connect_timeout=3) as connection:
            cursor = connection.execute(query, args)
            return cursor.fetchall() if cursor.description else []

    def set(self, name: str, value: str) -> None:
        """ALTER SYSTEM, and it is in force."""
        statement = psycopg.sql.SQL("ALTER SYSTEM SET {} = {}").format(
            psycopg.sql.Identifier(name), psycopg.sql.Literal(value)
        )
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)
            connection.execute("SELECT pg_reload_conf()")

    def follow(self, primary: Server) -> None:
        """As a standby, stream from another one from now on."""
        self.set("primary_conninfo", _conninfo(primary, self.name))

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(PATIENCE_S)

    def _pids(self) -> list[int]:
        """The postmaster first, so that none is born meanwhile."""
        assert self._process is not None
        pids = [self._process.pid]
        for entry in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                if int(entry.read_text().rpartition(")")[2].split()[1]) == pids[0]:
                    pids.append(int(entry.parent.name))
        return pids


@dataclass(slots=True, eq=False)
class Servers:
    """A primary and its standbys. Use `Servers.open`."""

    primary: Server
    standbys: list[Server] = field(default_factory=list)

    @staticmethod
    @contextlib.contextmanager
    def open(
        *, standbys: int = 1, synchronous: bool = True, settings: str = ""
    ) -> Iterator[Servers]:
        """Running servers, gone after the block; `a` is the primary, then `b`, `c`, …

        `synchronous`: a COMMIT waits until any one standby has it on its disk. `settings` are more of
        PostgreSQL's, for all of them.
        """
        directory = Path(tempfile.mkdtemp(prefix="siaran-servers-"))
        directory.chmod(0o711)  # the account has to get through
        account = Account.for_home(Home.at(directory))
        programs = Programs.for_account(account)
        password = secrets.token_hex(8)
        names = [chr(ord("a") + n) for n in range(standbys + 1)]
        all_ = [
            Server(name, directory / name, port, password, account, programs, settings)
            for name, port in zip(names, free_ports(len(names)), strict=True)
        ]
        servers = Servers(all_[0])
        try:
            _make(servers.primary)
            servers.primary.configure("")
            servers.primary.start()
            for standby in all_[1:]:
                servers.attach(standby)
            if synchronous and standbys:
                servers.be_synchronous()
            yield servers
        finally:
            for server in all_:
                with contextlib.suppress(ProcessLookupError):
                    server.stop()
            shutil.rmtree(directory)

    @property
    def url(self) -> str:
        """All of them, in the order of their names: whoever takes writes."""
        everybody = sorted([self.primary, *self.standbys], key=lambda server: server.name)
        places = ",".join(f"{HOST}:{server.port}" for server in everybody)
        password = self.primary.password
        return f"postgresql://siaran:{password}@{places}/siaran?target_session_attrs=read-write"

    def attach(self, standby: Server) -> None:
        """A copy of the primary that streams from it; what the standby had is gone."""
        shutil.rmtree(standby.directory, ignore_errors=True)
        subprocess.run(
            [
                cluster._wheel() / "bin" / "pg_basebackup",
                *("-d", self.primary.url("postgres"), "-D", standby.directory),
                *("-c", "fast", "-X", "stream", "--no-sync"),
            ],
            check=True,
            stdin=subprocess.DEVNULL,
        )
        (standby.directory / "postgresql.auto.conf").write_text("")
        (standby.directory / "standby.signal").touch()
        for path in (standby.directory, *standby.directory.rglob("*")):
            standby.account.own(path)
        standby.configure(f"primary_conninfo = '{_conninfo(self.primary, standby.name)}'\n")
        standby.start()
        if standby not in self.standbys:
            self.standbys.append(standby)

    def be_synchronous(self) -> None:
        """From now on, and not before a standby can be waited for."""
        self.wait_streaming()
        names = ", ".join(standby.name for standby in self.standbys)
        self.primary.set("synchronous_standby_names", f"ANY 1 ({names})")
        _wait(
            lambda: self.primary.sql(
                "SELECT 1 FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')"
            ),
            "a synchronous standby",
        )

    def wait_streaming(self) -> None:
        """Until each standby gets what the primary writes."""
        everybody = len(self.standbys)
        _wait(
            lambda: (
                self.primary.sql(
                    "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
                )
                == [(everybody,)]
            ),
            "streaming standbys",
        )

    def promote(self, standby: Server) -> Server:
        """The standby is the primary; the others follow it. The server that it was before, alone.

        Comes back when it takes writes, as what a tool for failover would do has been done.
        """
        before = self.primary
        self.standbys.remove(standby)
        self.primary = standby
        names = ", ".join(other.name for other in self.standbys)
        standby.sql("SELECT pg_promote(true, 30)")
        for other in self.standbys:
            other.follow(standby)
        if names:
            standby.set("synchronous_standby_names", f"ANY 1 ({names})")
        return before

    def fail_over(self) -> Server:
        """Promote the standby that has most of what the primary has written."""
        return self.promote(max(self.standbys, key=_received))


def _received(standby: Server) -> int:
    ((at,),) = standby.sql("SELECT (pg_last_wal_receive_lsn() - '0/0'::pg_lsn)::bigint")
    return int(at)


def _make(server: Server) -> None:
    """A new cluster with our role and database."""
    words = server.directory.parent / "password"
    words.write_text(server.password)
    words.chmod(0o600)
    server.account.own(words)
    server.account.make_directory(server.directory)
    _run(
        server,
        "initdb",
        *("-D", str(server.directory), "--username=postgres", f"--pwfile={words}"),
        *("--auth=scram-sha-256", "--locale-provider=builtin", "--locale=C.UTF-8"),
        *("--encoding=UTF8", "--lc-messages=C", "--no-sync", "--set=scram_iterations=1"),
    )
    (server.directory / "pg_hba.conf").write_text(HBA)
    roles = (
        "SET scram_iterations = 1;\n"
        f"CREATE ROLE siaran LOGIN CREATEDB PASSWORD '{server.password}';\n"
        "CREATE DATABASE siaran OWNER siaran;\n"
    )
    _run(server, "postgres", "--single", "-D", str(server.directory), "template1", words=roles)


def _run(server: Server, program: str, *arguments: str, words: str = "") -> None:
    done = subprocess.run(
        [server.programs.path(program), *arguments],
        input=words,
        capture_output=True,
        text=True,
        **server.account.spawn,
    )
    assert done.returncode == 0, done.stderr
    assert "ERROR" not in done.stderr, done.stderr


def _conninfo(primary: Server, name: str) -> str:
    return make_conninfo(
        host=HOST,
        port=primary.port,
        user="postgres",
        password=primary.password,
        application_name=name,
    )


def free_ports(count: int) -> Sequence[int]:
    """Where nobody listens; all at once, so that they differ."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((HOST, 0))
        return [one.getsockname()[1] for one in sockets]


def _wait(come: Any, what: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while not come():
        assert time.monotonic() < until, f"{what} did not come within {PATIENCE_S:g} s"
        time.sleep(LOOK_S)
