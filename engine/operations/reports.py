"""What became of a campaign: counts that balance, numbers by state, what each state means (R-7.6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from engine.domain.campaign import CampaignState
from engine.domain.errors import Refused
from engine.domain.message import DEFINITIONS as DEFINITIONS
from engine.domain.message import MessageState
from engine.operations import Actor, application_of, campaigns
from engine.store import reports
from engine.store.campaigns import Progress
from engine.store.db import Database, Tx

_PAGE = 20_000
"""Numbers read in one transaction: a fraction of a second, and flat memory for a million."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of one campaign. The sum of `counts`, which has every state, is `recipients`.

    Before the start there are no recipients: None, all counts 0, and `planned` is the list's size
    now. `segments` are those that the SMSC took, some of which its receipts say are on the handset;
    `duration_s` runs to the end or to now.
    """

    id: int
    state: CampaignState
    list: str | None
    batch: str | None
    sender: str
    scheduled_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    duration_s: float | None
    planned: int | None
    recipients: int | None
    counts: Mapping[MessageState, int]
    segments: int
    segments_delivered: int
    replies: int
    opted_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """One recipient in the report's CSV: since when in that state, and why."""

    mobile: str
    state_at: datetime | None  # None for who is not a message row yet
    sent_at: datetime | None
    reason: str | None
    params: tuple[str, ...]


def campaign(tx: Tx, actor: Actor, campaign_id: int, *, now: datetime) -> Report:
    """The report of a campaign as it stands. Raises Refused for an unknown one."""
    found = campaigns.get(tx, actor, campaign_id)
    progress = campaigns.progress(tx, actor, campaign_id)
    application = application_of(tx, actor)
    counted, taken = (0, 0), (0, 0)
    if progress.started_at is not None:
        span = reports.span(tx, progress.started_at, progress.ended_at)
        taken = reports.segments_sent(tx, found.id, span)
        counted = (
            reports.replies(tx, application.id, found.id, span.first),
            0
            if found.list_id is None
            else reports.opted_out(tx, application.id, found.list_id, progress.started_at),
        )
    replies, opted_out = counted
    return Report(
        id=found.id,
        state=progress.state,
        list=found.list,
        batch=found.batch,
        sender=found.sender,
        scheduled_at=found.scheduled_at,
        started_at=progress.started_at,
        ended_at=progress.ended_at,
        duration_s=_duration_s(progress, now),
        planned=campaigns.planned(tx, found),
        recipients=progress.recipients,
        counts=progress.counts,
        segments=taken[0],
        segments_delivered=taken[1],
        replies=replies,
        opted_out=opted_out,
    )


def numbers(
    database: Database, actor: Actor, campaign_id: int, state: MessageState
) -> Iterator[Number]:
    """Every recipient of a campaign whose message is in `state`, as many as the report counts.

    Read in pages, each its own transaction: while the campaign runs, a number can change between
    two of them. Raises Refused for an unknown campaign before the first number.
    """
    found = database.run(campaigns.get, actor, campaign_id)
    if found.started_at is None:
        return
    span = database.run(reports.span, found.started_at, found.ended_at)
    last = span.first - 1
    while page := database.run(
        reports.numbers, found.id, state, after_id=last, end_id=span.end, rows=_PAGE
    ):
        for _, mobile, state_at, sent_at, reason, params in page:
            yield Number(
                mobile=mobile,
                state_at=state_at,
                sent_at=sent_at,
                reason=reason,
                params=tuple(params or ()),
            )
        last = page[-1][0]
    if state is not MessageState.QUEUED:
        return
    last = 0
    while page := database.run(reports.unfed, found.id, after_id=last, rows=_PAGE):
        for _, mobile, params in page:
            yield Number(
                mobile=mobile, state_at=None, sent_at=None, reason=None, params=tuple(params)
            )
        last = page[-1][0]


def state_of(word: str) -> MessageState:
    """The message state of that name. Raises Refused, naming all of them."""
    try:
        return MessageState(word)
    except ValueError:
        raise Refused(
            f'status "{word}": no message has that; there are {", ".join(MessageState)}'
        ) from None


def _duration_s(progress: Progress, now: datetime) -> float | None:
    if progress.started_at is None:
        return None
    return ((progress.ended_at or now) - progress.started_at).total_seconds()
