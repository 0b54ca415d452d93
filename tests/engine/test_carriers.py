"""Several carriers under one engine: who takes what, and how a running engine is told otherwise."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import trio
from msgspec.structs import replace

from config.load import ConfigError
from config.settings import (
    BindMode,
    Binds,
    Carrier,
    Http,
    Log,
    LogLevel,
    LongMessages,
    Node,
    Route,
    Settings,
    Share,
    catch_all,
)
from engine import clock
from engine.operations import Actor, campaigns, carriers
from engine.store import control
from tests.engine.between import Wire
from tests.engine.conftest import NAMES, QUICK, Engine, Stage

LONG = "%%1%% " + "x" * 700
"""Five segments."""

QUEUED = int(os.environ.get("SIARAN_TEST_QUEUED", 300))
"""Messages that wait when their carrier dies; more are asked for by hand."""

ACTOR = Actor(by="anna", application="default")


def carrier(name: str, port: int, **words: object) -> Carrier:
    """A carrier on that port of this machine, which logs in under its own name."""
    given = {"system_id": name, "timers": QUICK, **words}
    return Carrier(name=name, host="127.0.0.1", port=port, **given)  # type: ignore[arg-type]


def settings(*those: Carrier, routes: Iterable[Route] | None = None) -> Settings:
    """What an engine with these carriers has; without routes all of them take everything."""
    return Settings(
        node=Node(name=next(NAMES)),
        http=Http(listen="127.0.0.1:0"),
        carriers=those,
        routes=catch_all(those) if routes is None else tuple(routes),
    )


def to(*shares: Share | str, **matches: Any) -> Route:
    """A route to carriers by name, or with their weights and tiers."""
    words = tuple(Share(name=one) if isinstance(one, str) else one for one in shares)
    return Route(carriers=words, **matches)


async def bound(stage: Stage, engine: Engine, n: int) -> None:
    """Wait until so many binds have come up, in all."""
    await stage.until(lambda: len(engine.logged("bind.up")) >= n, f"{n} binds")


def taken(record: Path) -> list[dict[str, object]]:
    """What an SMSC has taken, in order."""
    return [json.loads(line) for line in record.read_text().splitlines()]


# ---------------------------------------------------------------- routing


@pytest.mark.trio
async def test_the_longest_prefix_then_the_sender_decides(stage: Stage, tmp_path: Path) -> None:
    """R-5.5: and what has no route waits."""
    records = [tmp_path / name for name in "abc"]
    async with (
        stage.smsc(record=records[0]) as a,
        stage.smsc(record=records[1]) as b,
        stage.smsc(record=records[2]) as c,
    ):
        road = stage.road
        numbers = ("+6421000123", "+6422000123", "+6421000124", "+49151000123")
        ids = [road.single(mobile=number) for number in numbers]
        road.sql(
            "INSERT INTO sender (application_id, address, ton, npi) VALUES (%s, '9000', 3, 0)",
            road.application(),
        )
        road.sql("UPDATE message SET sender = '9000' WHERE id = %s", ids[2])
        three = settings(
            carrier("a", a.port),
            carrier("b", b.port),
            carrier("c", c.port),
            routes=[to("a", prefix="+64"), to("b", prefix="+6421"), to("c", sender="9000",
                    prefix="+6421")],
        )  # fmt: skip
        async with stage.running(three):
            await stage.until(lambda: road.states()["delivered"] == 3, "the deliveries")
            assert road.message(ids[3]).state == "queued"
        for record, number in zip(records, ("6422000123", "6421000123", "6421000124"), strict=True):
            assert [row["destination"] for row in taken(record)] == [number]


@pytest.mark.trio
async def test_weights_share_a_tier(stage: Stage) -> None:
    """R-5.5: three to one, over a campaign."""
    async with stage.smsc() as a, stage.smsc() as b:
        two = settings(
            carrier("a", a.port, window=1000),
            carrier("b", b.port, window=1000),
            routes=[to(Share(name="a", weight=3), Share(name="b", weight=1))],
        )
        async with stage.running(two) as engine:
            await bound(stage, engine, 2)
            campaign = stage.campaign(400)
            await stage.settled(campaign, delivered=400)
        assert 290 <= a.counters.accepted <= 310
        assert a.counters.accepted + b.counters.accepted == 400


@pytest.mark.trio
async def test_the_next_tier_takes_over_and_gives_back(stage: Stage, nursery: trio.Nursery) -> None:
    """R-5.5: failover while all of the first tier is down, and the way back."""
    async with stage.smsc() as first, stage.smsc() as second:
        wire = Wire(first.port)
        port = await nursery.start(wire.serve)
        two = settings(
            carrier("first", port),
            carrier("second", second.port),
            routes=[to("first", Share(name="second", tier=2))],
        )
        async with stage.running(two) as engine:
            await bound(stage, engine, 2)
            await stage.settled(stage.campaign(10), delivered=10)
            assert (first.counters.accepted, second.counters.accepted) == (10, 0)
            wire.refuses = True
            await wire.cut()
            await stage.until(lambda: engine.logged("bind.down"), "the fall")
            await stage.settled(stage.campaign(10), delivered=10)
            assert (first.counters.accepted, second.counters.accepted) == (10, 10)
            wire.refuses = False
            await bound(stage, engine, 3)
            await stage.settled(stage.campaign(10), delivered=10)
            assert (first.counters.accepted, second.counters.accepted) == (20, 10)


@pytest.mark.trio
async def test_a_carrier_dies_with_its_queue_full(stage: Stage, nursery: trio.Nursery) -> None:
    """R-8.1, R-8.2: all is delivered by the other; at most one window is uncertain, and repeated."""
    window = 5
    async with stage.smsc(latency_ms=2) as first, stage.smsc() as second:
        wire = Wire(first.port)
        port = await nursery.start(wire.serve)
        two = settings(
            carrier("first", port, window=window),
            carrier("second", second.port, window=window),
            routes=[to("first", Share(name="second", tier=2))],
        )
        async with stage.running(two) as engine:
            await bound(stage, engine, 2)
            road = stage.road
            campaign = stage.campaign(QUEUED)
            await stage.until(lambda: first.counters.submits >= 40, "some of them")
            wire.refuses = True
            await wire.cut()
            both = (first.counters, second.counters)

            def nothing_waits() -> bool:
                # Each commit asks: of many, the database only once the SMSCs may have all.
                if sum(one.submits for one in both) < QUEUED - window:
                    return False
                states = road.states(campaign)
                return states["delivered"] + states["uncertain"] + states["sent"] == QUEUED

            await stage.until(nothing_waits, "all but what is uncertain")
            unsure = road.states(campaign)["uncertain"]
            assert unsure <= window
            while road.states(campaign)["uncertain"]:
                road.pass_time(30)
                await stage.until(lambda: road.due_now() == 0, "another try")
            assert QUEUED <= sum(one.accepted for one in both) <= QUEUED + window
            # What the first had taken, and whose receipt fell with it, has its receipt still to come.
            wire.refuses = False
            await stage.settled(campaign, delivered=QUEUED)


@pytest.mark.trio
async def test_all_segments_of_a_message_go_over_one_carrier(stage: Stage, tmp_path: Path) -> None:
    """R-5.5: whatever the windows, tiers and weights."""
    records = {name: tmp_path / name for name in "ab"}
    async with stage.smsc(record=records["a"]) as a, stage.smsc(record=records["b"]) as b:
        two = settings(
            carrier("a", a.port, window=7, binds=(Binds(count=2),)), carrier("b", b.port, window=3)
        )
        async with stage.running(two) as engine:
            await bound(stage, engine, 3)
            await stage.settled(stage.campaign(30, LONG), delivered=30)
    whole = Counter(str(row["destination"]) for record in records.values() for row in taken(record))
    assert set(whole.values()) == {5}
    for record in records.values():
        parts = Counter(str(row["destination"]) for row in taken(record))
        assert set(parts.values()) == {5}


@pytest.mark.trio
async def test_what_has_no_carrier_waits_and_says_why(stage: Stage, nursery: trio.Nursery) -> None:
    """R-5.5, R-3.4: no loss and no failure, and `campaign show` names route and carriers."""
    async with stage.smsc() as away, stage.smsc() as there:
        wire = Wire(away.port, refuses=True)
        port = await nursery.start(wire.serve)
        two = settings(
            carrier("away", port),
            carrier("there", there.port),
            carrier("elsewhere", port),
            routes=[to("away", prefix="+6421"), to("there"), to("elsewhere", prefix="+65")],
        )
        async with stage.running(two) as engine:
            await bound(stage, engine, 1)
            campaign = stage.campaign(5)
            road = stage.road
            await stage.until(
                lambda: road.one("SELECT count(*) FROM due WHERE route_id > 0") == 5, "their wait"
            )
            await stage.until(
                lambda: road.one(
                    "SELECT count(*) = 2 FROM bind WHERE state = 'waiting'"
                    " AND name IN ('away-1', 'elsewhere-1')"
                ),
                "the note of the binds",
            )
            shown = road.database.run(campaigns.show, ACTOR, campaign, now=clock.utc_now())
            assert "nothing of it can be launched now" in shown.why
            assert "route +6421" in shown.why
            assert "away is down" in shown.why
            assert "elsewhere" not in shown.why  # it has no part in their route
            assert "refused" not in shown.why
            assert road.states(campaign) == {"queued": 5}
            wire.refuses = False
            await stage.settled(campaign, delivered=5)


# ---------------------------------------------------------------- binds


@pytest.mark.trio
async def test_a_transmitter_and_a_receiver_are_a_pair(stage: Stage) -> None:
    """R-5.1: what goes out over one has its receipts over the other."""
    pair = (Binds(mode=BindMode.TRANSMITTER), Binds(mode=BindMode.RECEIVER))
    async with stage.smsc() as smsc:
        async with stage.running(settings(carrier("tui", smsc.port, binds=pair))) as engine:
            await bound(stage, engine, 2)
            await stage.settled(stage.campaign(20), delivered=20)
        assert smsc.counters.binds == 2


@pytest.mark.trio
async def test_a_peer_of_3_3_gets_no_optional_parameters(stage: Stage) -> None:
    """R-5.1: long messages go with a user data header, not with SAR, which it would refuse."""
    async with stage.smsc(smpp_version="3.3") as smsc:
        old = carrier("tui", smsc.port, long_messages=LongMessages.SAR)
        async with stage.running(settings(replace(old, long_messages=LongMessages.SAR))) as engine:
            await stage.settled(stage.campaign(5, LONG), delivered=5)
            assert engine.logged("bind.down") == []
        assert (smsc.counters.accepted, smsc.counters.refused) == (25, 0)


@pytest.mark.trio
@pytest.mark.parametrize("version", ["3.4", "5.0"])
async def test_newer_peers_take_them(stage: Stage, tmp_path: Path, version: str) -> None:
    """R-5.1, R-5.6."""
    record = tmp_path / "record"
    async with (
        stage.smsc(smpp_version=version, record=record) as smsc,
        stage.running(settings(carrier("tui", smsc.port, long_messages=LongMessages.SAR))),
    ):
        await stage.settled(stage.campaign(1, LONG), delivered=1)
    assert [(row["part"], row["total"], row["esm_class"]) for row in taken(record)] == [
        (part, 5, 0) for part in range(1, 6)
    ]


# ---------------------------------------------------------------- control


def asked(stage: Stage, verb: str, argument: str = "") -> int:
    """Asks the running engine for something, as `siaran carrier` does; the command's id."""
    database = stage.road.database
    nodes = database.run(control.nodes_up)
    [node_id] = [node_id for node_id, name in nodes if name.startswith("test-")]
    [command_id] = database.run(control.post, [node_id], verb, argument, "anna")
    return command_id


async def answered(stage: Stage, command_id: int) -> tuple[bool, str]:
    """Whether it was refused, and what the engine says."""
    database = stage.road.database

    def reply() -> control.Reply:
        [one] = database.run(control.replies, [command_id])
        return one

    await stage.until(lambda: reply().answer is not None, "the answer")
    one = reply()
    return one.failed, str(one.answer)


def open_sessions(stage: Stage) -> dict[str, int]:
    """The ids of the sessions that are up, by bind."""
    return dict(stage.road.all("SELECT bind, id FROM session WHERE closed_at IS NULL"))


@pytest.mark.trio
async def test_a_paused_carrier_gets_nothing_until_it_is_resumed(stage: Stage) -> None:
    """Its bind stays up and the reason stands in `carrier ls` and `campaign show`."""
    database = stage.road.database
    async with (
        stage.smsc() as smsc,
        stage.running(settings(carrier("tui", smsc.port))) as engine,
    ):
        await bound(stage, engine, 1)
        await stage.until(lambda: database.run(carriers.ls, ACTOR, now=clock.utc_now()), "it")
        now = clock.utc_now()
        database.run(carriers.pause, ACTOR, "tui", reason="works at night", now=now)
        await answered(stage, asked(stage, "reload"))  # a look later it has heard of it
        campaign = stage.campaign(5)
        await stage.until(
            lambda: stage.road.campaign_state(campaign) == "running", "the campaign's turn"
        )
        await answered(stage, asked(stage, "reload"))
        assert smsc.counters.submits == 0
        [row] = database.run(carriers.ls, ACTOR, now=clock.utc_now())
        assert (row.state, row.paused_by, row.pause_reason) == (
            "bound",
            "anna",
            "works at night",
        )
        why = database.run(campaigns.show, ACTOR, campaign, now=clock.utc_now()).why
        assert "carrier tui is paused" in why
        database.run(carriers.resume, ACTOR, "tui")
        await stage.settled(campaign, delivered=5)
        assert len(engine.logged("bind.up")) == 1


@pytest.mark.trio
async def test_rebind_touches_one_carrier_and_loses_nothing(stage: Stage) -> None:
    """What is on the wire is awaited; the other carrier keeps its session."""
    async with stage.smsc(latency_ms=50) as a, stage.smsc() as b:
        two = settings(carrier("a", a.port), carrier("b", b.port), routes=[to("a")])
        async with stage.running(two) as engine:
            await bound(stage, engine, 2)
            before = open_sessions(stage)
            campaign = stage.campaign(60)
            await stage.until(lambda: a.counters.submits >= 10, "some on their way")
            failed, answer = await answered(stage, asked(stage, "rebind", "a"))
            assert (failed, answer) == (False, "1 bind of a bound anew")
            await bound(stage, engine, 3)
            await stage.settled(campaign, delivered=60)
            assert a.counters.repeats == 0
            await stage.until(lambda: open_sessions(stage).keys() == before.keys(), "its note")
            after = open_sessions(stage)
            assert (after["b-1"], after["a-1"] > before["a-1"]) == (before["b-1"], True)
            assert await answered(stage, asked(stage, "rebind", "nobody")) == (
                True,
                "carrier nobody is not configured here",
            )


@pytest.mark.trio
async def test_a_reload_touches_only_what_changed(stage: Stage) -> None:
    """R-9.2: a window is bound anew, a rate is not, a new carrier is bound, an old one leaves."""
    async with stage.smsc() as a, stage.smsc() as b, stage.smsc() as c:
        both = settings(carrier("a", a.port), carrier("b", b.port))
        async with stage.running(both) as engine:
            await bound(stage, engine, 2)
            first = open_sessions(stage)

            # Nothing.
            assert await answered(stage, asked(stage, "reload")) == (False, "nothing has changed")
            # A rate: no session is touched.
            faster = carrier("b", b.port, rate=123.0)
            engine.settings = replace(both, carriers=(both.carriers[0], faster))
            assert await answered(stage, asked(stage, "reload")) == (
                False,
                "carriers changed: b",
            )
            assert open_sessions(stage) == first
            # A window, and a route.
            wider = carrier("b", b.port, rate=123.0, window=20)
            engine.settings = replace(both, carriers=(both.carriers[0], wider), routes=(to("b"),))
            assert await answered(stage, asked(stage, "reload")) == (
                False,
                "carriers changed: b; routes changed",
            )
            await bound(stage, engine, 3)
            second = open_sessions(stage)
            assert second["a-1"] == first["a-1"]
            assert second["b-1"] > first["b-1"]
            await stage.settled(stage.campaign(5), delivered=5)
            assert (a.counters.accepted, b.counters.accepted) == (0, 5)
            # One goes, another comes.
            engine.settings = replace(
                both, carriers=(wider, carrier("c", c.port)), routes=(to("c"),)
            )
            assert await answered(stage, asked(stage, "reload")) == (
                False,
                "carriers changed: a, c; routes changed",
            )
            await bound(stage, engine, 4)
            await stage.settled(stage.campaign(5), delivered=5)
            assert (a.counters.accepted, c.counters.accepted) == (0, 5)
            _, metrics = await engine.get("/metrics")
            assert 'siaran_binds{bind="a-1"' not in metrics
            assert 'siaran_submit_outcomes_total{carrier="c",status="ESME_ROK"} 5.0' in metrics


@pytest.mark.trio
async def test_a_configuration_that_cant_be_used_changes_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-9.2: by SIGHUP and by command; the log, or the command, says why."""
    async with (
        stage.smsc() as smsc,
        stage.running(settings(carrier("tui", smsc.port))) as engine,
    ):
        await bound(stage, engine, 1)
        before, good = open_sessions(stage), engine.settings
        engine.settings = replace(good, http=Http(listen="127.0.0.1:1"))
        failed, answer = await answered(stage, asked(stage, "reload"))
        assert failed
        assert answer == "[http] has changed, which needs a restart; nothing was changed"

        def broken(_: Engine) -> Settings:
            raise ConfigError('siaran.toml, line 3: carriers.tui.port "x": expected a number')

        with monkeypatch.context() as patch:
            patch.setattr(Engine, "settings", property(broken))
            os.kill(os.getpid(), signal.SIGHUP)
            await stage.until(lambda: engine.logged("reload.refused"), "the refusal")
            [line] = engine.logged("reload.refused")
            assert "line 3" in line
        engine.settings = good
        assert open_sessions(stage) == before
        os.kill(os.getpid(), signal.SIGHUP)
        await stage.until(lambda: engine.logged("reload"), "a reload")
        assert "nothing has changed" in engine.logged("reload")[0]
        await stage.settled(stage.campaign(3), delivered=3)


@pytest.mark.trio
async def test_a_reload_changes_what_is_in_the_log(stage: Stage) -> None:
    """R-9.1: the level, while everything goes on; nobody is bound anew for it."""
    async with stage.smsc() as a:
        quiet = settings(carrier("a", a.port))
        async with stage.running(quiet) as engine:
            await bound(stage, engine, 1)
            first = open_sessions(stage)
            engine.settings = replace(quiet, log=Log(level=LogLevel.WARNING))
            assert await answered(stage, asked(stage, "reload")) == (False, "the log changed")
            told = len(engine.lines)
            assert await answered(stage, asked(stage, "reload")) == (False, "nothing has changed")
            assert len(engine.lines) == told, "a command is an info"
            assert open_sessions(stage) == first
            engine.settings = quiet
            assert await answered(stage, asked(stage, "reload")) == (False, "the log changed")
            await answered(stage, asked(stage, "reload"))
            assert len(engine.lines) > told
