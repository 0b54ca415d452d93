"""Messages found by their number (R-7.8)."""

from __future__ import annotations

from engine.operations import Actor, application_of
from engine.operations.reading import number_of
from engine.store import message_search
from engine.store.db import Tx
from engine.store.message_search import Found as Found


def search(
    tx: Tx, actor: Actor, mobile: str, *, limit: int, before_id: int | None = None
) -> list[Found]:
    """The newest `limit` messages to a number, the newest first; `before_id` for the next page.

    The number is cleaned as in an import. Raises Refused for what is none.
    """
    application = application_of(tx, actor)
    number = number_of(tx, application.id, mobile).mobile
    return message_search.search(tx, application.id, number, before_id=before_id, limit=limit)
