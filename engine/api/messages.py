"""/v1/messages: send one or a thousand, see what became of one, take one back (R-7.8)."""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import APIRouter, Body, Header, Query, Request, Response
from pydantic import BaseModel

from engine import clock
from engine.api.bodies import Id, Messages, Number, OneOrMany
from engine.api.pages import Next, Paged, after_id, page
from engine.api.service import Asker, Served
from engine.operations import message_search, messages, submitting
from engine.operations.message_search import Found
from engine.operations.messages import Cancelled, Shown
from engine.operations.submitting import Accepted

router = APIRouter(tags=["messages"])

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="a new one for each request: repeated under it within a day, a request is "
        "done once, and answered the same",
    ),
]


class AcceptedMessages(BaseModel):
    """What became of each, in the order in which they were sent."""

    messages: list[Accepted]


@router.post(
    "/messages",
    status_code=202,
    summary="Send messages",
    response_model=Accepted | AcceptedMessages,
)
async def send(
    request: Request,
    api: Served,
    actor: Asker,
    body: Annotated[OneOrMany, Body()],
    key: Key = None,
) -> Response:
    """Accept one message, or up to 1,000 as `{"messages": […]}`: all of them or none.

    What is answered is committed: it is not lost any more. A recipient who has opted out or is on
    the blacklist is refused in a message alone, and among many accepted and skipped, with a notice.
    Messages wait for the application's sending hours unless they are `transactional`.
    """
    single = not isinstance(body, Messages)
    many = body.messages if isinstance(body, Messages) else [body]
    answer = await api.gathering.accept(
        submitting.Request(
            actor=actor,
            messages=[one.wanted() for one in many],
            single=single,
            key=key,
            digest=hashlib.sha256(await request.body()).digest() if key is not None else b"",
        )
    )
    headers = {"Idempotency-Replayed": "true"} if answer.again else None
    return Response(answer.document, 202, headers, "application/json")


class Search(Paged):
    """To whom."""

    mobile: Number


class MessagePage(BaseModel):
    """Some messages, the newest first."""

    messages: list[Found]
    next: Next


@router.get("/messages", summary="Find messages to a number")
async def search(asked: Annotated[Search, Query()], api: Served, actor: Asker) -> MessagePage:
    """All of them, of campaigns and responses, too; the newest first, a page at a time."""
    found = await api.ask(
        message_search.search,
        actor,
        asked.mobile,
        limit=asked.limit + 1,
        before_id=after_id("messages", asked),
    )
    shown, more = page("messages", asked, found, lambda one: one.id)
    return MessagePage(messages=shown, next=more)


@router.get("/messages/{id}", summary="What became of a message")
async def show(id: Id, api: Served, actor: Asker) -> Shown:  # noqa: A002
    """A message's state, why it is so, its segments, and what SMSCs call them."""
    return await api.ask(messages.show, actor, id, now=clock.utc_now())


@router.post("/messages/{id}/cancel", summary="Take a message back")
async def cancel(id: Id, api: Served, actor: Asker) -> Cancelled:  # noqa: A002
    """At once while it is queued; else the SMSC that has it is asked (`asked`)."""
    return await api.ask(messages.cancel, actor, id, now=clock.utc_now())
