"""What the binds of this engine are doing now: for people (`siaran carrier ls`) and for Prometheus."""

from dataclasses import dataclass

import trio

from engine.gateway.binds import Bind
from engine.gateway.gateway import Gateway
from engine.metrics.carriers import BindFacts, CarrierFacts, Facts
from engine.metrics.traffic import Traffic
from engine.store.control import BindRow


@dataclass(frozen=True, slots=True)
class Standing:
    """Looks at the gateway when somebody asks; nothing is counted on the way of a message."""

    gateway: Gateway
    traffic: Traffic

    def rows(self) -> list[BindRow]:
        """For the database, where commands read them."""
        now = trio.current_time()
        return [_row(bind, now) for bind in self.gateway.binds.values()]

    def facts(self) -> Facts:
        """For a scrape."""
        now = trio.current_time()
        binds = list(self.gateway.binds.values())
        of: dict[str, list[Bind]] = {}
        for bind in binds:
            of.setdefault(bind.plan.name, []).append(bind)
        return Facts(
            binds=[
                BindFacts(
                    carrier=bind.plan.name,
                    bind=bind.name,
                    state=bind.state.value,
                    window=bind.plan.carrier.window,
                    outstanding=_outstanding(bind),
                )
                for bind in binds
            ],
            carriers=[
                CarrierFacts(
                    carrier=name,
                    rate=ours[0].pace.rate(now),
                    configured=ours[0].plan.carrier.rate,
                    idle_s=self._idle_s(ours, now),
                    paused=ours[0].plan.id in self.gateway.paused,
                )
                for name, ours in of.items()
            ],
        )

    def _idle_s(self, binds: list[Bind], now: float) -> float:
        """How long nothing has gone out over any of these while something waits to go."""
        since = self.traffic.waiting_since
        if since is None:
            return 0.0
        return max(0.0, now - max(since, *(bind.sent_at for bind in binds)))


def _row(bind: Bind, now: float) -> BindRow:
    carrier = bind.plan.carrier
    return BindRow(
        name=bind.name,
        carrier_id=bind.plan.id,
        mode=bind.mode.value,
        state=bind.state.value,
        since=bind.since,
        last_error=bind.last_error,
        window_size=carrier.window,
        outstanding=_outstanding(bind),
        rate=round(bind.pace.rate(now), 1),
        rate_limit=carrier.rate,
        latency_ms=None if bind.latency_s is None else round(bind.latency_s * 1000, 1),
        throttles=bind.throttles,
    )


def _outstanding(bind: Bind) -> int:
    return bind.session.connection.outstanding if bind.session else 0
