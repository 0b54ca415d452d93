"""Lists: create, rename, find, show, download, delete (R-1.1, R-1.11); `importing` fills them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from engine.domain.errors import NotFound, Refused
from engine.domain.suggest import did_you_mean
from engine.operations import Actor, application_of
from engine.operations.naming import LONGEST, check_email, check_name, email_or_none, tidy
from engine.store import audit, keywords, lists
from engine.store.campaigns import members_after
from engine.store.db import Database, Tx
from engine.store.lists import List, Listed, Shown

_PAGE = 10_000
"""Members read in one transaction of a download: a tenth of a second, and flat memory."""

_PURGED = 20_000
"""Members removed in one transaction: some tenths of a second, so that vacuum is never held up."""


def create(
    tx: Tx, actor: Actor, name: str, *, batch: str | None = None, email: str | None = None
) -> List:
    """Make an empty list. Raises Refused for a name that is taken or can't be one."""
    made = create_if_new(tx, actor, name, batch, email)
    if made is None:
        raise Refused(f'list "{tidy(name)}" is there already; choose another name')
    return made


def create_if_new(
    tx: Tx, actor: Actor, name: str, batch: str | None, email: str | None
) -> List | None:
    """`create`, which gives None for a name that is taken."""
    application = application_of(tx, actor, "list.create")
    made = lists.insert(
        tx,
        application.id,
        check_name("list", name),
        batch=check_batch(batch),
        email=None if email is None else check_email(email),
    )
    if made is not None:
        audit.record(
            tx,
            application_id=application.id,
            by=actor.by,
            action="list.create",
            object=made.name,
            after=facts(made),
        )
    return made


def edit(
    tx: Tx, actor: Actor, name: str, *, batch: str | None = None, email: str | None = None
) -> List:
    """Change what is given; an empty text is none. Raises Refused for an unknown list."""
    application = application_of(tx, actor, "list.edit")
    before = get_locked(tx, application.id, name)
    after = replace(
        before,
        batch=before.batch if batch is None else check_batch(batch) if batch.strip() else None,
        email=before.email if email is None else email_or_none(email),
    )
    describe(tx, application.id, actor, before, after)
    return after


def describe(tx: Tx, application_id: int, actor: Actor, before: List, after: List) -> None:
    """Write a list's batch and address down, with the log line; nothing when nothing changes."""
    if before == after:
        return
    lists.describe(tx, before.id, batch=after.batch, email=after.email)
    audit.record(
        tx,
        application_id=application_id,
        by=actor.by,
        action="list.edit",
        object=before.name,
        before=facts(before),
        after=facts(after),
    )


def rename(tx: Tx, actor: Actor, name: str, new_name: str) -> List:
    """Give a list another name; campaigns to it, past and to come, show that one from now on.

    Raises Refused for an unknown list, and for a name that is taken or can't be one.
    """
    application = application_of(tx, actor, "list.rename")
    before = get_locked(tx, application.id, name)
    after = replace(before, name=check_name("list", new_name))
    if after.name == before.name:
        raise Refused(f'list "{before.name}" has that name already')
    if not lists.rename(tx, application.id, before.id, after.name):
        raise Refused(f'list "{after.name}" is there already; choose another name')
    audit.record(
        tx,
        application_id=application.id,
        by=actor.by,
        action="list.rename",
        object=before.name,
        before={"name": before.name},
        after={"name": after.name},
    )
    return after


def delete(tx: Tx, actor: Actor, name: str, *, delete_keywords: bool = False) -> Shown:
    """Delete a list for ever; what it was. What its members said (consent) stays.

    Keywords that point to it become inactive, or are deleted for ever, too (R-1.11).
    From the commit on nobody finds it, and `purge` removes its members. Raises Refused for an
    unknown list, and while campaigns to it have not ended.
    """
    application = application_of(tx, actor, "list.delete")
    found = get_locked(tx, application.id, name, alone=True)
    if waiting := lists.open_campaigns(tx, found.id):
        which = ", ".join(map(str, waiting))
        raise Refused(
            f'list "{found.name}" is still needed by campaign {which}; cancel it, or wait until it'
            " is completed"
        )
    before = show(tx, actor, found.name)
    pointing = keywords.of_list(tx, found.id)
    keywords.leave_list(tx, found.id, delete=delete_keywords)
    lists.delete(tx, found.id)
    for word in pointing:
        audit.record(
            tx,
            application_id=application.id,
            by=actor.by,
            action="keyword.delete" if delete_keywords else "keyword.edit",
            object=word,
            before={"list": found.name},
            after=None if delete_keywords else {"list": None, "active": False},
        )
    audit.record(
        tx,
        application_id=application.id,
        by=actor.by,
        action="list.delete",
        object=found.name,
        before={**facts(found), "members": before.members, "deleted": before.deleted},
    )
    return before


def purge(database: Database) -> int:
    """Remove the members of deleted lists, in short transactions; how many there were.

    What is cut short is done by the next deletion or by the engine's housekeeping.
    """
    removed = 0
    while rows := database.run(lists.purge, _PURGED):
        removed += rows
    return removed


def ls(
    tx: Tx,
    actor: Actor,
    *,
    text: str | None = None,
    batch: str | None = None,
    limit: int | None = None,
    before_id: int | None = None,
) -> list[Listed]:
    """The newest `limit` lists whose name holds `text` and whose batch reference is `batch`.

    `before_id` is for the next page.
    """
    application = application_of(tx, actor)
    return lists.search(
        tx, application.id, text=text, batch=batch, limit=limit, before_id=before_id
    )


def show(tx: Tx, actor: Actor, name: str) -> Shown:
    """One list with its counts. Raises Refused when there is none of that name."""
    application = application_of(tx, actor)
    shown = lists.show(tx, application.id, tidy(name))
    if shown is None:
        raise _unknown(tx, application.id, name)
    return shown


def get(tx: Tx, application_id: int, name: str) -> List:
    """The list of that name. Raises Refused, with the names that may have been meant."""
    found = lists.find(tx, application_id, tidy(name))
    if found is None:
        raise _unknown(tx, application_id, name)
    return found


def get_locked(
    tx: Tx, application_id: int, name: str, *, patient: bool = False, alone: bool = False
) -> List:
    """The list, whose members nobody else changes until the transaction ends.

    `alone`: nobody makes a campaign to it either. Raises Refused as `get` does, and when somebody
    else keeps it too long; who is `patient` waits for an import.
    """
    found = get(tx, application_id, name)
    locked = lists.lock(tx, found.id, patient=patient, alone=alone)
    if locked is None:
        raise Refused(f'list "{found.name}" has just been deleted')
    return locked


def members(database: Database, actor: Actor, name: str) -> Iterator[tuple[str, list[str]]]:
    """All members that are not deleted, as mobile and params, in the order of joining.

    Read in pages, each its own transaction: who joins meanwhile is in it. Raises Refused for an
    unknown list, at once.
    """
    found = database.run(lambda tx: get(tx, application_of(tx, actor).id, name))
    return _pages(database, found.id)


def _pages(database: Database, list_id: int) -> Iterator[tuple[str, list[str]]]:
    last = 0
    while page := database.run(members_after, list_id, last, _PAGE):
        for _, mobile, params in page:
            yield mobile, params
        last = page[-1][0]


def check_batch(batch: str | None) -> str | None:
    """A batch reference as it is stored: a name, or none."""
    return None if batch is None else check_name("batch", batch)


def facts(one: List) -> dict[str, Any]:
    """What the log holds about a list."""
    return {"batch": one.batch, "email": one.email}


def _unknown(tx: Tx, application_id: int, name: str) -> NotFound:
    meant = did_you_mean(name, lists.names(tx, application_id))
    return NotFound(f"list {_quoted(name)} not found{meant or '; see `list ls`'}")


def _quoted(name: str) -> str:
    text = tidy(name)
    text = text if len(text) <= LONGEST else text[:LONGEST] + "…"
    return f'"{text}"' if text.isprintable() else ascii(text)
