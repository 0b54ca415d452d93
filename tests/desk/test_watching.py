"""How a campaign is followed: its pace, and the line that tells it."""

from __future__ import annotations

import pytest

from admin_cli.watching import Pace, line
from engine.domain.campaign import CampaignState
from engine.operations.campaigns import MessageState, Progress


def seen(state: CampaignState, **counts: int) -> Progress:
    return Progress(
        campaign_id=1,
        state=state,
        recipients=sum(counts.values()),
        counts={one: counts.get(one, 0) for one in MessageState},
        started_at=None,
        ended_at=None,
    )


@pytest.mark.parametrize(
    ("looks", "rate", "eta_s"),
    [
        ([(0.0, 1000)], 0.0, None),
        ([(0.0, 1000), (1.0, 900), (2.0, 800)], 100.0, 8.0),
        ([(0.0, 1000), (10.0, 1000)], 0.0, None),
        ([(0.0, 800), (1.0, 900)], 0.0, None),  # retries went back into the queue
        ([(0.0, 9000), (100.0, 1000), (110.0, 900)], 10.0, 90.0),  # what is long past is forgotten
        ([(0.0, 100), (1.0, 0)], 100.0, 0.0),
    ],
)
def test_the_pace_is_that_of_the_last_seconds(
    looks: list[tuple[float, int]], rate: float, eta_s: float | None
) -> None:
    """Messages that left the queue a second, and when it will be empty."""
    pace = Pace()
    for at_s, queued in looks:
        pace.look(at_s, queued)
    assert (pace.rate, pace.eta_s) == (rate, eta_s)


def test_a_line_says_counts_rate_and_time_to_go() -> None:
    """Only states that count something; no rate where nothing moves."""
    still, moving = Pace(), Pace()
    still.look(0.0, 800)
    moving.look(0.0, 1000)
    moving.look(2.0, 800)
    running = seen(CampaignState.RUNNING, queued=800, sent=10, delivered=1190)
    assert line(running, moving) == (
        "running: queued 800, sent 10, delivered 1,190; 100/s, 8 s to go"
    )
    assert line(seen(CampaignState.SCHEDULED), still) == "scheduled"
