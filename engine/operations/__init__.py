"""What a person can ask for: one function a verb, with its log line in the same transaction.

A verb is `verb(tx, actor, …)`: it runs in the caller's transaction, gives a frozen value back, and
raises `Refused` with a sentence for the person when it can't be done.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain.errors import Refused as Refused
from engine.domain.errors import Unreachable as Unreachable
from engine.domain.suggest import did_you_mean
from engine.operations.opening import open_database as open_database
from engine.store import applications
from engine.store.db import CommitUnknown as CommitUnknown
from engine.store.db import Database as Database
from engine.store.db import Tx as Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who asks, of which application, and why when a reason is asked for."""

    application: str
    by: str
    reason: str | None = None


def application_of(tx: Tx, actor: Actor) -> applications.Application:
    """The application that the actor works in. Raises Refused when there is none of that name."""
    application = applications.find(tx, actor.application)
    if application is None:
        meant = did_you_mean(actor.application, applications.names(tx))
        raise Refused(f'application "{actor.application}" not found{meant}')
    return application
