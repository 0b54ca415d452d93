"""MO in the database: each once, long ones whole, whatever comes in whatever order (R-5.9, R-5.10)."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import psycopg
import pytest

from engine import clock
from engine.domain.parts import GAP, TIMEOUT_S, Part, Piece
from engine.store import inbox, nodes
from engine.store.db import Tx
from engine.store.inbox import Meant, Mo, Placed, Taken
from tests.road import Road


def mo(
    text: str = "YES",
    part: tuple[int, int] | None = None,
    *,
    reference: int = 7,
    mobile: str = "+64211234567",
    session_id: int = 1,
) -> Mo:
    """An MO, or part (number, total) of one."""
    octets = text.encode()
    digest = repr((text, part, reference, mobile)).encode()[:64]
    piece = Piece(octets, 3, "gsm", b"")
    return Mo(
        1,
        session_id,
        mobile,
        "3774",
        piece,
        digest,
        None if part is None else Part(reference, *part),
    )


def take(road: Road, *batch: Mo, answered: bool = True, now: datetime | None = None) -> Taken:
    """A batch, stored and answered."""
    at = now or clock.utc_now()
    taken = road.database.run(inbox.take, batch, at)
    road.database.run(write, taken.new, at)
    if answered:
        road.database.run(inbox.mark_answered, taken.seen)
    return taken


def write(tx: Tx, new: list[Placed], now: datetime) -> list[Placed]:
    """To the inbox, taken for nothing."""
    inbox.write(tx, new, {one.id: Meant() for one in new}, now)
    return new


def overdue(road: Road, now: datetime) -> list[Placed]:
    """What has waited too long for its other parts, written to the inbox."""
    return road.database.run(lambda tx: write(tx, inbox.overdue(tx, now), now))


def rows(road: Road) -> list[tuple[str, int, int]]:
    """Texts, how many parts there are, and of how many."""
    return road.all("SELECT content, parts, parts_of FROM inbox ORDER BY id")


def session(road: Road) -> int:
    return road.database.run(nodes.open_session, road.node.node_id, road.node.epoch, 1, "tui-1")


# ---------------------------------------------------------------- once


def test_a_second_yes_is_a_second_message(road: Road) -> None:
    """R-5.10: answered, on a session that stands."""
    number = session(road)
    for _ in range(2):
        take(road, mo(session_id=number))
    assert rows(road) == [("YES", 1, 1)] * 2


def test_what_was_not_answered_is_known_again(road: Road) -> None:
    """R-5.10: on any session; also within one batch."""
    number = session(road)
    taken = take(road, mo(session_id=number), mo(session_id=number), answered=False)
    assert (len(taken.new), taken.redelivered) == (1, 1)
    taken = take(road, mo(session_id=session(road)), answered=False)
    assert (len(taken.new), taken.redelivered) == (0, 1)
    assert rows(road) == [("YES", 1, 1)]


@pytest.mark.parametrize(("minutes", "stored"), [(14, 1), (16, 2)])
def test_what_comes_again_after_its_session_fell(road: Road, minutes: int, stored: int) -> None:
    """R-5.10: within 15 minutes."""
    number = session(road)
    now = clock.utc_now()
    take(road, mo(session_id=number), now=now)
    road.database.run(nodes.close_sessions, [(number, "cut")], now)
    take(road, mo(session_id=session(road)), now=now + timedelta(minutes=minutes))
    assert len(rows(road)) == stored


def test_one_that_two_nodes_read_at_once_is_stored_once(road: Road) -> None:
    """R-5.10: the second waits for the first one's commit, and then knows it."""
    number = session(road)
    one, other = mo(session_id=number), mo("NO", session_id=number)
    with psycopg.connect(road.database.url) as first, psycopg.connect(road.database.url) as second:
        write(first, inbox.take(first, [one, other], clock.utc_now()).new, clock.utc_now())
        second.execute("SET lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            inbox.take(second, [other, one], clock.utc_now())
        second.rollback()
        first.commit()
        taken = inbox.take(second, [other, one], clock.utc_now())
        second.commit()
    assert (taken.new, taken.redelivered) == ([], 2)
    assert len(rows(road)) == 2


def test_it_is_tied_to_the_latest_message_to_its_number(road: Road) -> None:
    """R-6.2: in one batch, each to its own."""
    campaign = road.campaign(3)
    road.line()
    road.turn()
    mobiles = [one.mobile for one in road.messages(campaign)]
    taken = take(road, *(mo(mobile=mobile) for mobile in mobiles), mo(mobile="+64299999999"))
    found = road.all(
        "SELECT i.campaign_id, m.mobile = i.mobile FROM inbox i"
        " LEFT JOIN message m ON m.id = i.message_id WHERE i.id = ANY (%s) ORDER BY i.id",
        [one.id for one in taken.new],
    )
    assert found == [(campaign, True)] * 3 + [(None, None)]


def test_a_text_of_60_kb_is_kept_whole(road: Road) -> None:
    """R-5.9: message_payload has no limit but the PDU's."""
    take(road, mo("x" * 60_000 + "\x1f\x1e end"))
    [(content, _, _)] = rows(road)
    assert (len(content), content[-6:]) == (60_006, "\x1f\x1e end")


# ---------------------------------------------------------------- in parts


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2), (2, 3, 1)])
@pytest.mark.parametrize("together", [True, False])
def test_parts_come_in_any_order(road: Road, order: tuple[int, ...], together: bool) -> None:
    """R-5.9: in one read, or over restarts: what waits is in the database."""
    batch = [mo("abc"[n - 1], (n, 3)) for n in order]
    if together:
        take(road, *batch)
    else:
        for one in batch:
            assert rows(road) == []
            take(road, one)
            road.restart()
    assert rows(road) == [("abc", 3, 3)]
    assert road.all("SELECT FROM mo_part") == []


def test_many_messages_interleaved_are_told_apart(road: Road) -> None:
    """R-5.9: by sender, reference and where that stood; shuffled, in batches of any size."""
    chance = random.Random(1)
    texts = {
        (f"+6421{sender:07}", reference): [f"{sender}-{reference}-{n} " for n in (1, 2, 3)]
        for sender in range(20)
        for reference in range(5)
    }
    batch = [
        mo(text, (n, 3), mobile=mobile, reference=reference)
        for (mobile, reference), whole in texts.items()
        for n, text in enumerate(whole, 1)
    ]
    chance.shuffle(batch)
    while batch:
        size = chance.randint(1, 40)
        take(road, *batch[:size])
        batch = batch[size:]
    assert sorted(rows(road)) == sorted(("".join(whole), 3, 3) for whole in texts.values())
    assert road.all("SELECT FROM mo_part") == []


def test_a_duplicate_part_changes_nothing(road: Road) -> None:
    """R-5.9: answered, on a session that stands, so that it is no redelivery."""
    number = session(road)
    for _ in range(3):
        take(road, mo("a", (1, 2), session_id=number))
    assert road.one("SELECT count(*) FROM mo_part") == 1
    take(road, mo("b", (2, 2), session_id=number))
    assert rows(road) == [("ab", 2, 2)]


def test_parts_that_contradict_each_other_are_several_messages(road: Road) -> None:
    """R-5.9: the same part with another text, another total; nothing is mixed."""
    take(road, mo("a", (1, 2)), mo("X", (1, 2)), mo("1", (1, 3)))
    take(road, mo("Y", (2, 2)), mo("2", (2, 3)))
    assert rows(road) == [("XY", 2, 2)]
    take(road, mo("b", (2, 2)), mo("3", (3, 3)))
    assert rows(road)[1:] == [("ab", 2, 2), ("123", 3, 3)]


@pytest.mark.parametrize("part", [(0, 3), (5, 3), (1, 0), (255, 254)])
def test_a_part_that_can_not_be_stands_alone(road: Road, part: tuple[int, int]) -> None:
    """R-5.9: its text is not lost, and it is marked as no whole message."""
    take(road, mo("a", part))
    assert rows(road) == [("a", 1, max(part[1], 1))]


def test_what_never_becomes_whole_is_stored_as_far_as_it_came(road: Road) -> None:
    """R-5.9: 15 minutes after its newest part; a late one is another fragment."""
    now = clock.utc_now()
    take(road, mo("a", (1, 4)), now=now)
    take(road, mo("c", (3, 4)), now=now + timedelta(minutes=10))
    wait = timedelta(minutes=10, seconds=TIMEOUT_S)
    assert overdue(road, now + wait - timedelta(seconds=1)) == []
    assert len(overdue(road, now + wait)) == 1
    assert rows(road) == [(f"a{GAP}c{GAP}", 2, 4)]
    assert road.all("SELECT FROM mo_part") == []
    take(road, mo("d", (4, 4)), now=now + wait)
    overdue(road, now + wait + wait)
    assert rows(road)[1:] == [(f"{GAP}d", 1, 4)]


def test_a_stray_duplicate_of_a_whole_message_is_forgotten(road: Road) -> None:
    """R-5.9: its text is there already, so that nothing is lost."""
    number, now = session(road), clock.utc_now()
    take(road, mo("a ", (1, 2), session_id=number), mo("b", (2, 2), session_id=number), now=now)
    take(road, mo("b", (2, 2), session_id=number), now=now)
    assert road.one("SELECT count(*) FROM mo_part") == 1
    assert overdue(road, now + timedelta(seconds=TIMEOUT_S)) == []
    assert rows(road) == [("a b", 2, 2)]


def test_a_part_that_comes_again_because_its_answer_was_lost(road: Road) -> None:
    """R-5.10: is no part of another message, even when its own is whole already."""
    batch = [mo("a", (1, 2)), mo("b", (2, 2))]
    take(road, *batch, answered=False)
    taken = take(road, *batch)
    assert (taken.redelivered, taken.waiting) == (2, 0)
    assert rows(road) == [("ab", 2, 2)]
    assert road.all("SELECT FROM mo_part") == []
