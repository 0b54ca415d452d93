"""What `siaran top` reads: what is open, what came in, what waits (R-7.9)."""

from __future__ import annotations

from datetime import timedelta

from engine import clock
from engine.store import control, overview
from engine.store.control import BindRow
from tests.road import Road, all_ok


def test_open_campaigns_are_there_with_their_counts(road: Road) -> None:
    """Those that send first; what is scheduled for later or over is not."""
    road.planned(2, at=clock.utc_now() + timedelta(hours=1))
    line = road.line()
    over = road.campaign(1)
    road.turn()
    road.settle(*all_ok(line))
    road.step()
    assert road.campaign_state(over) == "completed"
    running, waiting = road.planned(3), road.planned(1)
    road.step()
    road.single()
    found = road.database.run(overview.campaigns, clock.utc_now())
    assert [(one.id, one.state.value, one.queued) for one in found] == [
        (running, "running", 3),
        (waiting, "waiting", 0),
    ]
    assert road.database.run(overview.singles) == 1
    road.turn()
    found = road.database.run(overview.campaigns, clock.utc_now())
    assert [(one.queued, one.in_flight) for one in found] == [(0, 3), (0, 0)]


def test_what_came_in_lately_is_counted_by_its_meaning(road: Road) -> None:
    """Of the last minute, and of nothing else."""
    now = clock.utc_now()
    road.sql(
        """
        INSERT INTO inbox (id, application_id, carrier_id, mobile, destination, received_at,
                           content, data_coding, meaning)
        SELECT next_id(), 1, 1, '+64211', '3774', %s - age, 'x', 0, meaning
          FROM (VALUES ('reply', interval '1 s'), ('reply', interval '59 s'),
                       ('opt-out', interval '2 s'), ('reply', interval '61 s')) AS v (meaning, age)
        """,
        now,
    )
    assert road.database.run(overview.inbound, now) == {"reply": 2, "opt-out": 1}
    road.sql("DELETE FROM inbox")


def test_what_waits_to_be_told_is_counted_by_application_and_kind(road: Road) -> None:
    now = clock.utc_now()
    road.sql(
        """
        INSERT INTO outbox (kind, application_id, recipient, created_at, attempts)
        SELECT 'forward', a.id, 'x@example.net', %s - n * interval '1 min', n
          FROM application a, generate_series(0, 2) AS n WHERE a.name = 'default'
        """,
        now,
    )
    [told] = road.database.run(overview.outbox)
    assert (told.application, told.kind, told.waiting, told.attempts) == (
        "default",
        "forward",
        3,
        2,
    )
    assert told.oldest_at == now - timedelta(minutes=2)
    assert road.database.run(overview.dead) == 0
    road.sql("DELETE FROM outbox")


def test_a_bind_says_how_often_it_was_throttled(road: Road) -> None:
    """As its engine writes it, and again when that has changed."""
    node = road.one("SELECT id FROM node LIMIT 1")
    carrier = road.line().carrier_id
    row = BindRow("tui-1", carrier, "transceiver", "bound", clock.utc_now(), None, 10, 3, 5.0, 9.0,
                  None, 0)  # fmt: skip
    for throttles in (0, 7):
        road.database.run(control.write_binds, node, [row._replace(throttles=throttles)])
        [shown] = road.database.run(control.binds, clock.utc_now())
        assert (shown.throttles, shown.outstanding) == (throttles, 3)
    road.database.run(control.write_binds, node, [])
