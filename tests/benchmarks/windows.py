"""Windows: how much of what a window allows is used when the SMSC takes its time.

An SMSC that answers after L lets a window of W do at most W ÷ L. A slot is free again when its
outcome is committed, so it is gone for L and about one and a half turns: the one that is under way
when the answer comes, and its own. The figure that counts is the measured speed ÷ (W ÷ (L + 1.5 ×
the mean turn of the same run)). Measured from 10 % to 90 % of the messages.

Beside it stands how long an answer really took, as the engine saw it: an SMSC that shares two cores
with engine and database answers later than it wants to, by what it waits for them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import NamedTuple

from tests.benchmarks.figures import Figure
from tests.rig import PATIENCE_S, Rig

LOOK_S = 0.5


class Case(NamedTuple):
    """So many binds with that window, and an SMSC that answers after so long."""

    binds: int
    window: int
    latency_ms: float
    messages: int


CASES = (Case(1, 10, 10, 6_000), Case(50, 10, 50, 60_000))

AT_LEAST = 0.9


def options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--runs", type=int, default=3, metavar="N")
    parser.add_argument("--case", type=int, choices=range(len(CASES)), help="only this one")


class Run(NamedTuple):
    """One campaign; `busy`: the part of a core that engine, PostgreSQL and simulator used."""

    messages_s: float
    turn_s: float
    answer_s: float
    busy: tuple[float, float, float]


def run(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    """Both cases, all runs."""
    figures = []
    for case in CASES if given.case is None else [CASES[given.case]]:
        name, runs, used = _name(case), [], []
        for n in range(given.runs):
            say(f"windows, {name}, run {n + 1} of {given.runs}")
            one = _measure(case)
            runs.append(one)
            slot_s = case.latency_ms / 1000 + 1.5 * one.turn_s
            used.append(one.messages_s * slot_s / (case.binds * case.window))
            say(f"  {one.messages_s:,.0f} messages/s, {used[-1]:.2f} of the arithmetic")
        figures += [
            Figure(name=f"{name}: messages", unit="/s", values=[one.messages_s for one in runs]),
            Figure(
                name=f"{name}: mean turn", unit="ms", values=[one.turn_s * 1000 for one in runs]
            ),
            Figure(
                name=f"{name}: mean answer",
                unit="ms",
                values=[one.answer_s * 1000 for one in runs],
            ),
            *(
                Figure(
                    name=f"{name}: {who} is busy",
                    unit="% of a core",
                    values=[one.busy[n] * 100 for one in runs],
                )
                for n, who in enumerate(("engine", "PostgreSQL", "simulator"))
            ),
            Figure(name=f"{name}: ÷ the arithmetic", unit="×", values=used, at_least=AT_LEAST),
        ]
    return figures


def _name(case: Case) -> str:
    binds = "one bind" if case.binds == 1 else f"{case.binds} binds"
    return f"{binds}, window {case.window}, {case.latency_ms:g} ms"


def _measure(case: Case) -> Run:
    with Rig.open(window=case.window, binds=case.binds) as rig:
        rig.start_smsc(record=False, receipt_after_ms=100, latency_ms=case.latency_ms)
        list_name = rig.list_of(case.messages)
        rig.start_engine()
        rig.send(list_name)
        began, before, idle = _at(rig, case.messages * 0.1)
        ended, after, used = _at(rig, case.messages * 0.9)
    took_s = ended - began

    def grown(name: str) -> float:
        return after[name] - before[name]

    def mean(name: str, labels: str = "") -> float:
        return grown(f"{name}_sum{labels}") / grown(f"{name}_count{labels}")

    engine, postgres, smsc = ((now - then) / took_s for now, then in zip(used, idle, strict=True))
    return Run(
        messages_s=grown("siaran_segments_launched_total") / took_s,
        turn_s=mean("siaran_turn_seconds"),
        answer_s=mean("siaran_submit_latency_seconds", '{carrier="smsc"}'),
        busy=(engine, postgres, smsc),
    )


def _at(rig: Rig, launched: float) -> tuple[float, dict[str, float], list[float]]:
    """When so many were launched; all metrics then, and the CPU used by then (seconds)."""
    until = time.monotonic() + PATIENCE_S * 2
    while True:
        seen, at = rig.metrics(), time.monotonic()
        if seen["siaran_segments_launched_total"] >= launched:
            uses = (rig.engine_use(), rig.postgres_use(), rig.smsc_use())
            return at, seen, [one.cpu_s for one in uses]
        assert at < until, f"{launched:,.0f} messages take too long"
        time.sleep(LOOK_S)
