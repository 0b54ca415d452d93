"""The database's clock: the one that all nodes have in common."""

from datetime import datetime

from engine.store.db import Tx


def now(tx: Tx) -> datetime:
    """Now, and not the moment that the transaction began."""
    row = tx.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    return row[0]  # type: ignore[no-any-return]
