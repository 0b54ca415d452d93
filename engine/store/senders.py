"""Senders: the source addresses of an application, one of them the default (R-2.6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from engine.store.db import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """A short code, a number or a mask, as it goes to the SMSC with its TON and NPI."""

    address: str
    ton: int
    npi: int
    dedicated: bool
    is_default: bool
    created_at: datetime


_COLUMNS = "address, ton, npi, dedicated, is_default, created_at"


def of_application(tx: Tx, application_id: int) -> list[Sender]:
    """All of them, the default first: there are few."""
    with tx.cursor(row_factory=class_row(Sender)) as cursor:
        # sender_application_id_address_key
        cursor.execute(
            f"""
            SELECT {_COLUMNS} FROM sender WHERE application_id = %s
            ORDER BY is_default DESC, address
            """,
            (application_id,),
        )
        return cursor.fetchall()


def everybodys(tx: Tx) -> list[tuple[str, str]]:
    """All senders of all applications: address and application, in their order."""
    return tx.execute(
        # sender and application have some rows
        """
        SELECT s.address, a.name FROM sender s JOIN application a ON a.id = s.application_id
         ORDER BY a.name, s.address
        """
    ).fetchall()


def find(tx: Tx, application_id: int, address: str) -> Sender | None:
    """The sender of that address."""
    with tx.cursor(row_factory=class_row(Sender)) as cursor:
        # sender_application_id_address_key
        cursor.execute(
            f"SELECT {_COLUMNS} FROM sender WHERE application_id = %s AND address = %s",
            (application_id, address),
        )
        return cursor.fetchone()


def insert(
    tx: Tx, application_id: int, address: str, *, ton: int, npi: int, dedicated: bool
) -> bool:
    """Add a sender that is not the default; False when the address is taken already."""
    # ON CONFLICT looks into both unique indexes: of the application, and of dedicated addresses.
    cursor = tx.execute(
        """
        INSERT INTO sender (application_id, address, ton, npi, dedicated)
        VALUES (%s, %s, %s, %s, %s)
        ON CONFLICT DO NOTHING
        """,
        (application_id, address, ton, npi, dedicated),
    )
    return cursor.rowcount == 1


def update(
    tx: Tx, application_id: int, address: str, *, ton: int, npi: int, dedicated: bool
) -> None:
    """Change what a sender is; whether it is the default is `make_default`'s."""
    # sender_application_id_address_key
    tx.execute(
        """
        UPDATE sender SET ton = %s, npi = %s, dedicated = %s
        WHERE application_id = %s AND address = %s
        """,
        (ton, npi, dedicated, application_id, address),
    )


def make_default(tx: Tx, application_id: int, address: str) -> None:
    """Make this one the default, and no other."""
    # In two steps: sender_one_default is checked row by row, so the old one goes first.
    tx.execute(
        "UPDATE sender SET is_default = false WHERE application_id = %s AND is_default",
        (application_id,),
    )
    tx.execute(
        "UPDATE sender SET is_default = true WHERE application_id = %s AND address = %s",
        (application_id, address),
    )


def delete(tx: Tx, application_id: int, address: str) -> None:
    """Remove a sender."""
    # sender_application_id_address_key
    tx.execute(
        "DELETE FROM sender WHERE application_id = %s AND address = %s", (application_id, address)
    )


def elsewhere(tx: Tx, application_id: int, address: str, *, dedicated: bool) -> bool:
    """Whether another application has the address: as its own, or at all when we want it alone."""
    # A few dozen rows at most: a scan.
    row = tx.execute(
        """
        SELECT EXISTS (SELECT FROM sender
            WHERE address = %s AND application_id <> %s AND (dedicated OR %s))
        """,
        (address, application_id, dedicated),
    ).fetchone()
    return row is not None and bool(row[0])


def open_campaigns(tx: Tx, application_id: int, address: str) -> list[int]:
    """The campaigns that have yet to send from the address."""
    # campaign_open
    return [
        row[0]
        for row in tx.execute(
            """
            SELECT id FROM campaign
            WHERE application_id = %s AND sender = %s
              AND state IN ('scheduled', 'waiting', 'running', 'paused', 'finishing')
            ORDER BY id
            """,
            (application_id, address),
        )
    ]
