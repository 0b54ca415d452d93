"""`siaran log`: who did what, and when."""

from __future__ import annotations

from typing import Annotated

import typer

from admin_cli.desk import Desk, command, single

app = single("Who did what, and when.")


@command(
    app,
    "log",
    "siaran log --action list --since 2026-11-01",
    "siaran log --user anna --rows 0 --json",
)
def log(
    desk: Desk,
    user: Annotated[
        str | None, typer.Option("--user", metavar="U", help="only what this one did")
    ] = None,
    action: Annotated[
        str | None,
        typer.Option("--action", metavar="A", help="noun.verb (list.import) or a noun (list)"),
    ] = None,
    object_: Annotated[
        str | None,
        typer.Option(
            "--object", metavar="O", help="a part of what it was done to, as a list's name"
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="T", help='from "2026-12-01 09:10" on')
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="T", help="before T; a date is included")
    ] = None,
    rows: Annotated[
        int, typer.Option("--rows", min=0, metavar="N", help="the newest N; 0: all")
    ] = 100,
) -> None:
    """Show the changes to lists, campaigns, senders and settings, the newest last."""
    from engine.operations import log as changes

    found = desk.run(
        changes.search,
        by=user,
        action=action,
        object=object_,
        since=since,
        until=until,
        limit=rows or None,
    )
    desk.rows(
        found, "at", "by", "action", "object", "before", "after", empty="no changes were found"
    )
    desk.more(len(found), rows)
