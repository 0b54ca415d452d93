"""A database that fails over in the midst of a campaign, with MO coming in and API sends being accepted.

A primary and its standbys (`tests.standby`), replicating synchronously. The primary dies, or stands
still, and a standby is promoted; the engine has nothing but its URL with all hosts. Afterwards three
accounts are compared: the SMSC's own, what the API's client was answered, and what the new primary
holds.

    python -m tests.benchmarks failover          # at the size of the promise
"""

from __future__ import annotations

import http.client
import itertools
import json
import random
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.promises.harness import FAST_TIMERS, LOOK_S, UNCERTAIN_S
from tests.rig import PATIENCE_S, Rig
from tests.standby import Servers

REPLIES: Final = '[[reply]]\npattern = "."\ntext = "OK"\ndelay_ms = 50\n'

API_EVERY_S: Final = 0.05


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of one failover. `broken` are the promises that were not kept."""

    messages: int
    singles: int
    """Messages that the API has accepted."""
    replies: int
    again_s: float
    """From the end of the promotion to the next message at the SMSC."""
    still_s: float
    """The longest time without one, failure and promotion included."""
    took_s: float
    broken: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.messages:,} of a campaign, {self.singles} by the API, {self.replies} replies;"
            f" sending again {self.again_s:.1f} s after the promotion, nothing for"
            f" {self.still_s:.1f} s" + "".join(f"\n  BROKEN: {one}" for one in self.broken)
        )


def run(
    *,
    messages: int,
    standbys: int = 1,
    frozen: bool = False,
    seed: int = 0,
    latency_ms: float = 15.0,
) -> Outcome:
    """One campaign with one failover at a moment that the seed chooses.

    `frozen`: the primary doesn't die but stands still, with all its connections.
    """
    chance = random.Random(seed)
    began = time.monotonic()
    with (
        Servers.open(standbys=standbys) as servers,
        Rig.open(url=servers.url, window=20, timers=FAST_TIMERS) as rig,
    ):
        (replies := rig.home / "replies.toml").write_text(REPLIES)
        rig.start_smsc(latency_ms=latency_ms, receipt_after_ms=100, seed=seed, replies=replies)
        rig.siaran("db", "migrate")
        rig.siaran("user", "add", "anna", "--as", "anna")
        token = rig.siaran("user", "token", "anna", "--as", "anna")["token"]
        rig.start_engine()
        file = _file(rig.home / "campaign.csv", messages)
        made = rig.siaran(
            *("campaign", "quick", str(file), "--list", "all", "--as", "anna"),
            *("--message", "Hello %%1%%", "--now"),
        )
        campaign = int(made["campaign"]["id"])
        client = _Client(rig, token)
        client.start()
        moment = int(messages * (0.3 + 0.2 * chance.random()))
        rig.wait(lambda: len(rig.record.read()) >= moment, f"message {moment:,}")
        (servers.primary.freeze if frozen else servers.primary.kill)()
        servers.fail_over()
        promoted = datetime.now(UTC)
        rig.url = servers.primary.url()  # for our own questions; the engine's stays what it is
        again = rig.wait(
            lambda: next((a.at for a in rig.record.read() if a.at > promoted), None),
            "a message after the promotion",
        )
        rig.wait(lambda: client.accepted_since(promoted) >= 5, "API sends after the promotion")
        client.stop()
        _finish(rig, campaign)
        arrivals = rig.record.read()
        wanted = {f"62812{n:07}{(n + 1) % 10}" for n in range(messages)} | client.accepted
        times = Counter(arrival.destination.lstrip("+") for arrival in arrivals)
        [[stored, distinct]] = rig.sql("SELECT count(*), count(DISTINCT mobile) FROM inbox")
        at = sorted(arrival.at for arrival in arrivals)
        outcome = Outcome(
            messages=messages,
            singles=len(client.accepted),
            replies=distinct,
            again_s=(again - promoted).total_seconds(),
            still_s=max((b - a).total_seconds() for a, b in itertools.pairwise(at)),
            took_s=time.monotonic() - began,
        )
        broken = outcome.broken
        if lost := wanted - times.keys():
            broken.append(f"{len(lost)} messages never arrived")
        if more := times.keys() - wanted - client.asked:
            broken.append(f"{len(more)} arrived that nobody has sent")
        if repeats := sum(times.values()) - len(times):
            broken.append(f"{repeats} arrived twice")
        if not stored == distinct == len(times):
            broken.append(f"{len(times)} wrote back; the inbox has {stored} from {distinct}")
        counts = rig.siaran("report", "campaign", str(campaign), "--as", "anna")["counts"]
        if counts["delivered"] != messages or sum(counts.values()) != messages:
            broken.append(f"the report says {counts}")
        if not (rig.engine.lives and rig.logged("engine.started") == 1):
            broken.append("the engine was started again")
        if "geheim" in rig.said() or servers.primary.password in rig.said():
            broken.append("the log holds the database's password")
        return outcome


class _Client(threading.Thread):
    """Sends single messages by the API, each until it is accepted, under one key."""

    def __init__(self, rig: Rig, token: str) -> None:
        super().__init__(name="API client", daemon=True)
        (address,) = re.findall(r'http\.listening addresses=\["http://([^"]+)"', rig.said())
        self._address = str(address)
        self._token = token
        self._ending = threading.Event()
        self._at: list[datetime] = []
        self.accepted: set[str] = set()
        self.asked: set[str] = set()

    def accepted_since(self, at: datetime) -> int:
        return sum(one > at for one in list(self._at))

    def stop(self) -> None:
        """Comes back when the last one is accepted."""
        self._ending.set()
        self.join(PATIENCE_S)
        assert not self.is_alive(), "an API send is never accepted"

    def run(self) -> None:
        n = 0
        while not self._ending.wait(API_EVERY_S):
            mobile = f"64211{n:05}{(n + 1) % 10}"
            self.asked.add(mobile)
            while not self._sent(mobile, f"single-{n}"):
                time.sleep(API_EVERY_S)  # a 503: as Retry-After would have it
            self.accepted.add(mobile)
            self._at.append(datetime.now(UTC))
            n += 1

    def _sent(self, mobile: str, key: str) -> bool:
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/json",
            "Idempotency-Key": key,
        }
        body = json.dumps({"to": f"+{mobile}", "text": "Your code is 4711."})
        connection = http.client.HTTPConnection(self._address, timeout=PATIENCE_S)
        try:
            connection.request("POST", "/v1/messages", body, headers)
            answer = connection.getresponse()
            octets = answer.read()
        finally:
            connection.close()
        assert answer.status in (202, 409, 503), octets
        return answer.status == 202


def _file(file: Path, rows: int) -> Path:
    with file.open("w") as lines:
        for n in range(rows):
            lines.write(f"+62812{n:07}{(n + 1) % 10},Name{n}\n")
    return file


def _finish(rig: Rig, campaign: int) -> None:
    """Until no message waits for anything, and each that arrived was answered."""

    def over() -> bool:
        time.sleep(LOOK_S)
        rig.pass_time(UNCERTAIN_S)
        [[open_]] = rig.sql(
            "SELECT count(*) FROM message"
            " WHERE state IN ('queued', 'launched', 'sent', 'uncertain')"
        )
        [[replies]] = rig.sql("SELECT count(DISTINCT mobile) FROM inbox")
        [[ended]] = rig.sql(
            "SELECT count(*) FROM campaign WHERE id = %s AND state = 'completed'", campaign
        )
        written = {arrival.destination for arrival in rig.record.read()}
        return bool(ended) and open_ == 0 and replies >= len(written)

    rig.wait(over, "the end", 2 * PATIENCE_S)
