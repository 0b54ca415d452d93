"""The desk's tests: real commands on a real database, each test in an application of its own."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from admin_cli.main import main
from config.load import load
from engine.operations import Actor, Database, Tx, open_database


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Siaran = Callable[..., Answer]


@pytest.fixture(scope="session")
def configuration(
    postgres_url: str,
    superuser: psycopg.Connection[tuple[object, ...]],
    _template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Path]:
    """A configuration file that names one database for all tests of this process.

    Each test is an application in it: that costs nothing, where a database costs 50 ms.
    """
    name = f"desk_{uuid.uuid4().hex}"
    new, template = sql.Identifier(name), sql.Identifier(_template)
    superuser.execute(sql.SQL("CREATE DATABASE {} OWNER siaran TEMPLATE {}").format(new, template))
    file = tmp_path_factory.mktemp("desk") / "siaran.toml"
    url = f"postgresql://siaran@/{name}?{postgres_url.partition('?')[2]}"
    file.write_text(f'[database]\nurl = "{url}"\n')
    yield file
    superuser.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(new))


@pytest.fixture(scope="session")
def database(configuration: Path) -> Iterator[Database]:
    """The database of that configuration."""
    with open_database(load(configuration, {})) as database:
        yield database


@pytest.fixture
def actor(database: Database) -> Actor:
    """Somebody in a fresh application."""
    name = f"app-{uuid.uuid4()}"

    def make(tx: Tx) -> None:
        tx.execute("INSERT INTO application (name, timezone) VALUES (%s, 'Asia/Jakarta')", (name,))

    database.run(make)
    return Actor(application=name, by="anna")


@pytest.fixture
def siaran(
    actor: Actor,
    configuration: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Siaran:
    """Run a command line as its user would, in the actor's application."""
    monkeypatch.setenv("SIARAN_APP", actor.application)
    monkeypatch.setenv("SIARAN_CONFIG", str(configuration))

    def run(*words: str | Path) -> Answer:
        capsys.readouterr()
        code = main([*map(str, words)])
        out, err = capsys.readouterr()
        return Answer(code=code, out=out, err=err)

    return run


def until_somebody_waits(tx: Tx) -> None:
    """Return when another transaction waits for this one."""
    while (
        tx.execute(
            """
        SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))
        """
        ).fetchone()
        is None
    ):
        tx.execute("SELECT pg_sleep(0.005)")


@pytest.fixture
def say(database: Database, actor: Actor) -> Callable[..., None]:
    """Write down what a number says: `say("+64…", "out")`, for all or for one list."""

    def write(mobile: str, event: str, list_name: str | None = None) -> None:
        database.run(
            lambda tx: tx.execute(
                """
                INSERT INTO consent (application_id, mobile, list_id, event, origin, by)
                SELECT a.id, %s, (SELECT id FROM list WHERE application_id = a.id AND name = %s),
                       %s, 'manual', 'anna'
                FROM application a WHERE a.name = %s
                """,
                (mobile, list_name, event, actor.application),
            )
        )

    return write


@pytest.fixture
def sender(siaran: Siaran) -> str:
    """What a campaign comes from when it says nothing."""
    assert siaran("sender", "add", "4455").code == 0
    return "4455"


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A file of three."""
    file = tmp_path / "people.csv"
    file.write_text("+64211234501,Ann\n+64211234502,Bob\n+64211234503\n", encoding="utf-8")
    return file


@pytest.fixture
def customers(siaran: Siaran, people: Path) -> str:
    """A list of three."""
    assert siaran("list", "import", "customers", people, "--create").code == 0
    return "customers"
