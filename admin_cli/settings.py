"""`siaran setting`: how an application behaves."""

from __future__ import annotations

from typing import Annotated

import typer

from admin_cli.desk import Desk, command, noun

app = noun("Settings of an application: what is in force, and what may be.")

_Key = Annotated[str, typer.Argument(metavar="KEY", help="see setting ls")]


@command(app, "ls", "siaran setting ls", "siaran setting ls --json --app jakarta")
def ls(desk: Desk) -> None:
    """List every setting with the value in force, its default, and what it does."""
    from engine.operations import settings

    desk.rows(desk.run(settings.ls), "key", "value", "default", "may_be", "what")


@command(
    app,
    "set",
    "siaran setting set segments.max 4",
    "siaran setting set retention.text 90d --app jakarta",
)
def set_(
    desk: Desk,
    key: _Key,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="what setting ls says it may be")],
) -> None:
    """Set a value; it is in force at once."""
    from engine.operations import settings

    shown = desk.run(settings.set_, key, value)
    desk.done(f"{shown.key} is {shown.value}", shown)


@command(app, "unset", "siaran setting unset segments.max", "siaran setting unset uncertain --json")
def unset(desk: Desk, key: _Key) -> None:
    """Give a setting its default again."""
    from engine.operations import settings

    shown = desk.run(settings.unset, key)
    desk.done(f"{shown.key} is {shown.value}, its default", shown)
