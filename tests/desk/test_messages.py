"""Single messages at the desk: sent, shown, held, resolved (R-5.14, R-8.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.operations import Actor, Database, Tx
from tests.desk.conftest import Siaran

MOBILE = "+64211234567"


@pytest.fixture(autouse=True)
def sender(siaran: Siaran) -> str:
    """What a message comes from when it says nothing."""
    assert siaran("sender", "add", "4455").code == 0
    return "4455"


@pytest.fixture
def row(database: Database) -> Callable[..., None]:
    """Make of a message what turns would: `row(id, "state = 'sent'")`; and what it is due."""

    def change(message_id: int, changes: str, *, held: bool = False) -> None:
        def fn(tx: Tx) -> None:
            tx.execute(f"UPDATE message SET {changes} WHERE id = %s", (message_id,))
            if held:
                tx.execute("DELETE FROM due WHERE message_id = %s", (message_id,))
                tx.execute(
                    """
                    INSERT INTO held SELECT id, application_id, campaign_id, now()
                      FROM message WHERE id = %s
                    """,
                    (message_id,),
                )

        database.run(fn)

    return change


@pytest.fixture
def sent(siaran: Siaran) -> Callable[..., int]:
    """Send one; its id."""

    def send(*words: str) -> int:
        answer = siaran("message", "send", MOBILE, *(words or ("Kia ora",)), "--json")
        assert answer.code == 0, answer.err
        return int(answer.json["id"])

    return send


UNCERTAIN = "state = 'uncertain', attempt = 1, total = 1"


def test_a_message_is_accepted_for_good(siaran: Siaran, database: Database) -> None:
    """R-8.1: row and due in one step, an engine is told; R-7.5: who sent it, and not what it says."""
    siaran("prefix", "add", "021", "6421")
    words = ("message", "send", "021 123-4567", "Your code is 4711", "--as", "anna", "--json")
    answer = siaran(*words)
    assert (answer.code, answer.err) == (0, "")
    made = answer.json
    assert (made["mobile"], made["sender"], made["segments"]) == (MOBILE, "4455", 1)
    found = database.run(
        lambda tx: tx.execute(
            """
            SELECT m.class, m.state::text, d.class, d.due_at <= now(), m.campaign_id
              FROM message m JOIN due d ON d.message_id = m.id WHERE m.id = %s
            """,
            (made["id"],),
        ).fetchall()
    )
    assert found == [(0, "queued", 0, True, None)]
    line = siaran("log", "--json").json[-1]
    assert (line["by"], line["action"], line["object"]) == ("anna", "message.send", str(made["id"]))
    assert line["after"] == {"mobile": MOBILE, "sender": "4455", "characters": 17, "segments": 1}
    assert f"siaran message show {made['id'] + 1}" in siaran(*words[:-1]).out


def test_engines_are_woken(database: Database, siaran: Siaran, sent: Callable[..., int]) -> None:
    """R-5.14: it is looked at now, not at the next look."""
    import psycopg

    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("LISTEN siaran")
        sent()
        [notified] = connection.notifies(timeout=5, stop_after=1)
    assert notified.channel == "siaran"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["12ab34", "Hi"], 1, "letters in a number"),
        (["0211234567", "Hi"], 1, "neither international"),
        ([MOBILE, " "], 1, "empty"),
        ([MOBILE, "Hi %%1%%"], 1, "has no params"),
        ([MOBILE, "x" * 1531, "--yes"], 1, "11 segments"),
        ([MOBILE, "x" * 161], 1, "say --yes"),
        ([MOBILE, "Hi", "--sender", "4545"], 1, "did you mean 4455?"),
        ([MOBILE], 2, "TEXT"),
    ],
)
def test_what_is_refused_leaves_nothing(
    siaran: Siaran, database: Database, actor: Actor, words: list[str], code: int, says: str
) -> None:
    """R-1.4, R-2.2, R-2.3, R-2.6: one line that says what to do."""
    answer = siaran("message", "send", *words)
    assert (answer.code, answer.out) == (code, "")
    assert says in answer.err
    assert _count(database, actor) == 0


def test_who_wants_nothing_gets_nothing(
    siaran: Siaran, say: Callable[..., None], database: Database, actor: Actor
) -> None:
    """R-6.3, R-6.4: opted out of all, or on the blacklist; an opt-out from one list is not from this."""
    send = ("message", "send", MOBILE, "Hi")
    siaran("list", "create", "news")
    say(MOBILE, "out", "news")
    assert siaran(*send).code == 0
    say(MOBILE, "out")
    answer = siaran(*send)
    assert (answer.code, "has opted out of all messages" in answer.err) == (1, True)
    say(MOBILE, "in")
    assert siaran("blacklist", "add", MOBILE).code == 0
    answer = siaran(*send)
    assert (answer.code, "is on the blacklist" in answer.err) == (1, True)
    assert _count(database, actor) == 1


def test_a_long_message_says_what_it_costs(siaran: Siaran) -> None:
    """R-2.2: and it is sent when somebody has agreed."""
    answer = siaran("message", "send", MOBILE, "x" * 161, "--yes")
    assert answer.code == 0
    assert "sent, and paid for, as 2 segments" in answer.err


def test_a_doubtful_number_is_named(siaran: Siaran) -> None:
    """R-1.4: kept, with a warning."""
    answer = siaran("message", "send", "+6421000000", "Hi")
    assert answer.code == 0
    assert "ends in 6 or more equal digits" in answer.err


def test_a_message_is_shown_with_its_segments(
    siaran: Siaran, sent: Callable[..., int], row: Callable[..., None], database: Database
) -> None:
    """R-8.2: state and why, each attempt that an SMSC took, under its id there; nothing masked."""
    message_id = sent("x" * 200, "--yes")
    shown = siaran("message", "show", str(message_id), "--json").json
    assert (shown["state"], shown["attempts"], shown["segments"]) == ("queued", 0, [])
    assert (shown["mobile"], shown["text"]) == (MOBILE, "x" * 200)
    row(
        message_id,
        "state = 'failed', attempt = 2, total = 2, accepted = 1, failed = 2, reason = 'ESME_RSYSERR'",
    )

    def took(tx: Tx) -> None:
        tx.execute("INSERT INTO carrier (name) VALUES ('tui') ON CONFLICT DO NOTHING")
        tx.execute(
            """
            INSERT INTO submission SELECT %s, 1, a, id, 'A' || a, now()
              FROM carrier, generate_series(1, 2) AS a WHERE name = 'tui'
            """,
            (message_id,),
        )

    database.run(took)
    shown = siaran("message", "show", str(message_id), "--json").json
    first, second = shown["segments"]
    assert [(one["attempt"], one["carrier"], one["smsc_id"]) for one in first["taken"]] == [
        (1, "tui", "A1"),
        (2, "tui", "A2"),
    ]
    assert (first["state"], second["state"], second["taken"]) == ("sent", "failed", [])
    assert shown["why"] == "it is failed: ESME_RSYSERR"
    said = siaran("message", "show", str(message_id)).out
    assert f"id        {message_id}\n" in said, "to be typed again, so without commas"
    assert "A2" in said


def test_a_campaigns_message_is_shown_as_its_recipient_gets_it(
    siaran: Siaran, database: Database, actor: Actor
) -> None:
    """R-2.3: merged."""
    siaran("list", "create", "L")
    siaran("member", "add", "L", MOBILE, "Anna")
    words = ("--list", "L", "--message", "Hi %%1%%, %%2%%!", "--now", "--json")
    campaign = siaran("campaign", "new", *words).json["campaign"]["id"]

    def feed(tx: Tx) -> int:
        found = tx.execute(
            """
            INSERT INTO message (id, campaign_id, application_id, class, state_at, created_at,
                                 mobile, sender, params)
            SELECT next_id(), id, application_id, 2, now(), now(), %s, sender, ARRAY['Anna']
              FROM campaign WHERE id = %s RETURNING id
            """,
            (MOBILE, campaign),
        ).fetchone()
        assert found is not None
        return int(found[0])

    message_id = str(database.run(feed))
    shown = siaran("message", "show", message_id, "--json").json
    assert (shown["text"], shown["campaign"], shown["list"]) == ("Hi Anna, !", campaign, "L")
    assert shown["why"] == f"it waits in campaign {campaign}; see `siaran campaign show {campaign}`"
    assert "not found" in siaran("message", "show", message_id, "--app", "default").err
    assert "not found" in siaran("message", "show", "12").err


@pytest.mark.parametrize(
    ("resolution", "state", "said"), [("resend", "queued", "queued again"), ("fail", "failed", "failed")]
)  # fmt: skip
def test_a_doubt_is_resolved(
    siaran: Siaran,
    sent: Callable[..., int],
    row: Callable[..., None],
    resolution: str,
    state: str,
    said: str,
) -> None:
    """R-8.2: by whoever knows; in the log (R-7.5)."""
    message_id = sent()
    row(message_id, UNCERTAIN, held=True)
    shown = siaran("message", "show", str(message_id), "--json").json
    assert f"`siaran message resolve {message_id} resend`" in shown["why"]
    assert [one["id"] for one in siaran("message", "held", "--json").json] == [message_id]
    assert str(message_id) in siaran("message", "held").out
    answer = siaran("message", "resolve", str(message_id), resolution, "--as", "anna")
    assert answer.out == f"message {message_id} is {said}\n"
    assert siaran("message", "held", "--json").json == []
    shown = siaran("message", "show", str(message_id), "--json").json
    assert (shown["state"], shown["held_at"]) == (state, None)
    if resolution == "fail":
        assert shown["why"] == "it is failed: no answer from the SMSC; given up by anna"
    line = siaran("log", "--json").json[-1]
    assert (line["action"], line["object"]) == ("message.resolve", str(message_id))
    assert line["after"] == {"resolution": resolution, "messages": 1}


def test_all_or_none_are_resolved(
    siaran: Siaran, sent: Callable[..., int], row: Callable[..., None]
) -> None:
    """A list of numbers in which one is wrong changes nothing."""
    doubtful, fine = sent(), sent()
    row(doubtful, UNCERTAIN)
    row(fine, "state = 'sent'")
    answer = siaran("message", "resolve", str(doubtful), str(fine), "fail")
    assert answer.code == 1
    assert f"message {fine} is sent, not uncertain" in answer.err
    assert siaran("message", "show", str(doubtful), "--json").json["state"] == "uncertain"
    assert siaran("message", "resolve", str(doubtful), "fail").code == 0


def test_all_held_ones_of_a_campaign_are_resolved(siaran: Siaran, database: Database) -> None:
    """R-8.2: `campaign show` says how many and how, its counts stay exact, and it can end."""
    siaran("list", "create", "L")
    for n in range(3):
        siaran("member", "add", "L", f"+6421123456{n}")
    words = ("--list", "L", "--message", "Hi", "--now", "--json")
    campaign = siaran("campaign", "new", *words).json["campaign"]["id"]
    database.run(_all_but_one_are_held, campaign)
    shown = siaran("campaign", "show", str(campaign), "--json").json
    assert (shown["held"], shown["counts"]["uncertain"]) == (2, 2)
    assert f"`siaran message resolve --campaign {campaign} resend` (or fail)" in shown["why"]
    assert len(siaran("message", "held", "--campaign", str(campaign), "--json").json) == 2
    resolve = ("message", "resolve", "--campaign", str(campaign))
    assert "say --yes" in siaran(*resolve, "fail").err
    assert siaran(*resolve, "fail", "--yes").out == "2 messages are failed\n"
    shown = siaran("campaign", "show", str(campaign), "--json").json
    counts = {state: n for state, n in shown["counts"].items() if n}
    assert (shown["held"], counts) == (0, {"sent": 1, "failed": 2})
    assert "is held; nothing was changed" in siaran(*resolve, "resend", "--yes").err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["fail"], "--campaign ID"),
        (["7", "fail", "--campaign", "3"], "--campaign ID"),
        (["7", "drop"], "resend or fail"),
        (["7"], "resend or fail"),
        (["x7", "fail"], "no message number"),
        (["9" * 20, "fail"], "no message number"),
    ],
)
def test_wrong_words_to_resolve_are_usage(siaran: Siaran, words: list[str], says: str) -> None:
    answer = siaran("message", "resolve", *words)
    assert answer.code == 2
    assert says in answer.err


def _all_but_one_are_held(tx: Tx, campaign: int) -> None:
    """A campaign of three after a crash: one was answered."""
    tx.execute(
        """
        WITH c AS (
            UPDATE campaign SET state = 'finishing', started_at = now(), recipients = 3, fed = 3
             WHERE id = %s RETURNING id, application_id, list_id, sender),
        made AS (
            INSERT INTO message (id, campaign_id, application_id, class, state_at, created_at,
                                 mobile, sender, attempt, total, state)
            SELECT next_id(), c.id, application_id, 2, now(), now(), mobile, sender, 1, 1,
                   CASE row_number() OVER (ORDER BY m.id) WHEN 1 THEN 'sent' ELSE 'uncertain'
                   END::message_state
              FROM c JOIN member m ON m.list_id = c.list_id
            RETURNING id, application_id, campaign_id, state),
        kept AS (
            INSERT INTO held SELECT id, application_id, campaign_id, now()
              FROM made WHERE state = 'uncertain')
        INSERT INTO tally SELECT campaign_id, state, count(*) FROM made GROUP BY 1, 2
        """,
        (campaign,),
    )


def _count(database: Database, actor: Actor) -> Any:
    [row] = database.run(
        lambda tx: tx.execute(
            """
            SELECT count(*) FROM message WHERE application_id =
                (SELECT id FROM application WHERE name = %s)
            """,
            (actor.application,),
        ).fetchall()
    )
    return row[0]
