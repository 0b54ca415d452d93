"""What an application is told, in which order, and in which octets (R-7.1, R-7.2).

A status says where a message stands, in fewer words than its states:

    submitted → sent → received | failed | rejected | expired | dead

It never goes backwards, and nothing follows a final one but another final one after a `failed` that
came from UNKNOWN. One may be left out: a receipt can come before the SMSC's response.

A body is the same octets each time that it is posted: who has taken an event knows it again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from engine.domain.message import FINAL, MessageState

__all__ = ["ENDS", "STATUS", "Events", "Kind", "Receipt", "Reply", "Status", "event", "wanted"]


class Kind(StrEnum):
    """What an endpoint is told of."""

    REPLY = "reply"
    RECEIPT = "receipt"


class Events(StrEnum):
    """Which statuses an endpoint is told; the first one in the alphabet asks for more."""

    FINAL = "final"
    ALL = "all"


class Status(StrEnum):
    """Where a message stands, in the words of a receipt callback."""

    SUBMITTED = "submitted"
    SENT = "sent"
    RECEIVED = "received"
    FAILED = "failed"
    REJECTED = "rejected"
    EXPIRED = "expired"
    DEAD = "dead"


STATUS: Final[Mapping[MessageState, Status]] = MappingProxyType(
    {
        MessageState.QUEUED: Status.SUBMITTED,
        MessageState.LAUNCHED: Status.SUBMITTED,
        MessageState.UNCERTAIN: Status.SUBMITTED,
        MessageState.SENT: Status.SENT,
        MessageState.DELIVERED: Status.RECEIVED,
        MessageState.FAILED: Status.FAILED,
        MessageState.REJECTED: Status.REJECTED,
        MessageState.EXPIRED: Status.EXPIRED,
        MessageState.CANCELLED: Status.DEAD,
        MessageState.SKIPPED: Status.DEAD,
    }
)
"""What each state of a message is called outside."""

ENDS: Final = frozenset(STATUS[state] for state in FINAL)
"""The final ones."""

_ORDER: Final = {status: at for at, status in enumerate((Status.SUBMITTED, Status.SENT))}


def event(
    was: MessageState | None, became: MessageState, *, soft: bool = False, ended: bool = False
) -> Status | None:
    """The status to tell when a message changes its state; None: nothing.

    `was` None: it is new. `soft`: it was a `failed` that came from UNKNOWN. `ended`: a final status
    that may not be followed was told before, whatever the state is now.

    >>> event(MessageState.LAUNCHED, MessageState.DELIVERED)
    <Status.RECEIVED: 'received'>
    """
    after = STATUS[became]
    if was is None:
        return after
    before = STATUS[was]
    if after is before or ended:
        return None
    if before in ENDS:
        return after if soft and was is MessageState.FAILED and after in ENDS else None
    return after if after in ENDS or _ORDER[after] > _ORDER[before] else None


def wanted(events: Events, status: Status) -> bool:
    """Whether an endpoint that wants these events is told of it."""
    return events is Events.ALL or status in ENDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An MO; `reply_to` is the message that it answers, None where it answers none."""

    id: int
    source: str
    destination: str
    content: str
    reply_to: int | None
    campaign_id: int | None

    @property
    def body(self) -> bytes:
        """What is posted."""
        told: dict[str, object] = {
            "id": self.id,
            "message-id": self.id,
            "source": self.source,
            "destination": self.destination,
            "content": self.content,
        }
        if self.reply_to is not None:
            told |= {"reply-to": self.reply_to, "campaign-id": self.campaign_id}
        return _json(told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A status of a message, `status_at` when we took it; `sent_at` when an SMSC took the first
    segment, None where none had by then."""

    message_id: int
    campaign_id: int | None
    status: Status
    status_at: datetime
    mobile: str
    sent_at: datetime | None

    @property
    def body(self) -> bytes:
        """What is posted."""
        return _json(
            {
                "CampaignID": self.campaign_id,
                "MessageId": self.message_id,
                "Status": self.status.value,
                "StatusDate": _moment(self.status_at),
                "Mobile": self.mobile,
                "SentDate": None if self.sent_at is None else _moment(self.sent_at),
            }
        )


def _moment(at: datetime) -> str:
    """ISO 8601, UTC, milliseconds: `2020-07-30T01:07:47.481Z`. What is below is cut off."""
    at = at.astimezone(UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
