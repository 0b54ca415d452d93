"""A campaign through a whole engine: every message is sent, and every receipt comes home."""

from __future__ import annotations

from typing import Any

import pytest

from config.settings import Binds, Timers
from smpp.session import Session
from tests.engine.conftest import QUICK, Stage
from tests.road import Road

LONG = "%%1%% " + "x" * 700
"""Five segments."""


@pytest.mark.trio
async def test_a_campaign_from_end_to_end(stage: Stage) -> None:
    """R-3.8, R-7.6: each recipient has its message once, its receipt, and a place in the report."""
    async with stage.smsc() as smsc, stage.engine(smsc.port) as engine:
        campaign = stage.campaign(200)
        await stage.settled(campaign, delivered=200)
        await stage.until(
            lambda: stage.road.campaign_state(campaign) == "completed", "the campaign's end"
        )
        assert (smsc.counters.submits, smsc.counters.repeats) == (200, 0)
        assert smsc.counters.unique_destinations == 200
        moves = [
            line.rpartition("state=")[2].split()[0] for line in engine.logged("campaign.moved")
        ]
        assert (moves[0], moves[-1]) == ("running", "completed")
        assert not [line for line in engine.lines if "Hello" in line], "no text in the log (R-8.5)"
    assert stage.road.all("SELECT FROM parked") == []


@pytest.mark.trio
@pytest.mark.parametrize("window", [1, 2, 3, 7])
async def test_long_messages_arrive_whole_through_small_windows(stage: Stage, window: int) -> None:
    """R-5.3: each segment once, whichever of two turns in flight has the answer before it."""
    async with (
        stage.smsc(latency_ms=1) as smsc,
        stage.engine(smsc.port, window=window, binds=(Binds(count=2),)),
    ):
        campaign = stage.campaign(30, LONG)
        await stage.settled(campaign, delivered=30)
        assert (smsc.counters.accepted, smsc.counters.repeats) == (150, 0)


@pytest.mark.trio
async def test_what_is_refused_for_the_moment_goes_out_again(stage: Stage) -> None:
    """R-5.7: nothing is lost, and nothing that was taken goes out twice."""
    async with stage.smsc(error_pct=20) as smsc, stage.engine(smsc.port):
        campaign = stage.campaign(60)
        while stage.road.states(campaign) != {"delivered": 60}:
            await stage.until(lambda: _waits(stage, campaign), "a time to wait for")
            stage.road.pass_time(3600)
        assert smsc.counters.refused > 3
        assert (smsc.counters.accepted, smsc.counters.repeats) == (60, 0)


def _waits(stage: Stage, campaign: int) -> bool:
    """Whether all that is not delivered waits for its time."""
    waiting = stage.road.one("SELECT count(*) FROM due WHERE due_at > now()")
    return bool(stage.road.states(campaign)["delivered"] + waiting == 60)


@pytest.mark.trio
@pytest.mark.parametrize("drop_every", [7, 25])
async def test_a_carrier_that_drops_the_connection_again_and_again_loses_nothing(
    stage: Stage, drop_every: int
) -> None:
    """R-8.1, R-8.2: each time at most one window is uncertain, and goes out again."""
    async with (
        stage.smsc(drop_every=drop_every, latency_ms=1) as smsc,
        stage.engine(smsc.port, window=5),
    ):
        road = stage.road
        campaign = stage.campaign(100)
        while road.states(campaign) != {"delivered": 100}:
            await stage.until(lambda: _over(road, campaign, 100), "nothing but uncertain ones")
            road.pass_time(30)
        assert smsc.counters.drops >= 3
        assert smsc.counters.unique_destinations == 100
        assert smsc.counters.repeats <= 5 * smsc.counters.drops


def _over(road: Road, campaign: int, recipients: int) -> bool:
    """Whether all are delivered, or uncertain and not due."""
    states = road.states(campaign)
    return states["delivered"] + states["uncertain"] == recipients and road.due_now() == 0


@pytest.mark.trio
async def test_an_answer_later_than_the_timeout_settles_its_message(stage: Stage) -> None:
    """R-5.3: it is uncertain meanwhile, the bind stays, and nothing is sent twice."""
    slow = Timers(
        response_timeout_s=0.05, response_timeouts=100, reconnect_min_s=QUICK.reconnect_min_s
    )
    async with (
        stage.smsc(latency_ms=150) as smsc,
        stage.engine(smsc.port, window=3, timers=slow) as engine,
    ):
        campaign = stage.campaign(12)
        await stage.until(lambda: stage.road.states(campaign)["uncertain"], "a timeout")
        await stage.settled(campaign, delivered=12)
        assert (smsc.counters.submits, len(engine.logged("bind.up"))) == (12, 1)


@pytest.mark.trio
@pytest.mark.parametrize("text", ["Hello", LONG], ids=["short", "larger than the window"])
async def test_a_session_that_closes_between_commit_and_write_loses_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """R-8.1: what was marked and never left is uncertain like the rest, and goes out again."""
    send = Session.send
    fell: list[Session] = []

    async def falling(session: Session, *, submits: Any = (), answers: Any = ()) -> None:
        if submits and len(fell) < 2:
            fell.append(session)
            await session.aclose()
        await send(session, submits=submits, answers=answers)

    monkeypatch.setattr(Session, "send", falling)
    async with stage.smsc() as smsc, stage.engine(smsc.port, window=2):
        campaign = stage.campaign(10, text)
        while stage.road.states(campaign) != {"delivered": 10}:
            await stage.until(lambda: _over(stage.road, campaign, 10), "nothing but uncertain ones")
            stage.road.pass_time(30)
        assert len(fell) == 2
        assert smsc.counters.repeats == 0
