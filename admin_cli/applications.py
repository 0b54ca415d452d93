"""`siaran app`: the tenants of this installation."""

from __future__ import annotations

from typing import Annotated

import typer

from admin_cli.desk import Desk, command, noun

app = noun("Applications: tenants with their own users, lists, senders and queue.")

_Name = Annotated[str, typer.Argument(metavar="NAME", help="the application's name")]
_Company = Annotated[
    str | None, typer.Option("--company", metavar="C", help="whose it is; reports group by it")
]
_Timezone = Annotated[
    str | None, typer.Option("--timezone", metavar="TZ", help="of its hours and reports")
]
_COLUMNS = ("name", "company", "timezone", "users", "senders", "lists", "campaigns", "created_at")


@command(
    app,
    "add",
    "siaran app add jakarta --company Acme --timezone Asia/Jakarta",
    "siaran app add support --json",
)
def add(desk: Desk, name: _Name, company: _Company = None, timezone: _Timezone = None) -> None:
    """Add an application; --app NAME works in it from then on.

    Without --timezone it has that of the application it is added from.
    """
    from engine.operations import applications

    added = desk.run(applications.add, name, company=company, timezone=timezone)
    desk.done(f'application "{added.name}" added, in {added.timezone}', added)
    desk.note(f"it can't send before it has a sender: siaran sender add … --app {added.name}")


@command(app, "ls", "siaran app ls", "siaran app ls --json")
def ls(desk: Desk) -> None:
    """List all applications."""
    from engine.operations import applications

    desk.rows(desk.run(applications.ls), *_COLUMNS)


@command(app, "show", "siaran app show", "siaran app show jakarta --json")
def show(
    desk: Desk,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="default: that of --app")
    ] = None,
) -> None:
    """Show one application, and how much it has."""
    from engine.operations import applications

    desk.card(desk.run(applications.show, name))


@command(
    app,
    "edit",
    "siaran app edit default --timezone Pacific/Auckland",
    'siaran app edit jakarta --company "Acme Ltd" --as anna',
)
def edit(desk: Desk, name: _Name, company: _Company = None, timezone: _Timezone = None) -> None:
    """Change what is given; --company "" takes it away.

    Campaigns that are scheduled already keep their moment and their time zone.
    """
    from engine.operations import applications

    after = desk.run(applications.edit, name, company=company, timezone=timezone)
    desk.done(f'application "{after.name}" changed', after)
