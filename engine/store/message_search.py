"""Messages to a number, the newest first: what an application has sent to somebody (R-7.8)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from engine.domain.message import MessageClass, MessageState
from engine.store.db import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One of them, without its text."""

    id: int
    mobile: str
    state: MessageState
    state_at: datetime
    reason: str | None
    message_class: str
    campaign: int | None
    sender: str
    created_at: datetime
    sent_at: datetime | None

    def __post_init__(self) -> None:
        # psycopg gives words and numbers; everything above speaks of states and classes.
        object.__setattr__(self, "state", MessageState(self.state))
        name = MessageClass(int(self.message_class)).name.lower()
        object.__setattr__(self, "message_class", name)


def search(
    tx: Tx, application_id: int, mobile: str, *, before_id: int | None, limit: int
) -> list[Found]:
    """The newest `limit` messages of the application to a number; `before_id` for the next page."""
    with tx.cursor(row_factory=class_row(Found)) as cursor:
        # message_YYYYMMDD_mobile_id_idx, backwards, a day after the other until there are enough
        return cursor.execute(
            """
            SELECT id, mobile, state, state_at, reason, class::text AS message_class,
                   campaign_id AS campaign, sender, created_at, sent_at
              FROM message
             WHERE mobile = %(mobile)s AND application_id = %(application)s
               AND id < coalesce(%(before)s, 9223372036854775807)
             ORDER BY id DESC
             LIMIT %(limit)s
            """,
            {
                "mobile": mobile,
                "application": application_id,
                "before": before_id,
                "limit": limit,
            },
        ).fetchall()
