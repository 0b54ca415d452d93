"""Inputs from inputs: what chance makes of what is known."""

from __future__ import annotations

import random
from collections.abc import Sequence

TELLING = (
    b"\0",
    b"\xff",
    b"\x1b",
    b"\x7f\xff",
    b"\0\0\0\x10",
    b"id:",
    b"stat:",
    b"\x04\x24\xff\xff",
)
"""Octets that mean something to somebody."""


def mutated(seeds: Sequence[bytes], chance: random.Random) -> bytes:
    """One of the seeds, changed in one to four places, or joined with another."""
    octets = bytearray(chance.choice(seeds))
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, len(octets))
        match chance.randrange(6):
            case 0:
                octets[at : at + 1] = bytes((chance.randrange(256),))
            case 1:
                del octets[at : at + chance.randint(1, 8)]
            case 2:
                octets[at:at] = chance.choice(TELLING)
            case 3:
                octets[at:at] = chance.randbytes(chance.randint(1, 8))
            case 4:
                octets[at:] = chance.choice(seeds)[at:]
            case _:
                if octets:
                    octets[min(at, len(octets) - 1)] ^= 1 << chance.randrange(8)
    return bytes(octets[:2048])
