"""Whose turn it is to send, and why a campaign is not sending (R-3.4, R-3.8)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.campaign import (
    DEFINITIONS,
    ENDED,
    LEGAL,
    CampaignFacts,
    CampaignState,
    next_turn,
)
from engine.domain.way_out import OPEN, WayOut, hindrance
from engine.domain.why import Stragglers, why

NOW = datetime(2026, 12, 1, 9, 10, tzinfo=UTC)
ZONE = ZoneInfo("Pacific/Auckland")
S = CampaignState


def facts(
    number: int, state: CampaignState, *, at: int = 0, unlaunched: int = 5, in_flight: int = 0
) -> CampaignFacts:
    """A campaign that is due in `at` minutes, made in the order of its number."""
    return CampaignFacts(
        id=number,
        state=state,
        scheduled_at=NOW + timedelta(minutes=at),
        created_at=NOW - timedelta(days=1, seconds=-number),
        unlaunched=unlaunched,
        in_flight=in_flight,
    )


def steps(*campaigns: CampaignFacts) -> dict[int, CampaignState]:
    return {step.campaign_id: step.to_state for step in next_turn(campaigns, NOW)}


@pytest.mark.parametrize(
    ("campaigns", "expected"),
    [
        ([facts(1, S.SCHEDULED)], {1: S.RUNNING}),
        ([facts(1, S.SCHEDULED, at=10)], {}),
        ([facts(1, S.SCHEDULED), facts(2, S.SCHEDULED)], {1: S.RUNNING, 2: S.WAITING}),
        ([facts(1, S.SCHEDULED), facts(2, S.SCHEDULED, at=-10)], {2: S.RUNNING, 1: S.WAITING}),
        ([facts(1, S.RUNNING), facts(2, S.SCHEDULED), facts(3, S.WAITING)], {2: S.WAITING}),
        ([facts(1, S.RUNNING, unlaunched=0, in_flight=3)], {1: S.FINISHING}),
        (
            [facts(1, S.RUNNING, unlaunched=0, in_flight=3), facts(2, S.WAITING)],
            {1: S.FINISHING, 2: S.RUNNING},
        ),
        ([facts(1, S.RUNNING, unlaunched=0), facts(2, S.WAITING)], {1: S.COMPLETED, 2: S.RUNNING}),
        ([facts(1, S.FINISHING, unlaunched=1), facts(2, S.WAITING)], {2: S.RUNNING}),
        ([facts(1, S.FINISHING, unlaunched=0)], {1: S.COMPLETED}),
        ([facts(1, S.RUNNING), facts(2, S.RUNNING)], {2: S.WAITING}),
        ([facts(1, S.PAUSED), facts(2, S.STOPPED), facts(3, S.COMPLETED)], {}),
    ],
)
def test_one_at_a_time_in_order(
    campaigns: list[CampaignFacts], expected: dict[int, CampaignState]
) -> None:
    """R-3.4: by scheduled time, then creation; R-3.8: completed when nothing is left."""
    assert steps(*campaigns) == expected
    assert steps(*reversed(campaigns)) == expected


@given(
    st.lists(
        st.tuples(st.sampled_from(S), st.integers(-20, 20), st.integers(0, 2), st.integers(0, 2)),
        max_size=8,
    )
)
def test_the_turn_is_never_held_twice_and_never_lies_idle(
    drawn: list[tuple[CampaignState, int, int, int]],
) -> None:
    """R-3.4, whatever the queue looked like: steps are legal, and lead to rest."""
    campaigns = [
        facts(number, state, at=at, unlaunched=unlaunched, in_flight=in_flight)
        for number, (state, at, unlaunched, in_flight) in enumerate(drawn)
    ]
    for _ in range(2 * len(campaigns) + 1):
        taken = steps(*campaigns)
        for one in campaigns:
            assert one.id not in taken or taken[one.id] in LEGAL[one.state]
        campaigns = [replace(one, state=taken.get(one.id, one.state)) for one in campaigns]
    assert taken == {}
    running = [one for one in campaigns if one.state is S.RUNNING]
    waiting = [one for one in campaigns if one.state in (S.SCHEDULED, S.WAITING)]
    assert len(running) <= 1
    assert running or not [one for one in waiting if one.scheduled_at <= NOW]


def test_each_state_has_a_definition_and_its_followers() -> None:
    """The words of the requirements, each explained in one sentence; R-7.6 in spirit."""
    assert set(DEFINITIONS) == set(LEGAL) == set(S)
    assert set(ENDED) == {S.COMPLETED, S.STOPPED, S.CANCELLED, S.EXPIRED}
    assert all(text.endswith(".") and text.count(".") == 1 for text in DEFINITIONS.values())


@pytest.mark.parametrize(
    ("campaign", "others", "line"),
    [
        (facts(1, S.SCHEDULED, at=10), [], "it is scheduled for 2026-12-01 22:20"),
        (facts(1, S.SCHEDULED), [], "it is next, and starts at once"),
        (facts(1, S.WAITING), [facts(2, S.RUNNING)], "campaign 2 is sending, 5 to launch"),
        (facts(2, S.WAITING), [facts(1, S.WAITING)], "it comes after campaign 1, which is next"),
        (facts(1, S.WAITING), [facts(2, S.WAITING)], "it is next"),
        (facts(1, S.RUNNING), [], "it is sending: 5 to launch, 0 in flight"),
        (facts(1, S.FINISHING, in_flight=3), [], "all that could be launched has been; 8 have"),
        (facts(1, S.PAUSED), [], "it is paused: held by a person until it is resumed"),
        (facts(1, S.COMPLETED), [], "it is completed: each recipient has a final"),
    ],
)
def test_says_in_one_line_why_a_campaign_is_not_sending(
    campaign: CampaignFacts, others: list[CampaignFacts], line: str
) -> None:
    """R-3.4."""
    said = why(campaign, [campaign, *others], NOW, ZONE, way=OPEN, stragglers=Stragglers())
    assert said.startswith(line)
    assert "\n" not in said


NEVER = WayOut(up_until=None, engine=False, bind=False, fell=None)
SILENT = WayOut(up_until=NOW, engine=False, bind=False, fell="the engine was stopped")
UNBOUND = WayOut(up_until=NOW, engine=True, bind=False, fell=None)
FALLEN = WayOut(up_until=NOW, engine=True, bind=False, fell="the peer reset it")


@pytest.mark.parametrize(
    ("way", "line"),
    [
        (OPEN, None),
        (NEVER, "no engine has ever been up; start one with `siaran run`"),
        (
            SILENT,
            (
                "no engine is up since 2026-12-01 22:10:00 (Pacific/Auckland): none is running, or it "
                "can't write to the database (its log says so); start one with `siaran run`"
            ),
        ),
        (UNBOUND, "no bind that sends is up; see `siaran check`, and the engine's log"),
        (
            replace(UNBOUND, paused=("tui",)),
            "carrier tui is paused; see `siaran carrier ls`, `siaran carrier resume`",
        ),
        (
            replace(FALLEN, paused=("kiwi", "tui")),
            "carriers kiwi, tui are paused; see `siaran carrier ls`, `siaran carrier resume`",
        ),
        (replace(OPEN, paused=("tui",)), None),
        (
            FALLEN,
            (
                "no bind that sends is up (the last one ended: the peer reset it); see `siaran check`, "
                "and the engine's log"
            ),
        ),
    ],
)
def test_says_what_keeps_every_message_from_leaving(way: WayOut, line: str | None) -> None:
    """R-3.4: no engine, one that can't write to the database, no bind, all paused."""
    assert hindrance(way, ZONE) == line


LATER = NOW + timedelta(seconds=25)
AT = "2026-12-01 22:10:25 (Pacific/Auckland)"
REFUSED = Stragglers(refused=5, retry_at=LATER, refusal="ESME_RSYSERR")
UNANSWERED = Stragglers(unanswered=2, resend_at=LATER)
HELD = Stragglers(held=3)
TRIED = f"refused and to be tried again: 5 (ESME_RSYSERR), the first at {AT}"
KEPT = (
    "held, since nobody knows whether they arrived: 3; look with `siaran message held --campaign 1`, "
    "end it with `siaran message resolve --campaign 1 resend` (or fail)"
)


@pytest.mark.parametrize(
    ("campaign", "way", "stragglers", "line"),
    [
        # What keeps all from leaving keeps a campaign that is due; not one whose time has not come.
        (facts(1, S.SCHEDULED), SILENT, Stragglers(), "no engine is up since"),
        (facts(1, S.WAITING), UNBOUND, Stragglers(), "no bind that sends is up"),
        (facts(1, S.RUNNING), UNBOUND, REFUSED, "no bind that sends is up"),
        (facts(1, S.FINISHING), NEVER, UNANSWERED, "no engine has ever been up"),
        (facts(1, S.SCHEDULED, at=10), NEVER, Stragglers(), "it is scheduled for"),
        (facts(1, S.PAUSED), NEVER, Stragglers(), "it is paused"),
        (facts(1, S.COMPLETED), NEVER, HELD, "it is completed"),
        # What waits for a time.
        (facts(1, S.RUNNING), OPEN, REFUSED, f"nothing of it can be launched now; {TRIED}"),
        (
            facts(1, S.RUNNING, unlaunched=9, in_flight=1),
            OPEN,
            REFUSED,
            f"it is sending: 9 to launch, 1 in flight; {TRIED}",
        ),
        (
            facts(1, S.RUNNING, unlaunched=1),
            OPEN,
            replace(REFUSED, refused=1, refusal=None),
            "nothing of it can be launched now; refused and to be tried again: 1, the first at",
        ),
        (
            facts(1, S.FINISHING, unlaunched=0, in_flight=4),
            OPEN,
            UNANSWERED,
            (
                "all that could be launched has been; 4 have no outcome yet; without an answer: 2, "
                f"sent again from {AT} on if none comes"
            ),
        ),
        (
            facts(1, S.FINISHING, unlaunched=0, in_flight=2),
            OPEN,
            replace(UNANSWERED, hold=True),
            (
                "all that could be launched has been; 2 have no outcome yet; without an answer: 2, "
                f"held from {AT} on if none comes"
            ),
        ),
        (
            facts(1, S.RUNNING, unlaunched=7),
            OPEN,
            Stragglers(routed=4, unrouted=3),
            (
                "nothing of it can be launched now; without a route: 3; see [[routes]] in siaran.toml; "
                "waiting for a carrier of their route: 4 (down, paused, or as fast as it may be"
            ),
        ),
        (
            facts(1, S.RUNNING, unlaunched=8),
            OPEN,
            Stragglers(routed=4, unrouted=3),
            "it is sending: 8 to launch, 0 in flight; without a route: 3",
        ),
        # What waits for a person: for that no engine is needed.
        (
            facts(1, S.FINISHING, unlaunched=0, in_flight=3),
            NEVER,
            HELD,
            f"all that could be launched has been; 3 have no outcome yet; {KEPT}",
        ),
        (facts(1, S.FINISHING, unlaunched=0, in_flight=4), NEVER, HELD, "no engine has ever"),
        (
            facts(1, S.RUNNING, unlaunched=5, in_flight=5),
            OPEN,
            replace(REFUSED, unanswered=2, resend_at=LATER, held=3),
            (
                f"nothing of it can be launched now; {TRIED}; without an answer: 2, sent again from "
                f"{AT} on if none comes; {KEPT}"
            ),
        ),
    ],
)
def test_says_what_a_campaign_waits_for(
    campaign: CampaignFacts, way: WayOut, stragglers: Stragglers, line: str
) -> None:
    """R-3.4, R-8.2: engines and binds first, then retries, uncertain ones, held ones."""
    said = why(campaign, [campaign], NOW, ZONE, way=way, stragglers=stragglers)
    assert said == line if line.endswith((AT, "comes", "(or fail)")) else said.startswith(line)
    assert "\n" not in said


def test_says_why_the_engine_paused_a_campaign() -> None:
    """R-3.4, R-5.7: an answer that means a mistake in it stops it before a million get it."""
    paused = facts(1, S.PAUSED)
    said = why(
        paused, [], NOW, ZONE, way=OPEN, stragglers=Stragglers(), pause_reason="ESME_RINVSRCADR"
    )
    assert said == "it is paused: ESME_RINVSRCADR"
