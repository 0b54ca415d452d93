"""Passwords and tokens of users, as far as they are kept: hashes (R-7.8, R-8.5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from engine.store.db import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token of a user; `hint` is what it begins with."""

    id: int
    hint: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None


def insert(
    tx: Tx,
    application_id: int,
    user: str,
    *,
    digest: bytes,
    hint: str,
    by: str,
    expires_at: datetime | None,
) -> Token:
    """Keep a token of a user that is there."""
    with tx.cursor(row_factory=class_row(Token)) as cursor:
        # users_application_id_name_key
        found = cursor.execute(
            """
            INSERT INTO token (user_id, digest, hint, created_by, expires_at)
            SELECT id, %s, %s, %s, %s FROM users WHERE application_id = %s AND name = %s
            RETURNING id, hint, created_at, created_by, expires_at, revoked_at
            """,
            (digest, hint, by, expires_at, application_id, user),
        ).fetchone()
    assert found is not None
    return found


def of_user(tx: Tx, application_id: int, user: str) -> list[Token]:
    """All tokens of a user, the newest first: there are some."""
    with tx.cursor(row_factory=class_row(Token)) as cursor:
        # users_application_id_name_key, token_user
        return cursor.execute(
            """
            SELECT t.id, t.hint, t.created_at, t.created_by, t.expires_at, t.revoked_at
              FROM users u JOIN token t ON t.user_id = u.id
             WHERE u.application_id = %s AND u.name = %s ORDER BY t.id DESC
            """,
            (application_id, user),
        ).fetchall()


def revoke(tx: Tx, ids: list[int]) -> None:
    """Nobody comes in with these any more."""
    tx.execute("UPDATE token SET revoked_at = now() WHERE id = ANY (%s)", (ids,))  # token_pkey


def user_of_token(tx: Tx, digest: bytes) -> tuple[str, str] | None:
    """Application and name of the active user whose token it is; None when it is nobody's (now)."""
    # token_digest_key, users_pkey, application_pkey
    return tx.execute(
        """
        SELECT a.name, u.name FROM token t
          JOIN users u ON u.id = t.user_id
          JOIN application a ON a.id = u.application_id
         WHERE t.digest = %s AND t.revoked_at IS NULL AND u.active
           AND (t.expires_at IS NULL OR t.expires_at > now())
        """,
        (digest,),
    ).fetchone()


def password_of(tx: Tx, application: str, user: str) -> str | None:
    """What is kept of an active user's password; None when there is none."""
    # application_name_key, users_application_id_name_key
    row = tx.execute(
        """
        SELECT u.password FROM application a JOIN users u ON u.application_id = a.id
         WHERE a.name = %s AND u.name = %s AND u.active
        """,
        (application, user),
    ).fetchone()
    return None if row is None else row[0]


def set_password(tx: Tx, application_id: int, user: str, kept: str | None) -> None:
    """Keep the hash of a password; None takes it away."""
    # users_application_id_name_key
    tx.execute(
        "UPDATE users SET password = %s WHERE application_id = %s AND name = %s",
        (kept, application_id, user),
    )
