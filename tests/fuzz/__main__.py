"""Fuzz what reads octets from outside, for as long as you like: `make fuzz MINUTES=30`.

Guided by coverage with atheris where that is installed (tests/fuzz/requirements.txt; it comes for
some Pythons only), else by chance. What breaks a promise is written to tests/fuzz/broken and ends
the run with exit code 1; `--keep` adds to the corpus what reached something new.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

BROKEN = Path(__file__).parent / "broken"
LONGEST = 512
"""Octets of an input: two or three PDUs."""


def main() -> int:
    """All targets, one after the other, each for its share of the time."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--target", help="only this one")
    parser.add_argument("--keep", action="store_true", help="add to the corpus what is new")
    parser.add_argument("--guided", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.guided is not None:
        return _guided(given.target, given.guided)
    from tests.fuzz.targets import TARGETS

    names = [given.target] if given.target else list(TARGETS)
    if unknown := set(names) - TARGETS.keys():
        parser.error(f"no target {unknown.pop()}; there is {', '.join(TARGETS)}")
    seconds = given.minutes * 60 / len(names)
    guided = importlib.util.find_spec("atheris") is not None
    print(f"{seconds:.0f} s each, {'guided by coverage' if guided else 'by chance: no atheris'}")
    bad = [
        name
        for name in names
        if not (_by_atheris(name, seconds, given.keep) if guided else _by_chance(name, seconds))
    ]
    if bad:
        print(f"broken: {', '.join(bad)}; the inputs are in {BROKEN}", file=sys.stderr)
    return 1 if bad else 0


def _by_atheris(name: str, seconds: float, keep: bool) -> bool:
    from tests.fuzz.targets import CORPUS, corpus

    BROKEN.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="siaran-fuzz-") as place:
        found, small = Path(place, "found"), Path(place, "small")
        found.mkdir()
        small.mkdir()
        for n, octets in enumerate(corpus(name)):
            (found / f"seed{n}").write_bytes(octets)
        # libFuzzer starts itself again when it merges, by a name that it takes for a program.
        again = Path(place, "again")
        words = [sys.executable, "-m", "tests.fuzz", "--target", name, "--guided", str(again)]
        again.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        again.chmod(0o755)
        ended = subprocess.run(
            [
                *(str(again), str(found), f"-max_total_time={max(int(seconds), 1)}"),
                *(f"-max_len={LONGEST}", f"-artifact_prefix={BROKEN}/{name}-", "-verbosity=0"),
                "-print_final_stats=1",
            ],
            check=False,
        )
        if keep and not ended.returncode:
            subprocess.run(
                [str(again), str(small), str(found), "-merge=1", "-verbosity=0"], check=True
            )
            kept = sorted(file.read_bytes().hex() for file in small.iterdir())
            (CORPUS / f"{name}.hex").write_text("".join(f"{line}\n" for line in kept if line))
    return not ended.returncode


def _guided(name: str, words: list[str]) -> int:
    """In a process of its own: libFuzzer ends it itself. The first word starts it again."""
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["smpp", "engine.domain", "engine.inbound"]):
        from tests.fuzz.targets import TARGETS
    atheris.Setup(words, TARGETS[name])
    atheris.Fuzz()
    return 0


def _by_chance(name: str, seconds: float) -> bool:
    from tests.fuzz.mutate import mutated
    from tests.fuzz.targets import TARGETS, corpus

    seeds, chance, n = corpus(name), random.Random(), 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        octets, n = mutated(seeds, chance), n + 1
        try:
            TARGETS[name](octets)
        except Exception as error:
            BROKEN.mkdir(exist_ok=True)
            (BROKEN / f"{name}-{time.time_ns()}").write_bytes(octets)
            print(f"{name}: {error!r} after {n:,} inputs: {octets.hex()}", file=sys.stderr)
            return False
    print(f"{name}: {n:,} inputs")
    return True


if __name__ == "__main__":
    sys.exit(main())
