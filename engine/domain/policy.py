"""What an SMSC's answer means: for its segment, for the bind it came over, for the campaign (R-5.7).

`smpp.status` has the table, with the policy that is usual for each command_status; a carrier's
configuration may name others, and give its own codes (0x400–0x4FF) names. Here is what each policy
does:

    policy         the segment                                the bind, the carrier, the campaign
    accepted       taken
    retry          again after 30 s, doubling; every third    an alert where the table says so
                   try at the next carrier; failed after 8
    retry_once     again after 60 s, then failed
    throttle       again at once, not counted as an attempt   the carrier's pace falls (`pace`)
    queue_full     again in 60–180 s, not counted             the same, above 5 % of all answers
    fail           failed for good
    fail_pdu       failed                                     3 in a row: bound anew
    fail_bind      failed                                     10 in a row: the bind is paused, alert
    fail_campaign  failed                                     20 in a row: the campaign is paused
    fail_tlv       failed                                     this bind sends no more optional
                                                              parameters
    reject         rejected for good
    rebind         again after 1 s, not counted               bound anew

In a row means with nothing in between that shows the contrary: an answer that took a message, or
refused one for what it is. Throttling shows neither.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, assert_never

from engine.domain.message import MessageState
from smpp import status
from smpp.status import Policy, StatusInfo

__all__ = [
    "STANDARD",
    "BindStep",
    "BindWatch",
    "CampaignWatch",
    "Outcome",
    "Override",
    "Policies",
    "Verdict",
    "after_fall",
    "after_refusal",
    "chance_of",
    "held",
    "turn",
]

RETRY_FIRST_S: Final = 30.0
RETRY_LONGEST_S: Final = 3600.0
RETRY_LIMIT: Final = 8
"""About two hours: what a carrier's maintenance takes."""
TRIES_HERE: Final = 3
RETRY_ONCE_S: Final = 60.0
QUEUE_FULL_S: Final = (60.0, 180.0)
"""Spread out, so that what was refused together doesn't come back together."""
REBIND_S: Final = 1.0

PDU_STREAK: Final = 3
BIND_STREAK: Final = 10
CAMPAIGN_STREAK: Final = 20


class Outcome(StrEnum):
    """What an answer to a submit_sm means for its segment."""

    ACCEPTED = "accepted"
    AGAIN = "again"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of a segment: its outcome, the wait before the next try, what it counts.

    `reason` is for the message's row and for people; `label` for metrics: it takes few values.
    """

    outcome: Outcome
    policy: Policy | None = None
    delay_s: float = 0.0
    counts: bool = False
    state: MessageState | None = None
    reason: str | None = None
    label: str = ""
    rebind: bool = False
    alert: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """What a carrier's configuration says of one command_status; None: as usual."""

    policy: Policy
    name: str | None = None
    alert: bool | None = None


_NONE: Final[Mapping[int, Override]] = MappingProxyType({})


class Policies:
    """One carrier's table."""

    __slots__ = ("_own",)

    def __init__(self, overrides: Mapping[int, Override] = _NONE) -> None:
        self._own = {number: _overridden(number, own) for number, own in overrides.items()}

    def info(self, number: int) -> StatusInfo:
        """The row of any command_status."""
        return self._own.get(number) or status.info(number)

    def verdict(
        self, command_status: int | None, *, refused: int = 0, chance: float = 0.5
    ) -> Verdict:
        """Judge the command_status of a submit_sm_resp; None: no answer came (R-8.2).

        `refused` is how often the message has been refused before in a way that counts; `chance`,
        0 to below 1, spreads what comes back: take `chance_of(message_id)`.
        """
        if command_status == status.OK and status.OK not in self._own:
            return _ACCEPTED
        if command_status is None:
            return _UNKNOWN
        row = self.info(command_status)
        return _judge(row, refused, chance)


STANDARD: Final = Policies()
"""The table as it is without configuration."""


def chance_of(message_id: int) -> float:
    """A number from 0 to below 1 that is a message's own, the same each time."""
    return (message_id * _GOLDEN & 0xFFFFFFFF) / 2**32


def turn(refused: int) -> int:
    """How many carriers on a message is to be tried, after so many refusals (see `routing`)."""
    return refused // TRIES_HERE


def _overridden(number: int, own: Override) -> StatusInfo:
    usual = status.info(number)
    return StatusInfo(
        number=number,
        name=own.name or usual.name,
        meaning=usual.meaning if own.name is None else "the carrier's own error",
        policy=own.policy,
        alert=usual.alert if own.alert is None else own.alert,
    )


def _judge(row: StatusInfo, refused: int, chance: float) -> Verdict:
    delay_s, counts, state = 0.0, False, None
    match row.policy:
        case Policy.ACCEPTED:
            return _ACCEPTED
        case Policy.RETRY if refused < RETRY_LIMIT:
            delay_s, counts = min(RETRY_FIRST_S * 2.0**refused, RETRY_LONGEST_S), True
        case Policy.RETRY_ONCE if refused < 1:
            delay_s, counts = RETRY_ONCE_S, True
        case Policy.THROTTLE:
            pass
        case Policy.QUEUE_FULL:
            shortest, longest = QUEUE_FULL_S
            delay_s = shortest + (longest - shortest) * chance
        case Policy.REBIND:
            delay_s = REBIND_S
        case Policy.REJECT:
            state = MessageState.REJECTED
        case (
            Policy.FAIL
            | Policy.FAIL_PDU
            | Policy.FAIL_BIND
            | Policy.FAIL_CAMPAIGN
            | Policy.FAIL_TLV
            | Policy.RETRY
            | Policy.RETRY_ONCE
            | Policy.BIND_WAIT
            | Policy.BIND_RETRY
        ):
            state = MessageState.FAILED
        case _:
            assert_never(row.policy)
    listed = row.number in status.TABLE or row.name not in _NAMELESS
    return Verdict(
        outcome=Outcome.AGAIN if state is None else Outcome.FAILED,
        policy=row.policy,
        delay_s=delay_s,
        counts=counts,
        state=state,
        reason=row.name if listed else f"{row.name} (0x{row.number:X})",
        label=row.name,
        rebind=row.policy is Policy.REBIND,
        alert=row.alert,
    )


_ACCEPTED: Final = Verdict(outcome=Outcome.ACCEPTED, policy=Policy.ACCEPTED, label="ESME_ROK")
_UNKNOWN: Final = Verdict(
    outcome=Outcome.UNKNOWN, reason="no answer from the SMSC", label="no answer"
)
_NAMELESS: Final = frozenset({status.info(0x400).name, status.info(0xFFFF).name})
_GOLDEN: Final = 0x9E3779B9  # 2³² over the golden ratio: neighbours fall far apart


# ---- many in a row ----------------------------------------------------------------------------

# What says nothing about whether a bind, or a sender, is set up well.
_NEUTRAL: Final = frozenset(
    {Policy.THROTTLE, Policy.QUEUE_FULL, Policy.RETRY, Policy.RETRY_ONCE, Policy.REBIND}
)


class BindStep(StrEnum):
    """What is to be done with a bind."""

    REBIND = "rebind"
    PAUSE = "pause"
    NO_TLVS = "no_tlvs"


class BindWatch:
    """The answers over one session, in their order; a new session begins with a new one.

    >>> watch = BindWatch()
    >>> [watch.note(Policy.FAIL_PDU) for _ in range(3)]
    [None, None, <BindStep.REBIND: 'rebind'>]
    """

    __slots__ = ("_bad", "_pdu")

    def __init__(self) -> None:
        self._pdu = self._bad = 0

    def accepted(self) -> None:
        """Messages were taken: whatever was in a row has ended."""
        self._pdu = self._bad = 0

    def note(self, policy: Policy | None) -> BindStep | None:
        """One answer (None: none came), by `Verdict.policy`."""
        match policy:
            case Policy.FAIL_PDU:
                self._pdu += 1
                if self._pdu >= PDU_STREAK:
                    self._pdu = 0
                    return BindStep.REBIND
            case Policy.FAIL_BIND:
                self._bad += 1
                if self._bad >= BIND_STREAK:
                    self._bad = 0
                    return BindStep.PAUSE
            case Policy.REBIND:
                return BindStep.REBIND
            case Policy.FAIL_TLV:
                self._pdu = self._bad = 0
                return BindStep.NO_TLVS
            case None:
                pass
            case _ if policy not in _NEUTRAL:
                self.accepted()
        return None


class CampaignWatch:
    """Refusals of campaigns' senders, in a row; one for an engine."""

    __slots__ = ("_streaks",)

    def __init__(self) -> None:
        self._streaks: dict[int, int] = {}

    def accepted(self, campaign_id: int) -> None:
        """A message of it was taken. Cheap where nothing is in a row, as nearly always."""
        if self._streaks:
            self._streaks.pop(campaign_id, None)

    def note(self, campaign_id: int | None, policy: Policy | None) -> bool:
        """One answer to a message of it; True when it is to be paused."""
        if campaign_id is None or policy is None or policy in _NEUTRAL:
            return False
        if policy is not Policy.FAIL_CAMPAIGN:
            self.accepted(campaign_id)
            return False
        streak = self._streaks.get(campaign_id, 0) + 1
        if streak < CAMPAIGN_STREAK:
            self._streaks[campaign_id] = streak
            return False
        del self._streaks[campaign_id]
        return True


# ---- binds that fell, or were refused ----------------------------------------------------------------------------

HELD_S: Final = 10.0
"""A session that stood for so long was one, whatever went over it."""


def held(up_s: float, *, answered: bool) -> bool:
    """Whether a session that fell was a good one, after which waiting begins anew (R-5.2).

    One over which messages were taken or refused, or one that stood for a while: a carrier that
    ends each session after so many messages is asked again soon. Who only ever accepts us and hangs
    up is not.
    """
    return answered or up_s >= HELD_S


def after_fall(
    falls: int, *, first_s: float, longest_s: float, least_s: float, chance: float
) -> float:
    """Seconds until a bind is tried again after `falls` of them in a row (R-5.2).

    `first_s` doubles up to `longest_s`, is `least_s` at least, and has a quarter of jitter either
    way (`chance`, 0 to below 1): many binds that fell together must not come back together.

    >>> [after_fall(n, first_s=1, longest_s=60, least_s=0, chance=0.5) for n in (1, 2, 3, 9)]
    [1.0, 2.0, 4.0, 60.0]
    """
    doubled = min(first_s * 2.0 ** min(falls - 1, 30), longest_s)
    return max(doubled, least_s) * (0.75 + chance / 2)


ALREADY_BOUND_S: Final = (30.0, 60.0)
"""Until the SMSC has noticed that our old session is gone."""
ALREADY_BOUND_LIMIT: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """When a refused bind is tried again, and whether a person has to know."""

    delay_s: float
    alert: bool


def after_refusal(
    command_status: int, refusals: int, *, first_s: float, longest_s: float, chance: float
) -> Refusal:
    """What follows the `refusals`-th refusal of a bind in a row: slowly and for ever (R-5.7).

    The waits are those of `after_fall`. ESME_RALYBND is waited for without an alert, at first: our old session still stands.
    """
    if status.bind_policy(command_status) is Policy.BIND_WAIT:
        if refusals <= ALREADY_BOUND_LIMIT:
            shortest, longest = ALREADY_BOUND_S
            return Refusal(delay_s=shortest + (longest - shortest) * chance, alert=False)
        refusals -= ALREADY_BOUND_LIMIT
    delay_s = after_fall(refusals, first_s=first_s, longest_s=longest_s, least_s=0.0, chance=chance)
    return Refusal(delay_s=delay_s, alert=True)
