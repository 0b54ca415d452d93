"""Prefix maps: what the start of a local number becomes (R-1.9)."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg.rows import class_row

from engine.store.db import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefix:
    """Numbers that begin with `prefix` begin with `replacement` instead: 021 → 6421."""

    prefix: str
    replacement: str


def of_application(tx: Tx, application_id: int) -> list[Prefix]:
    """All of them, sorted: there are few."""
    with tx.cursor(row_factory=class_row(Prefix)) as cursor:
        # prefix_map_pkey
        cursor.execute(
            "SELECT prefix, replacement FROM prefix_map WHERE application_id = %s ORDER BY prefix",
            (application_id,),
        )
        return cursor.fetchall()


def insert(tx: Tx, application_id: int, prefix: str, replacement: str) -> bool:
    """Add a map; False when the prefix has one."""
    cursor = tx.execute(
        "INSERT INTO prefix_map VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        (application_id, prefix, replacement),
    )
    return cursor.rowcount == 1


def update(tx: Tx, application_id: int, prefix: str, replacement: str) -> None:
    """Change what a prefix becomes."""
    # prefix_map_pkey
    tx.execute(
        "UPDATE prefix_map SET replacement = %s WHERE application_id = %s AND prefix = %s",
        (replacement, application_id, prefix),
    )


def delete(tx: Tx, application_id: int, prefix: str) -> None:
    """Remove a map."""
    # prefix_map_pkey
    tx.execute(
        "DELETE FROM prefix_map WHERE application_id = %s AND prefix = %s",
        (application_id, prefix),
    )
