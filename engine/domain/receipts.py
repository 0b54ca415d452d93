"""What a carrier means by its receipts, and which submission one is about (R-5.8; wire.md, Receipts).

Three questions, each with a pure answer: under which ids to look (`Rules.tiers`), which of the
submissions found is meant (`pick`), and what becomes of its message (`Rules.judge`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, Protocol, TypeVar

from smpp import receipt as receipts
from smpp.receipt import STATES, Receipt, ReceiptState

__all__ = [
    "AMBIGUOUS",
    "MARK_ACCEPTED",
    "MARK_NONE",
    "MARK_NO_ID",
    "MARK_SILENCE",
    "MARK_WHOLE",
    "NO_RECEIPT_S",
    "PLAIN",
    "SILENCE_S",
    "SOFT",
    "Ambiguous",
    "Base",
    "End",
    "ErrRule",
    "Judged",
    "Rules",
    "mark_of",
    "pick",
    "tail",
]

SILENCE_S: Final = 600.0
"""Some segments delivered, none failed, and nothing heard for so long: the carrier sends one receipt
for a whole message, whatever its configuration says."""

NO_RECEIPT_S: Final = 72 * 3600.0
"""What was sent so long ago gets no receipt any more; a stat that no table knows is a failure."""

SOFT: Final = "UNKNOWN"
"""The reason of a failure that a later receipt may replace, and the only one (wire.md, rule 7)."""

MARK_WHOLE: Final = "one receipt stood for all of its segments"
MARK_SILENCE: Final = "some segments have no receipt; nothing was heard for 10 minutes"
MARK_NONE: Final = "no receipt came within 72 hours"
MARK_NO_ID: Final = "the SMSC took it without giving an id, so that no receipt can be matched"
MARK_ACCEPTED: Final = "the carrier's last word is that it was accepted"

Base = Literal["as-is", "hex", "decimal", "either"]
"""What the ids of receipts are, compared with those of responses (R-5.6)."""

# What ends a segment badly, and the message's state that follows (wire.md).
_BAD: Final[Mapping[ReceiptState, str]] = MappingProxyType(
    {
        ReceiptState.EXPIRED: "expired",
        ReceiptState.DELETED: "cancelled",
        ReceiptState.UNDELIVERABLE: "failed",
        ReceiptState.UNKNOWN: "failed",
        ReceiptState.REJECTED: "rejected",
        ReceiptState.SKIPPED: "failed",
    }
)
_WORDS: Final = frozenset(word for info in STATES.values() for word in info.words)

# A number's last digits, which is all that carriers agree on (wire.md, Ids).
_TELLING_DIGITS: Final = 8


class End(Enum):
    """What a receipt does to its segment."""

    GOOD = "good"
    BAD = "bad"
    PENDING = "pending"
    UNRECOGNISED = "unrecognised"


class Judged(NamedTuple):
    """What a receipt means; `state` is the message's that a bad end leads to."""

    end: End
    word: ReceiptState
    state: str = ""
    reason: str | None = None
    mark: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrRule:
    """What a carrier means by one of its `err` values: a name for people, perhaps a state."""

    label: str
    state: ReceiptState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How one carrier's receipts are read."""

    base: Base = "as-is"
    whole: bool = False
    """One receipt is about all segments of a message."""
    accepted_is_final: bool = False
    stats: Mapping[str, ReceiptState] = field(default_factory=dict)
    """By its word in capitals, what this carrier means by a `stat`."""
    errs: Mapping[str, ErrRule] = field(default_factory=dict)
    """By its text in capitals, what it means by an `err`."""

    @property
    def simple(self) -> bool:
        """Whether an id is looked for as it stands before anything else is tried."""
        return self.base == "as-is"

    def tiers(self, ids: Iterable[str]) -> list[tuple[str, ...]]:
        """The ids to look for, likeliest first; those of one tier are as likely as each other.

        >>> Rules(base="hex").tiers(["ff"])[0]
        ('255',)
        """
        tiers: dict[tuple[str, ...], None] = {}
        for one in ids:
            forms = receipts.candidates(one)
            as_hex, as_decimal = receipts.bases(one)
            match self.base:
                case "hex":
                    first = as_decimal
                case "decimal":
                    first = as_hex
                case "either":
                    first = (one, *as_hex, *as_decimal)
                case "as-is":
                    first = ()
            if first:
                tiers[tuple(dict.fromkeys(first))] = None
            tiers.update(dict.fromkeys((form,) for form in forms))
        return list(tiers)

    def judge(self, receipt: Receipt) -> Judged:
        """What a receipt means at this carrier: its `stat`, else its `err`, may be in its tables."""
        stat, err = receipt.stat, receipt.err
        word = receipt.state
        if self.stats and stat is not None:
            word = self.stats.get(stat.upper(), word)
        rule = self.errs.get(err.upper()) if self.errs and err is not None else None
        if rule is not None and rule.state is not None and word is not ReceiptState.DELIVERED:
            word = rule.state
        if word is ReceiptState.DELIVERED:
            return _GOOD
        if word is ReceiptState.ACCEPTED and self.accepted_is_final:
            return _GOOD_ACCEPTED
        if word is ReceiptState.UNRECOGNISED:
            return Judged(End.UNRECOGNISED, word, reason=stat)
        state = _BAD.get(word)
        if state is None:
            return Judged(End.PENDING, word)
        return Judged(End.BAD, word, state, self._reason(word, stat, err, rule))

    def _reason(
        self, word: ReceiptState, stat: str | None, err: str | None, rule: ErrRule | None
    ) -> str:
        """Why a message failed, in the carrier's words; `err` only where it says something."""
        if word is ReceiptState.UNKNOWN:
            return SOFT
        known = stat is not None and (stat.upper() in _WORDS or stat.upper() in self.stats)
        reason = stat if known and stat is not None else STATES[word].words[0]
        if rule is not None:
            return f"{reason}, err {err}: {rule.label}"
        if err is not None and len(err) <= _LONGEST_ERR and err.strip("0").lower() not in _NOTHING:
            return f"{reason}, err {err}"
        return reason


# `err` is three characters in SMPP 3.4 Appendix B and four at some; what says nothing is left out.
_LONGEST_ERR: Final = 16
_NOTHING: Final = frozenset({"", "null", "xxx", "none"})
_GOOD: Final = Judged(End.GOOD, ReceiptState.DELIVERED)
_GOOD_ACCEPTED: Final = Judged(End.GOOD, ReceiptState.ACCEPTED, mark=MARK_ACCEPTED)

PLAIN: Final = Rules()
"""A carrier about which nothing is said."""


def mark_of(
    state: str,
    mark: str | None,
    sent_at: datetime | None,
    now: datetime,
    *,
    without_id: bool = False,
) -> str | None:
    """What is to be said of a message's state: that it has no receipt is told by the time alone.

    `without_id`: the SMSC took a segment of it and did not say what it calls that (wire.md, Ids).
    """
    if state == "sent" and without_id:
        return MARK_NO_ID
    if state != "sent" or sent_at is None or (now - sent_at).total_seconds() <= NO_RECEIPT_S:
        return mark
    return MARK_NONE


class Ambiguous(Enum):
    """Several messages are known under a receipt's id, and nothing tells which one it means."""

    AMBIGUOUS = "ambiguous"


AMBIGUOUS: Final = Ambiguous.AMBIGUOUS


class Known(Protocol):
    """A submission, as far as it matters here."""

    @property
    def message_id(self) -> int: ...
    @property
    def segment(self) -> int: ...
    @property
    def attempt(self) -> int: ...


K = TypeVar("K", bound=Known)


def tail(address: str) -> str:
    """The digits of an address that carriers agree on."""
    return address[-_TELLING_DIGITS:]


def pick(
    known: Sequence[K], addresses: Iterable[str], mobiles: Mapping[int, str]
) -> tuple[K, bool] | Ambiguous:
    """Of submissions under one id the one that a receipt is about, and whether of all its segments.

    Where the id was used for several messages, the number decides, on whichever side the carrier
    put it: `mobiles` has those of the messages. An id that all segments of one message have is about
    all of them; one that several attempts have, about the newest.
    """
    if len({one.message_id for one in known}) > 1:
        tails = {tail(address) for address in addresses if address}
        known = [one for one in known if tail(mobiles.get(one.message_id, "")) in tails]
        if len({one.message_id for one in known}) != 1:
            return AMBIGUOUS
    newest = max(known, key=lambda one: one.attempt)
    return newest, len({one.segment for one in known}) > 1
