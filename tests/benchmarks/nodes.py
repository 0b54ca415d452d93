"""Several engines on one database: what they do together, and when one of them dies or sleeps.

* limit: three engines, four carriers, one bind each to each, window 10 and 50 ms. By the arithmetic
  that is 3 × 4 × 10 / 50 ms = 2,400 messages a second.
* scale: two engines against one, to the same carriers; and the database's CPU a message.
* kill: one of three engines dies (kill -9), ten times in 20,000 messages; each time it is started
  again when another one has taken over.
* freeze: one of three engines is stopped for 60 s in the midst of 20,000 messages, and goes on.

The last two are promises (R-8.1, R-8.2, R-8.4): none may be missing, and a fault may repeat one window
a bind of the engine that it happened to.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from tests.benchmarks.figures import Figure
from tests.promises import beside
from tests.promises.beside import Beside
from tests.promises.harness import Trial, Verdict, finish, seed_of_environment
from tests.rig import PATIENCE_S

LEAST_OF_LIMIT = 0.9
LEAST_SCALE = 1.9
MOST_CPU = 1.1
TAKEN_OVER_S = 15.0

WINDOW = 10
LATENCY_MS = 50.0
CARRIERS = 4
SLOW_MS = 200.0
"""Of the carriers while engines die: 150 messages a second, so that ten deaths have room."""

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


def _limit(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    rate, repeats, balanced, _ = _measure(given, 3, given.messages)
    most = 3 * CARRIERS * WINDOW / (LATENCY_MS / 1000)
    say(f"  {rate:,.0f}/s of {most:,.0f}/s")
    return [
        Figure(name="three engines, of the limit", unit="×", values=[rate / most], at_least=LEAST_OF_LIMIT),
        Figure(name="three engines", unit="messages/s", values=[rate]),
        Figure(name="messages twice, missing, or miscounted", unit="", values=[repeats + balanced],
               at_most=0),
    ]  # fmt: skip


def _scale(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    one, _, _, one_cpu = _measure(given, 1, given.messages // 2)
    two, _, _, two_cpu = _measure(given, 2, given.messages)
    say(f"  one {one:,.0f}/s at {one_cpu:.0f} µs, two {two:,.0f}/s at {two_cpu:.0f} µs")
    return [
        Figure(name="two engines against one", unit="×", values=[two / one], at_least=LEAST_SCALE),
        Figure(name="database's CPU a message, two against one", unit="×",
               values=[two_cpu / one_cpu], at_most=MOST_CPU),
        Figure(name="database's CPU a message, one engine", unit="µs", values=[one_cpu]),
        Figure(name="database's CPU a message, two engines", unit="µs", values=[two_cpu]),
    ]  # fmt: skip


def _measure(given: argparse.Namespace, nodes: int, messages: int) -> tuple[float, int, int, float]:
    """Messages a second, how many came twice, were missing or miscounted, and the database's µs each."""
    trial = Trial(messages=messages, window=WINDOW, latency_ms=LATENCY_MS)
    with beside.opened(
        Beside(trial=trial, nodes=nodes, smscs=CARRIERS, lease_s=given.lease_s)
    ) as all_:
        rig = all_.rig
        campaign = rig.campaign(messages, trial.text)
        # What begins and ends it aside.
        low, high = messages // 10, messages * 9 // 10
        rig.wait(lambda: len(all_.arrivals()) >= low, "its begin", PATIENCE_S)
        before, first = rig.postgres_use(), len(all_.arrivals())
        rig.wait(lambda: len(all_.arrivals()) >= high, "its end", PATIENCE_S + messages / 100)
        after, last = rig.postgres_use(), len(all_.arrivals())
        finish(rig, campaign, trial)
        arrivals = all_.arrivals()
        took_s = (arrivals[high - 1].at - arrivals[low].at).total_seconds()
        distinct = len({one.destination for one in arrivals})
        report = rig.report(campaign)
        wrong = abs(messages - distinct) + abs(messages - report["counts"]["delivered"])
        cpu_us = 1e6 * (after.cpu_s - before.cpu_s) / (last - first)
        return (high - low) / took_s, len(arrivals) - distinct, wrong, cpu_us


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
