"""What a simulated SMSC is like: its habits, its limits and its faults (R-5.12).

Everything is off unless it is asked for: without options it takes every message at once and says
that it was delivered. Percentages are of the submit_sm received, and exclude one another.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from smpp import status, subscribers
from smpp.alphabet import Alphabet
from smpp.receipt import ReceiptState

__all__ = ["Options", "ReceiptForm", "ReceiptIds", "ReceiptsPer", "Version"]

ReceiptForm = Literal["text+tlv", "text", "tlv"]
ReceiptIds = Literal["same", "hex", "decimal", "stripped"]
ReceiptsPer = Literal["segment", "message"]
Version = Literal["same", "3.3", "3.4", "5.0"]

VERSIONS: Final[dict[str, int | None]] = {"3.3": None, "3.4": 0x34, "5.0": 0x50}
"""sc_interface_version; SMPP 3.3 has no parameter to say it in."""

_SHARES: Final = ("error_pct", "throttle_pct", "silent_pct", "no_id_pct", "wrong_sequence_pct")
_AT_LEAST_ONE: Final = ("drop_every", "stall_after", "window", "deliver_window", "burst")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the SMSC is like."""

    host: str = "127.0.0.1"
    port: int = 2775
    system_id: str | None = None
    """Who may bind; None: anybody."""
    password: str | None = field(default=None, repr=False)
    smpp_version: Version = "same"
    """What it says it speaks: the same as the ESME, or this. A 3.3 one knows no parameters: it
    refuses a submit_sm with one, and sends none."""
    alphabet: Alphabet = "gsm"
    """What data_coding 0 means to it."""

    # Binds.
    refuse_binds: int = 0
    """Refuse all binds with this command_status."""
    refuse_first: int | None = None
    """Only so many of them; None: all."""
    silent_bind: bool = False
    """Accept connections, and never answer a bind."""

    # Responses.
    latency_ms: float = 0.0
    """From submit_sm to its response."""
    window: int | None = None
    """More submit_sm without response on one bind than this are throttled."""
    rate: float | None = None
    """So many submit_sm a second are taken, of all binds together."""
    burst: int | None = None
    """So many at once, when there was a pause; None: those of a second."""
    over_status: int = status.THROTTLED
    """What those above the rate are answered: ESME_RTHROTTLED, ESME_RMSGQFUL."""
    congestion: int | None = None
    """congestion_state, 0 to 100, in each response."""
    error_pct: float = 0.0
    error_status: int = status.SYSTEM_ERROR
    errors: tuple[tuple[int, float], ...] = ()
    """Further (command_status, percentage)."""
    error_body: bool = False
    """Errors have a message_id, an empty one; else no body at all, as most SMSCs do."""
    throttle_pct: float = 0.0
    silent_pct: float = 0.0
    """Taken, and never answered."""
    no_id_pct: float = 0.0
    """Taken, and answered without a message_id."""
    wrong_sequence_pct: float = 0.0
    """Taken, and answered under another sequence number."""
    drop_every: int | None = None
    """Cut the connection at each so many submit_sm: taken, but their responses are lost."""
    stall_after: int | None = None
    """After so many submit_sm on a connection it reads and writes no more, and stays open."""

    # Receipts.
    receipt_after_ms: float | None = 0.0
    """From response to receipt; None: no receipts."""
    receipt_state: ReceiptState = ReceiptState.DELIVERED
    receipt_form: ReceiptForm = "text+tlv"
    receipt_ids: ReceiptIds = "same"
    """Receipts have the ids of the responses in another base; or without their leading zeros."""
    receipt_first: bool = False
    """The receipt goes at once, and the response 50 ms later at least."""
    receipts_per: ReceiptsPer = "segment"
    """One receipt for each segment, or for all of a message: about the segment that came first."""
    intermediate: bool = False
    """Each receipt is preceded by one that says ENROUTE."""
    duplicates: int = 0
    """Each receipt is sent so many times more."""
    deliver_window: int = 500
    """So many deliver_sm without response at most, on one bind."""

    # The rest.
    record: Path | None = None
    """A JSONL file to which each submit_sm is added; see `recording`."""
    replies: tuple[subscribers.Rule, ...] = ()
    seed: int | None = None
    tls_certificate: Path | None = None
    """TLS, with the certificate in this file; None: none."""
    tls_key: Path | None = None
    """Its key, where that is in a file of its own."""
    tls_client_ca: Path | None = None
    """Let in only clients with a certificate of this CA."""

    def __post_init__(self) -> None:
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 100:
                raise ValueError(f"{name} is {getattr(self, name):g}; it must be 0 to 100")
        for number, share in self.errors:
            if not (0 < number <= 0xFFFFFFFF and 0 <= share <= 100):
                why = "it must be a status and 0 to 100"
                raise ValueError(f"errors has 0x{number:X} with {share:g} %; {why}")
        if self.shares > 100:
            raise ValueError(f"the percentages add up to {self.shares:g}; 100 is all there is")
        for name in ("latency_ms", "receipt_after_ms"):
            if not 0 <= (getattr(self, name) or 0) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name):g}; it must be 0 or more")
        for name in _AT_LEAST_ONE:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1")
        if self.rate is not None and not 0 < self.rate < math.inf:
            raise ValueError(f"rate is {self.rate:g}; it must be more than 0")
        if self.duplicates < 0 or (self.refuse_first or 0) < 0:
            raise ValueError("duplicates and refuse_first can't be negative")
        if not 0 <= (self.congestion or 0) <= 100:
            raise ValueError(f"congestion is {self.congestion}; it must be 0 to 100")

    @property
    def shares(self) -> float:
        """What all faults of responses come to, in percent."""
        said: float = sum(getattr(self, name) for name in _SHARES)
        return said + sum(share for _, share in self.errors)
