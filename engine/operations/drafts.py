"""A draft of a campaign judged: what a person wants sent, and whether it can be (R-3.1, R-3.2).

What needs no recipients is judged before anything is read: the text, the sender, the times. Then
each recipient's own text is measured (`domain.cost`), and whoever asks agrees to what it costs.
Nothing here writes: `creating` makes campaigns, `editing` changes them, `previews` only tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.domain import campaign as rules
from engine.domain import draft as drafting
from engine.domain import merge
from engine.domain.campaign import Scheduled
from engine.domain.cost import Cost as Cost
from engine.domain.cost import Member, Meter
from engine.domain.cost import notices as notices
from engine.domain.draft import rate_text as rate_text
from engine.domain.errors import Refused
from engine.domain.message import MessageState
from engine.domain.settings import CONFIRM_ABOVE
from engine.operations import Actor, application_of, lists, responses, senders, templates
from engine.operations.members import check_reason
from engine.operations.responses import InForce
from engine.store import campaigns as stored
from engine.store import settings
from engine.store.applications import Application
from engine.store.campaigns import Campaign, NewCampaign
from engine.store.db import Tx

Tell = Callable[[tuple[InForce, ...]], None]
"""What is told of the responses in force, once nothing is to be refused, and before it is saved."""

PAGE = 20_000
"""Members measured at a time: a tenth of a second, and flat memory for a million."""

OVERRIDE = "campaign.send-to-opted-out"
"""What only an admin may, in the words of the log (R-1.7)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a person wants sent, as it is written. Of `message` and `template` one is given.

    `at` None is now; `timezone`, of `at` and `not_after`, and `sender` None are the application's.
    `opted_out_reason`: why it goes to who has opted out, too.
    """

    message: str | None = None
    template: str | None = None
    at: str | None = None
    timezone: str | None = None
    batch: str | None = None
    sender: str | None = None
    encoding: str = "auto"  # auto, gsm, ucs2
    transliterate: bool = False
    flash: bool = False
    rate: str | None = None  # 50/s, 300/m
    not_after: str | None = None
    respect_hours: bool = False
    recipient_time: bool = False
    opted_out_reason: str | None = None
    response: str | None = None  # the list's from now on


class Unconfirmed(Refused):
    """It costs, or reaches, more than goes without asking, and nobody has agreed (R-2.2, R-3.10)."""

    def __init__(self, cost: Cost, above: int | None) -> None:
        many = above is not None and cost.recipients > above
        why = f", and more than {above:,} are to be confirmed (confirm.above)" if many else ""
        super().__init__(
            f"the message takes {cost.segments:,} segments for {cost.recipients:,} recipients{why}; "
            "confirm with --yes"
        )
        self.cost = cost
        self.question = (
            f"Send {cost.segments:,} segments to {cost.recipients:,} recipients?"
            if many
            else f"Send {cost.segments:,} segments?"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A draft that can be sent as far as is known without its recipients."""

    application: Application
    text: str
    compiled: merge.Template
    template: str | None
    encoding: str
    sender: str
    batch: str | None
    time: Scheduled
    timezone: str
    most: int
    above: int | None  # recipients that are to be confirmed
    transliterate: bool
    flash: bool
    rate: float | None
    not_after: datetime | None
    respect_hours: bool
    recipient_time: bool
    opted_out_reason: str | None
    response: str | None
    notices: tuple[str, ...]  # how the times were understood

    @property
    def params(self) -> int:
        """How many params of a recipient the text refers to, counted from the first."""
        return max(self.compiled.params, default=0)

    def meter(self) -> Meter:
        return Meter(
            self.compiled, self.encoding, most=self.most, transliterated=self.transliterate
        )

    def row(
        self,
        list_id: int | None,
        *,
        by: str,
        quick: bool = False,
        at: datetime | None = None,
        of: tuple[int, MessageState] | None = None,
    ) -> NewCampaign:
        """The campaign to a list; `at` of a part, `of` whose recipients it has, in which state."""
        return NewCampaign(
            application_id=self.application.id,
            list_id=list_id,
            quick=quick,
            batch=self.batch,
            text=self.text,
            encoding=self.encoding,
            sender=self.sender,
            scheduled_at=at or self.time.at_utc,
            timezone=self.timezone,
            created_by=by,
            flash=self.flash,
            transliterate=self.transliterate,
            template=self.template,
            rate=self.rate,
            not_after=self.not_after,
            respect_hours=self.respect_hours,
            recipient_time=self.recipient_time,
            opted_out_reason=self.opted_out_reason,
            from_campaign_id=of[0] if of else None,
            from_state=of[1] if of else None,
        )


def judged(
    tx: Tx,
    actor: Actor,
    draft: Draft,
    now: datetime,
    *,
    action: str | None = "campaign.create",
    at: datetime | None = None,
) -> Plan:
    """What needs no recipients. Raises Refused.

    `action` is what the actor must be allowed to do. `at` is a time that was judged before.
    """
    application = application_of(tx, actor, action)
    if draft.opted_out_reason is not None:
        application_of(tx, actor, OVERRIDE)
    name, text = _text(tx, application.id, draft)
    zone = rules.zone(draft.timezone or application.timezone)
    if at is not None:
        time = Scheduled(at_utc=at)
    else:
        time = Scheduled(at_utc=now) if draft.at is None else rules.schedule(draft.at, zone, now)
    end = (
        None
        if draft.not_after is None
        else drafting.limit(draft.not_after, zone, max(time.at_utc, now), now)
    )
    plan = Plan(
        application=application,
        text=text,
        compiled=merge.compile_text(text),
        template=name,
        encoding=draft.encoding,
        sender=senders.get(tx, application.id, draft.sender).address,
        batch=lists.check_batch(draft.batch),
        time=time,
        timezone=zone.key,
        most=stored.most_segments(tx, application.id),
        above=settings.get(tx, application.id, CONFIRM_ABOVE),
        transliterate=draft.transliterate,
        flash=draft.flash,
        rate=None if draft.rate is None else drafting.rate_of(draft.rate),
        not_after=end.at_utc if end else None,
        respect_hours=draft.respect_hours,
        recipient_time=draft.recipient_time,
        opted_out_reason=check_reason(draft.opted_out_reason),
        response=draft.response,
        notices=(*time.notices, *(end.notices if end else ())),
    )
    if draft.opted_out_reason is not None and plan.opted_out_reason is None:
        raise Refused("to send to who has opted out, give a --reason; it stands in the log")
    plan.meter().check_text()
    if plan.response is not None:
        try:
            responses.check_text(tx, application.id, plan.response)
        except Refused as error:
            raise Refused(f"as a response: {error}") from None
    return plan


def _text(tx: Tx, application_id: int, draft: Draft) -> tuple[str | None, str]:
    """The template's name, None without one, and the text; the campaign keeps it from now on."""
    if draft.template is None:
        return None, draft.message or ""
    found = templates.get(tx, application_id, draft.template)
    return found.name, found.text


def pages(page: Callable[[int, int], Sequence[Member]]) -> Iterable[Sequence[Member]]:
    """All members, in chunks; `page(after_id, rows)` gives the next ones."""
    last = 0
    while members := page(last, PAGE):
        yield members
        last = members[-1][0]


def measured(plan: Plan, chunks: Iterable[Sequence[Member]]) -> Cost:
    """Merge and cut the text of every member. Raises Refused for one that can't be sent."""
    meter = plan.meter()
    for members in chunks:
        meter.add(members)
    return meter.cost()


def agree(
    plan: Plan, cost: Cost, answers: tuple[InForce, ...], confirmed: bool, tell: Tell
) -> None:
    """Go on when nothing stands against it. Raises Refused for nobody, Unconfirmed for a cost."""
    if cost.recipients == 0:
        raise Refused("the list has no members: nobody would get the message")
    tell(answers)
    many = plan.above is not None and cost.recipients > plan.above
    if (many or cost.largest > 1) and not confirmed:
        raise Unconfirmed(cost, plan.above)


def facts(campaign: Campaign) -> dict[str, Any]:
    """What the log holds of a campaign."""
    return {
        "list": campaign.list,
        "quick": campaign.quick,
        "batch": campaign.batch,
        "text": campaign.text,
        "template": campaign.template,
        "encoding": campaign.encoding,
        "flash": campaign.flash,
        "transliterate": campaign.transliterate,
        "sender": campaign.sender,
        "scheduled_at": campaign.scheduled_at.isoformat(),
        "timezone": campaign.timezone,
        "rate": None if campaign.rate is None else rate_text(campaign.rate),
        "not_after": campaign.not_after.isoformat() if campaign.not_after else None,
        "respect_hours": campaign.respect_hours,
        "recipient_time": campaign.recipient_time,
        "opted_out_reason": campaign.opted_out_reason,
        "from_campaign": campaign.from_campaign_id,
        "from_state": campaign.from_state,
    }
