"""R-8.4: a campaign, its receipts and its replies through a connection pooler in transaction mode."""

from __future__ import annotations

import pytest

from tests import pooler
from tests.promises.failover import REPLIES
from tests.promises.harness import FAST_TIMERS
from tests.rig import Rig
from tests.standby import Servers

MESSAGES = 500

pytestmark = pytest.mark.skipif(not pooler.found(), reason=f"{pooler.NAME} is not on the PATH")


@pytest.mark.long
def test_a_campaign_goes_through_a_pooler() -> None:
    """Schema, import, turns, receipts, MO and report; each message once."""
    with (
        Servers.open(standbys=0) as servers,
        pooler.running(servers.primary, sessions=4) as url,
        Rig.open(url=url, window=20, timers=FAST_TIMERS) as rig,
    ):
        (replies := rig.home / "replies.toml").write_text(REPLIES)
        rig.start_smsc(latency_ms=5, receipt_after_ms=50, replies=replies)
        rig.siaran("db", "migrate")
        rig.start_engine()
        campaign = rig.campaign(MESSAGES)
        rig.wait(lambda: rig.delivered() == MESSAGES, "all receipts")
        rig.wait(
            lambda: rig.sql("SELECT count(DISTINCT mobile) FROM inbox") == [(MESSAGES,)],
            "all replies",
        )
        report = rig.report(campaign)
        assert report["counts"]["delivered"] == MESSAGES
        assert len(rig.record.read()) == MESSAGES
        assert not rig.logged("database.away"), rig.said()
