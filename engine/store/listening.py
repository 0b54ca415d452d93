"""LISTEN: the database's way to say that there is something new, heard on a connection of its own.

It only wakes: whoever is woken looks at the tables, and looks once a second without it. NOTIFY takes
a lock of the whole database at its COMMIT, so it is said by people's commands and never in turns.

The connection is an ordinary one whose socket trio waits for. (psycopg's asynchronous connections
know only asyncio, and when psycopg was imported first they don't see a loop that is trio's guest.)
"""

import threading
from collections.abc import Callable

import psycopg
import trio

from engine.store.db import Database, Tx

CHANNEL = "siaran"

AGAIN_S = 1.0


def wake(tx: Tx) -> None:
    """Wakes all engines when this transaction commits."""
    tx.execute(f"NOTIFY {CHANNEL}")


async def listen(db: Database, heard: Callable[[], None]) -> None:
    """Calls `heard` at each notification, and after each loss of the connection, until cancelled.

    Through a pooler nothing can be heard (but see `database.listen_url`): then it does nothing.
    """
    while True:
        try:
            connection = await _connected(db)
            if connection is None:
                await trio.sleep_forever()
            try:
                heard()
                while True:
                    await trio.lowlevel.wait_readable(connection.fileno())
                    connection.pgconn.consume_input()
                    while connection.pgconn.notifies() is not None:
                        heard()
            finally:
                db.hang_up(connection)
        except psycopg.Error:
            # The gateway says in the log that the database is away; here it is asked again.
            await trio.sleep(AGAIN_S)


async def _connected(db: Database) -> Tx | None:
    """A connection that listens. Cancelled, it waits for nothing and leaves nothing open."""
    made: list[Tx] = []
    unwanted = threading.Event()

    def connect() -> Tx | None:
        connection = db.connect_to_listen()
        if connection is None:
            return None
        made.append(connection)
        try:
            connection.execute(f"LISTEN {CHANNEL}")
        except psycopg.Error:
            db.hang_up(connection)
            raise
        if unwanted.is_set():
            db.hang_up(connection)
        return connection

    try:
        return await trio.to_thread.run_sync(connect, abandon_on_cancel=True)
    except trio.Cancelled:
        unwanted.set()
        for connection in made:
            db.hang_up(connection)
        raise
