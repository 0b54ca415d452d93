"""What every test can ask for: a real PostgreSQL, and an empty database with the schema in it.

One embedded cluster serves a whole run, whatever the number of pytest's processes. Each of them
holds a lease, so it stops after the last; the process that started the run takes it away. A test's
database is a copy of one that was migrated once.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from engine.store import embedded, migrations
from engine.store.db import Database
from engine.store.home import Home

HOME = "SIARAN_TESTS_HOME"
"""The environment's word for the run's home: pytest's processes inherit it."""

TEMPLATE = "template_siaran"

FAST = "fsync = off\nfull_page_writes = off\nautovacuum = off\n"
"""Nobody needs a test's rows after a power failure."""

LONG = frozenset({"promises", "operate", "benchmarks", "test_tour.py", "test_api_schema.py"})
"""Folders and files with the longest tests."""

# How long one example takes depends on what else the machine does.
hypothesis.settings.register_profile("siaran", deadline=None)
hypothesis.settings.load_profile("siaran")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # not one of xdist's
        os.environ[HOME] = tempfile.mkdtemp(prefix="siaran-tests-")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that start whole installations first: they wait more than they work, and one of them at
    the end would keep a single process busy."""
    items.sort(key=lambda item: not set(item.path.parts) & LONG)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        home = Path(os.environ.pop(HOME))
        embedded.stop(home)
        shutil.rmtree(home)


@pytest.fixture(autouse=True, scope="session")
def _no_home_of_yours() -> Iterator[None]:
    """Nothing in a test finds the database of the person who runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIARAN_HOME", os.environ[HOME])
        yield


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The run's cluster: the URL of its (empty) database `siaran`."""
    home = Home.at(Path(os.environ[HOME]))
    home.prepare()
    home.local_conf.write_text(FAST)
    with contextlib.closing(embedded.join(home.path, name="tests", grace_s=5)) as lease:
        yield lease.url


@pytest.fixture(scope="session")
def superuser(postgres_url: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """An autocommit connection that may do everything in the run's cluster."""
    url = make_conninfo(postgres_url, user="postgres", dbname="postgres")
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def _template(postgres_url: str, superuser: psycopg.Connection[tuple[object, ...]]) -> str:
    """The database that is copied for each test: whoever needs it first migrates it."""
    superuser.execute("SELECT pg_advisory_lock(1)")
    try:
        there = superuser.execute("SELECT FROM pg_database WHERE datname = %s", (TEMPLATE,))
        if there.fetchone() is None:
            new = sql.Identifier(f"new_{uuid.uuid4().hex}")
            superuser.execute(sql.SQL("CREATE DATABASE {} OWNER siaran").format(new))
            url = make_conninfo(postgres_url, dbname=new.as_string().strip('"'))
            with contextlib.closing(Database.open(url, size=1)) as database:
                migrations.migrate(database)
            superuser.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(new, sql.Identifier(TEMPLATE))
            )
    finally:
        superuser.execute("SELECT pg_advisory_unlock(1)")
    return TEMPLATE


@pytest.fixture
def database_url(
    postgres_url: str, superuser: psycopg.Connection[tuple[object, ...]], _template: str
) -> Iterator[str]:
    """The URL of a database of the test's own, migrated and empty."""
    name = f"test_{uuid.uuid4().hex}"
    new = sql.Identifier(name)
    superuser.execute(
        sql.SQL("CREATE DATABASE {} OWNER siaran TEMPLATE {}").format(
            new, sql.Identifier(_template)
        )
    )
    yield f"postgresql://siaran@/{name}?{postgres_url.partition('?')[2]}"
    superuser.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(new))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """That database, opened."""
    with contextlib.closing(Database.open(database_url)) as database:
        yield database
