"""A campaign's report: counts that balance, numbers by state (R-7.6)."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from engine.operations import Actor, Database, Tx
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
    """R-7.6: what answers this campaign; who says STOP twice has opted out once, scrubbed or not."""

    def answer(tx: Tx) -> None:
        tx.execute(
            """
            INSERT INTO inbox (id, application_id, carrier_id, mobile, destination, received_at,
                               content, data_coding, campaign_id, message_id, meaning)
            SELECT next_id(), c.application_id, 1, v.mobile, '4455', now(), 'x', 0, c.id - v.other,
                   v.message_id, v.meaning
            FROM campaign c, (VALUES ('+64211234500', 0, 7, 'opt-out'), ('', 0, 7, 'opt-out'),
                                     ('', 0, 8, 'opt-out'), ('+64211234502', 0, 9, 'reply'),
                                     ('+64211234502', 0, 9, NULL), ('+64211234502', 1, 9, 'opt-out')
            ) AS v (mobile, other, message_id, meaning)
            WHERE c.id = %s
            """,
            (running,),
        )

    database.run(answer)
    report = siaran("report", "campaign", running, "--json").json
    assert (report["replies"], report["opted_out"]) == (5, 2)


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
        (["1", "--csv", "sent", "--html", "x.html"], 2, "--html"),
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


def test_a_part_that_was_dropped_for_its_age_is_in_the_counts_and_said_in_the_csv(
    siaran: Siaran, running: str, database: Database
) -> None:
    """R-7.6, R-9.3: the counts stay, segments and answers too; the CSV says what was removed."""

    def drop(tx: Tx) -> None:
        # What stays of a day: one that was delivered, with two segments and two answers.
        tx.execute("DELETE FROM message WHERE campaign_id = %s AND state = 'delivered'", (running,))
        tx.execute(
            """
            INSERT INTO past (day, application_id, campaign_id, what, key, n)
            SELECT now(), application_id, id, what, key, n
            FROM campaign, (VALUES ('message', 'delivered', 1), ('segment', 'accepted', 2),
                                   ('segment', 'delivered', 2), ('mo', 'reply', 1),
                                   ('mo', 'opt-out', 1), ('opt-out', '', 1)) AS v (what, key, n)
            WHERE id = %s
            """,
            (running,),
        )
        tx.execute(
            "UPDATE message SET mobile = '', params = NULL WHERE campaign_id = %s AND state = 'failed'",
            (running,),
        )

    before = siaran("report", "campaign", running, "--json").json
    database.run(drop)
    after = siaran("report", "campaign", running, "--json").json
    told = {"replies": 2, "opted_out": 1, "removed": 1, "duration_s": after["duration_s"]}
    assert after == before | told
    answer = siaran("report", "campaign", running, "--csv", "delivered")
    [row] = csv.DictReader(answer.out.splitlines())
    assert (row["mobile"], row["reason"]) == (
        "removed",
        "1 more delivered; their rows were removed for their age",
    )
    assert "0 numbers written to stdout, and 1 line about" in answer.err
    [row] = csv.DictReader(
        siaran("report", "campaign", running, "--csv", "failed").out.splitlines()
    )
    assert row["mobile"] == "removed"


def test_a_campaign_is_found_by_the_ranges_that_it_was_made_in(
    siaran: Siaran, running: str, database: Database
) -> None:
    """R-7.6: they are trusted when they hold all of it; others' rows between are not counted."""

    def ranges(tx: Tx) -> None:
        tx.execute(
            """
            INSERT INTO campaign_range (campaign_id, first_id, last_id, n)
            SELECT campaign_id, min(id), max(id), 3 FROM message WHERE campaign_id = %s GROUP BY 1
            """,
            (running,),
        )
        tx.execute(
            """
            UPDATE message SET campaign_id = NULL WHERE campaign_id = %s AND state = 'failed'
            """,
            (running,),
        )

    database.run(ranges)
    report = siaran("report", "campaign", running, "--json").json
    assert (report["segments"], report["segments_delivered"]) == (2, 2)
    assert siaran("report", "campaign", running, "--csv", "failed", "--json").json == []


def test_a_months_campaigns_are_a_csv(siaran: Siaran, running: str, tmp_path: Path) -> None:
    """R-7.6: one line each, every state a column, as the reports count; the next month has none."""
    siaran("list", "create", "=SUM(A1)")
    siaran("member", "add", "=SUM(A1)", "+64211234501")
    words = ("--list", "=SUM(A1)", "--message", "Hi", "--at", "2030-12-31 23:30")
    assert siaran("campaign", "new", *words).code == 0
    month = siaran("campaign", "show", running, "--json").json["scheduled_at"][:7]
    file = tmp_path / "month.csv"
    answer = siaran("report", "monthly", month, "-o", file)
    assert (answer.code, answer.out) == (0, "")
    assert "1 campaign written" in answer.err
    [row] = csv.DictReader(file.read_text(encoding="utf-8").splitlines())
    report = siaran("report", "campaign", running, "--json").json
    assert {state: int(row[state]) for state in report["counts"]} == report["counts"]
    assert (row["id"], row["segments"], row["recipients"]) == (running, "3", "5")
    # It is 23:30 in Jakarta, where the application is, and still December.
    [row] = csv.DictReader(siaran("report", "monthly", "2030-12").out.splitlines())
    assert (row["list"], row["recipients"], row["segments"]) == ("'=SUM(A1)", "", "0")
    assert siaran("report", "monthly", "2031-01", "--json").json == []


@pytest.mark.parametrize("month", ["2026-13", "november", "2026"])
def test_what_is_no_month_makes_no_file(siaran: Siaran, tmp_path: Path, month: str) -> None:
    answer = siaran("report", "monthly", month, "-o", tmp_path / "x.csv")
    assert (answer.code, len(answer.err.splitlines())) == (1, 1)
    assert "2026-11" in answer.err
    assert not (tmp_path / "x.csv").exists()


def test_volumes_say_who_has_sent_how_much(
    siaran: Siaran, running: str, database: Database, actor: Actor
) -> None:
    """R-7.7: user, company, application, campaign, recipients, sent time; by month or year, by page."""

    def earlier(tx: Tx) -> None:
        tx.execute(
            """
            INSERT INTO campaign (application_id, quick, text, sender, scheduled_at, timezone,
                                  created_by, state, started_at, recipients)
            SELECT application_id, false, 'x', '4455', '2025-12-31 17:30Z', 'UTC', 'budi',
                   'completed', timestamptz '2025-12-31 16:30Z' + n * interval '1 h', 100 + n
            FROM campaign, generate_series(0, 2) AS n WHERE id = %s
            """,
            (running,),
        )

    database.run(earlier)
    company = siaran("app", "edit", actor.application, "--company", "Tui Ltd", "--yes")
    assert company.code == 0
    found = siaran("report", "volumes", "--json").json
    assert (found["campaigns"], found["recipients"], found["pages"]) == (4, 308, 1)
    assert found["rows"][0] | {"sent_at": None} == {
        "user": found["rows"][0]["user"],
        "company": "Tui Ltd",
        "application": actor.application,
        "campaign": int(running),
        "list": "march",
        "recipients": 5,
        "sent_at": None,
    }
    # Jakarta is seven hours ahead: 16:30 UTC is still 2025 there, 17:30 is not.
    in_2026 = siaran("report", "volumes", "--month", "2026-01", "--json").json
    assert [row["recipients"] for row in in_2026["rows"]] == [102, 101]
    assert siaran("report", "volumes", "--month", "2025", "--json").json["recipients"] == 100
    second = siaran("report", "volumes", "--rows", "3", "--page", "2")
    assert "page 2 of 2" in second.err
    assert "100" in second.out
    assert "4 campaigns, 308 recipients" in second.out
    assert "no campaigns have started in 2019" in siaran("report", "volumes", "--month", "2019").err


def test_volumes_of_all_applications_take_an_admin(
    siaran: Siaran, running: str, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-7.7: by application; who has none named sees the installation, when that is allowed."""
    assert siaran("report", "volumes", "--json").json["campaigns"] == 1
    assert siaran("report", "volumes", "--all-apps", "--json").json["campaigns"] >= 1
    siaran("user", "add", "anna")
    siaran("user", "add", "vera", "--role", "viewer", "--as", "anna")
    assert siaran("report", "volumes", "--as", "vera").code == 0
    refused = siaran("report", "volumes", "--all-apps", "--as", "vera")
    assert (refused.code, len(refused.err.splitlines())) == (1, 1)
    assert "needs an admin" in refused.err
    monkeypatch.delenv("SIARAN_APP")
    shown = siaran("report", "volumes", "--rows", "100000", "--json").json
    assert actor.application in {row["application"] for row in shown["rows"]}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--month", "soon"), "2026-11"),
        (("--page", "2"), "there is one"),
    ],
)
def test_volumes_that_there_are_none_of(siaran: Siaran, words: tuple[str, ...], says: str) -> None:
    answer = siaran("report", "volumes", *words)
    assert (answer.code, len(answer.err.splitlines())) == (1, 1)
    assert says in answer.err
