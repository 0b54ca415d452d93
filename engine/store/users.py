"""Users of an application: who they are, what they may, where mail reaches them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from engine.domain.roles import Role
from engine.store.db import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody of an application; one who is not active may do nothing any more."""

    name: str
    email: str | None
    role: Role
    active: bool
    created_at: datetime

    def __post_init__(self) -> None:
        # psycopg gives the enum's word; everything above speaks of roles.
        object.__setattr__(self, "role", Role(self.role))


_COLUMNS = "name, email, role, active, created_at"


def find(tx: Tx, application_id: int, name: str) -> User | None:
    """The user of that name, active or not."""
    with tx.cursor(row_factory=class_row(User)) as cursor:
        # users_application_id_name_key
        cursor.execute(
            f"SELECT {_COLUMNS} FROM users WHERE application_id = %s AND name = %s",
            (application_id, name),
        )
        return cursor.fetchone()


def of_application(tx: Tx, application_id: int) -> list[User]:
    """All of them by name: there are some dozens."""
    with tx.cursor(row_factory=class_row(User)) as cursor:
        # users_application_id_name_key
        cursor.execute(
            f"SELECT {_COLUMNS} FROM users WHERE application_id = %s ORDER BY name",
            (application_id,),
        )
        return cursor.fetchall()


def insert(tx: Tx, application_id: int, name: str, *, email: str | None, role: Role) -> bool:
    """Add a user; False when there is one of that name."""
    cursor = tx.execute(
        """
        INSERT INTO users (application_id, name, email, role) VALUES (%s, %s, %s, %s)
        ON CONFLICT DO NOTHING
        """,
        (application_id, name, email, role.value),
    )
    return cursor.rowcount == 1


def update(
    tx: Tx, application_id: int, name: str, *, email: str | None, role: Role, active: bool
) -> None:
    """Change what a user is."""
    # users_application_id_name_key
    tx.execute(
        """
        UPDATE users SET email = %s, role = %s, active = %s
        WHERE application_id = %s AND name = %s
        """,
        (email, role.value, active, application_id, name),
    )
