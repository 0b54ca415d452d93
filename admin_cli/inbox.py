"""`siaran inbox`: what subscribers wrote."""

from __future__ import annotations

import csv
from typing import Annotated

import typer

from admin_cli.desk import Desk, command, noun
from admin_cli.files import Output, counted, writing
from admin_cli.members import MEANS, Which

app = noun("What subscribers wrote.")

_COLUMNS = ("received_at", "mobile", "destination", "content", "list", "campaign_id", "opted_out")
_FIELDS = (
    "id",
    "received_at",
    "mobile",
    "destination",
    "content",
    "meaning",
    "list",
    "batch",
    "campaign_id",
    "opted_out",
)


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
    opted_out: Annotated[Which, typer.Option("--opted-out", help="have they?")] = Which.ANY,
    meaning: Annotated[
        str | None,
        typer.Option("--meaning", metavar="M", help='taken for: opt-out, "near miss", reply, …'),
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
        opted_out=MEANS[opted_out],
        meaning=meaning,
        unowned=unowned,
        limit=rows or None,
    )
    desk.rows(found, *_COLUMNS, empty="nothing was found in the inbox")
    desk.more(len(found), rows)


@command(
    app,
    "optout",
    "siaran inbox optout 1413900000000001",
    'siaran inbox optout 1413900000000001 --reason "asked us to stop"',
)
def optout(
    desk: Desk,
    inbox_id: Annotated[
        int, typer.Argument(metavar="ID", min=1, help="what inbox ls --json calls it")
    ],
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="why, for the log")
    ] = None,
) -> None:
    """Send who wrote this no more messages from the application: what a person reads as a STOP."""
    from engine.operations import inbox

    gone = desk.run(inbox.optout, inbox_id, reason=reason)
    desk.done(f"{gone.mobile} gets no more messages from this application", gone)


@command(
    app,
    "download",
    "siaran inbox download -o inbox.csv",
    "siaran inbox download --list customers | head",
)
def download(
    desk: Desk,
    list_name: Annotated[
        str | None, typer.Option("--list", metavar="NAME", help="answers to this list")
    ] = None,
    batch: Annotated[
        str | None, typer.Option("--batch", metavar="B", help="answers to campaigns of this batch")
    ] = None,
    unowned: Annotated[
        bool, typer.Option("--unowned", help="to numbers that no application owns")
    ] = False,
    output: Output = None,
) -> None:
    """Write the inbox as CSV, the newest first."""
    from admin_cli.render import plain
    from engine.operations import inbox
    from engine.operations.spreadsheet import guarded

    count = 0
    with desk.database() as database:
        found = inbox.download(
            database, desk.actor(), list_name=list_name, batch=batch, unowned=unowned
        )
        with writing(output) as file:
            out = csv.writer(file, lineterminator="\n")
            out.writerow(_FIELDS)
            for mo in found:
                values = {name: plain(getattr(mo, name)) for name in _FIELDS}
                values["content"] = guarded(mo.content)
                values["opted_out"] = "yes" if mo.opted_out else "no"
                out.writerow(["" if value is None else value for value in values.values()])
                count += 1
    desk.note(f"{counted(count, 'message')} written to {output or 'stdout'}")
