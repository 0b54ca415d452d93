"""`siaran prefix`: what the start of a local number becomes."""

from __future__ import annotations

from typing import Annotated

import typer

from admin_cli.desk import Desk, command, noun

app = noun("Prefix maps: what local numbers become.")

_Prefix = Annotated[str, typer.Argument(metavar="PREFIX", help="how numbers begin: 021")]
_Replacement = Annotated[
    str, typer.Argument(metavar="REPLACEMENT", help="how they begin internationally: 6421")
]


@command(app, "add", "siaran prefix add 021 6421", "siaran prefix add 08 628 --app jakarta")
def add(desk: Desk, prefix: _Prefix, replacement: _Replacement) -> None:
    """Add a map that imports apply to numbers without + or 00; the longest prefix wins."""
    from engine.operations import prefixes

    new = desk.run(prefixes.add, prefix, replacement)
    desk.done(f"{new.prefix} becomes {new.replacement}", new)


@command(app, "edit", "siaran prefix edit 021 6421", "siaran prefix edit 021 6421 --json")
def edit(desk: Desk, prefix: _Prefix, replacement: _Replacement) -> None:
    """Change what a prefix becomes; members that are there already stay as they are."""
    from engine.operations import prefixes

    new = desk.run(prefixes.edit, prefix, replacement)
    desk.done(f"{new.prefix} becomes {new.replacement}", new)


@command(app, "delete", "siaran prefix delete 021", "siaran prefix delete 021 --yes")
def delete(desk: Desk, prefix: _Prefix) -> None:
    """Delete a map, after a confirmation; members that are there already stay as they are."""
    from engine.operations import prefixes

    desk.confirm(f"Delete the map of prefix {prefix}?")
    old = desk.run(prefixes.delete, prefix)
    desk.done(f"{old.prefix} stays as it is from now on", old)


@command(app, "ls", "siaran prefix ls", "siaran prefix ls --json")
def ls(desk: Desk) -> None:
    """List the prefix maps."""
    from engine.operations import prefixes

    desk.rows(desk.run(prefixes.ls), "prefix", "replacement", empty="no prefix maps")
