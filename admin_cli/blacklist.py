"""`siaran blacklist`: who is never sent to."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

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

app = noun("The blacklist: numbers that are never sent to.")

_Mobile = Annotated[str, typer.Argument(metavar="MOBILE", help="+64211234567")]
_AllApps = Annotated[
    bool, typer.Option("--all-apps", help="the blacklist that counts in every application")
]
_Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="why, for the log")]
_COLUMNS = ("mobile", "origin", "everywhere", "by", "reason", "at")


@command(
    app,
    "add",
    "siaran blacklist add +64211234567",
    'siaran blacklist add +64211234567 --all-apps --reason "asked by letter"',
)
def add(desk: Desk, mobile: _Mobile, all_apps: _AllApps = False, reason: _Reason = None) -> None:
    """Put a number on the blacklist: nothing is sent to it from now on."""
    from engine.operations import blacklist

    entry = desk.run(blacklist.add, mobile, everywhere=all_apps, reason=reason)
    where = "of all applications" if entry.everywhere else "of the application"
    desk.done(f"{entry.mobile} is on the blacklist {where}", entry)


@command(
    app,
    "remove",
    "siaran blacklist remove +64211234567",
    'siaran blacklist remove +64211234567 --all-apps --reason "a typing mistake"',
)
def remove(desk: Desk, mobile: _Mobile, all_apps: _AllApps = False, reason: _Reason = None) -> None:
    """Take a number off the blacklist; who has opted out gets nothing all the same."""
    from engine.operations import blacklist

    entry = desk.run(blacklist.remove, mobile, everywhere=all_apps, reason=reason)
    where = "of all applications" if entry.everywhere else "of the application"
    desk.done(f"{entry.mobile} is off the blacklist {where}", entry)


@command(
    app,
    "import",
    "siaran blacklist import never.csv",
    "siaran blacklist import never.csv --all-apps --on-error skip --errors bad.csv",
)
def import_(
    desk: Desk,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV: the numbers in column 1")],
    all_apps: _AllApps = False,
    reason: _Reason = None,
    on_error: OnErrorOption = OnError.ABORT,
    errors: Errors = None,
    dry_run: DryRun = False,
) -> None:
    """Put the numbers in a file on the blacklist, all of them or none."""
    from admin_cli.progress import import_progress
    from engine.operations import blacklist
    from engine.operations.staging import Source

    source = Source(file=file, skip_invalid=on_error is OnError.SKIP, errors=errors)
    try:
        with desk.database(aside=True) as database, import_progress() as tell:
            done = blacklist.import_file(
                database,
                desk.actor(),
                source,
                everywhere=all_apps,
                reason=reason,
                dry_run=dry_run,
                tell=tell,
            )
    except blacklist.BadNumbers as error:
        show_rows(desk, error.read.notices, invalid=(error.read.invalid_rows, error.read.invalid))
        raise
    show_rows(desk, done.notices, invalid=(done.invalid_rows, done.invalid))
    desk.card(done, f"import into the blacklist: {'done' if done.done else 'dry run'}")


@command(
    app,
    "ls",
    "siaran blacklist ls --search 1234",
    "siaran blacklist ls --rows 0 --json",
)
def ls(
    desk: Desk,
    search: Annotated[
        str | None, typer.Option("--search", metavar="PART", help="all or a part of the number")
    ] = None,
    rows: Annotated[
        int, typer.Option("--rows", min=0, metavar="N", help="the newest N; 0: all")
    ] = 100,
) -> None:
    """List who is on the blacklist, of this application and of all, the newest first.

    The origin says who may take a number off: `mo` ones also the person, by SMS; the others only
    `blacklist remove`.
    """
    from engine.operations import blacklist

    found = desk.run(blacklist.search, mobile=search, limit=rows or None)
    desk.rows(found, *_COLUMNS, empty="nobody was found on the blacklist")
    desk.more(len(found), rows)


@command(
    app,
    "download",
    "siaran blacklist download -o never.csv",
    "siaran blacklist download --search 6421 | head",
)
def download(
    desk: Desk,
    search: Annotated[
        str | None, typer.Option("--search", metavar="PART", help="all or a part of the number")
    ] = None,
    output: Output = None,
) -> None:
    """Write the blacklist as CSV, the number in column 1, as `blacklist import` reads it."""
    from engine.operations import blacklist
    from engine.operations.spreadsheet import guarded

    count = 0
    with desk.database() as database:
        entries = blacklist.entries(database, desk.actor(), mobile=search)
        with writing(output) as file:
            out = csv.writer(file, lineterminator="\n")
            out.writerow(_COLUMNS)
            for entry in entries:
                out.writerow(
                    [
                        entry.mobile,
                        entry.origin.value,
                        "yes" if entry.everywhere else "no",
                        guarded(entry.by),
                        guarded(entry.reason or ""),
                        entry.at.isoformat(timespec="seconds"),
                    ]
                )
                count += 1
    desk.note(f"{counted(count, 'number')} written to {output or 'stdout'}")
