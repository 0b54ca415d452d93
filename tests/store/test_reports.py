"""What reports read of messages: where a campaign's are, and the figures of its pictures (R-7.6, R-7.9)."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from engine import clock
from engine.domain.report import Figures
from engine.store import dispatching, figures, reports
from smpp import status
from tests.road import Road, ok, receipt_of, refused


def figures_of(road: Road, campaign: int) -> Figures:
    place = road.database.run(reports.place, campaign)
    began = road.one("SELECT started_at FROM campaign WHERE id = %s", campaign)
    return road.database.run(figures.of_messages, campaign, place, began, clock.utc_now())


def test_the_queue_says_where_a_campaigns_messages_are(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-7.6: a range for each chunk, which hold all of it; those that lie near are read as one."""
    monkeypatch.setattr(dispatching, "CHUNK", 3)
    monkeypatch.setattr(dispatching, "AHEAD", 6)
    campaign, other = road.planned(7), road.planned(4, application="other")
    for _ in range(3):
        road.step()
        road.step("other")
    ranges = road.all(
        "SELECT first_id, last_id, n FROM campaign_range WHERE campaign_id = %s ORDER BY 1",
        campaign,
    )
    assert [n for *_, n in ranges] == [3, 3]  # the others are not ahead yet
    place = road.database.run(reports.place, campaign)
    assert (place.firsts, place.lasts) == ((ranges[0][0],), (ranges[-1][1],))
    assert sum(figures_of(road, campaign).counts.values()) == 6
    assert sum(figures_of(road, other).counts.values()) == 4
    monkeypatch.setattr(reports, "_NEAR", 0)
    place = road.database.run(reports.place, campaign)
    assert (place.firsts, place.lasts) == (
        tuple(first for first, *_ in ranges),
        tuple(last for _, last, _ in ranges),
    )
    assert sum(figures_of(road, campaign).counts.values()) == 6


def test_a_campaign_of_an_older_engine_is_looked_for_in_its_days(road: Road) -> None:
    """R-9.4: that one says nothing of where it makes rows."""
    campaign = road.campaign(2)
    road.sql("DELETE FROM campaign_range WHERE campaign_id = %s", campaign)
    place = road.database.run(reports.place, campaign)
    assert len(place.firsts) == 1
    assert figures_of(road, campaign).counts == {"queued": 2}


def test_one_that_has_not_started_is_nowhere(road: Road) -> None:
    campaign = road.planned(2, at=clock.utc_now() + timedelta(hours=1))
    place = road.database.run(reports.place, campaign)
    assert (place.firsts, place.first_id) == ((), (1 << 53) - 1)
    assert road.database.run(reports.segments_sent, campaign, place) == (0, 0)


def test_the_figures_are_those_of_the_messages(road: Road) -> None:
    """R-7.9: by carrier, by country, by reason, by moment and by how long a receipt took."""
    line = road.line(carrier="tui")
    campaign = road.campaign(4)
    road.turn()
    one, two, three, four = line.tokens
    road.settle(
        ok(one, "A1", line.carrier_id),
        ok(two, "A2", line.carrier_id),
        ok(three, "A3", line.carrier_id),
        refused(four, status.INVALID_MESSAGE_LENGTH, line.carrier_id),
    )
    road.receive(receipt_of("A1", carrier_id=line.carrier_id))
    road.sql(
        """
        UPDATE message SET state = 'failed', reason = 'UNDELIV, err 069', mobile = '+6281234'
         WHERE campaign_id = %s AND id = %s
        """,
        campaign,
        two.message_id,
    )
    at = datetime(2026, 11, 25, 8, tzinfo=UTC)
    road.sql(
        """
        UPDATE message SET sent_at = %s,
               state_at = CASE WHEN state = 'delivered' THEN %s ELSE state_at END
         WHERE campaign_id = %s AND sent_at IS NOT NULL
        """,
        at,
        at + timedelta(seconds=7),
        campaign,
    )
    road.sql(
        "UPDATE campaign SET started_at = %s, ended_at = %s WHERE id = %s",
        at,
        at + timedelta(seconds=30),
        campaign,
    )
    seen = figures_of(road, campaign)
    assert seen.counts == {"delivered": 1, "failed": 2, "sent": 1}
    assert (seen.segments, seen.segments_delivered) == (3, 1)
    assert seen.countries["+628"] == Counter(failed=1)
    assert seen.reasons == {"failed": {"UNDELIV, err 069": 1, "ESME_RINVMSGLEN": 1}}
    assert (seen.sent.total(), seen.delivered.total()) == (3, 1)
    assert {second % seen.moment_s for second in seen.sent} == {0}
    assert seen.latencies == {3: 1}  # 5 to 10 s
    assert seen.carriers == {"tui": Counter(delivered=1, failed=1, sent=1, segments=3)}
    road.sql(  # the books balance again
        "UPDATE message SET state = 'sent', reason = NULL WHERE id = %s", two.message_id
    )
