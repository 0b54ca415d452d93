"""The database's own commands: status, migrate, stop."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from engine.store import embedded, tools
from tests.desk.conftest import Siaran


@pytest.fixture
def server(
    postgres_url: str, superuser: psycopg.Connection[tuple[object, ...]], tmp_path: Path
) -> Iterator[Path]:
    """A configuration that names an empty database of a server, by URL."""
    name = f"empty_{uuid.uuid4().hex}"
    new = sql.Identifier(name)
    superuser.execute(sql.SQL("CREATE DATABASE {} OWNER siaran").format(new))
    file = tmp_path / "siaran.toml"
    url = f"postgresql://siaran@/{name}?{postgres_url.partition('?')[2]}"
    file.write_text(f'[database]\nurl = "{url}"\n')
    yield file
    superuser.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(new))


@pytest.fixture
def new_home(siaran: Siaran, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """No configuration, and a home of the embedded database where nothing is yet."""
    path = Path(tempfile.mkdtemp(prefix="siaran-desk-"))
    path.chmod(0o755)  # run as root, the server is another user
    monkeypatch.setenv("SIARAN_HOME", str(path))
    monkeypatch.delenv("SIARAN_CONFIG")
    monkeypatch.delenv("SIARAN_APP")
    yield path
    embedded.stop(path)
    shutil.rmtree(path)


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


def test_the_embedded_one_is_ready_at_once_and_says_where_it_is(
    siaran: Siaran, new_home: Path
) -> None:
    """With no configuration at all everything works: the schema is made on first use."""
    assert siaran("list", "create", "L").code == 0
    status = siaran("db", "status", "--json").json
    assert (status["kind"], status["running"], status["pending"]) == ("embedded", True, [])
    assert status["data_dir"].startswith(str(new_home))
    assert status["where"] == str(new_home)
    assert any(Path(status["socket"]).glob(".s.PGSQL.*"))  # what `psql -h` wants to know
    assert status["server_version"].startswith("18")
    assert status["size_bytes"] > 0


def test_status_and_stop_start_nothing(siaran: Siaran, new_home: Path) -> None:
    """Who asks whether it runs does not want it to."""
    status = siaran("db", "status", "--json").json
    assert (status["running"], status["server_version"]) == (False, None)
    assert status["socket"] is None
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


def test_long_work_lets_others_go_first(new_home: Path) -> None:
    """R-1.12: an import beside a campaign, in a process of its own; what the server does for it, too."""
    words = (
        "import os, sys",
        "from pathlib import Path",
        "from engine.store.db import Database",
        "database = Database.open(None, home=Path(sys.argv[1]), size=2)",
        "nice = lambda tx: os.getpriority(os.PRIO_PROCESS, tx.info.backend_pid)",
        "before = database.run(nice)",
        "database.step_aside()",
        "inner = database.run(lambda tx: (nice(tx), database.run(nice)))",
        "print(before, *inner, os.getpriority(os.PRIO_PROCESS, 0))",
    )
    said = subprocess.run(
        [sys.executable, "-c", "\n".join(words), str(new_home)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert said.stdout.split() == ["0", "10", "10", "10"], said.stderr


def test_a_program_of_postgresql_keeps_the_database_up_to_its_end(new_home: Path) -> None:
    """A dump of hours, with no engine running: the keeper sees a client, whoever started it."""
    words = [sys.executable, "-m", "admin_cli", "db", "tool", "psql", "-Atq"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as psql:
        assert psql.stdin is not None
        assert psql.stdout is not None
        psql.stdin.write("SELECT current_user, current_database();\n")
        psql.stdin.flush()
        assert psql.stdout.readline() == "siaran|siaran\n"
        assert embedded.status(new_home).clients == 1
        psql.stdin.close()
        assert psql.wait(60) == 0
    assert embedded.status(new_home).clients == 0


def test_a_program_ends_with_its_own_exit_code(new_home: Path) -> None:
    """So that a script that makes backups sees that one has failed."""
    words = [sys.executable, "-m", "admin_cli", "db", "tool", "pg_dump", "--no-such-option"]
    said = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert said.returncode == 1
    assert "no-such-option" in said.stderr


def test_programs_are_told_of_the_database_by_their_environment() -> None:
    """R-8.5: a password is in no command line, which others can read."""
    url = "postgresql://siaran:sec%2Fret@db1,db2:6000/sms?target_session_attrs=read-write&sslmode=require"
    assert tools.environment(url) == {
        "PGHOST": "db1,db2",
        "PGPORT": ",6000",
        "PGUSER": "siaran",
        "PGPASSWORD": "sec/ret",
        "PGDATABASE": "sms",
        "PGSSLMODE": "require",
        "PGTARGETSESSIONATTRS": "read-write",
    }


def test_a_program_that_changes_files_under_the_server_is_none_of_them(siaran: Siaran) -> None:
    """And who mistypes a name is told those that there are."""
    answer = siaran("db", "tool", "pg_resetwal")
    assert answer.code == 1
    assert "pg_dump" in answer.err
    assert "did you mean pg_dump" in siaran("db", "tool", "pgdump").err


def test_what_days_there_are_is_shown(siaran: Siaran) -> None:
    """R-9.3: each day's size, and when its rows go."""
    found = siaran("db", "days", "--json").json
    assert len(found) >= 3
    assert found[0].keys() >= {"day", "messages", "mo", "size_bytes", "goes_on", "waits"}
