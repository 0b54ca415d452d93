"""What time does: texts and numbers are scrubbed, what was deleted is removed (R-9.3).

The engine asks for it once an hour, piece after piece with a pause between, until there is no more:

    while await db.transact(retention.tidy, clock.utc_now()):
        await trio.sleep(retention.pause_s(took_s))

Members of lists, counts, consent and the blacklist are never touched.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from engine.domain.settings import RETENTION_TEXT
from engine.store import callbacks, imports, lists, outbox, scrubbing, settings, subscribers
from engine.store.db import Tx

ROWS = 1_000
"""Rows of a piece: some tens of milliseconds, so that turns hardly notice it."""

SHARE = 0.05
"""The part of the time in which pieces run: there is a day for what a day has brought."""

PAUSE_S = 0.1
"""The least between two pieces."""

UNTOLD_KEPT = timedelta(days=30)
"""Mails that could not be sent, and reports of imports (they name numbers) that nobody could send."""

RESPONSES_KEPT = timedelta(days=7)
"""What is known of an auto-response beside its message: by then it has gone out, or never will."""


def pause_s(took_s: float) -> float:
    """Seconds to wait after a piece that took so long: longer where the database has much to do."""
    return max(PAUSE_S, took_s * (1 / SHARE - 1))


def tidy(tx: Tx, now: datetime) -> bool:
    """Do the next small piece of what is due; False when nothing was left to do."""
    if lists.purge(tx, ROWS) or scrubbing.late_ones(tx, ROWS):
        return True
    if outbox.discard(tx, now - UNTOLD_KEPT, ROWS):
        return True
    if callbacks.clear_off(tx, ROWS) or forget_callbacks(tx, now):
        return True
    if subscribers.forget_responses(tx, now - RESPONSES_KEPT, ROWS):
        return True
    imports.discard_stale(tx)
    lists.compact_sizes(tx)
    return scrub(tx, now, ROWS)


def forget_callbacks(tx: Tx, now: datetime) -> bool:
    """Delete events that are older than `retention.text`; False when there were none."""
    kept = settings.everywhere(tx, RETENTION_TEXT)
    for application_id in scrubbing.marks(tx):
        age = kept.get(application_id, RETENTION_TEXT.default)
        if age is not None and callbacks.forget(tx, application_id, now - age, ROWS):
            return True
    return False


def scrub(tx: Tx, now: datetime, rows: int) -> bool:
    """Scrub of `rows` messages and MO of one application what is older than it keeps it.

    An id knows its day, so what is scrubbed is older by up to a day more than `retention.text`.
    False when there was nothing to look at, or another node is at it.
    """
    kept = settings.everywhere(tx, RETENTION_TEXT)
    ended: dict[int, datetime] = {}
    for application_id, mark in scrubbing.marks(tx).items():
        age = kept.get(application_id, RETENTION_TEXT.default)
        if age is None:
            continue
        ended[application_id] = now - age
        before = scrubbing.first_id(tx, now - age)
        messages = application_id != scrubbing.UNOWNED  # none of them is nobody's
        if mark.inbox_id >= before - 1 and not (messages and mark.message_id < before - 1):
            continue
        held = scrubbing.hold(tx, application_id)
        if held is None:
            continue
        looked = 0
        if messages and held.message_id < before - 1:
            looked = scrubbing.messages(tx, application_id, held.message_id, before, rows)
        if looked < rows and held.inbox_id < before - 1:
            looked += scrubbing.inbox(tx, application_id, held.inbox_id, before, rows)
        if looked:
            return True
    return scrubbing.recipients(tx, ended, rows) > 0
