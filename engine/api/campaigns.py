"""/v1/campaigns: schedule, see, change and end them; what became of one (R-7.8, R-3, R-7.6)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from engine import clock
from engine.api.bodies import Because, Body, CampaignChange, Id, NewCampaign, Plain, Word
from engine.api.downloads import CSV, Rows, csv_of
from engine.api.files import members_file
from engine.api.pages import Next, Paged, after_id, page
from engine.api.service import Asker, Served
from engine.domain.message import MessageState
from engine.operations import Database, campaigns, creating, editing, reports
from engine.operations.campaigns import Shown
from engine.operations.creating import Created
from engine.operations.drafts import Draft
from engine.operations.editing import Changes, Edited
from engine.operations.importing import Upload
from engine.operations.reports import Report
from engine.operations.spreadsheet import guarded
from engine.store.campaigns import Campaign

router = APIRouter(tags=["campaigns"])


class Listing(Paged):
    """Which campaigns; `month` (2026-11) is of the scheduled time."""

    state: Annotated[Plain | None, Field(max_length=20)] = None
    list: Word = None
    content: Word = None
    batch: Word = None
    month: Annotated[Plain | None, Field(max_length=10)] = None


class CampaignPage(BaseModel):
    """Some campaigns, the newest first."""

    campaigns: list[Campaign]
    next: Next


class Numbers(Body):
    """Whose numbers."""

    status: MessageState


@router.post("/campaigns", status_code=201, summary="Schedule a campaign")
async def create(body: NewCampaign, api: Served, actor: Asker) -> Created:
    """To a list that is there, or, with `members`, to a new list of these: both or neither; or to
    those whose message of an earlier campaign (`from`) is in a `status` now.

    One with members waits for the application's sending hours, another one only with
    `respect_hours`. One of several segments has to be confirmed.
    """
    draft = Draft(
        message=body.message,
        template=body.template,
        at=body.at,
        timezone=body.timezone,
        batch=body.batch,
        sender=body.sender,
        encoding=body.encoding,
        transliterate=body.transliterate,
        flash=body.flash,
        rate=body.rate,
        not_after=body.not_after,
        respect_hours=body.respect_hours,
        recipient_time=body.recipient_time,
        response=body.response,
    )
    now = clock.utc_now()

    def work(database: Database) -> Created:
        if body.from_ is not None and body.status is not None:
            return creating.again(
                database, actor, body.from_, body.status, draft, now=now, confirmed=body.confirm
            )
        assert body.list is not None
        if body.members is None:
            return creating.new(database, actor, body.list, draft, now=now, confirmed=body.confirm)
        with members_file(body.members) as file:
            upload = Upload(
                list=body.list,
                file=file,
                create=True,
                batch=body.batch,
                keep_opted_out=body.keep_opted_out,
                skip_invalid=body.skip_invalid,
            )
            return creating.quick(database, actor, upload, draft, now=now, confirmed=body.confirm)

    return await api.work(work)


@router.get("/campaigns", summary="Find campaigns")
async def ls(asked: Annotated[Listing, Query()], api: Served, actor: Asker) -> CampaignPage:
    """Those that match, the newest first, a page at a time."""
    found = await api.ask(
        campaigns.ls,
        actor,
        state=asked.state,
        list_name=asked.list,
        content=asked.content,
        batch=asked.batch,
        month=asked.month,
        limit=asked.limit + 1,
        before_id=after_id("campaigns", asked),
    )
    shown, more = page("campaigns", asked, found, lambda one: one.id)
    return CampaignPage(campaigns=shown, next=more)


@router.get("/campaigns/{id}", summary="Show a campaign")
async def show(id: Id, api: Served, actor: Asker) -> Shown:  # noqa: A002
    """With its counts, and why it is not sending."""
    return await api.ask(campaigns.show, actor, id, now=clock.utc_now())


@router.patch("/campaigns/{id}", summary="Change a campaign before it starts")
async def edit(id: Id, body: CampaignChange, api: Served, actor: Asker) -> Edited:  # noqa: A002
    """With `version`, only when nobody has changed it since that was seen."""
    wanted = Changes(**{name: getattr(body, name) for name in Changes.__dataclass_fields__})
    return await api.work(
        editing.edit,
        actor,
        id,
        wanted,
        version=body.version,
        now=clock.utc_now(),
        confirmed=body.confirm,
    )


@router.post("/campaigns/{id}/cancel", summary="Call a campaign off")
async def cancel(id: Id, api: Served, actor: Asker) -> Campaign:  # noqa: A002
    """Before it starts."""
    return await api.ask(campaigns.cancel, actor, id, now=clock.utc_now())


@router.post("/campaigns/{id}/pause", summary="Hold a campaign")
async def pause(
    id: Id,  # noqa: A002
    api: Served,
    actor: Asker,
    body: Because | None = None,
) -> Campaign:
    """What is on the wire goes on."""
    reason = None if body is None else body.reason
    return await api.ask(campaigns.pause, actor, id, reason=reason, now=clock.utc_now())


@router.post("/campaigns/{id}/resume", summary="Let a paused campaign go on")
async def resume(id: Id, api: Served, actor: Asker) -> Campaign:  # noqa: A002
    """In its old place in the queue."""
    return await api.ask(campaigns.resume, actor, id, now=clock.utc_now())


@router.post("/campaigns/{id}/stop", summary="End a campaign that has started")
async def stop(id: Id, api: Served, actor: Asker) -> Campaign:  # noqa: A002
    """What was not sent of it is cancelled."""
    return await api.ask(campaigns.stop, actor, id, now=clock.utc_now())


@router.delete("/campaigns/{id}", summary="Take a campaign out of sight")
async def delete(id: Id, api: Served, actor: Asker) -> Campaign:  # noqa: A002
    """One that has not started, which cancels it, or has ended; what it was."""
    return await api.ask(campaigns.delete, actor, id, now=clock.utc_now())


@router.get("/campaigns/{id}/report", summary="What became of a campaign")
async def report(id: Id, api: Served, actor: Asker) -> Report:  # noqa: A002
    """Counts by state, which balance."""
    return await api.ask(reports.campaign, actor, id, now=clock.utc_now())


@router.get(
    "/campaigns/{id}/numbers.csv",
    summary="The numbers of a campaign that are in a state, as CSV",
    response_class=StreamingResponse,
    responses=CSV,
)
async def numbers(
    id: Id,  # noqa: A002
    asked: Annotated[Numbers, Query()],
    api: Served,
    actor: Asker,
) -> StreamingResponse:
    """As many as the report counts, with when and why."""

    def rows(database: Database) -> Rows:
        for one in reports.numbers(database, actor, id, asked.status):
            times = (at.isoformat() if at else "" for at in (one.state_at, one.sent_at))
            yield [one.mobile, *times, guarded(one.reason or ""), *map(guarded, one.params)]

    head = ["mobile", "state_at", "sent_at", "reason", *(f"param{n}" for n in range(1, 7))]
    return await csv_of(api, head, rows, name=f"campaign-{id}-{asked.status}.csv")
