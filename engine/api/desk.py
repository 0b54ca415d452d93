"""/v1/templates, /v1/inbox and /v1/blacklist (R-7.8, R-2.4, R-6.1, R-6.4)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from engine.api.bodies import (
    Because,
    Blacklisting,
    Id,
    Name,
    NewTemplate,
    Plain,
    TemplateText,
    Word,
)
from engine.api.downloads import CSV, Rows, csv_of
from engine.api.pages import Next, Paged, after_id, page, sliced
from engine.api.service import Asker, Served
from engine.domain.inbound import Meaning
from engine.operations import Database, blacklist, inbox, templates
from engine.operations.inbox import OptedOut
from engine.operations.spreadsheet import guarded
from engine.operations.templates import Shown
from engine.store.blacklist import Entry
from engine.store.inbox_queries import Filter, Mo

router = APIRouter()


class Asked(Paged):
    """Which MO."""

    mobile: Annotated[Plain | None, Field(max_length=40)] = None
    content: Word = None
    list: Word = None
    batch: Word = None
    opted_out: bool | None = None
    meaning: Meaning | None = None


class MoPage(BaseModel):
    """Some MO, the newest first."""

    inbox: list[Mo]
    next: Next


class TemplatePage(BaseModel):
    """Some templates, by name."""

    templates: list[Shown]
    next: Next


class Blacklisted(Paged):
    """Which entries."""

    mobile: Annotated[Plain | None, Field(max_length=40, description="the number or a part")] = None


class EntryPage(BaseModel):
    """Some entries of the blacklist, the newest first."""

    blacklist: list[Entry]
    next: Next


@router.post("/templates", status_code=201, tags=["templates"], summary="Add a template")
async def add(body: NewTemplate, api: Served, actor: Asker) -> Shown:
    """A text that campaigns can begin with; `%%1%%` to `%%6%%` are a member's params."""
    return await api.ask(templates.add, actor, body.name, body.text)


@router.get("/templates", tags=["templates"], summary="All templates")
async def ls(asked: Annotated[Paged, Query()], api: Served, actor: Asker) -> TemplatePage:
    """By name, a page at a time."""
    shown, more = sliced(
        "templates", asked, await api.ask(templates.ls, actor), lambda one: one.name
    )
    return TemplatePage(templates=shown, next=more)


@router.put("/templates/{name}", tags=["templates"], summary="Give a template another text")
async def edit(name: Name, body: TemplateText, api: Served, actor: Asker) -> Shown:
    """Campaigns that were made from it keep theirs."""
    return await api.ask(templates.edit, actor, name, body.text)


@router.delete("/templates/{name}", tags=["templates"], summary="Remove a template")
async def delete(name: Name, api: Served, actor: Asker) -> Shown:
    """What it was."""
    return await api.ask(templates.delete, actor, name)


@router.get("/inbox", tags=["inbox"], summary="What subscribers wrote")
async def search(asked: Annotated[Asked, Query()], api: Served, actor: Asker) -> MoPage:
    """The newest first, a page at a time."""
    wanted = Filter(
        mobile=asked.mobile,
        content=asked.content,
        list=asked.list,
        batch=asked.batch,
        opted_out=asked.opted_out,
        meaning=asked.meaning,
    )
    before = after_id("inbox", asked)
    found = await api.ask(inbox.ls, actor, wanted, limit=asked.limit + 1, before_id=before)
    shown, more = page("inbox", asked, found, lambda one: one.id)
    return MoPage(inbox=shown, next=more)


@router.post("/inbox/{id}/optout", tags=["inbox"], summary="Opt out who wrote")
async def optout(
    id: Id,  # noqa: A002
    api: Served,
    actor: Asker,
    body: Because | None = None,
) -> OptedOut:
    """Of all messages of the application."""
    return await api.ask(inbox.optout, actor, id, reason=None if body is None else body.reason)


@router.post("/blacklist", status_code=201, tags=["blacklist"], summary="Blacklist a number")
async def blacken(body: Blacklisting, api: Served, actor: Asker) -> Entry:
    """Nothing is ever sent to it."""
    return await api.ask(blacklist.add, actor, body.mobile, reason=body.reason)


@router.get("/blacklist", tags=["blacklist"], summary="Who is on the blacklist")
async def blacklisted(
    asked: Annotated[Blacklisted, Query()], api: Served, actor: Asker
) -> EntryPage:
    """Those that count in the application, the newest first, a page at a time."""
    found = await api.ask(
        blacklist.search,
        actor,
        mobile=asked.mobile,
        limit=asked.limit + 1,
        before_id=after_id("blacklist", asked),
    )
    shown, more = page("blacklist", asked, found, lambda one: one.id)
    return EntryPage(blacklist=shown, next=more)


@router.get(
    "/blacklist.csv",
    tags=["blacklist"],
    summary="The blacklist as CSV",
    response_class=StreamingResponse,
    responses=CSV,
)
async def download(api: Served, actor: Asker) -> StreamingResponse:
    """All that counts in the application, as `siaran blacklist import` reads it."""

    def rows(database: Database) -> Rows:
        return (
            [
                one.mobile,
                one.origin.value,
                "yes" if one.everywhere else "no",
                guarded(one.by),
                guarded(one.reason or ""),
                one.at.isoformat(timespec="seconds"),
            ]
            for one in blacklist.entries(database, actor)
        )

    head = ["mobile", "origin", "everywhere", "by", "reason", "at"]
    return await csv_of(api, head, rows, name="blacklist.csv")


@router.delete("/blacklist/{mobile}", tags=["blacklist"], summary="Take a number off")
async def whiten(mobile: Name, api: Served, actor: Asker) -> Entry:
    """What it was; admins only."""
    return await api.ask(blacklist.remove, actor, mobile)
