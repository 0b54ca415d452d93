"""Metrics of messages on their way: the queue, the turns, what receipts say."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry

from engine.metrics.kinds import Counts, Few, Gauges, Histogram

# Anybody who may add an application could make a scrape as long as they like.
MOST_APPLICATIONS: Final = 200

TURN: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
SIZE: Final = (0, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500)


class Traffic:
    """What turns do, and what waits for them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._applications = Few(MOST_APPLICATIONS)
        self.waiting_since: float | None = None
        """Since when something waits to be launched, by trio's clock; None: nothing does."""
        self._depth = Gauges(
            "siaran_queue_messages",
            "Messages that wait to be launched: of campaigns, or single ones (about, from 1,000 on)",
            ("application", "class"),
            registry,
        )
        self._oldest = Gauges(
            "siaran_queue_oldest_seconds",
            "How long the oldest of them has been due; 0: none waits",
            ("application", "class"),
            registry,
        )
        self._launched = Counts("siaran_segments_launched_total", "Segments launched", (), registry)
        self._turn = Histogram(
            "siaran_turn_seconds",
            "Duration of a turn, its commit included",
            (),
            registry,
            bounds=TURN,
        )
        self._size = Histogram(
            "siaran_turn_segments", "Segments that a turn launched", (), registry, bounds=SIZE
        )
        self._receipts = Counts(
            "siaran_receipts_total",
            "Receipts by what they say; parked: no submission known (yet)",
            ("state",),
            registry,
        )
        self._days = Gauges(
            "siaran_retention_waiting_days",
            "Days older than rows are kept that stay: something is to be done, or they are in use",
            (),
            registry,
        )

    def days_waiting(self, days: int) -> None:
        """So many days should have been dropped by now."""
        self._days.set((), days)

    def queue(self, depths: Iterable[tuple[str, str, int, float]], now: float) -> None:
        """What waits: application, class, how many, and for how many seconds the oldest has."""
        numbers: dict[tuple[str, ...], float] = {}
        ages: dict[tuple[str, ...], float] = {}
        for application, kind, n, oldest_s in depths:
            key = (self._applications(application), kind)
            numbers[key] = numbers.get(key, 0) + n
            ages[key] = max(ages.get(key, 0.0), oldest_s)
        self._depth.replace(numbers)
        self._oldest.replace(ages)
        if not any(numbers.values()):
            self.waiting_since = None
        elif self.waiting_since is None:
            self.waiting_since = now

    def turn(self, seconds: float, launched: int) -> None:
        """A turn has committed."""
        self._turn.observe((), seconds)
        self._size.observe((), launched)
        self._launched.add((), launched)

    def receipts(self, receipts: Iterable[tuple[str, int]]) -> None:
        """Receipts have been taken, by a turn or later by the sweep."""
        for state, n in receipts:
            self._receipts.add((state,), n)
