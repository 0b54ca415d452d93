"""A campaign changed before it starts: judged and measured like a new one (R-3.5).

Between the reading and the writing others may come: the start, which wins, and another editor, who
was quicker. Both are found out under the campaign's lock, by its state and by its version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime

from engine.domain.cost import Cost, Member
from engine.domain.draft import rate_text
from engine.domain.errors import Refused
from engine.domain.verbs import Verb, after
from engine.operations import Actor, campaigns, lists
from engine.operations.creating import in_force
from engine.operations.drafts import Draft, Plan, Tell, agree, facts, judged, measured, pages
from engine.operations.responses import InForce
from engine.store import audit
from engine.store import campaign_changes as changes
from engine.store import campaigns as stored
from engine.store import lists as stored_lists
from engine.store.campaigns import Campaign
from engine.store.db import Database, Tx
from engine.store.listening import wake
from engine.store.lists import List

_ACTION = "campaign.edit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What is to be another way; None (or, of `now`, False) leaves it. An empty text is none."""

    list: str | None = None
    message: str | None = None
    template: str | None = None
    now: bool = False
    at: str | None = None
    timezone: str | None = None
    batch: str | None = None
    sender: str | None = None
    encoding: str | None = None
    transliterate: bool | None = None
    flash: bool | None = None
    rate: str | None = None
    not_after: str | None = None
    respect_hours: bool | None = None
    recipient_time: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """A campaign as it is now, and which of its facts have changed, by name."""

    campaign: Campaign
    changed: tuple[str, ...]
    cost: Cost
    notices: tuple[str, ...]
    responses: tuple[InForce, ...]


def edit(
    database: Database,
    actor: Actor,
    campaign_id: int,
    wanted: Changes,
    *,
    version: int | None = None,
    now: datetime,
    confirmed: bool = False,
    tell: Tell = lambda answers: None,
) -> Edited:
    """Change a campaign that has not started; `version` is the one that the person has seen.

    Raises Refused, Unconfirmed; then nothing is changed.
    """
    before, plan, target = database.run(_judged, actor, campaign_id, wanted, version, now)

    def page(after_id: int, rows: int) -> Sequence[Member]:
        if before.from_campaign_id is not None:
            return database.run(changes.recipients_after, before.id, after_id, rows)
        return database.run(stored.members_after, target.id, after_id, rows, plan.params)

    cost = measured(plan, pages(page))
    answers = database.run(in_force, actor, plan, target.name)
    agree(plan, cost, answers, confirmed, tell)
    campaign, changed = database.run(_write, actor, before, plan, target)
    return Edited(
        campaign=campaign, changed=changed, cost=cost, notices=plan.notices, responses=answers
    )


def _judged(
    tx: Tx,
    actor: Actor,
    campaign_id: int,
    wanted: Changes,
    version: int | None,
    now: datetime,
) -> tuple[Campaign, Plan, List]:
    """The campaign, what it is to be, and its list, as far as is known without recipients."""
    before = campaigns.get(tx, actor, campaign_id)
    after(Verb.EDIT, before.id, before.state, begun=before.started_at is not None)
    if version is not None:
        _check_version(before, version)
    if wanted.list is not None and before.from_campaign_id is not None:
        raise Refused(
            f"campaign {before.id} goes to those of campaign {before.from_campaign_id}, not to a "
            "list; make another with `campaign new --list`"
        )
    if wanted.timezone is not None and wanted.at is None and wanted.not_after is None:
        raise Refused("--timezone says where --at is meant; give that, too")
    same_time = wanted.at is None and not wanted.now
    plan = judged(
        tx,
        actor,
        draft_of(before, wanted),
        now,
        action=_ACTION,
        at=before.scheduled_at if same_time else None,
    )
    name = wanted.list if wanted.list is not None else before.list
    if name is None:
        raise Refused(f"the list of campaign {before.id} is gone; give it another with --list")
    return before, plan, lists.get(tx, plan.application.id, name)


def draft_of(before: Campaign, wanted: Changes) -> Draft:
    """The campaign as a draft, with the changes."""

    def text(new: str | None, old: str | None) -> str | None:
        return old if new is None else new.strip() or None

    def flag(new: bool | None, old: bool) -> bool:
        return old if new is None else new

    message = wanted.message
    if message is None and wanted.template is None:
        message = before.text
    return Draft(
        message=message,
        template=wanted.template,
        at=wanted.at,
        timezone=wanted.timezone or before.timezone,
        batch=text(wanted.batch, before.batch),
        sender=wanted.sender or before.sender,
        encoding=wanted.encoding or before.encoding,
        transliterate=flag(wanted.transliterate, before.transliterate),
        flash=flag(wanted.flash, before.flash),
        rate=text(wanted.rate, None if before.rate is None else rate_text(before.rate)),
        not_after=text(wanted.not_after, _exactly(before.not_after)),
        respect_hours=flag(wanted.respect_hours, before.respect_hours),
        recipient_time=flag(wanted.recipient_time, before.recipient_time),
        opted_out_reason=before.opted_out_reason,
    )


def _exactly(at: datetime | None) -> str | None:
    """A time as it can be read again, wherever: it lies on a minute."""
    return None if at is None else f"{at:%Y-%m-%d %H:%M}Z"


def _check_version(campaign: Campaign, seen: int) -> None:
    if campaign.version != seen:
        raise Refused(
            f"campaign {campaign.id} was changed meanwhile by somebody else (version "
            f"{campaign.version}, not {seen}); nothing was changed: look with `siaran campaign show "
            f"{campaign.id}` and `siaran log --action campaign.edit`, and do it again"
        )


def _write(
    tx: Tx, actor: Actor, seen: Campaign, plan: Plan, target: List
) -> tuple[Campaign, tuple[str, ...]]:
    """Write the changes down, when nobody was quicker; the campaign, and what has changed."""
    before = campaigns.locked(tx, actor, plan.application.id, seen.id)
    after(Verb.EDIT, before.id, before.state, begun=before.started_at is not None)
    _check_version(before, seen.version)
    if not stored_lists.hold(tx, target.id):
        raise Refused("the list has just been deleted; nothing was changed")
    row = plan.row(target.id, by=before.created_by, quick=before.quick)
    if row.template is None and row.text == before.text:
        row = replace(row, template=before.template)
    same = {field.name for field in fields(row)} & {field.name for field in fields(before)}
    kept = {"from_campaign_id", "from_state", "created_by", "quick", "opted_out_reason"}
    changed_to = {name: getattr(row, name) for name in same - kept}
    old, new = facts(before), facts(replace(before, list=target.name, **changed_to))
    changed = {key: new[key] for key in new if new[key] != old[key]}
    if not changed:
        return before, ()
    changes.change(tx, before.id, row)
    audit.record(
        tx,
        application_id=plan.application.id,
        by=actor.by,
        action=_ACTION,
        object=str(before.id),
        before={key: old[key] for key in changed},
        after=changed,
    )
    wake(tx)
    return campaigns.get(tx, actor, before.id), tuple(changed)
