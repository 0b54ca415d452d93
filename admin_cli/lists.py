"""`siaran list`: lists of recipients, and the way of a file into one and out of one."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from admin_cli.desk import Desk, command, noun
from admin_cli.files import (
    DryRun,
    Errors,
    OnError,
    OnErrorOption,
    Output,
    counted,
    show_rows,
    writing,
)

if TYPE_CHECKING:
    from engine.operations.importing import ImportReport

app = noun("Lists of recipients: create, import, show, download, delete.")

_Name = Annotated[str, typer.Argument(metavar="NAME", help="the list's name")]
_Batch = Annotated[
    str | None, typer.Option("--batch", metavar="B", help="a reference of your own, searchable")
]
_Email = Annotated[
    str | None, typer.Option("--email", metavar="E", help="where replies are forwarded to")
]


@command(
    app,
    "create",
    "siaran list create customers",
    "siaran list create march --batch 2026-03 --email sales@example.net",
)
def create(desk: Desk, name: _Name, batch: _Batch = None, email: _Email = None) -> None:
    """Create an empty list."""
    from engine.operations import lists

    made = desk.run(lists.create, name, batch=batch, email=email)
    desk.done(f'list "{made.name}" created', made)


@command(
    app,
    "rename",
    "siaran list rename customers clients",
    'siaran list rename march "March 2026" --json',
)
def rename(
    desk: Desk,
    name: _Name,
    new_name: Annotated[str, typer.Argument(metavar="NEW", help="its new name")],
) -> None:
    """Give a list another name; campaigns to it show that name from now on."""
    from engine.operations import lists

    after = desk.run(lists.rename, name, new_name)
    desk.done(f'list "{name.strip()}" is now "{after.name}"', after)


@command(
    app,
    "edit",
    "siaran list edit customers --email sales@example.net",
    'siaran list edit march --batch 2026-03 --email ""',
)
def edit(desk: Desk, name: _Name, batch: _Batch = None, email: _Email = None) -> None:
    """Change the batch reference or the e-mail address of a list; "" takes it away."""
    from engine.operations import lists

    after = desk.run(lists.edit, name, batch=batch, email=email)
    desk.done(f'list "{after.name}" changed', after)


@command(
    app, "delete", "siaran list delete march", "siaran list delete march --delete-keywords --yes"
)
def delete(
    desk: Desk,
    name: _Name,
    delete_keywords: Annotated[
        bool,
        typer.Option(
            "--delete-keywords", help="its keywords for ever, too; else they become inactive"
        ),
    ] = False,
) -> None:
    """Delete a list and its members for ever, after a confirmation.

    Who has opted out stays so. A list that a campaign still needs is not deleted.
    """
    from engine.operations import keywords, lists

    shown = desk.run(lists.show, name)
    words = desk.run(keywords.of_list, shown.name)
    also = ""
    if words:
        fate = "are deleted for ever" if delete_keywords else "become inactive"
        also = f" Its keywords {fate}: {', '.join(words)}."
    desk.confirm(
        f'Delete list "{shown.name}" with its {counted(shown.members, "member")}, for ever?{also}'
    )
    with desk.database() as database:
        gone = database.run(
            lambda tx: lists.delete(tx, desk.actor(), shown.name, delete_keywords=delete_keywords)
        )
        desk.done(f'list "{gone.name}" deleted', gone)
        lists.purge(database)


@command(
    app,
    "import",
    "siaran list import customers customers.csv --create",
    "siaran list import customers march.csv --on-error skip --errors bad.csv",
)
def import_(
    desk: Desk,
    name: _Name,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV: mobile, then up to 6 params")],
    create: Annotated[bool, typer.Option("--create", help="make the list if need be")] = False,
    batch: _Batch = None,
    email: _Email = None,
    keep_opted_out: Annotated[
        bool, typer.Option("--keep-opted-out", help="as members that nothing is sent to")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="doubtful numbers are invalid, too")
    ] = False,
    on_error: OnErrorOption = OnError.ABORT,
    errors: Errors = None,
    dry_run: DryRun = False,
) -> None:
    """Import a CSV into a list, whole or not at all, and report what became of each row.

    Who is in the list already gets the new params; who was deleted from it stays deleted; who has
    opted out or is on the blacklist is left out.
    """
    from admin_cli.progress import import_progress
    from engine.operations.importing import BadRows, Upload, import_file

    upload = Upload(
        list=name,
        file=file,
        create=create,
        batch=batch,
        email=email,
        keep_opted_out=keep_opted_out,
        strict=strict,
        skip_invalid=on_error is OnError.SKIP,
        errors=errors,
        dry_run=dry_run,
    )
    try:
        with desk.database(aside=True) as database, import_progress() as progress:
            report = import_file(database, desk.actor(), upload, progress)
    except BadRows as error:
        show_import(desk, error.report)
        raise
    show_import(desk, report)


@command(app, "ls", "siaran list ls", "siaran list ls --search march --batch 2026-03 --json")
def ls(
    desk: Desk,
    search: Annotated[
        str | None, typer.Option("--search", metavar="TEXT", help="part of the name")
    ] = None,
    batch: Annotated[
        str | None, typer.Option("--batch", metavar="B", help="exactly this reference")
    ] = None,
    rows: Annotated[
        int, typer.Option("--rows", min=0, metavar="N", help="the newest N; 0: all")
    ] = 100,
) -> None:
    """List the lists, the newest first."""
    from engine.operations import lists

    found = desk.run(lists.ls, text=search, batch=batch, limit=rows or None)
    desk.rows(found, "name", "members", "batch", "email", "created_at", empty="no lists were found")
    desk.more(len(found), rows)


@command(app, "show", "siaran list show customers", "siaran list show customers --json")
def show(desk: Desk, name: _Name) -> None:
    """Show one list: its members, and how many of them have opted out."""
    from engine.operations import lists

    found = desk.run(lists.show, name)
    desk.card(found)
    if found.email is not None and desk.settings().smtp is None:
        desk.note("replies are not mailed yet: [smtp] is not configured, so that they wait")


@command(
    app,
    "download",
    "siaran list download customers -o customers.csv",
    "siaran list download customers | head",
)
def download(desk: Desk, name: _Name, output: Output = None) -> None:
    """Write a list as CSV: mobile and params, without a header, as `list import` reads it.

    A param that a spreadsheet would calculate gets an apostrophe before it, which `list import`
    takes away again.
    """
    from engine.operations import lists
    from engine.operations.spreadsheet import guarded

    count = 0
    with desk.database() as database:
        members = lists.members(database, desk.actor(), name)
        with writing(output) as file:
            out = csv.writer(file, lineterminator="\n")
            for mobile, params in members:
                out.writerow([mobile, *map(guarded, params)])
                count += 1
    desk.note(f"{counted(count, 'member')} written to {output or 'stdout'}")


def show_import(desk: Desk, report: ImportReport) -> None:
    """An import's report: the counts on stdout, the rows to look at on stderr."""
    show_rows(
        desk,
        report.notices,
        invalid=(report.invalid_rows, report.invalid),
        doubtful=(report.doubtful_rows, report.doubtful),
    )
    state = "done" if report.done else "dry run" if report.dry_run else "nothing was imported"
    desk.card(report, f'import into list "{report.list}": {state}')
