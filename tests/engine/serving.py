"""The API on a port of this machine, and a client of it that speaks HTTP over a real socket."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import urllib.parse
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import trio
from psycopg import sql
from psycopg.conninfo import make_conninfo

from config.settings import Http
from engine import clock
from engine.api import server
from engine.api.limits import PATIENCE, Patience
from engine.api.service import Api
from engine.domain import credentials as rules
from engine.domain.roles import Role
from engine.metrics import Metrics
from engine.operations import Actor, credentials
from engine.store import credentials as stored
from engine.store import users
from engine.store.db import Database, Tx
from tests.engine.conftest import Stage

WAIT_S = 20.0

OPEN = Http(listen="127.0.0.1:0", user_rate=0)
"""A port that is free, and no limit for a user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server said."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    def problem(self, kind: str) -> int:
        """The status of a problem of that kind."""
        assert self.headers["content-type"] == "application/problem+json", self.text
        document = self.json
        assert document["type"] == f"/v1/docs#{kind}", self.text
        assert document["status"] == self.status
        assert document["title"]
        assert document["detail"]
        return self.status


@dataclass(slots=True, eq=False)
class Served:
    """A server, and the database that it serves; `ca`: by what its certificate is known."""

    host: str
    port: int
    database: Database
    ca: ssl.SSLContext | None = None
    ending: trio.Event = field(default_factory=trio.Event)
    ended: trio.Event = field(default_factory=trio.Event)

    @staticmethod
    def of(address: str, database: Database) -> Served:
        parts = urllib.parse.urlsplit(address)
        assert parts.hostname is not None
        assert parts.port is not None
        return Served(parts.hostname, parts.port, database)

    async def get(self, path: str, **more: Any) -> Answer:
        return await self.send("GET", path, None, **more)

    async def post(self, path: str, body: Any, **more: Any) -> Answer:
        return await self.send("POST", path, json.dumps(body).encode(), **more)

    async def call(
        self, verb: str, path: str, body: Any = None, *, octets: bytes | None = None, **more: Any
    ) -> Answer:
        """A request with a body where there is one: `body` as JSON, or these octets."""
        if octets is None and body is not None:
            octets = json.dumps(body).encode()
        return await self.send(verb.upper(), path, octets, **more)

    async def send(
        self,
        method: str,
        path: str,
        octets: bytes | None,
        *,
        token: str | None = None,
        authorization: str | None = None,
        key: str | None = None,
        media: str = "application/json",
    ) -> Answer:
        """One request on a connection of its own, and what it is answered."""
        headers = {} if octets is None else {"Content-Type": media}
        if token is not None:
            authorization = f"Bearer {token}"
        if authorization is not None:
            headers["Authorization"] = authorization
        if key is not None:
            headers["Idempotency-Key"] = key
        with trio.fail_after(WAIT_S):
            return await trio.to_thread.run_sync(
                self._send, method, path, octets, headers, abandon_on_cancel=True
            )

    def _send(
        self, method: str, path: str, octets: bytes | None, headers: dict[str, str]
    ) -> Answer:
        connection = self._connection()
        with contextlib.closing(connection):
            connection.request(method, path, octets, headers)
            answer = connection.getresponse()
            return Answer(
                status=answer.status,
                headers={name.lower(): value for name, value in answer.getheaders()},
                text=answer.read().decode(),
            )

    def _connection(self) -> http.client.HTTPConnection:
        if self.ca is None:
            return http.client.HTTPConnection(self.host, self.port, timeout=WAIT_S)
        return http.client.HTTPSConnection(self.host, self.port, timeout=WAIT_S, context=self.ca)

    async def token(self, name: str, *, role: str = "admin", application: str = "default") -> str:
        """A user of that role, with a token."""

        def make(tx: Tx) -> str:
            tx.execute(
                "INSERT INTO application (name) VALUES (%s) ON CONFLICT DO NOTHING", (application,)
            )
            tx.execute(
                """
                INSERT INTO sender (application_id, address, ton, npi, is_default)
                SELECT id, '4455', 3, 0, true FROM application
                 WHERE name = %s AND name <> 'default' ON CONFLICT DO NOTHING
                """,
                (application,),
            )
            row = tx.execute(
                "SELECT id FROM application WHERE name = %s", (application,)
            ).fetchone()
            assert row is not None
            users.insert(tx, row[0], name, email=None, role=Role(role))
            actor = Actor(application=application, by=name)
            return credentials.give(tx, actor, name, now=clock.utc_now()).token

        return self.database.run(make)

    async def password(self, name: str, password: str) -> None:
        kept = rules.hashed(password, b"salt" * 4)
        self.database.run(lambda tx: stored.set_password(tx, 1, name, kept))

    async def revoke(self, name: str) -> None:
        actor = Actor(application="default", by=name)
        self.database.run(
            lambda tx: credentials.revoke(tx, actor, name, "all", now=clock.utc_now())
        )

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What stands in the database."""
        return self.database.run(lambda tx: tx.execute(statement).fetchall())

    @contextlib.contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Nobody writes into a table, until the end of the block."""
        with psycopg.connect(self.database.url) as connection:
            connection.execute(f"LOCK TABLE {table} IN SHARE MODE")
            yield
            connection.rollback()

    async def end(self) -> None:
        """Tells it to end, and waits until it has."""
        self.ending.set()
        await self.ended.wait()

    def unplug(self) -> None:
        """The database lets nobody in any more."""
        [[name]] = self.rows("SELECT current_database()")
        elsewhere = make_conninfo(self.database.url, dbname="siaran")
        with psycopg.connect(elsewhere, autocommit=True) as connection:
            connection.execute(
                sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(name))
            )
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
            )

    async def until_waiting(self) -> None:
        """Come back when a transaction waits for a lock."""

        def wait(tx: Tx) -> None:
            waits = "SELECT FROM pg_locks WHERE NOT granted AND relation IS NOT NULL"
            while tx.execute(waits).fetchone() is None:
                tx.execute("SELECT pg_sleep(0.005)")

        with trio.fail_after(WAIT_S):
            await trio.to_thread.run_sync(self.database.run, wait, abandon_on_cancel=True)


@asynccontextmanager
async def serving(
    stage: Stage, http: Http = OPEN, patience: Patience = PATIENCE
) -> AsyncIterator[Served]:
    """The API alone, on the stage's database."""
    database = Database.open(stage.road.database.url)
    api = Api(database, http=http, patience=patience)
    app = server.application(Metrics().registry, list, api)
    served = Served("", 0, stage.road.database)
    with contextlib.closing(database):
        async with trio.open_nursery() as nursery:

            async def serve(
                task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
            ) -> None:
                await server.serve(
                    app,
                    http,
                    shutdown=served.ending.wait,
                    patience=patience,
                    task_status=task_status,
                )
                served.ended.set()

            nursery.start_soon(api.run)
            [address] = await nursery.start(serve)
            there = urllib.parse.urlsplit(address)
            assert there.hostname is not None
            assert there.port is not None
            served.host, served.port = there.hostname, there.port
            yield served
            served.ending.set()
            nursery.cancel_scope.cancel()
