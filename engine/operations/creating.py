"""Campaigns made: to a list, a file, the parts of one, those of an earlier campaign (R-3.1 to R-3.6).

Everything or nothing: what is refused, or not agreed to, leaves neither list nor campaign. For a
file the measuring is done in the import's merge, so that a refusal undoes that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from engine.domain import campaign as rules
from engine.domain import draft as drafting
from engine.domain.cost import Cost, Member
from engine.domain.errors import Refused
from engine.domain.message import MessageState
from engine.operations import Actor, campaigns, importing, lists, responses
from engine.operations.drafts import (
    OVERRIDE,
    Draft,
    Plan,
    Tell,
    agree,
    facts,
    judged,
    measured,
    pages,
)
from engine.operations.importing import ImportReport, Upload
from engine.operations.naming import tidy
from engine.operations.reports import state_of
from engine.operations.responses import InForce
from engine.store import audit, imports, reports
from engine.store import campaign_changes as changes
from engine.store import campaigns as stored
from engine.store import lists as stored_lists
from engine.store.campaigns import Campaign, NewCampaign
from engine.store.db import Database, Tx
from engine.store.listening import wake

Bar = Callable[[importing.Progress], None]

_OPEN = (MessageState.QUEUED, MessageState.LAUNCHED, MessageState.UNCERTAIN)
"""States of which nobody knows what becomes: who gets a second message then may get both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """A campaign that was made, what it costs, and the import that went with it."""

    campaign: Campaign
    cost: Cost
    notices: tuple[str, ...]  # how the times were understood
    responses: tuple[InForce, ...]
    imported: ImportReport | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The campaigns that a file was split into, in the order of their starts."""

    campaigns: tuple[Campaign, ...]
    cost: Cost
    notices: tuple[str, ...]
    responses: tuple[InForce, ...]
    imported: ImportReport


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
    plan = database.run(judged, actor, draft, now)
    target = database.run(lambda tx: lists.get(tx, plan.application.id, list_name))

    def page(after: int, rows: int) -> Sequence[Member]:
        return database.run(stored.members_after, target.id, after, rows, plan.params)

    cost = measured(plan, pages(page))
    answers = database.run(in_force, actor, plan, target.name)
    agree(plan, cost, answers, confirmed, tell)
    campaign = database.run(_create, actor, plan, plan.row(target.id, by=actor.by))
    return Created(campaign=campaign, cost=cost, notices=plan.notices, responses=answers)


def again(
    database: Database,
    actor: Actor,
    from_id: int,
    status: str,
    draft: Draft,
    *,
    now: datetime,
    confirmed: bool = False,
    tell: Tell = lambda answers: None,
) -> Created:
    """Make a campaign to those of an earlier one whose message is in a state (R-3.2).

    Who they are is settled here: what becomes of the earlier messages later changes nothing. Raises
    Refused, Unconfirmed; then nothing is written.
    """
    plan = database.run(judged, actor, draft, now)
    earlier, state = database.run(earlier_of, actor, from_id, status)
    assert earlier.started_at is not None
    span = database.run(reports.span, earlier.started_at, earlier.ended_at)

    def page(after: int, rows: int) -> list[Member]:
        return database.run(changes.messages_after, earlier.id, state, span, after, rows)

    cost = measured(plan, pages(page))
    if cost.recipients == 0:
        raise _nobody(earlier.id, state)
    answers = database.run(in_force, actor, plan, earlier.list)
    agree(plan, cost, answers, confirmed, tell)

    def make(tx: Tx) -> Campaign:
        made = _create(
            tx, actor, plan, plan.row(earlier.list_id, by=actor.by, of=(earlier.id, state))
        )
        if not changes.take_recipients(tx, made.id, earlier.id, state, span):
            raise _nobody(earlier.id, state)
        return made

    campaign = database.run(make)
    return Created(campaign=campaign, cost=cost, notices=plan.notices, responses=answers)


def quick(
    database: Database,
    actor: Actor,
    upload: Upload,
    draft: Draft,
    *,
    now: datetime,
    confirmed: bool = False,
    progress: Bar | None = None,
    tell: Tell = lambda answers: None,
) -> Created:
    """Import a file into a list of its own and make a campaign to it, both or neither (R-3.1).

    Raises Refused, BadRows, Unconfirmed; then nothing is written, and the list is not there.
    """
    plan = database.run(judged, actor, draft, now)
    database.run(check_fresh, plan, upload.list)

    def then(tx: Tx, list_id: int, report: ImportReport) -> Created:
        if stored.planned(tx, list_id) > report.imported:
            raise _not_fresh(upload.list)
        cost = measured(plan, imports.new_rows(tx, plan.params))
        answers = in_force(tx, actor, plan, upload.list)
        agree(plan, cost, answers, confirmed, tell)
        return Created(
            campaign=_create(tx, actor, plan, plan.row(list_id, by=actor.by, quick=True)),
            cost=cost,
            notices=plan.notices,
            responses=answers,
        )

    report, created = importing.import_file_then(
        database, actor, kept(upload, plan), then, progress
    )
    assert created is not None
    return replace(created, imported=report)


def split(
    database: Database,
    actor: Actor,
    upload: Upload,
    draft: Draft,
    *,
    size: int,
    every: str,
    now: datetime,
    confirmed: bool = False,
    progress: Bar | None = None,
    tell: Tell = lambda answers: None,
) -> Parts:
    """Import a file into numbered lists of `size` and make a campaign to each (R-3.6).

    The first starts as the draft says, the others `every` so long after the one before. Raises
    Refused, BadRows, Unconfirmed; then nothing is written, not even a part.
    """
    gap = drafting.every(every)
    drafting.parts_of(0, size)
    plan = database.run(judged, actor, draft, now)

    def then(tx: Tx, report: ImportReport) -> Parts:
        names = part_names(upload.list, drafting.parts_of(report.imported, size))
        cost = measured(plan, imports.new_rows(tx, plan.params))
        answers = in_force(tx, actor, plan, names[0] if names else upload.list)
        agree(plan, cost, answers, confirmed, tell)
        made = [_part_list(tx, actor, upload, name) for name in names]
        sizes = imports.merge_parts(tx, [one.id for one in made], size)
        zone = rules.zone(plan.timezone)
        starts = drafting.starts(plan.time.at_utc, zone, gap, len(made))
        if plan.not_after is not None and plan.not_after <= starts[-1]:
            last = f"{starts[-1].astimezone(zone):%Y-%m-%d %H:%M} ({zone.key})"
            raise Refused(
                f"the last of {len(made)} parts would start at {last}, not before --not-after; "
                "split into fewer, or give more time"
            )
        for one, members in zip(made, sizes, strict=True):
            audit.record(
                tx,
                application_id=plan.application.id,
                by=actor.by,
                action="list.import",
                object=one.name,
                after={"file": upload.file.name, "rows": report.rows, "imported": members},
            )
        return Parts(
            campaigns=tuple(
                _create(tx, actor, plan, plan.row(one.id, by=actor.by, quick=True, at=at))
                for one, at in zip(made, starts, strict=True)
            ),
            cost=cost,
            notices=plan.notices,
            responses=answers,
            imported=report,
        )

    report, parts = importing.sort_file_then(database, actor, kept(upload, plan), then, progress)
    return replace(parts, imported=report)


def kept(upload: Upload, plan: Plan) -> Upload:
    """The upload, which keeps who has opted out when the campaign goes to them."""
    if plan.opted_out_reason is None:
        return upload
    return replace(upload, keep_opted_out=True)


def in_force(tx: Tx, actor: Actor, plan: Plan, list_name: str | None) -> tuple[InForce, ...]:
    """The responses that those to whom it goes will get; the list need not be there yet."""
    return responses.in_force(tx, actor, list_name or "", response=plan.response)


def check_fresh(tx: Tx, plan: Plan, list_name: str) -> None:
    """A quick campaign goes to those of its file: a list with others in it won't do."""
    found = stored_lists.find(tx, plan.application.id, tidy(list_name))
    if found is not None and stored.planned(tx, found.id):
        raise _not_fresh(list_name)


def earlier_of(tx: Tx, actor: Actor, from_id: int, status: str) -> tuple[Campaign, MessageState]:
    """The campaign whose recipients are wanted, and the state. Raises Refused."""
    state = state_of(status)
    earlier = campaigns.get(tx, actor, from_id)
    if state in _OPEN:
        raise Refused(
            f"status {state}: such messages are still on their way, and would be sent twice; wait, "
            f"or stop campaign {from_id} and take --status cancelled"
        )
    if earlier.started_at is None:
        raise Refused(f"campaign {from_id} is {earlier.state}: it has sent nothing to anybody yet")
    return earlier, state


def _nobody(from_id: int, state: MessageState) -> Refused:
    return Refused(
        f"no message of campaign {from_id} is {state}; see `siaran report campaign {from_id}`"
    )


def _not_fresh(list_name: str) -> Refused:
    return Refused(
        f'list "{list_name.strip()}" has members already, who would get the message, too; give '
        "--list another name, or use `list import` and `campaign new`"
    )


def part_names(name: str, parts: int) -> list[str]:
    """`march 1`, `march 2`, …"""
    return [f"{tidy(name)} {n}" for n in range(1, parts + 1)]


def _part_list(tx: Tx, actor: Actor, upload: Upload, name: str) -> stored_lists.List:
    made = lists.create_if_new(tx, actor, name, upload.batch, upload.email)
    if made is None:
        raise Refused(
            f'list "{name}" is there already; give --list another name, or delete that list'
        )
    return made


def _create(tx: Tx, actor: Actor, plan: Plan, row: NewCampaign) -> Campaign:
    if row.list_id is not None and not stored_lists.hold(tx, row.list_id):
        raise Refused("the list has just been deleted; nothing was created")
    campaign = stored.create(tx, row)
    audit.record(
        tx,
        application_id=plan.application.id,
        by=actor.by,
        action="campaign.create",
        object=str(campaign.id),
        after={key: value for key, value in facts(campaign).items() if value},
    )
    if plan.opted_out_reason is not None:
        audit.record(
            tx,
            application_id=plan.application.id,
            by=actor.by,
            action=OVERRIDE,
            object=str(campaign.id),
            after={"reason": plan.opted_out_reason},
        )
    if plan.response is not None and campaign.list is not None:
        responses.set_(tx, actor, "list", plan.response, list_name=campaign.list)
    wake(tx)
    return campaign
