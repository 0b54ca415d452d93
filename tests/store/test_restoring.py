"""What a database that was restored from a backup sends: nothing, until a person has decided (R-8.2)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine import clock
from engine.domain.errors import Refused
from engine.operations import restoring
from engine.operations.restoring import Held
from tests.road import Road


def restored(road: Road) -> Held:
    """`siaran db restored`, as it is done: no engine runs."""
    road.sql("UPDATE node SET lease_until = now()")
    return road.database.run(restoring.hold, "anna", clock.utc_now())


def later(road: Road, seconds: float = 40) -> int:
    """The engine starts, and has had its time; how many messages it has sent."""
    road.restart()
    line = road.line(window=100)
    for _ in range(3):
        road.pass_time(seconds)
        road.step()
        road.turn()
    return len(line.wire)


def test_nothing_goes_out_that_may_have_gone_out_since(road: Road) -> None:
    """R-8.2: of a campaign under way, on the wire, and single messages: all of it is held."""
    campaign = road.campaign(8)
    line = road.line(window=3)
    road.turn()
    assert len(line.wire) == 3
    single = road.single()
    held = restored(road)
    assert (held.campaigns, held.messages) == ((campaign,), 1)
    assert "default" in held.applications
    assert later(road) == 0
    assert road.states(campaign) == {"queued": 5, "uncertain": 3}
    assert road.message(single).state == "uncertain"
    assert road.one("SELECT count(*) FROM held") == 4
    assert road.campaign_state(campaign) == "paused"
    road.sql("DELETE FROM held")


def test_what_had_its_outcome_keeps_it_and_what_has_not_begun_begins(road: Road) -> None:
    """What was sent before the backup is known; a campaign for tomorrow has harmed nobody yet."""
    sent = road.sent()
    tomorrow = road.planned(2, at=clock.utc_now() + timedelta(days=1))
    held = restored(road)
    assert held.messages == 0
    assert tomorrow not in held.campaigns
    assert later(road) == 0
    assert road.message(sent.id) == sent
    assert road.campaign_state(tomorrow) == "scheduled"


def test_a_campaign_that_was_to_begin_meanwhile_is_paused(road: Road) -> None:
    """Its time has come between the backup and now: it may have been sent whole."""
    campaign = road.planned(2, at=clock.utc_now() - timedelta(hours=1))
    assert restored(road).campaigns == (campaign,)
    assert road.campaign_state(campaign) == "paused"
    lines = road.all(
        "SELECT action, before ->> 'state', after ->> 'reason' FROM log WHERE by = 'anna'"
    )
    assert ("campaign.pause", "scheduled", restoring.REASON) in lines
    road.sql("DELETE FROM log")


def test_it_is_refused_while_an_engine_runs(road: Road) -> None:
    """Too late to hold anything: it has begun to send."""
    with pytest.raises(Refused, match="gw1 is running"):
        road.database.run(restoring.hold, "anna", clock.utc_now())
