"""Campaigns at the desk: made, found, shown, cancelled (R-3.1 to R-3.5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.operations import Actor, Database, Tx
from engine.operations.campaigns import month_of
from tests.desk.conftest import Siaran

pytestmark = pytest.mark.usefixtures("sender")


def test_a_quick_campaign_makes_list_members_and_campaign(siaran: Siaran, people: Path) -> None:
    """R-3.1: in one command, and in the log (R-7.5)."""
    answer = siaran(
        "campaign", "quick", people, "--list", "march", "--message", "Hello %%1%%",
        "--at", "2030-12-01 09:10", "--timezone", "Pacific/Auckland", "--batch", "b1", "--json",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    made = answer.json
    assert (made["imported"]["imported"], made["cost"]["recipients"]) == (3, 3)
    campaign = made["campaign"]
    assert campaign["scheduled_at"] == "2030-11-30T20:10:00.000Z"
    assert (campaign["quick"], campaign["sender"], campaign["list"]) == (True, "4455", "march")
    assert "params are missing: %%1%% for 1" in answer.err
    assert "+64211234503" in answer.err
    assert siaran("list", "show", "march", "--json").json["members"] == 3
    assert siaran("campaign", "show", campaign["id"], "--json").json["respect_hours"] is True
    actions = [line["action"] for line in siaran("log", "--json").json]
    assert actions[-3:] == ["list.create", "list.import", "campaign.create"]


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        (["--message", "Hello %%7%%", "--now"], 1, "%%7%%"),
        (["--message", "tēnā koe", "--encoding", "gsm", "--now"], 1, "ē ā (U+0113, U+0101)"),
        (["--message", "Hi", "--sender", "4545", "--now"], 1, "did you mean 4455?"),
        (["--message", "Hi", "--at", "2030-12-01 09:15"], 1, "09:20"),
        (["--message", "Hi", "--at", "2020-12-01 09:10"], 1, "past"),
        (["--message", "Hi", "--timezone", "Pacific/Aukland", "--now"], 1, "Pacific/Auckland"),
        (["--message", "x" * 1531, "--now", "--yes"], 1, "11 segments"),
        (["--message", "x" * 161, "--now"], 1, "say --yes"),
        (["--message", "   ", "--now"], 1, "empty"),
        (["--message", "Hi", "--batch", " ", "--now"], 1, "batch"),
        (["--message", "Hi"], 2, "--now"),
        (["--message", "Hi", "--now", "--at", "2030-12-01 09:10"], 2, "--now"),
        (["--message", "Hi", "--now", "--encoding", "latin1"], 2, "latin1"),
    ],
)
def test_what_is_refused_leaves_nothing_behind(
    siaran: Siaran, people: Path, change: list[str], code: int, says: str
) -> None:
    """R-2.1 to R-2.3, R-2.6, R-3.3: one line, and neither list nor campaign."""
    answer = siaran("campaign", "quick", people, "--list", "march", *change)
    assert answer.code == code, answer.err
    assert says in answer.err
    assert siaran("list", "ls", "--json").json == []
    assert siaran("campaign", "ls", "--json").json == []


def test_a_param_that_makes_a_second_segment_must_be_confirmed(
    siaran: Siaran, people: Path
) -> None:
    """R-2.2, R-2.3: found out in the merge, which is then undone."""
    words = ("campaign", "quick", people, "--list", "march", "--now", "--message")
    text = "x" * 158 + "%%1%%"
    answer = siaran(*words, text)
    assert answer.code == 1
    assert "cost: 5 segments for 3 recipients (segments → recipients: 1 → 1, 2 → 2)" in answer.err
    assert siaran("list", "ls", "--json").json == []
    assert siaran(*words, text, "--yes").code == 0
    assert siaran("list", "show", "march", "--json").json["members"] == 3


def test_bad_rows_stop_a_quick_campaign_and_are_named(siaran: Siaran, people: Path) -> None:
    """R-1.6: nothing is imported by halves."""
    people.write_text("+64211234501\nabc\n", encoding="utf-8")
    words = ("campaign", "quick", people, "--list", "march", "--message", "Hi", "--now")
    answer = siaran(*words)
    assert answer.code == 1
    assert "line 2" in answer.err
    assert siaran("campaign", "ls", "--json").json == []
    assert siaran(*words, "--on-error", "skip", "--json").json["cost"]["recipients"] == 1


def test_a_quick_campaign_never_goes_to_others_than_its_file(
    siaran: Siaran, customers: str, people: Path
) -> None:
    """R-3.1: the file is the list. One that has members would get the message, too."""
    answer = siaran("campaign", "quick", people, "--list", customers, "--message", "Hi", "--now")
    assert answer.code == 1
    assert "has members already" in answer.err


def test_a_campaign_to_a_list_without_members_is_refused(siaran: Siaran) -> None:
    """Nobody would get it; and an unknown list is guessed."""
    siaran("list", "create", "empty")
    answer = siaran("campaign", "new", "--list", "empty", "--message", "Hi", "--now")
    assert (answer.code, "no members" in answer.err) == (1, True)
    answer = siaran("campaign", "new", "--list", "emty", "--message", "Hi", "--now")
    assert (answer.code, "did you mean empty?" in answer.err) == (1, True)


def test_campaigns_are_found_by_what_they_are(siaran: Siaran, customers: str) -> None:
    """R-3.5: list, content, status, batch, month."""
    new = ("campaign", "new", "--list", customers, "--message")
    first = siaran(*new, "Kia ora", "--at", "2030-11-30 23:50", "--batch", "b", "--json").json
    second = siaran(*new, "Hello", "--at", "2030-12-01 00:00", "--json").json
    one, two = first["campaign"]["id"], second["campaign"]["id"]
    siaran("campaign", "cancel", str(two), "--yes")

    def found(*words: str) -> list[int]:
        return [c["id"] for c in siaran("campaign", "ls", *words, "--json").json]

    assert found() == [two, one]
    assert (
        found("--content", "KIA") == found("--batch", "b") == found("--month", "2030-11") == [one]
    )
    assert found("--status", "cancelled") == found("--month", "2030-12") == [two]
    assert found("--list", customers, "--rows", "1") == [two]
    assert "there are scheduled, waiting" in siaran("campaign", "ls", "--status", "sent").err
    assert siaran("campaign", "ls", "--month", "11/2030").code == 1


def test_only_a_campaign_that_has_not_started_is_cancelled(
    siaran: Siaran, customers: str, database: Database
) -> None:
    """A running one is refused, an ended one too, and somebody else's is not found."""
    new = ("campaign", "new", "--list", customers, "--message", "Hi", "--now", "--json")
    first, second = (str(siaran(*new).json["campaign"]["id"]) for _ in range(2))
    assert siaran("campaign", "cancel", first, "--yes").code == 0
    assert siaran("campaign", "show", first, "--json").json["state"] == "cancelled"
    assert "cancelled already" in siaran("campaign", "cancel", first, "--yes").err
    database.run(
        lambda tx: tx.execute(
            "UPDATE campaign SET state = 'running', started_at = now(), recipients = 3 WHERE id = %s",
            (second,),
        )
    )
    assert "has started" in siaran("campaign", "cancel", second, "--yes").err
    assert "not found" in siaran("campaign", "cancel", first, "--yes", "--app", "default").err


def test_a_campaign_says_why_it_does_not_send(siaran: Siaran, customers: str) -> None:
    """R-3.4: one line, before it starts."""
    words = ("--list", customers, "--message", "Hi", "--at", "2030-12-01 09:10", "--json")
    made = siaran("campaign", "new", *words).json["campaign"]
    shown = siaran("campaign", "show", str(made["id"]), "--json").json
    assert (shown["state"], shown["planned"], shown["recipients"]) == ("scheduled", 3, None)
    assert sum(shown["counts"].values()) == 0
    assert "2030-12-01" in shown["why"]
    assert "2030-12-01" in siaran("campaign", "show", str(made["id"])).out


def test_watching_ends_with_the_campaign(
    siaran: Siaran, customers: str, database: Database
) -> None:
    """In a pipe a line a change; the last one names the state."""
    words = ("--list", customers, "--message", "Hi", "--now", "--json")
    made = str(siaran("campaign", "new", *words).json["campaign"]["id"])

    def complete(tx: Tx) -> None:
        tx.execute(
            "UPDATE campaign SET state = 'completed', recipients = 3, fed = 3 WHERE id = %s",
            (made,),
        )
        tx.execute("INSERT INTO tally VALUES (%s, 'delivered', 2), (%s, 'failed', 1)", (made, made))

    database.run(complete)
    answer = siaran("campaign", "watch", made)
    assert answer.out.splitlines()[0] == "completed: delivered 2, failed 1"
    assert siaran("campaign", "watch", made, "--json").json["counts"]["delivered"] == 2


@pytest.mark.parametrize(
    ("month", "since", "until"),
    [
        ("2026-11", "2026-11-01T00:00:00+07:00", "2026-12-01T00:00:00+07:00"),
        ("2026-12", "2026-12-01T00:00:00+07:00", "2027-01-01T00:00:00+07:00"),
    ],
)
def test_a_month_is_the_applications(month: str, since: str, until: str) -> None:
    """R-3.5: from its first midnight to the next one's, where the application is."""
    assert [t.isoformat() for t in month_of(month, "Asia/Jakarta")] == [since, until]


def test_the_limit_of_segments_is_a_setting(
    siaran: Siaran, customers: str, database: Database, actor: Actor
) -> None:
    """R-2.2: more than `segments.max` is refused."""
    database.run(
        lambda tx: tx.execute(
            "INSERT INTO setting SELECT id, 'segments.max', '1' FROM application WHERE name = %s",
            (actor.application,),
        )
    )
    words = ("campaign", "new", "--list", customers, "--now", "--yes", "--message")
    assert "at most 1 are allowed" in siaran(*words, "x" * 161).err
    assert siaran(*words, "x" * 160).code == 0
