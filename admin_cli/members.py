"""`siaran member`: the recipients in a list, one by one."""

from __future__ import annotations

from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from admin_cli.desk import Desk, command, noun
from admin_cli.files import DryRun, Errors, OnError, OnErrorOption, counted, show_rows

if TYPE_CHECKING:
    from engine.operations.members import Changed
    from engine.operations.staging import Source

app = noun("Members of a list: add, edit, search, delete, restore, opt out, opt in.")

_List = Annotated[str, typer.Argument(metavar="LIST", help="the list's name")]
_Mobile = Annotated[str, typer.Argument(metavar="MOBILE", help="+64211234567")]
_OneOrFile = Annotated[
    str | None, typer.Argument(metavar="MOBILE", help="+64211234567; or --file, for many")
]
_File = Annotated[
    Path | None, typer.Option("--file", metavar="FILE", help="CSV: the numbers in column 1")
]
_Params = Annotated[
    list[str] | None, typer.Argument(metavar="PARAM", help="up to 6, for %%1%% to %%6%%")
]
_Everywhere = Annotated[
    bool, typer.Option("--everywhere", help="not only of this list: of all of the application")
]
_Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="why, for the log")]


class Which(StrEnum):
    """A condition that may be asked for, for its opposite, or not at all."""

    YES = "yes"
    NO = "no"
    ANY = "any"


MEANS = {Which.YES: True, Which.NO: False, Which.ANY: None}


@command(
    app,
    "add",
    "siaran member add customers +64211234567",
    'siaran member add customers +64211234567 Anna "12 March" --app default',
)
def add(
    desk: Desk,
    list_name: _List,
    mobile: _Mobile,
    params: _Params = None,
    keep_opted_out: Annotated[
        bool, typer.Option("--keep-opted-out", help="as a member that nothing is sent to")
    ] = False,
) -> None:
    """Add one member; one that was deleted from the list comes back."""
    from engine.operations import members

    added = desk.run(members.add, list_name, mobile, params or (), keep_opted_out=keep_opted_out)
    for warning in added.warnings:
        desk.note(f"{added.mobile}: {warning}")
    how = "is back in" if added.restored else "added to"
    desk.done(f'{added.mobile} {how} list "{added.list}"', added)


@command(
    app,
    "edit",
    'siaran member edit customers +64211234567 Anna "13 March"',
    "siaran member edit customers +64211234567",
)
def edit(desk: Desk, list_name: _List, mobile: _Mobile, params: _Params = None) -> None:
    """Give a member other params, all of them at once: what is not said is gone."""
    from engine.operations import members

    _tell(desk, desk.run(members.edit, list_name, mobile, params or ()), "changed in")


@command(
    app,
    "delete",
    "siaran member delete customers +64211234567",
    "siaran member delete customers --file left.csv --yes",
)
def delete(
    desk: Desk,
    list_name: _List,
    mobile: _OneOrFile = None,
    file: _File = None,
    for_ever: Annotated[
        bool, typer.Option("--for-ever", help="so that it can't be restored; as with --file")
    ] = False,
    on_error: OnErrorOption = OnError.ABORT,
    errors: Errors = None,
    dry_run: DryRun = False,
) -> None:
    """Delete one member, which `member restore` brings back; or those in a file, for ever.

    Both keep what the numbers have said: who has opted out is not sent to when imported again.
    """
    from admin_cli.progress import import_progress
    from engine.operations import member_files, members

    source = _source(mobile, file, on_error, errors, dry_run)
    if source is None:
        assert mobile is not None
        if for_ever:
            desk.confirm(f'Delete {mobile} from list "{list_name}" for ever?')
        changed = desk.run(members.delete, list_name, mobile, for_ever=for_ever)
        _tell(desk, changed, "deleted for ever from" if for_ever else "deleted from")
        return

    bar = ExitStack()

    def confirm(found: member_files.Deleted) -> None:
        bar.close()  # before there is a question
        show_rows(desk, found.notices, invalid=(found.invalid_rows, found.invalid))
        desk.confirm(f'Delete {counted(found.deleted, "member")} of list "{found.list}" for ever?')

    try:
        with desk.database() as database, bar:
            done = member_files.delete(
                database,
                desk.actor(),
                list_name,
                source,
                dry_run=dry_run,
                confirm=confirm,
                tell=bar.enter_context(import_progress()),
            )
    except member_files.BadNumbers as error:
        show_rows(desk, error.read.notices, invalid=(error.read.invalid_rows, error.read.invalid))
        raise
    if dry_run:
        show_rows(desk, done.notices, invalid=(done.invalid_rows, done.invalid))
    _card(desk, done, f'deletion from list "{done.list}"')


@command(
    app,
    "restore",
    "siaran member restore customers +64211234567",
    'siaran member restore customers +64211234567 --reason "deleted by mistake"',
)
def restore(desk: Desk, list_name: _List, mobile: _Mobile, reason: _Reason = None) -> None:
    """Bring back a member that was deleted one by one."""
    from engine.operations import members

    _tell(desk, desk.run(members.restore, list_name, mobile, reason=reason), "is back in")


@command(
    app,
    "optout",
    "siaran member optout customers +64211234567 --everywhere",
    'siaran member optout customers --file website.csv --reason "on our web site"',
)
def optout(
    desk: Desk,
    list_name: _List,
    mobile: _OneOrFile = None,
    file: _File = None,
    everywhere: _Everywhere = False,
    reason: _Reason = None,
    on_error: OnErrorOption = OnError.ABORT,
    errors: Errors = None,
    dry_run: DryRun = False,
) -> None:
    """Write down that one number, or those in a file, want no more messages to a list.

    They stay members, marked. A number that is not in the list is remembered for later imports.
    """
    from admin_cli.progress import import_progress
    from engine.operations import member_files, members

    source = _source(mobile, file, on_error, errors, dry_run)
    if source is None:
        assert mobile is not None
        changed = desk.run(members.optout, list_name, mobile, everywhere=everywhere, reason=reason)
        _tell(desk, changed, "has opted out of", everywhere=everywhere)
        return
    try:
        with desk.database(aside=True) as database, import_progress() as tell:
            done = member_files.optout(
                database,
                desk.actor(),
                list_name,
                source,
                everywhere=everywhere,
                reason=reason,
                dry_run=dry_run,
                tell=tell,
            )
    except member_files.BadNumbers as error:
        show_rows(desk, error.read.notices, invalid=(error.read.invalid_rows, error.read.invalid))
        raise
    show_rows(desk, done.notices, invalid=(done.invalid_rows, done.invalid))
    where = "all of the application" if everywhere else f'list "{done.list}"'
    _card(desk, done, f"opt-out of {where}")


@command(
    app,
    "optin",
    'siaran member optin customers +64211234567 --reason "asked us by phone"',
    'siaran member optin customers +64211234567 --everywhere --reason "a mistake of ours"',
)
def optin(
    desk: Desk,
    list_name: _List,
    mobile: _Mobile,
    everywhere: _Everywhere = False,
    reason: _Reason = None,
) -> None:
    """Undo an opt-out that was a mistake; the reason goes into the log."""
    from engine.operations import members

    changed = desk.run(members.optin, list_name, mobile, everywhere=everywhere, reason=reason)
    _tell(desk, changed, "gets messages again of", everywhere=everywhere)


@command(
    app,
    "search",
    "siaran member search customers --mobile 1234",
    "siaran member search customers --opted-out yes --deleted any --json",
)
def search(
    desk: Desk,
    list_name: _List,
    mobile: Annotated[
        str | None, typer.Option("--mobile", metavar="PART", help="all or a part of the number")
    ] = None,
    opted_out: Annotated[Which, typer.Option("--opted-out", help="have they?")] = Which.ANY,
    deleted: Annotated[Which, typer.Option("--deleted", help="have they been?")] = Which.NO,
    rows: Annotated[
        int, typer.Option("--rows", min=0, metavar="N", help="the first N; 0: all")
    ] = 100,
) -> None:
    """Search the members of a list, in order of joining."""
    from engine.operations import members

    found = desk.run(
        members.search,
        list_name,
        mobile=mobile,
        opted_out=MEANS[opted_out],
        deleted=MEANS[deleted],
        limit=rows or None,
    )
    desk.rows(
        found, "mobile", "params", "opted_out", "created_at", "deleted_at", empty="no members found"
    )
    desk.more(len(found), rows)


def _source(
    mobile: str | None,
    file: Path | None,
    on_error: OnError,
    errors: Path | None,
    dry_run: bool,
) -> Source | None:
    """The file that is meant; None when one number is. Either has to be given, and only one."""
    from engine.operations.staging import Source

    if (mobile is None) == (file is None):
        raise typer.BadParameter("give one MOBILE, or --file FILE")
    if file is None:
        if errors is not None or dry_run or on_error is not OnError.ABORT:
            raise typer.BadParameter("--errors, --dry-run and --on-error belong to --file")
        return None
    return Source(file=file, skip_invalid=on_error is OnError.SKIP, errors=errors)


def _tell(desk: Desk, changed: Changed, what: str, *, everywhere: bool = False) -> None:
    for notice in changed.notices:
        desk.note(notice)
    where = "all of the application" if everywhere else f'list "{changed.list}"'
    desk.done(f"{changed.mobile} {what} {where}", changed)


def _card(desk: Desk, report: Any, title: str) -> None:
    desk.card(report, f"{title}: {'done' if report.done else 'dry run'}")
