"""/v1/lists: lists and their members, one by one, ten thousand at once, or a CSV (R-7.8, R-1)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from engine.api.bodies import (
    Body,
    ListChange,
    ListCreation,
    MemberParams,
    Name,
    NewMembers,
    OptIn,
    OptOut,
    Plain,
    Word,
)
from engine.api.downloads import CSV, Rows, csv_of
from engine.api.files import members_file, uploaded
from engine.api.pages import Next, Paged, after_id, page
from engine.api.service import Asker, Served
from engine.operations import Actor, Database, Tx, application_of, importing, lists, members
from engine.operations.importing import ImportReport, Upload
from engine.operations.members import Changed
from engine.operations.spreadsheet import guarded
from engine.store.lists import List, Listed, Shown
from engine.store.members import Member

router = APIRouter(tags=["lists"])


class Listing(Paged):
    """Which lists."""

    search: Word = None
    batch: Word = None


class ListPage(BaseModel):
    """Some lists, the newest first."""

    lists: list[Listed]
    next: Next


class Search(Paged):
    """Which members."""

    mobile: Annotated[Plain | None, Field(max_length=40, description="the number or a part")] = None
    opted_out: bool | None = None
    deleted: bool | None = False


class MemberPage(BaseModel):
    """Some members, in the order in which they joined."""

    members: list[Member]
    next: Next


class Import(Body):
    """How a file is imported."""

    create: bool = False
    keep_opted_out: bool = False
    strict: bool = False
    skip_invalid: bool = False
    dry_run: bool = False


@router.post("/lists", status_code=201, summary="Make an empty list")
async def create(body: ListCreation, api: Served, actor: Asker) -> List:
    """The name must be free."""
    return await api.ask(lists.create, actor, body.name, batch=body.batch, email=body.email)


@router.get("/lists", summary="Find lists")
async def ls(asked: Annotated[Listing, Query()], api: Served, actor: Asker) -> ListPage:
    """Those whose name holds `search`, the newest first, a page at a time."""
    found = await api.ask(
        lists.ls,
        actor,
        text=asked.search,
        batch=asked.batch,
        limit=asked.limit + 1,
        before_id=after_id("lists", asked),
    )
    shown, more = page("lists", asked, found, lambda one: one.id)
    return ListPage(lists=shown, next=more)


@router.get("/lists/{name}", summary="Show a list")
async def show(name: Name, api: Served, actor: Asker) -> Shown:
    """With how many members it has, and how many have opted out."""
    return await api.ask(lists.show, actor, name)


@router.patch("/lists/{name}", summary="Rename a list, or describe it another way")
async def change(name: Name, body: ListChange, api: Served, actor: Asker) -> Shown:
    """All of it or nothing."""

    def both(tx: Tx, actor: Actor) -> Shown:
        if body.batch is not None or body.email is not None:
            lists.edit(tx, actor, name, batch=body.batch, email=body.email)
        now = name if body.name is None else lists.rename(tx, actor, name, body.name).name
        return lists.show(tx, actor, now)

    return await api.ask(both, actor)


@router.delete("/lists/{name}", summary="Delete a list for ever")
async def delete(name: Name, api: Served, actor: Asker, delete_keywords: bool = False) -> Shown:
    """What it was. Keywords that point to it become inactive, or are deleted for ever, too."""
    shown = await api.ask(lists.delete, actor, name, delete_keywords=delete_keywords)
    await api.work(lists.purge)
    return shown


@router.get("/lists/{name}/members", summary="Find members")
async def search(
    name: Name, asked: Annotated[Search, Query()], api: Served, actor: Asker
) -> MemberPage:
    """In the order in which they joined, a page at a time."""
    found = await api.ask(
        members.search,
        actor,
        name,
        mobile=asked.mobile,
        opted_out=asked.opted_out,
        deleted=asked.deleted,
        limit=asked.limit + 1,
        after_id=after_id("members", asked) or 0,
    )
    shown, more = page("members", asked, found, lambda one: one.id)
    return MemberPage(members=shown, next=more)


@router.post("/lists/{name}/members", summary="Add members")
async def add(name: Name, body: NewMembers, api: Served, actor: Asker) -> ImportReport:
    """Up to 10,000, as an import does: cleaned, each once, all or none; what became of each."""

    def work(database: Database) -> ImportReport:
        with members_file(body.members) as file:
            upload = Upload(
                list=name,
                file=file,
                keep_opted_out=body.keep_opted_out,
                skip_invalid=body.skip_invalid,
            )
            return importing.import_file(database, actor, upload)

    return await api.work(work)


@router.post(
    "/lists/{name}/import",
    summary="Import a CSV",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"text/csv": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def import_(
    name: Name, request: Request, how: Annotated[Import, Query()], api: Served, actor: Asker
) -> ImportReport:
    """The file is the body: mobile in column 1, up to 6 params after it; whole or not at all."""
    await api.ask(application_of, actor, "list.import")  # before the file comes, not after
    async with uploaded(request) as file:
        upload = Upload(
            list=name,
            file=file,
            create=how.create,
            keep_opted_out=how.keep_opted_out,
            strict=how.strict,
            skip_invalid=how.skip_invalid,
            dry_run=how.dry_run,
        )
        return await api.work(importing.import_file, actor, upload)


@router.get(
    "/lists/{name}/members.csv",
    summary="A list as CSV",
    response_class=StreamingResponse,
    responses=CSV,
)
async def download(name: Name, api: Served, actor: Asker) -> StreamingResponse:
    """All members that are not deleted, in the order in which they joined, as an import reads it."""

    def rows(database: Database) -> Rows:
        found = lists.members(database, actor, name)
        return ([mobile, *map(guarded, params)] for mobile, params in found)

    head = ["mobile", *(f"param{n}" for n in range(1, 7))]
    return await csv_of(api, head, rows, name="members.csv")


@router.patch("/lists/{name}/members/{mobile}", summary="Give a member other params")
async def edit(name: Name, mobile: Name, body: MemberParams, api: Served, actor: Asker) -> Changed:
    """A campaign that has begun sends what it found at its start."""
    return await api.ask(members.edit, actor, name, mobile, body.params)


@router.delete("/lists/{name}/members/{mobile}", summary="Delete a member")
async def remove(name: Name, mobile: Name, api: Served, actor: Asker) -> Changed:
    """It can be restored; campaigns that run send it nothing more."""
    return await api.ask(members.delete, actor, name, mobile)


@router.post("/lists/{name}/members/{mobile}/restore", summary="Take a deletion back")
async def restore(name: Name, mobile: Name, api: Served, actor: Asker) -> Changed:
    """It is a member again; what it has said stays."""
    return await api.ask(members.restore, actor, name, mobile)


@router.post("/lists/{name}/members/{mobile}/optout", summary="Opt a number out")
async def optout(name: Name, mobile: Name, body: OptOut, api: Served, actor: Asker) -> Changed:
    """Of the list, or of all messages of the application; it need not be a member."""
    return await api.ask(
        members.optout, actor, name, mobile, everywhere=body.everywhere, reason=body.reason
    )


@router.post("/lists/{name}/members/{mobile}/optin", summary="Take an opt-out back")
async def optin(name: Name, mobile: Name, body: OptIn, api: Served, actor: Asker) -> Changed:
    """One that was a mistake, of the list or `everywhere`; the reason stands in the log."""
    return await api.ask(
        members.optin, actor, name, mobile, everywhere=body.everywhere, reason=body.reason
    )
