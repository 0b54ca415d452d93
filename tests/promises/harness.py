"""What R-8 promises, while somebody kills, freezes, cuts and fills: trials with a verdict.

A trial is one campaign through a real installation, in the midst of which a fault happens some
times, at moments that a seed chooses: the same seed, the same moments (counted in messages that the
SMSC took; what each process is just doing then is chance). Afterwards the verdict compares two
accounts that know nothing of each other: the SMSC's own record, and what `report campaign` says.

    python -m tests.benchmarks promises          # the trials of the promise, some minutes
    pytest tests/promises                        # each of them small
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psycopg

from engine.domain.callback import STATUS
from engine.domain.message import MessageState
from tests.rig import PATIENCE_S, TEXT, Arrival, Rig

Fault = Callable[[Rig, random.Random], None]

UNCERTAIN_S: Final = 30.0
"""R-8.2: what may have gone out and has no answer is sent again after so long."""

OPEN: Final = ("queued", "launched", "sent", "uncertain")

PART: Final = 153
"""Characters of a GSM segment of several."""

LOOK_S: Final = 0.1

LAST_RECEIPTS_S: Final = 10.0

ENDPOINT: Final = """
    INSERT INTO endpoint (application_id, kind, url, events, suspended_at, suspended_why)
    SELECT id, 'receipt', 'https://api.example.com/receipts', 'all', now(), 'to be looked at here'
      FROM application WHERE name = 'default'
"""
"""All that happens to messages is to be told, and waits to be compared with what did happen."""

FAST_TIMERS: Final = {"reconnect_min_s": 0.1, "reconnect_max_s": 0.5, "after_unbind_s": 0.1}
"""A bind that fell comes back at once: what is tried is what gets lost, not how long one waits."""

DISK_MIB: Final = 160
"""A new cluster, some WAL, and room for some ten thousand messages."""

SMALL: Final = "shared_buffers = 16MB\nfsync = off\n"
"""An embedded database for small trials. A process that is killed loses nothing without fsync."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """How large, how often, and by which chances."""

    messages: int = 20_000
    times: int = 10
    """How often the fault happens."""
    seed: int = 0
    segments: int = 1
    """Of each message."""
    binds: int = 1
    window: int = 20
    latency_ms: float = 15.0
    """With a window of 20, some 1,000 messages a second."""
    for_s: float = 5.0
    """How long a fault lasts that lasts."""
    patient: bool = True
    """False: the 30 s before uncertain messages are sent again pass at once."""
    settings: str = ""
    """Of the embedded PostgreSQL."""
    url: str | None = None
    """A database that is there already; None: an embedded one."""
    like: Path | None = None
    """A home whose embedded database is copied."""

    @property
    def text(self) -> str:
        """Personalised, and so long."""
        return TEXT if self.segments == 1 else TEXT.ljust(PART * (self.segments - 1) + 20, "x")

    @property
    def in_the_air(self) -> int:
        """So many segments may be on the wire (R-8.2)."""
        return self.window * self.binds


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What two accounts say of one campaign. `broken` are the promises that were not kept."""

    scenario: str
    seed: int
    recipients: int
    faults: int
    arrived: int
    """Recipients of whom the SMSC took all of a message."""
    repeats: int
    """Segments that it took once more than it should."""
    worst: int
    """The most repeats after one fault."""
    allowed: int
    """How many repeats after one fault are one window per bind (R-8.2)."""
    counts: Mapping[str, int]
    took_s: float
    broken: list[str] = field(default_factory=list)
    notes: dict[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        counts = ", ".join(f"{state} {n:,}" for state, n in self.counts.items() if n)
        return (
            f"{self.scenario}, seed {self.seed}: {self.arrived:,} of {self.recipients:,} arrived,"
            f" {self.repeats} repeats by {self.faults} faults ({self.worst} by one, {self.allowed}"
            f" allowed); {counts}; {self.notes or ''}"
            + "".join(f"\n  BROKEN: {promise}" for promise in self.broken)
        )


def seed_of_environment() -> int:
    """SIARAN_TESTS_SEED, to repeat a run; else a new one."""
    return int(os.environ.get("SIARAN_TESTS_SEED") or random.SystemRandom().randrange(1_000_000))


# ---------------------------------------------------------------- the scenarios


def kill(trial: Trial) -> Verdict:
    """kill -9 of the engine, which is started again at once (R-8.1, R-8.2)."""
    uncertain: list[int] = []

    def fault(rig: Rig, chance: random.Random) -> None:
        rig.engine.kill()
        rig.start_engine()
        uncertain.append(_uncertain(rig))

    verdict = _try("kill -9 of the engine", trial, fault)
    verdict.notes["uncertain"] = max(uncertain)
    if max(uncertain) > trial.in_the_air:
        verdict.broken.append(f"{max(uncertain)} messages were uncertain after a kill")
    return verdict


def terminate(trial: Trial) -> Verdict:
    """SIGTERM, which waits for what is on the wire: nothing is uncertain, nothing repeated."""
    uncertain: list[int] = []

    def fault(rig: Rig, chance: random.Random) -> None:
        rig.engine.signal(signal.SIGTERM)
        code = rig.engine.wait(10.0)
        assert code == 0, f"the engine ended with {code}"
        rig.start_engine()
        uncertain.append(_uncertain(rig))

    verdict = _try("SIGTERM", trial, fault, allowed=0)
    if any(uncertain):
        verdict.broken.append(f"{max(uncertain)} messages were uncertain after SIGTERM")
    return verdict


def freeze(trial: Trial) -> Verdict:
    """The engine is stopped for some seconds, as a machine that swaps does, and goes on."""

    def fault(rig: Rig, chance: random.Random) -> None:
        rig.engine.signal(signal.SIGSTOP)
        time.sleep(trial.for_s)
        rig.engine.signal(signal.SIGCONT)

    return _try(f"SIGSTOP of the engine for {trial.for_s:g} s", trial, fault)


def drop(trial: Trial) -> Verdict:
    """The carrier cuts the connection again and again, and the last responses are lost.

    As often as `times` says, evenly: at each so many messages.
    """
    every = max(trial.messages // (trial.times + 1), 1)
    return _try(f"dropped at each {every} submits", trial, None, drop_every=every)


def crash(trial: Trial) -> Verdict:
    """PostgreSQL ends at once, without a checkpoint: by `-m immediate`, or by kill -9."""

    def fault(rig: Rig, chance: random.Random) -> None:
        pid = rig.wait(rig.postmaster, "PostgreSQL")
        os.kill(pid, chance.choice((signal.SIGQUIT, signal.SIGKILL)))
        rig.wait(lambda: rig.postmaster() not in (None, pid), "PostgreSQL's restart")

    return _try("PostgreSQL restarted -m immediate", trial, fault, after=_commits_cut)


def cut(trial: Trial) -> Verdict:
    """The connection is lost in a COMMIT that is written: the engine asks, and goes on (design 9)."""
    ended: list[object] = []

    def fault(rig: Rig, chance: random.Random) -> None:
        with _commits_wait(rig):
            ended.append(
                rig.sql(
                    """
                    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                     WHERE wait_event = 'SyncRep' AND pid <> pg_backend_pid()
                    """,
                    user="postgres",
                )
            )

    verdict = _try("connection cut in COMMIT", trial, fault, allowed=0, after=_commits_cut)
    if not all(ended):
        verdict.broken.append("not each of them was in a COMMIT")
    if not verdict.notes["cut in COMMIT"]:  # it is told once while the database is away
        verdict.broken.append("the engine has not noticed")
    return verdict


def kill_in_commit(trial: Trial) -> Verdict:
    """kill -9 of the engine while a COMMIT is written: what it has marked has never left."""
    uncertain: list[int] = []

    def fault(rig: Rig, chance: random.Random) -> None:
        with _commits_wait(rig):
            rig.engine.kill()
        rig.start_engine()
        uncertain.append(_uncertain(rig))

    verdict = _try("kill -9 of the engine in COMMIT", trial, fault)
    verdict.notes["uncertain"] = sum(uncertain)
    if trial.segments == 1:
        verdict.notes["never left"] = sum(uncertain) - verdict.repeats
    return verdict


@contextlib.contextmanager
def _commits_wait(rig: Rig) -> Iterator[None]:
    """Within it, COMMITs are written and not answered: for that, no standby has to be there."""
    rig.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'", user="postgres")
    rig.sql("SELECT pg_reload_conf()", user="postgres")
    try:
        rig.wait(
            lambda: rig.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"),
            "a turn that waits in COMMIT",
        )
        yield
    finally:
        rig.sql("ALTER SYSTEM RESET synchronous_standby_names", user="postgres")
        rig.sql("SELECT pg_reload_conf()", user="postgres")


def away(trial: Trial) -> Verdict:
    """The database is shut down and stays away; subscribers write all the same (R-8.3)."""

    def fault(rig: Rig, chance: random.Random) -> None:
        before, lines = rig.logged("database.away"), rig.said().count("\n")
        rig.siaran("db", "stop")
        time.sleep(trial.for_s)
        assert rig.logged("database.away") == before + 1, "an outage is said once"
        assert rig.said().count("\n") - lines <= 3, rig.said()
        rig.siaran("list", "ls")  # who needs it starts it
        rig.wait(
            lambda: rig.logged("database.back") == before + 1, "the engine's word that it is back"
        )

    def after(rig: Rig, verdict: Verdict) -> None:
        owed = rig.counters()["replies_sent"]
        ((stored, distinct),) = rig.sql("SELECT count(*), count(DISTINCT mobile) FROM inbox")
        verdict.notes["replies"] = stored
        if not stored == distinct == trial.messages:
            verdict.broken.append(
                f"{trial.messages} subscribers wrote, in {owed} deliver_sm; the inbox has"
                f" {stored} messages from {distinct}"
            )

    replies = '[[reply]]\npattern = "."\ntext = "OK"\ndelay_ms = 50\n'
    return _try(f"database away for {trial.for_s:g} s", trial, fault, after=after, replies=replies)


def silent_database(trial: Trial) -> Verdict:
    """PostgreSQL is there and says nothing, as on a machine whose disk hangs."""

    def fault(rig: Rig, chance: random.Random) -> None:
        rig.freeze_postgres()
        time.sleep(trial.for_s)
        rig.thaw_postgres()

    return _try(f"PostgreSQL silent for {trial.for_s:g} s", trial, fault)


def silent_carrier(trial: Trial) -> Verdict:
    """The connection stands, and nobody answers: the bind gives it up and binds again."""

    def fault(rig: Rig, chance: random.Random) -> None:
        rig.smsc.signal(signal.SIGSTOP)
        ups, downs = rig.logged("bind.up"), rig.logged("bind.down")
        rig.wait(lambda: rig.logged("bind.down") > downs, "the engine's doubt")
        rig.smsc.signal(signal.SIGCONT)
        rig.wait(lambda: rig.logged("bind.up") > ups, "another bind")

    timers = {
        "response_timeout_s": 1.0,
        "enquire_timeout_s": 0.5,
        "enquire_misses": 2,
        "bind_timeout_s": 1.0,
    }
    return _try("the SMSC answers nothing", trial, fault, timers=timers)


def full_disk(trial: Trial) -> Verdict:
    """The disk that the database lies on is full for some seconds. Raises NoDisk.

    First no table can grow; the next time no WAL can be written either, at which PostgreSQL ends,
    and doesn't start before there is room.
    """
    harder = itertools.cycle((False, True))

    def fault(rig: Rig, chance: random.Random) -> None:
        before = rig.logged("database.away")
        ballast = rig.home / "postgres" / "ballast"
        _fill(ballast)
        if next(harder):
            with contextlib.suppress(psycopg.Error):
                for _ in range(9):
                    rig.sql("SELECT pg_logical_emit_message(true, '', 'x')", user="postgres")
                    rig.sql("SELECT pg_switch_wal()", user="postgres")
        rig.wait(lambda: rig.logged("database.away") > before, "the engine's word")
        time.sleep(trial.for_s)
        ballast.unlink()
        rig.wait(lambda: rig.logged("database.back") > before, "the engine's word that it is back")

    home = Path(tempfile.mkdtemp(prefix="siaran-disk-"))
    try:
        with _disk(home / "postgres"):
            settings = trial.settings + "max_wal_size = 64MB\nmin_wal_size = 32MB\n"
            return _try(
                f"disk full for {trial.for_s:g} s",
                replace(trial, settings=settings),
                fault,
                home=home,
            )
    finally:
        shutil.rmtree(home)


class NoDisk(Exception):
    """No file system can be mounted here; the text says why."""


@contextlib.contextmanager
def _disk(path: Path) -> Iterator[None]:
    """A small file system of its own at `path`."""
    path.mkdir(mode=0o700)
    options = f"size={DISK_MIB}m,mode=0700"
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "siaran-tests", path],
            check=True,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError as error:
        raise NoDisk("there is no program `mount`") from error
    except subprocess.CalledProcessError as error:
        raise NoDisk(f"no tmpfs can be mounted: {error.stderr.strip()}") from error
    try:
        yield
    finally:
        subprocess.run(["umount", path], check=True)


def _fill(file: Path) -> None:
    """Write to it until nothing fits any more."""
    with file.open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
        for size in (2**20, 2**12):
            with contextlib.suppress(OSError):
                while ballast.write(b"\0" * size) == size:
                    pass


SCENARIOS: Final[Mapping[str, Callable[[Trial], Verdict]]] = {
    "kill": kill,
    "crash": crash,
    "freeze": freeze,
    "cut": cut,
    "kill-in-commit": kill_in_commit,
    "drop": drop,
    "terminate": terminate,
    "away": away,
    "silent-database": silent_database,
    "silent-carrier": silent_carrier,
    "full-disk": full_disk,
}


# ---------------------------------------------------------------- how one is tried


def _try(
    scenario: str,
    trial: Trial,
    fault: Fault | None,
    *,
    allowed: int | None = None,
    drop_every: int | None = None,
    timers: Mapping[str, float] | None = None,
    replies: str | None = None,
    home: Path | None = None,
    after: Callable[[Rig, Verdict], None] | None = None,
) -> Verdict:
    """A campaign from its start to its verdict. `fault` None: the SMSC has its own."""
    chance = random.Random(trial.seed)
    began = time.monotonic()
    with Rig.open(
        home=home,
        url=trial.url,
        window=trial.window,
        binds=trial.binds,
        timers={**FAST_TIMERS, **(timers or {})},
        postgres=trial.settings,
        like=trial.like,
    ) as rig:
        more: dict[str, Any] = {} if drop_every is None else {"drop_every": drop_every}
        if replies is not None:
            more["replies"] = rig.home / "replies.toml"
            Path(str(more["replies"])).write_text(replies)
        rig.start_smsc(latency_ms=trial.latency_ms, receipt_after_ms=100, seed=trial.seed, **more)
        rig.start_engine()
        rig.sql(ENDPOINT)
        campaign = rig.campaign(trial.messages, trial.text)
        at: list[datetime] = []
        for moment in moments(trial, chance) if fault is not None else ():
            rig.wait(lambda n=moment: len(rig.record.read()) >= n, f"message {moment:,}")  # type: ignore[misc]
            time.sleep(chance.random() * 2 * trial.latency_ms / 1000)
            assert fault is not None
            fault(rig, chance)
            # Not before: what was sent before it the SMSC may write down while it lasts.
            at.append(datetime.now(UTC))
        finish(rig, campaign, trial)
        arrivals = rig.record.read()
        if drop_every is not None:
            at = [one.at for one in arrivals[drop_every - 1 :: drop_every]]
            assert len(at) == rig.counters()["drops"]
        verdict = judge(
            scenario=scenario,
            trial=trial,
            arrivals=arrivals,
            report=rig.report(campaign),
            at=at,
            allowed=trial.in_the_air if allowed is None else allowed,
            took_s=time.monotonic() - began,
        )
        if lost := lost_receipts(rig, [arrival.id for arrival in rig.record.read()]):
            verdict.broken.append(f"{lost} receipts were answered and are nowhere")
        if amiss := badly_told(rig, campaign):
            verdict.broken.append(f"{len(amiss)} messages are told amiss, like {amiss[0]}")
        if after is not None:
            after(rig, verdict)
        return verdict


def moments(trial: Trial, chance: random.Random) -> list[int]:
    """After how many submits a fault happens: one in each of `times` equal parts of the middle.

    It ends so early that those which wait until they are sent again need not come before.
    """
    submits = trial.messages * trial.segments
    first, last = submits * 0.05, submits * 0.9 - trial.in_the_air * trial.times
    part = (last - first) / trial.times
    return [int(first + part * (n + chance.random())) for n in range(trial.times)]


def judge(
    *,
    scenario: str,
    trial: Trial,
    arrivals: list[Arrival],
    report: Any,
    at: list[datetime],
    allowed: int,
    took_s: float,
) -> Verdict:
    """Compares what the SMSC took with what the report says; `at`: when the faults happened."""
    # A repeat is laid to the fault that followed the segment's last arrival but this one.
    blame: Counter[int] = Counter()
    last: dict[tuple[str, int], datetime] = {}
    for arrival in arrivals:
        segment = (arrival.destination, arrival.part)
        if (before := last.get(segment)) is not None:
            blame[bisect_left(at, before)] += 1
        last[segment] = arrival.at
    parts = Counter(destination for destination, _ in last)
    arrived = sum(n == trial.segments for n in parts.values())
    counts, total = report["counts"], trial.messages
    verdict = Verdict(
        scenario=scenario,
        seed=trial.seed,
        recipients=total,
        faults=len(at),
        arrived=arrived,
        repeats=blame.total(),
        worst=max(blame.values(), default=0),
        allowed=allowed,
        counts=counts,
        took_s=took_s,
    )
    broken = verdict.broken
    if missing := total - arrived:
        broken.append(f"{missing} messages never arrived as a whole")
    if verdict.worst > allowed:
        broken.append(f"{verdict.repeats} repeats, {verdict.worst} of them after one fault")
    if not sum(counts.values()) == report["recipients"] == total:
        broken.append(
            f"the report does not balance: {sum(counts.values())} messages in all states,"
            f" {report['recipients']} recipients, {total} members"
        )
    if counts["delivered"] != arrived:
        broken.append(f"{counts['delivered']} are reported delivered, {arrived} were")
    if len(parts) > total:
        broken.append(f"{len(parts)} numbers were written to")
    if report["state"] != "completed":
        broken.append(f"the campaign is {report['state']}")
    return verdict


def finish(rig: Rig, campaign: int, trial: Trial) -> None:
    """Until no message of the campaign waits for anything."""

    def over() -> bool:
        try:
            if not trial.patient:
                rig.pass_time(UNCERTAIN_S)
            ((open_,),) = rig.sql(
                """
                SELECT count(*) FROM message
                 WHERE campaign_id = %s AND state = ANY (%s::message_state[])
                """,
                campaign,
                list(OPEN),
            )
            ((ended,),) = rig.sql(
                "SELECT count(*) FROM campaign WHERE id = %s AND state = 'completed'", campaign
            )
        except psycopg.OperationalError:
            return False  # the database is just restarting
        if open_ or not ended:
            time.sleep(LOOK_S)
        return bool(ended) and open_ == 0

    at_a_thousand_a_second = trial.messages * trial.segments / 1000 + UNCERTAIN_S
    rig.wait(over, "the campaign's end", PATIENCE_S + 2 * at_a_thousand_a_second)


def lost_receipts(rig: Rig, ids: list[str]) -> int:
    """How many ids that an SMSC gave are known neither as sent nor as parked (R-5.8).

    Its last receipts may still be on their way, or come again after a connection that fell.
    """
    until = time.monotonic() + LAST_RECEIPTS_S
    while True:
        ((lost,),) = rig.sql(
            """
            SELECT count(*) FROM unnest(%s::text[]) AS r (id)
             WHERE NOT EXISTS (SELECT FROM submission s WHERE s.smsc_id = r.id)
               AND NOT EXISTS (SELECT FROM parked_candidate c WHERE c.smsc_id = r.id)
            """,
            ids,
        )
        if not lost or time.monotonic() > until:
            return int(lost)
        time.sleep(LOOK_S)


def badly_told(rig: Rig, campaign: int) -> list[tuple[int, str, list[str]]]:
    """Messages whose events are not what became of them, each once and in order (R-7.2, R-8.3)."""
    rows = rig.sql(
        """
        SELECT m.id, m.state::text, array_remove(array_agg(o.status ORDER BY o.due_at, o.id), NULL)
          FROM message m LEFT JOIN outbox o ON o.about_id = m.id AND o.kind = 'receipt'
         WHERE m.campaign_id = %s GROUP BY 1, 2 ORDER BY 1
        """,
        campaign,
    )
    amiss = []
    for message_id, state, told in rows:
        last = STATUS[MessageState(state)].value
        if told not in (["submitted", last], ["submitted", "sent", last]):
            amiss.append((message_id, state, told))
    return amiss


def _uncertain(rig: Rig) -> int:
    """How many messages the engine's last start has found in the air."""
    return int(rig.said().partition(" uncertain=")[2].split()[0])


def _commits_cut(rig: Rig, verdict: Verdict) -> None:
    verdict.notes["cut in COMMIT"] = rig.said(all_of_it=True).count("lost in COMMIT")
