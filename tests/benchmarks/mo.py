"""MO: how many a second are taken, committed and answered.

An SMSC of its own writes deliver_sm to a running engine, a fixed number ahead of the answers, and
counts these: each comes only after the commit (fsync on).

single   single-part MO from as many numbers, which answer nothing
decided  opt-outs, keywords, questions and replies to a campaign, most of them answered
paced    the same at 1,000 a second: how long each waits for its response
long     three-part MO, interleaved and shuffled over 500 senders, in the midst of which the engine is
         killed (-9) and started again; what was not answered is sent again, as an SMSC does;
         afterwards each text is in the inbox exactly once, or the run has failed
lookup   what an MO answers, found among ten million messages of ten days, in the database alone
"""

from __future__ import annotations

import argparse
import contextlib
import random
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from engine import clock
from engine.store import inbox
from engine.store.db import Database
from engine.store.inbox import Row
from smpp.pdu import Address
from smpp.traffic import SubmitTemplate
from tests.benchmarks import subscribers
from tests.benchmarks.figures import Figure, shown
from tests.benchmarks.peer import Peer
from tests.rig import PATIENCE_S, Rig

PARTS = ("single", "decided", "paced", "long", "lookup")

AT_LEAST = 5_000.0
DECIDED_AT_LEAST = 4_000.0
LOOKUP_AT_MOST_MS = 1.0
SENDERS = 500


def options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--messages", type=int, default=50_000, metavar="N", help="single-part MO")
    parser.add_argument("--long", type=int, default=10_000, metavar="N", help="three-part MO")
    parser.add_argument("--paced", type=int, default=20_000, metavar="N", help="MO at a pace")
    parser.add_argument("--past", type=int, default=10_000_000, metavar="N", help="past messages")
    parser.add_argument("--runs", type=int, default=3, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=PARTS, help="what of it is measured"
    )


def run(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    """All runs, each in a database of its own."""
    found: dict[str, list[float]] = defaultdict(list)
    for n in range(given.runs):
        say(f"mo, run {n + 1} of {given.runs}")
        if "single" in given.only:
            found["single-part MO"].append(single(given.messages))
        if "decided" in given.only:
            found["decided and answered"].append(decided(given.messages))
        if "paced" in given.only:
            delays_s = sorted(paced(given.paced))
            found["p99 from deliver_sm to its response at 1,000/s"].append(
                1000 * delays_s[len(delays_s) * 99 // 100]
            )
        if "long" in given.only:
            exact = long(given.long, given.seed + n) / given.long
            found["three-part MO reassembled exactly"].append(exact)
        say("  " + "; ".join(f"{name} {shown(values[-1])}" for name, values in found.items()))
    if "lookup" in given.only:
        say(f"mo, {given.past:,} past messages are made")
        for name, cost_ms in lookups(given.past).items():
            found[name].append(cost_ms)
    bars: dict[str, dict[str, Any]] = {
        "single-part MO": {"unit": "/s", "at_least": AT_LEAST},
        "decided and answered": {"unit": "/s", "at_least": DECIDED_AT_LEAST},
        "three-part MO reassembled exactly": {"unit": "×", "at_least": 1, "at_most": 1},
    }
    return [
        Figure(name=name, values=values, **bars.get(name, {"unit": "ms"}))
        if not name.endswith("of 500")
        else Figure(name=name, values=values, unit="ms", at_most=LOOKUP_AT_MOST_MS)
        for name, values in found.items()
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


def decided(messages: int) -> float:
    """MO a second that mean something: opt-outs, keywords, questions and replies to a campaign, most
    of them answered; the responses go out meanwhile."""
    with Rig.open(window=100) as rig, Peer() as smsc:
        bodies = _subscribers(rig, smsc, messages)
        began = time.perf_counter()
        smsc.deliver(bodies)
        smsc.answered_all(PATIENCE_S + messages / 300)
        took = time.perf_counter() - began
        ((stored,),) = rig.sql("SELECT count(*) FROM inbox WHERE meaning <> 'unknown'")
        assert stored == messages, f"{stored} of {messages} are in the inbox"
    return messages / took


def paced(messages: int, a_second: float = 1_000.0) -> list[float]:
    """Seconds from each deliver_sm to its response, of those that come at a pace."""
    with Rig.open(window=100) as rig, Peer() as smsc:
        bodies = _subscribers(rig, smsc, messages)
        smsc.pace(bodies, a_second)
        smsc.answered_all(PATIENCE_S)
        return smsc.delays_s


def lookups(past: int) -> dict[str, float]:
    """Milliseconds of the database to find what an MO answers, among so many messages of ten days."""
    with Rig.open(postgres="max_wal_size = 4GB\n") as rig, contextlib.ExitStack() as stack:
        rig.use_smsc(1)
        rig.siaran("list", "create", "march")
        # By its home: for who opens a URL the embedded server does not stay up.
        database = stack.enter_context(contextlib.closing(Database.open(None, home=rig.home)))
        rig.sql("SELECT ensure_partitions(current_date - 9, 10)")
        rig.sql(
            """
            INSERT INTO message (id, campaign_id, application_id, class, attempt, total, state,
                                 state_at, created_at, mobile, sender)
            SELECT first_id(day_of(now()) - n %% 10) + n, 1, 1, 2, 1, 1, 'delivered', now(), now(),
                   '+6421' || lpad((n / 3)::text, 8, '0'), '3774'
              FROM generate_series(1, %s) AS n
            """,
            past,
        )
        rig.sql("VACUUM ANALYZE message", user="postgres")
        found: dict[str, float] = {}
        for name, prefix in (("of who was written to", "21"), ("of strangers", "22")):
            rows = [
                Row(1, f"+64{prefix}{n * (past // 3 // 500):08}", "3774", "Yes", 0)
                for n in range(500)
            ]
            spent_s = []
            for _ in range(5):
                began = time.perf_counter()
                placed = database.run(inbox.place, rows, clock.utc_now())
                spent_s.append(time.perf_counter() - began)
                assert all((one.campaign_id is not None) is (prefix == "21") for one in placed)
            found[f"lookup {name}, of 500"] = 1000 * min(spent_s) / 500
            began = time.perf_counter()
            for row in rows[:100]:
                database.run(inbox.place, [row], clock.utc_now())
            found[f"lookup {name}, one"] = 1000 * (time.perf_counter() - began) / 100
    return found


def _subscribers(rig: Rig, smsc: Peer, messages: int) -> list[bytes]:
    """An engine that is bound, a campaign that was sent, and what its recipients write."""
    rig.use_smsc(smsc.port)
    rig.siaran("list", "create", "march")
    rig.sql(
        """
        INSERT INTO campaign (application_id, list_id, quick, text, sender, scheduled_at, timezone,
                              created_by, state, started_at, ended_at)
        SELECT application_id, id, false, 'x', '3774', now(), 'UTC', 'anna', 'completed', now(),
               now() FROM list
        """
    )
    rig.sql(
        """
        INSERT INTO message (id, campaign_id, application_id, class, attempt, total, accepted,
                             state, state_at, sent_at, created_at, mobile, sender)
        SELECT next_id(), c.id, c.application_id, 2, 1, 1, 1, 'sent', now(), now(), now(),
               '+6421' || lpad(n::text, 8, '0'), '3774'
          FROM campaign c, generate_series(0, %s - 1) AS n
        """,
        messages,
    )
    rig.sql("VACUUM ANALYZE message", user="postgres")
    subscribers.prepare_answers(rig, "march")
    rig.start_engine()
    smsc.bound.wait(PATIENCE_S)
    kinds = subscribers.KINDS
    return [subscribers.body(f"6421{n:08}", kinds[n % len(kinds)].text) for n in range(messages)]


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
