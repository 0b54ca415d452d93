"""Why a campaign is not sending: hours, quota, route, retries, the turn, a rate (R-3.4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from engine.domain.campaign import CampaignFacts, CampaignState, Hold, Holding
from engine.domain.way_out import OPEN, WayOut
from engine.domain.why import Stragglers, why

NOW = datetime(2026, 12, 1, 9, 10, tzinfo=UTC)
ZONE = ZoneInfo("Pacific/Auckland")
S = CampaignState

MORNING = datetime(2026, 12, 1, 19, 0, tzinfo=UTC)
"""8:00 of the next day there."""


def facts(number: int, state: CampaignState, **more: object) -> CampaignFacts:
    one = CampaignFacts(
        id=number,
        state=state,
        scheduled_at=NOW,
        created_at=NOW - timedelta(days=1, seconds=-number),
        unlaunched=5,
        in_flight=0,
        begun=state is not S.SCHEDULED,
    )
    return replace(one, **more)  # type: ignore[arg-type]


HOURS = Hold(by=Holding.HOURS, until=MORNING)
QUOTA = Hold(by=Holding.QUOTA, until=MORNING)
ROUTE = Hold(by=Holding.ROUTE)
LATER = "2026-12-02 08:00:00 (Pacific/Auckland)"
DOWN = Stragglers(routed=5, routes=("+64",), down=("tui is down",))


@pytest.mark.parametrize(
    ("campaign", "others", "stragglers", "line"),
    [
        (
            facts(1, S.WAITING, hold=HOURS),
            [],
            Stragglers(),
            f"it waits for its sending hours, which open at {LATER}; see `siaran hours show`",
        ),
        (
            facts(1, S.SCHEDULED, hold=HOURS),
            [facts(2, S.RUNNING)],
            Stragglers(),
            f"it waits for its sending hours, which open at {LATER}; see `siaran hours show`",
        ),
        (
            facts(1, S.WAITING, hold=HOURS, recipient_time=True),
            [],
            Stragglers(),
            f"it waits for the hours of its recipients, which open at {LATER}",
        ),
        (
            facts(1, S.WAITING, hold=QUOTA),
            [],
            Stragglers(),
            f"the daily quota of its application is used up; it goes on at {LATER}",
        ),
        (
            facts(1, S.WAITING, hold=ROUTE, yielded_at=NOW),
            [facts(2, S.RUNNING)],
            DOWN,
            (
                "nothing of it can be launched now; waiting for a carrier of their route: 5 "
                "(route +64; tui is down; see `siaran carrier ls`)"
            ),
        ),
        (
            facts(1, S.WAITING, yielded_at=NOW),
            [facts(2, S.RUNNING), facts(3, S.WAITING)],
            Stragglers(),
            (
                "campaign 2 is sending, 5 to launch; one sends at a time; this one gave the turn "
                "away, and is next"
            ),
        ),
        (
            facts(3, S.WAITING),
            [facts(2, S.RUNNING), facts(1, S.WAITING, yielded_at=NOW)],
            Stragglers(),
            "campaign 2 is sending, 5 to launch; one sends at a time",
        ),
        (
            facts(1, S.WAITING),
            [facts(2, S.WAITING, yielded_at=NOW)],
            Stragglers(),
            "it comes after campaign 2, which is next; one sends at a time",
        ),
        (
            facts(1, S.WAITING),
            [facts(0, S.WAITING, hold=HOURS)],
            Stragglers(),
            "it is next, and starts at once",
        ),
        (
            facts(1, S.RUNNING, rate=50.0),
            [],
            Stragglers(),
            "it is sending: 5 to launch, 0 in flight, at most 50/s",
        ),
        (
            facts(1, S.RUNNING, hold=HOURS),
            [],
            Stragglers(),
            f"it waits for its sending hours, which open at {LATER}",
        ),
        (
            facts(1, S.FINISHING, hold=HOURS),
            [],
            Stragglers(refused=5, retry_at=NOW),
            (
                "all that could be launched has been; 5 have no outcome yet; outside its sending "
                f"hours, which open at {LATER}; refused and to be tried again: 5, the first at"
            ),
        ),
    ],
)
def test_the_line_is_about_what_holds_it_up(
    campaign: CampaignFacts, others: list[CampaignFacts], stragglers: Stragglers, line: str
) -> None:
    """R-3.4."""
    said = why(campaign, [campaign, *others], NOW, ZONE, way=OPEN, stragglers=stragglers)
    assert said.startswith(line)
    assert "\n" not in said


def test_what_opens_soon_holds_nothing_up() -> None:
    """R-3.4: within 10 s."""
    soon = Hold(by=Holding.HOURS, until=NOW + timedelta(seconds=10))
    one = facts(1, S.WAITING, hold=soon)
    assert why(one, [one], NOW, ZONE, way=OPEN, stragglers=Stragglers()).startswith("it is next")


def test_hours_are_said_though_no_engine_is_up() -> None:
    """It would wait for them all the same."""
    never = WayOut(up_until=None, engine=False, bind=False, fell=None)
    one = facts(1, S.WAITING, hold=HOURS)
    assert "which open at" in why(one, [one], NOW, ZONE, way=never, stragglers=Stragglers())
