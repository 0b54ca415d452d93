"""The inbox: what subscribers wrote, and what is known about who wrote it (R-6.1)."""

from __future__ import annotations

from engine.operations import Actor, application_of, lists
from engine.store import inbox_queries
from engine.store.db import Tx
from engine.store.inbox_queries import Filter, Mo


def ls(
    tx: Tx,
    actor: Actor,
    *,
    mobile: str | None = None,
    content: str | None = None,
    list_name: str | None = None,
    batch: str | None = None,
    unowned: bool = False,
    limit: int | None,
) -> list[Mo]:
    """The newest `limit` MO that match, the newest first.

    `unowned` asks for those to numbers that no application owns. Raises Refused for an unknown
    list.
    """
    application = application_of(tx, actor)
    if list_name is not None:
        list_name = lists.get(tx, application.id, list_name).name
    asked = Filter(mobile=mobile, content=content, list=list_name, batch=batch)
    return inbox_queries.find(tx, None if unowned else application.id, asked, limit=limit)
