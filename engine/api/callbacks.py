"""/v1/callbacks: where replies and receipts are posted, and what could not be told (R-7.1 to R-7.4)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from engine.api.bodies import Body, Callback, Replay
from engine.api.pages import MOST
from engine.api.service import Asker, Served
from engine.operations import callbacks
from engine.operations.callbacks import Asked, Dead, Events, Kind, Shown

router = APIRouter(tags=["callbacks"])


class Listing(Body):
    """Which events."""

    kind: Kind | None = None
    limit: Annotated[int, Field(ge=1, le=MOST)] = 100


class Set(BaseModel):
    """An endpoint as it is set now; `notices` are for the person who has set it."""

    callback: Shown
    notices: list[str]


class Replayed(BaseModel):
    """What was dead and is told now; `more`: ask again for the rest."""

    events: list[Dead]
    more: bool


@router.get("/callbacks", summary="Where the application is told")
async def show(api: Served, actor: Asker) -> list[Shown]:
    """With what is due, and what is dead; secrets are named, and never shown."""
    return await api.ask(callbacks.show, actor)


@router.put("/callbacks/{kind}", summary="Set where it is told")
async def put(kind: Kind, body: Callback, api: Served, actor: Asker) -> Set:
    """Of replies, or of receipts. What is still due goes to the new address."""
    asked = Asked(
        url=body.url,
        headers=[f"{name}={value}" for name, value in body.headers.items()],
        events=Events(body.events),
        oauth_url=body.oauth_url,
        client_id=body.client_id,
        client_secret=body.client_secret,
        scope=body.scope,
        hmac_secret=body.hmac_secret,
        ca_pem=body.ca_pem,
    )
    shown, notices = await api.ask(
        callbacks.set_, actor, kind, asked, allow_private=api.private_callbacks
    )
    return Set(callback=shown, notices=notices)


@router.delete("/callbacks/{kind}", summary="Tell nothing any more")
async def off(kind: Kind, api: Served, actor: Asker) -> Shown:
    """What it was. What is due to it is deleted."""
    shown = await api.ask(callbacks.off, actor, kind)
    while await api.ask(callbacks.clear):
        pass
    return shown


@router.get("/dead-callbacks", summary="What could not be told")
async def dead(asked: Annotated[Listing, Query()], api: Served, actor: Asker) -> list[Dead]:
    """The newest events, with the reason."""
    return await api.ask(callbacks.dead, actor, kind=asked.kind, limit=asked.limit)


@router.post("/dead-callbacks/replay", summary="Tell it after all")
async def replay(body: Replay, api: Served, actor: Asker) -> Replayed:
    """These events, all of them or none; or everything, as much as one transaction takes."""
    events, more = await api.ask(callbacks.replay, actor, body.ids, everything=body.everything)
    return Replayed(events=events, more=more)
