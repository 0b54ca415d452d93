"""What applications have set; anything else is its default (`domain.settings`)."""

from __future__ import annotations

from typing import TypeVar

from engine.domain.settings import Setting
from engine.store.db import Tx

T = TypeVar("T")


def get(tx: Tx, application_id: int, setting: Setting[T]) -> T:
    """The value that is in force in an application."""
    row = tx.execute(  # setting_pkey
        "SELECT value FROM setting WHERE application_id = %s AND key = %s",
        (application_id, setting.key),
    ).fetchone()
    return setting.default if row is None else setting.parse(row[0])


def everywhere(tx: Tx, setting: Setting[T]) -> dict[int, T]:
    """The value by application id, of the applications that have set it."""
    # setting_pkey: some rows an application, read as a whole.
    found = tx.execute("SELECT application_id, value FROM setting WHERE key = %s", (setting.key,))
    return {application_id: setting.parse(value) for application_id, value in found}


def stored(tx: Tx, application_id: int) -> dict[str, str]:
    """What an application has set: key → text."""
    # setting_pkey
    return dict(
        tx.execute(
            "SELECT key, value FROM setting WHERE application_id = %s", (application_id,)
        ).fetchall()
    )


def store(tx: Tx, application_id: int, key: str, value: str) -> None:
    """Set a key."""
    # setting_pkey
    tx.execute(
        """
        INSERT INTO setting (application_id, key, value) VALUES (%s, %s, %s)
        ON CONFLICT (application_id, key) DO UPDATE SET value = excluded.value
        """,
        (application_id, key, value),
    )


def forget(tx: Tx, application_id: int, key: str) -> None:
    """Unset a key."""
    # setting_pkey
    tx.execute("DELETE FROM setting WHERE application_id = %s AND key = %s", (application_id, key))
