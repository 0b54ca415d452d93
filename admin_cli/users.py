"""`siaran user`: who may work in an application, and what."""

from __future__ import annotations

from enum import StrEnum
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


def _role(role: _Role | None) -> Role | None:
    from engine.operations.users import Role

    return None if role is None else Role(role.value)
