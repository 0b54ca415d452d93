"""Mails at the desk: what waits and why, what could not be sent, and sending that after all (R-6.8)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from engine.domain.errors import Refused
from engine.operations import Actor, application_of
from engine.store import audit, outbox
from engine.store.db import Tx
from engine.store.outbox import Dead as Dead
from engine.store.outbox import Waiting as Waiting


def ls(tx: Tx, actor: Actor, *, limit: int | None = None) -> list[Waiting]:
    """The oldest mails of the application that wait; None: all."""
    return outbox.waiting(tx, application_of(tx, actor).id, limit)


def dead(tx: Tx, actor: Actor, *, limit: int | None = None) -> list[Dead]:
    """The newest mails of the application that could not be sent; None: all."""
    return outbox.dead(tx, application_of(tx, actor).id, limit)


def replay(
    tx: Tx, actor: Actor, ids: Sequence[int], *, everything: bool = False, now: datetime
) -> list[Dead]:
    """Let dead mails be sent again: these, or all of the application. What was dead.

    All or nothing. Raises Refused for a number that is not of a dead mail.
    """
    application = application_of(tx, actor, "mail.replay")
    if everything and ids:
        raise Refused("name mails or say --all, not both")
    if not everything and not ids:
        raise Refused("name a mail, see `mail dead`, or say --all")
    back = outbox.replay(tx, application.id, None if everything else ids, now)
    unknown = set(ids) - {one.id for one in back}
    if unknown:
        numbers = ", ".join(map(str, sorted(unknown)))
        raise Refused(f"mail {numbers}: not dead, or not there; see `mail dead`")
    if back:
        audit.record(
            tx,
            application_id=application.id,
            by=actor.by,
            action="mail.replay",
            object=f"{len(back)} mail{'' if len(back) == 1 else 's'}",
            before={"dead": [one.id for one in back[:100]]},
            after=None,
        )
    return back
