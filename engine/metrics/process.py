"""Metrics of the process itself: its version, its loop, its clock, its way to the database, its API."""

import platform
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from engine.metrics.kinds import Counts, Gauges, Histogram

TRANSACTION: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
LAG: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)

Pool = tuple[int, int, int]
"""Of a pool of connections: how many there may be, are in use, and are waited for."""


class Process(Collector):
    """One process, whatever it does."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._pool_now: Callable[[], Pool] | None = None
        self._pool = Gauges(
            "siaran_pool_connections",
            "Connections to the database: how many there may be, are busy, and are waited for",
            ("state",),
            None,
        )
        registry.register(self)
        build = Gauges(
            "siaran_build_info", "1: the version that runs", ("version", "python"), registry
        )
        build.set((release(), platform.python_version()), 1)
        self._database = Gauges("siaran_database_up", "1 while the database answers", (), registry)
        self._wait = Histogram(
            "siaran_transaction_wait_seconds",
            "How long a transaction waited for a connection of the pool",
            (),
            registry,
            bounds=TRANSACTION,
        )
        self._transaction = Histogram(
            "siaran_transaction_seconds",
            "From BEGIN to COMMIT, with repetitions after a conflict",
            (),
            registry,
            bounds=TRANSACTION,
        )
        self._failures = Counts(
            "siaran_transaction_failures_total",
            "Transactions that the database did not carry out: unreachable, or unknown (the"
            " connection was lost in COMMIT)",
            ("reason",),
            registry,
        )
        self._skew = Gauges(
            "siaran_clock_skew_seconds",
            "The node's clock against the database's: positive when it is ahead",
            (),
            registry,
        )
        self._lag = Histogram(
            "siaran_event_loop_lag_seconds",
            "How late the event loop came back to a task that wanted to go on",
            (),
            registry,
            bounds=LAG,
        )
        self._requests = Counts(
            "siaran_api_requests_total",
            "Requests of the HTTP API by the status that answered them",
            ("status",),
            registry,
        )
        ProcessCollector(registry=registry)

    def watch_pool(self, pool: Callable[[], Pool]) -> None:
        """Who is asked at each scrape."""
        self._pool_now = pool

    def database(self, *, up: bool) -> None:
        """Whether the database answers."""
        self._database.set((), up)

    def transaction(self, wait_s: float, seconds: float, failure: str | None) -> None:
        """A transaction has ended; `failure` None: as it should."""
        self._wait.observe((), wait_s)
        self._transaction.observe((), seconds)
        if failure is not None:
            self._failures.add((failure,))

    def clock_skew(self, seconds: float) -> None:
        """By how much our clock is ahead of the database's."""
        self._skew.set((), seconds)

    def loop_lag(self, seconds: float) -> None:
        """So late the event loop came back."""
        self._lag.observe((), seconds)

    def request(self, status: int) -> None:
        """A request of the HTTP API was answered."""
        self._requests.add((str(status),))

    def collect(self) -> Iterator[GaugeMetricFamily]:
        pool = () if self._pool_now is None else self._pool_now()
        words = ("size", "busy", "waiting")
        yield self._pool.family(((word,), n) for word, n in zip(words, pool, strict=False))


def release() -> str:
    """The version of what is installed."""
    try:
        return version("siaran")
    except PackageNotFoundError:  # out of a checkout that was never installed
        return "unknown"
