"""Databases with a road and without a schema, and homes of clusters to do violence to."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from engine.store import embedded
from engine.store.db import Database
from engine.store.home import Home
from tests.road import Road


@pytest.fixture(scope="session")
def _without_schema(
    postgres_url: str, superuser: psycopg.Connection[tuple[object, ...]]
) -> Iterator[str]:
    name = f"empty_{uuid.uuid4().hex}"
    superuser.execute(sql.SQL("CREATE DATABASE {} OWNER siaran").format(sql.Identifier(name)))
    yield f"postgresql://siaran@/{name}?{postgres_url.partition('?')[2]}"
    superuser.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def empty_url(_without_schema: str) -> str:
    """The URL of a database with nothing in it. It is emptied, not made: that is 50 times faster."""
    with psycopg.connect(_without_schema, autocommit=True) as connection:
        connection.execute(
            """
            SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()
              AND backend_type = 'client backend'
            """
        )
        connection.execute("DROP SCHEMA IF EXISTS public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return _without_schema


@pytest.fixture
def empty(empty_url: str) -> Iterator[Database]:
    with contextlib.closing(Database.open(empty_url)) as database:
        yield database


@pytest.fixture(scope="session")
def _paved(
    postgres_url: str, superuser: psycopg.Connection[tuple[object, ...]], _template: str
) -> Iterator[Database]:
    name = f"road_{uuid.uuid4().hex}"
    new, template = sql.Identifier(name), sql.Identifier(_template)
    superuser.execute(sql.SQL("CREATE DATABASE {} OWNER siaran TEMPLATE {}").format(new, template))
    url = f"postgresql://siaran@/{name}?{postgres_url.partition('?')[2]}"
    with contextlib.closing(Database.open(url)) as database:
        yield database
    superuser.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(new))


@pytest.fixture
def road(_paved: Database) -> Iterator[Road]:
    """A node, in a migrated database that is emptied for the next test, and the verbs of a test."""
    road = Road.open(_paved)
    yield road
    road.check()
    road.clear()


@dataclass(frozen=True, slots=True)
class Cluster:
    """A home of its own, and what a test asks about it."""

    path: Path

    @property
    def home(self) -> Home:
        return Home.at(self.path)

    @property
    def keeper(self) -> int:
        """Its process id."""
        state = self.home.read_state()
        assert state is not None
        return state.keeper

    @property
    def postmaster(self) -> int:
        """Its process id."""
        pid = embedded.status(self.path).pid
        assert pid is not None
        return pid

    def wait_until_free(self, lock: str) -> None:
        """Until `keeper`, or the last process of `server`, is gone."""
        with (self.home.base / lock).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH)

    def remove(self) -> None:
        embedded.stop(self.path)
        shutil.rmtree(self.path)


@pytest.fixture(scope="session")
def _made_once() -> Iterator[Path]:
    """A home whose cluster is complete and stopped, to be copied: initdb is the slow part."""
    path = Path(tempfile.mkdtemp(prefix="siaran-cluster-"))
    embedded.ensure_running(path)
    embedded.stop(path)
    (path / "postgres/local.conf").write_text("shared_buffers = 8MB\n")
    yield path
    shutil.rmtree(path)


@pytest.fixture
def cluster(_made_once: Path, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster that is stopped, in a home with a blank, an umlaut and a path too long for a
    socket; below a directory that only its owner can enter."""
    path = tmp_path / "ein Häuschen" / ("lang" * 30)
    path.parent.mkdir(mode=0o700)
    subprocess.run(["cp", "-a", _made_once, path], check=True)  # keeps the owners
    assert len(os.fsencode(path)) > 107
    cluster = Cluster(path)
    yield cluster
    cluster.remove()
