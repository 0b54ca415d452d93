"""Mails at the desk: what waits, what is dead and why, and sending that after all (R-6.8)."""

from __future__ import annotations

import pytest

from engine import clock
from engine.operations import Actor, Database, Tx
from engine.store import outbox
from tests.desk.conftest import Siaran


def reported(database: Database, actor: Actor, *recipients: str) -> list[int]:
    """Reports of imports that wait to be mailed; their numbers."""

    def write(tx: Tx) -> list[int]:
        [(application,)] = tx.execute(
            "SELECT id FROM application WHERE name = %s", (actor.application,)
        ).fetchall()
        for recipient in recipients:
            outbox.report(tx, application, recipient, {"by": "anna", "report": {}})
        return [one.id for one in outbox.waiting(tx, application, None)]

    return database.run(write)


def test_mails_that_wait_are_listed_with_what_went_wrong(
    siaran: Siaran, database: Database, actor: Actor
) -> None:
    """R-6.8"""
    assert siaran("mail", "ls").err.strip() == "no mails wait"
    first, second = reported(database, actor, "a@example.net", "b@example.net")
    database.run(outbox.failed, second, "451 greylisted", clock.utc_now(), clock.utc_now())
    rows = siaran("mail", "ls", "--json").json
    assert [(row["id"], row["recipient"], row["attempts"]) for row in rows] == [
        (first, "a@example.net", 0),
        (second, "b@example.net", 1),
    ]
    assert rows[1]["last_error"] == "451 greylisted"
    assert "--rows 0" in siaran("mail", "ls", "--rows", "1").err


def test_a_dead_mail_is_sent_after_all_as_the_same(
    siaran: Siaran, database: Database, actor: Actor
) -> None:
    """R-6.8: under its number, which its Message-ID is made of; R-7.5: the log says who."""
    first, second = reported(database, actor, "a@example.net", "b@example.net")
    for one in (first, second):
        database.run(outbox.died, one, "550 no such user", clock.utc_now())
    assert siaran("mail", "ls", "--json").json == []
    [newest, _] = siaran("mail", "dead", "--json").json
    assert (newest["id"], newest["reason"], newest["attempts"]) == (second, "550 no such user", 1)
    answer = siaran("mail", "replay", str(second))
    assert (answer.code, answer.out) == (0, "1 mail will be sent again; see `mail ls`\n")
    [waiting] = siaran("mail", "ls", "--json").json
    assert (waiting["id"], waiting["attempts"], waiting["last_error"]) == (second, 0, None)
    assert siaran("mail", "replay", "--all", "--yes", "--json").json == {"replayed": [first]}
    assert siaran("mail", "dead", "--json").json == []
    lines = siaran("log", "--action", "mail", "--json").json
    assert [line["object"] for line in lines] == ["1 mail", "1 mail"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "see `mail dead`"),
        (("999999999",), "mail 999999999: not dead"),
        (("7", "--all"), "not both"),
    ],
)
def test_what_cannot_be_replayed_is_refused(
    siaran: Siaran, database: Database, actor: Actor, words: tuple[str, ...], why: str
) -> None:
    """All or nothing."""
    [one] = reported(database, actor, "a@example.net")
    database.run(outbox.died, one, "x", clock.utc_now())
    more = (str(one),) if words[:1] == ("999999999",) else ()
    answer = siaran("mail", "replay", *words, *more)
    assert answer.code == 1
    assert why in answer.err
    assert len(siaran("mail", "dead", "--json").json) == 1


def test_another_applications_mails_are_not_to_be_had(
    siaran: Siaran, database: Database, actor: Actor
) -> None:
    """R-7.8: neither seen nor replayed."""
    siaran("app", "add", f"{actor.application}-b")
    [one] = reported(database, actor, "a@example.net")
    database.run(outbox.died, one, "x", clock.utc_now())
    other = ("--app", f"{actor.application}-b")
    assert siaran("mail", "dead", "--json", *other).json == []
    assert siaran("mail", "replay", str(one), *other).code == 1
