"""Days that are older than rows are kept are dropped, and nothing that is still needed (R-9.3)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest
import trio

from engine import clock, expiry, log
from engine.gateway.turn import Answer
from engine.operations import expiry as operations
from engine.store import expiry as store
from engine.store.db import Database
from engine.store.expiry import first_id, first_kept
from tests.road import Road, all_ok

OLD = date(2020, 5, 1)
"""Older than anything is kept."""

KEPT = 400


@pytest.fixture
def old(database: Database) -> Iterator[Road]:
    """A road with two days of years ago, in a database of its own: tables are dropped."""
    road = Road.open(database)
    road.sql("SELECT ensure_partitions(%s, 2)", OLD)
    yield road
    road.sql("DELETE FROM campaign")


def message(
    road: Road, n: int = 1, *, state: str = "delivered", campaign: int | None = None
) -> int:
    """A message of two segments of that day; its id."""
    message_id = first_id(OLD) + n
    road.sql(
        """
        INSERT INTO message (id, application_id, campaign_id, class, state, state_at, created_at,
                             mobile, sender, total, accepted, delivered)
        VALUES (%s, %s, %s, 2, %s, now(), now(), '+64211234567', '3774', 2, 3, 1)
        """,
        message_id,
        road.application(),
        campaign,
        state,
    )
    road.sql(
        """
        INSERT INTO submission (message_id, segment, attempt, carrier_id, smsc_id, at)
        VALUES (%s, 1, 1, 1, 'x', now())
        """,
        message_id,
    )
    return message_id


def mo(road: Road, n: int = 1, *, campaign: int | None = None) -> int:
    """An MO of that day; its id."""
    inbox_id = first_id(OLD) + n
    road.sql(
        """
        INSERT INTO inbox (id, application_id, campaign_id, carrier_id, mobile, destination,
                           received_at, content, data_coding)
        VALUES (%s, %s, %s, 1, '+64211234567', '3774', now(), 'who is this', 0)
        """,
        inbox_id,
        road.application(),
        campaign,
    )
    return inbox_id


def expire(road: Road, days: int = KEPT) -> dict[date, str]:
    """What the engine does in an hour."""
    return trio.run(expiry.expire, road.database, days)


def tables(road: Road, day: date = OLD) -> list[str]:
    """Those of a day that are there."""
    return [one.table for one in road.database.run(store.partitions) if one.day == day]


def past(road: Road) -> dict[tuple[int | None, str, str], int]:
    rows = road.all("SELECT campaign_id, what, key, sum(n)::int FROM past GROUP BY 1, 2, 3")
    return {(campaign, what, key): n for campaign, what, key, n in rows}


@pytest.mark.parametrize(
    ("now", "days", "first"),
    [
        ("2026-11-25 00:00:00+00:00", 7, "2026-11-18"),
        ("2026-11-24 23:59:59+00:00", 7, "2026-11-17"),
        ("2026-11-25 12:59:00+13:00", 7, "2026-11-17"),  # it is the 24th in UTC
        ("2026-03-01 12:00:00+00:00", 400, "2025-01-25"),
        ("2026-11-25 12:00:00+00:00", 36_500, "1926-12-20"),
    ],
)
def test_a_day_is_over_when_its_last_row_is_old_enough(now: str, days: int, first: str) -> None:
    """R-9.3: no row is younger than it says; days are those of UTC."""
    assert first_kept(datetime.fromisoformat(now), days) == date.fromisoformat(first)


def test_old_days_go_and_young_ones_stay(old: Road) -> None:
    """R-9.3: messages, what the SMSC called them, and the inbox, a day at a time."""
    message(old)
    mo(old)
    young = old.single()
    assert expire(old) == {}
    assert tables(old) == tables(old, OLD + timedelta(days=1)) == []
    assert old.all("SELECT id FROM message") == [(young,)]
    assert tables(old, clock.utc_now().date()) == ["submission", "message", "inbox"]


def test_what_reports_count_stays(old: Road) -> None:
    """R-9.3: reports go on from counters; each row is counted once, there or here."""
    campaign = old.planned()
    for n, state in enumerate(["delivered", "delivered", "failed", "sent"]):
        message(old, n, state=state, campaign=campaign)
    message(old, 10, state="expired")
    for n in (1, 3):  # the same recipient twice
        mo(old, n, campaign=campaign)
    old.sql("UPDATE inbox SET meaning = 'opt-out', message_id = 7")
    mo(old, 2)
    old.sql("INSERT INTO tally (campaign_id, state, n) VALUES (%s, 'delivered', 2)", campaign)
    assert expire(old) == {}
    assert past(old) == {
        (campaign, "message", "delivered"): 2,
        (campaign, "message", "failed"): 1,
        (campaign, "message", "sent"): 1,
        (campaign, "segment", "accepted"): 8,
        (campaign, "segment", "delivered"): 4,
        (campaign, "mo", "opt-out"): 2,
        (campaign, "opt-out", ""): 1,
        (None, "message", "expired"): 1,
        (None, "segment", "accepted"): 2,
        (None, "segment", "delivered"): 1,
        (None, "mo", ""): 1,
    }
    assert old.one("SELECT n FROM tally WHERE campaign_id = %s", campaign) == 2
    assert old.all("SELECT DISTINCT day FROM past") == [(OLD,)]


@pytest.mark.parametrize("state", ["queued", "launched", "uncertain"])
def test_a_day_with_a_message_that_has_not_ended_waits(old: Road, state: str) -> None:
    """R-8.1: nothing accepted is lost, also what no list of what is to be done names."""
    message_id = message(old, state=state)
    mo(old)
    assert expire(old) == {OLD: "messages that have not ended"}
    assert tables(old) == ["submission", "message", "inbox"]
    assert past(old) == {}
    assert tables(old, OLD + timedelta(days=1)) == [], "the next day has nothing to do with it"
    old.sql("UPDATE message SET state = 'cancelled' WHERE id = %s", message_id)
    assert expire(old) == {}
    assert tables(old) == []


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        (
            "INSERT INTO due (message_id, class, due_at) VALUES ({id}, 0, now())",
            "messages to be sent",
        ),
        (
            (
                "INSERT INTO feed (application_id, campaign_id, next_id, last_id)"
                " VALUES (1, 1, {id}, {id} + 5)"
            ),
            "messages to be sent",
        ),
        (
            "INSERT INTO flight (node_id, epoch, turn, message_ids) VALUES (99, 1, 1, '{{{id}}}')",
            "messages without an answer",
        ),
        (
            "INSERT INTO held (message_id, application_id, at) VALUES ({id}, 1, now())",
            "held messages",
        ),
        (
            (
                "INSERT INTO outbox (kind, application_id, recipient, about_id)"
                " VALUES ('forward', 1, 'anna@example.net', {id})"
            ),
            "mails or callbacks that wait",
        ),
        (
            (
                "INSERT INTO outbox_dead (id, kind, application_id, recipient, about_id, payload,"
                " created_at, attempts, died_at, reason)"
                " VALUES (1, 'forward', 1, 'anna@example.net', {id}, '{{}}', now(), 1, now(), 'no')"
            ),
            "mails or callbacks that could not be told",
        ),
    ],
)
def test_a_day_that_somebody_needs_waits(old: Road, statement: str, why: str) -> None:
    """R-8.1, R-8.3: what is to be sent or told; a person reads why in `siaran db days`."""
    message_id = message(old)
    old.sql(statement.format(id=message_id))
    assert expire(old) == {OLD: why}
    assert tables(old) == ["submission", "message", "inbox"]
    found = {one.day: one for one in old.database.run(operations.days, clock.utc_now(), KEPT)}
    assert found[OLD].waits == why
    table = statement.split()[2]
    old.sql(f"DELETE FROM {table}")
    assert expire(old) == {}
    assert tables(old) == []


def test_a_table_that_is_in_use_stays_and_turns_go_on(
    old: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dump reads for hours: what has to wait is the drop, never a turn."""
    monkeypatch.setattr(expiry, "TRY_AGAIN_S", 0.01)
    message(old)
    line = old.line()
    with psycopg.connect(old.database.url) as reader:
        reader.execute("SELECT count(*) FROM submission")  # its lock lasts until the end
        waits = expire(old)
        assert set(waits) == {OLD, OLD + timedelta(days=1)}
        assert waits[OLD] == "somebody uses the table submission"
        assert tables(old) == ["submission", "message", "inbox"]
        old.single()
        old.turn()
        assert len(line.wire) == 1
    assert expire(old) == {}
    assert tables(old) == []
    old.settle(*all_ok(line))


def test_turns_run_while_days_are_dropped(old: Road) -> None:
    """R-9.3 beside R-8.1: engines launch and settle, and notice a lock of a moment at most."""
    old.sql("SELECT ensure_partitions(%s, 20)", OLD)
    campaign = old.campaign(300)
    line = old.line(window=10)

    def send() -> None:
        answers: list[Answer] = []
        while old.turn(answers).launched or answers:
            answers = all_ok(line)

    async def both() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(expiry.expire, old.database, KEPT)
            nursery.start_soon(trio.to_thread.run_sync, send)

    trio.run(both)
    assert old.states(campaign) == {"sent": 300}
    assert tables(old) == []


def test_a_day_that_waits_is_told_once_and_counted_each_hour(
    old: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-9.3: an operator reads why in the log, and is not told the same every hour."""
    message(old, state="queued")
    told: list[tuple[str, object]] = []
    counted: list[int] = []
    monkeypatch.setattr(expiry, "EVERY_S", 0.0)
    monkeypatch.setattr(log, "warning", lambda event, **fields: told.append((event, fields["why"])))

    async def hours() -> None:
        async with trio.open_nursery() as nursery:

            def waiting(days: int) -> None:
                counted.append(days)
                if len(counted) == 3:
                    nursery.cancel_scope.cancel()

            nursery.start_soon(expiry.run, old.database, waiting, lambda: KEPT)

    trio.run(hours)
    assert counted == [1, 1, 1]
    assert told == [("retention.waits", "messages that have not ended")]


def test_two_nodes_drop_a_day_once(old: Road) -> None:
    """Each of them has looked through it; what stood in it is written down by one."""
    message(old)
    page = old.database.run(operations.look, "message", OLD, None)
    assert old.database.run(operations.drop, OLD, "message", page.counts) is True
    assert old.database.run(operations.drop, OLD, "message", page.counts) is False
    assert past(old)[None, "message", "delivered"] == 1


def test_a_page_goes_on_where_the_last_one_ended(
    old: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day of millions is looked through in short transactions."""
    monkeypatch.setattr(operations, "ROWS", 2)
    for n in range(5):
        message(old, n)
    assert expire(old) == {}
    assert past(old)[None, "message", "delivered"] == 5


def test_a_person_sees_what_there_is(old: Road) -> None:
    """`siaran db days`: each day's rows, its size, and when it goes."""
    message(old)
    old.sql("ANALYZE message")
    found = old.database.run(operations.days, datetime(2026, 11, 25, tzinfo=UTC), KEPT)
    assert [one.day for one in found][:2] == [OLD, OLD + timedelta(days=1)]
    assert (found[0].messages, found[0].waits) == (1, None)
    assert found[0].size_bytes > 8192
    assert found[0].goes_on == OLD + timedelta(days=KEPT + 1)
