"""Callbacks at the desk: set, show, off; what died, and telling that after all (R-7.3, R-7.4)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.domain.callback import Kind
from engine.operations import Actor, Database, Tx
from engine.store import callbacks
from engine.store.callbacks import Endpoint
from tests.desk.conftest import Siaran

URL = "https://api.example.com/sms"
HUSH = "hush-hush-hush-hush"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file with a secret in it."""
    file = tmp_path / "secret"
    file.write_text(f"{HUSH}\n")
    return file


def endpoint(database: Database, actor: Actor, kind: Kind = Kind.RECEIPT) -> Endpoint:
    """What is set."""

    def read(tx: Tx) -> Endpoint:
        [(application,)] = tx.execute(
            "SELECT id FROM application WHERE name = %s", (actor.application,)
        ).fetchall()
        return callbacks.of_application(tx, application)[kind]

    return database.run(read)


def events(
    database: Database, actor: Actor, n: int, kind: Kind = Kind.RECEIPT, *, dead: bool = False
) -> list[int]:
    """Events that are due to what is set, or dead; their numbers."""
    to = endpoint(database, actor, kind)

    def write(tx: Tx) -> list[int]:
        rows = tx.execute(
            """
            INSERT INTO outbox (kind, application_id, endpoint_id, about_id, mobile, status,
                                status_at)
            SELECT %s::text, %s, %s, g, '+64211234567', r.status, r.at
              FROM generate_series(1, %s) AS g,
                   (SELECT CASE WHEN %s::text = 'receipt' THEN 'failed' END AS status,
                           CASE WHEN %s::text = 'receipt' THEN now() END AS at) AS r
            RETURNING id
            """,
            (kind.value, to.application_id, to.id, n, kind.value, kind.value),
        ).fetchall()
        if dead:
            tx.execute(
                """
                WITH gone AS (DELETE FROM outbox WHERE endpoint_id = %s RETURNING *)
                INSERT INTO outbox_dead (id, kind, application_id, endpoint_id, about_id, payload,
                                         mobile, status, status_at, created_at, attempts, died_at,
                                         reason)
                SELECT id, kind, application_id, endpoint_id, about_id, payload, mobile, status,
                       status_at, created_at, 3, now(), '422 Unprocessable' FROM gone
                """,
                (to.id,),
            )
        return [number for (number,) in rows]

    return database.run(write)


def test_an_endpoint_is_set_and_shown_without_its_secrets(
    siaran: Siaran, database: Database, actor: Actor, secret: Path, tmp_path: Path
) -> None:
    """R-7.3, R-8.5: neither on the screen nor in the log."""
    assert "no callbacks are set" in siaran("callback", "show").err
    key = tmp_path / "key"
    key.write_text(f"key-{HUSH}\n")
    words: list[Any] = ["callback", "set", "receipt", f"{URL}?token={HUSH}", "--events", "all"]
    words += ["--header", f"X-Key=@{key}", "--header", f"X-Other={HUSH}"]
    words += ["--oauth-url", "https://auth.example.com/token", "--client-id", "siaran"]
    words += ["--client-secret-file", secret, "--scope", "sms", "--hmac-secret-file", secret]
    answer = siaran(*words)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith(f"each status of a message is posted to {URL}?token=…")
    kept = endpoint(database, actor)
    assert kept.url == f"{URL}?token={HUSH}"
    assert kept.headers == {"X-Key": f"key-{HUSH}", "X-Other": HUSH}
    assert (kept.oauth_secret, kept.hmac_secret) == (HUSH, HUSH)
    assert HUSH not in repr(kept).replace(kept.url, "")
    for answer in (
        siaran("callback", "show"),
        siaran("callback", "show", "--json"),
        siaran(*words, "--json"),
        siaran("log", "--json"),
        siaran("log"),
    ):
        assert answer.code == 0
        assert HUSH not in answer.out + answer.err
    [shown] = siaran("callback", "show", "--json").json
    assert shown["headers"] == ["X-Key", "X-Other"]
    assert shown["secrets"] == ["client secret", "HMAC secret"]
    assert (shown["events"], shown["oauth_scope"], shown["waiting"]) == ("all", "sms", 0)
    assert "X-Key: ********" in siaran("callback", "show").out
    siaran("callback", "set", "reply", URL)
    said = siaran("callback", "show").out
    assert "each status" in said
    assert "each reply" in said


def test_setting_again_replaces_all_and_the_log_says_what(
    siaran: Siaran, database: Database, actor: Actor, secret: Path
) -> None:
    """R-7.3, R-7.5: with what was before; of secrets that they were changed."""
    siaran("callback", "set", "receipt", URL, "--header", "A=1", "--hmac-secret-file", secret)
    first = endpoint(database, actor)
    secret.write_text("another secret of length")
    siaran("callback", "set", "receipt", URL, "--header", "A=2", "--hmac-secret-file", secret)
    assert siaran("callback", "set", "receipt", f"{URL}/2").code == 0
    last = endpoint(database, actor)
    assert (last.id, last.headers, last.hmac_secret) == (first.id, {}, None)
    lines = siaran("log", "--action", "callback", "--json").json
    changes = sorted((line["after"].get("changed", []) for line in lines), key=len)
    assert changes == [
        [],
        ["HMAC secret", "header A"],
        ["URL", "HMAC secret", "header A"],
    ]
    assert all(line["object"] == "receipt" for line in lines)


def test_what_is_due_goes_to_the_new_address_and_a_suspension_ends(
    siaran: Siaran, database: Database, actor: Actor
) -> None:
    """R-7.4"""
    siaran("callback", "set", "receipt", URL)
    events(database, actor, 2)
    database.run(callbacks.suspend, endpoint(database, actor), "410 Gone")
    shown = siaran("callback", "show").out
    assert "suspended" in shown
    assert "410 Gone" in shown
    assert "2 are due" in siaran("callback", "set", "receipt", f"{URL}/2").out
    [shown] = siaran("callback", "show", "--json").json
    assert (shown["suspended_why"], shown["waiting"]) == (None, 2)


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("receipt", "http://127.0.0.1:1/"), 1, "allow_private = true"),
        (("receipt", "api.example.com"), 1, "write it whole"),
        (("receipt", URL, "--header", "Host=x"), 1, "set by the exchange itself"),
        (("receipt", URL, "--header", "X=@/nowhere"), 1, "/nowhere: can't be read"),
        (("receipt", URL, "--client-id", "x"), 1, "give its URL, too"),
        (("receipt", URL, "--oauth-url", URL, "--client-id", "x"), 1, "give both"),
        (("receipt", URL, "--hmac-secret-file", "/dev/null"), 1, "at least 16 are needed"),
        (("receipt", URL, "--hmac-secret-file", "/dev/zero"), 1, "larger than 65,536 octets"),
        (("receipt", URL, "--hmac-secret-file", "/"), 1, "/: can't be read"),
        (("receipt", URL, "--ca-file", "/dev/null"), 1, "no certificates in PEM"),
        (("receipt", "http://x.example", "--ca-file", "/dev/null"), 1, "no use with http://"),
        (("reply", URL, "--events", "all"), 1, "replies are all told"),
        (("receipt", URL, "--events", "some"), 2, "some"),
        (("receipts", URL), 2, "receipts"),
        (("reply", URL, "--client-secret-file", "-", "--hmac-secret-file", "-"), 2, "only one"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_changes_nothing(
    siaran: Siaran, words: tuple[str, ...], code: int, why: str
) -> None:
    """R-7.3: one line, and what to do."""
    answer = siaran("callback", "set", *words)
    assert (answer.code, answer.out) == (code, "")
    assert why in answer.err
    assert answer.err.count("\n") == 1
    assert siaran("callback", "show", "--json").json == []


def test_private_addresses_where_the_configuration_allows_them(
    siaran: Siaran, configuration: Path, tmp_path: Path
) -> None:
    """R-7.3: and http is taken with a word of warning."""
    file = tmp_path / "siaran.toml"
    file.write_text(f"{configuration.read_text()}[callbacks]\nallow_private = true\n")
    answer = siaran("callback", "set", "reply", "http://127.0.0.1:8000/x", "--config", file)
    assert (answer.code, "not encrypted" in answer.err) == (0, True)


def test_off_says_how_many_are_lost_and_deletes_them(
    siaran: Siaran, database: Database, actor: Actor
) -> None:
    """R-7.3: after a confirmation, which nobody gives here without --yes."""
    assert "no endpoint is set for a receipt" in siaran("callback", "off", "receipt").err
    siaran("callback", "set", "receipt", URL)
    siaran("callback", "set", "reply", URL)
    numbers = events(database, actor, 3)
    answer = siaran("callback", "off", "receipt")
    assert (answer.code, "3 that are due will be deleted" in answer.err) == (1, True)
    assert siaran("callback", "show", "--json").json[0]["waiting"] == 3
    answer = siaran("callback", "off", "receipt", "--yes")
    assert answer.out == "receipts are posted nowhere any more; 3 that were due are deleted\n"
    assert [one["kind"] for one in siaran("callback", "show", "--json").json] == ["reply"]
    left = "SELECT count(*) FROM outbox WHERE id = ANY (%s)"
    assert database.run(lambda tx: tx.execute(left, (numbers,)).fetchone()) == (0,)
    [line] = siaran("log", "--action", "callback.off", "--json").json
    assert line["before"]["due"] == 3


def test_dead_events_are_listed_and_told_after_all(
    siaran: Siaran, database: Database, actor: Actor
) -> None:
    """R-7.4"""
    assert "no events are dead" in siaran("callback", "dead").err
    siaran("callback", "set", "receipt", URL)
    first, second, third = events(database, actor, 3, dead=True)
    rows = siaran("callback", "dead", "--json").json
    assert [row["id"] for row in rows] == [third, second, first]
    assert (rows[0]["reason"], rows[0]["status"]) == ("422 Unprocessable", "failed")
    assert siaran("callback", "dead", "--kind", "reply", "--json").json == []
    assert "--rows 0" in siaran("callback", "dead", "--rows", "1").err
    answer = siaran("callback", "replay", second, second)
    assert answer.out == "1 event will be told again; see `siaran callback show`\n"
    assert siaran("callback", "replay", "--all", "--yes", "--json").json == {
        "replayed": [first, third]
    }
    assert siaran("callback", "show", "--json").json[0]["waiting"] == 3
    lines = siaran("log", "--action", "callback.replay", "--json").json
    assert sorted(line["object"] for line in lines) == ["1 event", "2 events"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "see `callback dead`"),
        (("999999999",), "event 999999999: not dead"),
        (("7", "--all"), "not both"),
    ],
)
def test_what_cannot_be_told_again_is_refused(
    siaran: Siaran, database: Database, actor: Actor, words: tuple[str, ...], why: str
) -> None:
    """R-7.4: all or nothing."""
    siaran("callback", "set", "receipt", URL)
    [one] = events(database, actor, 1, dead=True)
    answer = siaran("callback", "replay", *words, *((one,) if len(words) == 1 else ()))
    assert (answer.code, why in answer.err) == (1, True)
    assert len(siaran("callback", "dead", "--json").json) == 1


def test_dead_events_without_an_endpoint_or_a_text_stay_dead(
    siaran: Siaran, database: Database, actor: Actor
) -> None:
    """R-7.4, R-9.3: and the line says which it is."""
    siaran("callback", "set", "receipt", URL)
    siaran("callback", "set", "reply", URL)
    [receipt] = events(database, actor, 1, dead=True)
    [reply] = events(database, actor, 1, Kind.REPLY, dead=True)
    siaran("callback", "off", "receipt", "--yes")
    assert "no endpoint is set for a receipt" in siaran("callback", "replay", receipt).err
    assert "text of that reply is not kept" in siaran("callback", "replay", reply).err
    assert siaran("callback", "replay", "--all", "--yes", "--json").json == {"replayed": []}


def test_another_applications_callbacks_are_not_to_be_had(
    siaran: Siaran, database: Database, actor: Actor
) -> None:
    """R-7.8: neither seen nor changed; and only an admin configures them."""
    other = ("--app", f"{actor.application}-b")
    siaran("app", "add", other[1])
    siaran("callback", "set", "receipt", URL)
    [one] = events(database, actor, 1, dead=True)
    assert siaran("callback", "show", "--json", *other).json == []
    assert siaran("callback", "dead", "--json", *other).json == []
    assert siaran("callback", "replay", one, *other).code == 1
    assert siaran("callback", "off", "receipt", "--yes", *other).code == 1
    siaran("user", "add", "root", "--role", "admin")
    siaran("user", "add", "olga", "--role", "operator", "--as", "root")
    answer = siaran("callback", "set", "receipt", URL, "--as", "olga")
    assert (answer.code, "needs an admin" in answer.err) == (1, True)
