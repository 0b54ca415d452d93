"""How fast it is on this machine.

    make bench                                   the default set, some minutes
    make bench ARGS="--list"                     what there is
    make bench ARGS="turn --messages 200000 --window 500 --runs 3"
    make bench ARGS="promises --scenario kill --seed 7"

Each benchmark starts what it measures as processes of its own, in a temporary home. Read medians
and ranges, and the ratios (×) rather than the absolute figures: both parts of a ratio were measured
in the same run. A bar that was missed on a busy machine says little; one that was missed by a
promise (R-8) is a fault, and the exit code 1.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tests.benchmarks import (
    api,
    aside,
    beside,
    callbacks,
    callbacks_out,
    codec,
    crowd,
    failover,
    fleet,
    hours,
    imports,
    mail,
    metrics,
    million,
    mo,
    nodes,
    preview,
    promises,
    receipts,
    reports,
    rules,
    scrub,
    start,
    startup,
    subscribers,
    throttle,
    turn,
    windows,
)
from tests.benchmarks.figures import Figure, machine, table

Say = Callable[[str], None]


class Benchmark(NamedTuple):
    """One module: its first line, all of its words, its options, and what it does."""

    name: str
    title: str
    words: str
    options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Say], list[Figure]]
    default: bool


MODULES = {
    "startup": (startup, True),
    "codec": (codec, True),
    "turn": (turn, True),
    "windows": (windows, True),
    "rules": (rules, False),
    "receipts": (receipts, False),
    "reports": (reports, False),
    "mo": (mo, False),
    "mail": (mail, False),
    "callbacks": (callbacks, False),
    "callbacks-out": (callbacks_out, False),
    "subscribers": (subscribers, False),
    "throttle": (throttle, False),
    "beside": (beside, False),
    "fleet": (fleet, False),
    "metrics": (metrics, False),
    "start": (start, False),
    "million": (million, False),
    "imports": (imports, False),
    "aside": (aside, False),
    "scrub": (scrub, False),
    "preview": (preview, False),
    "hours": (hours, False),
    "api": (api, False),
    "crowd": (crowd, False),
    "promises": (promises, False),
    "failover": (failover, False),
    "nodes": (nodes, False),
}


def benchmarks() -> list[Benchmark]:
    """All of them, in the order of the default set."""
    return [
        Benchmark(
            name,
            (module.__doc__ or "").splitlines()[0],
            module.__doc__ or "",
            module.options,
            module.run,
            default,
        )
        for name, (module, default) in MODULES.items()
    ]


def main(words: Sequence[str]) -> int:
    """Measure, print, and answer the exit code."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description=__doc__, formatter_class=raw
    )
    parser.add_argument("--list", action="store_true", help="what can be measured")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    names = parser.add_subparsers(dest="name", metavar="BENCHMARK")
    all_ = benchmarks()
    defaults: dict[str, argparse.Namespace] = {}
    for one in all_:
        sub = names.add_parser(one.name, help=one.title, description=one.words, formatter_class=raw)
        one.options(sub)
        defaults[one.name] = sub.parse_args([])
        # As well behind the name as before it.
        sub.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
    given = parser.parse_args(words)
    if given.list:
        width = max(len(one.name) for one in all_)
        for one in all_:
            print(f"{one.name:<{width}}  {one.title}{'' if one.default else ' (not by default)'}")
        return 0
    chosen = [one for one in all_ if one.name == given.name or (not given.name and one.default)]
    return _measure(chosen, given, defaults)


def _measure(
    chosen: Sequence[Benchmark],
    given: argparse.Namespace,
    defaults: dict[str, argparse.Namespace],
) -> int:
    def say(words: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {words}", file=sys.stderr, flush=True)

    began = time.monotonic()
    where = machine()
    if not given.json:
        print(", ".join(f"{name} {value}" for name, value in where.items()), flush=True)
    found: dict[str, list[Figure]] = {}
    for one in chosen:
        found[one.name] = one.run(given if given.name else defaults[one.name], say)
        if not given.json:
            print(f"\n{one.name}: {one.title}\n{table(found[one.name])}", flush=True)
    if given.json:
        document = {
            "machine": where,
            "benchmarks": {
                name: [figure.document() for figure in figures] for name, figures in found.items()
            },
        }
        print(json.dumps(document, indent=2, ensure_ascii=False))
    names = ("promises", "subscribers", "failover")
    promised = [figure for name in names for figure in found.get(name, ())]
    promised += [one for one in found.get("nodes", ()) if one.at_most == 0]
    broken = [figure for figure in promised if not figure.met]
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
