"""From a draft to a campaign: judged, measured for every recipient, agreed to, made (R-3.1, R-3.2).

Whatever can be refused is refused before anything is written, and what needs no list before the
file is read: the text, the sender, the time. Then each recipient's own text is measured
(`domain.cost`); for a file this is done in the merge, so that a refusal undoes the import.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from engine.domain import campaign as rules
from engine.domain import merge
from engine.domain.campaign import Scheduled
from engine.domain.cost import Cost as Cost
from engine.domain.cost import Member, Meter
from engine.domain.cost import notices as notices
from engine.domain.errors import Refused
from engine.operations import Actor, application_of, importing, lists, responses, senders
from engine.operations.importing import ImportReport, Upload
from engine.operations.naming import tidy
from engine.operations.responses import InForce
from engine.store import audit
from engine.store import campaigns as stored
from engine.store import lists as stored_lists
from engine.store.applications import Application
from engine.store.campaigns import Campaign, NewCampaign
from engine.store.db import Database, Tx

Tell = Callable[[tuple[InForce, ...]], None]
"""What is told of the responses in force, once nothing is to be refused, and before it is saved."""

_PAGE = 20_000
"""Members measured at a time: a tenth of a second, and flat memory for a million."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a person wants sent. `at` None is now; `timezone` and `sender` None the application's."""

    message: str
    at: str | None = None
    timezone: str | None = None
    batch: str | None = None
    sender: str | None = None
    encoding: str = "auto"  # auto, gsm, ucs2
    transliterate: bool = False
    flash: bool = False
    response: str | None = None  # the list's from now on


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """A campaign that was made, what it costs, and the import that went with it."""

    campaign: Campaign
    cost: Cost
    notices: tuple[str, ...]  # how the time was understood
    responses: tuple[InForce, ...]
    imported: ImportReport | None = None


class Unconfirmed(Refused):
    """Some recipients get more than one segment, and nobody has agreed to pay (R-2.2)."""

    def __init__(self, cost: Cost) -> None:
        super().__init__(
            f"the message takes {cost.segments:,} segments for {cost.recipients:,} recipients; "
            "confirm with --yes"
        )
        self.cost = cost


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """A draft that can be sent as far as is known without its recipients."""

    application: Application
    text: str
    template: merge.Template
    encoding: str
    sender: str
    batch: str | None
    time: Scheduled
    timezone: str
    most: int
    transliterate: bool
    flash: bool
    response: str | None

    def meter(self) -> Meter:
        return Meter(
            self.template, self.encoding, most=self.most, transliterated=self.transliterate
        )


def new(
    database: Database,
    actor: Actor,
    list_name: str,
    draft: Draft,
    *,
    now: datetime,
    confirmed: bool = False,
    tell: Tell = lambda answers: None,
) -> Created:
    """Make a campaign to an existing list (R-3.2).

    Raises Refused, Unconfirmed; then nothing is written. Who joins the list between the measuring
    and the start is sent to all the same.
    """
    plan = database.run(_plan, actor, draft, now)
    target = database.run(lambda tx: lists.get(tx, plan.application.id, list_name))
    cost = _measure(
        plan, lambda after, rows: database.run(stored.members_after, target.id, after, rows)
    )
    answers = database.run(_in_force, actor, plan, target.name)
    _agree(cost, answers, confirmed, tell)
    campaign = database.run(_create, actor, plan, target.id, quick=False)
    return Created(campaign=campaign, cost=cost, notices=plan.time.notices, responses=answers)


def quick(
    database: Database,
    actor: Actor,
    upload: Upload,
    draft: Draft,
    *,
    now: datetime,
    confirmed: bool = False,
    progress: Callable[[importing.Progress], None] | None = None,
    tell: Tell = lambda answers: None,
) -> Created:
    """Import a file into a list of its own and make a campaign to it, both or neither (R-3.1).

    Raises Refused, BadRows, Unconfirmed; then nothing is written, and the list is not there.
    """
    plan = database.run(_plan, actor, draft, now)
    database.run(_check_fresh, plan, upload.list)

    def then(tx: Tx, list_id: int, report: ImportReport) -> Created:
        if stored.planned(tx, list_id) > report.imported:
            raise _not_fresh(upload.list)
        cost = _measure(plan, lambda after, rows: stored.members_after(tx, list_id, after, rows))
        answers = _in_force(tx, actor, plan, upload.list)
        _agree(cost, answers, confirmed, tell)
        return Created(
            campaign=_create(tx, actor, plan, list_id, quick=True),
            cost=cost,
            notices=plan.time.notices,
            responses=answers,
        )

    report, created = importing.import_file_then(database, actor, upload, then, progress)
    assert created is not None
    return replace(created, imported=report)


def _plan(tx: Tx, actor: Actor, draft: Draft, now: datetime) -> _Plan:
    """What needs no recipients: judged first. Raises Refused."""
    application = application_of(tx, actor, "campaign.create")
    template = merge.compile_text(draft.message)
    zone = rules.zone(draft.timezone or application.timezone)
    plan = _Plan(
        application=application,
        text=draft.message,
        template=template,
        encoding=draft.encoding,
        sender=senders.get(tx, application.id, draft.sender).address,
        batch=lists.check_batch(draft.batch),
        time=Scheduled(at_utc=now) if draft.at is None else rules.schedule(draft.at, zone, now),
        timezone=zone.key,
        most=stored.most_segments(tx, application.id),
        transliterate=draft.transliterate,
        flash=draft.flash,
        response=draft.response,
    )
    plan.meter().check_text()
    if plan.response is not None:
        try:
            responses.check_text(tx, application.id, plan.response)
        except Refused as error:
            raise Refused(f"as a response: {error}") from None
    return plan


def _measure(plan: _Plan, page: Callable[[int, int], Sequence[Member]]) -> Cost:
    """Merge and cut the text of every member; `page(after_id, rows)` gives the next ones."""
    meter = plan.meter()
    last = 0
    while members := page(last, _PAGE):
        meter.add(members)
        last = members[-1][0]
    return meter.cost()


def _in_force(tx: Tx, actor: Actor, plan: _Plan, list_name: str) -> tuple[InForce, ...]:
    return responses.in_force(tx, actor, list_name, response=plan.response)


def _agree(cost: Cost, answers: tuple[InForce, ...], confirmed: bool, tell: Tell) -> None:
    if cost.recipients == 0:
        raise Refused("the list has no members: nobody would get the message")
    tell(answers)
    if cost.largest > 1 and not confirmed:
        raise Unconfirmed(cost)


def _check_fresh(tx: Tx, plan: _Plan, list_name: str) -> None:
    """A quick campaign goes to those of its file: a list with others in it won't do."""
    found = stored_lists.find(tx, plan.application.id, tidy(list_name))
    if found is not None and stored.planned(tx, found.id):
        raise _not_fresh(list_name)


def _not_fresh(list_name: str) -> Refused:
    return Refused(
        f'list "{list_name.strip()}" has members already, who would get the message, too; give '
        "--list another name, or use `list import` and `campaign new`"
    )


def _create(tx: Tx, actor: Actor, plan: _Plan, list_id: int, *, quick: bool) -> Campaign:
    if not stored_lists.hold(tx, list_id):
        raise Refused("the list has just been deleted; nothing was created")
    campaign = stored.create(
        tx,
        NewCampaign(
            application_id=plan.application.id,
            list_id=list_id,
            quick=quick,
            batch=plan.batch,
            text=plan.text,
            encoding=plan.encoding,
            sender=plan.sender,
            scheduled_at=plan.time.at_utc,
            timezone=plan.timezone,
            created_by=actor.by,
            flash=plan.flash,
            transliterate=plan.transliterate,
        ),
    )
    audit.record(
        tx,
        application_id=plan.application.id,
        by=actor.by,
        action="campaign.create",
        object=str(campaign.id),
        after={
            "list": campaign.list,
            "quick": quick,
            "batch": plan.batch,
            "text": plan.text,
            "encoding": plan.encoding,
            "flash": plan.flash,
            "transliterate": plan.transliterate,
            "sender": plan.sender,
            "scheduled_at": plan.time.at_utc.isoformat(),
            "timezone": plan.timezone,
        },
    )
    if plan.response is not None:
        responses.set_(tx, actor, "list", plan.response, list_name=campaign.list)
    return campaign
