"""The inbox: what subscribers wrote, and what is known about who wrote it (R-6.1, R-6.7)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.domain.errors import Refused
from engine.domain.inbound import Meaning
from engine.operations import Actor, application_of, lists
from engine.operations.members import check_reason
from engine.store import audit, consent, inbox_queries
from engine.store.consent import Event
from engine.store.db import Database, Tx
from engine.store.inbox_queries import Filter, Mo

_PAGE = 2_000
"""MO read in one transaction of a download."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptedOut:
    """A number that a person has opted out, by one of its MO."""

    id: int
    mobile: str


def ls(
    tx: Tx,
    actor: Actor,
    *,
    mobile: str | None = None,
    content: str | None = None,
    list_name: str | None = None,
    batch: str | None = None,
    opted_out: bool | None = None,
    meaning: str | None = None,
    unowned: bool = False,
    limit: int | None,
    before_id: int | None = None,
) -> list[Mo]:
    """The newest `limit` MO that match, the newest first.

    `unowned` asks for those to numbers that no application owns. Raises Refused for an unknown
    list or meaning.
    """
    application = application_of(tx, actor)
    if list_name is not None:
        list_name = lists.get(tx, application.id, list_name).name
    if meaning is not None and meaning not in set(Meaning):
        raise Refused(f"meaning {meaning[:40]!a}: write one of {', '.join(Meaning)}")
    asked = Filter(
        mobile=mobile,
        content=content,
        list=list_name,
        batch=batch,
        opted_out=opted_out,
        meaning=meaning,
    )
    owner = None if unowned else application.id
    return inbox_queries.find(tx, owner, asked, limit=limit, before_id=before_id)


def download(
    database: Database,
    actor: Actor,
    *,
    list_name: str | None = None,
    batch: str | None = None,
    unowned: bool = False,
) -> Iterator[Mo]:
    """All MO that match, the newest first, read in pages. Raises Refused at once."""
    before: int | None = None

    def page(tx: Tx) -> list[Mo]:
        return ls(
            tx,
            actor,
            list_name=list_name,
            batch=batch,
            unowned=unowned,
            limit=_PAGE,
            before_id=before,
        )

    first = database.run(page)

    def pages() -> Iterator[Mo]:
        nonlocal before
        found = first
        while found:
            yield from found
            before = found[-1].id
            found = database.run(page)

    return pages()


def optout(tx: Tx, actor: Actor, inbox_id: int, *, reason: str | None = None) -> OptedOut:
    """Write down that who wrote an MO wants no more messages from the application (R-6.7).

    Raises Refused for an MO that it does not have, and for who is out of all already.
    """
    application = application_of(tx, actor, "inbox.optout")
    reason = check_reason(reason)
    mobile = inbox_queries.mobile_of(tx, application.id, inbox_id)
    if not mobile:
        raise Refused(f"nothing with the number {inbox_id} is in the inbox; see `inbox ls --json`")
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
