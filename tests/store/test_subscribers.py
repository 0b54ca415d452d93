"""A batch of MO is decided about in the order in which it came (R-6)."""

from __future__ import annotations

from engine import clock, inbound
from engine.domain.parts import Piece
from engine.store import inbox
from engine.store.db import Tx
from engine.store.inbox import Mo
from tests.road import Road

MOBILE = "+64211234567"


def take(road: Road, *texts: str, mobile: str = MOBILE) -> bool:
    """One batch from a number; whether something answers it."""

    def store(tx: Tx) -> bool:
        now = clock.utc_now()
        mos = [
            Mo(1, 1, mobile, "3774", Piece(text.encode(), 0, "gsm", b""), bytes([n]) * 16)
            for n, text in enumerate(texts)
        ]
        return bool(inbound.decide_about(tx, inbox.take(tx, mos, now).new, now).responses)

    return road.database.run(store)


def respond(road: Road, kind: str, text: str) -> None:
    road.sql(
        "INSERT INTO response (application_id, kind, text) VALUES (%s, %s, %s)",
        road.application(),
        kind,
        text,
    )


def sent(road: Road) -> list[str]:
    """The auto-responses, in their order."""
    return [text for (text,) in road.all("SELECT text FROM message WHERE class = 0 ORDER BY id")]


def test_the_second_stop_of_a_batch_is_not_confirmed(road: Road) -> None:
    """R-6.5: once; and a START after it is heard."""
    respond(road, "optout", "You are out")
    respond(road, "optin", "Welcome back")
    assert take(road, "STOP", "stop", "START")
    assert sent(road) == ["You are out", "Welcome back"]
    assert road.one("SELECT count(*) FROM blacklist") == 0
    meanings = road.all("SELECT meaning, response_id IS NOT NULL FROM inbox ORDER BY id")
    assert meanings == [("opt-out", True), ("opt-out", False), ("resume", True)]


def test_no_batch_gets_more_answers_than_an_hour_allows(road: Road) -> None:
    """R-6.5: responses.per_hour, within a batch and over two."""
    respond(road, "general", "Thank you")
    assert take(road, *map(str, range(4)))
    road.sql("DELETE FROM mo_seen")
    assert take(road, *map(str, range(4)))
    assert len(sent(road)) == 5
    road.sql("UPDATE auto_response SET at = at - interval '61 min'")
    road.sql("DELETE FROM mo_seen")
    assert take(road, "again")
    assert len(sent(road)) == 6


def test_nothing_is_answered_or_done_for_who_is_no_subscriber(road: Road) -> None:
    """R-6.5: names, short codes, numbers of ours."""
    respond(road, "general", "Thank you")
    for mobile in ("BANK", "3774", "12345"):
        assert not take(road, "STOP", "hello", mobile=mobile)
        road.sql("DELETE FROM mo_seen")
    assert sent(road) == []
    assert road.one("SELECT count(*) FROM blacklist") == 0
