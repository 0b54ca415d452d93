"""Messages whose outcome nobody knows: held where that is wanted, resolved by a person (R-8.2)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from engine import clock
from engine.domain.message import MessageClass
from engine.domain.why import Stragglers
from engine.store import campaigns, held, messages, nodes, settings, skipping
from engine.store.db import Tx
from smpp import status
from tests.road import Road, ok, receipt_of, refused, silence, text_of


@pytest.fixture
def holding(road: Road) -> Road:
    """The application keeps uncertain messages for a person."""
    road.database.run(settings.store, road.application(), "uncertain", "hold")
    return road


@pytest.fixture(autouse=True)
def _leaves_nothing(road: Road) -> Iterator[None]:
    yield
    road.sql("DELETE FROM setting")
    road.sql("DELETE FROM held")


def uncertain(road: Road, n: int = 1) -> int:
    """A campaign of `n` that the SMSC has said nothing about, in time."""
    campaign = road.campaign(n)
    line = road.line()
    road.turn()
    road.settle(*(silence(token) for token in line.tokens))
    assert road.states(campaign) == {"uncertain": n}
    road.pass_time(nodes.UNCERTAIN_S)
    return campaign


def holds(road: Road, campaign: int | None = None) -> list[int]:
    found = road.database.run(held.find, road.application(), campaign, limit=None)
    return [one.id for one in found]


def test_it_is_sent_again_where_nothing_else_is_said(road: Road) -> None:
    """R-8.2: resend is the default, and what an application says that has its own setting."""
    road.database.run(settings.store, road.application("other"), "uncertain", "hold")
    campaign = uncertain(road)
    road.turn()
    assert road.states(campaign) == {"launched": 1}
    assert holds(road) == []


def test_it_is_held_and_listed(holding: Road) -> None:
    """R-8.2: not sent again, not due, still uncertain, however long."""
    road, campaign = holding, uncertain(holding, 2)
    for _ in range(2):
        road.turn()
        assert road.lines[0].wire == []
        assert road.states(campaign) == {"uncertain": 2}
        road.pass_time(3600)
    assert road.all("SELECT FROM due") == []
    assert holds(road) == holds(road, campaign) == [one.id for one in road.messages(campaign)]
    assert holds(road, campaign + 1) == []


@pytest.mark.parametrize("told", ["response", "receipt"])
def test_a_held_one_is_settled_by_a_late_word(holding: Road, told: str) -> None:
    """R-8.2: and it is held no more, in no list."""
    road = holding
    campaign = road.campaign(1)
    line = road.line()
    road.turn()
    [token] = line.tokens
    road.settle(silence(token))
    road.pass_time(nodes.UNCERTAIN_S)
    road.turn()
    assert holds(road) == [token.message_id]
    road.settle(ok(token, "A1"))
    if told == "receipt":
        road.receive(receipt_of("A1"))
    assert road.states(campaign) == {"delivered" if told == "receipt" else "sent": 1}
    assert holds(road) == []
    assert road.database.run(held.count, road.application(), campaign) == 0
    road.database.run(nodes.housekeep, clock.utc_now())
    assert road.all("SELECT FROM held") == []


def test_resend_launches_it_now(holding: Road) -> None:
    """R-8.2: whatever the setting says, for it was asked for; and when nobody answers, it is held."""
    road, campaign = holding, uncertain(holding, 2)
    road.turn()
    first, second = holds(road)
    assert road.database.run(messages.resend, road.application(), [first]) == [first]
    road.check()
    assert road.states(campaign) == {"queued": 1, "uncertain": 1}
    assert holds(road) == [second]
    road.turn()
    [token] = road.lines[0].tokens
    assert (token.message_id, token.attempt) == (first, 2)
    road.settle(silence(token))
    road.pass_time(nodes.UNCERTAIN_S)
    road.turn()
    assert holds(road) == [first, second]


def test_fail_ends_it(holding: Road) -> None:
    """R-8.2, R-7.2: with the reason; what the SMSC says later changes nothing."""
    road = holding
    campaign = road.campaign(1)
    line = road.line()
    road.turn()
    [token] = line.tokens
    road.settle(silence(token))
    road.pass_time(nodes.UNCERTAIN_S)
    road.turn()
    ids = [token.message_id]
    assert road.database.run(messages.fail, road.application(), ids, "given up") == ids
    road.check()
    message = road.message(token.message_id)
    assert (message.state, message.reason, message.failed) == ("failed", "given up", 0b1)
    assert holds(road) == []
    road.settle(ok(token, "A1"))
    road.receive(receipt_of("A1"))
    assert road.states(campaign) == {"failed": 1}
    road.step()
    assert road.campaign_state(campaign) == "completed"


@pytest.mark.parametrize("verb", ["resend", "fail"])
def test_only_what_is_uncertain_is_resolved(road: Road, verb: str) -> None:
    """R-8.2: not what has been settled meanwhile, not another application's, and nothing twice."""
    campaign = road.campaign(2)
    line = road.line()
    road.turn()
    first, second = line.tokens
    road.settle(ok(first, "A1"), silence(second))
    ids = [first.message_id, second.message_id]
    other = road.application("other")

    def resolve(application: int) -> list[int]:
        if verb == "resend":
            return road.database.run(messages.resend, application, ids)
        return road.database.run(messages.fail, application, ids, "given up")

    assert resolve(other) == []
    assert resolve(road.application()) == [second.message_id]
    assert resolve(road.application()) == []
    road.check()
    assert road.states(campaign) == {"sent": 1, "queued" if verb == "resend" else "failed": 1}
    road.pass_time(nodes.UNCERTAIN_S)
    road.turn()
    assert [token.message_id for token in road.lines[0].tokens] == (
        [second.message_id] if verb == "resend" else []
    )
    assert road.all("SELECT FROM due") == []


def test_a_message_outside_campaigns_is_held_and_resolved_too(holding: Road) -> None:
    """R-8.2, with no campaign whose counts would change."""
    road = holding
    message_id = road.single()
    line = road.line()
    road.turn()
    road.settle(silence(line.tokens[0]))
    road.pass_time(nodes.UNCERTAIN_S)
    road.turn()
    assert holds(road) == [message_id]
    road.database.run(messages.resend, road.application(), [message_id])
    road.turn()
    assert [text_of(submit) for _, submit in line.wire] == ["Hello"]
    assert road.all("SELECT FROM tally") == []


def test_a_single_message_is_due_at_once(road: Road) -> None:
    """R-8.1, R-5.14: accepted in one step, class 0, and launched before a campaign."""
    road.campaign(5)
    message_id = road.database.run(_insert, road.application(), "Kia ora")
    line = road.line(window=1)
    road.turn()
    assert [(token.message_id, text_of(submit)) for token, submit in line.wire] == [
        (message_id, "Kia ora")
    ]
    found = road.database.run(messages.get, road.application(), message_id)
    assert found is not None
    assert (found.state, found.attempt, found.due_at) == ("launched", 1, None)
    assert road.database.run(messages.get, road.application("other"), message_id) is None
    road.settle(ok(line.tokens[0], "A1", line.carrier_id))
    [taken] = road.database.run(messages.taken, message_id)
    assert (taken.segment, taken.attempt, taken.carrier, taken.smsc_id) == (1, 1, "tui", "A1")


def _insert(tx: Tx, application_id: int, text: str) -> int:
    return messages.insert(
        tx,
        application_id=application_id,
        message_class=MessageClass.RESPONSE,
        mobile="+64211234567",
        sender="3774",
        text=text,
    )


def test_who_was_deleted_meanwhile_is_not_kept_to_be_sent_to(holding: Road) -> None:
    """R-3.7: what a person would send again is skipped with what is due."""
    road, campaign = holding, uncertain(holding, 2)
    road.turn()
    gone, there = holds(road)
    road.sql("UPDATE member SET deleted_at = now() WHERE mobile = %s", road.message(gone).mobile)
    list_id = road.one("SELECT list_id FROM campaign WHERE id = %s", campaign)
    road.database.run(skipping.skip_deleted, road.application(), list_id)
    road.check()
    assert (road.message(gone).state, holds(road)) == ("skipped", [there])


# ---------------------------------------------------------------- what a campaign waits for


def stragglers(road: Road, campaign: int) -> Stragglers:
    return road.database.run(campaigns.stragglers, road.application(), campaign)


def test_nothing_waits_in_a_campaign_that_sends(road: Road) -> None:
    assert stragglers(road, road.campaign(3)) == Stragglers()


def test_what_is_tried_again_what_got_no_answer_and_what_is_held(holding: Road) -> None:
    """R-3.4: how many, from when on, and mostly why."""
    road = holding
    campaign = road.campaign(5)
    line = road.line()
    road.turn()
    before = datetime.now(UTC)
    first, second, third, fourth, fifth = line.tokens
    road.settle(silence(fifth))
    road.pass_time(nodes.UNCERTAIN_S)
    road.turn()
    road.settle(
        refused(first, status.SYSTEM_ERROR),
        refused(second, status.SYSTEM_ERROR),
        refused(third, status.QUEUE_FULL),
        silence(fourth),
    )
    seen = stragglers(road, campaign)
    assert (seen.refused, seen.refusal) == (3, "ESME_RSYSERR")
    assert (seen.unanswered, seen.hold, seen.held) == (1, True, 1)
    for at, after_s in ((seen.retry_at, 30), (seen.resend_at, nodes.UNCERTAIN_S)):
        assert at is not None
        assert timedelta(0) <= at - before - timedelta(seconds=after_s) < timedelta(seconds=20)
    road.pass_time(4000)
    late = stragglers(road, campaign)
    assert (late.refused, late.retry_at) == (0, None), "due by now: they wait for a slot"


def test_what_waits_for_a_carrier_or_has_no_route(road: Road) -> None:
    """R-3.4, R-5.5: it is due, and stands under its route until that has room; or under none."""
    campaign = road.campaign(3)
    for one, route in zip(road.messages(campaign), (0, 7, -1), strict=True):
        road.sql(
            "INSERT INTO due (message_id, class, campaign_id, due_at, route_id)"
            " VALUES (%s, 2, %s, now() - interval '1 s', %s)",
            one.id,
            campaign,
            route,
        )
    seen = stragglers(road, campaign)
    assert (seen.routed, seen.unrouted, seen.refused) == (1, 1, 0)


def test_beyond_ten_thousand_the_rest_is_counted_alike(road: Road) -> None:
    """A carrier that refuses everything must not make `campaign show` slow."""
    campaign = road.campaign(3)
    road.turn()
    line = road.line()
    road.turn()
    road.settle(*(refused(token, status.SYSTEM_ERROR) for token in line.tokens))
    road.sql(
        """
        INSERT INTO due (message_id, class, campaign_id, due_at)
        SELECT n, 2, %s, now() + interval '1 h' FROM generate_series(1, 10000) AS n
        """,
        campaign,
    )
    assert stragglers(road, campaign).refused == 6
