"""LISTEN: the database's way to say that there is something new, heard on a connection of its own.

It only wakes: whoever is woken looks at the tables, and looks once a second without it. NOTIFY takes
a lock of the whole database at its COMMIT, so it is said by people's commands and never in turns.

The connection is an ordinary one whose socket trio waits for. (psycopg's asynchronous connections
know only asyncio, and when psycopg was imported first they don't see a loop that is trio's guest.)
"""

import threading
from collections.abc import Callable
from typing import Any

import psycopg
import trio

from engine.store.db import CONNECTING, Tx

CHANNEL = "siaran"

AGAIN_S = 1.0


def wake(tx: Tx) -> None:
    """Wakes all engines when this transaction commits."""
    tx.execute(f"NOTIFY {CHANNEL}")


async def listen(url: str, heard: Callable[[], None]) -> None:
    """Calls `heard` at each notification, and after each loss of the connection, until cancelled."""
    while True:
        try:
            with await _connected(url) as connection:
                heard()
                while True:
                    await trio.lowlevel.wait_readable(connection.fileno())
                    connection.pgconn.consume_input()
                    while connection.pgconn.notifies() is not None:
                        heard()
        except psycopg.Error:
            # The gateway says in the log that the database is away; here it is asked again.
            await trio.sleep(AGAIN_S)


async def _connected(url: str) -> psycopg.Connection[Any]:
    """A connection that listens. Cancelled, it waits for nothing and leaves nothing open."""
    made: list[psycopg.Connection[Any]] = []
    unwanted = threading.Event()

    def connect() -> psycopg.Connection[Any]:
        connection = _connect(url)
        made.append(connection)
        if unwanted.is_set():
            connection.close()
        return connection

    try:
        return await trio.to_thread.run_sync(connect, abandon_on_cancel=True)
    except trio.Cancelled:
        unwanted.set()
        for connection in made:
            connection.close()
        raise


def _connect(url: str) -> psycopg.Connection[Any]:
    """A connection that listens. Seconds at most: `CONNECTING` has the time-outs."""
    parameters: dict[str, Any] = {**CONNECTING, "application_name": "siaran-listen"}
    connection = psycopg.Connection.connect(url, autocommit=True, **parameters)
    connection.execute(f"LISTEN {CHANNEL}")
    return connection
