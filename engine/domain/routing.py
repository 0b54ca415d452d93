"""Which carriers take a message: by number, sender and application (R-5.5).

One route decides about a message, the most particular one: the longest prefix; of equal ones that
with sender and application, then with a sender, then with an application, then with neither; of
these one without masks goes before one with them. A route without masks is none for a message from
an alphanumeric sender (R-2.6): the next one that fits decides. Its carriers stand in tiers. Those of the lowest tier of which any is up share the messages by weight;
while all of that tier are down, the next one does, and when one is back, it has its part again.
While all of them are down, or no route fits, the message waits: nothing here fails it.

Compiled once for a configuration; a look-up takes less than a microsecond:

    table = routing.table("3774", "default")          # for a sender and an application
    match table.way("+64211234567", up, message_id):
        case Way(carriers=carriers): ...              # try them in this order
        case NoWay(reason=reason): ...                # for `campaign show`
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, NamedTuple, Protocol

__all__ = [
    "NoWay",
    "Route",
    "RoutePlan",
    "Routing",
    "Share",
    "Table",
    "Way",
    "fits",
    "is_mask",
    "unrouted",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A carrier's part in a route: its weight among those of its tier; lower tiers come first."""

    carrier: str
    weight: int = 1
    tier: int = 1

    def __post_init__(self) -> None:
        if self.weight < 1 or self.tier < 1:
            raise ValueError(f"{self.carrier}: weight and tier begin with 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where messages go whose number begins with `prefix` (`+64`; `""`: every number)."""

    shares: tuple[Share, ...]
    prefix: str = ""
    sender: str | None = None
    application: str | None = None
    masks: bool = True
    """Whether alphanumeric senders may use it."""

    def __str__(self) -> str:
        more = ""
        if self.sender is not None:
            more += f", sender {self.sender}"
        if self.application is not None:
            more += f", application {self.application}"
        if not self.masks:
            more += ", no masks"
        return f"{self.prefix or 'for every number'}{more}"


class Matching(Protocol):
    """What a route is for, numbers aside: ours, or one as it is configured."""

    @property
    def sender(self) -> str | None: ...
    @property
    def application(self) -> str | None: ...
    @property
    def masks(self) -> bool: ...


def fits(route: Matching, sender: str, application: str) -> bool:
    """Whether messages of a sender and an application may take a route, to numbers that it is for."""
    return (
        route.sender in (None, sender)
        and route.application in (None, application)
        and (route.masks or not is_mask(sender))
    )


def unrouted(
    senders: Iterable[tuple[str, str]], routes: Iterable[Matching]
) -> list[tuple[str, str]]:
    """Of senders (address, application) those that no route is for: their messages would wait."""
    routes = tuple(routes)
    return [one for one in senders if not any(fits(route, *one) for route in routes)]


def is_mask(sender: str) -> bool:
    """Whether a sender is alphanumeric: such can't receive replies, and some carriers take none.

    >>> is_mask("Siaran"), is_mask("+64211234567"), is_mask("3774")
    (True, False, False)
    """
    return not sender.removeprefix("+").isdecimal()


class Way(NamedTuple):
    """The carriers that may take a message, in the order in which to try them. Hot path: a tuple.

    The first `sharing` are of the tier that is in force: where one has no room, the next of these
    takes the message. The others are for one that the first ones have refused.
    """

    carriers: tuple[str, ...]
    sharing: int


@dataclass(frozen=True, slots=True)
class NoWay:
    """Why a message has to wait. `routed`: it has a route, whose carriers are down."""

    reason: str
    routed: bool


class Routing:
    """All routes of a configuration."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = tuple(RoutePlan(route) for route in routes)
        self.keys = tuple(plan.key for plan in self._routes)
        """What each route matches, in words: its name."""
        self._senders = {plan.route.sender for plan in self._routes}
        self._applications = {plan.route.application for plan in self._routes}
        self._tables: dict[tuple[str | None, str | None, bool], Table] = {}

    def carriers(self) -> dict[str, list[str]]:
        """The carriers of each route, by key; of two that match the same, those of both."""
        found: dict[str, dict[str, None]] = {}
        for plan in self._routes:
            found.setdefault(plan.key, {}).update((s.carrier, None) for s in plan.route.shares)
        return {key: list(names) for key, names in found.items()}

    def open(self, room: Set[str]) -> list[str]:
        """The routes (by key) on which one of the carriers with `room` may take a message."""
        return [
            plan.key
            for plan in self._routes
            if any(share.carrier in room for share in plan.route.shares)
        ]

    def table(self, sender: str, application: str) -> "Table":
        """The routes that messages of this sender and application have; cheap when asked again."""
        # What no route names is like any other, so that there are few tables whatever is asked.
        key = (
            sender if sender in self._senders else None,
            application if application in self._applications else None,
            is_mask(sender),
        )
        table = self._tables.get(key)
        if table is None:
            table = self._tables[key] = self._make(*key)
        return table

    def _make(self, sender: str | None, application: str | None, mask: bool) -> "Table":
        plans: dict[str, RoutePlan] = {}
        for plan in sorted(self._routes, key=lambda plan: plan.particular):
            route = plan.route
            if route.sender not in (None, sender) or route.application not in (None, application):
                continue
            if route.masks or not mask:
                plans[route.prefix] = plan  # the most particular one comes last
        return Table(plans)


class Table:
    """The routes of one sender and application, by prefix."""

    __slots__ = ("_lengths", "_plans")

    def __init__(self, plans: "dict[str, RoutePlan]") -> None:
        self._plans = plans
        self._lengths = sorted({len(prefix) for prefix in plans}, reverse=True)

    def way(self, mobile: str, up: frozenset[str], message_id: int, turn: int = 0) -> "Way | NoWay":
        """Where the message to `mobile` (`+64…`) goes, when the carriers `up` can take messages.

        The same message gets the same answer each time, and neighbouring ids are spread evenly by
        weight. `turn` is how many carriers on it is to be tried: `policy.turn(refused)`.
        """
        plan = self.find(mobile)
        if plan is None:
            return NoWay(f"no route for {mobile[:_SHOWN]}…", routed=False)
        return plan.way(up, message_id, turn)

    def find(self, mobile: str) -> "RoutePlan | None":
        """The route of a number."""
        plans = self._plans
        for length in self._lengths:
            plan = plans.get(mobile[:length])
            if plan is not None:
                return plan
        return None


_SHOWN: Final = 4  # of a number that has no route: enough to see which country is missing
_GOLDEN: Final = 0x9E3779B97F4A7C15  # 2⁶⁴ over the golden ratio: spreads neighbours evenly
_MASK: Final = (1 << 64) - 1


class _Ready(NamedTuple):
    """The carriers of a plan that are up: where each one's part ends, and the order after it."""

    ends: Sequence[int]
    total: int
    ways: Sequence[Way]


class RoutePlan:
    """A route, and its answers for the sets of carriers that have been up.

    `key` is what it matches, in words.
    """

    __slots__ = ("_ready", "key", "particular", "route")

    def __init__(self, route: Route) -> None:
        self.route = route
        self.key = str(route)
        self.particular = (
            4 * (route.sender is not None) + 2 * (route.application is not None) + (not route.masks)
        )
        self._ready: dict[frozenset[str], _Ready | NoWay] = {}

    def way(self, up: frozenset[str], message_id: int, turn: int = 0) -> Way | NoWay:
        """See `Table.way`."""
        ready = self._ready.get(up)
        if ready is None:
            if len(self._ready) >= _KEPT:
                self._ready.clear()
            ready = self._ready[up] = self._prepare(up)
        if isinstance(ready, NoWay):
            return ready
        ends, total, ways = ready
        if total == 1:
            way = ways[0]
        else:
            way = ways[bisect_right(ends, (message_id * _GOLDEN & _MASK) * total >> 64)]
        if turn:
            carriers = way.carriers
            turn %= len(carriers)
            return Way(carriers[turn:] + carriers[:turn], 1) if turn else way
        return way

    def _prepare(self, up: frozenset[str]) -> _Ready | NoWay:
        tiers: dict[int, list[Share]] = {}
        for share in self.route.shares:
            if share.carrier in up:
                tiers.setdefault(share.tier, []).append(share)
        if not tiers:
            names = ", ".join(share.carrier for share in self.route.shares)
            one = len(self.route.shares) == 1
            which = f"carrier {names} is" if one else f"all of {names} are"
            return NoWay(f"{which} down (route {self.route})", routed=True)
        first, *later = (tiers[tier] for tier in sorted(tiers))
        names_later = tuple(share.carrier for tier in later for share in tier)
        names_first = tuple(share.carrier for share in first)
        ends = list(accumulate(share.weight for share in first))
        ways = [
            Way(names_first[at:] + names_first[:at] + names_later, len(first))
            for at in range(len(first))
        ]
        return _Ready(ends, ends[-1] if len(first) > 1 else 1, ways)


_KEPT: Final = 64
"""Sets of carriers that a plan remembers; who is up changes seldom."""
