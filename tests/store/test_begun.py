"""A message of which a carrier took a part, when that carrier is down, gone or configured anew."""

from __future__ import annotations

from typing import Any

import pytest

from config.settings import LongMessages
from smpp import status
from tests.road import Line, Road, ok, refused

LONG = "y" * 400
"""Three segments."""


def begun(road: Road, **other: Any) -> tuple[int, Line, Line]:
    """A took segments 1 and 3 of a message and is down since; B is up. `other` are B's settings."""
    a = road.line(carrier="a")
    b = road.line(carrier="b", **other)
    road.down = {"b"}
    campaign = road.campaign(1, text=LONG)
    road.turn()
    one, two, three = a.tokens
    answers = (ok(one, "A1", a.carrier_id), ok(three, "A3", a.carrier_id))
    road.settle(*answers, refused(two, status.THROTTLED, a.carrier_id))
    road.pass_time(1)
    road.down = {"a"}
    return campaign, a, b


def wait(road: Road, seconds: float = 301) -> None:
    """So much later."""
    road.pass_time(seconds)
    road.sql("UPDATE submission SET at = at - make_interval(secs => %s)", seconds)


def test_it_waits_for_its_carrier_and_goes_on_there(road: Road) -> None:
    """R-5.5: all segments over one; R-8.2: what was taken is not sent again."""
    _, a, b = begun(road)
    road.turn()
    wait(road, 60)
    road.turn()
    assert b.wire == []
    road.down = set()
    road.pass_time(5)
    road.turn()
    assert [(token.segment, token.attempt) for token in a.tokens] == [(2, 2)]
    assert b.wire == []


def test_nothing_waits_behind_it(road: Road) -> None:
    """R-5.5: it stops neither those on its route nor the turns."""
    _, _, b = begun(road)
    message_id = road.single()
    later = road.single(message_class=2)
    done = road.turn()
    assert {token.message_id for token in b.tokens} == {message_id, later}
    done = road.turn()
    assert (done.launched, done.more) == (0, False)


def test_when_that_lasts_a_carrier_takes_the_rest_that_sends_the_same(road: Road) -> None:
    """R-5.5, R-8.2: the handset can put it together, and no segment goes out twice."""
    campaign, _, b = begun(road)
    road.turn()
    wait(road)
    road.turn()
    [(token, submit)] = b.wire
    assert (token.segment, token.attempt) == (2, 2)
    assert submit.short_message[:6] == bytes((5, 0, 3, submit.short_message[3], 3, 2))
    road.settle(ok(token, "B2", b.carrier_id))
    assert road.states(campaign) == {"sent": 1}


@pytest.mark.parametrize(
    "other",
    [{"long_messages": LongMessages.UDH16}, {"source_ton": 5}, {"plus": True, "source_npi": 9}],
)
def test_none_takes_the_rest_that_sends_something_else(road: Road, other: dict[str, Any]) -> None:
    """R-8.2: parts that don't fit are no message, and all of it again would be twice a part."""
    campaign, a, b = begun(road, **other)
    road.turn()
    wait(road)
    road.turn()
    assert b.wire == []
    assert road.states(campaign) == {"queued": 1}
    road.down = set()
    road.pass_time(5)
    road.turn()
    assert [token.segment for token in a.tokens] == [2]


def test_it_fails_when_its_carrier_is_no_more(road: Road) -> None:
    """R-8.2: nobody knows how that cut it; it ends with the reason, after what may be a slip."""
    campaign, a, b = begun(road)
    road.lines.remove(a)
    b.number = 0
    road.down = set()
    road.turn()
    assert road.states(campaign) == {"queued": 1}
    wait(road)
    road.turn()
    [message] = road.messages(campaign)
    assert (message.state, b.wire) == ("failed", [])
    assert message.reason == "the carrier that took a part of it is not configured any more"


def test_it_fails_when_its_carrier_cuts_it_otherwise_since(road: Road) -> None:
    """R-8.2: with the rest of another cut it would be no message; nothing is sent for ever either."""
    a = road.line(carrier="a")
    campaign = road.campaign(1, text="y" * 160 + "€")
    road.turn()
    one, two = a.tokens
    road.settle(ok(two, "A2", a.carrier_id), refused(one, status.THROTTLED, a.carrier_id))
    road.pass_time(1)
    road.lines.clear()
    a = road.line(carrier="a", long_messages=LongMessages.PAYLOAD)
    road.turn()
    [message] = road.messages(campaign)
    assert (message.state, a.wire) == ("failed", [])
    assert message.reason == "its carrier cuts it otherwise since a part of it was taken"
