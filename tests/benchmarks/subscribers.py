"""Subscribers: opt-outs, keywords, questions and replies, while the engine is killed again and again.

Each of many subscribers writes once: some answer a campaign (STOP, a question, "please stop", HELP),
some, who were never written to, send a keyword. They come at a pace; the engine is killed (-9) at
moments that the seed chooses, and started again; the SMSC sends again what was not answered. Afterwards
each must be in the inbox once, taken for what it is; each response made once and taken by the SMSC once
(but what R-8.2 leaves uncertain, at most one window a kill); each keyword's sender in its list; and the
next campaign must reach all but those who have opted out.
"""

from __future__ import annotations

import argparse
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from smpp.pdu import Address
from smpp.traffic import SubmitTemplate
from tests.benchmarks.figures import Figure
from tests.benchmarks.peer import Peer
from tests.promises.harness import FAST_TIMERS, UNCERTAIN_S, seed_of_environment
from tests.rig import PATIENCE_S, Rig

WINDOW = 10
NEXT = "The next campaign."


class Kind(NamedTuple):
    """What one kind of subscribers writes, what that is taken for, and what they are answered."""

    text: str
    meaning: str
    response: str | None
    known: bool = True
    """Whether they answer the campaign."""


KINDS = (
    Kind("Stop!", "opt-out", "You get no more messages."),
    Kind("When are you open?", "reply", "We will answer soon."),
    Kind("CLUB", "keyword", "Welcome to the club.", known=False),
    Kind("HELP", "help", "Call 0800 123 456."),
    Kind("please stop", "near miss", None),
)


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What was broken; and how many responses the SMSC took once more than it should."""

    broken: list[str] = field(default_factory=list)
    repeats: int = 0
    allowed: int = 0
    took_s: float = 0.0


def options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--messages", type=int, default=20_000, metavar="N")
    parser.add_argument("--kills", type=int, default=10, metavar="K")
    parser.add_argument("--rate", type=float, default=2_000.0, metavar="R", help="MO a second")
    parser.add_argument("--seed", type=int, metavar="N", help="repeat the moments of a run")


def run(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    """One trial."""
    seed = seed_of_environment() if given.seed is None else given.seed
    say(f"subscribers: {given.messages:,} MO, {given.kills} kills, seed {seed}")
    verdict = trial(given.messages, kills=given.kills, a_second=given.rate, seed=seed)
    for words in verdict.broken:
        say(f"  {words}")
    return [
        Figure(name="broken promises", unit="", values=[len(verdict.broken)], at_most=0),
        Figure(
            name="responses repeated", unit="", values=[verdict.repeats], at_most=verdict.allowed
        ),
        Figure(name="took", unit="s", values=[verdict.took_s]),
    ]


def trial(
    messages: int,
    *,
    kills: int,
    a_second: float,
    seed: int,
    url: str | None = None,
    like: Path | None = None,
    settings: str = "",
) -> Verdict:
    """From a campaign to the next one, with kills between."""
    chance = random.Random(seed)
    began = time.monotonic()
    with (
        Rig.open(url=url, like=like, postgres=settings, window=WINDOW, timers=FAST_TIMERS) as rig,
        Peer(write_down=True) as smsc,
    ):
        rig.use_smsc(smsc.port)
        rig.start_engine()
        written, list_name = _prepare(rig, messages)
        bodies = [body(mobile, kind.text) for mobile, kind in written.items()]
        chance.shuffle(bodies)
        sender = threading.Thread(target=smsc.pace, args=(bodies, a_second))
        sender.start()
        for n in range(kills):
            moment = int(messages * (0.05 + 0.85 * (n + chance.random()) / kills))
            rig.wait(lambda moment=moment: smsc.answered >= moment, f"answer {moment:,}")  # type: ignore[misc]
            time.sleep(chance.random() * 0.05)
            rig.engine.kill()
            rig.start_engine()
        sender.join()
        smsc.answered_all(PATIENCE_S + messages / 200)
        _quiet(rig)
        verdict = _judge(rig, smsc, written)
        verdict.allowed = kills * WINDOW
        if verdict.repeats > verdict.allowed:
            verdict.broken.append(f"{verdict.repeats} responses were repeated after {kills} kills")
        _next_campaign(rig, smsc, list_name, written, verdict)
    verdict.took_s = time.monotonic() - began
    return verdict


def body(mobile: str, text: str) -> bytes:
    """A deliver_sm's."""
    return SubmitTemplate(Address(1, 1, mobile), 0, 1).body("3774", 0, 0, text.encode())


def prepare_answers(rig: Rig, list_name: str) -> None:
    """What the application answers, also to that list; and the keyword. (In SQL: a dozen commands
    take as long as the rest.)"""
    responses = {kind.meaning: kind.response for kind in KINDS}
    rig.sql(
        """
        INSERT INTO response (application_id, kind, list_id, text)
        SELECT a.id, r.kind, r.list_id, r.text
          FROM application a,
               (VALUES ('optout', NULL, %s), ('help', NULL, %s),
                       ('list', (SELECT id FROM list WHERE name = %s), %s))
               AS r (kind, list_id, text)
        """,
        responses["opt-out"],
        responses["help"],
        list_name,
        responses["reply"],
    )
    rig.sql(
        """
        WITH made AS (INSERT INTO list (application_id, name) SELECT id, 'club' FROM application
                      RETURNING id, application_id)
        INSERT INTO keyword (application_id, word, written, list_id, response, active)
        SELECT application_id, 'club', 'CLUB', id, %s, true FROM made
        """,
        responses["keyword"],
    )


def _prepare(rig: Rig, messages: int) -> tuple[dict[str, Kind], str]:
    """Who will write what, after a campaign to those who answer it; its list's name."""
    known = sum(KINDS[n % len(KINDS)].known for n in range(messages))
    campaign = rig.campaign(known)
    ((list_name,),) = rig.sql(
        "SELECT l.name FROM campaign c JOIN list l ON l.id = c.list_id WHERE c.id = %s", campaign
    )
    prepare_answers(rig, list_name)
    _quiet(rig)
    mobiles = [
        mobile.removeprefix("+")
        for (mobile,) in rig.sql("SELECT mobile FROM message WHERE campaign_id = %s", campaign)
    ]
    written: dict[str, Kind] = {}
    for n in range(messages):
        kind = KINDS[n % len(KINDS)]
        written[mobiles.pop() if kind.known else f"6421{n:07}"] = kind
    return written, list_name


def _quiet(rig: Rig) -> None:
    """Until nothing waits to be sent, and nothing is on its way; what is uncertain is sent again."""

    def over() -> bool:
        rig.pass_time(UNCERTAIN_S)
        ((open_,),) = rig.sql(
            "SELECT count(*) FROM message WHERE state IN ('queued', 'launched', 'uncertain')"
        )
        ((running,),) = rig.sql(
            "SELECT count(*) FROM campaign WHERE state NOT IN ('completed', 'cancelled')"
        )
        if open_ or running:
            time.sleep(0.1)
        return not (open_ or running)

    rig.wait(over, "everything to be sent", PATIENCE_S * 3)


def _judge(rig: Rig, smsc: Peer, written: dict[str, Kind]) -> Verdict:
    """What must be so, whatever was killed."""
    verdict = Verdict()

    def check(what: str, found: Sequence[object], wanted: Sequence[object]) -> None:
        if (have := Counter(found)) != (want := Counter(wanted)):
            missing, more = want - have, have - want
            verdict.broken.append(
                f"{what}: {missing.total()} missing {[*missing][:3]},"
                f" {more.total()} too many {[*more][:3]}"
            )

    check(
        "in the inbox",
        rig.sql("SELECT ltrim(mobile, '+'), content, meaning FROM inbox"),
        [(mobile, kind.text, kind.meaning) for mobile, kind in written.items()],
    )
    answered = [(m, kind.response) for m, kind in written.items() if kind.response is not None]
    check(
        "responses",
        rig.sql(
            """
            SELECT ltrim(m.mobile, '+'), m.text FROM auto_response a
              JOIN message m ON m.id = a.message_id JOIN inbox i ON i.response_id = m.id
            """
        ),
        answered,
    )
    check(
        "opted out",
        rig.sql("SELECT ltrim(mobile, '+') FROM consent WHERE event = 'out'"),
        [(mobile,) for mobile, kind in written.items() if kind.meaning == "opt-out"],
    )
    check(
        "in the keyword's list",
        rig.sql(
            """
            SELECT ltrim(m.mobile, '+') FROM member m JOIN list l ON l.id = m.list_id
             WHERE l.name = 'club'
            """
        ),
        [(mobile,) for mobile, kind in written.items() if kind.meaning == "keyword"],
    )
    texts = {kind.response for kind in KINDS}
    taken = {
        (destination.removeprefix("+"), octets.decode("latin-1")): n
        for (destination, octets), n in smsc.taken.items()
        if octets.decode("latin-1") in texts
    }
    check("responses that the SMSC took", list(taken), answered)
    verdict.repeats = sum(taken.values()) - len(taken)
    return verdict


def _next_campaign(
    rig: Rig, smsc: Peer, list_name: str, written: dict[str, Kind], verdict: Verdict
) -> None:
    """It must reach all of the list but those who have opted out, each once."""
    rig.send(list_name, NEXT)
    _quiet(rig)
    reached = {
        destination.removeprefix("+"): n
        for (destination, octets), n in smsc.taken.items()
        if octets == NEXT.encode()
    }
    wanted = {m for m, kind in written.items() if kind.known and kind.meaning != "opt-out"}
    if out := reached.keys() - wanted:
        verdict.broken.append(f"{len(out)} were sent to though they had opted out")
    if missed := wanted - reached.keys():
        verdict.broken.append(f"{len(missed)} were not sent to")
