"""The HTTP API: single sends of many clients at once, and batches of a thousand, accepted durably.

The API in a process of its own (`siaran run --role api`), one embedded PostgreSQL, fsync on. Clients
are threads of one other process, each on a connection of its own, which waits for the answer before
it sends again; they share the cores with what they measure. Every answer is checked, and every
message counted in the database afterwards. Batches carry an Idempotency-Key, single sends don't.

    python -m tests.benchmarks api --clients 32 --seconds 10
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import threading
import time
import uuid
from collections.abc import Callable

from tests.benchmarks.figures import Figure
from tests.rig import PATIENCE_S, Process, Rig, use

BATCH = 1_000

SINGLES, BATCHES = 500.0, 5_000.0
"""The bars: messages a second."""

TEXT = "Your parcel is at the post office; the code is 4711."


def options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--clients", type=int, default=32, metavar="N")
    parser.add_argument("--seconds", type=float, default=10.0, metavar="S")
    parser.add_argument("--batches", type=int, default=60, metavar="N")
    parser.add_argument("--runs", type=int, default=3, metavar="N")


def run(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    """Both of them, on one installation."""
    singles: list[float] = []
    middle: list[float] = []
    slow: list[float] = []
    batches: list[float] = []
    cpu: list[float] = []
    with Rig.open() as rig:
        rig.configuration.write_text('[http]\nlisten = "127.0.0.1:0"\n')
        rig.siaran("user", "add", "bench", "--as", "bench")
        token = rig.siaran("user", "token", "bench", "--as", "bench")["token"]
        words = ("run", "--role", "api", "--config", str(rig.configuration))
        server = Process(words, log=rig.home / "api.log", home=rig.home, reads=False)
        try:
            host, port = address(rig)
            sent = 0
            for n in range(given.runs):
                say(f"api, run {n + 1} of {given.runs}")
                before = use(server.pid).cpu_s
                waits = clients(host, port, token, given.clients, given.seconds)
                sent += len(waits)
                singles.append(len(waits) / given.seconds)
                middle.append(statistics.median(waits) * 1000)
                slow.append(statistics.quantiles(waits, n=100)[-1] * 1000)
                cpu.append((use(server.pid).cpu_s - before) / len(waits) * 1e6)
                say(f"  {singles[-1]:,.0f} single sends/s, {middle[-1]:.1f} ms")
                took = _batches(host, port, token, given.batches)
                sent += given.batches * BATCH
                batches.append(given.batches * BATCH / took)
                say(f"  {batches[-1]:,.0f} messages/s in batches")
            [[stored]] = rig.sql("SELECT count(*) FROM message")
            assert stored == sent, f"{sent:,} were accepted and {stored:,} are there"
        finally:
            server.end()
    return [
        Figure(name=f"single sends, {given.clients} clients", unit="/s", values=singles,
               at_least=SINGLES),
        Figure(name="  the median waits", unit="ms", values=middle),
        Figure(name="  one in a hundred waits", unit="ms", values=slow),
        Figure(name="  the server's CPU a request", unit="µs", values=cpu),
        Figure(name=f"in batches of {BATCH:,}", unit="/s", values=batches, at_least=BATCHES),
    ]  # fmt: skip


def address(rig: Rig) -> tuple[str, int]:
    """Where the API listens, once it does."""
    log = rig.home / "api.log"

    def found() -> str | None:
        said = log.read_text(errors="replace") if log.exists() else ""
        return said.partition("http.listening")[2].partition('"]')[0].rpartition("/")[2] or None

    host, _, port = rig.wait(found, "the API's start").rpartition(":")
    return host, int(port)


def clients(host: str, port: int, token: str, clients: int, seconds: float) -> list[float]:
    """How long each request waited."""
    until = time.monotonic() + seconds
    waits: list[list[float]] = [[] for _ in range(clients)]
    threads = [
        threading.Thread(target=_one, args=(host, port, token, n, until, waits[n]))
        for n in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [wait for mine in waits for wait in mine]


def _one(host: str, port: int, token: str, n: int, until: float, waits: list[float]) -> None:
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE_S)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    body = json.dumps({"to": f"+64211{n:06}", "text": TEXT}).encode()
    while (began := time.monotonic()) < until:
        connection.request("POST", "/v1/messages", body, headers)
        answer = connection.getresponse()
        octets = answer.read()
        assert answer.status == 202, octets
        waits.append(time.monotonic() - began)
    connection.close()


def _batches(host: str, port: int, token: str, batches: int) -> float:
    """How long so many of them took, two clients taking turns."""
    messages = [{"to": f"+64212{n:06}", "text": f"{TEXT} {n}"} for n in range(BATCH)]
    body = json.dumps({"messages": messages}).encode()

    def send(many: int) -> None:
        connection = http.client.HTTPConnection(host, port, timeout=PATIENCE_S)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        for _ in range(many):
            key = {"Idempotency-Key": str(uuid.uuid4())}
            connection.request("POST", "/v1/messages", body, headers | key)
            answer = connection.getresponse()
            octets = answer.read()
            assert answer.status == 202, octets[:200]
        connection.close()

    began = time.monotonic()
    half = batches // 2
    threads = [threading.Thread(target=send, args=(many,)) for many in (half, batches - half)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - began
