"""A crowd at the HTTP API beside a campaign: what a saturated API costs the binds (R-8.6).

One run: a campaign at full speed, and the API in a process of its own (`siaran run --role api`), on
which clients come in waves: some seconds nobody, some seconds as many as it can serve, and so on.
The figure that counts is the campaign's speed in a wave ÷ the mean of its speeds before and after
it. Engine, both databases' work, simulator, API and clients share the machine; clients, which are
elsewhere in the real world, take what is left (nice 19).

    python -m tests.benchmarks crowd --messages 700000 --waves 5
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable

from tests.benchmarks.api import address, clients
from tests.benchmarks.figures import Figure
from tests.rig import PATIENCE_S, ROOT, Process, Rig, use

AT_LEAST = 0.9
REST_S = 0.5
"""Between two measurements: what was under way is through."""


def options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--messages", type=int, default=700_000, metavar="N", help="at most")
    parser.add_argument("--window", type=int, default=500, metavar="W")
    parser.add_argument("--clients", type=int, default=32, metavar="N")
    parser.add_argument("--seconds", type=float, default=4.0, metavar="S", help="of a wave")
    parser.add_argument("--waves", type=int, default=5, metavar="N")


def run(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    """One campaign, and waves of clients."""
    alone: list[float] = []
    beside: list[float] = []
    accepted: list[float] = []
    cpu: list[float] = []
    with Rig.open(window=given.window) as rig:
        rig.start_smsc(record=False, receipt_after_ms=100)
        rig.siaran("user", "add", "bench", "--as", "bench")
        token = rig.siaran("user", "token", "bench", "--as", "bench")["token"]
        say(f"importing {given.messages:,}")
        report = rig.siaran(
            "list", "import", "crowd", str(rig.members(given.messages)), "--create", "--as", "bench"
        )
        assert report["imported"] == given.messages
        words = ("run", "--role", "api", "--config", str(rig.configuration))
        server = Process(words, log=rig.home / "api.log", home=rig.home, reads=False)
        try:
            host, port = address(rig)
            rig.start_engine()
            rig.siaran(
                "campaign", "new", "--list", "crowd", "--message", "Hello %%1%%", "--now",
                "--as", "bench",
            )  # fmt: skip
            rig.wait(lambda: rig.launched() > given.messages / 50, "the campaign's first messages")
            alone.append(_speed(rig, given.seconds))
            for n in range(given.waves):
                before = use(server.pid).cpu_s
                with _crowd(host, port, token, given.clients, given.seconds + 2) as crowd:
                    crowd.stdout.readline()  # type: ignore[union-attr]
                    beside.append(_speed(rig, given.seconds))
                    cpu.append((use(server.pid).cpu_s - before) / given.seconds)
                    out, _ = crowd.communicate(timeout=PATIENCE_S)
                accepted.append(json.loads(out) / (given.seconds + 2))
                time.sleep(REST_S)
                alone.append(_speed(rig, given.seconds))
                say(
                    f"wave {n + 1} of {given.waves}: {alone[-2]:,.0f}/s alone, {beside[-1]:,.0f}/s"
                    f" beside {accepted[-1]:,.0f} requests/s, {alone[-1]:,.0f}/s alone"
                )
            assert rig.launched() < given.messages * 0.97, "the campaign ended: take more messages"
        finally:
            server.end()
    ratios = [
        during / ((before + after) / 2)
        for before, during, after in zip(alone, beside, alone[1:], strict=False)
    ]
    return [
        Figure(name="campaign alone", unit="/s", values=alone),
        Figure(name="beside the crowd", unit="/s", values=beside),
        Figure(name="beside ÷ alone", unit="×", values=ratios, at_least=AT_LEAST),
        Figure(name="requests that were accepted meanwhile", unit="/s", values=accepted),
        Figure(name="cores that the API had", unit="", values=cpu),
    ]


def _speed(rig: Rig, seconds: float) -> float:
    """How many a second were launched in the next seconds."""
    began, launched = time.monotonic(), rig.launched()
    time.sleep(seconds)
    return (rig.launched() - launched) / (time.monotonic() - began)


def _crowd(host: str, port: int, token: str, many: int, seconds: float) -> subprocess.Popen[str]:
    """Clients in a process of their own; it says a line when they begin, and how many were served."""
    words = [
        sys.executable,
        "-m",
        "tests.benchmarks.crowd",
        host,
        str(port),
        str(many),
        str(seconds),
    ]
    return subprocess.Popen(
        words, cwd=ROOT, env={**os.environ, "TOKEN": token}, stdout=subprocess.PIPE, text=True
    )


if __name__ == "__main__":
    os.nice(19)
    print("begun", flush=True)
    where, at, number, lasting = sys.argv[1:]
    served = clients(where, int(at), os.environ["TOKEN"], int(number), float(lasting))
    print(len(served), flush=True)
