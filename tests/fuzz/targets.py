"""What is fuzzed: each target takes any octets, and raises only when a promise is broken.

The promise of each is one sentence, its docstring's first line. `corpus/NAME.hex` has inputs that
reached something of its own, one a line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from engine.domain import numbers, parts
from engine.domain.parts import Piece
from engine.domain.receipts import Rules
from engine.inbound import digest
from smpp import receipt, tlv
from smpp.alphabet import Alphabet
from smpp.events import Event
from smpp.pdu import ShortMessage
from smpp.states import Role, State
from tests.protocol import foreign
from tests.protocol.wire import connection, pdu, told

CORPUS: Final = Path(__file__).parent / "corpus"
SAMPLES: Final = Path(__file__).parents[1] / "unit/smpp/receipts.jsonl"

Target = Callable[[bytes], None]

STATES: Final = [(role, state) for role in Role for state in State]
ALPHABETS: Final[tuple[Alphabet, ...]] = ("gsm", "latin1", "ascii")


def session(octets: bytes) -> None:
    """Whatever comes, in any state, nothing is raised; and how it is cut into reads says nothing.

    The first octet is role and state, the second where the rest is cut in two.
    """
    if len(octets) < 3:
        return
    role, state = STATES[octets[0] % len(STATES)]
    rest = octets[2:]
    cut = octets[1] * len(rest) // 256
    whole, halves = connection(role, state), connection(role, state)
    events = whole.receive_data(rest, 0.0) if not whole.closed else []
    others: list[Event] = []
    for piece in (rest[:cut], rest[cut:]):
        if piece and not halves.closed:  # nothing at all would mean that the peer has closed
            others += halves.receive_data(piece, 0.0)
    assert told(events) == told(others)
    assert whole.data_to_send() == halves.data_to_send()


def receipts(octets: bytes) -> None:
    """A receipt is read or not; what is read can be stored, and its ids can be looked for.

    esm_class and data_coding are the first two octets; where the third is odd, TLVs come first.
    """
    if len(octets) < 3:
        return
    tlvs: Mapping[int, bytes] = tlv.NONE
    text = octets[3:]
    if octets[2] & 1:
        tlvs, text = tlv.parse(text, 0, len(text)), text[len(text) // 2 :]
    read = receipt.parse(text, tlvs, octets[0], octets[1])
    if read is None:
        return
    for word in (*read.ids, read.stat, read.err, read.text):
        _storable(word or "")
    for base in ("as-is", "hex", "decimal", "either"):
        rules = Rules(base=base)
        assert all(form for tier in rules.tiers(read.ids) for form in tier)
        rules.judge(read)


def mo(octets: bytes) -> None:
    """An MO has a text that can be stored, a number, and a place among the parts of a long one."""
    if len(octets) < 4:
        return
    esm_class, coding, default, source = octets[:4]
    rest = octets[4:]
    address = rest[: source % 21].decode("latin-1").replace("\0", "0")
    text = rest[source % 21 :]
    tlvs = tlv.parse(text, 0, len(text)) if source & 0x80 else tlv.NONE
    message = ShortMessage(
        5, 1, "", source & 7, 1, address, 0, 1, "3774", esm_class, 0, 0, 0, coding, text, tlvs
    )
    body = parts.read(message)
    piece = Piece(body.octets, coding, ALPHABETS[default % 3], body.shift)
    _storable(parts.text({1: piece}, 1))
    _storable(parts.text({1: piece, 3: piece}, 4))
    if body.part is not None and body.part.possible:
        assert parts.place([], body.part, body.octets) is parts.Fit.NEW
    assert len(digest(message)) == 16
    numbers.from_network(address, source & 7, "NZ" if default & 4 else None)


def _storable(text: str) -> None:
    """PostgreSQL holds no NUL in a text, and no half of a surrogate pair."""
    assert "\0" not in text
    text.encode("utf-8")


TARGETS: Final[Mapping[str, Target]] = MappingProxyType(
    {"session": session, "receipts": receipts, "mo": mo}
)


def corpus(name: str) -> list[bytes]:
    """The inputs that are kept for a target, and those that are made from what else is known."""
    file = CORPUS / f"{name}.hex"
    kept = [bytes.fromhex(line) for line in file.read_text().split()] if file.exists() else []
    return kept + _SEEDS[name]()


def _session_seeds() -> list[bytes]:
    good = [pdu(command, 0, 1, body) for command, body in foreign.BODIES.items()]
    return [bytes((at, 128)) + b"".join(good[at:]) for at in range(len(STATES))]


def _receipt_seeds() -> list[bytes]:
    samples = [json.loads(line) for line in SAMPLES.read_text("utf-8").splitlines()]
    return [bytes((one["esm_class"], 0, 0)) + one["text"].encode("latin-1") for one in samples]


def _mo_seeds() -> list[bytes]:
    number = b"64211234567"
    return [
        bytes((0x40, coding, 0, len(number))) + number + header + b"Halo"
        for coding in (0, 3, 4, 8)
        for header in (b"\5\0\3\7\3\2", b"\6\x08\4\1\2\3\2", b"\3\x24\1\1")
    ]


_SEEDS: Final[Mapping[str, Callable[[], list[bytes]]]] = MappingProxyType(
    {"session": _session_seeds, "receipts": _receipt_seeds, "mo": _mo_seeds}
)
