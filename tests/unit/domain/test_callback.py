"""What is told of a message, in which order and in which octets (R-7.1, R-7.2)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import product

import pytest

from engine.domain.callback import ENDS, STATUS, Events, Receipt, Reply, Status, event, wanted
from engine.domain.message import FINAL, MessageState

AT = datetime(2020, 7, 30, 1, 7, 47, 481_999, tzinfo=UTC)
Q, L, S, D, F, R, E, U, C, K = MessageState


@pytest.mark.parametrize(
    ("reply", "body"),
    [
        (
            Reply(
                id=1_241_581_207,
                source="+64220297056",
                destination="3774",
                content="TEST",
                reply_to=None,
                campaign_id=None,
            ),
            (
                '{"id":1241581207,"message-id":1241581207,"source":"+64220297056","destination":"3774",'
                '"content":"TEST"}'
            ),
        ),
        (
            Reply(
                id=1_241_581_207,
                source="+64220297056",
                destination="3774",
                content='Ja, "bitte" €😀\n',
                reply_to=525_124_309,
                campaign_id=142_329,
            ),
            (
                '{"id":1241581207,"message-id":1241581207,"source":"+64220297056","destination":"3774",'
                '"content":"Ja, \\"bitte\\" €😀\\n","reply-to":525124309,"campaign-id":142329}'
            ),
        ),
        (
            Reply(
                id=2**53 - 1,
                source="TAXI",
                destination="3774",
                content="",
                reply_to=7,
                campaign_id=None,
            ),
            (
                '{"id":9007199254740991,"message-id":9007199254740991,"source":"TAXI",'
                '"destination":"3774","content":"","reply-to":7,"campaign-id":null}'
            ),
        ),
    ],
)
def test_a_reply_is_told_in_these_octets(reply: Reply, body: str) -> None:
    """R-7.1"""
    assert reply.body == body.encode()


def test_a_receipt_is_told_in_these_octets() -> None:
    """R-7.2: ISO 8601 in UTC, milliseconds, Z; null where there is no campaign or it was not sent."""
    receipt = Receipt(
        message_id=1_241_581_207,
        campaign_id=142_329,
        status=Status.RECEIVED,
        status_at=AT.astimezone(timezone(timedelta(hours=12))),
        mobile="+64220297056",
        sent_at=AT.replace(microsecond=0),
    )
    assert receipt.body == (
        b'{"CampaignID":142329,"MessageId":1241581207,"Status":"received",'
        b'"StatusDate":"2020-07-30T01:07:47.481Z","Mobile":"+64220297056",'
        b'"SentDate":"2020-07-30T01:07:47.000Z"}'
    )
    never = Receipt(
        message_id=1,
        campaign_id=None,
        status=Status.DEAD,
        status_at=AT,
        mobile="+64220297056",
        sent_at=None,
    )
    assert never.body == (
        b'{"CampaignID":null,"MessageId":1,"Status":"dead","StatusDate":"2020-07-30T01:07:47.481Z",'
        b'"Mobile":"+64220297056","SentDate":null}'
    )


def test_each_state_has_its_status() -> None:
    """R-7.2: the seven words, and what each means."""
    assert STATUS == {
        Q: "submitted",
        L: "submitted",
        U: "submitted",
        S: "sent",
        D: "received",
        F: "failed",
        R: "rejected",
        E: "expired",
        C: "dead",
        K: "dead",
    }
    assert {"received", "failed", "rejected", "expired", "dead"} == ENDS


@pytest.mark.parametrize(
    ("was", "became", "soft", "ended", "told"),
    [
        (None, Q, False, False, "submitted"),
        (None, K, False, False, "dead"),
        (Q, L, False, False, None),
        (L, U, False, False, None),
        (U, Q, False, False, None),
        (L, S, False, False, "sent"),
        (U, S, False, False, "sent"),
        (L, D, False, False, "received"),
        (S, D, False, False, "received"),
        (S, C, False, False, "dead"),
        (S, S, False, False, None),
        (S, Q, False, False, None),
        (F, D, True, False, "received"),
        (F, C, True, False, "dead"),
        (F, F, True, False, None),
        (F, S, True, False, None),
        (F, D, False, False, None),
        (E, D, False, False, None),
        (D, F, False, False, None),
        (S, D, False, True, None),
    ],
)
def test_what_a_change_of_state_tells(
    was: MessageState | None, became: MessageState, soft: bool, ended: bool, told: str | None
) -> None:
    """R-7.2"""
    assert event(was, became, soft=soft, ended=ended) == told


def test_a_status_never_goes_backwards() -> None:
    """R-7.2: of all pairs of states; only a `failed` from UNKNOWN is followed, by a final one."""
    rank = {"submitted": 0, "sent": 1}
    for was, became, soft in product(MessageState, MessageState, (False, True)):
        status = event(was, became, soft=soft)
        if status is None:
            continue
        if was in FINAL:
            assert soft
            assert was is F
            assert became in FINAL - {F}
        else:
            assert rank.get(status, 2) > rank[STATUS[was]]


def test_final_ones_by_default_and_each_on_request() -> None:
    """R-7.2"""
    final = {status for status in Status if wanted(Events.FINAL, status)}
    assert final == ENDS
    assert all(wanted(Events.ALL, status) for status in Status)
