"""The states of a message, what it waits for, its length (R-2.2, R-3.4, R-5.8, R-8.2)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.errors import Refused
from engine.domain.message import (
    DEFINITIONS,
    FINAL,
    MessageClass,
    MessageFacts,
    MessageState,
    check_length,
    cost_notice,
    fold,
    measure,
    unfold,
    why,
)
from engine.domain.way_out import OPEN
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


@given(messages())
def test_what_is_folded_can_be_unfolded(message: tuple[list[str], dict[str, Any]]) -> None:
    """R-5.8: the segments' states make the message's, and are told from its masks again."""
    fates, masks = message
    state = fold(**masks)
    masks.pop("uncertain")
    doubt = "uncertain" if state is MessageState.UNCERTAIN else str(state)
    rest = doubt if doubt == "uncertain" or state in FINAL else "queued"
    words = {"accepted": "sent", "queued": rest, "uncertain": rest}
    assert unfold(state, **masks) == tuple(words.get(fate, fate) for fate in fates)


def test_a_segment_fails_as_its_message_did() -> None:
    """The masks say which failed; the message's state, how."""
    masks = {"total": 3, "launched": 0, "accepted": 0b011, "delivered": 0b001, "failed": 0b010}
    delivered, expired, unsent = unfold(MessageState.EXPIRED, **masks)
    assert (delivered, expired, unsent) == ("delivered", "expired", "expired")
    assert unfold(MessageState.QUEUED, **masks | {"total": 0}) == ()


NOW = datetime(2026, 12, 1, 9, 10, tzinfo=UTC)
ZONE = ZoneInfo("Pacific/Auckland")
S = MessageState
DOWN = replace(OPEN, bind=False)
AT = "2026-12-01 22:10:25 (Pacific/Auckland)"


def facts(state: MessageState, due_s: float | None = None, **more: Any) -> MessageFacts:
    known = {"campaign_id": None, "reason": None, "hold": False, "held": False}
    due_at = None if due_s is None else NOW + timedelta(seconds=due_s)
    return MessageFacts(id=7, state=state, due_at=due_at, **known | more)


@pytest.mark.parametrize(
    ("message", "way", "line"),
    [
        (facts(S.QUEUED, 0), OPEN, "it is next"),
        (facts(S.QUEUED, 0), DOWN, "no bind that sends is up"),
        (facts(S.QUEUED, campaign_id=3), DOWN, "it waits in campaign 3; see `siaran campaign show 3`"),
        (facts(S.QUEUED, 0, campaign_id=3), OPEN, "it is next"),
        (
            facts(S.QUEUED, 25, reason="ESME_RSYSERR"),
            OPEN,
            f"it was refused (ESME_RSYSERR) and is tried again at {AT}",
        ),
        (facts(S.QUEUED, 25), DOWN, "no bind that sends is up"),
        (facts(S.LAUNCHED), DOWN, "it is launched: on its way to the SMSC"),
        (facts(S.SENT), DOWN, "it is sent: taken by the SMSC; no receipt says yet"),
        (facts(S.UNCERTAIN, 25), OPEN, ("the SMSC's answer never came, so it may have arrived; it is "
            f"sent again from {AT} on, if no answer and no receipt comes")),
        (facts(S.UNCERTAIN, 25), DOWN, "no bind that sends is up"),
        (facts(S.UNCERTAIN, 25, hold=True), DOWN, ("the SMSC's answer never came, so it may have "
            f"arrived; it is held from {AT} on")),
        (facts(S.UNCERTAIN, hold=True, held=True), DOWN, ("it is held: the SMSC's answer never came, "
            "so it may have arrived; `siaran message resolve 7 resend` sends it again, "
            "`siaran message resolve 7 fail` ends it")),
        (facts(S.FAILED, reason="ESME_RINVDSTADR"), DOWN, "it is failed: ESME_RINVDSTADR"),
        (facts(S.SKIPPED, reason="opted out"), OPEN, "it is skipped: opted out"),
        (facts(S.DELIVERED), DOWN, "it is delivered: on the recipient's handset, says the SMSC"),
        (facts(S.DELIVERED, reason="ESME_RSYSERR"), DOWN, "it is delivered: "),
    ],
)  # fmt: skip
def test_says_in_one_line_what_a_message_waits_for(
    message: MessageFacts, way: Any, line: str
) -> None:
    """R-3.4, R-8.2: what keeps all from leaving is said of what wants to leave."""
    said = why(message, NOW, ZONE, way)
    assert said.startswith(line)
    assert "\n" not in said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("x" * 321, "3 segments"),
        ("Hi %%1%%", "%%1%%, and a single message has no params"),
        ("Hi %%7%%", "unknown placeholder"),
        ("nul\0", "U+0000"),
    ],
)
def test_what_a_single_message_can_not_say_is_refused(text: str, says: str) -> None:
    """R-2.1 to R-2.3."""
    with pytest.raises(Refused) as refusal:
        measure(text, 2)
    assert says in str(refusal.value)


def test_a_single_message_is_counted() -> None:
    """R-2.1."""
    assert (measure("x" * 161, 2).segments, measure("tēnā koe", 2).encoding) == (2, "ucs2")
