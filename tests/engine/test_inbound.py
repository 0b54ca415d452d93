"""What subscribers write: into the inbox first, answered then, each once (R-5.10, R-6.2, R-8.3)."""

from __future__ import annotations

import re

import pytest
import trio

from smpp.codec import SubmitTemplate
from smpp.pdu import RESPONSE, Address, Command
from smpp.subscribers import Rule
from tests.engine.between import Wire
from tests.engine.conftest import Stage
from tests.protocol.wire import Pdu, pdu
from tests.road import Road

YES = (Rule(pattern=re.compile("yes or no"), text="YES"),)
DELIVER_SM_RESP = Command.DELIVER_SM | RESPONSE


def inbox(road: Road) -> list[tuple[str, str]]:
    """Who wrote what."""
    return road.all("SELECT mobile, content FROM inbox ORDER BY id")


@pytest.mark.trio
async def test_replies_come_into_the_inbox_with_what_they_answer(stage: Stage) -> None:
    """R-6.1, R-6.2: the mobile in international form, campaign, list and params."""
    async with stage.smsc(replies=YES) as smsc, stage.engine(smsc.port):
        campaign = stage.campaign(20, "%%1%%: yes or no?")
        await stage.settled(campaign, delivered=20)
        await stage.until(lambda: smsc.counters.replies_acked == 20, "all replies")
    road = stage.road
    recipients = sorted((one.mobile, "YES") for one in road.messages(campaign))
    assert sorted(inbox(road)) == recipients
    answered = road.all(
        """
        SELECT i.campaign_id, i.list_id = c.list_id, i.params = m.params, m.mobile = i.mobile,
               i.application_id
          FROM inbox i JOIN message m ON m.id = i.message_id JOIN campaign c ON c.id = m.campaign_id
        """
    )
    assert answered == [(campaign, True, True, True, road.application())] * 20


@pytest.mark.trio
async def test_an_answer_leaves_only_after_the_commit(stage: Stage, nursery: trio.Nursery) -> None:
    """R-5.10: when a deliver_sm_resp passes, what it answers is in the database."""
    missing: list[Pdu] = []
    passed = 0

    def look(passing: Pdu) -> bool:
        nonlocal passed
        if passing.command == DELIVER_SM_RESP:
            passed += 1
            known = stage.road.one("SELECT count(*) FROM inbox")
            known += stage.road.one("SELECT count(*) FROM message WHERE delivered <> 0")
            if known < passed:
                missing.append(passing)
        return True

    async with stage.smsc(replies=YES) as smsc:
        wire = Wire(smsc.port, from_engine=look)
        port = await nursery.start(wire.serve)
        async with stage.engine(port):
            campaign = stage.campaign(15, "yes or no?")
            await stage.settled(campaign, delivered=15)
            await stage.until(lambda: passed == 30, "15 replies and 15 receipts, answered")
    assert missing == []


@pytest.mark.trio
async def test_what_comes_again_because_our_answer_was_lost_is_stored_once(
    stage: Stage, nursery: trio.Nursery
) -> None:
    """R-5.10: the connection falls between commit and answer; the same comes on the next one."""
    lost: list[Pdu] = []

    def lose(passing: Pdu) -> bool:
        if passing.command == DELIVER_SM_RESP and not lost:
            lost.append(passing)
            nursery.start_soon(wire.cut)
        return not lost or len(wire.asked_at) > 1

    async with stage.smsc(replies=YES, receipt_after_ms=None) as smsc:
        wire = Wire(smsc.port, from_engine=lose)
        port = await nursery.start(wire.serve)
        async with stage.engine(port) as engine:
            stage.road.single("yes or no?", mobile="+64211234567")
            await stage.until(lambda: smsc.counters.replies_acked == 1, "the answer, at last")
            assert smsc.counters.replies_sent == 2
            assert inbox(stage.road) == [("+64211234567", "YES")]
            _, metrics = await engine.get("/metrics")
            assert 'siaran_mo_total{effect="redelivered"} 1.0' in metrics


@pytest.mark.trio
async def test_a_second_genuine_yes_is_a_second_message(stage: Stage) -> None:
    """R-5.10: the first was answered on a session that still stands."""
    async with stage.smsc(replies=YES) as smsc, stage.engine(smsc.port):
        for n in (1, 2, 3):
            stage.road.single("yes or no?", mobile="+64211234567")
            await stage.until(lambda n=n: smsc.counters.replies_acked == n, "its reply")  # type: ignore[misc]
    assert inbox(stage.road) == [("+64211234567", "YES")] * 3


@pytest.mark.trio
async def test_an_engine_that_was_killed_before_its_answer_knows_the_message_again(
    stage: Stage, nursery: trio.Nursery
) -> None:
    """R-5.10, R-8.3: its sessions count as fallen from the next start on."""
    async with stage.smsc(replies=YES, receipt_after_ms=None) as smsc:
        wire = Wire(smsc.port, from_engine=lambda pdu: pdu.command != DELIVER_SM_RESP)
        port = await nursery.start(wire.serve)
        async with stage.engine(port, name="twice"):
            stage.road.single("yes or no?", mobile="+64211234567")
            await stage.until(lambda: len(inbox(stage.road)) == 1, "the reply")
        wire.from_engine = lambda pdu: True
        async with stage.engine(port, name="twice"):
            await stage.until(lambda: smsc.counters.replies_acked == 1, "the answer")
    assert inbox(stage.road) == [("+64211234567", "YES")]


@pytest.mark.trio
@pytest.mark.parametrize(("number", "owned"), [("3774", True), ("9999", False)])
async def test_what_answers_nothing_is_kept(
    stage: Stage, nursery: trio.Nursery, number: str, owned: bool
) -> None:
    """R-6.1: it belongs to who owns the number, or to nobody; and is answered all the same."""
    octets = SubmitTemplate(Address(1, 1, "64211234567"), 0, 1).body(number, 0, 0, b"Halo")
    answered: list[Pdu] = []

    def look(passing: Pdu) -> bool:
        if passing.command == DELIVER_SM_RESP:
            answered.append(passing)
        return True

    async with stage.smsc() as smsc:
        wire = Wire(smsc.port, from_engine=look, foul=[pdu(Command.DELIVER_SM, 0, 77, octets)])
        port = await nursery.start(wire.serve)
        async with stage.engine(port):
            await stage.until(lambda: inbox(stage.road), "the message")
            stage.campaign(1)  # its news wakes us when the answer has passed
            await stage.until(lambda: answered, "its answer")
    assert (answered[0].status, answered[0].sequence) == (0, 77)
    assert inbox(stage.road) == [("+64211234567", "Halo")]
    application = stage.road.one("SELECT application_id FROM inbox")
    assert application == (stage.road.application() if owned else None)
