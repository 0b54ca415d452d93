"""/metrics, /healthz and /readyz of a running engine (R-9.1)."""

from __future__ import annotations

import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families

from engine import dispatch
from tests.engine.conftest import PATIENCE_S, Stage

Found = dict[tuple[str, tuple[str, ...]], float]


def samples(text: str) -> Found:
    """Prometheus's own reading: name and label values, by the labels' names → value."""
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.trio
async def test_the_first_metrics_say_what_has_happened(stage: Stage) -> None:
    """R-9.1: binds by state, outcomes, receipts, MO, latency, turns; labels are few."""
    async with stage.smsc() as smsc, stage.engine(smsc.port) as engine:
        campaign = stage.campaign(30)
        await stage.settled(campaign, delivered=30)
        status, text = await engine.get("/metrics")
        assert status == 200
        found = samples(text)
        assert found["siaran_binds", ("tui-1", "tui", "bound")] == 1
        assert found["siaran_binds", ("tui-1", "tui", "refused")] == 0
        assert found["siaran_submit_outcomes_total", ("tui", "ESME_ROK")] == 30
        assert found["siaran_segments_launched_total", ()] == 30
        assert found["siaran_receipts_total", ("delivered",)] == 30
        assert found["siaran_submit_latency_seconds_count", ("tui",)] >= 3
        assert found["siaran_turn_seconds_count", ()] >= 3
        assert found["siaran_database_up", ()] == 1
        assert found["siaran_bind_window", ("tui-1", "tui")] == 10
        assert found["siaran_bind_outstanding", ("tui-1", "tui")] == 0
        assert found["siaran_carrier_paused", ("tui",)] == 0
        assert found["siaran_submit_idle_seconds", ("tui",)] == 0
        assert found["siaran_receipt_latency_seconds_count", ("tui",)] >= 1
        assert found["siaran_turn_segments_sum", ()] == 30
        assert found["siaran_transaction_seconds_count", ()] > 10
        assert found["siaran_pool_connections", ("size",)] >= 2
        assert found["siaran_pool_connections", ("waiting",)] == 0
        assert found["process_resident_memory_bytes", ()] > 1e7
        assert [key for key in found if key[0] == "siaran_build_info"]
        assert not [key for key in found if "+64" in str(key)]


@pytest.mark.trio
async def test_what_waits_is_told_and_for_how_long(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-9.1: the depth of the queue, the age of its oldest, and who has sent nothing meanwhile."""
    monkeypatch.setattr(dispatch, "COMPACT_S", 0.05)
    async with stage.engine(1) as engine:
        stage.campaign(7)
        stage.road.single(mobile="+64211234567")
        stage.road.sql("UPDATE due SET due_at = due_at - interval '1 hour'")
        found: Found = {}

        async def looks() -> None:
            while found.get(("siaran_queue_messages", ("default", "campaign"))) != 7:
                found.update(samples((await engine.get("/metrics"))[1]))

        with trio.fail_after(PATIENCE_S):
            await looks()
        assert found["siaran_queue_messages", ("default", "single")] == 1
        assert found["siaran_queue_oldest_seconds", ("default", "single")] > 3500
        found = samples((await engine.get("/metrics"))[1])
        assert found["siaran_submit_idle_seconds", ("tui",)] > 0


@pytest.mark.trio
async def test_a_carrier_that_says_not_so_fast_is_counted(stage: Stage) -> None:
    """R-9.1: throttles, whatever number the carrier gives them."""
    async with stage.smsc(error_pct=100, error_status=0x58) as smsc, stage.engine(smsc.port) as one:
        stage.campaign(3)
        await stage.until(lambda: smsc.counters.submits >= 3, "three refusals")
        wanted = ("siaran_throttles_total", ("tui", "throttled"))
        with trio.fail_after(PATIENCE_S):
            while samples((await one.get("/metrics"))[1]).get(wanted, 0) < 1:
                pass


@pytest.mark.trio
async def test_healthy_and_ready(stage: Stage) -> None:
    """R-9.1: ready is who can do its work, and who isn't says what is missing."""
    async with stage.smsc() as smsc, stage.engine(smsc.port) as engine:
        await stage.until(lambda: engine.logged("bind.up"), "the bind")
        assert await engine.get("/healthz") == (200, '{"status":"ok"}')
        assert await engine.get("/readyz") == (200, '{"status":"ready","missing":[]}')
        assert (await engine.get("/nothing"))[0] == 404
    async with stage.engine(1) as lonely:
        await stage.until(lambda: lonely.logged("bind.down"), "nobody there")
        status, body = await lonely.get("/readyz")
        assert (status, body) == (
            503,
            '{"status":"waiting","missing":["carrier tui is not bound"]}',
        )
        assert (await lonely.get("/healthz"))[0] == 200
