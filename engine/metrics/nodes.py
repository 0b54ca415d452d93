"""Metrics of the nodes that share the database: which one this is, how many stand where (R-8.4)."""

from collections import Counter
from collections.abc import Iterable

from prometheus_client import CollectorRegistry

from engine.domain.nodes import NodeState
from engine.metrics.kinds import Counts, Gauges


class Nodes:
    """This node, and the others as it sees them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._info = Gauges(
            "siaran_node_info", "1: the name of the node that is scraped", ("node",), registry
        )
        self._epoch = Gauges(
            "siaran_node_epoch",
            "Rises when the node starts, and when it was taken over and goes on",
            (),
            registry,
        )
        self._states = Gauges(
            "siaran_nodes",
            "Nodes that share the database by where they stand: up, draining, drained, silent (the"
            " lease has run out), lost (taken over), stopped; the same on each of them",
            ("state",),
            registry,
        )
        self._take_overs = Counts(
            "siaran_take_overs_total", "Lost nodes that this one has taken over", (), registry
        )
        self._uncertain = Counts(
            "siaran_taken_over_messages_total",
            "Messages that were on the wire of a lost node, which are sent again without a receipt",
            (),
            registry,
        )

    def name(self, node: str, epoch: int) -> None:
        """Which node this is."""
        self._info.set((node,), 1)
        self.epoch(epoch)

    def epoch(self, epoch: int) -> None:
        """It has another epoch."""
        self._epoch.set((), epoch)

    def states(self, states: Iterable[NodeState]) -> None:
        """Where all nodes stand."""
        found = Counter(states)
        for state in NodeState:
            self._states.set((str(state),), found[state])

    def took_over(self, uncertain: int) -> None:
        """Another node was lost, and so many of its messages are uncertain."""
        self._take_overs.add(())
        self._uncertain.add((), uncertain)
