"""The database's own commands: status, migrate, stop."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from engine.operations import Database
from engine.store import embedded
from tests.desk.conftest import Siaran


@pytest.fixture
def server(database: Database, tmp_path: Path) -> Iterator[Path]:
    """A configuration that names an empty database of a server, by URL."""
    name = "empty"
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
        url = database.url.replace("/siaran?", f"/{name}?")
        file = tmp_path / "siaran.toml"
        file.write_text(f'[database]\nurl = "{url}"\n')
        yield file
        connection.execute(f"DROP DATABASE {name} (FORCE)")


def test_a_server_is_migrated_when_somebody_says_so(siaran: Siaran, server: Path) -> None:
    """Engines of the previous version may run on it (R-9.4): no command does it by the way."""
    refused = siaran("list", "ls", "--config", server, "--app", "default")
    assert refused.code == 1
    assert "siaran db migrate" in refused.err
    before = siaran("db", "status", "--config", server, "--json").json
    assert (before["kind"], before["running"], before["schema_version"]) == ("server", True, None)
    assert before["pending"]
    ran = siaran("db", "migrate", "--config", server, "--json").json
    assert ran == {"migrations": before["pending"]}
    assert siaran("db", "migrate", "--config", server, "--json").json == {"migrations": []}
    assert siaran("list", "ls", "--config", server, "--app", "default").code == 0
    assert siaran("db", "status", "--config", server, "--json").json["pending"] == []


def test_a_server_by_url_is_not_stopped(siaran: Siaran, server: Path) -> None:
    """It belongs to others, too."""
    answer = siaran("db", "stop", "--config", server, "--yes")
    assert answer.code == 1
    assert "database.url" in answer.err


def test_the_embedded_one_is_ready_at_once_and_says_where_it_is(siaran: Siaran, home: Path) -> None:
    """With no configuration at all everything works: the schema is made on first use."""
    assert siaran("list", "ls").code == 0
    status = siaran("db", "status", "--json").json
    assert (status["kind"], status["running"], status["pending"]) == ("embedded", True, [])
    assert status["data_dir"].startswith(str(home))
    assert status["server_version"].startswith("18")
    assert status["size_bytes"] > 0


@pytest.fixture
def new_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="siaran-desk-"))
    path.chmod(0o755)
    monkeypatch.setenv("SIARAN_HOME", str(path))
    yield path
    embedded.stop(path)
    shutil.rmtree(path)


def test_status_and_stop_start_nothing(siaran: Siaran, new_home: Path) -> None:
    """Who asks whether it runs does not want it to."""
    status = siaran("db", "status", "--json").json
    assert (status["running"], status["server_version"]) == (False, None)
    assert siaran("db", "stop", "--json").json["was_running"] is False
    assert list(new_home.iterdir()) == []


def test_what_somebody_uses_is_stopped_after_a_yes(siaran: Siaran, new_home: Path) -> None:
    """A stop takes the database from every engine of the home."""
    lease = embedded.join(new_home)
    asked = siaran("db", "stop")
    assert asked.code == 1
    assert "1 process uses the database" in asked.err
    assert siaran("db", "stop", "--yes", "--json").json["was_running"] is True
    assert siaran("db", "status", "--json").json["running"] is False
    lease.close()
