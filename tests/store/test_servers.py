"""Which of several servers is used, and that an old primary is not (R-8.1)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import trio

from engine.domain.errors import Unreachable
from engine.store import listening
from engine.store.db import CommitUnknown, Database, Tx
from engine.store.servers import Servers, name_of, reason, split
from tests import standby


@pytest.mark.parametrize(
    ("given", "servers"),
    [
        ({}, [None]),
        ({"host": "db1"}, ["db1"]),
        ({"host": "db1,db2"}, ["db1", "db2"]),
        ({"host": "db1,db2", "port": "5433"}, ["db1:5433", "db2:5433"]),
        ({"host": "db1,db2", "port": "5433,"}, ["db1:5433", "db2"]),
        ({"hostaddr": "10.0.0.1,10.0.0.2"}, ["10.0.0.1", "10.0.0.2"]),
        ({"host": "a,b,c", "port": "1,2"}, [None]),  # libpq says what is wrong with it
        ({"host": "/run/a,/run/b"}, ["/run/a", "/run/b"]),
    ],
)
def test_hosts_and_ports_pair_as_in_a_url(given: dict[str, str], servers: list[str | None]) -> None:
    found = split({"dbname": "siaran", **given})
    assert all(one["dbname"] == "siaran" for one in found)
    if servers != [None]:
        assert [name_of(one) for one in found] == servers
        several = len(servers) > 1
        assert all(("target_session_attrs" in one) == several for one in found)
    else:
        assert found == [{"dbname": "siaran", **given}]


def test_of_several_one_is_wanted_that_takes_writes_unless_the_url_says_otherwise() -> None:
    one, _ = split({"host": "db1,db2"})
    assert one["target_session_attrs"] == "read-write"
    one, _ = split({"host": "db1,db2", "target_session_attrs": "primary"})
    assert one["target_session_attrs"] == "primary"


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ('connection to server at "db1", port 5432 failed: timeout\nmore', "timeout"),
        ('connection to server at "db1", port 5432 failed: session is read-only', "standby"),
        ('connection failed: connection to server at "::1", port 1 failed: FATAL: no', "FATAL: no"),
        ("", "OperationalError"),
    ],
)
def test_what_is_wrong_with_a_server_is_said_in_a_few_words(said: str, meant: str) -> None:
    found = reason(psycopg.OperationalError(said))
    assert meant in found
    assert not found.startswith("connection")
    assert "\n" not in found


@pytest.fixture
def servers() -> Iterator[standby.Servers]:
    """A primary `a` and its standby `b`, which it doesn't wait for."""
    with standby.Servers.open(standbys=1, synchronous=False) as servers:
        yield servers


def where(tx: Tx) -> int:
    row = tx.execute("SELECT inet_server_port()").fetchone()
    assert row is not None
    return int(row[0])


def write(tx: Tx, line: str) -> None:
    tx.execute("INSERT INTO paper VALUES (%s)", (line,))


async def _moved(database: Database) -> str:
    """Where `follow` says that it has gone."""
    to: list[str] = []
    async with trio.open_nursery() as nursery:

        def moved(server: str) -> None:
            to.append(server)
            nursery.cancel_scope.cancel()

        nursery.start_soon(database.follow, moved)
    return to[0]


@pytest.mark.trio
async def test_a_promoted_standby_is_used_though_the_old_primary_still_answers(
    servers: standby.Servers,
) -> None:
    """And from then on the old one is not, whatever happens to the new one."""
    old, new = servers.primary, servers.standbys[0]
    with contextlib.closing(Database.open(servers.url)) as database:
        database.run(lambda tx: tx.execute("CREATE TABLE paper (line text)") and None)
        assert database.run(where) == old.port
        servers.wait_streaming()
        servers.promote(new)
        assert database.run(where) == old.port, "nothing has told us yet"
        with trio.fail_after(standby.PATIENCE_S):
            assert await _moved(database) == f"127.0.0.1:{new.port}"
        assert database.run(where) == new.port
        new.kill()
        with pytest.raises(Unreachable) as caught:
            database.run(write, "never")
        message = str(caught.value)
        assert f"127.0.0.1:{old.port}: an old primary (timeline 1; another" in message
        assert (
            f"127.0.0.1:{new.port}: Connection refused"
            in message.replace("connection failed: ", "")
            or "refused" in message
        )
        assert servers.primary.password not in message
        assert "\n" not in message


@pytest.mark.trio
async def test_a_commit_that_waits_at_a_primary_that_was_cut_off_is_asked_for_at_the_new_one(
    servers: standby.Servers,
) -> None:
    """Design 9: it is on the old one's disk, and nowhere else; who asks the new one, learns that."""
    old, new = servers.primary, servers.standbys[0]
    with contextlib.closing(Database.open(servers.url)) as database:
        database.run(lambda tx: tx.execute("CREATE TABLE paper (line text)") and None)
        servers.be_synchronous()
        new.set("primary_conninfo", "")  # it hears nothing more
        old.sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_replication")

        async def write_and_wait() -> None:
            with pytest.raises(CommitUnknown):
                await database.transact(write, "cut off")

        heard: list[bool] = []
        with trio.fail_after(standby.PATIENCE_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(write_and_wait)
                nursery.start_soon(listening.listen, database, lambda: heard.append(True))
                while not await trio.to_thread.run_sync(_waits_in_commit, old):
                    pass
                servers.promote(new)
                await _moved(database)
                assert database.run(lambda tx: tx.execute("SELECT FROM paper").rowcount) == 0
                assert heard, "the first connection"
                for times in (2, 3):  # the connection to the new one, and the word there
                    while len(heard) < times:
                        await database.transact(listening.wake)
                nursery.cancel_scope.cancel()


def _waits_in_commit(server: standby.Server) -> list[Any]:
    return server.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'")


def test_a_host_that_answers_nothing_costs_its_time_out_once(tmp_path: Path) -> None:
    """The one that answered last is asked first; one that is no copy of it never is."""
    with standby.Servers.open(standbys=0) as servers, standby.Servers.open(standbys=0) as others:
        port, strange = servers.primary.port, others.primary
        known = psycopg.conninfo.conninfo_to_dict(servers.url)
        both = Servers({**known, "host": "127.0.0.1,127.0.0.1", "port": f"1,{port}"})
        for _ in range(2):
            connection, timeline = both.connect()
            connection.close()
            assert timeline == 1
        assert both.in_use == f"127.0.0.1:{port}"
        passwords = tmp_path / "passwords"
        passwords.write_text(
            "".join(f"*:{one.port}:*:*:{one.password}\n" for one in (servers.primary, strange))
        )
        passwords.chmod(0o600)
        wrong = Servers(
            {
                "user": "siaran",
                "dbname": "siaran",
                "passfile": str(passwords),
                "host": "127.0.0.1,127.0.0.1",
                "port": f"{port},{strange.port}",
            }
        )
        wrong.connect()[0].close()
        servers.primary.kill()
        with pytest.raises(psycopg.OperationalError, match="no copy of the database"):
            wrong.connect()
