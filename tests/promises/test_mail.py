"""R-6.8, R-8.3: what a subscriber replies is mailed, though the engine is killed in between."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable

import pytest

from tests.benchmarks.peer import Peer
from tests.benchmarks.subscribers import body
from tests.engine.mailserver import MailServer, serving, text_of
from tests.promises.harness import FAST_TIMERS, seed_of_environment
from tests.rig import Rig

WINDOW = 10
KILLS = 3
MEMBERS = 10
EACH = 5
"""Replies of each member."""

CONNECTIONS = 4
"""Mails that may be on their way at a time."""


@pytest.mark.long
def test_every_reply_is_mailed_over_kills(database_url: str) -> None:
    """Two lists; three kills. At most what was on its way comes again, under its Message-ID."""
    seed = seed_of_environment()
    chance = random.Random(seed)
    with (
        serving(MailServer()) as server,
        Peer() as smsc,
        Rig.open(url=database_url, window=WINDOW, timers=FAST_TIMERS) as rig,
    ):
        rig.use_smsc(smsc.port)
        with rig.configuration.open("a") as file:
            file.write(f'[smtp]\nport = {server.port}\nfrom = "siaran@example.net"\n')
        rig.start_engine()
        wanted = _written(rig)
        bodies = [body(mobile, text) for _, mobile, text in wanted]
        chance.shuffle(bodies)
        sender = threading.Thread(target=smsc.pace, args=(bodies, 200.0))
        sender.start()
        for n in range(KILLS):
            moment = int(len(wanted) * (0.1 + 0.6 * (n + chance.random()) / KILLS))
            rig.wait(lambda moment=moment: len(server.mails) >= moment, f"mail {moment}")  # type: ignore[misc]
            time.sleep(chance.random() * 0.02)
            rig.engine.kill()
            rig.start_engine()
        sender.join()
        smsc.answered_all(60)
        rig.wait(lambda: rig.sql("SELECT count(*) FROM outbox") == [(0,)], "an empty outbox")
        order = rig.sql(
            "SELECT l.email, i.content FROM inbox i JOIN list l ON l.id = i.list_id ORDER BY i.id"
        )
    came = [(mail["To"], text_of(mail)) for mail in server.mails]
    once = Counter(
        {mail["Message-ID"]: (mail["To"], text_of(mail)) for mail in server.mails}.values()
    )
    assert once == Counter((to, text) for to, _, text in wanted), f"seed {seed}"
    assert len(came) - len(wanted) <= KILLS * CONNECTIONS, f"seed {seed}"
    assert _firsts(came) == _firsts(order), f"seed {seed}"


def _firsts(came: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """What each address got, in its order; what came again does not count."""
    got: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for to, text in came:
        got[to].setdefault(text)
    return {to: [*texts] for to, texts in got.items()}


def _written(rig: Rig) -> list[tuple[str, str, str]]:
    """Two lists with addresses, each after a campaign: to whom each reply goes, its mobile, its text."""
    wanted: list[tuple[str, str, str]] = []
    for to in ("sales@example.net", "shop@example.net"):
        campaign = rig.campaign(MEMBERS)
        rig.sql(
            """
            UPDATE list SET email = %s FROM campaign c
             WHERE c.id = %s AND list.id = c.list_id
            """,
            to,
            campaign,
        )
        rig.wait(lambda campaign=campaign: _sent(rig, campaign) == MEMBERS, "the campaign")  # type: ignore[misc]
        found = rig.sql("SELECT mobile FROM message WHERE campaign_id = %s ORDER BY id", campaign)
        for (mobile,) in found:
            number = mobile.removeprefix("+")
            wanted += [(to, number, f"{number} says {n}") for n in range(EACH)]
    return wanted


def _sent(rig: Rig, campaign: int) -> int:
    ((n,),) = rig.sql(
        "SELECT count(*) FROM message WHERE state = 'sent' AND campaign_id = %s", campaign
    )
    return int(n)
