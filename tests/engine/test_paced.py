"""An engine that is held to a rate keeps it, and does not fall short of it (R-5.4)."""

from __future__ import annotations

import pytest
import trio

from tests.engine.conftest import Stage


@pytest.mark.trio
async def test_a_rate_is_used_up_though_each_answer_comes_before_the_next_may_go(
    stage: Stage,
) -> None:
    """A turn that only settles must not forget that there is something left to launch.

    One PDU every 50 ms, answered within 1: whoever forgets looks again 200 ms later.
    """
    async with stage.smsc(receipt_after_ms=None) as smsc, stage.engine(smsc.port, rate=20.0):
        stage.campaign(42)
        await stage.until(lambda: smsc.counters.accepted, "a first message")
        began = trio.current_time()
        await stage.until(lambda: smsc.counters.accepted == 42, "all messages")
        took = trio.current_time() - began
    assert 1.7 < took < 3.0, "2 s for the 40 that had to wait"
