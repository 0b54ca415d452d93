"""The desk's tests: real commands on a real database, each test in an application of its own."""

from __future__ import annotations

import json
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from admin_cli.main import main
from config.settings import Settings
from engine.operations import Actor, Database, Tx, open_database
from engine.store import embedded


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
def home() -> Iterator[Path]:
    """A home for the embedded database, stopped and removed at the end."""
    path = Path(tempfile.mkdtemp(prefix="siaran-desk-"))
    path.chmod(0o755)  # run as root, the server is another user
    patch = pytest.MonkeyPatch()
    patch.setenv("SIARAN_HOME", str(path))
    yield path
    embedded.stop(path)
    patch.undo()
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def database(home: Path) -> Iterator[Database]:
    with open_database(Settings()) as database:
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
    actor: Actor, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Siaran:
    """Run a command line as its user would, in the actor's application."""
    monkeypatch.setenv("SIARAN_APP", actor.application)

    def run(*words: str | Path) -> Answer:
        capsys.readouterr()
        code = main([*map(str, words)])
        out, err = capsys.readouterr()
        return Answer(code=code, out=out, err=err)

    return run


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
