"""What a campaign meets that was not so when it was made: an empty list, a param that grew (R-2.2, R-3.7)."""

from __future__ import annotations

from tests.road import Road


def test_a_list_that_was_emptied_before_the_start(road: Road) -> None:
    """R-3.7: nobody gets it, and it doesn't hold up the next one."""
    first, second = road.planned(3), road.planned(1)
    road.sql(
        """
        UPDATE member SET deleted_at = now()
         WHERE list_id = (SELECT list_id FROM campaign WHERE id = %s)
        """,
        first,
    )
    for _ in range(3):
        road.step()
    assert road.campaign_state(first) == "completed"
    assert road.one("SELECT recipients FROM campaign WHERE id = %s", first) == 0
    assert road.campaign_state(second) == "running"


def test_a_param_that_makes_twelve_segments_of_one_fails_that_message_alone(road: Road) -> None:
    """R-2.2: it grew after the price was told; it is refused, with the reason, and never cut."""
    road.line()
    campaign = road.planned(3, text="%%1%%")
    road.sql(
        """
        UPDATE member SET params = ARRAY[repeat('x', 1800)]
         WHERE id = (SELECT min(m.id) FROM member m JOIN campaign c ON c.list_id = m.list_id
                      WHERE c.id = %s)
        """,
        campaign,
    )
    road.step()
    road.turn()
    failed, *others = road.messages(campaign)
    assert failed.state == "failed"
    reason = road.one("SELECT reason FROM message WHERE id = %s", failed.id)
    assert reason == "12 segments, at most 10 are allowed"
    assert [one.state for one in others] == ["launched", "launched"]
