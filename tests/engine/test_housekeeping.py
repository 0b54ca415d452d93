"""What an engine does once an hour."""

import pytest
import trio

from engine import nodes
from engine.store.db import Database
from tests.road import Road


@pytest.mark.trio
async def test_old_texts_are_scrubbed_though_nobody_asks(database: Database) -> None:
    """R-9.3: an hour's work begins when the engine starts, and takes all there is."""
    road = Road.open(database)
    road.sql("SELECT ensure_partitions(date '2020-05-01', 1)")
    road.sql(
        """
        INSERT INTO message (id, application_id, class, state, state_at, created_at, mobile,
                             sender, text)
        SELECT first_id(day_of('2020-05-01 12:00Z')) + n, %s, 0, 'delivered', '2020-05-01 12:00Z',
               '2020-05-01 12:00Z', '+6421' || n, '3774', 'Hello Anna'
          FROM generate_series(1, 2500) AS n
        """,
        road.application(),
    )
    left = "SELECT count(*) FROM message WHERE text IS NOT NULL"
    assert road.one(left) == 2500
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(nodes.housekeep, database)
            while await database.transact(lambda tx: tx.execute(left).fetchone()) != (0,):
                pass
            nursery.cancel_scope.cancel()
