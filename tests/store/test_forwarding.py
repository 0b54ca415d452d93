"""Replies to a list with an address go into the outbox with the MO, or not at all (R-6.8, R-8.3)."""

from __future__ import annotations

from typing import Any

import pytest

from engine import inbound
from engine.store.db import Tx
from tests.road import Road
from tests.store.test_deciding import MOBILE, campaign_to, deliver, take

TO = "sales@example.net"


@pytest.fixture(autouse=True)
def _nothing_waits(road: Road) -> None:
    road.sql("DELETE FROM outbox")


@pytest.fixture
def answered(road: Road) -> Road:
    """A list with an address, and a campaign to it that MOBILE can answer."""
    list_id = campaign_to(road, MOBILE)
    road.sql("UPDATE list SET email = %s WHERE id = %s", TO, list_id)
    return road


def mails(road: Road) -> list[tuple[Any, ...]]:
    """What is to be mailed: to whom, and the MO's text."""
    return road.all(
        """
        SELECT o.recipient, i.content
          FROM outbox o JOIN inbox i ON i.id = o.about_id AND i.application_id = o.application_id
         WHERE o.kind = 'forward' AND o.due_at <= now() AND o.attempts = 0
         ORDER BY o.id
        """
    )


def test_each_reply_of_a_batch_in_its_order(answered: Road) -> None:
    """R-6.8: and counted; what is no reply is not mailed."""
    batch = [deliver(text) for text in ("Yes", "No", "please stop", "STOP", "START")]
    _, done = take(answered, *batch, deliver("a stranger", source="64215550000"))
    assert mails(answered) == [(TO, "Yes"), (TO, "No"), (TO, "please stop")]
    assert done.effects["forwarded"] == 3


def test_a_list_without_an_address(road: Road) -> None:
    """R-6.8: nothing waits for anybody."""
    campaign_to(road, MOBILE)
    take(road, deliver("Yes"))
    assert road.one("SELECT count(*) FROM outbox") == 0


def test_a_redelivery_is_mailed_once(answered: Road) -> None:
    """R-5.10, R-6.8: it is stored once."""
    take(answered, deliver("Yes"), answered=False)
    take(answered, deliver("Yes"), answered=False)
    assert mails(answered) == [(TO, "Yes")]


def test_what_is_not_stored_is_not_mailed(answered: Road) -> None:
    """R-8.3: one transaction; the MO comes again, and then it is."""

    def fails(tx: Tx) -> None:
        inbound.store(tx, [deliver("Yes")], [], [])
        raise RuntimeError("the power fails")

    with pytest.raises(RuntimeError):
        answered.database.run(fails)
    assert mails(answered) == []
    take(answered, deliver("Yes"))
    assert mails(answered) == [(TO, "Yes")]
