"""A campaign's report: counts that balance, numbers by state (R-7.6)."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from engine.operations import Database, Tx
from tests.desk.conftest import Siaran


@pytest.fixture(autouse=True)
def sender(siaran: Siaran) -> str:
    """What a campaign comes from when it says nothing."""
    assert siaran("sender", "add", "4455").code == 0
    return "4455"


@pytest.fixture
def running(siaran: Siaran, database: Database) -> str:
    """A campaign to five, as the engine leaves it in the middle: three of them are message rows."""
    siaran("list", "create", "march")
    for n in range(5):
        siaran("member", "add", "march", f"+6421123450{n}", f"Name {n}")
    words = ("--list", "march", "--message", "Hi %%1%%", "--now", "--json")
    campaign = siaran("campaign", "new", *words).json["campaign"]["id"]

    def start(tx: Tx) -> None:
        tx.execute(
            """
            UPDATE campaign c SET state = 'running', started_at = now(), recipients = 5, fed = 3,
                   last_member_id = m.ids[5], fed_member_id = m.ids[3]
            FROM (SELECT list_id, array_agg(id ORDER BY id) AS ids FROM member GROUP BY list_id) m
            WHERE c.id = %s AND m.list_id = c.list_id
            """,
            (campaign,),
        )
        tx.execute(
            """
            INSERT INTO message (id, campaign_id, application_id, class, total, accepted,
                                 delivered, state, state_at, created_at, mobile, sender, reason, params)
            SELECT next_id(), c.id, c.application_id, 2, 2, accepted,
                   CASE v.state WHEN 'delivered' THEN accepted ELSE 0 END, v.state::message_state,
                   now(), now(), mobile, c.sender, reason, ARRAY['Name']
            FROM campaign c, (VALUES ('+64211234500', 3, 'delivered', NULL),
                                     ('+64211234501', 1, 'failed', '=EXPIRED'),
                                     ('+64211234502', 0, 'queued', NULL)
            ) AS v (mobile, accepted, state, reason)
            WHERE c.id = %s
            """,
            (campaign,),
        )
        tx.execute(
            """
            INSERT INTO tally SELECT %s, s::message_state, n FROM (VALUES
                ('queued', 3), ('queued', -2), ('delivered', 1), ('failed', 1)) AS t (s, n)
            """,
            (campaign,),
        )

    database.run(start)
    return str(campaign)


def test_the_report_balances(siaran: Siaran, running: str) -> None:
    """R-7.6: each recipient is in one state, whether it is a message row already or not."""
    report = siaran("report", "campaign", running, "--json").json
    assert report["recipients"] == sum(report["counts"].values()) == 5
    counts = {state: n for state, n in report["counts"].items() if n}
    assert counts == {"queued": 3, "delivered": 1, "failed": 1}
    assert (report["segments"], report["segments_delivered"]) == (3, 2)
    assert report["planned"] is None
    assert report["duration_s"] >= 0


def test_replies_and_opt_outs_are_counted(siaran: Siaran, running: str, database: Database) -> None:
    """R-7.6: of this campaign, and of its list since it started."""

    def answer(tx: Tx) -> None:
        tx.execute(
            """
            INSERT INTO inbox (id, application_id, carrier_id, mobile, destination, received_at,
                               content, data_coding, campaign_id)
            SELECT next_id(), application_id, 1, '+64211234500', '4455', now(), 'STOP', 0, id
            FROM campaign WHERE id = %s
            """,
            (running,),
        )
        tx.execute(
            """
            INSERT INTO consent (application_id, mobile, list_id, event, origin, by, at)
            SELECT application_id, mobile, list_id, event::consent_event, 'mo', 'x', now() + since
            FROM campaign, (VALUES ('+64211234500', 'out', interval '1 s'),
                                   ('+64211234500', 'out', interval '2 s'),
                                   ('+64211234501', 'in', interval '1 s'),
                                   ('+64211234502', 'out', interval '-1 h')) AS v (mobile, event, since)
            WHERE id = %s
            """,
            (running,),
        )

    database.run(answer)
    report = siaran("report", "campaign", running, "--json").json
    assert (report["replies"], report["opted_out"]) == (1, 1)


def test_the_numbers_of_a_state_are_as_many_as_it_counts(
    siaran: Siaran, running: str, tmp_path: Path
) -> None:
    """R-7.6: per-status CSV; who is not a message row yet is queued."""
    answer = siaran("report", "campaign", running, "--csv", "queued")
    rows = list(csv.DictReader(answer.out.splitlines()))
    assert [row["mobile"][-1] for row in rows] == ["2", "3", "4"]
    assert "3 numbers written" in answer.err
    file = tmp_path / "failed.csv"
    assert siaran("report", "campaign", running, "--csv", "failed", "-o", file).out == ""
    [row] = csv.DictReader(file.read_text(encoding="utf-8").splitlines())
    assert (row["mobile"], row["reason"], row["param1"]) == ("+64211234501", "'=EXPIRED", "Name")
    listed = siaran("report", "campaign", running, "--csv", "delivered", "--json").json
    assert [one["mobile"] for one in listed] == ["+64211234500"]


def test_each_state_is_defined_on_request(siaran: Siaran, running: str) -> None:
    """R-7.6: a definition of each status, also of those that count nothing."""
    assert "meaning" not in siaran("report", "campaign", running).out.lower()
    told = siaran("report", "campaign", running, "--definitions").out
    for state in ("queued", "uncertain", "skipped"):
        assert state in told
    definitions = siaran("report", "campaign", running, "--definitions", "--json").json[
        "definitions"
    ]
    assert len(definitions) == 10
    assert all(definitions.values())


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["999999"], 1, "not found"),
        (["1", "--csv", "sentt"], 1, "sent"),
        (["1", "-o", "x.csv"], 2, "--csv"),
        (["0"], 2, "ID"),
    ],
)
def test_what_there_is_no_report_of_is_one_line(
    siaran: Siaran, words: list[str], code: int, says: str
) -> None:
    """What, where, what to do."""
    answer = siaran("report", "campaign", *words)
    assert (answer.code, len(answer.err.splitlines())) == (code, 1)
    assert says in answer.err


def test_before_the_start_there_is_only_a_plan(siaran: Siaran) -> None:
    """No recipients, no counts, no numbers: the list's size as planned."""
    siaran("list", "create", "later")
    siaran("member", "add", "later", "+64211234501")
    words = ("--list", "later", "--message", "Hi", "--at", "2030-12-01 09:10", "--json")
    campaign = str(siaran("campaign", "new", *words).json["campaign"]["id"])
    report = siaran("report", "campaign", campaign, "--json").json
    assert (report["planned"], report["recipients"], report["duration_s"]) == (1, None, None)
    assert siaran("report", "campaign", campaign, "--csv", "queued", "--json").json == []


def test_recipients_of_an_earlier_campaign_are_reported_too(
    siaran: Siaran, running: str, database: Database
) -> None:
    """R-7.6, R-3.2: they have no list of their own, and are queued until they are message rows."""
    words = ("--from", running, "--status", "failed", "--message", "Hi", "--now", "--json")
    campaign = str(siaran("campaign", "new", *words).json["campaign"]["id"])

    def start(tx: Tx) -> None:
        tx.execute(
            """
            UPDATE campaign SET state = 'running', started_at = now(), recipients = 1,
                   last_member_id = (SELECT max(id) FROM campaign_recipient WHERE campaign_id = %s)
             WHERE id = %s
            """,
            (campaign, campaign),
        )

    database.run(start)
    answer = siaran("report", "campaign", campaign, "--csv", "queued")
    assert [line.split(",")[0] for line in answer.out.splitlines()[1:]] == ["+64211234501"]
