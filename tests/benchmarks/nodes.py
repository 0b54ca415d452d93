"""Several engines on one database: what they do together, and when one of them dies or sleeps.

* limit: three engines, four carriers, one bind each to each, window 10 and 50 ms. By the arithmetic
  that is 3 × 4 × 10 / 50 ms = 2,400 messages a second; as `windows` counts it, a slot is gone for one
  and a half turns more.
* scale: two engines against one, to the same carriers, which take 200 ms; and the database's CPU a
  message.
* kill: one of three engines dies (kill -9), ten times in 20,000 messages; each time it is started
  again when another one has taken over.
* freeze: one of three engines is stopped for 60 s in the midst of 20,000 messages, and goes on.

The last two are promises (R-8.1, R-8.2, R-8.4): none may be missing, and a fault may repeat one window
a bind of the engine that it happened to.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from tests.benchmarks.figures import Figure
from tests.promises import beside
from tests.promises.beside import Beside
from tests.promises.harness import Trial, Verdict, finish, seed_of_environment
from tests.rig import PATIENCE_S
from tests.several import Several

LEAST_OF_LIMIT = 0.9
LEAST_SCALE = 1.9
MOST_CPU = 1.1
TAKEN_OVER_S = 15.0

WINDOW = 10
LATENCY_MS = 50.0
CARRIERS = 4
SLOW_MS = 200.0
"""Of slow carriers; and of one while engines die: 150 messages a second, so that ten deaths have room."""

PARTS = ("limit", "scale", "kill", "freeze")


def options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--part", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--messages", type=int, default=20_000, metavar="N")
    parser.add_argument("--times", type=int, default=10, metavar="K", help="how often one dies")
    parser.add_argument(
        "--for-s", type=float, default=60.0, metavar="S", help="how long one sleeps"
    )
    parser.add_argument("--lease-s", type=float, default=10.0, metavar="S")
    parser.add_argument("--seed", type=int, metavar="N", help="repeat the moments of a run")


def run(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    """The chosen parts, one after the other."""
    figures: list[Figure] = []
    for part in given.part:
        say(f"nodes, {part}")
        figures += {"limit": _limit, "scale": _scale, "kill": _kill, "freeze": _freeze}[part](
            given, say
        )
    return figures


class Run(NamedTuple):
    """One campaign; `wrong` counts what came twice, was missing, or was miscounted."""

    messages_s: float
    turn_s: float
    answer_s: float
    """How long an SMSC really took, as the engines saw it."""
    database_us: float
    """Its CPU a message."""
    wrong: int

    def __str__(self) -> str:
        return (
            f"{self.messages_s:,.0f}/s, turns of {self.turn_s * 1e3:.1f} ms, answers after"
            f" {self.answer_s * 1e3:.0f} ms, the database's CPU {self.database_us:.0f} µs a message"
        )


def _limit(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    one = _measure(given, 3, given.messages, LATENCY_MS)
    slots, latency_s = 3 * CARRIERS * WINDOW, LATENCY_MS / 1000
    limit = slots / (latency_s + 1.5 * one.turn_s)
    say(f"  {one}; {slots / latency_s:,.0f}/s without turns")
    return [
        Figure(name="three engines, of the arithmetic", unit="×", values=[one.messages_s / limit],
               at_least=LEAST_OF_LIMIT),
        Figure(name="three engines, of windows ÷ latency", unit="×",
               values=[one.messages_s * latency_s / slots]),
        Figure(name="three engines", unit="messages/s", values=[one.messages_s]),
        Figure(name="three engines: answers after", unit="ms", values=[one.answer_s * 1e3]),
        Figure(name="three engines: twice, missing, miscounted", unit="", values=[one.wrong],
               at_most=0),
    ]  # fmt: skip


def _scale(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    one = _measure(given, 1, given.messages // 4, SLOW_MS)
    two = _measure(given, 2, given.messages // 2, SLOW_MS)
    say(f"  one: {one}")
    say(f"  two: {two}")
    return [
        Figure(name="two engines against one", unit="×", values=[two.messages_s / one.messages_s],
               at_least=LEAST_SCALE),
        Figure(name="database's CPU a message, two against one", unit="×",
               values=[two.database_us / one.database_us], at_most=MOST_CPU),
        Figure(name="database's CPU a message, one engine", unit="µs", values=[one.database_us]),
        Figure(name="database's CPU a message, two engines", unit="µs", values=[two.database_us]),
        Figure(name="two engines: twice, missing, miscounted", unit="", values=[two.wrong],
               at_most=0),
    ]  # fmt: skip


def _measure(given: argparse.Namespace, nodes: int, messages: int, latency_ms: float) -> Run:
    """A campaign, from 10 % to 90 % of it."""
    trial = Trial(messages=messages, window=WINDOW, latency_ms=latency_ms)
    asked = Beside(trial=trial, nodes=nodes, smscs=CARRIERS, lease_s=given.lease_s)
    with beside.opened(asked) as several:
        rig = several.rig
        campaign = rig.campaign(messages, trial.text)
        low, high = messages // 10, messages * 9 // 10
        rig.wait(lambda: several.taken() >= low, "its begin", PATIENCE_S)
        before, first, then = rig.postgres_use(), several.taken(), _metrics(several)
        rig.wait(lambda: several.taken() >= high, "its end", PATIENCE_S + messages / 50)
        after, last, now = rig.postgres_use(), several.taken(), _metrics(several)
        finish(rig, campaign, trial)
        arrivals = several.arrivals()
        report = rig.report(campaign)
    took_s = (arrivals[high - 1].at - arrivals[low].at).total_seconds()
    distinct = len({one.destination for one in arrivals})
    delivered = report["counts"]["delivered"]
    grown = now - then
    return Run(
        messages_s=(high - low) / took_s,
        turn_s=grown["turn_seconds_sum"] / grown["turn_seconds_count"],
        answer_s=grown["submit_latency_seconds_sum"] / grown["submit_latency_seconds_count"],
        database_us=1e6 * (after.cpu_s - before.cpu_s) / (last - first),
        wrong=len(arrivals) - distinct + abs(messages - distinct) + abs(messages - delivered),
    )


def _metrics(several: Several) -> Counter[str]:
    """Those of all engines added up, whatever their labels."""
    found: Counter[str] = Counter()
    for node in several.nodes:
        for name, value in node.metrics().items():
            found[name.partition("{")[0].removeprefix("siaran_")] += value  # type: ignore[assignment]
    return found


def _kill(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    verdict = beside.kill(_beside(given, given.times))
    say(f"  {verdict}")
    name = f"kill -9 of one of three × {verdict.faults}"
    took = float(str(verdict.notes["taken over in, at most s"]))
    return [
        *_promised(name, verdict),
        Figure(name=f"{name}: taken over", unit="s", values=[took], at_most=TAKEN_OVER_S),
    ]


def _freeze(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    verdict = beside.freeze(_beside(given, 1))
    say(f"  {verdict}")
    return _promised(f"SIGSTOP of one of three for {given.for_s:g} s", verdict)


def _beside(given: argparse.Namespace, times: int) -> Beside:
    trial = Trial(
        messages=given.messages,
        times=times,
        seed=seed_of_environment() if given.seed is None else given.seed,
        window=WINDOW,
        latency_ms=SLOW_MS,
        for_s=given.for_s,
    )
    return Beside(trial=trial, nodes=3, smscs=1, lease_s=given.lease_s)


def _promised(name: str, verdict: Verdict) -> list[Figure]:
    lost = verdict.recipients - verdict.arrived
    return [
        Figure(name=f"{name}: lost", unit="", values=[lost], at_most=0),
        Figure(
            name=f"{name}: repeats by one", unit="", values=[verdict.worst], at_most=verdict.allowed
        ),
        Figure(name=f"{name}: broken promises", unit="", values=[len(verdict.broken)], at_most=0),
    ]
