"""What a message becomes at a carrier, and what an answer makes of it (R-2.2, R-5.6, R-5.7)."""

import pytest

from engine.domain.message import MessageState
from engine.domain.outbound import (
    CAMPAIGN_SHARE,
    MOST_SEGMENTS,
    Unsendable,
    campaign_share,
    compose,
    is_campaigns,
)
from engine.domain.policy import STANDARD, Outcome, Verdict
from smpp import status
from smpp.segments import Profile
from smpp.status import Policy


def test_the_reference_is_the_messages_own() -> None:
    """Two messages to one number must not be put together on the handset."""
    assert compose(0x101, "a" * 200, "auto", 10)[0].octets[3] == 0x01
    assert compose(0x102, "a" * 200, "auto", 10)[0].octets[3] == 0x02


@pytest.mark.parametrize(
    ("text", "encoding", "profile", "why"),
    [
        ("a" * 460, "auto", Profile(), "4 segments, at most 3 are allowed"),
        ("a" * 460, "auto", Profile(method="payload"), "4 segments, at most 3 are allowed"),
        ("да", "gsm", Profile(), "not in the GSM 03.38 alphabet: 'д'"),
        ("سلام", "auto", Profile(alphabet="ascii", ucs2_coding=None), "not in the ASCII alphabet"),
        ("Halo", "ucs2", Profile(ucs2_coding=None), "the carrier takes none"),
        ("a" * 153 * 256, "auto", Profile(), "256 segments"),
    ],
)
def test_what_can_never_go_out_says_why(
    text: str, encoding: str, profile: Profile, why: str
) -> None:
    """R-2.2: refused, never cut; R-5.6: a carrier may be unable to carry a text."""
    with pytest.raises(Unsendable, match=why):
        compose(1, text, encoding, 3, profile)


def test_a_payload_is_one_pdu() -> None:
    (only,) = compose(1, "a" * 400, "auto", 3, Profile(method="payload"), flash=True)
    assert (only.octets, only.data_coding, len(only.tlvs)) == (b"", 0x10, 404)


def test_the_segments_of_a_message_fit_an_int4() -> None:
    """Each is a bit of it."""
    assert (1 << MOST_SEGMENTS) - 1 == 2**31 - 1


def verdict(command_status: int | None, refused: int) -> Verdict:
    return STANDARD.verdict(command_status, refused=refused, chance=0.0)


AGAIN = [
    # status, refused before → wait, does it count
    (status.SYSTEM_ERROR, 0, 30, True),
    (status.SYSTEM_ERROR, 1, 60, True),
    (status.SYSTEM_ERROR, 7, 3600, True),
    (0x64, 3, 240, True),
    (0xFF, 0, 30, True),
    (0x102, 0, 30, True),
    (0x45, 0, 60, True),
    (status.THROTTLED, 0, 0, False),
    (status.THROTTLED, 100, 0, False),
    (status.QUEUE_FULL, 100, 60, False),
]


@pytest.mark.parametrize(("command_status", "refused", "wait_s", "counts"), AGAIN)
def test_what_may_pass_goes_out_again(
    command_status: int, refused: int, wait_s: float, counts: bool
) -> None:
    """R-5.7: with growing gaps; throttling is no attempt."""
    said = verdict(command_status, refused)
    assert (said.outcome, said.delay_s, said.counts) == (Outcome.AGAIN, wait_s, counts)
    assert (said.reason, said.state) == (status.info(command_status).name, None)
    assert not said.rebind


@pytest.mark.parametrize(
    ("command_status", "refused", "state"),
    [
        (status.SYSTEM_ERROR, 8, MessageState.FAILED),
        (0x45, 1, MessageState.FAILED),
        (0x0B, 0, MessageState.FAILED),
        (0x01, 0, MessageState.FAILED),
        (0xC3, 0, MessageState.FAILED),
        (0x66, 0, MessageState.REJECTED),
        (0x431, 0, MessageState.FAILED),
        (0xFFFF, 0, MessageState.FAILED),
    ],
)
def test_what_does_not_pass_is_over(command_status: int, refused: int, state: MessageState) -> None:
    """R-5.7: also what has been tried often enough, and any status that nobody knows."""
    said = verdict(command_status, refused)
    assert (said.outcome, said.state) == (Outcome.FAILED, state)
    assert said.label == status.info(command_status).name
    assert said.reason is not None
    assert said.reason.startswith(said.label)


def test_taken_and_unknown() -> None:
    """R-8.2: no answer is neither yes nor no."""
    assert verdict(0, 5).outcome is Outcome.ACCEPTED
    unknown = verdict(None, 5)
    assert (unknown.outcome, unknown.state) == (Outcome.UNKNOWN, None)


def test_a_bind_that_is_in_the_wrong_state_is_made_anew() -> None:
    """R-5.7: the message waits for that, and it is no attempt."""
    said = verdict(0x04, 0)
    assert (said.outcome, said.rebind, said.counts) == (Outcome.AGAIN, True, False)


@pytest.mark.parametrize("command_status", sorted(status.TABLE))
def test_each_status_has_its_policys_outcome(command_status: int) -> None:
    """R-5.7: and waits end: no message is tried for ever in a way that counts."""
    said = verdict(command_status, 0)
    match status.info(command_status).policy:
        case Policy.ACCEPTED:
            assert said.outcome is Outcome.ACCEPTED
        case Policy.RETRY | Policy.RETRY_ONCE | Policy.THROTTLE | Policy.QUEUE_FULL | Policy.REBIND:
            assert said.outcome is Outcome.AGAIN
            # What was throttled waits for the carrier's pace, and for nothing else.
            assert said.delay_s >= 1 or said.policy is Policy.THROTTLE
            assert verdict(command_status, 8).outcome is Outcome.FAILED or not said.counts
        case _:
            assert said.outcome is Outcome.FAILED


@pytest.mark.parametrize("free", range(1, 24))
def test_campaigns_have_a_fifth_over_the_turns(free: int) -> None:
    """R-5.14: however few slots each turn has; and in no turn all, but where there is one."""
    kept = [campaign_share(free, turn) for turn in range(100, 100 + CAMPAIGN_SHARE)]
    assert sum(kept) == free
    assert max(kept) - min(kept) <= 1
    assert max(kept) < free or free == 1


def test_nothing_free_is_nothing_kept() -> None:
    assert [campaign_share(0, turn) for turn in range(CAMPAIGN_SHARE)] == [0] * CAMPAIGN_SHARE


def test_campaigns_have_one_turn_in_five_whatever_waits() -> None:
    """R-5.14: a message that waits for room may take their share in the others."""
    turns = [turn for turn in range(10) if is_campaigns(turn)]
    assert turns == [0, 5]
    assert all(campaign_share(free, 5) >= 1 for free in range(1, 10))
