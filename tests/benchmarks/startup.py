"""Start-up: how long a person waits for a command.

Wall time of `siaran --help`, and of a listing (`siaran list ls`) with the database up, each a new
process. The first one of each is not counted: it reads the files from the disk.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing

from engine.store import embedded
from tests.benchmarks.figures import Figure
from tests.rig import Rig

BARS = {"siaran --help": 0.3, "siaran list ls": 1.0}


def options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--runs", type=int, default=10, metavar="N")


def run(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    """All commands, all runs."""
    say("startup")
    with Rig.open() as rig:
        rig.list_of(10)
        with closing(embedded.join(rig.home, name="benchmark")):
            return [
                Figure(
                    name=command,
                    unit="s",
                    values=[_time(rig, command) for _ in range(given.runs + 1)][1:],
                    at_most=bar,
                )
                for command, bar in BARS.items()
            ]


def _time(rig: Rig, command: str) -> float:
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "admin_cli", *command.split()[1:]],
        env=rig.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - began
