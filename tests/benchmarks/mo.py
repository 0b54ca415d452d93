"""MO: how many a second are taken, committed and answered.

An SMSC of its own writes deliver_sm to a running engine, a fixed number ahead of the answers, and
counts these: each comes only after the commit (fsync on). Single-part MO from as many numbers; then
three-part ones, interleaved and shuffled over 500 senders, in the midst of which the engine is
killed (-9) and started again. Whatever was not answered is sent again, as an SMSC does. Afterwards
each text is in the inbox exactly once, or the run has failed.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable

from smpp.pdu import Address
from smpp.traffic import SubmitTemplate
from tests.benchmarks.figures import Figure
from tests.benchmarks.peer import Peer
from tests.rig import PATIENCE_S, Rig

AT_LEAST = 5_000.0
SENDERS = 500


def options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--messages", type=int, default=50_000, metavar="N", help="single-part MO")
    parser.add_argument("--long", type=int, default=10_000, metavar="N", help="three-part MO")
    parser.add_argument("--runs", type=int, default=3, metavar="N")
    parser.add_argument("--seed", type=int, default=1)


def run(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    """All runs, each in a database of its own."""
    speeds: list[float] = []
    exact: list[float] = []
    for n in range(given.runs):
        say(f"mo, run {n + 1} of {given.runs}: {given.messages:,} single ones")
        speeds.append(single(given.messages))
        say(f"  {speeds[-1]:,.0f}/s; {given.long:,} of three parts, and a kill")
        exact.append(long(given.long, given.seed + n) / given.long)
        say(f"  {exact[-1]:.2%} reassembled exactly")
    return [
        Figure(name="single-part MO", unit="/s", values=speeds, at_least=AT_LEAST),
        Figure(
            name="three-part MO reassembled exactly", unit="×", values=exact, at_least=1, at_most=1
        ),
    ]


def single(messages: int) -> float:
    """MO a second."""
    with Rig.open(window=10) as rig, Peer() as smsc:
        rig.use_smsc(smsc.port)
        rig.start_engine()
        bodies = [_body(f"6421{n:08}", 0, b"YES %d" % n) for n in range(messages)]
        smsc.bound.wait(PATIENCE_S)
        began = time.perf_counter()
        smsc.deliver(bodies)
        smsc.answered_all(PATIENCE_S + messages / 500)
        took = time.perf_counter() - began
        ((stored,),) = rig.sql("SELECT count(*) FROM inbox")
        assert stored == messages, f"{stored} of {messages} are in the inbox"
    return messages / took


def long(messages: int, seed: int, *, kill: bool = True) -> int:
    """How many messages of three parts were stored exactly, once and whole."""
    texts: dict[str, list[str]] = {}
    bodies: list[bytes] = []
    for n in range(messages):
        mobile, reference = f"6421{n % SENDERS:08}", n // SENDERS
        parts = [f"{n}:{part} ".ljust(150, "x") + "." for part in (1, 2, 3)]
        texts.setdefault(f"+{mobile}", []).append("".join(parts))
        bodies += [
            _body(mobile, 0x40, bytes((5, 0, 3, reference & 0xFF, 3, number)) + text.encode())
            for number, text in enumerate(parts, 1)
        ]
    # In no order, but within what a reference can tell apart: a handset counts to 255 and again.
    chance = random.Random(seed)
    stretch = SENDERS * 3 * 100
    for start in range(0, len(bodies), stretch):
        piece = bodies[start : start + stretch]
        chance.shuffle(piece)
        bodies[start : start + stretch] = piece
    with Rig.open(window=10) as rig, Peer() as smsc:
        rig.use_smsc(smsc.port)
        rig.start_engine()
        smsc.bound.wait(PATIENCE_S)
        smsc.deliver(bodies)
        if kill:
            rig.wait(lambda: smsc.answered >= len(bodies) // 2, "half of the answers")
            rig.engine.kill()
            smsc.bound.clear()
            rig.start_engine()
        smsc.answered_all(PATIENCE_S + len(bodies) / 300)
        found: dict[str, list[str]] = {}
        for mobile, content in rig.sql("SELECT mobile, content FROM inbox WHERE parts = 3"):
            found.setdefault(mobile, []).append(content)
        ((others,),) = rig.sql("SELECT count(*) FROM inbox WHERE parts <> 3")
        ((waiting,),) = rig.sql("SELECT count(*) FROM mo_part")
    assert (others, waiting) == (0, 0), f"{others} fragments, {waiting} parts that wait"
    return sum(
        len(set(wanted) & set(found.get(mobile, ())))
        if len(found.get(mobile, ())) == len(wanted)
        else 0
        for mobile, wanted in texts.items()
    )


def _body(mobile: str, esm_class: int, octets: bytes) -> bytes:
    return SubmitTemplate(Address(1, 1, mobile), 0, 1).body("3774", esm_class, 0, octets)
