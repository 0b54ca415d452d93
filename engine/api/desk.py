"""/v1/templates, /v1/inbox and /v1/blacklist (R-7.8, R-2.4, R-6.1, R-6.4)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from engine.api.bodies import Because, Blacklisting, Body, Id, Name, NewTemplate, TemplateText
from engine.api.service import Asker, Served
from engine.operations import blacklist, inbox, templates
from engine.operations.inbox import OptedOut
from engine.operations.templates import Shown
from engine.store.blacklist import Entry
from engine.store.inbox_queries import Filter, Mo

router = APIRouter()

Limit = Annotated[int, Field(ge=1, le=1000)]
Word = Annotated[str | None, Field(max_length=100)]


class Asked(Body):
    """Which MO; `before` is the `next` of the page before."""

    mobile: Annotated[str | None, Field(max_length=40)] = None
    content: Word = None
    list: Word = None
    batch: Word = None
    opted_out: bool | None = None
    meaning: Word = None
    limit: Limit = 100
    before: Annotated[int | None, Field(ge=1, lt=2**63)] = None


class MoPage(BaseModel):
    """Some MO, the newest first; `next` None: there are no more."""

    inbox: list[Mo]
    next: int | None


class Blacklisted(Body):
    """Which entries."""

    mobile: Annotated[str | None, Field(max_length=40, description="the number or a part")] = None
    limit: Limit = 100


@router.post("/templates", status_code=201, tags=["templates"], summary="Add a template")
async def add(body: NewTemplate, api: Served, actor: Asker) -> Shown:
    """A text that campaigns can begin with; `%%1%%` to `%%6%%` are a member's params."""
    return await api.ask(templates.add, actor, body.name, body.text)


@router.get("/templates", tags=["templates"], summary="All templates")
async def ls(api: Served, actor: Asker) -> list[Shown]:
    """By name."""
    return await api.ask(templates.ls, actor)


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
    found = await api.ask(inbox.ls, actor, wanted, limit=asked.limit + 1, before_id=asked.before)
    page = found[: asked.limit]
    return MoPage(inbox=page, next=page[-1].id if len(found) > asked.limit else None)


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
) -> list[Entry]:
    """The newest entries that count in the application."""
    return await api.ask(blacklist.search, actor, mobile=asked.mobile, limit=asked.limit)


@router.delete("/blacklist/{mobile}", tags=["blacklist"], summary="Take a number off")
async def whiten(mobile: Name, api: Served, actor: Asker) -> Entry:
    """What it was; admins only."""
    return await api.ask(blacklist.remove, actor, mobile)
