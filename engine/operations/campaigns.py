"""Campaigns: find one, look at it, hold it, end it (R-3.4, R-3.5); `drafts` makes and edits them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from engine.domain import campaign as rules
from engine.domain.campaign import ENDED as ENDED
from engine.domain.campaign import CampaignFacts, CampaignState
from engine.domain.errors import NotFound, Refused
from engine.domain.message import MessageState as MessageState
from engine.domain.verbs import Verb, after
from engine.domain.why import why
from engine.operations import Actor, application_of, lists
from engine.operations.members import check_reason
from engine.store import audit, hours, nodes, queue
from engine.store import campaign_changes as changes
from engine.store import campaigns as stored
from engine.store.campaigns import Campaign as Campaign
from engine.store.campaigns import Filter
from engine.store.campaigns import Progress as Progress
from engine.store.db import Tx
from engine.store.listening import wake


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A campaign as it stands; `why` says in one line why it is not sending, or that it is."""

    campaign: Campaign
    progress: Progress
    planned: int | None  # the list's size now, None once it has recipients
    held: int  # of the uncertain ones those that wait for a person
    why: str


def ls(
    tx: Tx,
    actor: Actor,
    *,
    state: str | None = None,
    list_name: str | None = None,
    content: str | None = None,
    batch: str | None = None,
    month: str | None = None,
    limit: int | None,
    before_id: int | None = None,
) -> list[Campaign]:
    """The newest `limit` campaigns that match (R-3.5); `month` (2026-11) is of the scheduled time.

    `before_id` is for the next page. Raises Refused for an unknown state, list or month.
    """
    application = application_of(tx, actor)
    since, until = (None, None) if month is None else month_of(month, application.timezone)
    asked = Filter(
        state=None if state is None else state_of(state),
        list=None if list_name is None else lists.get(tx, application.id, list_name).name,
        content=content,
        batch=batch,
        since=since,
        until=until,
    )
    return stored.find(tx, application.id, asked, limit=limit, before_id=before_id)


def show(tx: Tx, actor: Actor, campaign_id: int, *, now: datetime) -> Shown:
    """A campaign with its counts, and the one line why it is not sending (R-3.4)."""
    application = application_of(tx, actor)
    campaign = get(tx, actor, campaign_id)
    current = progress(tx, actor, campaign_id)
    open_ones = queue.facts(tx, application.id, now, hours.in_force(tx, application.id))
    stragglers = stored.stragglers(tx, application.id, campaign_id)
    return Shown(
        campaign=campaign,
        progress=current,
        planned=planned(tx, campaign),
        held=stragglers.held,
        why=why(
            next((one for one in open_ones if one.id == campaign.id), _facts(campaign, current)),
            open_ones,
            now,
            rules.zone(campaign.timezone),
            way=nodes.way_out(tx),
            stragglers=stragglers,
            pause_reason=campaign.pause_reason,
        ),
    )


def progress(tx: Tx, actor: Actor, campaign_id: int) -> Progress:
    """The counts of a campaign as they are now. Raises Refused for an unknown one."""
    found = stored.progress(tx, get(tx, actor, campaign_id).id)
    if found is None:
        raise _unknown(actor, campaign_id)
    return found


def cancel(tx: Tx, actor: Actor, campaign_id: int, *, now: datetime) -> Campaign:
    """End a campaign before it starts. Raises Refused once it has started, or ended."""
    return _move(tx, actor, Verb.CANCEL, campaign_id, now)


def pause(
    tx: Tx, actor: Actor, campaign_id: int, *, reason: str | None = None, now: datetime
) -> Campaign:
    """Launch nothing more of a campaign until `resume`; what is on the wire goes on.

    Raises Refused for one that has not started, is finishing, or has ended.
    """
    return _move(tx, actor, Verb.PAUSE, campaign_id, now, reason=check_reason(reason))


def resume(tx: Tx, actor: Actor, campaign_id: int, *, now: datetime) -> Campaign:
    """Put a paused campaign back into the queue, in its old place. Raises Refused for another."""
    return _move(tx, actor, Verb.RESUME, campaign_id, now)


def stop(tx: Tx, actor: Actor, campaign_id: int, *, now: datetime) -> Campaign:
    """End a campaign that has started, for ever: what was not sent of it is cancelled.

    Raises Refused for one that has not started, or has ended.
    """
    return _move(tx, actor, Verb.STOP, campaign_id, now)


def delete(tx: Tx, actor: Actor, campaign_id: int, *, now: datetime) -> Campaign:
    """Take a campaign that has not started, or has ended, out of sight; what it was.

    One that has not started is cancelled. Messages, counts and the log stay. Raises Refused for
    one that is under way.
    """
    before = get(tx, actor, campaign_id)
    _move(tx, actor, Verb.DELETE, campaign_id, now)
    changes.delete(tx, campaign_id, now)
    return before


def _move(
    tx: Tx,
    actor: Actor,
    verb: Verb,
    campaign_id: int,
    now: datetime,
    *,
    reason: str | None = None,
) -> Campaign:
    """Bring a campaign where a verb brings it, with its line in the log."""
    application = application_of(tx, actor, f"campaign.{verb}")
    before = locked(tx, actor, application.id, campaign_id)
    state = after(verb, campaign_id, before.state, begun=before.started_at is not None)
    if state is not before.state:
        changes.move(tx, campaign_id, state, now, reason=reason)
    audit.record(
        tx,
        application_id=application.id,
        by=actor.by,
        action=f"campaign.{verb}",
        object=str(campaign_id),
        before={"state": before.state, **_told(before.pause_reason)},
        after={"state": state, **_told(reason)},
    )
    wake(tx)
    return get(tx, actor, campaign_id)


def _told(reason: str | None) -> dict[str, str]:
    return {} if reason is None else {"reason": reason}


def locked(tx: Tx, actor: Actor, application_id: int, campaign_id: int) -> Campaign:
    """The campaign, that nobody else changes until the end. Raises Refused for an unknown one."""
    campaign = stored.lock(tx, application_id, campaign_id)
    if campaign is None:
        raise _unknown(actor, campaign_id)
    return campaign


def get(tx: Tx, actor: Actor, campaign_id: int) -> Campaign:
    """The campaign of that id. Raises Refused when the application has none."""
    campaign = stored.get(tx, application_of(tx, actor).id, campaign_id)
    if campaign is None:
        raise _unknown(actor, campaign_id)
    return campaign


def planned(tx: Tx, campaign: Campaign) -> int | None:
    """How many it would start with now; None once it has started or will never."""
    if campaign.recipients is not None or campaign.state in ENDED:
        return None
    if campaign.from_campaign_id is not None:
        return changes.count_recipients(tx, campaign.id)
    if campaign.list_id is None:
        return None
    return stored.planned(tx, campaign.list_id)


def state_of(word: str) -> CampaignState:
    """The campaign state of that name. Raises Refused, naming all of them."""
    try:
        return CampaignState(word)
    except ValueError:
        raise Refused(
            f'status "{word}": no campaign has that; there are {", ".join(CampaignState)}'
        ) from None


def month_of(month: str, timezone: str) -> tuple[datetime, datetime]:
    """The first moment of a month (2026-11) and that of the next, in a time zone."""
    match = re.fullmatch(r"(\d{4})-(\d{1,2})", month.strip())
    if match is None or not (1 <= int(match[2]) <= 12 and 1970 <= int(match[1]) < 9999):
        raise Refused(f'month "{month}": write it as 2026-11')
    first = datetime(int(match[1]), int(match[2]), 1, tzinfo=rules.zone(timezone))
    return first, first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)


def _facts(campaign: Campaign, current: Progress) -> CampaignFacts:
    return CampaignFacts(
        id=campaign.id,
        state=current.state,
        scheduled_at=campaign.scheduled_at,
        created_at=campaign.created_at,
        unlaunched=current.counts[MessageState.QUEUED],
        in_flight=current.counts[MessageState.LAUNCHED] + current.counts[MessageState.UNCERTAIN],
    )


def _unknown(actor: Actor, campaign_id: int) -> NotFound:
    return NotFound(
        f"campaign {campaign_id} not found in application {actor.application}; see `campaign ls`"
    )
