"""Transactions: what is written, what is not, and what a caller is told (design 1, 9, 13)."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import LiteralString

import psycopg
import pytest
import trio
from psycopg import sql
from psycopg.conninfo import make_conninfo

from engine.domain.errors import Refused, Unreachable
from engine.store import db
from engine.store.db import CommitUnknown, Database, Tx, retry_pause_s


@pytest.fixture(autouse=True)
def _paper(empty: Database) -> None:
    empty.run(execute, "CREATE TABLE paper (line text)")


@pytest.fixture
def other(empty_url: str) -> Iterator[Tx]:
    """Somebody else's connection to the same database."""
    with psycopg.connect(empty_url, autocommit=True) as connection:
        yield connection


def write(tx: Tx, line: str) -> int:
    return tx.execute("INSERT INTO paper VALUES (%s)", (line,)).rowcount


def execute(tx: Tx, statement: LiteralString) -> None:
    tx.execute(statement)


def read(tx: Tx) -> list[str]:
    return [line for (line,) in tx.execute("SELECT line FROM paper ORDER BY line")]


def backend(tx: Tx) -> int:
    return tx.info.backend_pid


def hang_up(tx: Tx) -> None:
    """The connection is lost in the middle of a transaction."""
    tx.execute("SELECT pg_terminate_backend(pg_backend_pid())")


def test_what_a_function_returns_comes_back_and_what_it_wrote_is_committed(
    empty: Database, other: Tx
) -> None:
    assert empty.run(write, "one") == 1
    assert empty.run(write, line="two") == 1
    assert read(other) == ["one", "two"]


def test_what_a_function_raises_comes_out_and_nothing_is_written(
    empty: Database, other: Tx
) -> None:
    def change_your_mind(tx: Tx) -> None:
        write(tx, "never")
        raise Refused("no")

    with pytest.raises(Refused, match=r"^no$"):
        empty.run(change_your_mind)
    with pytest.raises(psycopg.errors.UndefinedTable):
        empty.run(execute, "SELECT * FROM nothing")
    assert read(other) == []


def test_a_function_that_swallows_an_error_or_commits_is_a_bug_and_says_so(
    empty: Database, other: Tx
) -> None:
    def swallow(tx: Tx) -> None:
        write(tx, "never")
        with contextlib.suppress(psycopg.Error):
            tx.execute("SELECT 1/0")

    with pytest.raises(RuntimeError, match="ended it, or went on after an error"):
        empty.run(swallow)
    assert read(other) == []
    with pytest.raises(RuntimeError, match="ended it"):
        empty.run(lambda tx: tx.commit())


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("TimeZone", "UTC"),
        ("client_encoding", "UTF8"),
        ("statement_timeout", "1min"),
        ("idle_in_transaction_session_timeout", "10s"),
        ("application_name", "siaran"),
    ],
)
def test_every_connection_has_our_settings(empty: Database, setting: str, value: str) -> None:
    shown = empty.run(
        lambda tx: tx.execute(sql.SQL("SHOW {}").format(sql.Identifier(setting))).fetchone()
    )
    assert shown == (value,)


def test_a_url_can_say_otherwise_and_add_options(empty_url: str) -> None:
    url = make_conninfo(empty_url, application_name="top", options="-c work_mem=123kB")
    with contextlib.closing(Database.open(url)) as database:
        shown = database.run(
            lambda tx: tx.execute(
                "SELECT current_setting('application_name'), current_setting('work_mem'),"
                " current_setting('TimeZone')"
            ).fetchone()
        )
    assert shown == ("top", "123kB", "UTC")


def test_a_quiet_pool_works_on_one_connection(empty: Database) -> None:
    assert len({empty.run(backend) for _ in range(5)}) == 1


def test_a_connection_that_died_idle_is_replaced_without_a_word(empty: Database, other: Tx) -> None:
    """R-8.1: a restarted database costs nothing but a reconnect."""
    before = empty.run(backend)
    other.execute("SELECT pg_terminate_backend(%s, 5000)", (before,))
    assert empty.run(write, "one") == 1
    assert empty.run(backend) != before


def test_a_connection_lost_before_commit_is_unreachable_and_nothing_is_written(
    empty: Database, other: Tx
) -> None:
    def write_and_hang_up(tx: Tx) -> None:
        write(tx, "never")
        hang_up(tx)

    with pytest.raises(Unreachable, match="can't be reached: terminating connection"):
        empty.run(write_and_hang_up)
    assert read(other) == []
    assert empty.run(write, "again") == 1


@pytest.mark.parametrize(
    "statement", ["SELECT 'infinity'::timestamptz", "SELECT %(", "SELECT nothing", "SELECT 1/0"]
)
def test_a_fault_of_ours_is_no_outage(empty: Database, statement: LiteralString) -> None:
    """Whoever waits until the database is back would wait for ever."""
    with pytest.raises(psycopg.Error):
        empty.run(lambda tx: tx.execute(statement, {}).fetchall())
    assert empty.run(lambda tx: tx.execute("SELECT 1").fetchone()) == (1,)


def test_a_server_that_takes_no_changes_is_waited_for(empty_url: str, other: Tx) -> None:
    """R-8.1: a standby, or one that was made read-only; when it is no more, it is found out."""
    read_only = sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}")
    name = sql.Identifier(other.info.dbname)
    other.execute(read_only.format(name, sql.SQL("on")))
    try:
        with contextlib.closing(Database.open(empty_url)) as database:
            with pytest.raises(
                Unreachable, match="takes no changes: cannot execute INSERT in a read"
            ):
                database.run(write, "one")
            assert database.run(read) == []
            other.execute(read_only.format(name, sql.SQL("off")))
            with pytest.raises(Unreachable):  # reading had no reason to give its connection up
                database.run(write, "two")
            assert database.run(write, "three") == 1
    finally:
        other.execute(read_only.format(name, sql.SQL("off")))
    assert read(other) == ["three"]


def test_a_connection_lost_in_commit_leaves_nobody_knowing(empty: Database) -> None:
    """Design 9: not `Unreachable`, which would promise that nothing is written."""

    def hang_up_in_commit(tx: Tx) -> None:
        tx.execute(
            """
            CREATE FUNCTION hang_up() RETURNS trigger LANGUAGE plpgsql AS
                'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END';
            CREATE CONSTRAINT TRIGGER hang_up AFTER INSERT ON paper
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hang_up();
            INSERT INTO paper VALUES ('who knows')
            """
        )

    with pytest.raises(CommitUnknown, match="the connection was lost in COMMIT"):
        empty.run(hang_up_in_commit)
    assert empty.run(write, "again") == 1


def test_a_commit_that_is_refused_comes_out_as_it_is(empty: Database, other: Tx) -> None:
    empty.run(
        lambda tx: (
            tx.execute("CREATE TABLE one (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)") and None
        )
    )
    with pytest.raises(psycopg.errors.UniqueViolation):
        empty.run(execute, "INSERT INTO one VALUES (1), (1)")
    assert other.execute("SELECT count(*) FROM one").fetchone() == (0,)


def test_a_conflict_runs_the_function_again_from_its_beginning(empty: Database, other: Tx) -> None:
    """Design 1: 40001 (and 40P01) repeat it whole."""
    write(other, "a")
    seen = []

    def take_in_turns(tx: Tx) -> None:
        tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        seen.append(read(tx))
        if len(seen) == 1:
            other.execute("UPDATE paper SET line = 'b'")
        tx.execute("UPDATE paper SET line = line || '!'")

    empty.run(take_in_turns)
    assert seen == [["a"], ["b"]]
    assert read(other) == ["b!"]


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
def test_conflicts_without_an_end_are_given_up(
    empty: Database, monkeypatch: pytest.MonkeyPatch, sqlstate: str
) -> None:
    monkeypatch.setattr(db, "TRIES", 3)
    tries = []

    def lose(tx: Tx) -> None:
        tries.append(backend(tx))
        tx.execute(f"DO $$ BEGIN RAISE USING ERRCODE = '{sqlstate}'; END $$".encode())

    with pytest.raises(Unreachable, match="3 attempts at one transaction met others"):
        empty.run(lose)
    assert len(tries) == 3


@pytest.mark.parametrize(
    ("attempt", "chance", "pause_s"),
    [(1, 0.0, 0.0025), (1, 1.0, 0.005), (3, 1.0, 0.02), (7, 1.0, 0.32), (500, 1.0, 0.32)],
)
def test_pauses_double_and_end_growing(attempt: int, chance: float, pause_s: float) -> None:
    assert retry_pause_s(attempt, chance) == pytest.approx(pause_s)


def test_a_statement_that_takes_too_long_is_unreachable(empty: Database) -> None:
    def wait(tx: Tx) -> None:
        tx.execute("SET LOCAL statement_timeout = 10")
        tx.execute("SELECT pg_sleep(60)")

    with pytest.raises(Unreachable, match="statement timeout"):
        empty.run(wait)


@pytest.mark.trio
async def test_a_cancellation_tears_no_transaction(empty: Database, other: Tx) -> None:
    begun, go = threading.Event(), threading.Event()

    def write_slowly(tx: Tx) -> None:
        write(tx, "begun")
        begun.set()
        go.wait(10)
        write(tx, "ended")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(empty.transact, write_slowly)
        await trio.to_thread.run_sync(begun.wait, 10)
        nursery.cancel_scope.cancel()
        go.set()
    assert read(other) == ["begun", "ended"]


@pytest.mark.trio
async def test_a_process_that_ends_waits_no_longer_than_it_says(empty: Database) -> None:
    """R-8.1: a server that stands still answers nobody; no transaction is begun then, either."""
    begun, go = threading.Event(), threading.Event()

    def stand_still(_: Tx) -> None:
        begun.set()
        go.wait(10)

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(empty.transact, stand_still)
            await trio.to_thread.run_sync(begun.wait, 10)
            nursery.cancel_scope.cancel()
            empty.end_by(trio.current_time() + 0.01)
        with pytest.raises(CommitUnknown, match="did not answer before we ended"):
            await empty.transact(stand_still)
    finally:
        go.set()


@pytest.mark.trio
async def test_a_cancellation_before_it_begins_leaves_nothing(empty: Database, other: Tx) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await empty.transact(write, "never")
    assert read(other) == []


@pytest.mark.trio
async def test_no_more_transactions_at_a_time_than_the_pool_is_large(empty_url: str) -> None:
    two = threading.Barrier(2)
    connections = set()

    def meet(tx: Tx) -> None:
        connections.add(backend(tx))
        two.wait(10)  # passes only with two at a time

    with contextlib.closing(Database.open(empty_url, size=2)) as database:
        async with trio.open_nursery() as nursery:
            for _ in range(6):
                nursery.start_soon(database.transact, meet)
    assert len(connections) == 2


def test_a_closed_database_keeps_no_connection(empty_url: str, other: Tx) -> None:
    database = Database.open(make_conninfo(empty_url, application_name="leaver"))

    def close_meanwhile(tx: Tx) -> str:
        database.close()
        return "ended in order"

    assert database.run(close_meanwhile) == "ended in order"
    with pytest.raises(RuntimeError, match="closed"):
        database.run(backend)
    other.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE application_name = 'leaver'"
    )  # waits for it, should it still be leaving
    assert database._idle == []


@pytest.fixture
def dead_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


def test_nobody_there_is_one_clear_line_without_the_password(dead_port: int) -> None:
    """R-8.5, and exit code 3."""
    with pytest.raises(Unreachable) as caught:
        Database.open(f"postgresql://siaran:geheim@127.0.0.1:{dead_port}/broadcasts")
    message = str(caught.value)
    assert message.startswith('database "broadcasts" at 127.0.0.1 can\'t be reached: ')
    assert "Connection refused" in message
    assert message.endswith("; check that it runs, and database.url")
    assert "geheim" not in message
    assert "\n" not in message


def test_a_host_that_says_nothing_hangs_nobody() -> None:
    """Design 13: the connection is accepted and never answered."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(Unreachable, match="timeout"):
            Database.open(f"postgresql://siaran@127.0.0.1:{port}/siaran?connect_timeout=2")


def test_of_several_hosts_one_that_answers_is_enough(empty_url: str, dead_port: int) -> None:
    hosts = make_conninfo(empty_url)
    there = psycopg.conninfo.conninfo_to_dict(hosts)["host"]
    url = make_conninfo(hosts, host=f"127.0.0.1,{there}", port=f"{dead_port},5432")
    with contextlib.closing(Database.open(url)) as database:
        assert database.run(write, "one") == 1


@pytest.mark.parametrize("url", ["siaran:geheim@db1", "postgresql://u:geheim@h:x:y/", "nonsense"])
def test_a_url_that_is_none_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises((Refused, Unreachable)) as caught:
        Database.open(url)
    assert "geheim" not in str(caught.value)
    assert caught.value.__cause__ is None or "geheim" not in str(caught.value.__cause__)


def test_an_older_server_is_refused(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db, "OLDEST_SERVER", 990000)
    with pytest.raises(Refused, match=r"is PostgreSQL 18\.\d+; Siaran needs 18 or newer"):
        Database.open(empty_url)


def test_a_database_that_cannot_store_every_character_is_refused(
    postgres_url: str, superuser: Tx
) -> None:
    superuser.execute(
        "CREATE DATABASE narrow TEMPLATE template0 ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C'"
    )
    try:
        with pytest.raises(Refused, match="stores text as LATIN1"):
            Database.open(make_conninfo(postgres_url, dbname="narrow"))
    finally:
        superuser.execute("DROP DATABASE narrow WITH (FORCE)")


def test_the_server_says_its_version(empty: Database) -> None:
    assert empty.server_version >= 180000
