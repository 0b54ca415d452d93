"""A receipt as carriers send it → one value that says what became of a segment (R-5.8).

SMPP 3.4 Appendix B calls the text "vendor specific", and so it is: labels in any order and case,
dates in six forms, ids in another base, state words that no list knows. `parse` never raises; what
it can't read is None, and a state it doesn't know is `unrecognised`, to be counted.

What the engine relies on: no text here holds a NUL or half a surrogate, so all of it can be stored;
ids are as the carrier wrote them; dates are the SMSC's local time (aware only where they say a
zone), to be kept, never to order by.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from smpp import receipt_dates

__all__ = [
    "STATES",
    "Receipt",
    "ReceiptState",
    "StateInfo",
    "bases",
    "candidates",
    "parse",
    "render",
]

RECEIPTED_MESSAGE_ID: Final = 0x001E
MESSAGE_PAYLOAD: Final = 0x0424
MESSAGE_STATE: Final = 0x0427


class ReceiptState(StrEnum):
    """What the SMSC says has become of a segment (SMPP 3.4 §5.2.28, and SKIPPED of 5.0)."""

    SCHEDULED = "scheduled"
    ENROUTE = "enroute"
    DELIVERED = "delivered"
    EXPIRED = "expired"
    DELETED = "deleted"
    UNDELIVERABLE = "undeliverable"
    ACCEPTED = "accepted"
    UNKNOWN = "unknown"
    REJECTED = "rejected"
    SKIPPED = "skipped"
    UNRECOGNISED = "unrecognised"


class StateInfo(NamedTuple):
    """One row of the table: the message_state, the words of `stat:`, ours first, and is it final.

    UNKNOWN is final, but softly: a later final state may replace it, and it alone (wire.md, 7).
    """

    message_state: int
    words: tuple[str, ...]
    final: bool


STATES: Final[Mapping[ReceiptState, StateInfo]] = MappingProxyType(
    {
        ReceiptState.SCHEDULED: StateInfo(0, ("SCHEDULED",), False),
        ReceiptState.ENROUTE: StateInfo(1, ("ENROUTE", "BUFFRED", "BUFFERD", "ACKED"), False),
        ReceiptState.DELIVERED: StateInfo(2, ("DELIVRD", "DELIVERED", "DELIVERD"), True),
        ReceiptState.EXPIRED: StateInfo(3, ("EXPIRED",), True),
        ReceiptState.DELETED: StateInfo(4, ("DELETED",), True),
        ReceiptState.UNDELIVERABLE: StateInfo(5, ("UNDELIV", "UNDELIVERABLE", "FAILED"), True),
        ReceiptState.ACCEPTED: StateInfo(6, ("ACCEPTD", "ACCEPTED"), False),
        ReceiptState.UNKNOWN: StateInfo(7, ("UNKNOWN",), True),
        ReceiptState.REJECTED: StateInfo(8, ("REJECTD", "REJECTED", "DND_REJECTED"), True),
        ReceiptState.SKIPPED: StateInfo(9, ("SKIPPED",), True),
    }
)
"""Every state but `unrecognised`, which has neither number nor word."""

# State and finality together: an enum as a dictionary's key costs a call of its Python hash.
_Known = tuple[ReceiptState, bool | None]
_UNRECOGNISED: Final[_Known] = (ReceiptState.UNRECOGNISED, None)
_BY_WORD: Final[Mapping[str, _Known]] = {
    word: (state, info.final) for state, info in STATES.items() for word in info.words
}
_BY_OCTET: Final[Mapping[bytes, _Known]] = {
    bytes((info.message_state,)): (state, info.final) for state, info in STATES.items()
}


class Receipt(NamedTuple):
    """One receipt. A tuple, since one is made for every segment (hot path).

    `ids` are the SMSC's ids in the order to try them (TLV, then text), raw; `candidates` gives the
    other ways to write one. `stat` and `err` are as written; `final` is None for `unrecognised`.
    `intermediate` is the marker of esm_class, over which `state` wins.
    """

    ids: tuple[str, ...]
    stat: str | None
    state: ReceiptState
    final: bool | None
    err: str | None
    sub: int | None
    dlvrd: int | None
    submit_date: datetime | None
    done_date: datetime | None
    text: str | None
    intermediate: bool

    @property
    def id(self) -> str | None:
        """The first of `ids`."""
        return self.ids[0] if self.ids else None


# SMPP 3.4 §5.2.12, bits 5–2. 0x08 and 0x10 are acknowledgements of people, not of the network.
_MARKERS: Final = 0x3C
_MARKED: Final = frozenset({0x04, 0x20})
_INTERMEDIATE: Final = 0x20
_UDHI: Final = 0x40

# The plain form, as nearly all carriers send it: one match instead of a walk over labels.
_PLAIN: Final = re.compile(
    r"id:([^\s\0]+) sub:(\d{1,9}) dlvrd:(\d{1,9}) submit date:(\d{10,14}) done date:(\d{10,14})"
    r" stat:([A-Z]+) err:([^\s\0]+)(?: [tT]ext:([^\0]*))?",
    re.ASCII,
).fullmatch


def parse(
    short_message: bytes, tlvs: Mapping[int, bytes], esm_class: int, data_coding: int
) -> Receipt | None:
    """Read a deliver_sm or data_sm as a receipt; None when it isn't one, but an MO. Never raises.

    It is one when esm_class says so, or it has receipted_message_id, or its text has `id:` and a
    known `stat:` (SMSCs that forget esm_class). wire.md, rules 1–5; R-5.8.
    """
    match = _PLAIN(short_message.decode("latin-1"))
    if match is None or (known := _BY_WORD.get(match[6])) is None:
        return _parse_any(short_message, tlvs, esm_class, data_coding)
    smsc_id, sub, dlvrd, submit_date, done_date, stat, err, text = match.groups()
    ids: tuple[str, ...] = (smsc_id,)
    if tlvs:
        ids, known = _with_tlvs(ids, known, tlvs)
    state, final = known
    return Receipt(
        ids,
        stat,
        state,
        final,
        err,
        int(sub),
        int(dlvrd),
        receipt_dates.read(submit_date),
        receipt_dates.read(done_date),
        text,
        esm_class & _MARKERS == _INTERMEDIATE,
    )


def candidates(smsc_id: str) -> tuple[str, ...]:
    """Give the ways a carrier may have written `smsc_id` in its submit_sm_resp, likeliest first.

    As it is, in the other case, without leading zeros, decimal as hexadecimal, hexadecimal as
    decimal; each once.

    >>> candidates("00305419896")
    ('00305419896', '305419896', '12345678', '207320979606')
    """
    forms = [smsc_id, smsc_id.lower(), smsc_id.upper()]
    if _HEX(smsc_id):
        bare = smsc_id.lstrip("0") or "0"
        as_hex, as_decimal = bases(smsc_id)
        forms += [bare, bare.lower(), bare.upper(), *as_hex, *as_decimal]
    return tuple(dict.fromkeys(forms))


def bases(smsc_id: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give `smsc_id` written in hexadecimal, if it can be decimal, and the other way round.

    >>> bases("10")
    (('a', 'A'), ('16',))
    """
    if not _HEX(smsc_id):
        return (), ()
    decimal = (str(int(smsc_id, 16)),)
    if not smsc_id.isdecimal():
        return (), decimal
    number = int(smsc_id)
    return tuple(dict.fromkeys((f"{number:x}", f"{number:X}"))), decimal


# 65 octets is the longest id there is (SMPP 3.4 §5.3.2.12); a longer number would cost without end.
_HEX: Final = re.compile(r"[0-9a-fA-F]{1,65}").fullmatch


def render(
    smsc_id: str,
    state: ReceiptState,
    *,
    submit_date: str,
    done_date: str,
    err: str = "000",
    text: str = "",
) -> bytes:
    """Give the text of a receipt in the plain form, for the simulator. SMPP 3.4 Appendix B.

    The dates are `receipt_dates.write`'s (text, so that a batch formats them once). Of `text` the first 20
    characters go in; what Latin-1 lacks becomes `?`. `unrecognised` has no word: KeyError.
    """
    info = STATES[state]
    delivered = 1 if state is ReceiptState.DELIVERED else 0
    return (
        f"id:{smsc_id} sub:001 dlvrd:00{delivered} submit date:{submit_date} done date:{done_date}"
        f" stat:{info.words[0]} err:{err} text:{text[:20]}"
    ).encode("latin-1", "replace")


# ── The full rules ────────────────────────────────────────────────────────────────────────────────

_LABEL: Final = re.compile(
    r"(?<![\w-])(id|sub|dlvrd|submit ?date|done ?date|stat|err|text):", re.IGNORECASE | re.ASCII
)
_STAT: Final = re.compile(r"(?<![\w-])stat: ?(\S+)", re.IGNORECASE | re.ASCII)


def _parse_any(
    short_message: bytes, tlvs: Mapping[int, bytes], esm_class: int, data_coding: int
) -> Receipt | None:
    body = _text_of(short_message or tlvs.get(MESSAGE_PAYLOAD, b""), esm_class, data_coding)
    fields, ids = _fields(body)
    stat = _first_word(fields.get("stat")) or _stat_elsewhere(body, fields.get("text"))
    known = _BY_WORD.get(stat.upper()) if stat else None
    plainly = bool(ids) and known is not None and _STAT.search(body) is not None
    marker = esm_class & _MARKERS
    if not (marker in _MARKED or RECEIPTED_MESSAGE_ID in tlvs or plainly):
        return None
    ids, (state, final) = _with_tlvs(ids, known or _UNRECOGNISED, tlvs)
    return Receipt(
        ids,
        stat,
        state,
        final,
        _first_word(fields.get("err")),
        _number(fields.get("sub")),
        _number(fields.get("dlvrd")),
        receipt_dates.read(fields.get("submitdate", "")[:_LONGEST_DATE]),
        receipt_dates.read(fields.get("donedate", "")[:_LONGEST_DATE]),
        fields.get("text"),
        marker == _INTERMEDIATE,
    )


def _text_of(octets: bytes, esm_class: int, data_coding: int) -> str:
    """Read the text: Latin-1, which keeps every octet, unless UCS-2 is both declared and seen."""
    if esm_class & _UDHI and octets and octets[0] < 0x20:  # no UDH is longer; `id:` begins at 0x69
        octets = octets[octets[0] + 1 :]
    utf16 = data_coding & 0x0C == 0x08 and octets[:1] == b"\0"
    text = octets.decode("utf-16-be" if utf16 else "latin-1", "replace")
    return text.rstrip("\0").replace("\0", " ")


def _fields(body: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Cut `body` at its labels: the first value of each, and all ids. `text:` takes the rest."""
    fields: dict[str, str] = {}
    ids: list[str] = []
    found = list(_LABEL.finditer(body))
    for place, match in enumerate(found):
        label = match[1].lower().replace(" ", "")
        if label == "text":
            fields["text"] = body[match.end() :]
            break
        end = found[place + 1].start() if place + 1 < len(found) else len(body)
        value = body[match.end() : end].strip()
        fields.setdefault(label, value)
        if label == "id" and (smsc_id := _first_word(value)):
            ids.append(smsc_id)
    return fields, tuple(dict.fromkeys(ids))


def _stat_elsewhere(body: str, text: str | None) -> str | None:
    """Find the state when its label is missing: a bare word before `text:`, or a label within it."""
    before = body if text is None else body[: len(body) - len(text)]
    for word in before.split():
        if word in _BY_WORD:
            return word
    match = _STAT.search(text or "")
    return match[1] if match else None


def _with_tlvs(
    ids: tuple[str, ...], known: _Known, tlvs: Mapping[int, bytes]
) -> tuple[tuple[str, ...], _Known]:
    """Put the TLVs' id before the text's, and their state over it, where they say something."""
    smsc_id = tlvs.get(RECEIPTED_MESSAGE_ID, b"").partition(b"\0")[0].decode("latin-1")
    if smsc_id and ids[:1] != (smsc_id,):
        ids = tuple(dict.fromkeys((smsc_id, *ids)))
    return ids, _BY_OCTET.get(tlvs.get(MESSAGE_STATE, b""), known)


def _first_word(value: str | None) -> str | None:
    words = value.split(maxsplit=1) if value else []
    return words[0] if words else None


def _number(value: str | None) -> int | None:
    """Read a count; `...`, `null` and what no count can be is None."""
    word = _first_word(value)
    return int(word) if word and _COUNT(word) else None


_LONGEST_DATE: Final = 40  # characters; `read` remembers what it has read
_COUNT: Final = re.compile(r"[0-9]{1,9}").fullmatch
