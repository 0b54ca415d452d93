"""What an SMSC answers, through a socket: each command_status, refusals in a row, too fast (R-5.7)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial

import pytest
import trio

from config.settings import Status, StatusPolicy
from engine import clock
from engine.operations import Actor, campaigns, carriers
from engine.store import control
from smpp import codec, status, transport
from smpp.events import BindRequested, Submits
from smpp.protocol import Connection
from smpp.session import Session
from smpp.states import Role
from smpp.timers import Timing
from tests.engine.conftest import Engine, Stage

ACTOR = Actor(by="anna", application="default")


async def be_told(stream: trio.abc.Stream) -> None:
    """An SMSC that answers each message with the status that its text names, and once only."""
    session = Session(stream, Connection(Role.SMSC, timing=Timing(), now=trio.current_time()))
    try:
        async for batch in session:
            for event in batch:
                if isinstance(event, BindRequested):
                    await session.answer_bind(0, "told")
                elif isinstance(event, Submits):
                    answers = [
                        (one.command, one.sequence, _once(one.destination, one.octets), "7")
                        for one in event.items
                    ]
                    await session.write(codec.submit_responses(answers))
    finally:
        await session.aclose()


SAID: set[str] = set()


def _once(destination: str, text: bytes) -> int:
    if destination in SAID:
        return 0
    SAID.add(destination)
    return int(text, 16)


OTHERS = (0x401, 0x4FF, 0x99, 0x110, 0xFFFFFFFF)
"""A vendor's own, and what nobody knows."""

AGAIN: Mapping[int, tuple[float, float]] = {
    **dict.fromkeys((0x08, 0x64, 0xFF, 0x102), (30, 30)),
    0x45: (60, 60),
    0x14: (60, 180),
}
"""Tried again after so many seconds, at least and at most (wire.md)."""

TAKEN = (0x00, 0x04, 0x58)
"""Taken, on a new session or when it was less of a hurry."""


@pytest.mark.trio
async def test_each_command_status_has_its_policy(stage: Stage, nursery: trio.Nursery) -> None:
    """R-5.7: every row of the table, one message each, over one bind."""
    serve = partial(transport.serve, be_told, "127.0.0.1", 0)
    port = await nursery.start(serve)
    road = stage.road
    # What pauses the whole carrier for a second comes last.
    numbers = sorted((*status.TABLE, *OTHERS), key=lambda number: (number == 0x58, number))
    ids = {number: road.single(f"{number:X}") for number in numbers}
    async with stage.engine(port, window=1) as engine:
        await stage.until(
            lambda: (
                road.message(ids[0x58]).state == "sent" and road.message(ids[0x04]).state == "sent"
            ),
            lambda: f"the last answers; there are {road.states()}",
        )
        _, metrics = await engine.get("/metrics")
        assert len(engine.logged("bind.rebinds")) == 1
        assert engine.logged("carrier.paused") == []
    wrong: list[str] = []
    for number, message_id in ids.items():
        row, message = status.info(number), road.message(message_id)
        reason = row.name if number in status.TABLE else f"{row.name} (0x{number:X})"
        if number in TAKEN:
            right = message.state == "sent"
        elif number in AGAIN:
            least, most = AGAIN[number]
            right = (
                (message.state, message.reason) == ("queued", reason)
                and least - 0.01 <= road.due_in_s(message_id) <= most + 0.01
            )  # fmt: skip
        else:
            state = "rejected" if number == 0x66 else "failed"
            right = (message.state, message.reason) == (state, reason)
        counted = f'siaran_submit_outcomes_total{{carrier="tui",status="{row.name}"}}' in metrics
        alert = f'siaran_carrier_alerts_total{{carrier="tui",reason="{row.name}"}}' in metrics
        if not right or not counted or alert is not row.alert:
            wrong.append(f"0x{number:X}: {message.state}, {message.reason}, {counted=}, {alert=}")
    assert wrong == []


@pytest.mark.trio
async def test_a_carrier_may_mean_something_else_by_it(stage: Stage) -> None:
    """R-5.7: its own table, and names for its own codes."""
    own = Status(name="0x481", policy=StatusPolicy.REJECT, label="NO_CREDIT", alert=True)
    async with (
        stage.smsc(error_pct=100, error_status=0x481) as smsc,
        stage.engine(smsc.port, statuses=(own,)) as engine,
    ):
        campaign = stage.campaign(3)
        await stage.settled(campaign, rejected=3)
        assert {one.reason for one in stage.road.messages(campaign)} == {"NO_CREDIT"}
        await a_look_later(stage)
        _, metrics = await engine.get("/metrics")
        assert 'siaran_carrier_alerts_total{carrier="tui",reason="NO_CREDIT"}' in metrics


# ---------------------------------------------------------------- in a row


@pytest.mark.trio
async def test_ten_bad_fields_in_a_row_pause_the_carrier(stage: Stage) -> None:
    """R-5.7: it is configuration; the log and `carrier ls` say which, and a person resumes it."""
    database = stage.road.database
    async with (
        stage.smsc(error_pct=100, error_status=status.info(0x15).number) as smsc,
        stage.engine(smsc.port, window=2) as engine,
    ):
        campaign = stage.campaign(50)
        await stage.until(
            lambda: database.run(control.paused), "the carrier's pause in the database"
        )
        [line] = engine.logged("carrier.paused")
        assert "carrier=tui bind=tui-1 reason=ESME_RINVSERTYP" in line
        await stage.until(
            lambda: any(
                row.pause_reason and row.state == "bound"
                for row in database.run(carriers.ls, ACTOR, now=clock.utc_now())
            ),
            "the row of `carrier ls`",
        )
        [row] = database.run(carriers.ls, ACTOR, now=clock.utc_now())
        assert row.pause_reason == "10 times ESME_RINVSERTYP in a row on tui-1"
        assert (row.state, row.paused_by) == ("bound", "engine")
        await stage.until(
            lambda: (
                "paused" in database.run(campaigns.show, ACTOR, campaign, now=clock.utc_now()).why
            ),
            "the reason",
        )
        states = stage.road.states(campaign)
        assert 10 <= states["failed"] <= 14
        assert states["failed"] + states["queued"] + states["launched"] == 50
        _, metrics = await engine.get("/metrics")
        assert re.search(
            r'siaran_carrier_alerts_total{carrier="tui",reason="ESME_RINVSERTYP"}', metrics
        )


@pytest.mark.trio
async def test_what_is_taken_in_between_ends_a_row(stage: Stage) -> None:
    """R-5.7: also within the answers of one read, of which a third is bad."""
    async with (
        stage.smsc(error_pct=30, error_status=0x15) as smsc,
        stage.engine(smsc.port, window=100) as engine,
    ):
        campaign = stage.campaign(200)
        await stage.until(lambda: _ended(stage, campaign) == 200, "the end")
        assert smsc.counters.refused > 30
        assert engine.logged("carrier.paused") == []


@pytest.mark.trio
async def test_twenty_refused_senders_in_a_row_pause_the_campaign(stage: Stage) -> None:
    """R-5.7: and not the carrier, over which others may send."""
    async with (
        stage.smsc(error_pct=100, error_status=0x0A) as smsc,
        stage.engine(smsc.port, window=2) as engine,
    ):
        campaign = stage.campaign(60)
        await stage.until(
            lambda: stage.road.campaign_state(campaign) == "paused", "the campaign's pause"
        )
        [line] = engine.logged("campaign.paused")
        assert f"campaign={campaign}" in line
        shown = stage.road.database.run(campaigns.show, ACTOR, campaign, now=clock.utc_now())
        assert "it is paused: the SMSC refused its sender" in shown.why
        await stage.until(lambda: not stage.road.states(campaign)["launched"], "the last answers")
        states = stage.road.states(campaign)
        assert 20 <= states["failed"] <= 30
        assert states["failed"] + states["queued"] == 60
        assert engine.logged("carrier.paused") == []
        stage.road.check()


def _ended(stage: Stage, campaign: int) -> int:
    states = stage.road.states(campaign)
    return states["delivered"] + states["failed"]


# ---------------------------------------------------------------- too fast


async def rate_now(engine: Engine) -> float:
    """How fast the carrier is sent to, by the metric."""
    _, metrics = await engine.get("/metrics")
    found = re.search(r'siaran_carrier_rate{carrier="tui",which="now"} (\S+)', metrics)
    assert found
    return float(found[1])


async def a_look_later(stage: Stage) -> None:
    """Wait until the engine has said how its binds are doing since now."""
    database = stage.road.database
    [node_id] = [one for one, name in database.run(control.nodes_up) if name != "nobody"]
    ids = database.run(control.post, [node_id], "reload", "", "anna")
    await stage.until(lambda: database.run(control.replies, ids)[0].answer, "the answer")
    ids = database.run(control.post, [node_id], "reload", "", "anna")
    await stage.until(lambda: database.run(control.replies, ids)[0].answer, "the answer")


@pytest.mark.trio
async def test_a_carrier_that_throttles_is_sent_to_as_fast_as_it_takes(stage: Stage) -> None:
    """R-5.4: nothing is lost or failed, throttling is no attempt, the rate survives a rebind."""
    async with (
        stage.smsc(rate=200, burst=20) as smsc,
        stage.engine(smsc.port, window=50) as engine,
    ):
        campaign = stage.campaign(300)
        await stage.settled(campaign, delivered=300)
        assert smsc.counters.accepted == 300
        assert 0 < smsc.counters.throttled < 150
        assert stage.road.one("SELECT max(refused) FROM message") == 0
        await a_look_later(stage)
        learned = await rate_now(engine)
        assert 20 < learned <= 220
        database = stage.road.database
        [node_id] = [one for one, name in database.run(control.nodes_up) if name != "nobody"]
        database.run(control.post, [node_id], "rebind", "tui", "anna")
        await stage.until(lambda: len(engine.logged("bind.up")) == 2, "the new session")
        await a_look_later(stage)
        assert learned * 0.98 <= await rate_now(engine) <= learned * 1.3


@pytest.mark.trio
async def test_a_full_queue_lowers_the_rate_and_loses_nothing(stage: Stage) -> None:
    """R-5.4: what it is full for comes back in one to three minutes."""
    async with (
        stage.smsc(errors=((status.QUEUE_FULL, 30.0),)) as smsc,
        stage.engine(smsc.port, rate=500.0, window=20) as engine,
    ):
        campaign = stage.campaign(100)
        await stage.until(
            lambda: (
                stage.road.one("SELECT count(*) FROM due WHERE due_at > now()")
                + stage.road.states(campaign)["delivered"]
                == 100
            ),
            "one round",
        )
        await a_look_later(stage)
        assert 0 < await rate_now(engine) <= 250
        while stage.road.states(campaign) != {"delivered": 100}:
            stage.road.pass_time(180)
            await stage.until(
                lambda: stage.road.due_now() == 0 and not stage.road.states(campaign)["launched"],
                "another round",
            )
        assert (smsc.counters.accepted, smsc.counters.repeats) == (100, 0)


@pytest.mark.trio
@pytest.mark.parametrize(
    ("congestion", "least", "most"), [(79, 400, 400), (85, 400, 400), (95, 1, 320), (100, 1, 200)]
)
async def test_an_smsc_says_how_busy_it_is(
    stage: Stage, congestion: int, least: float, most: float
) -> None:
    """R-5.4: up to 79 and 89 nothing falls; then a fifth less, or half and a pause."""
    async with (
        stage.smsc(congestion=congestion) as smsc,
        stage.engine(smsc.port, rate=400.0) as engine,
    ):
        await stage.settled(stage.campaign(10), delivered=10)
        await a_look_later(stage)
        assert least <= await rate_now(engine) <= most
