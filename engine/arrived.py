"""MO on their way from a bind to `engine.inbound`: the one thing that the two share."""

from collections.abc import Sequence
from dataclasses import dataclass

from smpp.alphabet import Alphabet
from smpp.pdu import ShortMessage
from smpp.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """MO that one read brought, and the session that must answer them."""

    carrier_id: int
    alphabet: Alphabet
    """What data_coding 0 means at this carrier."""
    country: str | None
    """Where a number without a country code is from."""
    session: Session
    session_id: int
    messages: Sequence[ShortMessage]
