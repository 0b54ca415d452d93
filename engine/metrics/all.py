"""The metrics of one process: each subject's, and the registry that a scrape reads."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry

from engine.metrics.carriers import Carriers
from engine.metrics.nodes import Nodes
from engine.metrics.outbox import Outbox
from engine.metrics.process import Process
from engine.metrics.subscribers import Subscribers
from engine.metrics.traffic import Traffic


class Metrics:
    """All of them. Whoever has something to tell tells its subject."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.process = Process(self.registry)
        self.carriers = Carriers(self.registry)
        self.traffic = Traffic(self.registry)
        self.subscribers = Subscribers(self.registry)
        self.outbox = Outbox(self.registry)
        self.nodes = Nodes(self.registry)

    def turn(
        self,
        seconds: float,
        launched: int,
        outcomes: Iterable[tuple[tuple[int, str], int]],
        receipts: Iterable[tuple[str, int]],
        ages: Iterable[tuple[int, float]] = (),
    ) -> None:
        """A turn has committed."""
        self.traffic.turn(seconds, launched)
        self.carriers.outcomes(outcomes)
        self.traffic.receipts(receipts)
        for carrier_id, age_s in ages:
            self.carriers.receipt_age(carrier_id, age_s)
