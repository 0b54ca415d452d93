"""`siaran member`: the recipients in a list, one by one."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from admin_cli.desk import Desk, command, noun

app = noun("Members of a list: add, search.")

_List = Annotated[str, typer.Argument(metavar="LIST", help="the list's name")]


class Which(StrEnum):
    """A condition that may be asked for, for its opposite, or not at all."""

    YES = "yes"
    NO = "no"
    ANY = "any"


_MEANS = {Which.YES: True, Which.NO: False, Which.ANY: None}


@command(
    app,
    "add",
    "siaran member add customers +64211234567",
    'siaran member add customers +64211234567 Anna "12 March" --app default',
)
def add(
    desk: Desk,
    list_name: _List,
    mobile: Annotated[str, typer.Argument(metavar="MOBILE", help="+64211234567")],
    params: Annotated[
        list[str] | None, typer.Argument(metavar="PARAM", help="up to 6, for %%1%% to %%6%%")
    ] = None,
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
        opted_out=_MEANS[opted_out],
        deleted=_MEANS[deleted],
        limit=rows or None,
    )
    desk.rows(
        found, "mobile", "params", "opted_out", "created_at", "deleted_at", empty="no members found"
    )
    desk.more(len(found), rows)
