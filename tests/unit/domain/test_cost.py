"""What a message costs, recipient by recipient (R-2.1 to R-2.3)."""

from __future__ import annotations

import pytest

from engine.domain.cost import Cost, Member, Meter, notices
from engine.domain.errors import Refused
from engine.domain.merge import compile_text
from smpp.segments import Encoding


def measured(text: str, *params: list[str], encoding: str = "auto", most: int = 10) -> Cost:
    """The cost of a text to +6421…1, …2, … with these params."""
    members: list[Member] = [(n, f"+6421000000{n}", own) for n, own in enumerate(params, 1)]
    meter = Meter(compile_text(text), encoding, most=most)
    meter.add(members[:1])
    meter.add(members[1:])
    return meter.cost()


def test_a_param_can_turn_one_segment_into_two() -> None:
    """R-2.3: the count is of the merged text, of each recipient."""
    cost = measured("x" * 155 + "%%1%%", ["short"], ["longer"], ["short"])
    assert cost.histogram == {1: 2, 2: 1}
    assert (cost.recipients, cost.segments, cost.largest) == (3, 4, 2)
    assert (cost.characters, cost.units, cost.largest_mobile) == (161, 161, "+64210000002")


def test_a_param_can_force_ucs2_and_is_named() -> None:
    """R-2.1: what pushed it there."""
    cost = measured("Kia ora %%1%%", ["Māia"], ["Joe"])
    assert cost.encodings == {"gsm": 1, "ucs2": 1}
    assert cost.forced_by == ("ā",)
    assert "sent as UCS-2 for 1 of 2 recipients: ā (U+0101)" in notices(cost)


def test_who_gets_too_many_segments_is_named() -> None:
    """R-2.2: refused, never cut; R-2.3: found out for each recipient."""
    with pytest.raises(Refused, match=r"too long for \+64210000002 \(2 segments\) and 1 more"):
        measured("x" * 158 + "%%1%%", ["a"], ["abc"], ["abcd"], most=1)


def test_more_segments_than_can_be_numbered_are_only_too_many() -> None:
    """A text that no UDH could number is refused like any that is too long."""
    with pytest.raises(Refused, match="307 segments"):
        measured("x" * 153 * 300 + "%%1%%", ["x" * 153 * 7])


def test_forced_gsm_names_the_member_and_the_characters() -> None:
    """R-2.1: refused, naming what it can't carry."""
    with pytest.raises(Refused, match=r"params of \+64210000002 .*ā \(U\+0101\).*GSM can't carry"):
        measured("Kia ora %%1%%", ["Joe"], ["Māia"], encoding="gsm")


@pytest.mark.parametrize(
    ("text", "encoding", "says"),
    [
        ("x" * 161, "auto", "takes 2 segments (161 characters in GSM), at most 1"),
        ("Kia ora, tēnā koe", "gsm", "ē ā (U+0113, U+0101)"),
        ("%%1%%" + "ā" * 71, "auto", "2 segments"),
    ],
)
def test_a_text_that_no_params_can_save_is_refused_first(
    text: str, encoding: str, says: str
) -> None:
    """R-2.1, R-2.2: before a file of a million rows is read."""
    with pytest.raises(Refused) as refused:
        Meter(compile_text(text), encoding, most=1).check_text()
    assert says in str(refused.value)


def test_missing_params_are_counted_and_their_members_named() -> None:
    """R-2.3: how many, and the first of them."""
    cost = measured("%%1%% %%3%%", ["a", "b", "c"], ["a"], ["", "b", "c"], ["a"], [])
    assert (cost.missing, cost.missing_params) == (4, {1: 2, 3: 3})
    assert cost.missing_mobiles == ("+64210000002", "+64210000003", "+64210000004")
    assert "params are missing: %%1%% for 2, %%3%% for 3" in notices(cost)[-1]


def test_a_plain_message_gets_a_plain_notice() -> None:
    """R-2.1: characters, units, encoding, segments; an extension character is two units."""
    cost = measured("Only 5 €", [], [])
    assert notices(cost) == ["message: 8 characters, 9 GSM units, 1 segment"]
    assert (cost.encoding, cost.missing) == (Encoding.GSM, 0)


def test_a_long_message_gets_a_notice_of_its_cost() -> None:
    """R-2.2: what it will cost in segments."""
    told = notices(measured("x" * 161, [], []))
    assert "cost: 4 segments for 2 recipients (segments → recipients: 2 → 2)" in told
