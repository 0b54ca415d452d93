"""A database that was restored from a backup knows less than was done: nothing goes out twice (R-8.2).

What had been sent before the backup is known. What was on the wire then, or was sent since, looks as
if it were still to be sent: all of that is held until a person has decided about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from engine.domain.errors import Refused
from engine.domain.settings import UNCERTAIN, Uncertain
from engine.store import applications, audit, restoring, settings
from engine.store.db import Tx

REASON = "restored from a backup: it may have been sent since"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What is held: campaigns that are paused now, how many messages, where `uncertain` was set."""

    campaigns: tuple[int, ...]
    messages: int
    applications: tuple[str, ...]


def engines(tx: Tx) -> dict[str, datetime]:
    """The engines whose leases last, and until when: of one that runs that moves every few seconds.

    Right after a restore it may be one that ran when the backup was made.
    """
    return restoring.engines(tx)


def hold(tx: Tx, by: str, now: datetime) -> Held:
    """Hold whatever may have been sent since the backup. Raises Refused while an engine runs."""
    if running := engines(tx):
        raise Refused(
            f"the engine {', '.join(running)} is running, and has begun to send what is to be held;"
            " stop it first (after a kill it counts as running for 20 s)"
        )
    paused = restoring.pause(tx, REASON, now)
    for application_id, campaign_id, state in paused:
        audit.record(
            tx,
            application_id=application_id,
            by=by,
            action="campaign.pause",
            object=str(campaign_id),
            before={"state": state},
            after={"state": "paused", "reason": REASON},
        )
    messages = restoring.hold(tx, now)
    holding = []
    known = settings.everywhere(tx, UNCERTAIN)
    for name in applications.names(tx):
        application = applications.find(tx, name)
        assert application is not None
        before = known.get(application.id, UNCERTAIN.default)
        if before is Uncertain.HOLD:
            continue
        settings.store(tx, application.id, UNCERTAIN.key, UNCERTAIN.text(Uncertain.HOLD))
        audit.record(
            tx,
            application_id=application.id,
            by=by,
            action="setting.set",
            object=UNCERTAIN.key,
            before={"value": before},
            after={"value": Uncertain.HOLD},
        )
        holding.append(name)
    return Held(
        campaigns=tuple(sorted(campaign_id for _, campaign_id, _ in paused)),
        messages=sum(messages.values()),
        applications=tuple(holding),
    )
