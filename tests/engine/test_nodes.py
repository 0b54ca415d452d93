"""Two engines on one database, in one process: what they share and what they leave to each other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
import trio
from psycopg.conninfo import conninfo_to_dict

from config.settings import BindMode, Binds, Carrier, Http, Node, Route, Settings, Share, catch_all
from engine import clock
from engine.operations import Actor
from engine.operations import carriers as carrier_operations
from engine.operations import nodes as operations
from engine.store import nodes as store_nodes
from tests.engine.conftest import NAMES, QUICK, Engine, Stage
from tests.engine.test_silent import Cable

ANN = Actor(application="default", by="ann")


def carrier(name: str, port: int, **words: Any) -> Carrier:
    return Carrier(
        name=name, host="127.0.0.1", port=port, system_id="siaran", timers=QUICK, **words
    )


def node(*carriers: Carrier, routes: tuple[Route, ...] | None = None) -> Settings:
    """An engine with these carriers, and short leases."""
    return Settings(
        node=Node(name=next(NAMES), lease_s=1.0),
        http=Http(listen="127.0.0.1:0"),
        carriers=carriers,
        routes=catch_all(carriers) if routes is None else routes,
    )


@asynccontextmanager
async def running(stage: Stage, *nodes: Settings) -> AsyncIterator[list[Engine]]:
    """All of them, with their binds up. What one logs, all are heard to."""
    stage.road.sql(  # "nobody"
        "UPDATE node SET lease_until = now(), over_epoch = epoch WHERE instance IS NULL"
    )
    async with trio.open_nursery() as nursery:
        engines: list[Engine] = []
        over = trio.Event()

        async def one(settings: Settings) -> None:
            async with stage.running(settings) as engine:
                engines.append(engine)
                await over.wait()

        binds = 0
        for settings in nodes:
            nursery.start_soon(one, settings)
            binds += sum(kind.count for each in settings.carriers for kind in each.binds)
            await stage.until(lambda n=binds: _bound(stage) >= n, "its binds")  # type: ignore[misc]
        yield engines
        over.set()


def _bound(stage: Stage) -> int:
    return int(stage.road.one("SELECT count(*) FROM session WHERE closed_at IS NULL"))


def _said(stage: Stage, event: str) -> int:
    return len({line for line in stage.news.lines if line.split(" ")[1] == event})


def _parts(stage: Stage) -> list[float]:
    rows = stage.road.all(
        """
        SELECT part FROM carrier_share p JOIN node n ON n.id = p.node_id
         WHERE n.lease_until > now() ORDER BY 1
        """
    )
    return [row[0] for row in rows]


@pytest.mark.trio
async def test_a_drained_node_launches_nothing_and_the_other_all(stage: Stage) -> None:
    """R-8.4: its binds stay; it launches again when the drain is taken back."""
    database = stage.road.database
    async with stage.smsc() as first, stage.smsc() as second:
        a, b = node(carrier("tui", first.port)), node(carrier("tui", second.port))
        async with running(stage, a, b):
            drained = database.run(operations.drain, ANN, a.node.name, now=clock.utc_now())
            assert drained.others
            asked = drained.asked
            assert asked is not None
            await stage.until(
                lambda: database.run(carrier_operations.replies, asked)[0].answer,
                "the answer that nothing is out",
            )
            await stage.settled(stage.campaign(30), delivered=30)
            assert (first.counters.submits, second.counters.submits) == (0, 30)
            shown = database.run(operations.ls, ANN, now=clock.utc_now()).nodes
            states = {one.node: (one.state, one.bound) for one in shown if one.node != "nobody"}
            assert states == {a.node.name: ("drained", 1), b.node.name: ("up", 1)}
            both = database.run(operations.drain, ANN, b.node.name, now=clock.utc_now())
            assert not both.others, "nobody launches"
            assert not database.run(store_nodes.way_out).bind
            database.run(operations.undrain, ANN, a.node.name)
            await stage.settled(stage.campaign(30), delivered=30)
            assert (first.counters.submits, second.counters.submits) == (30, 30)


@pytest.mark.trio
async def test_two_nodes_share_the_rate_of_a_carrier(stage: Stage) -> None:
    """R-5.4: half of it each; who remains has all of it again within a lease."""
    async with stage.smsc() as smsc:
        a = node(carrier("tui", smsc.port, rate=1000.0))
        b = node(carrier("tui", smsc.port, rate=1000.0))
        async with running(stage, a, b) as engines:
            await stage.until(lambda: _parts(stage) == [0.5, 0.5], "two halves")
            await stage.settled(stage.campaign(200), delivered=200)
            engines[0].kill()
            await stage.until(lambda: _parts(stage) == [1.0], "all of it")
        assert smsc.counters.repeats == 0


@pytest.mark.trio
async def test_receipts_that_another_node_reads_are_matched(stage: Stage) -> None:
    """R-5.8, R-8.4: one sends, the other receives, also what comes before its response."""
    sends, receives = Binds(mode=BindMode.TRANSMITTER), Binds(mode=BindMode.RECEIVER)
    async with stage.smsc() as smsc:
        a = node(carrier("tui", smsc.port, binds=(sends,)))
        b = node(carrier("tui", smsc.port, binds=(receives,)), routes=())
        async with running(stage, a, b):
            await stage.settled(stage.campaign(100), delivered=100)
        assert (smsc.counters.submits, smsc.counters.repeats) == (100, 0)


@pytest.mark.trio
async def test_messages_for_a_route_that_one_node_has_wait_for_it(stage: Stage) -> None:
    """R-5.5, R-8.4: the other one has a route for every number, and leaves them alone."""
    async with stage.smsc() as home, stage.smsc() as rest:
        to_home = Route(prefix="+64", carriers=(Share(name="home"),))
        to_rest = Route(carriers=(Share(name="rest"),))
        a = node(carrier("home", home.port), routes=(to_home,))
        b = node(carrier("rest", rest.port), routes=(to_rest,))
        async with running(stage, a, b) as engines:
            await stage.until(lambda: _knows(stage), "each other's routes")
            await stage.settled(stage.campaign(30), delivered=30)
            assert (home.counters.submits, rest.counters.submits) == (30, 0)
            lone = stage.road.database.run(operations.ls, ANN, now=clock.utc_now()).lone_routes
            assert lone == {
                "+64 over home": [a.node.name],
                "for every number over rest": [b.node.name],
            }
            engines[0].kill()
            await stage.until(lambda: _lost(stage, a.node.name), "its take-over")
            campaign = stage.campaign(10)
            await stage.until(lambda: _waiting(stage) == 10, "that they wait for it")
            assert rest.counters.submits == 0
            async with running(stage, a):
                await stage.settled(campaign, delivered=10)
        assert (home.counters.submits, rest.counters.submits) == (40, 0)


def _knows(stage: Stage) -> bool:
    """Both engines have had the time to hear of the other's routes: the second one at its start."""
    return bool(stage.road.one("SELECT count(*) = 2 FROM node WHERE routes <> '[]'"))


def _lost(stage: Stage, name: str) -> bool:
    return bool(stage.road.one("SELECT lost_at IS NOT NULL FROM node WHERE name = %s", name))


def _waiting(stage: Stage) -> int:
    """How many messages wait on the route that nobody who lives has."""
    return int(
        stage.road.one(
            "SELECT count(*) FROM due d JOIN route r ON r.id = d.route_id WHERE key = '+64'"
        )
    )


@pytest.mark.trio
async def test_who_can_not_reach_the_database_is_taken_over_and_comes_back(stage: Stage) -> None:
    """R-8.4: the others go on without it; it gets another epoch, and none is repeated."""
    known = conninfo_to_dict(stage.road.database.url)
    cable = Cable(f"{known['host']}/.s.PGSQL.{known.get('port') or 5432}")
    with cable.plugged_in() as port:
        far = f"postgresql://{known['user']}@127.0.0.1:{port}/{known['dbname']}"
        async with stage.smsc() as first, stage.smsc() as second:
            a, b = node(carrier("tui", first.port)), node(carrier("tui", second.port))
            stage.url = far
            async with running(stage, a):
                stage.url = None
                async with stage.running(b):
                    try:
                        await stage.until(lambda: _bound(stage) == 2, "two binds")
                        cable.flows.clear()
                        await stage.until(lambda: _lost(stage, a.node.name), "its take-over")
                        await stage.settled(stage.campaign(30), delivered=30)
                        assert (first.counters.submits, second.counters.submits) == (0, 30)
                    finally:
                        cable.flows.set()
                    await stage.until(lambda: _said(stage, "node.resumed"), "another epoch")
                    await stage.until(lambda: _bound(stage) == 2, "its bind")
                    assert not _lost(stage, a.node.name)
                    await stage.settled(stage.campaign(60), delivered=60)
            assert first.counters.submits + second.counters.submits == 90
            assert first.counters.repeats + second.counters.repeats == 0


@pytest.mark.trio
async def test_a_clock_that_is_five_minutes_fast_changes_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-8.4: leases and the queue go by the database's clock."""
    right = clock.utc_now
    async with stage.smsc() as smsc:
        a, b = node(carrier("tui", smsc.port)), node(carrier("tui", smsc.port))
        campaign = stage.road.planned(40, at=right() + timedelta(minutes=4))
        monkeypatch.setattr(clock, "utc_now", lambda: right() + timedelta(minutes=5))
        async with running(stage, a, b):
            await stage.until(lambda: _said(stage, "node.clock"), "the warning")
            await stage.settled(stage.road.planned(40, at=right()), delivered=40)
            assert stage.road.campaign_state(campaign) == "scheduled", "it is not its time"
            shown = stage.road.database.run(operations.ls, ANN, now=right()).nodes
            alive = [one for one in shown if one.node in (a.node.name, b.node.name)]
            assert [one.state for one in alive] == ["up", "up"]
            assert all(one.note == "its clock is 300 s fast" for one in alive)
        assert (smsc.counters.submits, smsc.counters.repeats) == (40, 0)
