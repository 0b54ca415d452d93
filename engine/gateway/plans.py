"""What turns and binds must know of a carrier: its configuration, translated once.

A `Plan` is the same value for all binds of a carrier until a reload brings another one. What a
carrier teaches us (`Pace`) is not in it: that outlives sessions and reloads.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from config import settings as config
from config.settings import Carrier, ReceiptsPer, Route
from engine.domain import receipts, routing
from engine.domain.policy import STANDARD, Override, Policies
from engine.domain.receipts import ErrRule, Rules
from engine.domain.routing import Routing
from smpp import period, tlv, transport
from smpp.pdu import Address
from smpp.receipt import ReceiptState
from smpp.segments import PLAIN, Language, Profile
from smpp.status import Policy
from smpp.traffic import SubmitTemplate

_KEPT = 1_000
"""Templates that a plan remembers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One carrier as it is configured."""

    id: int
    carrier: Carrier
    profile: Profile = PLAIN
    without_tlvs: Profile = PLAIN
    policies: Policies = STANDARD
    receipts: Rules = receipts.PLAIN
    templates: dict[tuple[str, int, int, bool, str | None], SubmitTemplate] = field(
        default_factory=dict
    )
    """By sender, its TON and NPI, with optional parameters or without, and validity where it is not
    the carrier's: the part of a submit_sm that does not change."""

    @property
    def name(self) -> str:
        return self.carrier.name

    def address(self, mobile: str) -> str:
        """A number as this carrier wants it."""
        return mobile if self.carrier.plus else mobile.removeprefix("+")

    def source(self, sender: str, ton: int, npi: int) -> Address:
        """A sender as this carrier wants it."""
        carrier = self.carrier
        return Address(
            ton if carrier.source_ton is None else carrier.source_ton,
            npi if carrier.source_npi is None else carrier.source_npi,
            self.address(sender),
        )

    def until(self, not_after: datetime, now: datetime) -> str | None:
        """The validity period of what must not go out after a time; None: the carrier's is shorter."""
        left_s = (not_after - now).total_seconds()
        if self.carrier.validity_s and self.carrier.validity_s <= left_s:
            return None
        return period.until(not_after)

    def template(
        self, sender: str, ton: int, npi: int, *, tlvs: bool, validity: str | None = None
    ) -> SubmitTemplate:
        """What all messages of a sender (and campaign, with a `validity`) share at this carrier."""
        key = (sender, ton, npi, tlvs, validity)
        template = self.templates.get(key)
        if template is None:
            carrier = self.carrier
            if len(self.templates) >= _KEPT:  # campaigns with a time limit come and go
                self.templates.clear()
            source = self.source(sender, ton, npi)
            extra = [tlv.build(one.tag, one.value) for one in carrier.tlvs] if tlvs else []
            template = self.templates[key] = SubmitTemplate(
                source,
                carrier.dest_ton,
                carrier.dest_npi,
                service_type=carrier.service_type,
                priority=carrier.priority,
                validity_period=period.relative(carrier.validity_s)
                if validity is None
                else validity,
                registered_delivery=carrier.registered_delivery,
                tlvs=b"".join(extra),
            )
        return template


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """All carriers and routes of a configuration, as turns use them."""

    plans: Mapping[str, Plan]
    routing: Routing
    """This node's routes, and those that only others have: what these are for waits for them."""
    route_ids: Mapping[str, int]
    """By what a route matches (`RoutePlan.key`), its number in the database."""
    everywhere: Routing | None = None
    """The routes of all nodes, as each of them has them; None: there are no others."""

    def open_routes(self, up: frozenset[str]) -> list[int]:
        """The numbers of the routes on which one of these carriers may take a message."""
        keys = (self.everywhere or self.routing).open(up)
        return [self.route_ids[key] for key in keys if key in self.route_ids]

    def by_id(self, carrier_id: int) -> Plan | None:
        """The carrier of that number; None when it is no longer configured."""
        for plan in self.plans.values():
            if plan.id == carrier_id:
                return plan
        return None


def plan_of(carrier: Carrier, carrier_id: int) -> Plan:
    """A carrier's configuration as turns use it."""
    profile = Profile(
        alphabet=carrier.alphabet.value,
        ucs2_coding=carrier.ucs2_coding or None,
        method=carrier.long_messages.value,
        languages=tuple(Language[table.name] for table in carrier.shift_tables),
    )
    overrides = {
        status.number: Override(
            policy=Policy(status.policy.value), name=status.label, alert=status.alert
        )
        for status in carrier.statuses
    }
    return Plan(
        id=carrier_id,
        carrier=carrier,
        profile=profile,
        without_tlvs=profile.without_tlvs(),
        policies=Policies(overrides) if overrides else STANDARD,
        receipts=Rules(
            base=carrier.receipt_id.value,
            whole=carrier.receipts_per is ReceiptsPer.MESSAGE,
            accepted_is_final=carrier.accepted_is_final,
            stats={stat.name.upper(): ReceiptState(stat.state) for stat in carrier.stats},
            errs={
                err.name.upper(): ErrRule(
                    label=err.label, state=None if err.state is None else ReceiptState(err.state)
                )
                for err in carrier.errs
            },
        ),
    )


def tls_of(tls: config.Tls) -> transport.Tls:
    """How a connection is secured."""
    return transport.Tls(
        ca_file=_path(tls.ca_file),
        certificate=_path(tls.certificate),
        key=_path(tls.key),
        server_name=tls.server_name,
        verify=tls.verify,
    )


def _path(name: str | None) -> Path | None:
    return None if name is None else Path(name)


def network_of(
    own: Sequence[routing.Route],
    others: Sequence[tuple[str, Sequence[routing.Route]]],
) -> tuple[Routing, Routing]:
    """The routes that turns go by, and those of all nodes; `others` by the nodes' names.

    A route that only another node has is one whose carriers are never up here (R-8.4): a message for
    it is put on that route, where the turns of who has it find it.
    """
    known = {str(route) for route in own}
    foreign: dict[str, routing.Route] = {}
    for name, routes in others:
        for route in routes:
            if str(route) not in known:
                shares = tuple(
                    replace(one, carrier=f"{one.carrier} of {name}") for one in route.shares
                )
                foreign.setdefault(str(route), replace(route, shares=shares))
    return (
        Routing([*own, *foreign.values()]),
        Routing([*own, *(route for _, routes in others for route in routes)]),
    )


def told(route: routing.Route) -> dict[str, Any]:
    """A route as other nodes read it (`heard`)."""
    return {"key": str(route), **asdict(route)}


def heard(row: Mapping[str, Any]) -> routing.Route:
    """A route as another node has told it; what this version does not know of it is nothing to it."""
    return routing.Route(
        prefix=row["prefix"],
        sender=row["sender"],
        application=row["application"],
        masks=row["masks"],
        shares=tuple(
            routing.Share(carrier=one["carrier"], weight=one["weight"], tier=one["tier"])
            for one in row["shares"]
        ),
    )


def routes_of(routes: Iterable[Route]) -> list[routing.Route]:
    """The configured routes as values that decide."""
    return [
        routing.Route(
            prefix=route.prefix,
            sender=route.sender,
            application=route.application,
            masks=route.masks,
            shares=tuple(
                routing.Share(carrier=share.name, weight=share.weight, tier=share.tier)
                for share in route.carriers
            ),
        )
        for route in routes
    ]
