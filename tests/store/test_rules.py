"""What a campaign may be told, in the queue and in the turns (R-3.4, R-3.5, R-3.9, R-3.10, R-4)."""

from __future__ import annotations

import threading
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from engine import clock
from engine.domain.campaign import CampaignState
from engine.domain.routing import Route, Share
from engine.gateway import turn
from engine.operations import Actor, campaigns, hours, settings
from engine.store import campaign_changes, control, depths, dispatching, launching, limiting, nodes
from engine.store.limiting import Pace
from tests.desk.conftest import until_somebody_waits
from tests.road import Line, Road, all_ok, ok, refused, text_of

LONG = "x" * 153 + "y" * 153 + "z" * 10


def _waits(road: Road) -> int:
    """How many messages of campaigns wait to be launched, as the metrics have it."""
    found = road.database.run(depths.depths, clock.utc_now())
    return sum(one.messages for one in found if one.kind == "campaign")


def set_hours(road: Road, first: int, last: int, *, days: int = 127, zone: str = "UTC") -> None:
    """Sending hours of the default application, as hours from the present one."""
    now = clock.utc_now().hour
    road.sql(
        """
        INSERT INTO sending_hours (application_id, from_hour, to_hour, days, timezone)
        VALUES (%s, %s, %s, %s, %s)
            ON CONFLICT (application_id) DO UPDATE
           SET from_hour = excluded.from_hour, to_hour = excluded.to_hour
        """,
        road.application(),
        (now + first) % 24,
        (now + last) % 24,
        days,
        zone,
    )


def closed(road: Road) -> None:
    set_hours(road, 3, 5)


def opened(road: Road) -> None:
    set_hours(road, -1, 3)


def set_to(road: Road, key: str, value: str) -> None:
    road.sql(
        "INSERT INTO setting VALUES (%s, %s, %s) ON CONFLICT (application_id, key) DO UPDATE"
        " SET value = excluded.value",
        road.application(),
        key,
        value,
    )


def bring(road: Road, campaign: int, state: CampaignState) -> None:
    """What a person does."""
    road.database.run(campaign_changes.move, campaign, state, clock.utc_now())
    road.check()


def why(road: Road, campaign: int) -> str:
    """What `siaran campaign show` says, on an engine whose binds are up."""
    road.sql("UPDATE node SET lease_until = now() + interval '1 min'")
    road.database.run(
        nodes.open_session, road.node.node_id, road.node.epoch, 1, "tui/1", sends=True
    )
    actor = Actor(application="default", by="anna")
    return road.database.run(campaigns.show, actor, campaign, now=clock.utc_now()).why


def go(road: Road, line: Line, times: int = 6) -> None:
    """The queue and the turns, for a while."""
    for _ in range(times):
        road.step()
        road.turn(all_ok(line))


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A campaign of some members takes several chunks."""
    monkeypatch.setattr(dispatching, "CHUNK", 3)
    monkeypatch.setattr(dispatching, "AHEAD", 6)


# ---------------------------------------------------------------- hours


@pytest.mark.parametrize(
    ("told", "waits"),
    [({"quick": True}, True), ({"respect_hours": True}, True), ({}, False)],
)
def test_quick_campaigns_wait_for_the_hours_and_others_when_told(
    road: Road, told: dict[str, Any], waits: bool
) -> None:
    """R-4.2: never dropped; it goes on when the window opens."""
    closed(road)
    campaign = road.planned(2, **told)
    line = road.line()
    road.step()
    road.turn()
    assert road.campaign_state(campaign) == ("waiting" if waits else "running")
    assert len(line.wire) == (0 if waits else 2)
    assert ("which open at" in why(road, campaign)) is waits
    assert _waits(road) == 0, "nothing is late"
    opened(road)
    go(road, line)
    assert road.campaign_state(campaign) == "completed"


def test_nothing_leaves_from_the_moment_on_at_which_the_window_closes(road: Road) -> None:
    """R-4.3: the turn looks at the clock by itself, whatever the queue is doing."""
    opened(road)
    campaign = road.planned(3, quick=True)
    line = road.line(window=1)
    road.step()
    road.turn()
    assert len(line.wire) == 1
    road.sql("UPDATE campaign SET open_until = now()")
    road.turn(all_ok(line))
    assert line.wire == []
    closed(road)
    step = road.step()
    assert [state for _, state, _ in step.moved] == ["waiting"]
    assert road.states(campaign) == {"sent": 1, "queued": 2}


def test_another_takes_over_meanwhile_and_then_it_is_next(road: Road) -> None:
    """R-3.4: it yields; it comes back when the one that took over finishes, before the others."""
    opened(road)
    now = clock.utc_now()
    first = road.planned(2, quick=True, at=now - timedelta(minutes=3))
    second, third = (road.planned(1, at=now - timedelta(minutes=n)) for n in (2, 1))
    line = road.line(window=1)
    road.step()
    assert road.campaign_state(first) == "running"
    closed(road)
    road.step()
    assert [road.campaign_state(one) for one in (first, second, third)] == [
        *("waiting", "running", "waiting")
    ]
    assert why(road, second).startswith("it is sending: 1 to launch")
    opened(road)
    road.step()
    assert road.campaign_state(second) == "running", "nobody is pushed aside"
    assert "gave the turn away, and is next" in why(road, first)
    assert why(road, third).endswith("one sends at a time")
    road.turn()
    road.step()
    assert [road.campaign_state(one) for one in (first, second, third)] == [
        *("running", "finishing", "waiting")
    ]
    go(road, line, 8)
    assert road.states() == {"sent": 4}


def test_a_retry_waits_for_the_hours_too(road: Road) -> None:
    """R-4.1: and what is on its way to be tried again is not forgotten."""
    opened(road)
    campaign = road.planned(1, quick=True)
    line = road.line()
    road.step()
    road.turn()
    road.settle(refused(line.tokens[0], 0x58))
    closed(road)
    road.step()
    road.pass_time(120)
    road.turn()
    assert line.wire == []
    assert road.states(campaign) == {"queued": 1}
    opened(road)
    go(road, line)
    assert road.states(campaign) == {"sent": 1}
    assert road.campaign_state(campaign) == "completed"


def test_the_parts_of_a_long_message_are_never_torn_apart(road: Road) -> None:
    """R-4.1: neither of one larger than the window nor of one that the SMSC has a part of."""
    opened(road)
    campaign = road.planned(2, quick=True, text=LONG)
    line = road.line(window=1)
    road.step()
    road.turn()
    closed(road)
    road.sql("UPDATE campaign SET open_until = now()")
    road.step()
    road.turn([ok(line.tokens[0], "A1")])
    assert [token.segment for token in line.tokens] == [2]
    road.settle(refused(line.tokens[0], 0x58))
    assert road.campaign_state(campaign) == "waiting"
    for _ in range(4):
        road.pass_time(120)
        road.turn(all_ok(line))
    assert road.states(campaign) == {"sent": 1, "queued": 1}


def test_messages_of_the_api_wait_and_responses_never(road: Road) -> None:
    """R-4.2: and when the hours are changed, they are looked at again."""
    closed(road)
    api, response = road.single(message_class=1), road.single(message_class=0)
    line = road.line()
    road.turn()
    assert [token.message_id for token in line.tokens] == [response]
    at = road.one("SELECT due_at FROM due WHERE message_id = %s", api)
    assert at > clock.utc_now() + timedelta(hours=1)
    opened(road)
    road.sql("UPDATE due SET due_at = now()")
    road.turn(all_ok(line))
    assert [token.message_id for token in line.tokens] == [api]


def test_new_hours_hold_at_once(road: Road) -> None:
    """R-4.1: what they are set to is told to running campaigns and to messages that wait."""
    actor, now = Actor(application="default", by="anna"), clock.utc_now()
    words = {"from_hour": str((now.hour + 3) % 24), "to_hour": str((now.hour + 5) % 24)}
    campaign = road.planned(2, quick=True)
    line = road.line(window=1)
    road.step()
    road.database.run(hours.set_, actor, **words, days="daily", now=now)
    api = road.single(message_class=1)
    road.turn()
    assert line.wire == []
    assert road.due_now() == 0
    road.database.run(hours.off, actor, now=now)
    assert road.due_now() == 1
    road.turn()
    assert [token.message_id for token in line.tokens] == [api]
    road.turn(all_ok(line))
    assert [token.message_id for token in line.tokens] == [road.messages(campaign)[0].id]


# ---------------------------------------------------------------- each recipient's hours


def test_who_is_outside_the_own_hours_is_put_aside_and_nobody_waits_for_it(road: Road) -> None:
    """R-4.4: due when the window opens there; the others go at once."""
    now = clock.utc_now()
    set_hours(road, -1, 2)
    list_id = road.list_of(0)
    # Singapore is 8 hours ahead of UTC all the year, so outside; Accra is at UTC.
    for n in range(8):
        road.sql(
            "INSERT INTO member (list_id, mobile) VALUES (%s, %s)",
            list_id,
            f"+{'233' if n % 4 == 3 else '65'}9123456{n}",
        )
    campaign = road.planned(list_id=list_id, quick=True, recipient_time=True)
    line = road.line(window=1)
    road.step()
    road.turn()
    assert [submit.destination[:3] for _, submit in line.wire] == ["233"]
    road.turn(all_ok(line))
    assert [submit.destination[:3] for _, submit in line.wire] == ["233"]
    road.turn(all_ok(line))
    assert line.wire == []
    waiting = road.all("SELECT route_id, due_at FROM due")
    assert len(waiting) == 6
    opens = {at for _, at in waiting}
    assert len(opens) == 1
    [at] = opens
    assert at > now
    assert at.astimezone(UTC).hour == (now.hour - 1 - 8) % 24
    road.step()
    assert road.campaign_state(campaign) == "waiting"
    assert why(road, campaign).startswith("it waits for the hours of its recipients, which open at")
    # Their hours come.
    set_hours(road, -1, 12)
    road.sql("UPDATE due SET due_at = now()")
    go(road, line, 10)
    assert road.states(campaign) == {"sent": 8}
    assert road.campaign_state(campaign) == "completed"


# ---------------------------------------------------------------- paused, stopped, expired


def test_a_paused_campaign_launches_nothing_and_keeps_everything(road: Road) -> None:
    """R-3.5: not from the feed, no retries; another one has the turn meanwhile."""
    campaign = road.campaign(4)
    line = road.line(window=2)
    road.turn()
    road.settle(ok(line.tokens[0], "A"), refused(line.tokens[1], 0x58))
    bring(road, campaign, CampaignState.PAUSED)
    road.pass_time(120)
    other = road.planned(1)
    road.step()
    road.turn()
    assert {road.campaign_state(campaign), road.campaign_state(other)} == {"paused", "running"}
    assert [token.message_id for token in line.tokens] == [road.messages(other)[0].id]
    assert why(road, campaign).startswith("it is paused")
    bring(road, campaign, CampaignState.WAITING)
    go(road, line)
    assert road.states(campaign) == {"sent": 4}
    assert road.campaign_state(campaign) == "completed"


@pytest.mark.parametrize("state", [CampaignState.PAUSED, CampaignState.STOPPED])
def test_from_the_commit_of_a_pause_on_nothing_is_launched(
    road: Road, state: CampaignState
) -> None:
    """R-3.5: it waits for a turn that is launching, and the next turn passes the campaign by."""
    campaign = road.campaign(3)
    with (
        psycopg.connect(road.database.url) as launches,
        psycopg.connect(road.database.url) as later,
    ):
        assert launching.next_feed(launches, [], clock.utc_now()) is not None
        pause = threading.Thread(target=bring, args=(road, campaign, state))
        pause.start()
        until_somebody_waits(launches)
        assert launching.next_feed(later, [], clock.utc_now()) is None
        launches.commit()
        pause.join()
        assert launching.next_feed(launches, [], clock.utc_now()) is None


def test_what_was_unsent_of_a_stopped_one_is_cancelled(road: Road, small_chunks: None) -> None:
    """R-3.5: of the feed, of members that were no rows yet, and retries; in chunks; counts are right."""
    campaign = road.planned(14)
    road.step()
    line = road.line(window=2)
    road.turn()
    road.settle(ok(line.tokens[0], "A"), refused(line.tokens[1], 0x58))
    road.turn()
    bring(road, campaign, CampaignState.STOPPED)
    flying = len(line.wire)
    applications = [one for one, _ in road.database.run(dispatching.applications, clock.utc_now())]
    assert road.application() in applications
    steps = 0
    while road.step().hungry:
        steps += 1
        assert steps < 20
    assert steps >= 4
    assert road.states(campaign) == {"sent": 1, "launched": flying, "cancelled": 13 - flying}
    assert road.one("SELECT recipients = fed FROM campaign WHERE id = %s", campaign)
    assert road.all("SELECT FROM feed") == road.all("SELECT FROM due") == []
    # What is refused after the end is not tried again.
    road.settle(*(refused(token, 0x58) for token in line.tokens))
    road.pass_time(120)
    road.turn()
    assert road.states(campaign) == {"sent": 1, "cancelled": 13}
    assert line.wire == []


def test_the_uncertain_of_a_stopped_one_are_not_sent_again(road: Road) -> None:
    """R-8.2: nobody knows, so they are kept for a person."""
    campaign = road.campaign(1)
    road.line()
    road.turn()
    road.restart()
    bring(road, campaign, CampaignState.STOPPED)
    line = road.line()
    road.pass_time(60)
    road.turn()
    while road.step().hungry:
        pass
    assert line.wire == []
    assert road.all("SELECT campaign_id FROM held") == [(campaign,)]


def test_what_is_unsent_after_the_limit_expires(road: Road, small_chunks: None) -> None:
    """R-3.9: no turn launches from that moment on; the campaign and its messages are expired."""
    campaign = road.planned(9, not_after=clock.utc_now() + timedelta(hours=1))
    line = road.line(window=2)
    road.step()
    road.turn()
    road.sql("UPDATE campaign SET not_after = now()")
    road.turn(all_ok(line))
    assert line.wire == []
    while road.step().hungry:
        pass
    assert road.campaign_state(campaign) == "expired"
    assert road.states(campaign) == {"sent": 2, "expired": 7}
    assert {one.reason for one in road.messages(campaign) if one.state == "expired"} == {
        "the time limit of its campaign has passed"
    }


@pytest.mark.parametrize("state", ["scheduled", "waiting", "paused"])
def test_one_that_never_began_expires_as_well(road: Road, state: str) -> None:
    """R-3.9."""
    campaign = road.planned(2, not_after=clock.utc_now(), state=state)
    now = clock.utc_now()
    assert [one for one, _ in road.database.run(dispatching.applications, now)] == [
        road.application()
    ]
    road.step()
    assert road.campaign_state(campaign) == "expired"
    assert road.states(campaign) == {}


def test_the_smsc_is_told_not_to_try_for_longer(road: Road) -> None:
    """R-3.9: unless its own validity is shorter."""
    road.planned(1, not_after=datetime(2035, 1, 2, 3, 4, 5, tzinfo=UTC))
    road.step()
    line = road.line(validity_s=0)
    shorter = road.line(carrier="dua", validity_s=86400)
    now = clock.utc_now()
    assert shorter.plan.until(now + timedelta(days=2), now) is None
    assert shorter.plan.until(now + timedelta(hours=2), now) is not None
    road.down = {"dua"}
    done = road.database.run(turn.run, road.work())
    [[(_, body)]] = [slots.batch for slots in done.slots if slots.bind == line.number]
    assert b"350102030405000+" in body


# ---------------------------------------------------------------- rate


@pytest.mark.parametrize("rate", [0.5, 10 / 60, 50.0, 1000.0])
def test_a_rate_is_what_it_says(rate: float) -> None:
    """R-3.9: ±2 % over a while, whenever turns come; and never a second's worth at once."""
    start = clock.utc_now()
    pace = Pace(rate, start - timedelta(seconds=1 / rate))
    now, sent, turns = start, 0, 0
    while sent < 500:
        turns += 1
        now += timedelta(seconds=(0.003, 0.2, 0.05, 0.31)[turns % 4])
        n = pace.allowed(now)
        assert n <= rate * 0.5 + 1
        pace.sent(n)
        sent += n
    assert sent / (now - start).total_seconds() == pytest.approx(rate, rel=0.02)


def test_two_turns_share_a_fast_rate(road: Road) -> None:
    """R-3.9: one that needs no more than a half leaves the other; both together are the rate."""
    now = clock.utc_now()
    with psycopg.connect(road.database.url) as one, psycopg.connect(road.database.url) as other:
        limiting.Paces(one, 7, 1000.0, now).allowed(2)  # its first turn makes them
        one.commit()
        first, second = (limiting.Paces(tx, 7, 1000.0, now) for tx in (one, other))
        assert (first.allowed(1), second.allowed(1)) == (1, 1)
        assert (first.allowed(9), second.allowed(9)) == (1, 1), "the other has the rest"
        first.sent(1)
        one.commit()
        later = now + timedelta(seconds=0.25)
        third = limiting.Paces(one, 7, 1000.0, later)
        assert third.allowed(1000) == 125
        third.sent(125)
        one.commit()
        other.commit()
        both = limiting.Paces(one, 7, 1000.0, later)
        assert both.allowed(1000) == 126, "of the half that was not used"
        both.sent(100)
        both.sent(26)
        assert both.allowed(1000) == 0


def test_a_rate_holds_over_turns_and_only_one_of_them_has_it(road: Road) -> None:
    """R-3.9: what is over waits in the feed; another turn passes the campaign by."""
    campaign = road.planned(50, rate=0.2)
    line = road.line(window=50)
    road.step()
    road.turn()
    assert len(line.wire) == 1
    road.turn()
    assert len(line.wire) == 1
    assert "at most 12/m" in why(road, campaign)
    other = road.planned(3, application="other")
    road.step("other")
    with psycopg.connect(road.database.url) as held:
        assert limiting.take_pace(held, campaign, 0.2, clock.utc_now()) is not None
        road.turn()
    assert len(line.wire) == 4, "the other application's"
    road.sql("UPDATE campaign_pace SET at = at - interval '5 s'")
    road.turn(all_ok(line))
    assert len(line.wire) == 1
    assert road.states(campaign)["sent"] == 1
    assert road.states(other) == {"sent": 3}


# ---------------------------------------------------------------- quota and cap


def test_what_is_over_the_daily_quota_waits_for_the_next_day(road: Road) -> None:
    """R-3.10: the queue says so, and the other day it goes on."""
    set_to(road, "quota.daily", "3")
    campaign = road.planned(5)
    line = road.line()
    road.step()
    road.turn()
    assert len(line.wire) == 3
    api = road.single(message_class=1)
    road.single(message_class=0)
    road.turn(all_ok(line))
    assert len(line.wire) == 1, "responses aside"
    assert road.due_in_s(api) > 0
    road.step()
    assert road.campaign_state(campaign) == "waiting"
    assert "daily quota" in why(road, campaign)
    road.sql("UPDATE daily_use SET day = day - 1")
    road.sql("DELETE FROM due")
    go(road, line)
    assert road.states(campaign) == {"sent": 5}


def test_another_quota_holds_at_once(road: Road) -> None:
    """R-3.10: what was put off until midnight goes out today, as far as it may."""
    admin = Actor(application="default", by="admin")
    # Where it is about noon: the day does not end in the midst of this.
    road.sql("UPDATE application SET timezone = %s", f"Etc/GMT{clock.utc_now().hour - 12:+d}")
    road.database.run(settings.set_, admin, "quota.daily", "1")
    line = road.line()
    api = [road.single(message_class=1) for _ in range(3)]
    road.turn()
    road.sql("UPDATE due SET due_at = now()")
    road.turn(all_ok(line))
    road.turn()
    assert line.wire == []
    assert all(road.due_in_s(one) > 3600 for one in api[1:])
    road.database.run(settings.set_, admin, "quota.daily", "2")
    road.turn()
    assert len(line.wire) == 1, "one more"
    road.database.run(settings.unset, admin, "quota.daily")
    road.sql("UPDATE due SET due_at = now() WHERE due_at < now() + interval '1 minute'")
    road.turn(all_ok(line))
    assert len(line.wire) == 1


def test_a_number_gets_so_many_campaigns_a_day(road: Road) -> None:
    """R-3.10: others skip it, and say why."""
    set_to(road, "frequency.cap", "1")
    list_id = road.list_of(2)
    line = road.line()
    first = road.planned(list_id=list_id)
    go(road, line, 3)
    road.join(list_id, 1)
    second = road.planned(list_id=list_id)
    go(road, line, 3)
    assert road.states(first) == {"sent": 2}
    assert road.states(second) == {"skipped": 2, "sent": 1}
    assert {one.reason for one in road.messages(second) if one.state == "skipped"} == {
        "frequency cap"
    }
    assert road.campaign_state(second) == "completed"


# ---------------------------------------------------------------- recipients of an earlier one


def test_a_campaign_goes_to_recipients_of_another(road: Road, small_chunks: None) -> None:
    """R-3.2: in the order of their messages, with the params that they had then."""
    earlier = road.planned(8, text="A %%1%%")
    line = road.line(window=20)
    go(road, line, 6)
    list_id = road.one("SELECT list_id FROM campaign WHERE id = %s", earlier)
    later = road.planned(0, text="B %%1%%", list_id=list_id, from_campaign_id=earlier)
    road.sql(
        """
        INSERT INTO campaign_recipient SELECT %s, id, mobile, params FROM message
         WHERE campaign_id = %s AND id %% 2 = 0 ORDER BY id
        """,
        later,
        earlier,
    )
    chosen = road.all("SELECT mobile FROM campaign_recipient ORDER BY id")
    road.sql("UPDATE member SET deleted_at = now() WHERE mobile = %s", chosen[0][0])
    texts: list[str] = []
    for _ in range(5):
        road.step()
        road.turn(all_ok(line))
        texts += [text_of(submit) for _, submit in line.wire]
    assert road.one("SELECT recipients FROM campaign WHERE id = %s", later) == len(chosen)
    assert [(one.mobile,) for one in road.messages(later)] == chosen
    assert road.states(later) == {"skipped": 1, "sent": len(chosen) - 1}
    assert all(text.startswith("B ") for text in texts)
    assert road.campaign_state(later) == "completed"


def test_who_has_opted_out_is_sent_to_only_where_that_was_given_a_reason(road: Road) -> None:
    """R-1.7: and who is blacklisted never."""
    list_id = road.list_of(2)
    out, black = [one for (one,) in road.all("SELECT mobile FROM member ORDER BY id")]
    road.opt("out", out)
    road.sql(
        "INSERT INTO blacklist (application_id, mobile, origin, by) VALUES (%s, %s, 'manual', 'a')",
        road.application(),
        black,
    )
    campaign = road.planned(list_id=list_id, opted_out_reason="a recall")
    line = road.line()
    go(road, line, 3)
    assert road.states(campaign) == {"sent": 1, "skipped": 1}


# ---------------------------------------------------------------- routes


def test_one_whose_route_is_down_yields_and_comes_back(road: Road) -> None:
    """R-3.4, R-5.5: when the one that took over finishes, if its route is up by then."""
    satu, dua = road.line(carrier="satu"), road.line(carrier="dua")
    road.routes = [
        Route(sender="3774", shares=(Share(carrier="satu"),)),
        Route(sender="3775", shares=(Share(carrier="dua"),)),
    ]
    road.down = {"satu"}
    numbers = road.database.run(control.route_ids, [str(route) for route in road.routes])

    def routes(_: frozenset[str]) -> Collection[int]:
        down = {str(road.routes[0])} if "satu" in road.down else set()
        return [number for key, number in numbers.items() if key not in down]

    first = road.planned(3)
    second = road.planned(2, sender="3775")
    road.step(routes=routes)
    assert road.campaign_state(first) == "running"
    road.turn()
    road.step(routes=routes)
    assert [road.campaign_state(one) for one in (first, second)] == ["waiting", "running"]
    assert "waiting for a carrier of their route: 3" in why(road, first)
    road.turn()
    assert len(dua.wire) == 2
    road.down = set()
    road.turn()
    assert satu.wire == [], "it is not its turn"
    road.turn([answer for line in (satu, dua) for answer in all_ok(line)])
    for _ in range(4):
        road.step(routes=routes)
        road.turn([answer for line in (satu, dua) for answer in all_ok(line)])
    assert road.states() == {"sent": 5}
    assert {road.campaign_state(one) for one in (first, second)} == {"completed"}
