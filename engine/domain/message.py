"""A message: its states, its class, and how the fates of its segments make up its own.

    queued → launched → sent → delivered
               │  ↑      └──→ failed, rejected, expired, cancelled   (a receipt, R-5.8)
               │  └ a refusal that may pass: again
               ├──→ failed, rejected                                  (the SMSC refused it for good)
               └──→ uncertain → launched | sent | delivered | failed  (no answer came, R-8.2)
    queued → skipped, expired, cancelled                              (before anything was sent)

The same ten words stand in SQL, the command line, reports, metrics and documents; a message is in
exactly one of them, so that reports balance.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from engine.domain import merge
from engine.domain.errors import Refused
from engine.domain.way_out import WayOut, hindrance, moment
from smpp import segments
from smpp.segments import Count

__all__ = [
    "DEFINITIONS",
    "FINAL",
    "OPEN",
    "Count",
    "MessageClass",
    "MessageFacts",
    "MessageState",
    "Resolution",
    "check_length",
    "cost_notice",
    "fold",
    "measure",
    "unfold",
    "why",
]


class MessageState(StrEnum):
    """Where a message stands; the order is that of a report."""

    QUEUED = "queued"
    LAUNCHED = "launched"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    REJECTED = "rejected"
    EXPIRED = "expired"
    UNCERTAIN = "uncertain"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


DEFINITIONS: Final[Mapping[MessageState, str]] = MappingProxyType(
    {
        MessageState.QUEUED: "Accepted and waiting to be sent.",
        MessageState.LAUNCHED: "On its way to the SMSC, which has not yet taken all of it.",
        MessageState.SENT: "Taken by the SMSC; no receipt says yet what became of it.",
        MessageState.DELIVERED: "On the recipient's handset, says the SMSC.",
        MessageState.FAILED: "The SMSC refused it or could not deliver it, and it is not retried.",
        MessageState.REJECTED: "The SMSC or the recipient's network rejected it by a rule.",
        MessageState.EXPIRED: "Its time ran out before it could be sent or delivered.",
        MessageState.UNCERTAIN: "Sent, but the SMSC's answer never came, so it may have taken it.",
        MessageState.CANCELLED: "Withdrawn by a person here, or deleted by the SMSC.",
        MessageState.SKIPPED: (
            "Not sent, since the recipient had opted out, was blacklisted or was deleted."
        ),
    }
)
"""One sentence each, for `report campaign --definitions` (R-7.6)."""

FINAL: Final = frozenset(
    {
        MessageState.DELIVERED,
        MessageState.FAILED,
        MessageState.REJECTED,
        MessageState.EXPIRED,
        MessageState.CANCELLED,
        MessageState.SKIPPED,
    }
)
"""States that nothing follows, but that UNKNOWN of a receipt, a `failed`, may yet be bettered."""

OPEN: Final = frozenset({MessageState.QUEUED, MessageState.LAUNCHED, MessageState.UNCERTAIN})
"""States in which something is still to be done. `sent` isn't one: only a receipt can follow."""

# What a segment that finally failed may make of its message.
_FAILURES: Final = FINAL - {MessageState.DELIVERED, MessageState.SKIPPED}


class MessageClass(IntEnum):
    """Who goes first when messages share a bind (R-5.14); the numbers stand in SQL."""

    RESPONSE = 0
    """Auto-responses and single transactional messages."""
    API = 1
    CAMPAIGN = 2


def fold(
    *,
    total: int,
    launched: int = 0,
    accepted: int = 0,
    delivered: int = 0,
    failed: int = 0,
    uncertain: int = 0,
    failed_as: MessageState = MessageState.FAILED,
) -> MessageState:
    """Give the state of a message from those of its `total` segments (R-5.8).

    Each mask has bit i set for segment i + 1: `launched` on the wire, `accepted` by the SMSC in any
    attempt, `delivered` by a good final receipt, `failed` finally, `uncertain` sent without an
    answer. A segment may be in several: what is delivered counts as accepted, too. `failed_as` is
    what the first final failure was: failed, rejected, expired or cancelled.

    >>> fold(total=3, accepted=0b011, delivered=0b001)
    <MessageState.LAUNCHED: 'launched'>
    """
    whole = (1 << total) - 1
    taken = accepted | delivered
    if total < 1 or (launched | taken | failed | uncertain) & ~whole or failed_as not in _FAILURES:
        raise ValueError(f"no message of {total} segments is like that")
    if failed:
        return failed_as
    if delivered == whole:
        return MessageState.DELIVERED
    if taken == whole:
        return MessageState.SENT
    if uncertain & ~taken:
        return MessageState.UNCERTAIN
    if launched or taken:
        return MessageState.LAUNCHED
    return MessageState.QUEUED


def unfold(
    state: MessageState, *, total: int, launched: int, accepted: int, delivered: int, failed: int
) -> tuple[MessageState, ...]:
    """Give the state of each segment of a message from its masks, the reverse of `fold`.

    >>> unfold(MessageState.UNCERTAIN, total=2, launched=0, accepted=0b01, delivered=0, failed=0)
    (<MessageState.SENT: 'sent'>, <MessageState.UNCERTAIN: 'uncertain'>)
    """
    said = (
        (delivered, MessageState.DELIVERED),
        (failed, state if state in _FAILURES else MessageState.FAILED),
        (accepted, MessageState.SENT),
        (launched, MessageState.LAUNCHED),
    )
    # One of which nothing is said waits, is in doubt, or has ended with its message.
    rest = state if state is MessageState.UNCERTAIN or state in FINAL else MessageState.QUEUED
    return tuple(
        next((word for mask, word in said if mask >> segment & 1), rest) for segment in range(total)
    )


class Resolution(StrEnum):
    """How a person ends the doubt about an uncertain message (R-8.2)."""

    RESEND = "resend"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFacts:
    """What must be known of a message to say why it stands where it does.

    `due_at` is when it is launched again, or held when that is the setting (`hold`); None while it
    waits in its campaign. `held`: its 30 s have passed, and a person is to decide.
    """

    id: int
    state: MessageState
    campaign_id: int | None
    reason: str | None
    due_at: datetime | None
    hold: bool
    held: bool


def why(message: MessageFacts, now: datetime, zone: ZoneInfo, way: WayOut) -> str:
    """Say in one line what a message waits for, or why it ended as it did; times in `zone`."""
    due_at = message.due_at
    match message.state:
        case MessageState.QUEUED if due_at is None and message.campaign_id is not None:
            campaign = message.campaign_id
            return f"it waits in campaign {campaign}; see `siaran campaign show {campaign}`"
        case MessageState.QUEUED if due_at is not None and due_at > now:
            reason = f" ({message.reason})" if message.reason else ""
            line = f"it was refused{reason} and is tried again at {moment(due_at, zone)}"
            return hindrance(way, zone) or line
        case MessageState.QUEUED:
            return hindrance(way, zone) or "it is next"
        case MessageState.UNCERTAIN if due_at is not None and not message.held:
            line = (
                "the SMSC's answer never came, so it may have arrived; it is "
                f"{'held' if message.hold else 'sent again'} from {moment(due_at, zone)} on, if no "
                "answer and no receipt comes"
            )
            return line if message.hold else hindrance(way, zone) or line
        case MessageState.UNCERTAIN:
            return (
                "it is held: the SMSC's answer never came, so it may have arrived; "
                f"`siaran message resolve {message.id} resend` sends it again, "
                f"`siaran message resolve {message.id} fail` ends it"
            )
        case state if state in FINAL and message.reason:
            return f"it is {state}: {message.reason}"
        case _:
            sentence = DEFINITIONS[message.state].removesuffix(".")
            return f"it is {message.state}: {sentence[0].lower()}{sentence[1:]}"


def measure(text: str, limit: int) -> Count:
    """Count the text of a single message, encoded as needed (R-2.1).

    Raises Refused for an empty one, one of more than `limit` segments, what is no text, and one that
    refers to params, which a single message has not.
    """
    if not text.strip():
        raise Refused("the message is empty")
    if params := merge.compile_text(text).params:
        raise Refused(
            f"the message refers to %%{params[0]}%%, and a single message has no params; write out "
            "what it is to say"
        )
    count = segments.count(text)
    check_length(count, limit)
    return count


def check_length(count: Count, limit: int) -> None:
    """Raise Refused for a message of more than `limit` segments: it is never cut (R-2.2)."""
    if count.segments > limit:
        raise Refused(
            f"the message takes {count.segments} segments ({count.characters} characters in "
            f"{_NAMES[count.encoding]}), at most {limit} are allowed (segments.max); "
            "shorten the text"
        )


def cost_notice(count: Count) -> str | None:
    """Give the line that warns of a message of several segments, None for one of one (R-2.2).

    >>> cost_notice(segments.count("x" * 200))
    'this message is sent, and paid for, as 2 segments (200 characters in GSM)'
    """
    if count.segments < 2:
        return None
    because = ""
    if count.forced_by:
        because = f", because of {' '.join(count.forced_by[:_NAMED])}"
        because += " …" if len(count.forced_by) > _NAMED else ""
    return (
        f"this message is sent, and paid for, as {count.segments} segments "
        f"({count.characters} characters in {_NAMES[count.encoding]}{because})"
    )


_NAMED: Final = 8  # characters that pushed it to UCS-2: enough to find them
_NAMES: Final[Mapping[str, str]] = {"gsm": "GSM", "ucs2": "UCS-2"}
