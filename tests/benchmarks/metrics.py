"""Metrics: what counting costs a message, and how long a scrape of many binds takes amid traffic.

What a message costs is all that is counted between its submit_sm and its receipt: a turn that launches
it, the read that brings its answer, the turn that settles it, and that with its receipt, at windows of
10 and of 500 segments. The scrape is that of an engine with 50 carriers of four binds each while a
campaign goes out over them; `alone` is the same engine with nothing to do.
"""

from __future__ import annotations

import argparse
import time
import urllib.request
from collections.abc import Callable

from engine.metrics import Metrics
from engine.metrics.carriers import BindFacts, CarrierFacts, Facts
from tests.benchmarks import fleet
from tests.benchmarks.figures import Figure
from tests.rig import Rig

MESSAGE_US = 0.5
SCRAPE_MS = 50.0
SCRAPES = 15


def options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--carriers", type=int, default=50, metavar="N")
    parser.add_argument("--binds", type=int, default=4, metavar="N", help="of each")
    parser.add_argument("--messages", type=int, default=40_000, metavar="N", help="of the campaign")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="of what a message costs")


def run(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    """What a message costs, then the scrapes."""
    say("what a message costs")
    figures = [
        Figure(
            name=f"window {window}: metrics of a message",
            unit="µs",
            values=[_message_us(window) for _ in range(given.runs)],
            at_most=MESSAGE_US,
        )
        for window in (10, 500)
    ]
    total = given.carriers * given.binds
    say(f"scrapes of {total} binds")
    with Rig.open(binds=total) as rig:
        rig.start_smsc(record=False)
        fleet.configure(rig, given, 10)
        rig.start_engine()
        alone, octets = _scrapes(rig)
        rig.campaign(given.messages)
        rig.wait(lambda: rig.launched() >= given.messages / 100, "the campaign's beginning")
        before = rig.launched()
        busy, _ = _scrapes(rig)
        went = rig.launched() - before
    return [
        *figures,
        Figure(name=f"scrape of {total} binds, alone", unit="ms", values=alone),
        Figure(name="its size", unit="KiB", values=[octets / 1024]),
        Figure(
            name=f"scrape of {total} binds, amid traffic",
            unit="ms",
            values=busy,
            at_most=SCRAPE_MS,
        ),
        Figure(name="messages that went out meanwhile", unit="", values=[went], at_least=1),
    ]


def _message_us(window: int) -> float:
    """Microseconds of CPU for each message of many turns."""
    metrics = Metrics()
    metrics.carriers.name(1, "tui")
    metrics.carriers.watch(
        lambda: Facts(
            binds=[BindFacts(carrier="tui", bind="tui-1", state="bound", window=10, outstanding=1)],
            carriers=[
                CarrierFacts(carrier="tui", rate=0, configured=0, idle_s=0, paused=False),
            ],
        )
    )
    turns = 200_000 // window
    outcomes = {(1, "ESME_ROK"): window}.items()
    receipts = {"delivered": window}.items()
    began = time.process_time()
    for _ in range(turns):
        metrics.process.transaction(0.0001, 0.02, None)
        metrics.carriers.answered("tui", window, 0.012)
        metrics.turn(0.02, window, outcomes, receipts)
    return (time.process_time() - began) * 1e6 / (turns * window)


def _scrapes(rig: Rig) -> tuple[list[float], int]:
    """Milliseconds of each of some scrapes, and how many octets the last one had."""
    address = rig.address()
    took: list[float] = []
    size = 0
    for _ in range(SCRAPES):
        began = time.monotonic()
        with urllib.request.urlopen(f"{address}/metrics", timeout=30) as answer:
            size = len(answer.read())
        took.append((time.monotonic() - began) * 1000)
    return took, size
