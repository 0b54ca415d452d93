"""What subscribers say is done, and answered, each time once (R-6)."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
import trio

from smpp.codec import SubmitTemplate
from smpp.pdu import RESPONSE, Address, Command
from smpp.subscribers import Rule
from tests.engine.between import Wire
from tests.engine.conftest import Smsc, Stage
from tests.protocol.wire import Pdu, pdu
from tests.road import Road

DELIVER_SM_RESP = Command.DELIVER_SM | RESPONSE


def says(**words: str) -> tuple[Rule, ...]:
    """Whoever gets a text with that word writes that: `says(Offer="STOP")`."""
    return tuple(
        Rule(pattern=re.compile(word.replace("_", " ")), text=text) for word, text in words.items()
    )


def respond(road: Road, **texts: str) -> None:
    """Set the application's responses."""
    for kind, text in texts.items():
        road.sql(
            "INSERT INTO response (application_id, kind, text) VALUES (%s, %s, %s)",
            road.application(),
            kind,
            text,
        )


def respond_to_list(road: Road, list_id: int, text: str) -> None:
    road.sql(
        "INSERT INTO response (application_id, kind, list_id, text) VALUES (%s, 'list', %s, %s)",
        road.application(),
        list_id,
        text,
    )


def keyword(road: Road, word: str, list_id: int, response: str | None = None) -> None:
    road.sql(
        """
        INSERT INTO keyword (application_id, word, written, list_id, response, active)
        VALUES (%s, %s, %s, %s, %s, true)
        """,
        road.application(),
        word,
        word,
        list_id,
        response,
    )


def meanings(road: Road) -> Counter[str]:
    return Counter(one for (one,) in road.all("SELECT meaning FROM inbox"))


def answers(road: Road) -> dict[tuple[str, str], int]:
    """The auto-responses by text and state."""
    rows = road.all(
        """
        SELECT m.text, m.state::text, count(*) FROM auto_response a
          JOIN message m ON m.id = a.message_id JOIN inbox i ON i.response_id = m.id
         WHERE m.class = 0 AND m.mobile = i.mobile AND m.sender = i.destination
         GROUP BY 1, 2
        """
    )
    return {(text, state): n for text, state, n in rows}


async def answered(stage: Stage, expected: dict[tuple[str, str], int]) -> None:
    await stage.until(
        lambda: answers(stage.road) == expected,
        lambda: f"{expected}, there are {answers(stage.road)}",
    )


async def written(stage: Stage, smsc: Smsc, n: int) -> None:
    await stage.until(lambda: smsc.counters.replies_acked == n, f"{n} MO, answered")


@pytest.mark.trio
async def test_stop_is_in_force_and_confirmed_once(stage: Stage) -> None:
    """R-6.3, R-6.5: the next campaign passes them over; the confirmation goes to who is now out."""
    road = stage.road
    respond(road, optout="You are out", general="Thank you")
    options: dict[str, Any] = {"replies": says(Offer="Stop!", out="STOP")}
    async with stage.smsc(**options) as smsc, stage.engine(smsc.port) as engine:
        campaign = stage.campaign(5, "Offer")
        await stage.settled(campaign, delivered=5)
        # Each says it again when it reads the confirmation, and is not answered again.
        await written(stage, smsc, 10)
        await answered(stage, {("You are out", "delivered"): 5})
        list_id = road.one("SELECT list_id FROM campaign WHERE id = %s", campaign)
        again = road.planned(list_id=list_id, text="More")
        road.sql("NOTIFY siaran")
        await stage.settled(again, skipped=5)
        _, metrics = await engine.get("/metrics")
    for line in (
        'siaran_mo_meanings_total{meaning="opt-out"} 10.0',
        'siaran_mo_effects_total{effect="opted out"} 5.0',
        'siaran_auto_responses_total{kind="optout"} 5.0',
    ):
        assert line in metrics
    assert meanings(road) == {"opt-out": 10}
    said = road.all("SELECT event::text, list_id, origin, by = mobile FROM consent")
    assert said == [("out", None, "mo", True)] * 5
    assert road.one("SELECT count(*) FROM blacklist") == 0


@pytest.mark.trio
async def test_stop_that_answers_no_campaign_goes_to_the_blacklist(stage: Stage) -> None:
    """R-6.3, R-6.4: with one confirmation; START lifts it, and is answered."""
    road = stage.road
    respond(road, optout="You are out", optin="Welcome back")
    async with (
        stage.smsc(replies=says(Hello="STOP", out="START")) as smsc,
        stage.engine(smsc.port),
    ):
        road.single("Hello", mobile="+64211234567")
        await written(stage, smsc, 2)
        await answered(stage, {("You are out", "delivered"): 1, ("Welcome back", "delivered"): 1})
    assert meanings(road) == {"opt-out": 1, "resume": 1}
    assert road.one("SELECT count(*) FROM blacklist") == 0
    assert road.all("SELECT event::text, list_id FROM consent") == [("in", None)]


@pytest.mark.trio
async def test_stop_is_from_the_list_alone_where_that_is_set(stage: Stage) -> None:
    """R-6.3: optout.scope is `list`; another list is still sent to."""
    road = stage.road
    road.sql(
        "INSERT INTO setting (application_id, key, value) VALUES (%s, 'optout.scope', 'list')",
        road.application(),
    )
    async with stage.smsc(replies=says(Offer="STOP")) as smsc, stage.engine(smsc.port):
        campaign = stage.campaign(1, "Offer")
        await stage.settled(campaign, delivered=1)
        await written(stage, smsc, 1)
        [(mobile,)] = road.all("SELECT mobile FROM inbox")
        list_id = road.one("SELECT list_id FROM campaign WHERE id = %s", campaign)
        assert road.all("SELECT event::text, list_id FROM consent") == [("out", list_id)]
        other = road.list_of(0)
        road.sql("INSERT INTO member (list_id, mobile) VALUES (%s, %s)", other, mobile)
        again = road.planned(list_id=other, text="News")
        road.sql("NOTIFY siaran")
        await stage.settled(again, delivered=1)


@pytest.mark.trio
async def test_who_is_out_joins_a_list_with_its_keyword_and_is_answered(
    stage: Stage, nursery: trio.Nursery
) -> None:
    """R-6.5, R-6.6: in again for that list, out of all others; its response and campaign are sent."""
    road, mobile = stage.road, "+64211234567"
    list_id = road.list_of(0)
    keyword(road, "pizza", list_id, "Welcome to the club")
    road.opt("out", mobile)
    octets = SubmitTemplate(Address(1, 1, mobile[1:]), 0, 1).body("3774", 0, 0, b"Pizza!")
    async with stage.smsc() as smsc:
        wire = Wire(smsc.port, foul=[pdu(Command.DELIVER_SM, 0, 77, octets)])
        port = await nursery.start(wire.serve)
        async with stage.engine(port):
            await answered(stage, {("Welcome to the club", "delivered"): 1})
            campaign = road.planned(list_id=list_id, text="Club news")
            road.sql("NOTIFY siaran")
            await stage.settled(campaign, delivered=1)
            message_id = road.single("Other news", mobile=mobile)
            await stage.until(
                lambda: road.one("SELECT reason FROM message WHERE id = %s", message_id),
                "the check at the launch",
            )
    assert road.one("SELECT reason FROM message WHERE id = %s", message_id) == "opted out"
    assert meanings(road) == {"keyword": 1}
    assert road.all("SELECT mobile, deleted_at FROM member") == [(mobile, None)]


@pytest.mark.trio
@pytest.mark.parametrize(
    ("text", "meaning", "response"),
    [
        ("Help?", "help", "Call us"),
        ("what is this", "reply", "Your list says hello"),
        ("please stop", "near miss", None),
    ],
)
async def test_an_answer_to_a_campaign_is_answered(
    stage: Stage, text: str, meaning: str, response: str | None
) -> None:
    """R-6.5: help, a reply with its list's response, and a near miss, which is only flagged."""
    road = stage.road
    respond(road, help="Call us", general="Thank you", optout="You are out")
    async with stage.smsc(replies=says(Offer=text)) as smsc, stage.engine(smsc.port):
        list_id = road.list_of(3)
        respond_to_list(road, list_id, "Your list says hello")
        campaign = road.planned(list_id=list_id, text="Offer")
        road.sql("NOTIFY siaran")
        await stage.settled(campaign, delivered=3)
        await written(stage, smsc, 3)
        await answered(stage, {} if response is None else {(response, "delivered"): 3})
    assert meanings(road) == {meaning: 3}
    assert road.one("SELECT count(*) FROM consent") == 0


@pytest.mark.trio
async def test_a_robot_that_answers_our_answers_is_cut_off(stage: Stage) -> None:
    """R-6.5: at most responses.per_hour to a number; and what answers them is tied to the campaign."""
    road = stage.road
    respond(road, general="Thank you")
    robot = says(Offer="I am away", Thank="I am away")
    async with stage.smsc(replies=robot) as smsc, stage.engine(smsc.port):
        campaign = stage.campaign(1, "Offer")
        await stage.settled(campaign, delivered=1)
        await written(stage, smsc, 6)
        await answered(stage, {("Thank you", "delivered"): 5})
    assert meanings(road) == {"reply": 6}
    assert road.all("SELECT DISTINCT campaign_id FROM inbox") == [(campaign,)]


@pytest.mark.trio
async def test_an_unknown_keyword_gets_the_general_response(stage: Stage) -> None:
    """R-6.5: not tied to a campaign, on a dedicated number."""
    road = stage.road
    respond(road, general="Thank you")
    async with stage.smsc(replies=says(Hello="PASTA")) as smsc, stage.engine(smsc.port):
        road.single("Hello", mobile="+64211234567")
        await written(stage, smsc, 1)
        await answered(stage, {("Thank you", "delivered"): 1})
    assert meanings(road) == {"unknown": 1}


@pytest.mark.trio
async def test_what_was_done_is_done_once_over_a_kill(stage: Stage, nursery: trio.Nursery) -> None:
    """R-5.10, R-8.3: killed before its answer left, sent again to the next engine."""
    road = stage.road
    respond(road, optout="You are out")
    options: dict[str, Any] = {"replies": says(Offer="STOP"), "receipt_after_ms": None}
    async with stage.smsc(**options) as smsc:
        wire = Wire(smsc.port, from_engine=lambda pdu: pdu.command != DELIVER_SM_RESP)
        port = await nursery.start(wire.serve)
        async with stage.engine(port, name="twice"):
            stage.campaign(4, "Offer")
            await stage.until(lambda: meanings(road) == {"opt-out": 4}, "the opt-outs")

        def passes(passing: Pdu) -> bool:
            return True

        wire.from_engine = passes
        async with stage.engine(port, name="twice"):
            await written(stage, smsc, 4)
            road.pass_time(60)  # of a confirmation that the kill left uncertain
            await stage.until(
                lambda: road.one("SELECT count(*) FROM due") == 0, "the confirmations to leave"
            )
    assert meanings(road) == {"opt-out": 4}
    assert road.one("SELECT count(*) FROM consent") == 4
    assert sum(answers(road).values()) == 4
