"""Failover: what it interrupts, loses and repeats; what a synchronous standby and a pooler cost.

A primary and two standbys on this machine, of which each COMMIT waits for one, amid a campaign with
replies and with single messages by the API:

* dies: the primary ends at once (immediate shutdown), the standby that is ahead is promoted.
* stands still: it stops answering with all its connections open, and the same is done.
* cost: a campaign at full speed with a synchronous standby, against one server alone; and what a
  message writes to the log that standbys read.
* pooler: the same through PgBouncer in transaction mode, where that is installed.

The first two are promises (R-8.1): nothing lost, nothing twice, sending again within 10 s of the
promotion. `failover --seed N` repeats the moments of a run.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable

from tests import pooler
from tests.benchmarks.figures import Figure
from tests.promises import failover
from tests.promises.harness import seed_of_environment
from tests.rig import PATIENCE_S, Rig
from tests.standby import Servers

AGAIN_S = 10.0

PARTS = ("dies", "still", "cost", "pooler")

WINDOW = 100

WITH_FSYNC = "fsync = on\n"


def options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--part", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--messages", type=int, default=10_000, metavar="N")
    parser.add_argument("--times", type=int, default=3, metavar="K", help="how many failovers")
    parser.add_argument("--runs", type=int, default=2, metavar="N", help="of what it costs")
    parser.add_argument("--seed", type=int, metavar="N", help="repeat the moments of a run")


def run(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    """The chosen parts, one after the other."""
    seed = seed_of_environment() if given.seed is None else given.seed
    figures: list[Figure] = []
    for part, frozen in (("dies", False), ("still", True)):
        if part in given.part:
            figures += _failovers(given, say, seed, frozen=frozen)
    if "cost" in given.part:
        figures += _cost(given, say)
    if "pooler" in given.part:
        figures += _pooler(given, say)
    return figures


def _failovers(
    given: argparse.Namespace, say: Callable[[str], None], seed: int, *, frozen: bool
) -> list[Figure]:
    name = "the primary stands still" if frozen else "the primary dies"
    outcomes = []
    for n in range(given.times):
        say(f"failover, {name}, seed {seed + n}")
        outcomes.append(
            failover.run(messages=given.messages, standbys=2, frozen=frozen, seed=seed + n)
        )
        say(f"  {outcomes[-1]}")
    return [
        Figure(
            name=f"{name}: promises broken",
            unit="",
            values=[len(one.broken) for one in outcomes],
            at_most=0,
        ),
        Figure(
            name=f"{name}: sending again, after the promotion",
            unit="s",
            values=[one.again_s for one in outcomes],
            at_most=AGAIN_S,
        ),
        Figure(
            name=f"{name}: nothing was sent for", unit="s", values=[one.still_s for one in outcomes]
        ),
    ]


def _cost(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    alone: list[float] = []
    beside: list[float] = []
    wal: list[float] = []
    rows: list[float] = []
    for n in range(given.runs):
        for standbys, speeds in ((0, alone), (1, beside)):
            say(f"failover, cost, {standbys} standbys, run {n + 1} of {given.runs}")
            speed, written, kept = _speed(given.messages, standbys)
            speeds.append(speed)
            wal.append(written)
            rows.append(kept)
    return [
        Figure(name="messages/s, one server alone", unit="/s", values=alone),
        Figure(name="messages/s, with a synchronous standby", unit="/s", values=beside),
        Figure(
            name="  against it alone",
            unit="×",
            values=[b / a for a, b in zip(alone, beside, strict=True)],
        ),
        Figure(name="WAL a message", unit="B", values=wal),
        Figure(name="tables and indexes a message", unit="B", values=rows),
    ]


def _pooler(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    if not pooler.found():
        say(f"failover, pooler: {pooler.NAME} is not on the PATH")
        return []
    direct: list[float] = []
    pooled: list[float] = []
    for n in range(given.runs):
        for through, speeds in ((False, direct), (True, pooled)):
            say(
                f"failover, pooler, {'pooled' if through else 'direct'}, run {n + 1} of {given.runs}"
            )
            speeds.append(_speed(given.messages, 0, through=through)[0])
    return [
        Figure(name="messages/s, direct", unit="/s", values=direct),
        Figure(name="messages/s, through a pooler", unit="/s", values=pooled),
        Figure(
            name="  against direct",
            unit="×",
            values=[b / a for a, b in zip(direct, pooled, strict=True)],
        ),
    ]


def _speed(messages: int, standbys: int, *, through: bool = False) -> tuple[float, float, float]:
    """Messages a second until the last receipt; octets of WAL for each, and of the database."""
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(Servers.open(standbys=standbys, settings=WITH_FSYNC))
        url = servers.url
        if through:
            url = stack.enter_context(pooler.running(servers.primary, sessions=8))
        rig = stack.enter_context(Rig.open(url=url, window=WINDOW))
        rig.start_smsc(record=False, latency_ms=1, receipt_after_ms=1)
        rig.siaran("db", "migrate")
        rig.start_engine()
        name = rig.list_of(messages)
        before = _octets(servers)
        rig.send(name)
        rig.wait(lambda: rig.launched() > 0, "the first message")
        began = time.monotonic()
        rig.wait(lambda: rig.received() >= messages, "the last receipt", PATIENCE_S * 4)
        took = time.monotonic() - began
        wal, rows = (b - a for a, b in zip(before, _octets(servers), strict=True))
        return messages / took, wal / messages, rows / messages


def _octets(servers: Servers) -> tuple[float, float]:
    """What was written to the log so far, and how large the database is."""
    [[wal, size]] = servers.primary.sql(
        "SELECT pg_current_wal_lsn() - '0/0', pg_database_size('siaran')"
    )
    return float(wal), float(size)
