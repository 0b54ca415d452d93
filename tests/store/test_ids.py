"""Ids and partitions: (days since 1970) x 2^36 + n (design 14)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from engine.store import nodes
from engine.store.db import Database
from engine.store.ids import first_of_day
from tests.road import Road

DAY = timedelta(days=1)


def test_an_id_holds_its_day_and_stays_below_2_to_the_53(road: Road) -> None:
    """Design 14: JSON clients can hold it (R-7.1), until the year 2328."""
    ids = [one for (one,) in road.all("SELECT next_id() FROM generate_series(1, 100)")]
    today = road.one("SELECT day_of(now())")
    assert ids == sorted(set(ids))
    assert {one >> 36 for one in ids} == {today}
    assert max(ids) < 1 << 53
    assert road.one("SELECT first_id(day_of(timestamptz '2328-01-01')) < 1::bigint << 53")


@pytest.mark.parametrize(
    ("at", "day"),
    [
        ("1970-01-01 00:00:00+00", 0),
        ("2026-11-03 23:59:59.999999+00", 20760),
        ("2026-11-04 00:00:00+00", 20761),
        ("2026-11-04 12:59:59+13", 20760),
        ("1969-12-31 23:59:59+00", -1),
    ],
)
def test_days_are_those_of_utc(road: Road, at: str, day: int) -> None:
    """Whatever zone anybody is in: midnight is the same for all."""
    assert road.one("SELECT day_of(%s::timestamptz)", at) == day
    assert first_of_day(datetime.fromisoformat(at)) == road.one("SELECT first_id(%s)", day)


def test_the_last_id_of_a_day_and_the_first_of_the_next_lie_in_two_partitions(
    road: Road,
) -> None:
    """Across midnight nothing is lost between them; the counter goes on or begins anew."""
    today = road.one("SELECT day_of(now())")
    edges = [(today << 36) + 1, ((today + 1) << 36) - 1, (today + 1) << 36, ((today + 1) << 36) + 1]
    for one in edges:
        road.sql(
            """
            INSERT INTO message (id, application_id, class, state_at, created_at, mobile, sender)
            VALUES (%s, 1, 2, now(), now(), '+64211234567', '3774')
            """,
            one,
        )
    tables = road.all("SELECT tableoid::regclass::text FROM message ORDER BY id")
    names = [
        f"message_{datetime.fromtimestamp(day * 86400, UTC):%Y%m%d}" for day in (today, today + 1)
    ]
    assert tables == [(names[0],), (names[0],), (names[1],), (names[1],)]


def test_partitions_are_made_ahead(database: Database) -> None:
    """Design 14: today's and the next two days', of each table that grows; again makes none."""
    road = Road.open(database)
    start = datetime(2030, 3, 30, 23, 59, tzinfo=UTC)  # a change of the clocks somewhere
    road.database.run(nodes.housekeep, start)
    made = road.all(
        """
        SELECT relname FROM pg_class
         WHERE relispartition AND relkind = 'r' AND relname ~ '_2030' ORDER BY relname
        """
    )
    assert [name for (name,) in made] == [
        f"{table}_203003{day}" if day != "01" else f"{table}_20300401"
        for table in ("inbox", "message", "submission")
        for day in ("30", "31", "01")
    ]
    assert road.one("SELECT ensure_partitions('2030-03-30', 3)") == 0
    road.database.run(nodes.housekeep, start + DAY)
    assert road.one("SELECT count(*) FROM pg_class WHERE relname = 'message_20300402'") == 1


def test_a_fresh_database_can_take_messages_for_three_days(road: Road) -> None:
    """An engine that starts makes more; an import before that finds its place."""
    days = road.all(
        """
        SELECT first_id(day_of(now() + d * interval '1 day')) FROM generate_series(0, 2) AS d
        """
    )
    for (first,) in days:
        road.sql(
            """
            INSERT INTO inbox (id, carrier_id, mobile, destination, received_at, content,
                               data_coding)
            VALUES (%s, 1, '+64211234567', '3774', now(), '', 0)
            """,
            first + 1,
        )
    assert road.one("SELECT count(*) FROM inbox") == 3


def partitions(plan: list[tuple[str]]) -> set[str]:
    """The partitions of messages that a plan reads."""
    return {name for (line,) in plan for name in re.findall(r" on (message_\d{8})\b(?!_)", line)}


@pytest.mark.parametrize(
    "condition",
    [
        "id = {one}",
        "id = ANY ('{{{one},{two}}}'::bigint[])",
        "id BETWEEN {one} AND {two}",
        "id >= {one} AND id < {end}",
    ],
)
def test_a_query_by_id_reads_one_partition(road: Road, condition: str) -> None:
    """Design 14: pruned by the id alone."""
    first = road.one("SELECT first_id(day_of(now()))")
    where = condition.format(one=first + 5, two=first + 9, end=first + (1 << 36))
    with psycopg.connect(road.database.url) as connection:
        plan = connection.execute(f"EXPLAIN SELECT FROM message WHERE {where}".encode()).fetchall()
    assert len(partitions(plan)) == 1, plan


def test_what_is_planned_without_values_is_pruned_by_a_range_when_it_runs(road: Road) -> None:
    """A turn's statements are prepared. (By `= ANY` alone they look into each partition's index.)"""
    first = road.one("SELECT first_id(day_of(now()))")
    with psycopg.connect(road.database.url) as connection:
        connection.execute("SET plan_cache_mode = force_generic_plan")
        connection.execute(
            "PREPARE ids (bigint, bigint) AS SELECT FROM message WHERE id BETWEEN $1 AND $2"
        )
        plan = connection.execute(
            f"EXPLAIN (ANALYZE) EXECUTE ids ({first}, {first + 9})".encode()
        ).fetchall()
    assert len(partitions(plan)) == 1, plan
    assert any("Subplans Removed: 2" in line for (line,) in plan)
