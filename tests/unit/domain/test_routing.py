"""Where a message goes: prefix, sender, application, weights, tiers (R-5.5)."""

import timeit
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.routing import NoWay, Route, Routing, Share, Way, is_mask, unrouted

MOBILE = "+64211234567"


def route(
    carriers: str, prefix: str = "", sender: str | None = None, application: str | None = None
) -> Route:
    """`"a b:3 c//d"`: a and c with weight 1, b with 3, d in the second tier."""
    shares = tuple(
        Share(carrier=name, weight=int(weight or 1), tier=tier)
        for tier, names in enumerate(carriers.split("//"), 1)
        for name, _, weight in (part.partition(":") for part in names.split())
    )
    return Route(shares=shares, prefix=prefix, sender=sender, application=application)


def first(
    routing: Routing, mobile: str = MOBILE, sender: str = "3774", app: str = "default"
) -> str:
    way = routing.table(sender, app).way(mobile, frozenset("abcdefgh"), 1)
    assert isinstance(way, Way)
    return way.carriers[0]


ROUTES = [
    route("a"),
    route("b", "+64"),
    route("c", "+6421"),
    route("d", "+64", application="bank"),
    route("e", "+64", sender="3774"),
    route("f", "+64", sender="3774", application="bank"),
    route("g", sender="5000"),
]


@pytest.mark.parametrize(
    ("mobile", "sender", "application", "carrier"),
    [
        ("+628123456789", "1", "x", "a"),
        ("+64271234567", "1", "x", "b"),
        ("+64211234567", "1", "x", "c"),  # the longest prefix
        ("+64271234567", "1", "bank", "d"),
        ("+64271234567", "3774", "x", "e"),
        ("+64271234567", "3774", "bank", "f"),
        ("+64211234567", "3774", "bank", "c"),  # prefix goes before sender and application
        ("+628123456789", "5000", "x", "g"),
        ("+64271234567", "5000", "x", "b"),
        ("+64", "1", "x", "b"),
        ("+6", "1", "x", "a"),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_the_most_particular_route_decides(
    mobile: str, sender: str, application: str, carrier: str, order: int
) -> None:
    """Whatever the order in which they are written."""
    assert first(Routing(ROUTES[::order]), mobile, sender, application) == carrier


def test_weights_share_a_tier_evenly() -> None:
    """Neighbouring ids, and every seventh, in the same proportion."""
    table = Routing([route("a:5 b:3 c:2")]).table("3774", "default")
    up = frozenset("abc")
    for start, step in ((0, 1), (20_000 << 36, 1), (123, 7), (1, 1000)):
        ways = [table.way(MOBILE, up, start + step * n, 0) for n in range(1000)]
        found = Counter(way.carriers[0] for way in ways if isinstance(way, Way))
        assert abs(found["a"] - 500) < 15
        assert abs(found["b"] - 300) < 15
        assert abs(found["c"] - 200) < 15


def test_the_same_message_goes_the_same_way() -> None:
    table = Routing([route("a b c")]).table("3774", "default")
    for message_id in range(50):
        assert len({table.way(MOBILE, frozenset("abc"), message_id) for _ in range(3)}) == 1


@pytest.mark.parametrize(
    ("up", "sharing", "later"),
    [
        ("abcd", "ab", "cd"),
        ("bcd", "b", "cd"),
        ("cd", "c", "d"),
        ("d", "d", ""),
        ("abd", "ab", "d"),
        ("abcdxyz", "ab", "cd"),
    ],
)
def test_a_tier_takes_over_when_all_of_the_one_before_are_down(
    up: str, sharing: str, later: str
) -> None:
    """Failover, and back as soon as one is up again; weights go on within the tier."""
    table = Routing([route("a b//c//d")]).table("3774", "default")
    for message_id in range(20):
        way = table.way(MOBILE, frozenset(up), message_id)
        assert isinstance(way, Way)
        assert sorted(way.carriers[: way.sharing]) == list(sharing)
        assert way.carriers[way.sharing :] == tuple(later)


def test_a_refused_message_goes_on_to_another_carrier() -> None:
    """R-5.7: retried, then by another carrier; round again when there is no further one."""
    table = Routing([route("a b//c")]).table("3774", "default")
    ways = [table.way(MOBILE, frozenset("abc"), 1, turn) for turn in range(4)]
    firsts = [way.carriers[0] for way in ways if isinstance(way, Way)]
    assert sorted(firsts[:3]) == ["a", "b", "c"]
    assert firsts[3] == firsts[0]
    alone = table.way(MOBILE, frozenset("a"), 1, 5)
    assert alone == Way(("a",), 1)


@pytest.mark.parametrize(
    ("routes", "mobile", "reason", "routed"),
    [
        ([route("a", "+64")], "+628123456789", "no route for +628…", False),
        ([], MOBILE, "no route for +642…", False),
        ([route("a")], MOBILE, "carrier a is down (route for every number)", True),
        (
            [route("a b//c", "+64", "3774", "default"), route("d")],
            MOBILE,
            "all of a, b, c are down (route +64, sender 3774, application default)",
            True,
        ),
    ],
)
def test_without_a_way_it_says_why(
    routes: list[Route], mobile: str, reason: str, routed: bool
) -> None:
    """R-5.5: messages wait; a route of a shorter prefix is no stand-in for tiers."""
    way = Routing(routes).table("3774", "default").way(mobile, frozenset("d"), 1)
    assert way == NoWay(reason, routed)


@given(
    st.lists(st.tuples(st.integers(1, 1000), st.integers(1, 4)), min_size=1, max_size=8), st.data()
)
def test_whoever_is_up_gets_it(parts: list[tuple[int, int]], data: st.DataObject) -> None:
    """Each carrier of the route that is up, once, lower tiers first; nobody who is down."""
    shares = tuple(
        Share(carrier=str(at), weight=weight, tier=tier) for at, (weight, tier) in enumerate(parts)
    )
    up = frozenset(data.draw(st.sets(st.sampled_from([share.carrier for share in shares]))))
    table = Routing([Route(shares=shares)]).table("3774", "default")
    way = table.way(MOBILE, up, data.draw(st.integers(0, 2**53)))
    if not up:
        assert isinstance(way, NoWay)
        return
    assert isinstance(way, Way)
    assert sorted(way.carriers) == sorted(up)
    tiers = [shares[int(name)].tier for name in way.carriers]
    assert tiers == sorted(tiers)
    assert way.sharing == tiers.count(tiers[0])


@pytest.mark.parametrize(("weight", "tier"), [(0, 1), (-1, 1), (1, 0)])
def test_a_weight_of_nothing_is_refused(weight: int, tier: int) -> None:
    with pytest.raises(ValueError, match="a: weight and tier begin with 1"):
        Share(carrier="a", weight=weight, tier=tier)


def test_a_look_up_costs_next_to_nothing() -> None:
    """One a message, so below a microsecond on an idle machine; here only that it is no search."""
    table = Routing([route("a:3 b//c", f"+{n}") for n in range(1000)]).table("3774", "default")
    up = frozenset("abc")
    took = min(timeit.repeat(lambda: table.way(MOBILE, up, 12345), number=10_000, repeat=3))
    assert took / 10_000 < 10e-6


def test_senders_that_no_route_names_share_a_table() -> None:
    routing = Routing(ROUTES)
    assert routing.table("unheard", "of") is routing.table("another", "one")


NO_MASKS = [
    Route(shares=(Share(carrier="cheap"),), prefix="+64", masks=False),
    Route(shares=(Share(carrier="dear"),), prefix="+64"),
    Route(shares=(Share(carrier="strict"),), prefix="+65", masks=False),
    Route(shares=(Share(carrier="rest"),), application="bank"),
]


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("mobile", "sender", "application", "carrier"),
    [
        ("+64211234567", "3774", "x", "cheap"),
        ("+64211234567", "+6421999", "x", "cheap"),
        ("+64211234567", "Siaran", "x", "dear"),
        ("+6591234567", "3774", "x", "strict"),
        ("+6591234567", "Siaran", "x", None),
        ("+6591234567", "Siaran", "bank", "rest"),  # the next one that fits
    ],
)
def test_a_route_without_masks_is_none_for_an_alphanumeric_sender(
    order: int, mobile: str, sender: str, application: str, carrier: str | None
) -> None:
    """R-2.6: it is as if it were not there."""
    table = Routing(NO_MASKS[::order]).table(sender, application)
    way = table.way(mobile, frozenset({"cheap", "dear", "strict", "rest"}), 1)
    assert (way.carriers[0] if isinstance(way, Way) else None) == carrier


def test_routes_that_differ_in_masks_have_names_of_their_own() -> None:
    """What waits on one is found by its name."""
    assert len(set(Routing(NO_MASKS).keys)) == len(NO_MASKS)


@pytest.mark.parametrize(
    ("sender", "mask"), [("Siaran", True), ("3774", False), ("+64211", False), ("1 800", True)]
)
def test_a_mask_is_what_is_no_number(sender: str, mask: bool) -> None:
    """R-2.6."""
    assert is_mask(sender) is mask


def test_who_has_no_route_is_told_before() -> None:
    """R-2.6, R-5.5: by `siaran check` and by a preview."""
    senders = [("3774", "x"), ("Siaran", "x"), ("Siaran", "bank")]
    strict = [NO_MASKS[2], NO_MASKS[3]]
    assert unrouted(senders, strict) == [("Siaran", "x")]
    assert unrouted(senders, []) == senders
