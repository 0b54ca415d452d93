"""The API on a port of this machine, and a client of it that speaks HTTP over a real socket."""

from __future__ import annotations

import contextlib
import http.client
import json
import urllib.parse
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import trio

from engine import clock
from engine.api import server
from engine.api.service import Api
from engine.domain import credentials as rules
from engine.domain.roles import Role
from engine.metrics import Metrics
from engine.operations import Actor, credentials
from engine.store import credentials as stored
from engine.store import users
from engine.store.db import Database, Tx
from tests.engine.conftest import Stage

PATIENCE_S = 20.0


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
    """A server, and the database that it serves."""

    host: str
    port: int
    database: Database

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
        with trio.fail_after(PATIENCE_S):
            return await trio.to_thread.run_sync(
                self._send, method, path, octets, headers, abandon_on_cancel=True
            )

    def _send(
        self, method: str, path: str, octets: bytes | None, headers: dict[str, str]
    ) -> Answer:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            # Who refuses a body need not read all of it: then the answer is there all the same.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, path, octets, headers)
            answer = connection.getresponse()
            return Answer(
                status=answer.status,
                headers={name.lower(): value for name, value in answer.getheaders()},
                text=answer.read().decode(),
            )

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

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What stands in the database."""
        return self.database.run(lambda tx: tx.execute(sql).fetchall())

    @contextlib.contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Nobody writes into a table, until the end of the block."""
        with psycopg.connect(self.database.url) as connection:
            connection.execute(f"LOCK TABLE {table} IN SHARE MODE")
            yield
            connection.rollback()

    async def until_waiting(self) -> None:
        """Come back when a transaction waits for a lock."""

        def wait(tx: Tx) -> None:
            waits = "SELECT FROM pg_locks WHERE NOT granted AND relation IS NOT NULL"
            while tx.execute(waits).fetchone() is None:
                tx.execute("SELECT pg_sleep(0.005)")

        with trio.fail_after(PATIENCE_S):
            await trio.to_thread.run_sync(self.database.run, wait, abandon_on_cancel=True)


@asynccontextmanager
async def serving(stage: Stage, *, user_rate: float = 0) -> AsyncIterator[Served]:
    """The API alone, on the stage's database."""
    database = Database.open(stage.road.database.url)
    api = Api(database, user_rate=user_rate)
    app = server.application(Metrics().registry, list, api)
    ending = trio.Event()
    with contextlib.closing(database):
        async with trio.open_nursery() as nursery:

            async def serve(
                task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
            ) -> None:
                await server.serve(
                    app, "127.0.0.1:0", shutdown=ending.wait, task_status=task_status
                )

            nursery.start_soon(api.run)
            [address] = await nursery.start(serve)
            yield Served.of(address, stage.road.database)
            ending.set()
            nursery.cancel_scope.cancel()
