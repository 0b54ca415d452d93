"""/metrics, /healthz and /readyz of a running engine (R-9.1)."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.engine.conftest import Stage


def samples(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
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
        assert not [key for key in found if "+64" in str(key)]


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
