"""What became of campaigns: counts that balance, numbers by state, the month, volumes (R-7.6, R-7.7)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from engine.domain import campaign as rules
from engine.domain.campaign import CampaignState
from engine.domain.errors import Refused
from engine.domain.message import DEFINITIONS as DEFINITIONS
from engine.domain.message import MessageState
from engine.domain.report import Figures
from engine.domain.report import span as span
from engine.operations import Actor, application_of, campaigns
from engine.store import campaigns as stored
from engine.store import figures as figured
from engine.store import reports, volumes
from engine.store.campaigns import Campaign, Progress
from engine.store.db import Database, Tx
from engine.store.reports import Place
from engine.store.volumes import Volume as Volume

_PAGE = 20_000
"""Numbers read in one transaction: a fraction of a second, and flat memory for a million."""

_CAMPAIGNS = 200
"""Campaigns of a month that are read in one transaction."""

REMOVED = "removed"
"""Stands in the CSV for a number that is not kept any more (R-9.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of one campaign. The sum of `counts`, which has every state, is `recipients`.

    Before the start there are no recipients: None, all counts 0, and `planned` is the list's size
    now. `segments` are those that the SMSC took, some of which its receipts say are on the handset;
    `duration_s` runs to the end or to now. `replies` are MO that answer it, the opt-outs among them;
    `opted_out` are the recipients who answered so. `removed`: recipients whose rows were dropped for
    their age; they are in the counts, and no CSV has their numbers.
    """

    id: int
    state: CampaignState
    list: str | None
    batch: str | None
    sender: str
    user: str
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
    removed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictured:
    """A report with all that its pictures show. Of dropped days only the counts are left."""

    report: Report
    application: str
    company: str | None
    timezone: str
    text: str
    figures: Figures
    replies: Mapping[str, int]  # by what they were taken for


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """One recipient in the report's CSV: since when in that state, and why."""

    mobile: str
    state_at: datetime | None  # None for who is not a message row yet
    sent_at: datetime | None
    reason: str | None
    params: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Volumes:
    """One page of the volumes, and what all of their pages come to."""

    campaigns: int
    recipients: int
    page: int
    pages: int
    rows: tuple[Volume, ...]


def campaign(tx: Tx, actor: Actor, campaign_id: int, *, now: datetime) -> Report:
    """The report of a campaign as it stands. Raises Refused for an unknown one."""
    application = application_of(tx, actor)
    found = campaigns.get(tx, actor, campaign_id)
    place = reports.place(tx, found.id)
    answers = reports.answers(tx, application.id, [found.id], place.first_id)
    return _report(tx, found, place, answers.get(found.id, reports.NOTHING), now)


def pictured(database: Database, actor: Actor, campaign_id: int, *, now: datetime) -> Pictured:
    """The report of a campaign with the figures of its pictures: of a million some two seconds.

    All of it is of one moment, also while the campaign runs.
    """
    return database.run(_pictured, actor, campaign_id, now)


def _pictured(tx: Tx, actor: Actor, campaign_id: int, now: datetime) -> Pictured:
    reports.at_one_moment(tx)
    application = application_of(tx, actor)
    found = campaigns.get(tx, actor, campaign_id)
    place = reports.place(tx, found.id)
    figures = Figures()
    if found.started_at is not None:
        over = found.started_at, found.ended_at or now
        figures = figured.of_messages(tx, found.id, place, *over)
    found_answers = reports.answers(tx, application.id, [found.id], place.first_id)
    answers = found_answers.get(found.id, reports.NOTHING)
    return Pictured(
        report=_report(tx, found, place, answers, now, figures=figures),
        application=application.name,
        company=application.company,
        timezone=application.timezone,
        text=found.text,
        figures=figures,
        replies=answers.by_meaning,
    )


def numbers(
    database: Database, actor: Actor, campaign_id: int, state: MessageState
) -> Iterator[Number]:
    """Every recipient of a campaign whose message is in `state`, as many as the report counts.

    Read in pages, each its own transaction: while the campaign runs, a number can change between
    two of them. A number that was scrubbed is REMOVED; of those whose rows are gone altogether one
    line at the end says how many they were. Raises Refused for an unknown campaign before the first
    number.
    """
    found = database.run(campaigns.get, actor, campaign_id)
    place = database.run(reports.place, found.id)
    for first, last in zip(place.firsts, place.lasts, strict=True):
        after = first
        while page := database.run(
            reports.numbers, found.id, state, first_id=after, last_id=last, rows=_PAGE
        ):
            for _, mobile, state_at, sent_at, reason, params in page:
                yield Number(
                    mobile=mobile or REMOVED,
                    state_at=state_at,
                    sent_at=sent_at,
                    reason=reason,
                    params=tuple(params or ()),
                )
            after = page[-1][0] + 1
    if state is MessageState.QUEUED and found.started_at is not None:
        after = 0
        while page := database.run(reports.unfed, found.id, after_id=after, rows=_PAGE):
            for _, mobile, params in page:
                yield Number(
                    mobile=mobile, state_at=None, sent_at=None, reason=None, params=tuple(params)
                )
            after = page[-1][0]
    gone = database.run(reports.past, found.id).messages.get(state, 0)
    if gone:
        yield Number(
            mobile=REMOVED,
            state_at=None,
            sent_at=None,
            reason=f"{gone} more {state}; their rows were removed for their age",
            params=(),
        )


def monthly(database: Database, actor: Actor, month: str, *, now: datetime) -> Iterator[Report]:
    """The reports of all campaigns of the application scheduled in a month (2026-11), by time.

    In the application's time zone; cancelled ones, too, deleted ones not. Read some at a time.
    Raises Refused for what is no month before the first report.
    """
    application = database.run(application_of, actor)
    since, until = campaigns.month_of(month, application.timezone)
    ids = database.run(volumes.scheduled, application.id, since, until)
    first_id = database.run(reports.first_of, ids)
    answers = database.run(reports.answers, application.id, ids, first_id)
    for n in range(0, len(ids), _CAMPAIGNS):
        yield from database.run(_some, actor, ids[n : n + _CAMPAIGNS], answers, now)


MONTHLY: Final = (
    *("id", "state", "list", "batch", "sender", "user", "scheduled_at", "started_at", "ended_at"),
    *("duration_s", "recipients", *MessageState),
    *("segments", "segments_delivered", "replies", "opted_out", "removed"),
)
"""The columns of a month's CSV: what a report has, with a column for each state."""


def monthly_row(report: Report) -> tuple[Any, ...]:
    """A campaign's line of that CSV."""
    return tuple(
        report.counts[MessageState(name)] if name in set(MessageState) else getattr(report, name)
        for name in MONTHLY
    )


def user_volumes(
    tx: Tx,
    actor: Actor,
    *,
    period: str | None = None,
    everywhere: bool = False,
    rows: int = 50,
    page: int = 1,
) -> Volumes:
    """Who has sent how much: campaigns that have started, the newest first (R-7.7).

    `period` is a month (2026-11) or a year (2026), in the time zone of the actor's application.
    Of that application, or of all of the installation (`everywhere`), which only an admin may see.
    Raises Refused for another period, and for a page that there isn't.
    """
    application = application_of(tx, actor, "app.volumes" if everywhere else None)
    since, until = (None, None) if period is None else period_of(period, application.timezone)
    asked = volumes.Filter(
        application_id=None if everywhere else application.id, since=since, until=until
    )
    campaigns_, recipients = volumes.total(tx, asked)
    pages = max(-(-campaigns_ // rows), 1)
    if not 1 <= page <= pages:
        raise Refused(f"page {page}: there {'is one' if pages == 1 else f'are {pages}'}")
    return Volumes(
        campaigns=campaigns_,
        recipients=recipients,
        page=page,
        pages=pages,
        rows=tuple(volumes.find(tx, asked, rows=rows, skip=(page - 1) * rows)),
    )


def period_of(period: str, timezone: str) -> tuple[datetime, datetime]:
    """The first moment of a month (2026-11) or a year (2026), and the first one after it."""
    if re.fullmatch(r"\d{4}", period.strip()) and 1970 <= int(period) < 9999:
        first = datetime(int(period), 1, 1, tzinfo=rules.zone(timezone))
        return first, first.replace(year=first.year + 1)
    try:
        return campaigns.month_of(period, timezone)
    except Refused:
        raise Refused(f'month "{period}": write a month as 2026-11, a year as 2026') from None


def state_of(word: str) -> MessageState:
    """The message state of that name. Raises Refused, naming all of them."""
    try:
        return MessageState(word.strip().lower())
    except ValueError:
        raise Refused(
            f'status "{word}": no message has that; there are {", ".join(MessageState)}'
        ) from None


def _some(
    tx: Tx,
    actor: Actor,
    ids: Sequence[int],
    answers: Mapping[int, reports.Answers],
    now: datetime,
) -> list[Report]:
    application = application_of(tx, actor)
    found = (stored.get(tx, application.id, one) for one in ids)
    return [
        _report(tx, one, reports.place(tx, one.id), answers.get(one.id, reports.NOTHING), now)
        for one in found
        if one is not None  # deleted meanwhile
    ]


def _report(
    tx: Tx,
    found: Campaign,
    place: Place,
    answers: reports.Answers,
    now: datetime,
    *,
    figures: Figures | None = None,
) -> Report:
    """The report; segments are counted unless `figures` have them already."""
    progress = stored.progress(tx, found.id)
    assert progress is not None  # campaigns stay for ever
    past = reports.past(tx, found.id)
    if figures is None:
        segments, delivered = reports.segments_sent(tx, found.id, place)
    else:
        segments, delivered = figures.segments, figures.segments_delivered
    return Report(
        id=found.id,
        state=progress.state,
        list=found.list,
        batch=found.batch,
        sender=found.sender,
        user=found.created_by,
        scheduled_at=found.scheduled_at,
        started_at=progress.started_at,
        ended_at=progress.ended_at,
        duration_s=_duration_s(progress, now),
        planned=campaigns.planned(tx, found),
        recipients=progress.recipients,
        counts=progress.counts,
        segments=segments + past.segments,
        segments_delivered=delivered + past.segments_delivered,
        replies=sum(answers.by_meaning.values()) + past.replies,
        opted_out=answers.opted_out + past.opted_out,
        removed=sum(past.messages.values()),
    )


def _duration_s(progress: Progress, now: datetime) -> float | None:
    if progress.started_at is None:
        return None
    return ((progress.ended_at or now) - progress.started_at).total_seconds()
