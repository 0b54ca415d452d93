"""Questions to an SMSC about one message: `siaran message query` and `cancel` (R-5.11)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import trio

from engine import clock
from engine.operations import Actor, Refused, messages
from engine.operations.carriers import Asked
from smpp import codec, transport
from smpp.events import BindRequested, Requested, Submits
from smpp.pdu import CancelSm, CancelSmResp, QuerySmResp
from smpp.protocol import Connection
from smpp.session import Session
from smpp.states import Role
from smpp.timers import Timing
from tests.engine.conftest import Stage

ACTOR = Actor(by="anna", application="default")


async def lenient(heard: list[CancelSm], stream: trio.abc.Stream) -> None:
    """An SMSC that gives back what it has, and says of all else that it is on its way."""
    session = Session(stream, Connection(Role.SMSC, timing=Timing(), now=trio.current_time()))
    try:
        async for batch in session:
            for event in batch:
                if isinstance(event, BindRequested):
                    await session.answer_bind(0, "lenient")
                elif isinstance(event, Submits):
                    answers = [
                        (one.command, one.sequence, 0, f"A{one.sequence}") for one in event.items
                    ]
                    await session.write(codec.submit_responses(answers))
                elif isinstance(event, Requested) and isinstance(event.pdu, CancelSm):
                    heard.append(event.pdu)
                    await session.answer(event.sequence, CancelSmResp(status=0))
                elif isinstance(event, Requested):
                    answer = QuerySmResp(
                        status=0, message_id=event.pdu.message_id, message_state=1, error_code=7
                    )
                    await session.answer(event.sequence, answer)
    finally:
        await session.aclose()


async def answer_to(stage: Stage, verb: Callable[..., object], message_id: int) -> str:
    """What the engine says, of a person's question; a refusal with its text before it."""
    database = stage.road.database
    done = database.run(verb, ACTOR, message_id, now=clock.utc_now())
    asked = done.asked if isinstance(done, messages.Cancelled) else done
    assert isinstance(asked, Asked)
    await stage.until(lambda: database.run(messages.replies, asked)[0].answer, "the answer")
    [reply] = database.run(messages.replies, asked)
    return f"refused: {reply.answer}" if reply.failed else str(reply.answer)


async def bound(stage: Stage) -> None:
    """Wait until the database knows of the bind."""
    road = stage.road
    await stage.until(lambda: road.one("SELECT count(*) FROM bind WHERE state = 'bound'"), "it")


@pytest.mark.trio
async def test_a_message_is_asked_for_and_taken_back(stage: Stage, nursery: trio.Nursery) -> None:
    """All segments of it; the campaign's counts are exact."""
    heard: list[CancelSm] = []
    serve = partial(transport.serve, partial(lenient, heard), "127.0.0.1", 0)
    port = await nursery.start(serve)
    async with stage.engine(port):
        await bound(stage)
        campaign = stage.campaign(2, "x" * 300)
        await stage.settled(campaign, sent=2)
        first, second = stage.road.messages(campaign)
        said = await answer_to(stage, messages.query, first.id)
        assert "segment 1: tui says of A" in said
        assert said.count("enroute, network error 7") == 2
        assert await answer_to(stage, messages.cancel, first.id) == "cancelled by the SMSC"
        assert [pdu.destination.value for pdu in heard] == [first.mobile.removeprefix("+")] * 2
        assert {pdu.source.value for pdu in heard} == {"3774"}
        assert len({pdu.message_id for pdu in heard}) == 2
        assert stage.road.message(first.id).state == "cancelled"
        assert stage.road.message(second.id).state == "sent"
        stage.road.check()
        with pytest.raises(Refused, match="is cancelled: there is nothing to cancel"):
            stage.road.database.run(messages.cancel, ACTOR, first.id, now=clock.utc_now())


@pytest.mark.trio
async def test_an_smsc_may_say_no(stage: Stage) -> None:
    """Then nothing is changed."""
    async with stage.smsc(receipt_after_ms=None) as smsc, stage.engine(smsc.port):
        await bound(stage)
        message = stage.road.single()
        await stage.until(lambda: stage.road.message(message).state == "sent", "its way out")
        smsc_id = stage.road.one("SELECT smsc_id FROM submission")
        said = await answer_to(stage, messages.query, message)
        assert said == f"tui says of {smsc_id}: delivered"
        said = await answer_to(stage, messages.cancel, message)
        assert said == "refused: tui did not cancel it: ESME_RCANCELFAIL (0x11): cancel_sm failed"
        assert stage.road.message(message).state == "sent"


def test_what_is_queued_is_cancelled_without_any_carrier(stage: Stage) -> None:
    """Of a campaign or not; nothing of it is launched later."""
    road = stage.road
    database = road.database
    line = road.line()
    single = road.single()
    campaign = road.campaign(3)
    one, *others = road.messages(campaign)
    for message_id in (single, one.id):
        done = database.run(messages.cancel, ACTOR, message_id, now=clock.utc_now())
        assert done == messages.Cancelled(id=message_id, asked=None)
        assert road.message(message_id).state == "cancelled"
        assert road.message(message_id).reason == "cancelled by anna"
    road.check()
    assert road.turn().launched == 2
    assert {token.message_id for token in line.tokens} == {other.id for other in others}
    with pytest.raises(Refused, match="is on its way to the SMSC"):
        database.run(messages.cancel, ACTOR, others[0].id, now=clock.utc_now())
    with pytest.raises(Refused, match="no SMSC has given an id to it"):
        database.run(messages.query, ACTOR, others[0].id, now=clock.utc_now())


def test_without_an_engine_nobody_can_ask(stage: Stage) -> None:
    """And it says so."""
    message = stage.road.sent()
    with pytest.raises(Refused, match="no engine has a bind that sends to the carrier"):
        stage.road.database.run(messages.query, ACTOR, message.id, now=clock.utc_now())
