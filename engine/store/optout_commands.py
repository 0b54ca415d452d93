"""What an application has changed of the words that opt out (R-6.3); defaults: `domain.words`."""

from __future__ import annotations

from engine.store.db import Tx


def own(tx: Tx, application_id: int) -> dict[str, bool]:
    """Its own words and what it has switched: folded word → enabled."""
    # optout_command_pkey
    return dict(
        tx.execute(
            "SELECT word, enabled FROM optout_command WHERE application_id = %s ORDER BY word",
            (application_id,),
        ).fetchall()
    )


def store(tx: Tx, application_id: int, word: str, *, enabled: bool) -> None:
    """Add a word, or switch one."""
    # optout_command_pkey
    tx.execute(
        """
        INSERT INTO optout_command (application_id, word, enabled) VALUES (%s, %s, %s)
        ON CONFLICT (application_id, word)
        DO UPDATE SET enabled = excluded.enabled, changed_at = now()
        """,
        (application_id, word, enabled),
    )


def delete(tx: Tx, application_id: int, word: str) -> None:
    """Forget a word that the application has added."""
    # optout_command_pkey
    tx.execute(
        "DELETE FROM optout_command WHERE application_id = %s AND word = %s",
        (application_id, word),
    )
