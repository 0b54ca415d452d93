"""LISTEN: the database's way to say that there is something new, heard on a connection of its own.

It only wakes: whoever is woken looks at the tables, and looks once a second without it. NOTIFY takes
a lock of the whole database at its COMMIT, so it is said by people's commands and never in turns.
psycopg's asynchronous connection knows only asyncio, which runs here as a guest of trio.
"""

from collections.abc import Callable
from typing import Any

import psycopg
import trio
import trio_asyncio

from engine.store.db import CONNECTING, Tx

CHANNEL = "siaran"

AGAIN_S = 1.0


def wake(tx: Tx) -> None:
    """Wakes all engines when this transaction commits."""
    tx.execute(f"NOTIFY {CHANNEL}")


async def listen(url: str, heard: Callable[[], None]) -> None:
    """Calls `heard` at each notification, and after each loss of the connection, until cancelled."""
    async with trio_asyncio.open_loop():
        while True:
            try:
                await trio_asyncio.aio_as_trio(_listen)(url, heard)
            except psycopg.Error:
                # The gateway says in the log that the database is away; here it is asked again.
                await trio.sleep(AGAIN_S)


async def _listen(url: str, heard: Callable[[], None]) -> None:
    parameters: dict[str, Any] = {**CONNECTING, "application_name": "siaran-listen"}
    connection = await psycopg.AsyncConnection.connect(url, autocommit=True, **parameters)
    async with connection:
        await connection.execute(f"LISTEN {CHANNEL}")
        heard()
        async for _ in connection.notifies():
            heard()
