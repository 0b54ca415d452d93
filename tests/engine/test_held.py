"""What a person decides about, with a whole engine: held, not sent again, resolved (R-8.2)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine.store import held, messages, nodes, settings
from engine.store.db import Tx
from engine.store.listening import wake
from tests.engine.conftest import QUICK, Stage

IMPATIENT = replace(QUICK, response_timeout_s=0.2)


@pytest.mark.trio
async def test_what_nobody_answers_is_held_until_it_is_resolved(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-8.2: `hold` sends nothing twice; `resend` sends it now, `fail` lets the campaign end."""
    monkeypatch.setattr(nodes, "UNCERTAIN_S", 0.1)
    road = stage.road
    database, application = road.database, road.application()
    database.run(settings.store, application, "uncertain", "hold")
    async with stage.smsc(latency_ms=60_000) as smsc, stage.engine(smsc.port, timers=IMPATIENT):
        campaign = stage.campaign(2)
        await stage.until(
            lambda: database.run(held.count, application, campaign) == 2, "the held ones"
        )
        assert (smsc.counters.submits, road.states(campaign)) == (2, {"uncertain": 2})
        first, second = (one.id for one in road.messages(campaign))

        database.run(_resend, application, first)
        await stage.until(lambda: smsc.counters.submits == 3, "the second attempt")
        await stage.until(
            lambda: database.run(held.count, application, campaign) == 2, "held once more"
        )
        road.check()
        database.run(messages.fail, application, [first, second], "given up by anna")
        await stage.settled(campaign, failed=2)
        await stage.until(
            lambda: road.campaign_state(campaign) == "completed", "the campaign's end"
        )
        assert smsc.counters.submits == 3


def _resend(tx: Tx, application: int, message_id: int) -> None:
    messages.resend(tx, application, [message_id])
    wake(tx)
