"""`siaran list`: lists of recipients, and the way of a file into one and out of one."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from admin_cli.desk import Desk, command, noun

if TYPE_CHECKING:
    from engine.operations.importing import ImportReport

app = noun("Lists of recipients: create, import, show, download.")

_Name = Annotated[str, typer.Argument(metavar="NAME", help="the list's name")]
_Batch = Annotated[
    str | None, typer.Option("--batch", metavar="B", help="a reference of your own, searchable")
]
_Email = Annotated[
    str | None, typer.Option("--email", metavar="E", help="where replies are forwarded to")
]


class OnError(StrEnum):
    """What an invalid row does to its import."""

    ABORT = "abort"
    SKIP = "skip"


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
    on_error: Annotated[
        OnError, typer.Option("--on-error", help="an invalid row ends the import, or is left out")
    ] = OnError.ABORT,
    errors: Annotated[
        Path | None, typer.Option("--errors", metavar="FILE", help="CSV of all invalid rows")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="tell what would be done, do nothing")
    ] = False,
) -> None:
    """Import a CSV into a list, whole or not at all, and report what became of each row.

    Who is in the list already gets the new params; who was deleted from it stays deleted; who has
    opted out is left out.
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
        with desk.database() as database, import_progress() as progress:
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

    desk.card(desk.run(lists.show, name))


@command(
    app,
    "download",
    "siaran list download customers -o customers.csv",
    "siaran list download customers | head",
)
def download(
    desk: Desk,
    name: _Name,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="default: stdout")
    ] = None,
) -> None:
    """Write a list as CSV: mobile and params, without a header, as `list import` reads it.

    A param that a spreadsheet would calculate gets an apostrophe before it.
    """
    from engine.operations import lists
    from engine.operations.spreadsheet import guarded

    count = 0
    with desk.database() as database:
        members = lists.members(database, desk.actor(), name)
        with _writing(output) as file:
            out = csv.writer(file, lineterminator="\n")
            for mobile, params in members:
                out.writerow([mobile, *map(guarded, params)])
                count += 1
    desk.note(f"{count:,} members written to {output or 'stdout'}")


def show_import(desk: Desk, report: ImportReport) -> None:
    """An import's report: the counts on stdout, the rows to look at on stderr."""
    for notice in report.notices:
        desk.note(notice)
    for kind, rows, count in (
        ("invalid", report.invalid_rows, report.invalid),
        ("doubtful", report.doubtful_rows, report.doubtful),
    ):
        for row in rows if not desk.json else ():
            desk.note(f"line {row.line}: {row.value!a}: {row.reason} ({kind})")
        if count > len(rows) and not desk.json:
            desk.note(f"… and {count - len(rows):,} more {kind} rows")
    state = "done" if report.done else "dry run" if report.dry_run else "nothing was imported"
    desk.card(report, f'import into list "{report.list}": {state}')


@contextmanager
def _writing(path: Path | None) -> Iterator[TextIO]:
    """The file at `path`, or stdout, which stays open. Raises Refused when it can't be written."""
    from engine.operations import Refused

    if path is None:
        yield sys.stdout
        return
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            yield file
    except OSError as error:
        raise Refused(f"{path}: can't be written: {error.strerror}") from error
