"""What a campaign may be told at the desk: template, pace, limit, hours, who has opted out (R-2.4, R-3.2, R-3.9)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.operations import Actor, Database, Tx
from tests.desk.conftest import Siaran

pytestmark = pytest.mark.usefixtures("sender")

AT = ("--at", "2030-12-01 09:10")


def test_a_campaign_keeps_all_that_it_was_told(siaran: Siaran, customers: str) -> None:
    """R-3.2, R-3.9, R-4.2, R-4.4: and the log has it."""
    answer = siaran(
        "campaign", "new", "--list", customers, "--message", "Hi", *AT, "--rate", "300/m",
        "--not-after", "2030-12-01 18:05", "--respect-hours", "--recipient-time", "--json",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    made = answer.json["campaign"]
    assert (made["rate"], made["not_after"]) == (5.0, "2030-12-01T11:05:00.000Z")
    assert (made["respect_hours"], made["recipient_time"], made["version"]) == (True, True, 1)
    after = siaran("log", "--action", "campaign.create", "--json").json[0]["after"]
    assert (after["rate"], after["respect_hours"]) == ("5/s", True)


def test_a_campaign_keeps_the_text_of_its_template(siaran: Siaran, customers: str) -> None:
    """R-2.4: whatever becomes of the template later."""
    siaran("template", "add", "hello", "Hello %%1%%")
    new = ("campaign", "new", "--list", customers, "--now", "--json", "--template")
    made = siaran(*new, "hello").json["campaign"]
    siaran("template", "edit", "hello", "Good bye")
    shown = siaran("campaign", "show", str(made["id"]), "--json").json
    assert (shown["text"], shown["template"]) == ("Hello %%1%%", "hello")
    siaran("template", "delete", "hello", "--yes")
    assert siaran("campaign", "show", str(made["id"]), "--json").json["text"] == "Hello %%1%%"
    assert "not found" in siaran(*new, "helo").err


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--message", "Hi", "--template", "x"], 2, "--message TEXT, or --template NAME"),
        ([], 2, "--message TEXT, or --template NAME"),
        (["--message", "Hi", "--rate", "50"], 1, "50/s (a second)"),
        (["--message", "Hi", "--rate", "0/s"], 1, "at least one message"),
        (["--message", "Hi", "--not-after", "2030-12-01 09:00"], 1, "not after the start"),
        (["--message", "Hi", "--not-after", "2020-12-01 09:00"], 1, "in the past"),
        (["--message", "Hi", "--not-after", "2030-02-29 09:00"], 1, "no such day"),
        (["--message", "Hi", "--timezone", "Mars/Olympus"], 1, "not known"),
        (["--message", "Hi", "--send-to-opted-out"], 2, "needs a --reason"),
        (["--message", "Hi", "--send-to-opted-out", "--reason", "  "], 2, "needs a --reason"),
        (["--message", "Hi", "--reason", "because"], 2, "give both"),
        (["--message", "Hi", "--from", "1", "--status", "failed"], 2, "--list NAME, or --from"),
    ],
)
def test_what_makes_no_sense_is_refused(
    siaran: Siaran, customers: str, words: list[str], code: int, says: str
) -> None:
    """R-3.2, R-3.9: in one line, and nothing is made."""
    answer = siaran("campaign", "new", "--list", customers, *AT, *words)
    assert (answer.code, says in answer.err) == (code, True), answer.err
    assert siaran("campaign", "ls", "--json").json == []


@pytest.mark.parametrize(
    ("at", "code", "says"),
    [
        ("2031-02-29 09:10", 1, "no such day"),
        ("2032-02-29 09:10", 0, "2032-02-29 09:10"),
        ("2030-09-29 02:30", 0, "moved to 2030-09-29 03:00"),
        ("2030-04-07 02:30", 0, "comes twice"),
    ],
)
def test_strange_times_are_understood_or_refused(
    siaran: Siaran, customers: str, at: str, code: int, says: str
) -> None:
    """R-3.3: 29 February; an hour that the clocks skip, or show twice."""
    words = ("--message", "Hi", "--at", at, "--timezone", "Pacific/Auckland")
    answer = siaran("campaign", "new", "--list", customers, *words)
    assert (answer.code, says in answer.err + answer.out) == (code, True), answer.err


def test_only_an_admin_sends_to_who_has_opted_out(
    siaran: Siaran, people: Path, say: Callable[..., None]
) -> None:
    """R-1.7: with a reason, which stands in the log; in an upload they are members then."""
    say("+64211234502", "out")
    siaran("user", "add", "anna", "--role", "admin", "--as", "anna")
    siaran("user", "add", "otto", "--role", "operator", "--as", "anna")
    words = (
        "campaign", "quick", people, "--list", "recall", "--message", "Don't eat it", "--now",
        "--send-to-opted-out", "--reason", "product recall", "--json",
    )  # fmt: skip
    refused = siaran(*words, "--as", "otto")
    assert (refused.code, "needs an admin" in refused.err) == (1, True)
    made = siaran(*words, "--as", "anna").json
    assert made["imported"]["imported"] == 3
    assert made["campaign"]["opted_out_reason"] == "product recall"
    line = siaran("log", "--action", "campaign.send-to-opted-out", "--as", "anna", "--json").json[0]
    assert (line["by"], line["after"]) == ("anna", {"reason": "product recall"})


@pytest.fixture
def ended(
    siaran: Siaran, customers: str, database: Database, actor: Actor
) -> tuple[int, Callable[..., None]]:
    """A campaign of which one failed, one was delivered and one is unknown yet; a way to set it."""
    made = siaran("campaign", "new", "--list", customers, "--message", "Hi", "--now", "--json")
    campaign_id = int(made.json["campaign"]["id"])

    def become(state: str, message: str = "launched") -> None:
        def write(tx: Tx) -> None:
            tx.execute(
                """
                UPDATE campaign SET state = %s::campaign_state, started_at = now(), recipients = 3,
                       fed = 3, ended_at = CASE WHEN %s = 'completed' THEN now() END
                 WHERE id = %s
                """,
                (state, state, campaign_id),
            )
            for mobile, was in zip(
                ("+64211234501", "+64211234502", "+64211234503"),
                ("failed", "delivered", message),
                strict=True,
            ):
                tx.execute(
                    """
                    INSERT INTO message (id, campaign_id, application_id, class, state, state_at,
                                         created_at, mobile, sender, params)
                    SELECT next_id(), %s, id, 2, %s::message_state, now(), now(), %s, '4455',
                           ARRAY['Ann']
                      FROM application WHERE name = %s
                    """,
                    (campaign_id, was, mobile, actor.application),
                )

        database.run(write)

    return campaign_id, become


def test_a_campaign_goes_to_those_of_an_earlier_one(
    siaran: Siaran, ended: tuple[int, Callable[..., None]], database: Database
) -> None:
    """R-3.2: of a given status, with their params, settled when it is made."""
    earlier, become = ended
    again = (
        "campaign",
        "new",
        "--message",
        "Hello %%1%%",
        "--now",
        "--json",
        "--from",
        str(earlier),
    )
    assert "has sent nothing" in siaran(*again, "--status", "failed").err
    become("completed")
    made = siaran(*again, "--status", "failed").json
    campaign = made["campaign"]
    assert (made["cost"]["recipients"], made["cost"]["missing"]) == (1, 0)
    assert (campaign["from_campaign_id"], campaign["from_state"]) == (earlier, "failed")
    assert campaign["list"] == "customers"

    def kept(tx: Tx) -> object:
        return tx.execute(
            "SELECT mobile, params FROM campaign_recipient WHERE campaign_id = %s",
            (campaign["id"],),
        ).fetchall()

    assert database.run(kept) == [("+64211234501", ["Ann"])]
    assert siaran("campaign", "show", str(campaign["id"]), "--json").json["planned"] == 1


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ("expired", "no message of campaign"),
        ("launched", "still on their way"),
        ("flown", "there are queued, launched"),
    ],
)
def test_nobody_of_an_earlier_one_is_refused(
    siaran: Siaran, ended: tuple[int, Callable[..., None]], status: str, says: str
) -> None:
    """R-3.2: nobody, those who may still get the first one, and an unknown status."""
    earlier, become = ended
    become("completed")
    answer = siaran(
        "campaign", "new", "--from", str(earlier), "--status", status, "--message", "Hi", "--now"
    )
    assert (answer.code, says in answer.err) == (1, True), answer.err
    assert len(siaran("campaign", "ls", "--json").json) == 1
    assert "not found" in siaran(
        "campaign", "new", "--from", "999999", "--status", "failed", "--message", "Hi", "--now"
    ).err  # fmt: skip


def test_many_recipients_are_confirmed(siaran: Siaran, customers: str) -> None:
    """R-3.10: above `confirm.above`, also when it is one segment each."""
    siaran("setting", "set", "confirm.above", "2")
    new = ("campaign", "new", "--list", customers, "--message", "Hi", "--now")
    answer = siaran(*new)
    assert (answer.code, "Send 3 segments to 3 recipients?" in answer.err) == (1, True)
    assert siaran("campaign", "ls", "--json").json == []
    assert siaran(*new, "--yes").code == 0
    siaran("setting", "set", "confirm.above", "3")
    assert siaran(*new).code == 0
