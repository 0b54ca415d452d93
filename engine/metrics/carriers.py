"""Metrics of carriers and their binds: where they stand, what they answer, how fast, how slow."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from engine.metrics.kinds import Counts, Few, Gauges, Histogram

BIND_STATES: Final = ("connecting", "bound", "waiting", "refused", "stopped")

# Seconds: carriers answer within milliseconds on a good day and within a minute on a bad one.
LATENCY: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

# Seconds: from a network that is near to a phone that was off over the weekend.
RECEIPT: Final = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 21600, 86400, 259200)

# Words that a carrier chooses: its own statuses by the labels of its table, and what it does wrong.
MOST_WORDS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class BindFacts:
    """A bind at the moment of a scrape."""

    carrier: str
    bind: str
    state: str
    window: int
    outstanding: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierFacts:
    """A carrier at the moment of a scrape; rates 0: no limit."""

    carrier: str
    rate: float
    configured: float
    idle_s: float
    paused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All of them."""

    binds: Iterable[BindFacts] = ()
    carriers: Iterable[CarrierFacts] = ()


class Carriers(Collector):
    """What is told as it happens, and `Facts`, which are asked for at each scrape."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._facts: Callable[[], Facts] = Facts
        self._names: dict[int, str] = {}
        self._statuses, self._reasons = Few(MOST_WORDS), Few(MOST_WORDS)
        self._binds = Gauges(
            "siaran_binds",
            "1 for the state that a bind is in",
            ("carrier", "bind", "state"),
            None,
        )
        self._window = Gauges(
            "siaran_bind_window",
            "Segments that a bind may have on the wire without an answer",
            ("carrier", "bind"),
            None,
        )
        self._outstanding = Gauges(
            "siaran_bind_outstanding",
            "Segments that a bind has on the wire without an answer",
            ("carrier", "bind"),
            None,
        )
        self._rate = Gauges(
            "siaran_carrier_rate",
            "PDUs a second that a carrier is sent at most: now, and as configured; 0: no limit",
            ("carrier", "which"),
            None,
        )
        self._idle = Gauges(
            "siaran_submit_idle_seconds",
            "How long no submit_sm has gone out to a carrier while messages wait to be launched;"
            " 0: none waits",
            ("carrier",),
            None,
        )
        self._paused = Gauges(
            "siaran_carrier_paused",
            "1 while nothing is launched to a carrier, by a person's will or the engine's",
            ("carrier",),
            None,
        )
        registry.register(self)
        self._outcomes = Counts(
            "siaran_submit_outcomes_total",
            "Segments by the command_status that answered them",
            ("carrier", "status"),
            registry,
        )
        self._latency = Histogram(
            "siaran_submit_latency_seconds",
            "From submit_sm to its response",
            ("carrier",),
            registry,
            bounds=LATENCY,
        )
        self._ages = Histogram(
            "siaran_receipt_latency_seconds",
            "From a segment's acceptance to its good receipt; of some receipts, each second",
            ("carrier",),
            registry,
            bounds=RECEIPT,
        )
        self._throttles = Counts(
            "siaran_throttles_total",
            "Answers that lower a carrier's rate: throttled, queue full",
            ("carrier", "reason"),
            registry,
        )
        self._alerts = Counts(
            "siaran_carrier_alerts_total",
            "What a person should look at: refused binds, answers that mean a wrong configuration",
            ("carrier", "reason"),
            registry,
        )
        self._troubles = Counts(
            "siaran_bind_troubles_total",
            "What went wrong on a bind: no connection, a refusal, an answer that makes no sense",
            ("carrier", "bind", "reason"),
            registry,
        )

    def watch(self, facts: Callable[[], Facts]) -> None:
        """Who is asked at each scrape."""
        self._facts = facts

    def name(self, carrier_id: int, name: str) -> None:
        """Says which carrier a number stands for."""
        self._names[carrier_id] = name

    def alert(self, carrier: str, reason: str) -> None:
        """Something about a carrier that a person should look at."""
        self._alerts.add((carrier, self._reasons(reason)))

    def trouble(self, carrier: str, bind: str, reason: str, n: int = 1) -> None:
        """Something went wrong on a bind; `reason` is one of few words."""
        self._troubles.add((carrier, bind, self._reasons(reason)), n)

    def throttled(self, carrier: str, reason: str) -> None:
        """A carrier has said that we are too fast: `throttled` or `queue full`."""
        self._throttles.add((carrier, reason))

    def answered(self, carrier: str, n: int, seconds: float) -> None:
        """So many responses in one read. One stands for all: they waited for the same read."""
        self._latency.observe((carrier,), seconds, n)

    def receipt_age(self, carrier_id: int, seconds: float) -> None:
        """A receipt came so long after its segment was accepted."""
        self._ages.observe((self._names.get(carrier_id, "?"),), seconds)

    def outcomes(self, outcomes: Iterable[tuple[tuple[int, str], int]]) -> None:
        """Segments by carrier and status, of a turn that has committed."""
        for (carrier_id, status), n in outcomes:
            self._outcomes.add((self._names.get(carrier_id, "?"), self._statuses(status)), n)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        facts = self._facts()
        binds, carriers = list(facts.binds), list(facts.carriers)
        yield self._binds.family(
            ((one.carrier, one.bind, state), float(state == one.state))
            for one in binds
            for state in BIND_STATES
        )
        yield self._window.family(((one.carrier, one.bind), one.window) for one in binds)
        yield self._outstanding.family(((one.carrier, one.bind), one.outstanding) for one in binds)
        yield self._rate.family(
            ((one.carrier, which), rate)
            for one in carriers
            for which, rate in (("now", one.rate), ("configured", one.configured))
        )
        yield self._idle.family(((one.carrier,), one.idle_s) for one in carriers)
        yield self._paused.family(((one.carrier,), float(one.paused)) for one in carriers)
