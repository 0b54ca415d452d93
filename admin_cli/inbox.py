"""`siaran inbox`: what subscribers wrote."""

from __future__ import annotations

from typing import Annotated

import typer

from admin_cli.desk import Desk, command, noun

app = noun("What subscribers wrote.")

_COLUMNS = ("received_at", "mobile", "destination", "content", "list", "campaign_id", "opted_out")


@command(
    app,
    "ls",
    "siaran inbox ls --list customers --content yes",
    "siaran inbox ls --unowned --json",
)
def ls(
    desk: Desk,
    mobile: Annotated[
        str | None, typer.Option("--mobile", metavar="M", help="all or part of the number")
    ] = None,
    content: Annotated[
        str | None, typer.Option("--content", metavar="TEXT", help="part of what they wrote")
    ] = None,
    list_name: Annotated[
        str | None, typer.Option("--list", metavar="NAME", help="answers to this list")
    ] = None,
    batch: Annotated[
        str | None, typer.Option("--batch", metavar="B", help="answers to campaigns of this batch")
    ] = None,
    unowned: Annotated[
        bool, typer.Option("--unowned", help="to numbers that no application owns")
    ] = False,
    rows: Annotated[
        int, typer.Option("--rows", min=0, metavar="N", help="the newest N; 0: all")
    ] = 100,
) -> None:
    """List what came in, the newest first."""
    from engine.operations import inbox

    found = desk.run(
        inbox.ls,
        mobile=mobile,
        content=content,
        list_name=list_name,
        batch=batch,
        unowned=unowned,
        limit=rows or None,
    )
    desk.rows(found, *_COLUMNS, empty="nothing was found in the inbox")
    desk.more(len(found), rows)
