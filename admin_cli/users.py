"""`siaran user`: who may work in an application, and what."""

from __future__ import annotations

import sys
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from admin_cli.desk import Desk, command, noun

if TYPE_CHECKING:
    from engine.operations.users import Role

app = noun("Users of an application, and their roles.")


class _Role(StrEnum):
    """As in `engine.operations.users`, which is not loaded to show a help page."""

    ADMIN = "admin"
    OPERATOR = "operator"
    VIEWER = "viewer"


_Name = Annotated[str, typer.Argument(metavar="NAME", help="what --as says")]
_Email = Annotated[
    str | None, typer.Option("--email", metavar="E", help="where reports of imports are mailed to")
]
_RoleOption = Annotated[
    _Role | None, typer.Option("--role", help="viewers read, operators send, admins configure")
]


@command(
    app,
    "add",
    "siaran user add anna --email anna@example.net",
    "siaran user add budi --role viewer --as anna",
)
def add(desk: Desk, name: _Name, email: _Email = None, role: _RoleOption = None) -> None:
    """Add a user: the first is an admin, the next are operators unless --role says otherwise.

    An application without users is open to everybody on this machine. From the first one on,
    whoever works in it says who they are with --as NAME, and may do what their role allows.
    """
    from engine.operations import users

    user = desk.run(users.add, name, email=email, role=_role(role))
    desk.done(f"user {user.name} added, {user.role}", user)


@command(app, "ls", "siaran user ls", "siaran user ls --app jakarta --json")
def ls(desk: Desk) -> None:
    """List the users of the application."""
    from engine.operations import users

    desk.rows(
        desk.run(users.ls),
        "name",
        "role",
        "email",
        "active",
        "created_at",
        empty="no users: everybody may do everything; add one: siaran user add",
    )


@command(
    app, "edit", "siaran user edit budi --role operator", "siaran user edit budi --inactive --as anna"
)  # fmt: skip
def edit(
    desk: Desk,
    name: _Name,
    email: _Email = None,
    role: _RoleOption = None,
    active: Annotated[
        bool | None,
        typer.Option("--active/--inactive", help="an inactive user may do nothing any more"),
    ] = None,
) -> None:
    """Change what is given; --email "" takes the address away."""
    from engine.operations import users

    user = desk.run(users.edit, name, email=email, role=_role(role), active=active)
    state = "" if user.active else ", not active"
    desk.done(f"user {user.name} is {user.role}{state}", user)


@command(
    app,
    "token",
    "siaran user token anna",
    "siaran user token anna --days 90",
    "siaran user token anna --revoke all",
)
def token(
    desk: Desk,
    name: _Name,
    days: Annotated[
        int | None, typer.Option("--days", min=1, max=3650, help="it expires after so many days")
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="show which there are")] = False,
    revoke: Annotated[
        str | None,
        typer.Option("--revoke", metavar="WHICH", help="take back the one that begins so, or all"),
    ] = None,
) -> None:
    """Give a user a token for the HTTP API. It is shown this once, and kept as a hash.

    It goes into the header of each request: `Authorization: Bearer siaran_...`. A revoked one is
    refused within some seconds.
    """
    from engine import clock
    from engine.operations import credentials

    if sum((show, days is not None, revoke is not None)) > 1:
        raise typer.BadParameter("give one of --days, --list and --revoke")
    now = clock.utc_now()
    if show:
        desk.rows(
            desk.run(credentials.ls, name),
            "hint",
            "created_at",
            "created_by",
            "expires_at",
            "revoked_at",
            empty=f"no tokens; give one: siaran user token {name}",
        )
    elif revoke is not None:
        gone = desk.run(credentials.revoke, name, revoke, now=now)
        desk.done(f"revoked: {', '.join(one.hint for one in gone)}", gone)
    else:
        lifetime = None if days is None else timedelta(days=days)
        given = desk.run(credentials.give, name, now=now, lifetime=lifetime)
        if not desk.json:
            desk.note(f"the token of {given.user}; it is not shown again")
        desk.done(given.token, given)


@command(
    app,
    "password",
    "siaran user password anna --file anna.password",
    "siaran user password anna --off",
)
def password(
    desk: Desk,
    name: _Name,
    file: Annotated[
        str | None,
        typer.Option(
            "--file", metavar="F", help="where it stands; - reads the first line of stdin"
        ),
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="no password any more")] = False,
) -> None:
    """Give a user a password for the HTTP API (HTTP Basic); it is kept as a hash.

    It is never an argument, where all users of the machine could read it.
    """
    from engine.operations import Refused, credentials

    if (file is None) == (not off):
        raise typer.BadParameter("give one of --file F and --off")
    secret: str | None = None
    if file is not None:
        try:
            text = sys.stdin.readline() if file == "-" else Path(file).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise Refused(f"{file}: can't read the password: {why}") from None
        secret = text.removesuffix("\n").removesuffix("\r")
    user = desk.run(credentials.set_password, name, secret)
    said = "has no password any more" if secret is None else "has a new password"
    desk.done(f"user {user} {said}", {"user": user, "password": secret is not None})


def _role(role: _Role | None) -> Role | None:
    from engine.operations.users import Role

    return None if role is None else Role(role.value)
