"""Windows: how much of what a window allows is used when the SMSC takes its time.

An SMSC that answers after L lets a window of W do at most W ÷ L. A slot is free again when its
outcome is committed, so it is gone for L and about one and a half turns: the one that is under way
when the answer comes, and its own. The figure that counts is the measured speed ÷ (W ÷ (L + 1.5 ×
the mean turn of the same run)). Measured from 10 % to 90 % of the messages.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import NamedTuple

from tests.benchmarks.figures import Figure
from tests.rig import PATIENCE_S, Rig

LOOK_S = 0.1


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


def run(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    """Both cases, all runs."""
    figures = []
    for case in CASES if given.case is None else [CASES[given.case]]:
        speeds, turns, used = [], [], []
        for n in range(given.runs):
            say(f"windows, {_name(case)}, run {n + 1} of {given.runs}")
            speed, turn_s = _measure(case)
            speeds.append(speed)
            turns.append(turn_s * 1000)
            used.append(
                speed / (case.binds * case.window / (case.latency_ms / 1000 + 1.5 * turn_s))
            )
            say(f"  {speed:,.0f} messages/s, a turn {turn_s * 1000:.1f} ms, {used[-1]:.2f} of it")
        figures += [
            Figure(name=f"{_name(case)}: messages", unit="/s", values=speeds),
            Figure(name=f"{_name(case)}: mean turn", unit="ms", values=turns),
            Figure(
                name=f"{_name(case)}: ÷ the arithmetic", unit="×", values=used, at_least=AT_LEAST
            ),
        ]
    return figures


def _name(case: Case) -> str:
    binds = "one bind" if case.binds == 1 else f"{case.binds} binds"
    return f"{binds}, window {case.window}, {case.latency_ms:g} ms"


def _measure(case: Case) -> tuple[float, float]:
    """Messages a second, and the mean turn in seconds."""
    with Rig.open(window=case.window, binds=case.binds) as rig:
        rig.start_smsc(record=False, receipt_after_ms=100, latency_ms=case.latency_ms)
        list_name = rig.list_of(case.messages)
        rig.start_engine()
        rig.send(list_name)
        first = _at(rig, case.messages * 0.1)
        last = _at(rig, case.messages * 0.9)
    (began, before), (ended, after) = first, last

    def grown(name: str) -> float:
        return after[name] - before[name]

    speed = grown("siaran_segments_launched_total") / (ended - began)
    return speed, grown("siaran_turn_seconds_sum") / grown("siaran_turn_seconds_count")


def _at(rig: Rig, launched: float) -> tuple[float, dict[str, float]]:
    """When so many were launched, and all metrics then."""
    until = time.monotonic() + PATIENCE_S * 2
    while True:
        seen, at = rig.metrics(), time.monotonic()
        if seen["siaran_segments_launched_total"] >= launched:
            return at, seen
        assert at < until, f"{launched:,.0f} messages take too long"
        time.sleep(LOOK_S)
