"""A real Siaran to break and to measure: database, SMSC simulator and engine, each a process.

What benchmarks and promise tests have in common. It starts them in a home of its own, does to them
what the world does (signals, restarts, a database that crashes), and looks on from outside: at the
SMSC's own record, at what commands print, at /metrics and at /proc.

    with Rig.open(window=20) as rig:
        rig.start_smsc(latency_ms=15)
        rig.start_engine()
        campaign = rig.campaign(1000)
        rig.wait(lambda: len(rig.record.read()) >= 500, "half of the messages")
        rig.engine.kill()
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, LiteralString, NamedTuple, TypeVar

import psycopg
from psycopg.conninfo import make_conninfo

from admin_cli.children import Child, Ended
from engine.store import embedded
from engine.store.home import Home

T = TypeVar("T")

ROOT = Path(__file__).parent.parent

TEXT = "Dear %%1%% of %%2%% in %%3%%, your number is %%4%%."
"""Personalised, GSM 03.38, one segment."""

LOOK_S = 0.005
"""How often somebody looks who waits for a process to do something."""

PATIENCE_S = 60.0
"""How long anything may take that is waited for, on a machine that has other things to do."""

RECEIVED = ("delivered", "parked")

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Stuck(AssertionError):
    """What was waited for did not come; the text has the last words of everybody."""


class Process(Child):
    """A child that a test may do violence to."""

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def lives(self) -> bool:
        return self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """kill -9, and it is gone."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def wait(self, within_s: float) -> int:
        """Its exit code. Raises subprocess.TimeoutExpired."""
        return self._process.wait(within_s)

    def end(self) -> str:
        """As a child ends; also one that was stopped."""
        with contextlib.suppress(ProcessLookupError):
            self.signal(signal.SIGCONT)
        return super().end()


class Arrival(NamedTuple):
    """A submit_sm that the SMSC took."""

    at: datetime
    destination: str
    part: int
    id: str


@dataclass(slots=True)
class Record:
    """What the SMSC wrote down of what it took, read on as it grows."""

    file: Path
    arrivals: list[Arrival] = field(default_factory=list)
    _offset: int = 0

    def read(self) -> list[Arrival]:
        """All arrivals so far, in their order."""
        with contextlib.suppress(FileNotFoundError), self.file.open("rb") as lines:
            lines.seek(self._offset)
            new = lines.read()
            whole = new.rfind(b"\n") + 1
            self._offset += whole
            for line in new[:whole].splitlines():
                row = json.loads(line)
                if row["id"] is not None:
                    at = datetime.fromisoformat(row["at"])
                    part = row["part"] or 1
                    self.arrivals.append(Arrival(at, row["destination"], part, row["id"]))
        return self.arrivals


class Use(NamedTuple):
    """What a process, or some of them, have used so far: seconds of CPU, octets of memory."""

    cpu_s: float
    rss: int


@dataclass(slots=True, eq=False)
class Rig:
    """One installation. Use `Rig.open`."""

    home: Path
    url: str | None
    """The database; None: the home's own, embedded."""
    window: int
    binds: int
    timers: Mapping[str, float]
    record: Record
    _port: int = 0
    _lists: int = 0
    _mobiles: int = 0
    _log_at: int = 0
    _smsc: Process | None = None
    _engine: Process | None = None

    @staticmethod
    @contextlib.contextmanager
    def open(
        *,
        home: Path | None = None,
        url: str | None = None,
        window: int = 10,
        binds: int = 1,
        timers: Mapping[str, float] | None = None,
        postgres: str = "",
        like: Path | None = None,
    ) -> Iterator[Rig]:
        """An installation that is gone after the block. `home`: make it there (it stays).

        `postgres` are settings of the embedded database, which is copied from the home `like` if
        there is one (a new one takes longer); `timers` are those of the carrier.
        """
        path = Path(tempfile.mkdtemp(prefix="siaran-rig-")) if home is None else home
        rig = Rig(path, url, window, binds, timers or {}, Record(path / "record.jsonl"))
        try:
            if url is None:
                place = Home.at(path)
                place.prepare()
                if like is not None:
                    subprocess.run(["cp", "-a", f"{like}/postgres/.", place.base], check=True)
                place.local_conf.write_text(postgres)
            yield rig
        finally:
            rig._end()
            if home is None:
                shutil.rmtree(path)

    # ---- who takes part

    @property
    def smsc(self) -> Process:
        assert self._smsc is not None, "start_smsc first"
        return self._smsc

    @property
    def engine(self) -> Process:
        assert self._engine is not None, "start_engine first"
        return self._engine

    def start_smsc(self, *, record: bool = True, **options: object) -> None:
        """`siaran smsc` with those options: `latency_ms=10` is --latency-ms 10."""
        words = ["smsc", "--json", "--port", str(self._port)]
        if record:
            words += ["--record", str(self.record.file)]
        for name, value in options.items():
            words += [f"--{name.replace('_', '-')}", str(value)]
        log = self.home / "smsc.log"
        self._smsc = Process(tuple(words), log=log, home=self.home, reads=True)
        self._port = int(json.loads(self._smsc.read_line(PATIENCE_S))["port"])
        self._configure()

    def use_smsc(self, port: int) -> None:
        """An SMSC of the test's own listens there."""
        self._port = port
        self._configure()

    def counters(self) -> dict[str, int]:
        """What the SMSC has seen and done so far."""
        self.smsc.signal(signal.SIGUSR1)
        return dict(json.loads(self.smsc.read_line(PATIENCE_S)))

    def start_engine(self, *, bound: bool = True) -> None:
        """`siaran run`; comes back when it serves HTTP, and its binds are up."""
        log = self.home / "run.log"
        self._log_at = log.stat().st_size if log.exists() else 0
        words = ("run", "--config", str(self.configuration))
        self._engine = Process(words, log=log, home=self.home, reads=False)
        wanted = {"http.listening": 1, "bind.up": self.binds if bound else 0}
        self.wait(
            lambda: all(self.logged(event) >= n for event, n in wanted.items()),
            "the engine's start",
        )

    def logged(self, event: str) -> int:
        """How often the engine has said that since its last start."""
        return len(re.findall(rf"Z {re.escape(event)}\s", self.said()))

    def said(self, *, all_of_it: bool = False) -> str:
        """What the engine has written to its log since its last start."""
        with (self.home / "run.log").open("rb") as log:
            log.seek(0 if all_of_it else self._log_at)
            return log.read().decode(errors="replace")

    @property
    def configuration(self) -> Path:
        return self.home / "siaran.toml"

    def _configure(self) -> None:
        lines = [
            '[node]\nname = "rig"',
            '[http]\nlisten = "127.0.0.1:0"',
            *([] if self.url is None else [f'[database]\nurl = "{self.url}"']),
            "[carriers.smsc]",
            f'host = "127.0.0.1"\nport = {self._port}\nsystem_id = "siaran"',
            f'window = {self.window}\nbinds = [{{ mode = "transceiver", count = {self.binds} }}]',
            "[carriers.smsc.timers]",
            *(f"{name} = {value}" for name, value in self.timers.items()),
        ]
        self.configuration.write_text("\n".join(lines) + "\n")

    def _end(self) -> None:
        for process in (self._engine, self._smsc):
            if process is not None:
                process.kill()  # what it still had to say nobody wants to know
        if self.url is None:
            with contextlib.suppress(ProcessLookupError):
                self.thaw_postgres()
            embedded.stop(self.home)
        # Of an engine that was killed; it lies outside of the home.
        shutil.rmtree(f"{Home.at(self.home).socket_dir}-trace", ignore_errors=True)

    # ---- what a person does

    def siaran(self, *words: str) -> Any:
        """A command as a person types it: what it prints with --json."""
        process = self.typed(*words)
        out, err = process.communicate(timeout=PATIENCE_S * 5)
        if process.returncode:
            raise Stuck(f"siaran {' '.join(words)}: exit {process.returncode}: {err.strip()}")
        return json.loads(out)

    def typed(self, *words: str) -> subprocess.Popen[str]:
        """The same, not waited for."""
        return subprocess.Popen(
            [sys.executable, "-m", "admin_cli", *words, "--json", "--yes"],
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def environment(self) -> dict[str, str]:
        """That of a command for this home; nothing of the environment's own is meant for it."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SIARAN_")}
        ours = {"SIARAN_HOME": str(self.home), "PYTHONPATH": str(ROOT)}
        if self.configuration.exists():
            ours["SIARAN_CONFIG"] = str(self.configuration)
        return kept | ours

    def list_of(self, members: int) -> str:
        """A new list with so many members."""
        name = f"list{self._lists}"
        report = self.siaran("list", "import", name, str(self.members(members)), "--create")
        assert report["imported"] == members, report
        return name

    def send(self, list_name: str, text: str = TEXT) -> int:
        """A campaign to a list, now; its id."""
        made = self.siaran("campaign", "new", "--list", list_name, "--message", text, "--now")
        return int(made["campaign"]["id"])

    def campaign(self, recipients: int, text: str = TEXT) -> int:
        """A campaign to so many, whom nobody knew before, now; its id."""
        file = str(self.members(recipients))
        name = f"list{self._lists}"
        made = self.siaran("campaign", "quick", file, "--list", name, "--message", text, "--now")
        assert made["imported"]["imported"] == recipients, made["imported"]
        return int(made["campaign"]["id"])

    def members(self, members: int) -> Path:
        """A file of so many, each with a number that no other has, and four params."""
        self._lists += 1
        file = self.home / "members.csv"
        with file.open("w") as rows:
            for n in range(self._mobiles, self._mobiles + members):
                # The last digit differs from that before it: six equal ones at the end are doubted.
                mobile = f"+62812{n:07}{(n + 1) % 10}"
                rows.write(f"{mobile},Name{n},{n % 500} Long Street,Jakarta,{n}\n")
        self._mobiles += members
        return file

    def report(self, campaign: int) -> Any:
        """`siaran report campaign`."""
        return self.siaran("report", "campaign", str(campaign))

    # ---- what there is to see

    def address(self) -> str:
        """Where the engine serves HTTP: `http://127.0.0.1:…`."""
        return str(re.findall(r'http\.listening addresses=\["([^"]+)"', self.said())[-1])

    def metrics(self) -> dict[str, float]:
        """/metrics: each line's name with its labels, and its value. {} when the engine is down."""
        try:
            with urllib.request.urlopen(f"{self.address()}/metrics", timeout=10) as answer:
                text = answer.read().decode()
        except OSError:
            return {}
        lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in lines}

    def launched(self) -> float:
        """How many segments the engine has launched since its start."""
        return self.metrics().get("siaran_segments_launched_total", 0.0)

    def received(self) -> float:
        """How many receipts it has committed since its start, good ones and early (parked) ones."""
        seen = self.metrics()
        return sum(seen.get(f'siaran_receipts_total{{state="{one}"}}', 0.0) for one in RECEIVED)

    def delivered(self) -> int:
        """How many messages of campaigns are delivered, by the counts in the database."""
        ((n,),) = self.sql("SELECT coalesce(sum(n), 0)::int FROM tally WHERE state = 'delivered'")
        return int(n)

    def database_url(self, user: str = "siaran") -> str:
        """The database's; `postgres` may do everything in an embedded one."""
        url = self.url if self.url is not None else Home.at(self.home).url
        return make_conninfo(url, user=user)

    def sql(self, query: LiteralString, *args: object, user: str = "siaran") -> list[Any]:
        """What a statement answers; committed."""
        with psycopg.connect(self.database_url(user), autocommit=True) as connection:
            cursor = connection.execute(query, args)
            return cursor.fetchall() if cursor.description else []

    def pass_time(self, seconds: float) -> None:
        """What waits for its time has waited so much longer."""
        self.sql("UPDATE due SET due_at = due_at - make_interval(secs => %s)", seconds)

    def wait(self, come: Callable[[], T | None], what: str, within_s: float = PATIENCE_S) -> T:
        """Wait until `come()` is true; what it is then. Raises Stuck."""
        until = time.monotonic() + within_s
        while not (found := come()):
            for process in (self._smsc, self._engine):
                if process is not None and not process.lives:
                    with contextlib.suppress(Ended):
                        process.check()
                    raise Stuck(f"{what}: `siaran {process.word}` has ended\n{self._last_words()}")
            if time.monotonic() > until:
                raise Stuck(f"{what} did not come within {within_s:g} s\n{self._last_words()}")
            time.sleep(LOOK_S)
        return found

    def _last_words(self) -> str:
        logs = [self.home / "run.log", self.home / "smsc.log", self.home / "postgres/log"]
        return "\n".join(
            f"-- {log.name}:\n" + "\n".join(log.read_text(errors="replace").splitlines()[-12:])
            for log in logs
            if log.exists()
        )

    # ---- the database's processes

    def postmaster(self) -> int | None:
        """The embedded PostgreSQL's first process, while it lives."""
        return embedded.status(self.home).pid

    def postgres_pids(self) -> list[int]:
        """The postmaster, then its children."""
        first = self.postmaster()
        if first is None:
            return []
        pids = [first]
        for entry in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                if int(_stat(entry)[1]) == first:
                    pids.append(int(entry.parent.name))
        return pids

    def freeze_postgres(self) -> list[int]:
        """SIGSTOP to all of it, the postmaster first, so that none is born meanwhile."""
        pids = self.postgres_pids()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        return pids

    def thaw_postgres(self) -> None:
        """SIGCONT to all of it."""
        for pid in self.postgres_pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    # ---- what it costs

    def engine_use(self) -> Use:
        """Of the engine's process, all its threads."""
        return use(self.engine.pid)

    def smsc_use(self) -> Use:
        """Of the simulator."""
        return use(self.smsc.pid)

    def postgres_use(self) -> Use:
        """Of all processes of the embedded PostgreSQL, also those that have ended."""
        pids = self.postgres_pids()
        gone = _stat(Path(f"/proc/{pids[0]}/stat"))
        reaped_s = (int(gone[13]) + int(gone[14])) / TICKS
        uses = []
        for pid in pids:
            with contextlib.suppress(OSError):
                uses.append(use(pid))
        return Use(reaped_s + sum(one.cpu_s for one in uses), sum(one.rss for one in uses))


def use(pid: int) -> Use:
    """Of one process, all its threads (user and system). Raises OSError when it is gone."""
    fields = _stat(Path(f"/proc/{pid}/stat"))
    return Use((int(fields[11]) + int(fields[12])) / TICKS, int(fields[21]) * PAGE)


def _stat(file: Path) -> Sequence[str]:
    """proc_pid_stat(5) from its third field on: state, ppid, … 11 utime, 12 stime, 13 cutime."""
    return file.read_text().rpartition(")")[2].split()
