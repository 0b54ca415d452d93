"""Each command_status has its policy, and each carrier may have another (R-5.7)."""

import pytest

from engine.domain.message import MessageState
from engine.domain.policy import (
    BIND_STREAK,
    CAMPAIGN_STREAK,
    RETRY_LIMIT,
    STANDARD,
    BindStep,
    BindWatch,
    CampaignWatch,
    Outcome,
    Override,
    Policies,
    after_fall,
    after_refusal,
    chance_of,
    held,
    turn,
)
from smpp import status
from smpp.status import Policy

FAILED, AGAIN = Outcome.FAILED, Outcome.AGAIN

# Every number that may come, as what it means for a message that was never refused: outcome, wait
# (of the middle chance), whether it counts as an attempt, alert.
TABLE = [
    ((0x00,), Outcome.ACCEPTED, 0, False, False),
    ((0x01,), FAILED, 0, False, True),
    ((0x02, 0x03), FAILED, 0, False, False),
    ((0x04,), AGAIN, 1, False, False),
    ((0x06, 0x07, 0x15, 0x42, 0x43, 0x54, 0x61, 0x62, 0x63), FAILED, 0, False, True),
    ((0x48, 0x49, 0x50, 0x51), FAILED, 0, False, True),
    ((0x08, 0xFF, 0x64, 0x102), AGAIN, 30, True, False),
    ((0x0A, 0x0B), FAILED, 0, False, False),
    ((0x14,), AGAIN, 120, False, False),
    ((0x45,), AGAIN, 60, True, False),
    ((0x58,), AGAIN, 0, False, False),
    ((0x65, 0x66), FAILED, 0, False, False),
    ((0xC0, 0xC1, 0xC2, 0xC3, 0xC4), FAILED, 0, False, False),
    ((0x100, 0x101, *range(0x103, 0x110)), FAILED, 0, False, False),
    (tuple(range(0x400, 0x500)), FAILED, 0, False, False),
    # Any other: listed for other PDUs, reserved, or nobody's.
    ((0x05, 0x0C, 0x0D, 0x11, 0x33, 0x53, 0x67, 0xFE), FAILED, 0, False, True),
    ((0x09, 0x10, 0x110, 0x3FF, 0x500, 0xFFFFFFFF), FAILED, 0, False, True),
]


@pytest.mark.parametrize(("numbers", "outcome", "delay_s", "counts", "alert"), TABLE)
def test_the_table(
    numbers: tuple[int, ...], outcome: Outcome, delay_s: float, counts: bool, alert: bool
) -> None:
    """R-5.7: every row of wire.md, at the first answer."""
    for number in numbers:
        verdict = STANDARD.verdict(number)
        found = (verdict.outcome, verdict.delay_s, verdict.counts, verdict.alert)
        assert found == (outcome, delay_s, counts, alert), hex(number)
        assert (verdict.state is not None) is (outcome is FAILED)


def test_the_table_has_every_status_there_is() -> None:
    told = {number for numbers, *_ in TABLE for number in numbers}
    assert set(status.TABLE) - told == {0x0E, 0x0F, 0x13, 0x34, 0x40, 0x44, 0x55}
    for number in set(status.TABLE) - told:  # answers to what we never send: as any other
        assert STANDARD.verdict(number).outcome is FAILED
        assert STANDARD.verdict(number).alert


def test_what_the_carrier_rejects_is_rejected() -> None:
    assert STANDARD.verdict(0x66).state is MessageState.REJECTED
    assert STANDARD.verdict(0x0B).state is MessageState.FAILED


def test_no_answer_is_an_unknown_outcome() -> None:
    """R-8.2"""
    assert STANDARD.verdict(None).outcome is Outcome.UNKNOWN


def test_a_retry_grows_moves_on_and_ends() -> None:
    """08, FF, 64: 30 s growing, then another carrier, then failed."""
    delays = [STANDARD.verdict(0x08, refused=n).delay_s for n in range(RETRY_LIMIT)]
    assert delays == [30, 60, 120, 240, 480, 960, 1920, 3600]
    assert STANDARD.verdict(0x08, refused=RETRY_LIMIT).outcome is FAILED
    assert [turn(n) for n in range(RETRY_LIMIT)] == [0, 0, 0, 1, 1, 1, 2, 2]


def test_a_failed_submit_gets_one_retry() -> None:
    assert STANDARD.verdict(0x45, refused=1).outcome is FAILED


def test_throttling_never_ends_in_failure() -> None:
    """R-5.4: retried, never lost."""
    for number in (0x58, 0x14):
        verdict = STANDARD.verdict(number, refused=1000)
        assert (verdict.outcome, verdict.counts) == (AGAIN, False)


def test_a_full_queue_is_come_back_to_spread_over_two_minutes() -> None:
    delays = [STANDARD.verdict(0x14, chance=chance_of(n)).delay_s for n in range(1000)]
    assert min(delays) >= 60
    assert max(delays) < 180
    assert all(sum(low <= d < low + 12 for d in delays) > 50 for low in range(60, 180, 12))


def test_a_carrier_may_have_its_own() -> None:
    """R-5.7: configurable per carrier; vendors' codes get names."""
    policies = Policies(
        {
            0x401: Override(policy=Policy.RETRY, name="NO_CREDIT", alert=True),
            0x08: Override(policy=Policy.FAIL),
            0x402: Override(policy=Policy.ACCEPTED),
        }
    )
    credit = policies.verdict(0x401)
    assert (credit.outcome, credit.reason, credit.alert) == (AGAIN, "NO_CREDIT", True)
    assert policies.verdict(0x08).outcome is FAILED
    assert policies.verdict(0x08).reason == "ESME_RSYSERR"
    assert policies.verdict(0x402).outcome is Outcome.ACCEPTED
    assert policies.verdict(0x58) == STANDARD.verdict(0x58)


@pytest.mark.parametrize(
    ("number", "reason", "label"),
    [
        (0x0B, "ESME_RINVDSTADR", "ESME_RINVDSTADR"),
        (0x4FF, "vendor specific (0x4FF)", "vendor specific"),
        (0xABCD, "unknown (0xABCD)", "unknown"),
    ],
)
def test_a_label_takes_few_values_however_mad_the_carrier(
    number: int, reason: str, label: str
) -> None:
    verdict = STANDARD.verdict(number)
    assert (verdict.reason, verdict.label) == (reason, label)


def test_many_bad_fields_in_a_row_pause_the_bind() -> None:
    """It is configuration: no message can go out over it."""
    watch = BindWatch()
    for _ in range(BIND_STREAK - 1):
        assert watch.note(Policy.FAIL_BIND) is None
    watch.note(Policy.THROTTLE)  # says nothing about the fields
    watch.note(None)
    assert watch.note(Policy.FAIL_BIND) is BindStep.PAUSE
    for good in (Policy.FAIL, Policy.REJECT):
        for _ in range(BIND_STREAK - 1):
            watch.note(Policy.FAIL_BIND)
        watch.note(good)  # refused for what it is, so its fields were well
        assert watch.note(Policy.FAIL_BIND) is None
        watch.accepted()


def test_repeated_damage_reconnects_and_a_wrong_state_does_at_once() -> None:
    watch = BindWatch()
    assert [watch.note(Policy.FAIL_PDU) for _ in range(3)] == [None, None, BindStep.REBIND]
    watch.note(Policy.FAIL_PDU)
    watch.accepted()
    assert watch.note(Policy.FAIL_PDU) is None
    assert watch.note(Policy.REBIND) is BindStep.REBIND
    assert watch.note(Policy.FAIL_TLV) is BindStep.NO_TLVS


def test_a_sender_that_is_refused_pauses_its_campaign_alone() -> None:
    """20 in a row, and one taken in between begins anew."""
    watch = CampaignWatch()
    asked = [watch.note(1, Policy.FAIL_CAMPAIGN) for _ in range(CAMPAIGN_STREAK)]
    assert asked == [False] * (CAMPAIGN_STREAK - 1) + [True]
    for _ in range(CAMPAIGN_STREAK - 1):
        watch.note(1, Policy.FAIL_CAMPAIGN)
        watch.note(2, Policy.FAIL_CAMPAIGN)
        watch.note(1, Policy.THROTTLE)
    watch.accepted(1)
    assert not watch.note(1, Policy.FAIL_CAMPAIGN)
    assert watch.note(2, Policy.FAIL_CAMPAIGN)
    assert not any(watch.note(None, Policy.FAIL_CAMPAIGN) for _ in range(CAMPAIGN_STREAK))


def test_a_refused_bind_is_tried_slowly_and_for_ever() -> None:
    """R-5.7: 1 to 15 minutes, with an alert."""
    for number in (0x0D, 0x0E, 0x0F, 0x53, 0x99, 0x08):
        delays = [
            after_refusal(number, n, first_s=60, longest_s=900, chance=0.5)
            for n in (1, 2, 3, 4, 5, 6, 10_000)
        ]
        assert [one.delay_s for one in delays] == [60, 120, 240, 480, 900, 900, 900]
        assert all(one.alert for one in delays)


def test_a_bind_that_falls_is_tried_ever_more_slowly() -> None:
    """R-5.2: backoff, and a quarter of jitter either way."""
    waits = [
        [
            after_fall(n, first_s=1, longest_s=60, least_s=least_s, chance=chance)
            for n in (1, 2, 3, 6, 7, 10_000)
        ]
        for least_s, chance in ((0, 0.5), (0, 0.0), (30, 0.5))
    ]
    assert waits == [
        [1, 2, 4, 32, 60, 60],
        [0.75, 1.5, 3, 24, 45, 45],
        [30, 30, 30, 32, 60, 60],
    ]


@pytest.mark.parametrize(
    ("up_s", "answered", "good"),
    [(0.0, False, False), (9.9, False, False), (10.0, False, True), (0.1, True, True)],
)
def test_only_a_session_that_was_one_begins_the_waits_anew(
    up_s: float, answered: bool, good: bool
) -> None:
    """R-5.2: never a storm at who accepts us and hangs up; `-inf`: it was never bound."""
    assert held(up_s, answered=answered) is good
    assert not held(float("-inf"), answered=False)


def test_already_bound_is_waited_for_five_times_before_it_alerts() -> None:
    waits = [after_refusal(0x05, n, first_s=60, longest_s=900, chance=0.5) for n in range(1, 8)]
    assert [wait.alert for wait in waits] == [False] * 5 + [True] * 2
    assert [wait.delay_s for wait in waits] == [45] * 5 + [60, 120]
    shortest = after_refusal(0x05, 1, first_s=60, longest_s=900, chance=0.0)
    assert shortest.delay_s == 30
