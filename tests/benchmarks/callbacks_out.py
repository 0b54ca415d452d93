"""Telling endpoints: callbacks a second of a process of its own, and what a dead endpoint costs the others.

`siaran run --role callbacks` posts events that wait in the outbox to a listener on this machine.

alone     to one endpoint
beside    the same, paired with a run in which the endpoint of another application takes connections
          and never answers, with events that are due to it
promise   two events a message, an endpoint that fails one in five at random, the process killed (-9)
          five times: every event arrives, in the order of its message; what comes again was under way
          at a kill, and nothing whose 2xx was committed does
"""

from __future__ import annotations

import argparse
import contextlib
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from engine.outbox.courier import LAG
from engine.outbox.http import SLOTS
from tests.benchmarks.figures import Figure
from tests.rig import PATIENCE_S, ROOT, Process, Rig

AT_LEAST = 1_000.0
BESIDE_AT_LEAST = 0.95

PARTS = ("alone", "beside", "promise")

STATUSES = ("sent", "received")

CALLBACKS = "[callbacks]\nallow_private = true\nfirst_gap_s = 0.02\nmost_gap_s = 0.1\n"
"""Gaps of milliseconds: what takes days is over in seconds."""


def options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--events", type=int, default=15_000, metavar="N", help="of a run")
    parser.add_argument("--promised", type=int, default=100_000, metavar="N", help="of the promise")
    parser.add_argument("--kills", type=int, default=5, metavar="N")
    parser.add_argument("--runs", type=int, default=5, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)


def run(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    """Pairs, one after the other; then the promise."""
    figures = []
    if "alone" in given.only or "beside" in given.only:
        alone, beside = [], []
        for n in range(given.runs):
            sides = (n % 2 == 0, n % 2 == 1) if "beside" in given.only else (False,)
            pair = {dead: speed(given.events, dead=dead) for dead in sides}
            alone.append(pair[False])
            beside += [pair[True]] if True in pair else []
            say(f"callbacks, run {n + 1}: " + ", ".join(f"{one:,.0f}/s" for one in pair.values()))
        figures.append(Figure(name="callbacks", unit="/s", values=alone, at_least=AT_LEAST))
        if beside:
            ratios = [b / a for a, b in zip(alone, beside, strict=True)]
            figures += [
                Figure(name="beside a dead endpoint", unit="/s", values=beside),
                Figure(name="beside ÷ alone", unit="×", values=ratios, at_least=BESIDE_AT_LEAST),
            ]
    if "promise" in given.only:
        say(f"callbacks, {given.promised:,} promised")
        with Rig.open() as rig:
            verdict = promise(rig, given.promised, given.kills, random.Random(given.seed), 0.2)
        say(f"  {verdict}")
        bound = verdict.kills * (SLOTS + LAG)
        figures += [
            Figure(name="events that never came", unit="", values=[verdict.lost], at_most=0),
            Figure(name="messages out of order", unit="", values=[verdict.disordered], at_most=0),
            Figure(name="repeats", unit="", values=[verdict.repeats], at_most=bound),
            Figure(name="repeats after a commit", unit="", values=[verdict.late], at_most=0),
        ]
    return figures


@contextlib.contextmanager
def listening(file: Path, *words: str) -> Iterator[int]:
    """A listener; its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.listener", str(file), *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@contextlib.contextmanager
def posting(rig: Rig) -> Iterator[Process]:
    """`siaran run --role callbacks`; it is killed after the block."""
    words = ("run", "--role", "callbacks", "--config", str(rig.configuration))
    process = Process(words, log=rig.home / "callbacks.log", home=rig.home, reads=False)
    try:
        yield process
    finally:
        process.kill()


def prepare(rig: Rig, port: int, application: str = "default") -> None:
    """An endpoint for the receipts of an application."""
    rig.siaran("callback", "set", "receipt", f"http://127.0.0.1:{port}/", "--app", application)


def due(rig: Rig, events: int, application: str = "default") -> None:
    """So many events, two a message."""
    rig.sql(
        """
        INSERT INTO outbox (kind, application_id, endpoint_id, about_id, campaign_id, mobile,
                            status, status_at, sent_at)
        SELECT 'receipt', e.application_id, e.id, 1000 + n / 2, 1, '+6421' || lpad(n::text, 8, '0'),
               CASE n %% 2 WHEN 0 THEN 'sent' ELSE 'received' END, now(), now()
          FROM endpoint e JOIN application a ON a.id = e.application_id AND a.name = %s,
               generate_series(0, %s - 1) AS n ORDER BY n
        """,
        application,
        events,
    )
    rig.sql("ANALYZE outbox")


def _configured(rig: Rig) -> None:
    rig.use_smsc(1)
    with rig.configuration.open("a") as file:
        file.write(CALLBACKS)


def _lines(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


def speed(events: int, *, dead: bool) -> float:
    """Callbacks a second, between a tenth and nine tenths of them."""
    with Rig.open() as rig, contextlib.ExitStack() as stack:
        _configured(rig)
        told = rig.home / "told"
        port = stack.enter_context(listening(told))
        rig.siaran("list", "create", "march")
        prepare(rig, port)
        due(rig, events)
        if dead:
            silent = stack.enter_context(listening(rig.home / "silent", "--silent"))
            rig.siaran("app", "add", "other")
            prepare(rig, silent, "other")
            due(rig, 2_000, "other")
        stack.enter_context(posting(rig))
        first = _at(rig, told, events // 10)
        last = _at(rig, told, events * 9 // 10)
    return (last[1] - first[1]) / (last[0] - first[0])


def _at(rig: Rig, file: Path, events: int) -> tuple[float, int]:
    """When at least so many had come, and how many they were."""
    within_s = PATIENCE_S + events / 100
    n = rig.wait(lambda: (n := _lines(file)) >= events and n, f"event {events}", within_s)
    return time.perf_counter(), int(n)


@dataclass(slots=True)
class Verdict:
    """What came of events, kills between."""

    events: int
    posts: int
    kills: int
    lost: int = 0
    disordered: int = 0
    repeats: int = 0
    """Posts of events that had had a 2xx."""
    late: int = 0
    """Of these, after the deletion was committed."""
    seconds: float = field(default=0.0)


def promise(rig: Rig, events: int, kills: int, chance: random.Random, failing: float) -> Verdict:
    """Tell all, killed at moments that chance chooses; what the listener saw, judged."""
    _configured(rig)
    told = rig.home / "told"
    with listening(told, "--failing", str(failing)) as port:
        rig.siaran("list", "create", "march")
        prepare(rig, port)
        due(rig, events)
        left_at: list[tuple[int, set[str]]] = []
        began = time.perf_counter()
        for n in range(kills):
            moment = int(events * (0.05 + 0.8 * (n + chance.random()) / kills))
            with posting(rig):
                _at(rig, told, moment)
                time.sleep(chance.random() * 0.05)
            # What a COMMIT that was on its way when it was killed has done is seen by now, or soon.
            rig.wait(lambda: not _writing(rig), "the last COMMIT")
            rows = rig.sql("SELECT id FROM outbox")
            left_at.append((_lines(told), {str(one) for (one,) in rows}))
        with posting(rig):
            rig.wait(
                lambda: not rig.sql("SELECT 1 FROM outbox LIMIT 1"),
                "an empty outbox",
                PATIENCE_S + events / 50,
            )
        seconds = time.perf_counter() - began
    posts = [line.split() for line in told.read_text().splitlines()]
    verdict = Verdict(events=events, posts=len(posts), kills=kills, seconds=seconds)
    good: Counter[str] = Counter()
    firsts: dict[str, list[str]] = {}
    for number, (key, about, status, answer) in enumerate(posts):
        event_id = key.partition(".")[0]
        if good[key]:
            verdict.repeats += 1
        for lines, left in left_at:
            if number >= lines and event_id not in left:
                verdict.late += 1
                break
        if answer == "200":
            if not good[key]:
                firsts.setdefault(about, []).append(status)
            good[key] += 1
    verdict.lost = events - len(good) + len(rig.sql("SELECT 1 FROM outbox_dead"))
    verdict.disordered = sum(tuple(told) != STATUSES[: len(told)] for told in firsts.values())
    return verdict


def _writing(rig: Rig) -> bool:
    """Whether a process of ours still has a transaction open in the database."""
    return bool(
        rig.sql(
            """
            SELECT 1 FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
               AND usename = current_user
            """
        )
    )
