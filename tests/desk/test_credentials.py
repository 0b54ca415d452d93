"""Credentials for the HTTP API: given, shown once, taken back (R-7.8, R-8.5)."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from engine.domain import credentials as rules
from engine.operations import Actor, Database, credentials
from tests.desk.conftest import Siaran


@pytest.fixture(autouse=True)
def _people(siaran: Siaran) -> None:
    assert siaran("user", "add", "anna").code == 0
    assert siaran("user", "add", "budi", "--as", "anna").code == 0


def test_a_token_is_shown_once_and_says_whose_it_is(
    siaran: Siaran, actor: Actor, database: Database
) -> None:
    """R-7.8, R-8.5: on stdout alone, so that it can be piped; only its hash is stored."""
    given = siaran("user", "token", "budi", "--as", "anna")
    assert given.code == 0
    token = given.out.strip()
    assert token.startswith("siaran_")
    assert "not shown again" in given.err
    found = database.run(credentials.by_token, token)
    assert found == Actor(application=actor.application, by="budi")
    assert database.run(credentials.by_token, token + "x") is None
    assert token not in siaran("log", "--as", "anna", "--json").out
    (listed,) = siaran("user", "token", "budi", "--list", "--as", "anna", "--json").json
    assert listed["hint"] == token[:13]
    stored = database.run(lambda tx: tx.execute("SELECT token::text FROM token").fetchall())
    assert not [row for row in stored if token in row[0]]


@pytest.mark.parametrize("which", ["all", None])
def test_a_revoked_token_is_nobodys(siaran: Siaran, database: Database, which: str | None) -> None:
    token = siaran("user", "token", "budi", "--as", "anna").out.strip()
    other = siaran("user", "token", "budi", "--as", "budi").out.strip()
    assert siaran("user", "token", "budi", "--revoke", which or token, "--as", "anna").code == 0
    assert database.run(credentials.by_token, token) is None
    assert (database.run(credentials.by_token, other) is None) == (which == "all")
    again = siaran("user", "token", "budi", "--revoke", token, "--as", "anna")
    assert again.code == 1
    assert "no such token" in again.err


def test_who_is_not_active_comes_in_with_nothing(siaran: Siaran, database: Database) -> None:
    token = siaran("user", "token", "budi", "--as", "anna", "--days", "9", "--json").json["token"]
    siaran("user", "edit", "budi", "--inactive", "--as", "anna")
    assert database.run(credentials.by_token, token) is None
    assert siaran("user", "token", "budi", "--as", "anna").code == 1


def test_each_may_give_to_themselves_and_only_an_admin_to_others(siaran: Siaran) -> None:
    assert siaran("user", "token", "budi", "--as", "budi").code == 0
    refused = siaran("user", "token", "anna", "--as", "budi")
    assert (refused.code, "needs an admin" in refused.err) == (1, True)
    assert siaran("user", "token", "nobody", "--as", "anna").code == 1


def test_a_password_comes_from_a_file_or_stdin_and_is_kept_as_a_hash(
    siaran: Siaran,
    actor: Actor,
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    budi = Actor(application=actor.application, by="budi")
    file = tmp_path / "password"
    file.write_text("correct horse battery\n")
    assert siaran("user", "password", "budi", "--file", file, "--as", "anna").code == 0
    kept = database.run(credentials.kept_of, budi)
    assert kept is not None
    assert rules.fits("correct horse battery", kept)
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    short = siaran("user", "password", "budi", "--file", "-", "--as", "anna")
    assert (short.code, "12 to 1,024" in short.err) == (1, True)
    missing = siaran("user", "password", "budi", "--file", tmp_path / "none", "--as", "anna")
    assert (missing.code, "can't read" in missing.err) == (1, True)
    assert siaran("user", "password", "budi", "--off", "--as", "anna").code == 0
    assert database.run(credentials.kept_of, budi) is None
    assert siaran("user", "password", "budi", "--as", "anna").code == 2
