"""The log: who did what and when to messages, lists, schedules and settings (R-7.5)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from engine.domain.errors import Refused
from engine.operations import Actor, application_of
from engine.store import audit
from engine.store.audit import LogLine
from engine.store.db import Tx


def search(
    tx: Tx,
    actor: Actor,
    *,
    by: str | None = None,
    action: str | None = None,
    object: str | None = None,  # noqa: A002 - as in the log itself
    since: str | None = None,
    until: str | None = None,
    limit: int | None = None,
) -> list[LogLine]:
    """The newest `limit` changes of the application and of the installation, oldest first.

    `action` is `list.import`, or `list` for all of a noun; `object` a part of what it was done to,
    a name or a number. `since` ≤ at < `until`: a date or a date
    and time, in the application's zone unless it has its own; an `until` that is a date includes
    that day. Raises Refused for what is no time.
    """
    application = application_of(tx, actor)
    zone = ZoneInfo(application.timezone)
    return audit.find(
        tx,
        application.id,
        by=by,
        action=action,
        object=object,
        since=_moment("--since", since, zone, whole_day=False),
        until=_moment("--until", until, zone, whole_day=True),
        limit=limit,
    )


def _moment(option: str, text: str | None, zone: ZoneInfo, *, whole_day: bool) -> datetime | None:
    """The instant that is meant; with `whole_day`, for a bare date the end of that day."""
    if text is None:
        return None
    text = text.strip()
    try:
        moment = datetime.fromisoformat(text)
        if whole_day and len(text) <= len("2026-12-01"):
            moment += timedelta(days=1)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refused(f'{option} {text!a}: write "2026-12-01" or "2026-12-01 09:10"') from None
