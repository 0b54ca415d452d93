"""A campaign edited, paused, resumed, stopped, cancelled, deleted at the desk (R-3.5)."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from engine.operations import Actor, Database, Refused, Tx, campaigns, editing
from engine.operations.editing import Changes
from engine.store import dispatching
from tests.desk.conftest import Siaran, until_somebody_waits

pytestmark = pytest.mark.usefixtures("sender")

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def campaign(siaran: Siaran, customers: str) -> str:
    """One that is scheduled."""
    words = ("--list", customers, "--message", "Hi %%1%%", "--at", "2030-12-01 09:10", "--json")
    return str(siaran("campaign", "new", *words).json["campaign"]["id"])


def become(database: Database, campaign: str, state: str, *, begun: bool) -> None:
    database.run(
        lambda tx: tx.execute(
            """
            UPDATE campaign SET state = %s::campaign_state,
                   started_at = CASE WHEN %s THEN now() END WHERE id = %s
            """,
            (state, begun, campaign),
        )
    )


def shown(siaran: Siaran, campaign: str) -> dict[str, object]:
    answer: dict[str, object] = siaran("campaign", "show", campaign, "--json").json
    return answer


def test_a_running_one_is_paused_resumed_and_stopped(
    siaran: Siaran, campaign: str, database: Database
) -> None:
    """R-3.5, R-7.5: each with its line in the log, before and after."""
    become(database, campaign, "running", begun=True)
    assert siaran("campaign", "pause", campaign).code == 1  # nobody is there to confirm
    answer = siaran("campaign", "pause", campaign, "--reason", "wrong price", "--yes")
    assert answer.code == 0, answer.err
    assert shown(siaran, campaign)["why"] == "it is paused: wrong price"
    assert "paused already" in siaran("campaign", "pause", campaign, "--yes").err
    assert siaran("campaign", "resume", campaign, "--yes").code == 0
    assert shown(siaran, campaign)["state"] == "waiting"
    assert siaran("campaign", "stop", campaign, "--yes").code == 0
    assert shown(siaran, campaign)["state"] == "stopped"
    assert "stopped already" in siaran("campaign", "resume", campaign, "--yes").err
    lines = siaran("log", "--action", "campaign", "--json").json[-3:]
    assert [line["action"] for line in lines] == [
        "campaign.pause",
        "campaign.resume",
        "campaign.stop",
    ]
    assert lines[0]["before"] == {"state": "running"}
    assert lines[0]["after"] == {"state": "paused", "reason": "wrong price"}
    assert lines[1]["before"] == {"state": "paused", "reason": "wrong price"}


def test_one_that_has_not_started_is_not_paused_or_stopped(siaran: Siaran, campaign: str) -> None:
    """R-3.5: what can be done instead is said; nothing is changed, nor logged."""
    for verb in ("pause", "stop"):
        answer = siaran("campaign", verb, campaign, "--yes")
        assert answer.code == 1
        assert f"`siaran campaign cancel {campaign}` calls it off" in answer.err
    assert shown(siaran, campaign)["state"] == "scheduled"
    assert len(siaran("log", "--action", "campaign", "--json").json) == 1


def test_a_deleted_one_is_seen_no_more(
    siaran: Siaran, campaign: str, database: Database, customers: str
) -> None:
    """R-3.5: one that has not started is cancelled with it; one that is under way is refused."""
    become(database, campaign, "running", begun=True)
    answer = siaran("campaign", "delete", campaign, "--yes")
    assert (answer.code, "has started (running)" in answer.err) == (1, True)
    become(database, campaign, "scheduled", begun=False)
    assert siaran("campaign", "delete", campaign, "--yes").code == 0
    assert siaran("campaign", "ls", "--json").json == []
    assert "not found" in siaran("campaign", "show", campaign).err
    assert "not found" in siaran("campaign", "delete", campaign, "--yes").err
    line = siaran("log", "--action", "campaign.delete", "--json").json[0]
    assert (line["before"], line["after"]) == ({"state": "scheduled"}, {"state": "cancelled"})
    assert siaran("list", "delete", customers, "--yes").code == 0  # no campaign needs it any more


@pytest.mark.parametrize("state", ["scheduled", "waiting", "running", "paused", "finishing"])
def test_a_list_that_a_campaign_needs_is_not_deleted(
    siaran: Siaran, campaign: str, database: Database, customers: str, state: str
) -> None:
    """R-1.11: as long as it has not ended."""
    become(database, campaign, state, begun=state not in ("scheduled", "waiting"))
    answer = siaran("list", "delete", customers, "--yes")
    assert (answer.code, f"needed by campaign {campaign}" in answer.err) == (1, True)


def test_viewers_do_none_of_it(siaran: Siaran, campaign: str) -> None:
    """R-3.5: operators may."""
    siaran("user", "add", "anna", "--role", "admin", "--as", "anna")
    siaran("user", "add", "vera", "--role", "viewer", "--as", "anna")
    siaran("user", "add", "otto", "--role", "operator", "--as", "anna")
    for verb in ("pause", "resume", "stop", "cancel", "delete"):
        assert (
            "needs an operator" in siaran("campaign", verb, campaign, "--yes", "--as", "vera").err
        )
    assert siaran("campaign", "edit", campaign, "--rate", "5/s", "--as", "vera").code == 1
    assert siaran("campaign", "cancel", campaign, "--yes", "--as", "otto").code == 0


def test_an_edit_changes_what_is_given_and_leaves_the_rest(siaran: Siaran, campaign: str) -> None:
    """R-3.5: measured anew; the log has what was, and what is."""
    answer = siaran(
        "campaign", "edit", campaign, "--message", "Kia ora %%2%%", "--rate", "10/m",
        "--at", "2030-12-01 10:20", "--json",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    now_is = answer.json["campaign"]
    assert (now_is["text"], now_is["sender"], now_is["version"]) == ("Kia ora %%2%%", "4455", 2)
    assert now_is["scheduled_at"] == "2030-12-01T03:20:00.000Z"
    assert answer.json["cost"]["missing"] == 3
    line = siaran("log", "--action", "campaign.edit", "--json").json[0]
    assert line["before"] == {
        "text": "Hi %%1%%", "rate": None, "scheduled_at": "2030-12-01T02:10:00+00:00",
    }  # fmt: skip
    assert line["after"]["rate"] == "10/m"
    again = siaran("campaign", "edit", campaign, "--rate", "", "--batch", "b", "--flash", "--json")
    assert (again.json["changed"], again.json["campaign"]["rate"]) == (
        ["batch", "flash", "rate"],
        None,
    )
    same = siaran("campaign", "edit", campaign, "--batch", "b")
    assert (same.code, "was so already" in same.out) == (0, True)
    assert len(siaran("log", "--action", "campaign.edit", "--json").json) == 2


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ([], 2, "what is to be changed"),
        (["--message", "a", "--template", "b"], 2, "not both"),
        (["--now", "--at", "2030-12-01 09:10"], 2, "not both"),
        (["--timezone", "Asia/Jakarta"], 1, "give that, too"),
        (["--at", "2030-12-01 09:15"], 1, "09:20"),
        (["--at", "2020-12-01 09:10"], 1, "past"),
        (["--list", "nobody"], 1, "not found"),
        (["--sender", "4545"], 1, "did you mean 4455?"),
        (["--message", "Hello %%7%%"], 1, "%%7%%"),
        (["--message", ""], 1, "empty"),
        (["--not-after", "2030-12-01 09:00"], 1, "not after the start"),
        (["--message", "x" * 161], 1, "say --yes"),
        (["--flash", "--version", "7"], 1, "changed meanwhile"),
    ],
)
def test_a_bad_edit_changes_nothing(
    siaran: Siaran, campaign: str, words: list[str], code: int, says: str
) -> None:
    """R-3.5: it is judged like a new one."""
    before = shown(siaran, campaign)
    answer = siaran("campaign", "edit", campaign, *words)
    assert (answer.code, says in answer.err) == (code, True), answer.err
    assert shown(siaran, campaign) == before


def test_of_two_editors_the_second_is_told(
    siaran: Siaran, campaign: str, database: Database, actor: Actor
) -> None:
    """R-3.5: who thought longer over the cost finds that the campaign is another one now."""

    def meanwhile(answers: object) -> None:
        assert siaran("campaign", "edit", campaign, "--message", "Quicker").code == 0

    with pytest.raises(Refused, match="changed meanwhile by somebody else \\(version 2, not 1\\)"):
        editing.edit(
            database, actor, int(campaign), Changes(message="Slower"), now=NOW, tell=meanwhile
        )
    assert shown(siaran, campaign)["text"] == "Quicker"


def test_the_start_wins_over_an_edit(
    siaran: Siaran, campaign: str, database: Database, actor: Actor
) -> None:
    """R-3.5: an edit that is about to be written waits for a start that is, and then is refused."""
    refused: list[str] = []

    def edit() -> None:
        try:
            editing.edit(database, actor, int(campaign), Changes(message="Late"), now=NOW)
        except Refused as error:
            refused.append(str(error))

    thread = threading.Thread(target=edit)

    def start(tx: Tx) -> None:
        assert dispatching.enter(tx, int(campaign), "running", ["scheduled"], NOW)
        thread.start()
        until_somebody_waits(tx)

    database.run(start)
    thread.join(10)
    (why,) = refused
    assert why.startswith(f"campaign {campaign} has started (running) and can't be changed; ")
    assert shown(siaran, campaign)["text"] == "Hi %%1%%"


def test_one_that_waits_for_its_turn_is_scheduled_anew(
    siaran: Siaran, campaign: str, database: Database, actor: Actor
) -> None:
    """R-3.5: it has not started, so that a slip can still be mended."""
    become(database, campaign, "waiting", begun=False)
    assert siaran("campaign", "edit", campaign, "--message", "Mended").code == 0
    found = database.run(campaigns.get, actor, int(campaign))
    assert (found.state, found.text) == ("scheduled", "Mended")


def test_a_template_that_is_edited_in_brings_its_text(siaran: Siaran, campaign: str) -> None:
    """R-2.4."""
    siaran("template", "add", "hello", "Hello %%1%%")
    assert siaran("campaign", "edit", campaign, "--template", "hello").code == 0
    assert (shown(siaran, campaign)["text"], shown(siaran, campaign)["template"]) == (
        "Hello %%1%%",
        "hello",
    )
    siaran("campaign", "edit", campaign, "--batch", "b")
    assert shown(siaran, campaign)["template"] == "hello"
    siaran("campaign", "edit", campaign, "--message", "Other")
    assert shown(siaran, campaign)["template"] is None
