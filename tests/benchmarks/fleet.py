"""Many carriers: how soon 200 binds are up, what they cost when nothing happens, and a reload.

50 carriers with four binds each, all to one simulated SMSC. Measured: from the engine's start to the
last bind; CPU and memory of the engine while nothing is sent; how many binds a reload touches that
changes one carrier's window (R-9.2).
"""

from __future__ import annotations

import argparse
import re
import signal
import time
from collections.abc import Callable
from datetime import datetime

from tests.benchmarks.figures import Figure
from tests.rig import PATIENCE_S, Rig

BOUND_S = 10.0
IDLE_PCT = 3.0
MEMORY_MIB = 300.0


def options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--carriers", type=int, default=50, metavar="N")
    parser.add_argument("--binds", type=int, default=4, metavar="N", help="of each")
    parser.add_argument("--idle", type=float, default=20.0, metavar="S", help="measured so long")
    parser.add_argument("--runs", type=int, default=3, metavar="N")


def run(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    """All runs."""
    all_ = [_measure(given, say) for _ in range(given.runs)]
    bound, idle, memory, touched = (list(values) for values in zip(*all_, strict=True))
    total = given.carriers * given.binds
    return [
        Figure(name=f"{total} binds are up after", unit="s", values=bound, at_most=BOUND_S),
        Figure(name="idle engine", unit="% of a core", values=idle, at_most=IDLE_PCT),
        Figure(name="its memory", unit="MiB", values=memory, at_most=MEMORY_MIB),
        Figure(
            name="binds that a reload of one carrier touches",
            unit="",
            values=touched,
            at_least=given.binds,
            at_most=given.binds,
        ),
    ]


def _measure(
    given: argparse.Namespace, say: Callable[[str], None]
) -> tuple[float, float, float, float]:
    total = given.carriers * given.binds
    with Rig.open(binds=total) as rig:
        rig.start_smsc(record=False)
        configure(rig, given, 10)
        rig.start_engine()
        said = rig.said()
        bound_s = (_times(said, "bind.up")[-1] - _times(said, "engine.started")[0]).total_seconds()
        before, began = rig.engine_use(), time.monotonic()
        time.sleep(given.idle)
        after, ended = rig.engine_use(), time.monotonic()
        idle = 100 * (after.cpu_s - before.cpu_s) / (ended - began)
        configure(rig, given, 11)
        rig.engine.signal(signal.SIGHUP)
        rig.wait(lambda: rig.logged("reload"), "the reload", PATIENCE_S)
        rig.wait(lambda: rig.logged("bind.up") >= total + given.binds, "the new binds")
        touched = rig.logged("bind.up") - total
        say(f"fleet: bound after {bound_s:.1f} s, idle {idle:.1f} %, {after.rss / 2**20:.0f} MiB")
        return bound_s, idle, after.rss / 2**20, float(touched)


def configure(rig: Rig, given: argparse.Namespace, window: int) -> None:
    """All carriers; the last one with that window."""
    text = rig.configuration.read_text()
    port = re.search(r"port = (\d+)", text)
    assert port is not None
    head = text.partition("[carriers.")[0]
    carriers = [
        f'[carriers.c{n}]\nhost = "127.0.0.1"\nport = {port[1]}\nsystem_id = "c{n}"\n'
        f"window = {window if n == given.carriers else 10}\n"
        f'binds = [{{ mode = "transceiver", count = {given.binds} }}]\n'
        for n in range(1, given.carriers + 1)
    ]
    rig.configuration.write_text(head + "\n".join(carriers))


def _times(said: str, event: str) -> list[datetime]:
    return [datetime.fromisoformat(at) for at in re.findall(rf"(\S+)Z {re.escape(event)}\s", said)]
