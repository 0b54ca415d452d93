"""A campaign looked at before it is there, and one message of it to a colleague (R-2.5, R-4.4)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.operations import Database, Tx
from tests.desk.conftest import Siaran

pytestmark = pytest.mark.usefixtures("sender")

HI = ("--message", "Hi %%1%%", "--now")


def looked(siaran: Siaran, *words: str | Path) -> Any:
    answer = siaran("campaign", "preview", *words, "--json")
    assert answer.code == 0, answer.err
    return answer.json


def test_it_shows_what_everybody_would_get_and_saves_nothing(
    siaran: Siaran, customers: str
) -> None:
    """R-2.5: the first texts, histogram, encodings, what is missing, the responses."""
    siaran("response", "set", "general", "Thank you")
    siaran("member", "add", customers, "+64211234504", "Sōs")
    before = len(siaran("log", "--json").json)
    found = looked(siaran, "--list", customers, "--message", "x" * 158 + "%%1%%", "--now")
    assert [one["mobile"][-1] for one in found["samples"]] == ["1", "2", "3"]
    assert found["samples"][0]["text"].endswith("xAnn")
    cost = found["cost"]
    assert (cost["histogram"], cost["encodings"]) == (
        {"1": 1, "2": 2, "3": 1},
        {"gsm": 3, "ucs2": 1},
    )
    assert (cost["forced_by"], cost["missing"]) == (["ō"], 1)
    assert found["responses"][0]["text"] == "Thank you"
    assert siaran("campaign", "ls", "--json").json == []
    assert len(siaran("log", "--json").json) == before


def test_it_says_who_would_not_get_it_and_why(
    siaran: Siaran, customers: str, say: Callable[..., None]
) -> None:
    """R-2.5, R-1.7: as it is decided at the launch; the admin's override counts those in again."""
    siaran("member", "delete", customers, "+64211234501", "--yes")
    siaran("blacklist", "add", "+64211234502")
    say("+64211234503", "out")
    siaran("member", "add", customers, "+64211234504", "Dan")
    found = looked(siaran, "--list", customers, *HI)
    assert found["excluded"] == {"blacklisted": 1, "deleted from the list": 1, "opted out": 1}
    assert (found["cost"]["recipients"], found["samples"][0]["text"]) == (1, "Hi Dan")
    more = ("--send-to-opted-out", "--reason", "recall")
    assert looked(siaran, "--list", customers, *HI, *more)["cost"]["recipients"] == 2


def test_a_file_is_read_and_forgotten(
    siaran: Siaran, people: Path, say: Callable[..., None], database: Database
) -> None:
    """R-2.5: cleaned as in an import; the lines that lack a param are named."""
    say("+64211234502", "out")
    people.write_text(people.read_text() + "+64211234501\nabc\n")
    words = (people, "--list", "march", *HI)
    refused = siaran("campaign", "preview", *words)
    assert (refused.code, "line 5: 'abc'" in refused.err) == (1, True)
    found = looked(siaran, *words, "--on-error", "skip")
    assert found["excluded"] == {"invalid": 1, "opted out": 1, "twice in the file": 1}
    assert found["cost"]["missing_ids"] == [3]
    shown = siaran("campaign", "preview", *words, "--on-error", "skip")
    assert "+64211234503 (line 3)" in shown.err
    kept = looked(siaran, *words, "--on-error", "skip", "--keep-opted-out")
    assert kept["cost"]["recipients"] == 2  # a member, and not sent to
    assert siaran("list", "ls", "--json").json == []
    staged = database.run(lambda tx: tx.execute("SELECT count(*) FROM import_row").fetchone())
    assert staged == (0,)
    again = siaran("campaign", "quick", *words, "--on-error", "skip", "--json")
    assert again.json["cost"]["recipients"] == 2


def test_a_text_that_somebody_could_not_be_sent_is_refused(siaran: Siaran, customers: str) -> None:
    """R-2.2: a param that makes a dozen segments of it, with the number whose it is."""
    siaran("setting", "set", "segments.max", "1")
    answer = siaran(
        "campaign", "preview", "--list", customers, "--message", "x" * 158 + "%%1%%", "--now"
    )
    assert (answer.code, "too long for +64211234501 (2 segments) and 1 more" in answer.err) == (
        1,
        True,
    )
    assert "segments → recipients: 1 → 1, 2 → 2" in answer.err


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ([*HI], 2, "--list NAME, or --from"),
        (["p.csv", "--from", "1", "--status", "failed", *HI], 2, "name it with --list"),
        (["--list", "nobody", *HI], 1, "not found"),
        (["--list", "customers", "--now"], 2, "--message TEXT"),
        (["no.csv", "--list", "march", *HI], 1, "no.csv"),
        (["no.csv", "--list", "customers", *HI], 1, "has members already"),
    ],
)
def test_what_can_not_be_previewed(
    siaran: Siaran, customers: str, words: list[str], code: int, says: str
) -> None:
    """R-2.5: what could not be made either."""
    answer = siaran("campaign", "preview", *words)
    assert (answer.code, says in answer.err) == (code, True), answer.err


def test_duration_and_hours(siaran: Siaran, people: Path) -> None:
    """R-2.5, R-4.1: by the campaign's rate, in the sending hours of a quick one."""
    words = (people, "--list", "march", "--message", "Hi", "--rate", "1/m")
    siaran(
        "hours", "set", "--from", "8", "--to", "9", "--days", "mon", "--timezone", "Asia/Jakarta"
    )
    at = ("--at", "2030-12-02 08:50")  # a Monday, in Asia/Jakarta
    found = looked(siaran, *words, *at)
    assert found["estimate"]["sending_s"] == 180
    assert found["estimate"]["ends_at"] == "2030-12-02T01:53:00.000Z"
    late = looked(siaran, *words, "--at", "2030-12-02 09:00")
    assert late["estimate"]["starts_at"] == "2030-12-09T01:00:00.000Z"
    assert "mon" in late["hours"]


def test_recipients_by_how_their_time_is_known(siaran: Siaran, tmp_path: Path) -> None:
    """R-4.4: each class is counted."""
    file = tmp_path / "abroad.csv"
    file.write_text("+64211234501\n+64211234502\n+61412345678\n+6281234567890\n")
    siaran("hours", "set", "--from", "8", "--to", "20", "--days", "daily")
    found = looked(siaran, file, "--list", "march", *HI, "--recipient-time")
    assert sum(one["recipients"] for one in found["zones"]) == 4
    assert {one["how"] for one in found["zones"]} >= {"one zone"}
    shown = siaran("campaign", "preview", file, "--list", "march", *HI, "--recipient-time")
    assert "by one zone" in shown.out


def test_masks_and_missing_hours_are_warned_of(siaran: Siaran, customers: str) -> None:
    """R-2.6: nobody can reply to a mask."""
    siaran("sender", "add", "Siaran")
    more = ("--sender", "Siaran", "--respect-hours")
    warnings = looked(siaran, "--list", customers, *HI, *more)["warnings"]
    assert any("is a mask: nobody can reply" in one for one in warnings)
    assert any("no sending hours are set" in one for one in warnings)


def test_a_colleague_gets_the_first_members_message(
    siaran: Siaran, customers: str, database: Database
) -> None:
    """R-2.5: before all campaigns, counted in none, and in the log."""
    words = ("--list", customers, "--message", "Hi %%1%%", "--at", "2030-12-01 09:10", "--json")
    campaign = str(siaran("campaign", "new", *words).json["campaign"]["id"])
    sent = siaran("campaign", "test", campaign, "--to", "+64211234599", "--json")
    assert sent.code == 0, sent.err
    message = str(sent.json["message"])
    shown = siaran("message", "show", message, "--json").json
    assert (shown["text"], shown["message_class"], shown["campaign"]) == (
        "Hi Ann",
        "response",
        None,
    )
    report = siaran("report", "campaign", campaign, "--json").json
    assert sum(report["counts"].values()) == 0
    line = siaran("log", "--action", "campaign.test", "--json").json[0]
    assert line["object"] == campaign
    assert "Ann" not in str(line)


def test_a_test_to_who_wants_nothing_is_refused(
    siaran: Siaran, customers: str, say: Callable[..., None]
) -> None:
    """R-6.4: like every single message."""
    words = ("--list", customers, "--message", "Hi", "--at", "2030-12-01 09:10", "--json")
    campaign = str(siaran("campaign", "new", *words).json["campaign"]["id"])
    say("+64211234599", "out")
    assert "has opted out" in siaran("campaign", "test", campaign, "--to", "+64211234599").err
    assert siaran("campaign", "test", campaign, "--to", "colleague").code == 1
    assert "not found" in siaran("campaign", "test", "999999", "--to", "+64211234598").err


def test_those_of_an_earlier_campaign_who_have_left_since(
    siaran: Siaran, customers: str, database: Database, say: Callable[..., None]
) -> None:
    """R-2.5, R-3.7: they are its recipients, and would be skipped."""
    made = siaran("campaign", "new", "--list", customers, "--message", "Hi", "--now", "--json")
    campaign = made.json["campaign"]["id"]

    def end(tx: Tx) -> None:
        tx.execute(
            """
            UPDATE campaign SET state = 'completed', started_at = now(), ended_at = now(),
                   recipients = 3, fed = 3 WHERE id = %s
            """,
            (campaign,),
        )
        tx.execute(
            """
            INSERT INTO message (id, campaign_id, application_id, class, state, state_at, created_at,
                                 mobile, sender)
            SELECT next_id(), c.id, c.application_id, 2, 'failed', now(), now(), m.mobile, '4455'
              FROM campaign c JOIN member m ON m.list_id = c.list_id WHERE c.id = %s
            """,
            (campaign,),
        )

    database.run(end)
    siaran("member", "delete", customers, "+64211234501", "--yes")
    say("+64211234502", "out")
    found = looked(
        siaran, "--from", str(campaign), "--status", "failed", "--message", "Hi", "--now"
    )
    assert found["excluded"] == {"deleted from the list": 1, "opted out": 1}
    assert found["cost"]["recipients"] == 1


def test_who_has_the_turn_before_it(siaran: Siaran, customers: str) -> None:
    """R-2.5, R-3.4: its estimate begins after those."""
    words = ("--list", "customers", "--message", "Hi", "--rate", "1/m")
    siaran("campaign", "new", *words, "--at", "2030-12-02 08:00")
    found = looked(siaran, *words, "--at", "2030-12-02 08:10")
    assert found["ahead"] == found["cost"]["recipients"]
    assert found["estimate"]["starts_at"] >= "2030-12-02T01:10"  # Asia/Jakarta
    assert any("has the turn before it" in line for line in found["warnings"])
    assert looked(siaran, *words, "--at", "2030-12-02 07:50")["ahead"] == 0
