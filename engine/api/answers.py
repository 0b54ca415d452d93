"""What subscribers are answered, and by which words: keywords, responses, opt-out commands; and when
they may be written to at all: the sending hours (R-7.8, R-4.1, R-6.3, R-6.5, R-6.6)."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel

from engine import clock
from engine.api.bodies import (
    CommandSwitch,
    KeywordChange,
    Name,
    NewCommand,
    NewKeyword,
    ResponseText,
    SendingHours,
)
from engine.api.pages import Next, Paged, sliced
from engine.api.service import Asker, Served
from engine.operations import hours, keywords, optout_commands, responses
from engine.operations.hours import Shown as Hours
from engine.operations.keywords import Shown as Keyword
from engine.operations.optout_commands import Command
from engine.operations.responses import Changed, Response

router = APIRouter()

Kind = Literal["general", "optout", "optin", "help", "list"]


class KeywordPage(BaseModel):
    """Some keywords, by their word."""

    keywords: list[Keyword]
    next: Next


# ---------------------------------------------------------------- keywords


@router.post("/keywords", status_code=201, tags=["keywords"], summary="Add a keyword")
async def add(body: NewKeyword, api: Served, actor: Asker) -> Keyword:
    """Who sends it becomes a member of its list. It can never have been another one's."""
    return await api.ask(
        keywords.add,
        actor,
        body.keyword,
        list_name=body.list,
        response=body.response,
        active=body.active,
    )


@router.get("/keywords", tags=["keywords"], summary="All keywords")
async def ls(asked: Annotated[Paged, Query()], api: Served, actor: Asker) -> KeywordPage:
    """By word, a page at a time; those that were deleted, too: they can't be used again."""
    shown, more = sliced(
        "keywords", asked, await api.ask(keywords.ls, actor), lambda one: one.keyword
    )
    return KeywordPage(keywords=shown, next=more)


@router.patch("/keywords/{word}", tags=["keywords"], summary="Change a keyword")
async def edit(word: Name, body: KeywordChange, api: Served, actor: Asker) -> Keyword:
    """What is given; members stay."""
    return await api.ask(
        keywords.edit,
        actor,
        word,
        list_name=body.list,
        response=body.response,
        active=body.active,
    )


@router.delete("/keywords/{word}", tags=["keywords"], summary="Delete a keyword for ever")
async def delete(word: Name, api: Served, actor: Asker) -> Keyword:
    """What it was. It can never be used again; members stay."""
    return await api.ask(keywords.delete, actor, word)


# ---------------------------------------------------------------- responses


@router.get("/responses", tags=["responses"], summary="What subscribers are answered")
async def show(api: Served, actor: Asker) -> list[Response]:
    """All that are set, those of lists last."""
    return await api.ask(responses.show, actor)


@router.put("/responses/{kind}", tags=["responses"], summary="Set a response")
async def put(kind: Kind, body: ResponseText, api: Served, actor: Asker) -> Changed:
    """One of kind `list` is for the list that is named. In force for the next MO."""
    return await api.ask(responses.set_, actor, kind, body.text, list_name=body.list)


@router.delete("/responses/{kind}", tags=["responses"], summary="Delete a response")
async def drop(
    kind: Kind,
    api: Served,
    actor: Asker,
    list_name: Annotated[Name | None, Query(alias="list")] = None,
) -> Changed:
    """What it was. Then the next less specific one is sent, or nothing."""
    return await api.ask(responses.delete, actor, kind, list_name=list_name)


# ---------------------------------------------------------------- opt-out commands


@router.get("/optout-commands", tags=["opt-out commands"], summary="Words that opt out")
async def commands(api: Served, actor: Asker) -> list[Command]:
    """All that there are, those that come with the program first."""
    return await api.ask(optout_commands.ls, actor)


@router.post("/optout-commands", status_code=201, tags=["opt-out commands"], summary="Add a word")
async def add_command(body: NewCommand, api: Served, actor: Asker) -> Command:
    """It opts out from now on."""
    return await api.ask(optout_commands.add, actor, body.word)


@router.patch(
    "/optout-commands/{word}", tags=["opt-out commands"], summary="Switch a word on or off"
)
async def switch(word: Name, body: CommandSwitch, api: Served, actor: Asker) -> Command:
    """What is switched off means nothing."""
    verb = optout_commands.enable if body.enabled else optout_commands.disable
    return await api.ask(verb, actor, word)


@router.delete("/optout-commands/{word}", tags=["opt-out commands"], summary="Delete a word")
async def delete_command(word: Name, api: Served, actor: Asker) -> Command:
    """One that was added; those that come with the program can be switched off."""
    return await api.ask(optout_commands.delete, actor, word)


# ---------------------------------------------------------------- sending hours


@router.get("/hours", tags=["sending hours"], summary="When messages are sent")
async def hours_now(api: Served, actor: Asker) -> Hours:
    """And whether they may be now."""
    return await api.ask(hours.show, actor, now=clock.utc_now())


@router.put("/hours", tags=["sending hours"], summary="Set the sending hours")
async def set_hours(body: SendingHours, api: Served, actor: Asker) -> Hours:
    """For quick campaigns and messages of the API; in force at once."""
    return await api.ask(
        hours.set_,
        actor,
        from_hour=str(body.from_),
        to_hour=str(body.to),
        days=body.days,
        timezone=body.timezone,
        now=clock.utc_now(),
    )


@router.delete("/hours", tags=["sending hours"], summary="Send at any hour")
async def no_hours(api: Served, actor: Asker) -> Hours:
    """What was set is kept for when they are set again."""
    return await api.ask(hours.off, actor, now=clock.utc_now())
