"""What a session tells its owner: small values, the frequent ones a list for each read.

Within one read, responses come before messages that arrived after them, so that a receipt never
overtakes the submit_sm_resp with its id.
"""

from dataclasses import dataclass
from typing import Any

from smpp.pdu import (
    AlertNotification,
    Bind,
    CancelSm,
    CancelSmResp,
    Outbind,
    QuerySm,
    QuerySmResp,
    ShortMessage,
)

Token = Any
"""What the owner gives with a request and gets back with its outcome; never looked into."""

Answered = tuple[Token, int, str | None, float]
"""token, command_status, message_id (None where there is none), seconds since it was sent."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The bind was accepted. `version` below 0x34: send no optional parameters (§4.1.2)."""

    system_id: str
    version: int


@dataclass(frozen=True, slots=True)
class BindRefused:
    """The SMSC said no; a `Closed` follows."""

    status: int


@dataclass(frozen=True, slots=True)
class SubmitResponses:
    """Outcomes of submit_sm. A generic_nack to one is its outcome, too.

    `late` holds the tokens among them that a `SubmitTimeouts` has reported before. `congestion` is
    how busy the SMSC says it is, 0 to 100, in the last of them that says so (SMPP 5.0 §4.8.4.18).
    """

    items: list[Answered]
    late: list[Token]
    congestion: int | None = None


@dataclass(frozen=True, slots=True)
class SubmitTimeouts:
    """No response in time: the outcome is unknown (R-8.2), and an enquire_link is on its way.

    Launch nothing until `Alive` or `Closed` comes. A response may still come.
    """

    tokens: list[Token]


@dataclass(frozen=True, slots=True)
class Alive:
    """The peer answered the enquire_link that followed a timeout, or talked on without answering
    it: the slots are free again."""


@dataclass(frozen=True, slots=True)
class Deliveries:
    """deliver_sm and data_sm that wait for `respond`."""

    items: list[ShortMessage]


@dataclass(frozen=True, slots=True)
class Response:
    """The answer to `request`; `pdu` is None where it was a generic_nack with `status`, or could
    not be read, and `status` says why."""

    token: Token
    status: int
    pdu: QuerySmResp | CancelSmResp | None


@dataclass(frozen=True, slots=True)
class RequestTimeout:
    """Nothing answered a `request` in time."""

    token: Token


@dataclass(frozen=True, slots=True)
class UnknownResponse:
    """A response to nothing that is outstanding; ignored."""

    command: int
    sequence: int
    status: int


@dataclass(frozen=True, slots=True)
class Nacked:
    """A generic_nack to nothing that is outstanding."""

    sequence: int
    status: int


@dataclass(frozen=True, slots=True)
class Notified:
    """Something that wants no answer."""

    pdu: AlertNotification | Outbind


@dataclass(frozen=True, slots=True)
class Damaged:
    """The peer broke the protocol and was told so; the session goes on unless `Closed` follows."""

    reason: str


@dataclass(frozen=True, slots=True)
class PeerUnbind:
    """The peer ends the session and was answered; a `Closed` follows. Wait before rebinding."""


@dataclass(frozen=True, slots=True)
class Unbound:
    """Our unbind was answered; a `Closed` follows."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The last event. What is still outstanding is in `Connection.abandon`."""

    reason: str
    clean: bool


# What only an SMSC gets.


@dataclass(frozen=True, slots=True)
class BindRequested:
    """An ESME wants in: `answer_bind` within the session_init time."""

    pdu: Bind


@dataclass(frozen=True, slots=True)
class Submits:
    """submit_sm and data_sm that wait for `answer_submits`."""

    items: list[ShortMessage]


@dataclass(frozen=True, slots=True)
class DeliverResponses:
    """Outcomes of deliver_sm, as `SubmitResponses`."""

    items: list[Answered]
    late: list[Token]


@dataclass(frozen=True, slots=True)
class DeliverTimeouts:
    """deliver_sm without response, as `SubmitTimeouts`."""

    tokens: list[Token]


@dataclass(frozen=True, slots=True)
class Requested:
    """query_sm or cancel_sm: `answer` it."""

    sequence: int
    pdu: QuerySm | CancelSm


Event = (
    Bound
    | BindRefused
    | SubmitResponses
    | SubmitTimeouts
    | Alive
    | Deliveries
    | Response
    | RequestTimeout
    | UnknownResponse
    | Nacked
    | Notified
    | Damaged
    | PeerUnbind
    | Unbound
    | Closed
    | BindRequested
    | Submits
    | DeliverResponses
    | DeliverTimeouts
    | Requested
)
