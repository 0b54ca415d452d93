"""Lists: create, find, show, download (R-1.1); to import into one see `importing`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.domain.errors import Refused
from engine.domain.suggest import did_you_mean
from engine.operations import Actor, application_of
from engine.operations.naming import check_email, check_name
from engine.store import audit, lists
from engine.store.campaigns import members_after
from engine.store.db import Database, Tx
from engine.store.lists import List, Listed, Shown

_PAGE = 10_000
"""Members read in one transaction of a download: a tenth of a second, and flat memory."""


def create(
    tx: Tx, actor: Actor, name: str, *, batch: str | None = None, email: str | None = None
) -> List:
    """Make an empty list. Raises Refused for a name that is taken or can't be one."""
    application = application_of(tx, actor)
    made = lists.insert(
        tx,
        application.id,
        check_name("list", name),
        batch=check_batch(batch),
        email=None if email is None else check_email(email),
    )
    if made is None:
        raise Refused(f'list "{name.strip()}" is there already; choose another name')
    audit.record(
        tx,
        application_id=application.id,
        by=actor.by,
        action="list.create",
        object=made.name,
        after=facts(made),
    )
    return made


def ls(
    tx: Tx,
    actor: Actor,
    *,
    text: str | None = None,
    batch: str | None = None,
    limit: int | None = None,
) -> list[Listed]:
    """The newest `limit` lists whose name holds `text` and whose batch reference is `batch`."""
    application = application_of(tx, actor)
    return lists.search(tx, application.id, text=text, batch=batch, limit=limit)


def show(tx: Tx, actor: Actor, name: str) -> Shown:
    """One list with its counts. Raises Refused when there is none of that name."""
    application = application_of(tx, actor)
    shown = lists.show(tx, application.id, name.strip())
    if shown is None:
        raise _unknown(tx, application.id, name)
    return shown


def get(tx: Tx, application_id: int, name: str) -> List:
    """The list of that name. Raises Refused, with the names that may have been meant."""
    found = lists.find(tx, application_id, name.strip())
    if found is None:
        raise _unknown(tx, application_id, name)
    return found


def get_locked(tx: Tx, application_id: int, name: str) -> List:
    """The list, whose members nobody else changes until the transaction ends."""
    found = get(tx, application_id, name)
    if not lists.lock(tx, found.id):
        raise Refused(f'list "{found.name}" has just been deleted')
    return found


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


def _unknown(tx: Tx, application_id: int, name: str) -> Refused:
    meant = did_you_mean(name, lists.names(tx, application_id))
    return Refused(f"list {_quoted(name)} not found{meant or '; see `list ls`'}")


def _quoted(name: str) -> str:
    text = name.strip()
    return f'"{text}"' if text.isprintable() else ascii(text)
