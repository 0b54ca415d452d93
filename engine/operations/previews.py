"""A campaign looked at before it is there: what everybody would get, who would not, how long it takes (R-2.5).

Nothing is saved. The members of a list are read in pages; a file is read and sorted out as for an
import, and then forgotten. The same functions merge and cut the texts, and say who wants nothing,
as when it is sent. `test` sends one of the messages to a colleague.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from config.settings import Settings
from engine.domain.cost import Cost, Member, measured_text
from engine.domain.estimate import Estimate, Lane, estimate
from engine.domain.hours import Hours, RecipientHours, zones_of
from engine.domain.merge import compile_text
from engine.domain.message import MessageClass, check_length
from engine.domain.routing import fits
from engine.domain.settings import QUOTA_DAILY
from engine.domain.transliterate import transliterate
from engine.operations import Actor, application_of, campaigns, creating, importing, lists
from engine.operations.creating import Bar, earlier_of, in_force, kept
from engine.operations.drafts import Draft, Plan, judged, pages
from engine.operations.importing import ImportReport, Upload
from engine.operations.messages import check_wanted
from engine.operations.reading import number_of
from engine.operations.responses import InForce
from engine.store import (
    audit,
    control,
    hours,
    imports,
    launching,
    limiting,
    messages,
    queue,
    reports,
    senders,
)
from engine.store import campaign_changes as changes
from engine.store import campaigns as stored
from engine.store import settings as stored_settings
from engine.store.db import Database, Tx
from engine.store.listening import wake

_SAMPLES = 3
"""Merged texts that are shown: enough to see that the params are where they belong."""

_DELETED = "deleted from the list"

_MASK = 5  # TON of an alphanumeric address (SMPP 3.4 §5.2.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What one member would get."""

    mobile: str
    text: str
    segments: int
    encoding: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Zoned:
    """Recipients whose time is known in the same way: how, how many, and the zone where most are."""

    how: str
    recipients: int
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a campaign would be. `cost` is of those who would get it, `excluded` counts the others.

    `zones` is empty unless the hours are to be each recipient's own. `ahead` is about how many
    messages of others have the turn before it. `warnings` are sentences.
    """

    list: str | None
    sender: str
    scheduled_at: datetime
    timezone: str
    cost: Cost
    excluded: Mapping[str, int]
    samples: tuple[Sample, ...]
    responses: tuple[InForce, ...]
    zones: tuple[Zoned, ...]
    hours: str | None
    ahead: int
    estimate: Estimate
    warnings: tuple[str, ...]
    imported: ImportReport | None = None


def preview(
    database: Database,
    actor: Actor,
    draft: Draft,
    *,
    list_name: str | None = None,
    of: tuple[int, str] | None = None,
    settings: Settings,
    now: datetime,
) -> Preview:
    """What a campaign to a list, or to those of an earlier one in a state (`of`), would be.

    Raises Refused for what could not be made either.
    """
    plan = database.run(judged, actor, draft, now, action=None)
    look = _Look(plan)
    if of is not None:
        earlier, state = database.run(earlier_of, actor, *of)
        assert earlier.started_at is not None
        span = database.run(reports.span, earlier.started_at, earlier.ended_at)
        list_id, name = earlier.list_id, earlier.list

        def page(after: int, rows: int) -> Sequence[Member]:
            return database.run(changes.messages_after, earlier.id, state, span, after, rows)
    else:
        target = database.run(lambda tx: lists.get(tx, plan.application.id, list_name or ""))
        list_id, name = target.id, target.name

        def page(after: int, rows: int) -> Sequence[Member]:
            return database.run(stored.members_after, target.id, after, rows, plan.params)

    for members in pages(page):
        unwanted = dict(database.run(_unwanted, plan, list_id, members))
        if of is not None and list_id is not None:
            left = database.run(changes.no_members, list_id, [one[1] for one in members])
            unwanted = dict.fromkeys(left, _DELETED) | unwanted
        look.add(members, unwanted)
    if of is None and list_id is not None:
        look.excluded[_DELETED] = database.run(changes.count_deleted, list_id)
    return database.run(_whole, actor, plan, look, name, draft.respect_hours, settings, now)


def preview_file(
    database: Database,
    actor: Actor,
    upload: Upload,
    draft: Draft,
    *,
    settings: Settings,
    now: datetime,
    progress: Bar | None = None,
) -> Preview:
    """The same for a file that would become a list: it is read and cleaned, and nothing is kept."""
    plan = database.run(judged, actor, draft, now, action=None)
    database.run(creating.check_fresh, plan, upload.list)
    upload = kept(upload, plan)

    def then(tx: Tx, report: ImportReport) -> Preview:
        look = _Look(plan)
        for members in imports.new_rows(tx, plan.params):
            # Who has opted out is left out of the rows, or wanted to be kept in them.
            unwanted = _unwanted(tx, plan, None, members) if upload.keep_opted_out else {}
            look.add(members, unwanted)
        for why, n in (
            ("opted out", report.opted_out),
            ("blacklisted", report.blacklisted),
            ("twice in the file", report.duplicates),
            ("invalid", report.invalid),
        ):
            look.excluded[why] += n
        return _whole(tx, actor, plan, look, upload.list, True, settings, now, report)

    _, found = importing.sort_file_then(database, actor, upload, then, progress)
    return found


class _Look:
    """What is seen of the recipients while they pass by."""

    def __init__(self, plan: Plan) -> None:
        self.excluded: Counter[str] = Counter()
        self.samples: list[Sample] = []
        self.prefixes: Counter[str] = Counter()  # of numbers, as far as their zone goes by them
        self.examples: dict[str, str] = {}
        self.meter = plan.meter()
        self._plan = plan

    def add(self, members: Sequence[Member], unwanted: Mapping[str, str]) -> None:
        """Count these in, but for those who want nothing."""
        if unwanted:
            self.excluded.update(unwanted[one[1]] for one in members if one[1] in unwanted)
            members = [one for one in members if one[1] not in unwanted]
        self.meter.add(members)
        for _, mobile, params in members[: _SAMPLES - len(self.samples)]:
            self.samples.append(_sample(self._plan, mobile, params))
        if self._plan.recipient_time:
            for _, mobile, _ in members:
                prefix = zones_of(mobile)[0]
                self.prefixes[prefix] += 1
                if prefix not in self.examples:
                    self.examples[prefix] = mobile


def _sample(plan: Plan, mobile: str, params: Sequence[str]) -> Sample:
    text = plan.compiled.merge(params)
    if plan.transliterate:
        text = transliterate(text)
    count = measured_text(text, plan.encoding)
    return Sample(mobile=mobile, text=text, segments=count.segments, encoding=count.encoding.value)


def _unwanted(
    tx: Tx, plan: Plan, list_id: int | None, members: Sequence[Member]
) -> Mapping[str, str]:
    """Who of these would be skipped, and why: what is asked when they are launched."""
    found = launching.unwanted(tx, plan.application.id, list_id, [one[1] for one in members])
    if plan.opted_out_reason is not None:
        return {mobile: why for mobile, why in found.items() if why != "opted out"}
    return found


def _whole(
    tx: Tx,
    actor: Actor,
    plan: Plan,
    look: _Look,
    list_name: str | None,
    respect_hours: bool,
    settings: Settings,
    now: datetime,
    report: ImportReport | None = None,
) -> Preview:
    """All that is known, together. Raises Refused for a text that somebody could not be sent."""
    cost = look.meter.cost()
    window = hours.in_force(tx, plan.application.id) if respect_hours else None
    lanes = _lanes(tx, settings, plan, now)
    start = max(plan.time.at_utc, now)
    before, ahead = queue.ahead(tx, plan.application.id, start)
    clocks: RecipientHours | None = None
    if window is not None and look.prefixes:
        clocks = RecipientHours(window, limiting.main_zones(tx, plan.application.id))
    return Preview(
        list=list_name,
        sender=plan.sender,
        scheduled_at=plan.time.at_utc,
        timezone=plan.timezone,
        cost=cost,
        excluded={why: n for why, n in sorted(look.excluded.items()) if n},
        samples=tuple(look.samples),
        responses=in_force(tx, actor, plan, list_name),
        zones=_zoned(look, clocks, now),
        hours=None if window is None else str(window),
        ahead=ahead,
        estimate=estimate(
            segments=cost.segments,
            messages=cost.recipients,
            lanes=lanes,
            rate=plan.rate,
            start=start,
            hours=window,
            ahead=ahead,
            opens=_opens(look, clocks, start),
        ),
        warnings=(
            *_before(before, ahead),
            *_warnings(tx, plan, cost, lanes, window, respect_hours),
        ),
        imported=report,
    )


def _zoned(look: _Look, clocks: RecipientHours | None, now: datetime) -> tuple[Zoned, ...]:
    """Recipients by how their time is known (R-4.4), the largest class first."""
    if clocks is None:
        return ()
    classes: dict[str, Counter[str]] = {}
    for prefix, n in look.prefixes.items():
        mobile = look.examples[prefix]
        where = f"+{prefix}" if prefix else mobile
        classes.setdefault(clocks.judged(mobile, now).value, Counter())[where] += n
    counted = [
        Zoned(how=how, recipients=found.total(), example=found.most_common(1)[0][0])
        for how, found in classes.items()
    ]
    return tuple(sorted(counted, key=lambda one: -one.recipients))


def _opens(
    look: _Look, clocks: RecipientHours | None, start: datetime
) -> list[tuple[datetime, int]]:
    """When the own hours of how many recipients open; [] when hours or clocks have no say."""
    if clocks is None:
        return []
    return [
        (clocks.opens(look.examples[prefix], start) or start, n)
        for prefix, n in look.prefixes.items()
    ]


def _before(campaigns: int, messages: int) -> Iterable[str]:
    """Others that have the turn before it (R-3.4)."""
    if campaigns == 1:
        yield f"a campaign with about {messages:,} messages has the turn before it"
    elif campaigns:
        yield f"{campaigns:,} campaigns with about {messages:,} messages have the turn before it"


def _lanes(tx: Tx, settings: Settings, plan: Plan, now: datetime) -> list[Lane]:
    """The carriers that such messages can go to: as they are now, else as they are configured."""
    routed = {
        share.name
        for route in settings.routes
        if fits(route, plan.sender, plan.application.name)
        for share in route.carriers
    }
    found: dict[tuple[str, str], Lane] = {}
    for bind in control.binds(tx, now):
        if not bind.alive or bind.state != "bound" or bind.mode == "receiver" or bind.paused_at:
            continue
        if bind.carrier in routed:
            before = found.get((bind.node, bind.carrier))
            found[bind.node, bind.carrier] = Lane(
                carrier=bind.carrier,
                rate=bind.rate,
                window=bind.window + (before.window if before else 0),
                latency_s=bind.latency_ms / 1000 if bind.latency_ms else None,
            )
    if found:
        return list(found.values())
    return [
        Lane(carrier=one.name, rate=one.rate, window=one.window, latency_s=None)
        for one in settings.carriers
        if one.name in routed
    ]


def _warnings(
    tx: Tx,
    plan: Plan,
    cost: Cost,
    lanes: Sequence[Lane],
    window: Hours | None,
    respect_hours: bool,
) -> Iterable[str]:
    """What a person should know, a sentence each."""
    yield from plan.notices
    if cost.recipients == 0:
        yield "nobody would get the message, so it could not be made"
    sender = senders.find(tx, plan.application.id, plan.sender)
    if sender is not None and sender.ton == _MASK:
        yield (
            f"sender {plan.sender} is a mask: nobody can reply to it, so an opt-out needs another "
            "way; some countries and carriers forbid masks"
        )
    if not lanes:
        yield f"no route takes messages from {plan.sender}: they would wait; see [[routes]]"
    quota = stored_settings.get(tx, plan.application.id, QUOTA_DAILY)
    if quota is not None and cost.recipients > quota:
        yield f"{quota:,} messages a day may be sent (quota.daily): it takes more than one"
    if plan.opted_out_reason is not None:
        yield f"it goes to who has opted out, too: {plan.opted_out_reason}"
    if plan.respect_hours and window is None:
        yield "no sending hours are set: it goes out at any time; see `siaran hours`"
    if plan.recipient_time and not respect_hours:
        yield "--recipient-time says nothing without --respect-hours: such campaigns have no hours"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """One message of a campaign, on its way to a colleague."""

    campaign: int
    message: int
    mobile: str
    text: str
    segments: int
    encoding: str


def test(tx: Tx, actor: Actor, campaign_id: int, mobile: str) -> Tested:
    """Send what the first recipient of a campaign gets to somebody else, at once (R-2.5).

    It belongs to no campaign, so that no report counts it. Raises Refused for what is no number,
    and for who wants nothing.
    """
    application = application_of(tx, actor, "campaign.test")
    campaign = campaigns.get(tx, actor, campaign_id)
    cleaned = number_of(tx, application.id, mobile)
    check_wanted(tx, application.id, cleaned.mobile)
    first: Sequence[Member]
    if campaign.from_campaign_id is not None:
        first = changes.recipients_after(tx, campaign.id, 0, 1)
    else:
        first = stored.members_after(tx, campaign.list_id or 0, 0, 1)
    text = compile_text(campaign.text).merge(first[0][2] if first else ())
    if campaign.transliterate:
        text = transliterate(text)
    count = measured_text(text, campaign.encoding)
    check_length(count, stored.most_segments(tx, application.id))
    messages.make_room(tx)
    message_id = messages.insert(
        tx,
        application_id=application.id,
        message_class=MessageClass.RESPONSE,
        mobile=cleaned.mobile,
        sender=campaign.sender,
        text=text,
        encoding=campaign.encoding,
        flash=campaign.flash,
    )
    audit.record(
        tx,
        application_id=application.id,
        by=actor.by,
        action="campaign.test",
        object=str(campaign_id),
        after={"mobile": cleaned.mobile, "message": str(message_id), "segments": count.segments},
    )
    wake(tx)
    return Tested(
        campaign=campaign_id,
        message=message_id,
        mobile=cleaned.mobile,
        text=text,
        segments=count.segments,
        encoding=count.encoding.value,
    )
