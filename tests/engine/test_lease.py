"""A node's lease, its sessions and its clock, as the others can see them in the database."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
import trio
from msgspec.structs import replace

from config.settings import BindMode, Binds
from engine import clock, nodes
from engine.lease import Lease, NodeLease
from engine.store import nodes as store_nodes
from tests.engine.conftest import QUICK, Stage

T = datetime(2026, 12, 1, 9, 10, tzinfo=UTC)


def test_a_lease_holds_from_the_moment_that_its_renewal_was_asked_for() -> None:
    """Never before the first one, and not a moment longer than it is good for."""
    lease = Lease(10.0)
    assert not lease.holds(0.0)
    lease.renewed(100.0)
    assert [lease.holds(at) for at in (100.0, 109.9, 110.0, 200.0)] == [True, True, False, False]
    lease.renewed(200.0)
    assert lease.holds(209.9)


def test_who_was_away_itself_knows_nothing_of_others() -> None:
    """R-8.4: after an outage of the database all leases have run out, of nodes that live."""
    lease = NodeLease(1, 1, lease_s=10.0)
    for at in (0.0, 2.5, 5.0, 7.5, 9.9):
        lease.renewed(at)
        assert not lease.steady(at)
    lease.renewed(10.0)
    assert lease.steady(10.0)
    assert not lease.steady(15.0), "it has not renewed since"
    lease.renewed(15.0)
    assert not lease.steady(15.0), "an outage"
    lease.renewed(19.0)
    assert not lease.steady(20.0)
    lease.renewed(23.0)
    assert lease.steady(25.0)


@pytest.mark.parametrize(
    ("database_s", "ahead_s"),
    [(0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (-3.0, 3.0), (4.5, -3.5)],
)
def test_clocks_are_as_far_apart_as_they_are_for_certain(database_s: float, ahead_s: float) -> None:
    """The question took a second: whatever the answer says of that second may be true."""
    asked, answered = T, T + timedelta(seconds=1)
    assert nodes.skew_s(asked, T + timedelta(seconds=database_s), answered) == ahead_s


@pytest.mark.trio
async def test_what_a_late_process_has_marked_does_not_leave(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-8.2, R-8.4: it can't know whose it is by now; its binds are dropped, nothing is lost."""
    monkeypatch.setattr(store_nodes, "UNCERTAIN_S", 3600.0)  # nothing of it is in doubt
    async with stage.smsc() as smsc, stage.engine(smsc.port) as engine:
        await stage.until(lambda: engine.logged("bind.up"), "the bind")
        with monkeypatch.context() as late:
            # Whoever asks is told that a minute has passed since the last one did.
            ever_later = itertools.count(clock.boottime(), 60.0)
            late.setattr(clock, "boottime", lambda: next(ever_later))
            campaign = stage.campaign(5)
            await stage.until(lambda: engine.logged("node.late"), "the late turn")
            await stage.until(lambda: engine.logged("bind.down"), "the end of the bind")
            assert smsc.counters.submits == 0
        await stage.settled(campaign, delivered=5)
        assert (smsc.counters.submits, smsc.counters.repeats) == (5, 0)


@pytest.mark.trio
async def test_a_process_that_was_stopped_for_a_minute_asks_and_goes_on(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-8.2: where nobody has taken over, nothing is in doubt because of it."""
    async with stage.smsc() as smsc, stage.engine(smsc.port) as engine:
        await stage.until(lambda: engine.logged("bind.up"), "the bind")
        right = clock.boottime
        monkeypatch.setattr(clock, "boottime", lambda: right() + 60.0)
        campaign = stage.campaign(5)
        await stage.settled(campaign, delivered=5)
        assert (smsc.counters.submits, smsc.counters.repeats) == (5, 0)
        assert not engine.logged("node.late")
        assert not engine.logged("bind.down")


@pytest.mark.trio
async def test_who_was_stopped_and_taken_over_writes_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-8.2, R-8.4: between COMMIT and write; what it launched is the other one's to send."""
    road, right = stage.road, clock.boottime

    def late() -> float:
        if not taken and road.states()["launched"]:
            taken.append(road.database.run(store_nodes.start, "the-same", clock.utc_now()))
        return right() + 60.0 * len(taken)

    async def engine(port: int) -> None:
        async with stage.engine(port, name="the-same") as engine:
            await stage.until(lambda: engine.logged("bind.up"), "the bind")
            monkeypatch.setattr(clock, "boottime", late)
            stage.campaign(5)
            await trio.sleep_forever()

    taken: list[store_nodes.NodeStart] = []
    async with stage.smsc() as smsc:
        with pytest.raises(BaseExceptionGroup) as ended:
            await engine(smsc.port)
        assert ended.group_contains(store_nodes.Fenced)
        assert (taken[0].uncertain, smsc.counters.submits) == (5, 0)


@pytest.mark.trio
async def test_the_database_knows_which_binds_are_up(stage: Stage) -> None:
    """R-3.4: what `campaign show` can say without asking an engine."""
    database = stage.road.database
    async with stage.smsc() as smsc, stage.engine(smsc.port, name="the-same") as engine:
        await stage.until(lambda: engine.logged("bind.up"), "the bind")
        assert database.run(store_nodes.way_out).bind
    async with stage.engine(smsc.port, name="the-same"):
        seen = database.run(store_nodes.way_out)
        assert (seen.engine, seen.bind, seen.fell) == (True, False, "the engine was restarted")


@pytest.mark.trio
async def test_a_bind_that_falls_is_noted(stage: Stage) -> None:
    """R-3.4: within a second, with the reason, though no MO comes."""
    database = stage.road.database
    once = replace(QUICK, reconnect_min_s=60.0, reconnect_max_s=60.0)
    async with stage.smsc(drop_every=1) as smsc, stage.engine(smsc.port, timers=once) as engine:
        await stage.until(lambda: engine.logged("bind.up"), "the bind")
        assert database.run(store_nodes.way_out).fell is None
        stage.campaign(1)
        await stage.until(lambda: engine.logged("bind.down"), "its fall")
        await stage.until(lambda: not database.run(store_nodes.way_out).bind, "the note of it")
        seen = database.run(store_nodes.way_out)
        assert (seen.engine, bool(seen.fell)) == (True, True)


@pytest.mark.trio
async def test_a_receiver_is_no_way_out(stage: Stage) -> None:
    """R-3.4: it is bound, and takes nothing from us."""
    receiver = (Binds(mode=BindMode.RECEIVER),)
    async with stage.smsc() as smsc, stage.engine(smsc.port, binds=receiver) as engine:
        await stage.until(lambda: engine.logged("bind.up"), "the bind")
        assert not stage.road.database.run(store_nodes.way_out).bind


@pytest.mark.trio
async def test_a_wrong_clock_is_told_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above 2 s: a warning and a metric; leases go by the database's clock all the same."""
    right = clock.utc_now
    monkeypatch.setattr(clock, "utc_now", lambda: right() + timedelta(seconds=300))
    async with stage.smsc() as smsc, stage.engine(smsc.port) as engine:
        await stage.until(lambda: engine.logged("node.clock"), "the warning")
        _, metrics = await engine.get("/metrics")
        [skew] = [one for one in metrics.splitlines() if one.startswith("siaran_clock_skew_s")]
        assert 299 < float(skew.split()[1]) <= 300.1
        assert len(engine.logged("node.clock")) == 1
        monkeypatch.setattr(clock, "utc_now", right)
        await stage.until(lambda: len(engine.logged("node.clock")) == 2, "all is well again")
