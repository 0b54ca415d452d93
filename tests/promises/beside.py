"""Trials of several engines beside each other, to several SMSCs (R-8.4).

As in `harness`: one campaign, in the midst of which something happens to one of the engines, and a
verdict by two accounts that know nothing of each other. All engines have binds to all SMSCs.

    python -m tests.benchmarks nodes             # the trials of the promise, some minutes
    pytest tests/promises/test_nodes.py          # each of them small
"""

from __future__ import annotations

import contextlib
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from tests.promises.harness import Trial, Verdict, finish, judge, lost_receipts, moments
from tests.rig import PATIENCE_S, Rig
from tests.several import Node, Several

NAMES = ("gw1", "gw2", "gw3", "gw4")


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A trial's engines: how many, to how many SMSCs, and how long their leases are."""

    trial: Trial
    nodes: int = 3
    smscs: int = 1
    lease_s: float = 2.0

    @property
    def in_the_air(self) -> int:
        """So many segments an engine may have on the wire."""
        return self.trial.in_the_air * self.smscs


Fault = Callable[[Several, Node, random.Random], None]


def kill(beside: Beside) -> Verdict:
    """kill -9 of one of the engines, which is not started again before it is taken over."""
    took: list[float] = []

    def fault(several: Several, node: Node, chance: random.Random) -> None:
        node.process.kill()
        took.append(taken_over(several, node))
        several.start(node)

    verdict = run("kill -9 of one of the engines", beside, fault)
    verdict.notes["taken over in, at most s"] = round(max(took), 1)
    return verdict


def freeze(beside: Beside) -> Verdict:
    """SIGSTOP of one of the engines until long after it was taken over, then SIGCONT."""
    took: list[float] = []

    def fault(several: Several, node: Node, chance: random.Random) -> None:
        began = time.monotonic()
        node.process.signal(signal.SIGSTOP)
        took.append(taken_over(several, node))
        time.sleep(max(began + beside.trial.for_s - time.monotonic(), 0.0))
        resumed, ups = node.logged("node.resumed"), node.logged("bind.up")
        node.process.signal(signal.SIGCONT)
        several.rig.wait(lambda: node.logged("node.resumed") > resumed, "another epoch")
        several.rig.wait(lambda: node.logged("bind.up") >= ups + node.binds, "its binds")

    verdict = run(f"SIGSTOP of one of the engines for {beside.trial.for_s:g} s", beside, fault)
    verdict.notes["taken over in, at most s"] = round(max(took), 1)
    return verdict


def taken_over(several: Several, node: Node) -> float:
    """Waits until another engine has taken over; how long that took."""
    began = time.monotonic()
    others = [one for one in several.nodes if one is not node]
    before = sum(one.logged("node.lost") for one in others)
    several.rig.wait(lambda: sum(one.logged("node.lost") for one in others) > before, "a take-over")
    return time.monotonic() - began


@contextlib.contextmanager
def opened(beside: Beside, **smsc: object) -> Iterator[Several]:
    """All engines up, with binds to all SMSCs."""
    trial = beside.trial
    with (
        Rig.open(url=trial.url, postgres=trial.settings, like=trial.like) as rig,
        Several.open(rig) as several,
    ):
        smscs = [
            several.smsc(
                f"smsc{n}",
                latency_ms=trial.latency_ms,
                receipt_after_ms=100,
                seed=trial.seed + n,
                **smsc,
            )
            for n in range(beside.smscs)
        ]
        routes = "[[routes]]\ncarriers = [" + ", ".join(
            f'{{ name = "{smsc.name}" }}' for smsc in smscs
        )
        for name in NAMES[: beside.nodes]:
            several.node(
                name,
                smscs,
                window=trial.window,
                binds=trial.binds,
                lease_s=beside.lease_s,
                routes=routes + "]",
            )
        yield several


def run(scenario: str, beside: Beside, fault: Fault | None) -> Verdict:
    """A campaign from its start to its verdict."""
    trial = beside.trial
    chance = random.Random(trial.seed)
    began = time.monotonic()
    with opened(beside) as several:
        rig = several.rig
        campaign = rig.campaign(trial.messages, trial.text)
        at: list[datetime] = []
        for moment in _moments(beside, chance) if fault is not None else ():
            rig.wait(  # slow carriers take their time
                lambda n=moment: several.taken() >= n,  # type: ignore[misc]
                f"message {moment:,}",
                PATIENCE_S + trial.messages / 100,
            )
            time.sleep(chance.random() * 2 * trial.latency_ms / 1000)
            assert fault is not None
            fault(several, chance.choice(several.nodes), chance)
            at.append(datetime.now(UTC))
        finish(rig, campaign, trial)
        arrivals = several.arrivals()
        verdict = judge(
            scenario=scenario,
            trial=trial,
            arrivals=arrivals,
            report=rig.report(campaign),
            at=at,
            allowed=beside.in_the_air if fault is not None else 0,
            took_s=time.monotonic() - began,
        )
        if lost := lost_receipts(rig, [arrival.id for arrival in arrivals]):
            verdict.broken.append(f"{lost} receipts were answered and are nowhere")
        return verdict


def _moments(beside: Beside, chance: random.Random) -> Sequence[int]:
    window = beside.in_the_air
    return moments(replace(beside.trial, window=window, binds=1), chance)
