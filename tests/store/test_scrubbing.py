"""Texts and numbers go when they are old enough, and nothing else does (R-9.3)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.operations import retention
from engine.store import outbox, scrubbing
from engine.store import settings as stored
from engine.store.db import Tx
from tests.road import Road

NOW = datetime(2031, 6, 1, 12, tzinfo=UTC)
OPEN = ("queued", "launched", "uncertain")


@pytest.fixture
def old(road: Road) -> Iterator[Road]:
    """A road with room for rows of a year ago; scrubbing begins anew."""
    for day in ("2030-05-30", "2031-05-01"):
        road.sql("SELECT ensure_partitions(%s::date, 4)", day)
    yield road
    for table in ("scrub", "scrub_later", "setting", "outbox", "blacklist"):
        road.sql(f"DELETE FROM {table}")


def message(road: Road, at: datetime, *, state: str = "delivered", app: str = "default") -> int:
    """A single message of that day."""
    return int(
        road.one(
            """
            INSERT INTO message (id, application_id, class, state, state_at, created_at, mobile,
                                 sender, text, params, reason)
            VALUES (first_id(day_of(%s)) + nextval('entity_n'), %s, 0, %s, %s, %s, '+64211234567',
                    '3774', 'Hello Anna', '{Anna}', 'DELIVRD')
            RETURNING id
            """,
            at,
            road.application(app),
            state,
            at,
            at,
        )
    )


def mo(road: Road, at: datetime, *, app: str | None = "default") -> int:
    """An MO of that day; `app` None: to a number that nobody owns."""
    return int(
        road.one(
            """
            INSERT INTO inbox (id, application_id, carrier_id, mobile, destination, received_at,
                               content, data_coding, params)
            VALUES (first_id(day_of(%s)) + nextval('entity_n'), %s, 1, '+64211234567', '3774', %s,
                    'who is this', 0, '{Anna}')
            RETURNING id
            """,
            at,
            None if app is None else road.application(app),
            at,
        )
    )


def tidy(road: Road, now: datetime = NOW) -> int:
    """All pieces of an hour; how many."""
    pieces = 0
    while road.database.run(retention.tidy, now):
        pieces += 1
        assert pieces < 100
    return pieces


def keep(road: Road, value: str, app: str = "default") -> None:
    road.database.run(stored.store, road.application(app), "retention.text", value)


def texts(road: Road) -> dict[int, tuple[Any, ...]]:
    return {row[0]: row[1:] for row in road.all("SELECT id, mobile, text, params FROM message")}


GONE = ("", None, None)
THERE = ("+64211234567", "Hello Anna", ["Anna"])
YEAR_AND_A_DAY = timedelta(days=366)


def test_texts_and_numbers_go_and_the_row_stays(old: Road) -> None:
    """R-9.3: after the application's time; state, times and ids stay, so reports count as before."""
    before = message(old, NOW - YEAR_AND_A_DAY)
    young = message(old, NOW - timedelta(days=30))
    [row] = old.all("SELECT * FROM message WHERE id = %s", before)
    tidy(old)
    assert texts(old) == {before: GONE, young: THERE}
    [after] = old.all("SELECT * FROM message WHERE id = %s", before)
    assert [was for was, now in zip(row, after, strict=True) if was != now] == [
        "+64211234567",
        ["Anna"],
        "Hello Anna",
    ]


@pytest.mark.parametrize(("days", "left"), [(366, 0), (30, 2)])
def test_recipients_of_an_ended_campaign_without_a_list_go_too(
    old: Road, days: int, left: int
) -> None:
    """R-9.3: of one that was made from another campaign's, its numbers stand in no list."""
    campaign = old.planned(
        from_campaign_id=1, state="completed", ended_at=NOW - timedelta(days=days)
    )
    for n in range(2):
        old.sql(
            "INSERT INTO campaign_recipient (campaign_id, id, mobile) VALUES (%s, %s, '+64211234567')",
            campaign,
            n,
        )
    tidy(old)
    assert old.one("SELECT count(*) FROM campaign_recipient") == left


def test_the_inbox_is_scrubbed_too_whoever_owns_it(old: Road) -> None:
    """R-9.3: what came in has texts and numbers, too."""
    owned, unowned = mo(old, NOW - YEAR_AND_A_DAY), mo(old, NOW - YEAR_AND_A_DAY, app=None)
    young = mo(old, NOW - timedelta(days=30))
    tidy(old)
    rows = {row[0]: row[1:] for row in old.all("SELECT id, mobile, content, params FROM inbox")}
    assert rows[owned] == rows[unowned] == ("", "", None)
    assert rows[young] == ("+64211234567", "who is this", ["Anna"])


def test_each_application_has_its_own_time(old: Road) -> None:
    """R-9.3: per application, and never when it says so."""
    keep(old, "7d")
    keep(old, "never", "other")
    quick, never, third = (
        message(old, NOW - timedelta(days=30), app=app) for app in ("default", "other", "third")
    )
    ancient = message(old, NOW - YEAR_AND_A_DAY, app="other")
    tidy(old)
    assert texts(old) == {quick: GONE, never: THERE, third: THERE, ancient: THERE}


def test_members_consent_and_the_blacklist_are_not_touched(old: Road) -> None:
    """R-9.3: list members are untouched; counters, consent and blacklist stay."""
    list_id = old.list_of(2)
    old.opt("out", "+64211234567", list_id)
    old.sql("INSERT INTO blacklist (mobile, origin, by) VALUES ('+64211234567', 'mo', 'x')")
    message(old, NOW - YEAR_AND_A_DAY)
    kept = [
        "SELECT * FROM member ORDER BY id",
        "SELECT * FROM consent ORDER BY id",
        "SELECT * FROM blacklist ORDER BY id",
        "SELECT * FROM tally ORDER BY 1, 2",
    ]
    before = [old.all(query) for query in kept]
    tidy(old, NOW + timedelta(days=3000))
    assert [old.all(query) for query in kept] == before


@pytest.mark.parametrize("state", OPEN)
def test_what_is_still_to_be_sent_waits_for_its_end(old: Road, state: str) -> None:
    """R-8.1, R-9.3: a message on its way keeps its number; it is scrubbed when it has ended."""
    waiting = message(old, NOW - YEAR_AND_A_DAY, state=state)
    done = message(old, NOW - YEAR_AND_A_DAY)
    tidy(old)
    assert texts(old) == {waiting: THERE, done: GONE}
    old.sql("UPDATE message SET state = 'expired' WHERE id = %s", waiting)
    tidy(old)
    assert texts(old)[waiting] == GONE
    assert old.all("SELECT * FROM scrub_later") == []


def test_it_goes_in_small_pieces_and_remembers_how_far_it_is(
    old: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-9.3: no long transaction; a kill loses a piece at most, and nothing is done twice."""
    monkeypatch.setattr(retention, "ROWS", 4)
    ids = [message(old, NOW - YEAR_AND_A_DAY, app=app) for app in ("default", "other") * 5]
    assert old.database.run(retention.tidy, NOW)
    assert sum(row == GONE for row in texts(old).values()) == 2  # it looked at four
    tidy(old)
    assert texts(old) == dict.fromkeys(ids, GONE)
    assert tidy(old) == 0
    late = message(old, NOW - timedelta(days=364))
    assert tidy(old, NOW + timedelta(days=2)) > 0
    assert texts(old)[late] == GONE


def test_two_nodes_do_not_wait_for_each_other(old: Road) -> None:
    """R-8.4: while one scrubs an application, another finds something else, or nothing."""
    message(old, NOW - YEAR_AND_A_DAY)

    def other(tx: Tx) -> bool:
        for application_id in scrubbing.marks(tx):
            assert scrubbing.hold(tx, application_id) is not None
        return old.database.run(retention.scrub, NOW, 10)

    old.database.run(retention.scrub, NOW, 10)  # the rows that are held are there
    assert old.database.run(other) is False


def test_what_was_deleted_and_reports_of_imports_go_too(old: Road) -> None:
    """Members of deleted lists whose deletion was cut short; reports after a month."""
    list_id = old.list_of(3)
    stays = old.list_of(2)
    old.sql("UPDATE list SET deleted_at = now() WHERE id = %s", list_id)

    def report(tx: Tx) -> None:
        outbox.report(tx, 1, "a@example.net", {})

    old.database.run(report)
    tidy(old, datetime.now(UTC))
    assert old.all("SELECT DISTINCT list_id FROM member") == [(stays,)]
    assert old.one("SELECT count(*) FROM outbox") == 1
    tidy(old, datetime.now(UTC) + timedelta(days=31))
    assert old.one("SELECT count(*) FROM outbox") == 0
