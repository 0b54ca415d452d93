"""Metrics of what subscribers write: what became of it, what it was taken for, what it was answered."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry

from engine.metrics.kinds import Counts


class Subscribers:
    """MO, by what was done with them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._inbound = Counts(
            "siaran_mo_total",
            "MO by what became of them: stored, or a redelivery",
            ("effect",),
            registry,
        )
        self._meanings = Counts(
            "siaran_mo_meanings_total",
            "MO in the inbox by what they were taken for: opt-out, near miss, keyword, reply, …",
            ("meaning",),
            registry,
        )
        self._effects = Counts(
            "siaran_mo_effects_total",
            "What MO have done: opted out, opted in, blacklisted, off the blacklist, joined",
            ("effect",),
            registry,
        )
        self._responses = Counts(
            "siaran_auto_responses_total",
            "Auto-responses by their level: general, optout, optin, help, list, keyword",
            ("kind",),
            registry,
        )

    def inbound(self, effect: str, n: int) -> None:
        """MO have been stored, or known already."""
        self._inbound.add((effect,), n)

    def decided(
        self, meanings: Mapping[str, int], effects: Mapping[str, int], responses: Mapping[str, int]
    ) -> None:
        """What MO were taken for, what they have done, and which responses they get."""
        for counts, found in (
            (self._meanings, meanings),
            (self._effects, effects),
            (self._responses, responses),
        ):
            for word, n in found.items():
                counts.add((word,), n)
