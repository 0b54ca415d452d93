"""Every statement of the hot path uses the index that its comment names (design 6, 7).

A day's worth of messages, submissions and consent is there; turns, receipts, MO and steps of the
queue run for real, and each statement of the store is explained with its own values before it runs.
"""

from __future__ import annotations

import ast
import os
import re
import sys
import tokenize
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, LiteralString, cast

import psycopg
import pytest
from psycopg import sql

from engine import clock, inbound
from engine.domain.callback import Events, Kind
from engine.domain.parts import Part, Piece
from engine.store import callbacks, dispatching, hot, inbox, nodes, outbox
from engine.store.db import Database, Tx
from engine.store.inbox import Mo
from smpp import status
from tests.road import Road, ok, receipt_of, refused, silence

STORE = Path(__file__).parents[2] / "engine" / "store"

MESSAGES = int(os.environ.get("SIARAN_TEST_ROWS", 200_000))
"""More is asked for by hand: five million rows take a minute and a half."""

OPT_OUTS = 100_000

GROWN = ("message", "submission", "consent")
"""The tables that have those rows. The others stay small, and may be read whole."""


@dataclass(frozen=True, slots=True)
class Explained:
    """A statement as it was planned. `names`: the indexes that its comment names."""

    where: str
    names: tuple[str, ...]
    plan: str


@dataclass(slots=True, eq=False)
class Watched:
    """A database whose transactions explain each statement of the store before it runs."""

    real: Database
    seen: list[Explained] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.real.url

    def run(self, fn: Callable[..., Any], *args: Any, **more: Any) -> Any:
        """As `Database.run`."""
        return self.real.run(lambda tx: fn(_Explaining(tx, self.seen), *args, **more))


class _Explaining:
    """A transaction that keeps the plans of the store's statements."""

    def __init__(self, tx: Tx, seen: list[Explained]) -> None:
        self._tx = tx
        self._seen = seen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx, name)

    def cursor(self, **more: Any) -> Any:
        return _ExplainingCursor(self, self._tx.cursor(**more))

    def execute(self, query: Any, params: Any = None, *, depth: int = 1, **more: Any) -> Any:
        self.explain(query, params, depth=depth + 1)
        return self._tx.execute(query, params, **more)

    def explain(self, query: Any, params: Any, *, depth: int) -> None:
        """Keep the plan of a statement that a function of the store is about to run."""
        caller = sys._getframe(depth)
        file = Path(caller.f_code.co_filename)
        if file.parent == STORE and re.match(
            r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b", str(query)
        ):
            rows = self._tx.execute(f"EXPLAIN {query}".encode(), params, prepare=False)
            plan = "\n".join(row[0] for row in rows)
            where = f"{file.name}: {caller.f_code.co_name}"
            self._seen.append(Explained(where, _named(file, caller.f_lineno), plan))


class _ExplainingCursor:
    """A cursor of such a transaction."""

    def __init__(self, tx: _Explaining, cursor: Any) -> None:
        self._tx = tx
        self._cursor = cursor

    def __enter__(self) -> _ExplainingCursor:
        return self

    def __exit__(self, *_: object) -> None:
        self._cursor.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def execute(self, query: Any, params: Any = None, **more: Any) -> Any:
        self._tx.explain(query, params, depth=2)
        return self._cursor.execute(query, params, **more)


@cache
def _named(file: Path, line: int) -> tuple[str, ...]:
    """The indexes of grown tables in the comments in and right before the call in that line."""
    text = file.read_text()
    calls = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    call = min(calls, key=lambda node: (node.end_lineno or 0) - node.lineno)
    first = call.lineno
    lines = text.splitlines()
    while lines[first - 2].lstrip().startswith("#"):
        first -= 1
    with file.open("rb") as source:
        comments = [
            token.string
            for token in tokenize.tokenize(source.readline)
            if token.type == tokenize.COMMENT and first <= token.start[0] <= (call.end_lineno or 0)
        ]
    # What an INSERT meets a conflict by stands in no plan.
    of_grown = rf"\b((?:{'|'.join(GROWN)})_\w+)\b(?! for the conflict)"
    return tuple(re.findall(of_grown, " ".join(comments)))


@pytest.fixture(scope="module")
def grown(
    postgres_url: str, superuser: psycopg.Connection[tuple[object, ...]], _template: str
) -> Iterator[Database]:
    """A database after a good day, of which the planner has no statistics."""
    name = f"plans_{uuid.uuid4().hex}"
    new = sql.Identifier(name)
    superuser.execute(
        sql.SQL("CREATE DATABASE {} OWNER siaran TEMPLATE {}").format(
            new, sql.Identifier(_template)
        )
    )
    url = f"postgresql://siaran@/{name}?{postgres_url.partition('?')[2]}"
    with closing(Database.open(url)) as it:
        it.run(_fill)
        yield it
    superuser.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(new))


def _fill(tx: Tx) -> None:
    tx.execute(
        """
        WITH made AS (
            INSERT INTO message (id, campaign_id, application_id, class, attempt, total, accepted,
                                 delivered, state, state_at, sent_at, created_at, mobile, sender)
            SELECT next_id(), 1000000 + n %% 7, 1, 2, 1, 1, 1, 1, 'delivered', now(), now(), now(),
                   '+6427' || lpad(n::text, 7, '0'), '3774'
              FROM generate_series(1, %s) AS n
            RETURNING id)
        INSERT INTO submission (message_id, segment, attempt, carrier_id, smsc_id, at)
        SELECT id, 1, 1, 1, 'old-' || id, now() FROM made
        """,
        (MESSAGES,),
    )
    tx.execute(
        """
        INSERT INTO consent (application_id, mobile, event, origin, by)
        SELECT 1, '+6427' || lpad(n::text, 7, '0'), 'out', 'mo', 'x' FROM generate_series(1, %s) AS n
        """,
        (OPT_OUTS,),
    )


def _a_day(watched: Watched) -> None:
    """What an engine does: launches, all kinds of answers and receipts, MO, a restart, steps.

    All of it is told.
    """
    road = Road.open(cast(Database, watched))
    for kind in Kind:
        to = callbacks.Setting(url="https://api.example.com/", events=Events.ALL)
        road.database.run(callbacks.put, road.application(), kind, to)
    campaign = road.campaign(600, text="Hi %%1%%")
    road.single()
    road.single("x" * 400, message_class=1)
    line = road.line(window=100)
    other = road.line(window=2, carrier="dua")
    road.turn()
    first, second, third, *rest = line.tokens
    answers = [
        refused(first, status.THROTTLED),
        refused(second, 0x0B),
        silence(third),
        *(ok(token, f"new-{n}") for n, token in enumerate(rest)),
        *(ok(token, "dua-1", other.carrier_id) for token in other.tokens[:1]),
    ]
    early = [receipt_of(f"early-{n}") for n in range(3)]
    road.turn(answers, [receipt_of("NEW-7"), receipt_of("new-8", "UNDELIV"), *early])
    road.turn(
        [ok(token, f"early-{n}") for n, token in enumerate(line.tokens[:50])],
        [receipt_of(f"new-{n}") for n in range(10, 60)],
    )
    road.pass_time(30)
    road.turn()
    road.sweep()
    road.step()
    road.database.run(dispatching.applications, clock.utc_now())
    road.database.run(dispatching.compact_tally)
    mobile = road.messages(campaign)[0].mobile
    mo = Mo(line.carrier_id, 1, mobile, "3774", Piece(b"YES", 0, "gsm", b""), b"digest")
    part = mo._replace(digest=b"part", part=Part(1, 1, 2))
    taken = road.database.run(inbox.take, [mo, part], clock.utc_now())
    road.database.run(inbound.decide_about, taken.new, clock.utc_now())
    road.database.run(inbox.mark_answered, taken.seen)
    road.database.run(inbox.overdue, clock.utc_now() + timedelta(hours=1))
    road.database.run(nodes.turn_committed, road.node.node_id, road.node.epoch, 1)
    road.restart()
    road.database.run(nodes.housekeep, clock.utc_now())


@pytest.mark.parametrize("statistics", ["none", "fresh", "of 5,000,000"])
def test_no_hot_statement_reads_a_grown_table_whole(
    grown: Database, statistics: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Design 7: whatever the planner knows of the tables."""

    def ask(tx: Any, query: str, params: Any) -> Any:
        cursor = tx.execute(query, params, depth=2)
        return cursor.fetchall() if cursor.description else []

    monkeypatch.setattr(hot, "ask", ask)
    if statistics != "none":
        with psycopg.connect(grown.url, autocommit=True) as connection:
            connection.execute("ANALYZE")
            if statistics != "fresh":
                _say_it_has(connection, 5_000_000)
    watched = Watched(grown)
    _a_day(watched)
    statements = {one.where for one in watched.seen}
    assert len(statements) >= 30, statements
    for one in watched.seen:
        whole = re.findall(rf"Seq Scan on ((?:{'|'.join(GROWN)})(?:_\d+)?)\b", one.plan)
        filled = [name for name in whole if name == "consent" or name.endswith(_today(grown))]
        assert not filled, f"{one.where} reads {filled}:\n{one.plan}"
        if "One-Time Filter: false" in one.plan:
            continue  # it was given nothing to do
        for name in one.names:
            pattern = name.replace("YYYYMMDD", r"\d{8}")
            assert re.search(rf"\b{pattern}\b", one.plan), f"{one.where}: no {name} in\n{one.plan}"
    named = {name for one in watched.seen for name in one.names}
    assert named >= {
        "message_YYYYMMDD_pkey",
        "submission_YYYYMMDD_carrier_id_smsc_id_idx",
        "consent_mobile",
    }


def _say_it_has(tx: Tx, rows: int) -> None:
    """Lets the planner believe in so many rows of the day; fewer pages make a scan look cheaper."""
    for table in ("message", "submission"):
        tx.execute(
            """
            SELECT pg_restore_relation_stats('schemaname', 'public', 'relname', relname::text,
                                             'reltuples', %s::real)
              FROM pg_class WHERE relname = %s || to_char(now() AT TIME ZONE 'UTC', '_YYYYMMDD')
            """,
            (rows, table),
        )


def test_a_turn_looks_into_the_partitions_of_its_messages_only(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Design 7, 14: also by a plan that is made once for all parameters, with months of days there."""
    road.sql("SELECT ensure_partitions((now() AT TIME ZONE 'UTC')::date - 7, 3)")
    campaign = road.campaign(4)
    line = road.line(window=4)
    ask = hot.ask
    looks: dict[str, int] = {}

    def looked(tx: Tx) -> dict[str, int]:
        rows = tx.execute(
            "SELECT relname, coalesce(idx_scan, 0) FROM pg_stat_xact_user_tables"
            r" WHERE relname ~ '^message_\d'"
        )
        return dict(rows.fetchall())

    def generic(tx: Tx, query: LiteralString, params: Any) -> Any:
        tx.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        before = looked(tx)
        rows = ask(tx, query, params)
        for name, n in looked(tx).items():
            looks[name] = looks.get(name, 0) + n - before.get(name, 0)
        return rows

    monkeypatch.setattr(hot, "ask", generic)
    road.turn()
    road.turn([ok(token, f"id{token.message_id}") for token in line.tokens])
    road.turn(received=[receipt_of(f"id{one.id}") for one in road.messages(campaign)])
    assert road.states(campaign) == {"delivered": 4}
    today = f"message{_today(road.database)}"
    assert looks.pop(today) == 4  # candidates, marks, answers, receipts
    assert len(looks) >= 4
    assert not any(looks.values()), looks


@pytest.mark.parametrize("statistics", ["none", "fresh"])
def test_mails_that_are_due_are_found_among_all_that_wait(
    database: Database, statistics: str
) -> None:
    """R-6.8: a claim reads no more of a long outbox than it takes, by both of its indexes."""
    _fill_outbox(database)
    if statistics == "fresh":
        with psycopg.connect(database.url, autocommit=True) as connection:
            connection.execute("ANALYZE outbox")
    watched = Watched(database)
    claim = watched.run(outbox.claim_mails, 1, clock.utc_now())
    assert len(claim.groups) == 100
    plans = [one for one in watched.seen if re.search(r"\boutbox\b", one.plan)]
    assert len(plans) >= 101
    for one in plans:
        assert "Seq Scan on outbox" not in one.plan, f"{one.where}:\n{one.plan}"
        assert re.search(r"\boutbox_(due|recipient)\b", one.plan), f"{one.where}:\n{one.plan}"
        assert "Sort" not in one.plan, f"{one.where} sorts all that is due:\n{one.plan}"


def _fill_outbox(database: Database) -> None:
    """Mails to 25,000 recipients of which a few are due, beside as many callbacks."""
    database.run(
        lambda tx: tx.execute(
            """
            INSERT INTO outbox (kind, application_id, recipient, due_at)
            SELECT 'report', 1, n % 25000 || '@example.net',
                   now() + CASE WHEN n % 25000 < 100 THEN '0'::interval ELSE '1 h' END
              FROM generate_series(1, 50000) AS n
            """
        )
    )
    database.run(
        lambda tx: tx.execute(
            """
            INSERT INTO outbox (kind, application_id, endpoint_id, about_id, mobile, status,
                                status_at)
            SELECT 'receipt', 1, 1 + n % 3, n, '+64211234567', 'received', now()
              FROM generate_series(1, 50000) AS n
            """
        )
    )


def _today(database: Database) -> str:
    """As a partition's name ends."""
    [(day,)] = database.run(
        lambda tx: tx.execute("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD')").fetchall()
    )
    return f"_{day}"
