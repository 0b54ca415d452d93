"""How a campaign is followed: its pace, and the line that tells it."""

from __future__ import annotations

import pytest

from admin_cli import watching
from admin_cli.watching import Pace, follow, line
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


def test_in_a_pipe_it_is_a_line_a_second_and_the_end_at_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A campaign of seconds is not a hundred lines; a new state and the last look are told."""
    looks = [
        seen(CampaignState.SCHEDULED),
        seen(CampaignState.RUNNING, queued=900, sent=100),
        seen(CampaignState.RUNNING, queued=500, sent=500),
        seen(CampaignState.COMPLETED, sent=1000),
        seen(CampaignState.COMPLETED, sent=400, delivered=600),
        seen(CampaignState.COMPLETED, delivered=1000),
    ]
    coming = iter(looks)
    last = follow(
        lambda: next(coming),
        quiet=False,
        over=lambda seen: seen.counts[MessageState.DELIVERED] == 1000,
        every_s=0,
        indent=2,
    )
    assert last == looks[-1]
    assert capsys.readouterr().out.splitlines() == [
        "  scheduled",
        "  running: queued 900, sent 100",
        "  completed: sent 1,000",
        "  completed: delivered 1,000",
    ]


def test_who_waits_is_told_why(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-3.4: in one line why a campaign is not sending, once nothing has moved for a while."""
    monkeypatch.setattr(watching, "STILL_S", 0.0)
    coming = iter([seen(CampaignState.SCHEDULED)] * 3 + [seen(CampaignState.CANCELLED)])
    reasons = iter(["no engine is up"] * 3)
    follow(lambda: next(coming), quiet=False, why=lambda: next(reasons), every_s=0)
    assert capsys.readouterr().out == "scheduled: no engine is up\ncancelled\n"


def test_one_that_is_held_says_why_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """R-3.4, R-3.5: a paused or waiting one does not move, and there is no need to see that first."""
    coming = iter(
        [seen(CampaignState.PAUSED), seen(CampaignState.WAITING), seen(CampaignState.STOPPED)]
    )
    reasons = iter(["wrong price", "campaign 3 is sending"])
    follow(lambda: next(coming), quiet=False, why=lambda: next(reasons), every_s=0)
    assert capsys.readouterr().out.splitlines() == [
        "paused: wrong price",
        "waiting: campaign 3 is sending",
        "stopped",
    ]
