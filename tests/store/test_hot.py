"""Statements without the driver's cursor: the same answers, the same errors."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from engine.domain.errors import Unreachable
from engine.store import hot
from engine.store.db import Database, Tx

AT = datetime(2026, 11, 25, 5, 9, 47, 123456, tzinfo=UTC)

ECHO = """
    SELECT %(n)s::bigint, %(x)s::float8, %(text)s::text, %(at)s::timestamptz, %(yes)s::boolean,
           %(none)s::text, %(n)s::int + 1, string_to_array(%(text)s, 'i'), '100%%', NULL
"""


def test_values_go_and_come_as_the_driver_carries_them(database: Database) -> None:
    """Each type, a NULL, a parameter named twice, and the sign that begins a placeholder."""
    params: dict[str, Any] = {
        "n": 2**31 - 2,
        "x": 0.1,
        "text": "Siaran ✓ 'quoted'",
        "at": AT,
        "yes": True,
        "none": None,
    }

    def both(tx: Tx) -> tuple[Any, Any]:
        return hot.ask(tx, ECHO, params), tx.execute(ECHO, params).fetchall()

    ours, the_drivers = database.run(both)
    assert ours == the_drivers
    assert ours[0][3] == AT


def test_a_statement_by_places_and_one_without_rows(database: Database) -> None:
    """`%s`, and [] from what answers nothing; no row is not an error either."""

    def work(tx: Tx) -> list[Any]:
        hot.ask(tx, "CREATE TEMPORARY TABLE t (a int) ON COMMIT DROP", ())
        return [
            hot.ask(tx, "INSERT INTO t SELECT unnest(%s::int[])", ("{1,2,3}",)),
            hot.ask(tx, "SELECT a FROM t WHERE a > %s AND a < %s", (1, 3)),
            hot.ask(tx, "SELECT a FROM t WHERE a > %s AND a < %s", (5, 3)),
        ]

    assert database.run(work) == [[], [(2,)], []]


def test_an_error_is_the_servers_own(database: Database) -> None:
    """By its class, as the caller of the driver would catch it; the connection goes on."""
    with pytest.raises(psycopg.errors.DivisionByZero):
        database.run(lambda tx: hot.ask(tx, "SELECT 1 / %s::int", (0,)))
    with pytest.raises(psycopg.errors.UndefinedTable):
        database.run(lambda tx: hot.ask(tx, "SELECT * FROM nowhere WHERE id = %s", (0,)))
    assert database.run(lambda tx: hot.ask(tx, "SELECT 1 / %s::int", (1,))) == [(1,)]


def test_a_transaction_runs_again_when_the_server_has_dropped_the_statements(
    database: Database,
) -> None:
    """The driver sends DEALLOCATE ALL after DDL and rollbacks; nobody above notices."""
    runs: list[int] = []

    def work(tx: Tx) -> list[Any]:
        runs.append(len(runs))
        rows = hot.ask(tx, "SELECT %s::int", (7,))
        if len(runs) == 1:
            tx.execute("DEALLOCATE ALL", prepare=False)
            hot.ask(tx, "SELECT %s::int", (8,))
        return rows

    assert database.run(work) == [(7,)]
    assert runs == [0, 1]


def test_a_lost_connection_is_no_error_of_the_statement(database: Database) -> None:
    """It is waited for, like any outage."""

    def work(tx: Tx) -> None:
        hot.ask(tx, "SELECT pg_terminate_backend(%s)", (tx.info.backend_pid,))

    with pytest.raises(Unreachable):
        database.run(work)
    assert database.run(lambda tx: hot.ask(tx, "SELECT %s::int", (7,))) == [(7,)]


def test_outside_of_a_transaction_the_driver_begins_one(database: Database) -> None:
    """As it does for its own statements."""
    with psycopg.connect(database.url) as tx:
        hot.ask(tx, "CREATE TEMPORARY TABLE t AS SELECT %s::int AS a", (1,))
        tx.rollback()
        with pytest.raises(psycopg.errors.UndefinedTable):
            hot.ask(tx, "SELECT a FROM t WHERE a = %s", (1,))
