"""What is due to an endpoint is claimed in order, and its results are written in sets (R-7.4, R-8.3)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import psycopg
import pytest

from engine import clock
from engine.domain.callback import Kind
from engine.store import callbacks, posting
from engine.store.callbacks import Setting
from engine.store.db import Database
from engine.store.posting import Event, Failed, Later, Parked, Results
from tests.road import Road
from tests.store.test_plans import Watched


def endpoint(road: Road) -> int:
    """An endpoint for receipts."""
    to = Setting(url="http://example.com/")
    road.database.run(callbacks.put, road.application(), Kind.RECEIPT, to)
    return int(road.one("SELECT id FROM endpoint WHERE off_at IS NULL"))


def happened(road: Road, *messages: int) -> list[int]:
    """An event of each, in this order; their numbers."""
    road.sql("SELECT 1")
    found = []
    for message in messages:
        found.append(
            int(
                road.one(
                    """
                    INSERT INTO outbox (kind, application_id, endpoint_id, about_id, campaign_id,
                                        mobile, status, status_at, due_at)
                    SELECT 'receipt', application_id, id, %s, 7, '+64211234567', 'sent', now(),
                           clock_timestamp()
                      FROM endpoint RETURNING id
                    """,
                    message,
                )
            )
        )
    return found


def claim(road: Road, endpoint_id: int, now: datetime, limit: int = 10) -> list[Event]:
    events = road.database.run(posting.claim, endpoint_id, Kind.RECEIPT, 1, now, limit)
    assert events is not None
    return events


def test_an_event_is_behind_an_older_one_of_its_message_that_failed(road: Road) -> None:
    """R-7.4: also one that comes later; those of other messages are not."""
    to = endpoint(road)
    first, second, other = happened(road, 1, 1, 2)
    now = clock.utc_now()
    later = now + timedelta(minutes=5)
    road.database.run(posting.write, Results(failed=[Failed(first, "503 x", later)]), now)
    [third] = happened(road, 1)
    found = {event.id: event.behind for event in claim(road, to, clock.utc_now())}
    assert found == {second: later, other: None, third: later}
    road.database.run(
        posting.write, Results(later=[Later(second, later), Later(third, later)]), now
    )
    assert [event.id for event in claim(road, to, clock.utc_now())] == [other]
    due = claim(road, to, later)
    assert [event.id for event in due] == [other, first, second, third]
    assert [event.attempts for event in due] == [0, 1, 0, 0]
    assert due[1].first_at == now


def test_results_are_written_each_as_it_is_and_twice_is_once(road: Road) -> None:
    """R-8.3: a COMMIT whose outcome is unknown is repeated."""
    to = endpoint(road)
    done, failed, parked, untouched = happened(road, 1, 2, 3, 4)
    now = clock.utc_now()
    results = Results(
        done=[done],
        failed=[Failed(failed, 'said "no", \\ and {}', now + timedelta(minutes=5))],
        parked=[Parked(parked, "422 Unprocessable")],
    )
    road.database.run(posting.write, results, now)
    road.database.run(posting.write, results, now)
    assert [event.id for event in claim(road, to, clock.utc_now())] == [untouched]
    [(error,)] = road.all("SELECT last_error FROM outbox WHERE id = %s", failed)
    assert error == 'said "no", \\ and {}'
    [dead] = road.all(
        "SELECT id, about_id, mobile, status, attempts, reason, campaign_id FROM outbox_dead"
    )
    assert dead == (parked, 3, "+64211234567", "sent", 1, "422 Unprocessable", 7)
    road.sql("DELETE FROM outbox_dead")


def test_an_endpoint_is_told_by_one_holder_at_a_time(road: Road) -> None:
    """R-8.4: the lease is renewed by a claim, given back at an end, and runs out by itself."""
    to, now = endpoint(road), clock.utc_now()
    run = road.database.run
    assert run(posting.claim, to, Kind.RECEIPT, 1, now, 10) == []
    assert run(posting.claim, to, Kind.RECEIPT, 2, now, 10) is None
    run(posting.let_go, [to], 1)
    assert run(posting.claim, to, Kind.RECEIPT, 2, now, 10) == []
    assert run(posting.claim, to, Kind.RECEIPT, 1, now + posting.LEASE, 10) == []
    run(posting.let_go, [to], 1)


@pytest.mark.parametrize("statistics", ["none", "fresh"])
def test_a_claim_reads_no_more_of_a_long_outbox_than_it_takes(
    database: Database, statistics: str
) -> None:
    """Design 7: amid 60,000 events of three endpoints, of which some were tried."""
    database.run(
        lambda tx: tx.execute(
            """
            INSERT INTO outbox (kind, application_id, endpoint_id, about_id, mobile, status,
                                status_at, attempts, due_at)
            SELECT 'receipt', 1, 1 + n % 3, n / 6, '+64211234567', 'sent', now(),
                   (n % 50 = 0)::int, now() - interval '1 h' + n * interval '10 ms'
              FROM generate_series(1, 60000) AS n
            """
        )
    )
    if statistics == "fresh":
        with psycopg.connect(database.url, autocommit=True) as connection:
            connection.execute("ANALYZE outbox")
    watched = Watched(database)
    events = watched.run(posting.claim, 2, Kind.RECEIPT, 1, clock.utc_now(), 500)
    assert len(events) == 500
    [one] = [one for one in watched.seen if "claim" not in one.where and "outbox o" in one.plan]
    assert re.search(r"Index Scan using outbox_due on outbox o\b", one.plan), one.plan
    assert re.search(r"outbox_tried on outbox t\b", one.plan), one.plan
    assert "Seq Scan" not in one.plan, one.plan
    assert not re.search(r"Sort Key: o\.", one.plan), one.plan
