"""The states of a message, and its length (spec: message states; R-2.2, R-5.8)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.errors import Refused
from engine.domain.message import (
    DEFINITIONS,
    FINAL,
    MessageClass,
    MessageState,
    check_length,
    cost_notice,
    fold,
)
from smpp import segments

WORDS = "queued launched sent delivered failed rejected expired uncertain cancelled skipped"
FATES = ("queued", "launched", "uncertain", "accepted", "delivered", "failed")


@st.composite
def messages(draw: st.DrawFn) -> tuple[list[str], dict[str, Any]]:
    """The fate of each segment, and the same as masks."""
    fates = draw(st.lists(st.sampled_from(FATES), min_size=1, max_size=31))
    masks: dict[str, Any] = {"total": len(fates)}
    for fate in FATES[1:]:
        masks[fate] = sum(1 << i for i, own in enumerate(fates) if own == fate)
    if draw(st.booleans()):  # what is delivered was accepted: some keep both bits, some one
        masks["accepted"] |= masks["delivered"]
    return fates, masks


@given(messages())
def test_a_message_is_what_its_segments_are(message: tuple[list[str], dict[str, Any]]) -> None:
    """R-5.8: delivered when all its segments are, failed when one finally is."""
    fates, masks = message
    state = fold(**masks)
    assert (state is MessageState.FAILED) is ("failed" in fates)
    assert (state is MessageState.DELIVERED) is (set(fates) == {"delivered"})
    assert (state is MessageState.QUEUED) is (set(fates) == {"queued"})
    if "failed" not in fates:
        taken = set(fates) <= {"accepted", "delivered"}
        assert (state in (MessageState.SENT, MessageState.DELIVERED)) is taken
        assert (state is MessageState.UNCERTAIN) is ("uncertain" in fates)


@given(messages())
def test_the_order_of_receipts_does_not_matter(message: tuple[list[str], dict[str, Any]]) -> None:
    """The fold looks at the masks alone, so a late acceptance changes nothing that is final."""
    _, masks = message
    before = fold(**masks)
    after = fold(**masks | {"accepted": (1 << masks["total"]) - 1})
    assert after is before or before not in FINAL


@pytest.mark.parametrize("word", ["failed", "rejected", "expired", "cancelled"])
def test_a_failure_keeps_its_word(word: str) -> None:
    state = MessageState(word)
    assert fold(total=2, delivered=0b01, failed=0b10, failed_as=state) is state


@pytest.mark.parametrize(
    "wrong",
    [
        {"total": 0},
        {"total": 2, "accepted": 0b100},
        {"total": 1, "failed": 1, "failed_as": MessageState.SENT},
    ],
)
def test_masks_that_no_message_has_are_a_bug_and_crash(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="segments is like that"):
        fold(**wrong)


def test_the_ten_words_are_defined_in_one_sentence_each() -> None:
    """The same words everywhere; R-7.6: a definition of each status on request."""
    assert list(MessageState) == WORDS.split()
    assert list(DEFINITIONS) == list(MessageState)
    for sentence in DEFINITIONS.values():
        assert sentence.count(".") == 1
        assert sentence.endswith(".")


def test_what_is_final() -> None:
    assert set(MessageState) - FINAL == {"queued", "launched", "sent", "uncertain"}


def test_classes_in_the_order_of_their_turn() -> None:
    """R-5.14: 0 responses and single transactional messages, 1 API, 2 campaigns."""
    assert [(one.name, int(one)) for one in sorted(MessageClass)] == [
        ("RESPONSE", 0),
        ("API", 1),
        ("CAMPAIGN", 2),
    ]


def test_too_long_is_refused_and_not_cut() -> None:
    """R-2.2: more than 10 segments (a setting)."""
    check_length(segments.count("x" * 1530), 10)
    with pytest.raises(Refused, match=r"takes 11 segments \(1531 characters in GSM\), at most 10"):
        check_length(segments.count("x" * 1531), 10)


def test_the_notice_says_what_a_long_message_costs() -> None:
    """R-2.2: allowed only with a notice of what it will cost in segments."""
    assert cost_notice(segments.count("x" * 160)) is None
    assert cost_notice(segments.count("x" * 161)) == (
        "this message is sent, and paid for, as 2 segments (161 characters in GSM)"
    )
    assert cost_notice(segments.count("“" + "x" * 99 + "”")) == (
        "this message is sent, and paid for, as 2 segments (101 characters in UCS-2, because of “ ”)"
    )
    assert str(cost_notice(segments.count("абвгдежзий" * 8))).endswith(
        "because of а б в г д е ж з …)"
    )
