"""What waits to be mailed, for who looks at it (R-6.8)."""

from __future__ import annotations

from engine.store import outbox
from engine.store.db import Tx
from engine.store.outbox import Depth as Depth


def mails(tx: Tx) -> Depth:
    """How many mails wait, since when, and how many could not be sent; of all applications."""
    return outbox.mails(tx)
