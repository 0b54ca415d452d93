"""A connection pooler in transaction mode between us and the server (R-8.4)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg
import pytest
import trio

from engine.store import hot, listening
from engine.store.db import Database, Tx
from tests import pooler, standby

pytestmark = pytest.mark.skipif(not pooler.found(), reason=f"{pooler.NAME} is not on the PATH")


@pytest.fixture(scope="module")
def server() -> Iterator[standby.Server]:
    """One server, reached by TCP."""
    with standby.Servers.open(standbys=0) as servers:
        yield servers.primary


@pytest.fixture(scope="module", params=["", "ignore_startup_parameters = options"])
def url(server: standby.Server, request: pytest.FixtureRequest) -> Iterator[str]:
    """A pooler's as it comes, which refuses what a session begins with, and one that lets it pass."""
    with pooler.running(server, sessions=2, more=request.param) as url:
        yield url


def backend(tx: Tx) -> int:
    return tx.info.backend_pid


def shown(tx: Tx) -> tuple[object, ...] | None:
    return tx.execute(
        "SELECT current_setting('statement_timeout'), current_setting('TimeZone'),"
        " current_setting('idle_in_transaction_session_timeout')"
    ).fetchone()


def counted(tx: Tx, n: int) -> int:
    """By the driver and by the turns' own way, some times: so that a direct one would prepare it."""
    for _ in range(5):
        [(one,)] = hot.ask(tx, "SELECT %s::int + 1", (n,))
        assert tx.execute("SELECT %s::int + 1", (n,)).fetchone() == (one,)
    return int(one)


def test_each_transaction_has_our_settings_and_nothing_is_prepared(
    server: standby.Server, url: str
) -> None:
    """Five of ours on two sessions of the server's, which know nothing of one another."""
    with contextlib.closing(Database.open(server.url())) as database:
        direct = database.run(shown)
    with contextlib.closing(Database.open(url, size=5)) as database:
        assert database.pooled
        for n in range(20):
            assert database.run(counted, n) == n + 1
            assert database.run(shown) == direct
        with psycopg.connect(url, autocommit=True) as other:  # what is left in the sessions
            for _ in range(4):
                assert other.execute("SHOW statement_timeout").fetchone() == ("0",)
                assert other.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (
                    0,
                )


def test_a_server_without_a_pooler_is_known_as_one(server: standby.Server) -> None:
    """There statements are prepared, and sessions begin with our settings."""
    with contextlib.closing(Database.open(server.url())) as database:
        assert not database.pooled
        assert database.run(counted, 1) == 2
        assert database.run(
            lambda tx: tx.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
        ) == (2,)


@pytest.mark.trio
async def test_words_are_heard_by_a_connection_of_their_own(
    server: standby.Server, url: str
) -> None:
    """`database.listen_url`; without it nobody listens, and who waits for a word looks himself."""
    with (
        contextlib.closing(Database.open(url)) as deaf,
        contextlib.closing(Database.open(url, listen_url=server.url())) as hears,
        trio.fail_after(30),
    ):
        assert deaf.connect_to_listen() is None
        heard: list[bool] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listening.listen, hears, lambda: heard.append(True))
            while len(heard) < 2:
                await deaf.transact(listening.wake)
            nursery.cancel_scope.cancel()
