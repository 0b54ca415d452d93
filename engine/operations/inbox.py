"""The inbox: what subscribers wrote, and what is known about who wrote it (R-6.1, R-6.7)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.domain.errors import NotFound, Refused
from engine.domain.inbound import Meaning
from engine.operations import Actor, application_of, lists
from engine.operations.members import check_reason
from engine.store import audit, consent, inbox_queries
from engine.store.applications import Application
from engine.store.consent import Event
from engine.store.db import Database, Tx
from engine.store.inbox_queries import Filter as Filter
from engine.store.inbox_queries import Mo as Mo

_PAGE = 2_000
"""MO read in one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptedOut:
    """A number that a person has opted out, by one of its MO."""

    id: int
    mobile: str


def ls(
    tx: Tx, actor: Actor, asked: Filter, *, limit: int | None, before_id: int | None = None
) -> list[Mo]:
    """The newest `limit` MO that match, the newest first; `before_id` for the next page.

    Raises Refused for an unknown list or meaning, and for what can't be asked of MO to numbers that
    no application owns.
    """
    application = _application(tx, actor, asked)
    return inbox_queries.find(tx, application.id, asked, limit=limit, before_id=before_id)


def download(database: Database, actor: Actor, asked: Filter) -> Iterator[Mo]:
    """All MO that match, the newest first, read in pages. Raises Refused at once."""
    before: int | None = None

    def page(tx: Tx) -> list[Mo]:
        return ls(tx, actor, asked, limit=_PAGE, before_id=before)

    first = database.run(page)

    def pages() -> Iterator[Mo]:
        nonlocal before
        found = first
        while found:
            yield from found
            before = found[-1].id
            found = database.run(page)

    return pages()


def newest_id(tx: Tx, actor: Actor, asked: Filter) -> int:
    """The number of what came last, 0 in an empty inbox: where watching begins."""
    newest = ls(tx, actor, Filter(unowned=asked.unowned), limit=1)
    return newest[0].id if newest else 0


def since(database: Database, actor: Actor, asked: Filter, after_id: int) -> Iterator[Mo]:
    """The MO with higher numbers that match, the oldest first. Raises Refused as `ls` does."""

    def page(tx: Tx) -> list[Mo]:
        application = _application(tx, actor, asked)
        return inbox_queries.after(tx, application.id, asked, after_id=after_id, limit=_PAGE)

    while found := database.run(page):
        yield from found
        after_id = found[-1].id


def _application(tx: Tx, actor: Actor, asked: Filter) -> Application:
    """Whose inbox is asked. Raises Refused for what can't be asked of it."""
    application = application_of(tx, actor)
    if asked.list is not None:
        lists.get(tx, application.id, asked.list)
    if asked.meaning is not None and asked.meaning not in set(Meaning):
        raise Refused(f"meaning {asked.meaning[:40]!a}: write one of {', '.join(Meaning)}")
    if asked.unowned and (asked.list or asked.batch or asked.opted_out):
        raise Refused(
            "what came to a number that nobody owns answers no list, and opts out of nothing; leave "
            "--list, --batch and --opted-out away"
        )
    return application


def optout(tx: Tx, actor: Actor, inbox_id: int, *, reason: str | None = None) -> OptedOut:
    """Write down that who wrote an MO wants no more messages from the application (R-6.7).

    Raises Refused for an MO that it does not have, and for who is out of all already.
    """
    application = application_of(tx, actor, "inbox.optout")
    reason = check_reason(reason)
    mobile = inbox_queries.mobile_of(tx, application.id, inbox_id)
    if not mobile:
        raise NotFound(f"nothing with the number {inbox_id} is in the inbox; see `inbox ls --json`")
    if consent.out_of_all(tx, application.id, mobile):
        raise Refused(f"{mobile} has opted out already, of all of the application")
    consent.say(
        tx,
        application.id,
        mobile,
        None,
        Event.OUT,
        origin="manual",
        by=actor.by,
        reason=reason,
    )
    audit.record(
        tx,
        application_id=application.id,
        by=actor.by,
        action="inbox.optout",
        object=mobile,
        before={"opted_out": False},
        after={"opted_out": True, "inbox": inbox_id, "reason": reason},
    )
    return OptedOut(id=inbox_id, mobile=mobile)
