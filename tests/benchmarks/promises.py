"""Promises: what is lost and repeated while engine, database and carrier are killed, cut and frozen.

The trials of `tests.promises` at the size of the promise: 20,000 messages at some 1,000/s with a
window of 20; ten faults each (SIGTERM twenty, a carrier that drops at each 500 submits), at moments
that the seed chooses. Two accounts are compared, the SMSC's own record and the report: none may be
missing, a fault may repeat at most one window (R-8.2; SIGTERM nothing), and the counts must balance
exactly. A broken promise is said with its seed: `promises --scenario kill --seed N` repeats it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace

from tests.benchmarks.figures import Figure
from tests.promises.harness import SCENARIOS, Trial, seed_of_environment

MESSAGES = 20_000
TIMES = {"terminate": 20, "drop": 39, "away": 2, "silent-database": 3, "silent-carrier": 3}
"""How often a fault happens, where it isn't ten times. 39: at each 500 submits of 20,000."""

FOR_S = {"away": 20.0, "silent-database": 8.0}
"""How long it lasts, where it isn't 5 s."""


def options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--scenario", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--messages", type=int, default=MESSAGES, metavar="N")
    parser.add_argument("--times", type=int, metavar="K", help="how often the fault happens")
    parser.add_argument("--for-s", type=float, metavar="S", help="how long it lasts, if it lasts")
    parser.add_argument("--segments", type=int, default=1, metavar="N", help="of each message")
    parser.add_argument("--binds", type=int, default=1, metavar="N")
    parser.add_argument("--seed", type=int, metavar="N", help="repeat the moments of a run")


def run(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    """The chosen scenarios, one after the other."""
    seed = seed_of_environment() if given.seed is None else given.seed
    figures: list[Figure] = []
    for name in given.scenario:
        say(f"promises, {name}, seed {seed}")
        trial = replace(
            Trial(messages=given.messages, seed=seed, segments=given.segments, binds=given.binds),
            times=given.times or TIMES.get(name, 10),
            for_s=given.for_s or FOR_S.get(name, 5.0),
        )
        verdict = SCENARIOS[name](trial)
        say(f"  {verdict}")
        title = f"{verdict.scenario} × {verdict.faults}"
        figures += [
            Figure(
                name=f"{title}: lost",
                unit="",
                values=[verdict.recipients - verdict.arrived],
                at_most=0,
            ),
            Figure(
                name=f"{title}: repeats by one fault",
                unit="",
                values=[verdict.worst],
                at_most=verdict.allowed,
            ),
            Figure(
                name=f"{title}: broken promises", unit="", values=[len(verdict.broken)], at_most=0
            ),
            Figure(name=f"{title}: took", unit="s", values=[verdict.took_s]),
        ]
    return figures
