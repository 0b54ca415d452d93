"""`siaran template`: texts that a campaign can start from."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from admin_cli.desk import Desk, command, noun

if TYPE_CHECKING:
    from engine.operations.templates import Shown

app = noun("Templates: texts that a campaign can start from.")

_Name = Annotated[str, typer.Argument(metavar="NAME", help="the template's name")]
_Text = Annotated[
    str | None, typer.Argument(metavar="TEXT", help="%%1%% … %%6%% are params; default: stdin")
]


@command(
    app,
    "add",
    'siaran template add reminder "Dear %%1%%, your payment of %%3%% is due on %%2%%."',
    "siaran template add terms < terms.txt",
)
def add(desk: Desk, name: _Name, text: _Text = None) -> None:
    """Add a template."""
    from engine.operations import templates

    shown = desk.run(templates.add, name, _given(text))
    desk.done(f'template "{shown.name}" added: {_size(shown)}', shown)


@command(
    app,
    "edit",
    'siaran template edit reminder "%%1%%, please pay %%3%%."',
    "siaran template edit terms --app jakarta < terms.txt",
)
def edit(desk: Desk, name: _Name, text: _Text = None) -> None:
    """Give a template another text; campaigns that were made from it keep theirs."""
    from engine.operations import templates

    shown = desk.run(templates.edit, name, _given(text))
    desk.done(f'template "{shown.name}" changed: {_size(shown)}', shown)


@command(app, "delete", "siaran template delete reminder", "siaran template delete terms --yes")
def delete(desk: Desk, name: _Name) -> None:
    """Delete a template, after a confirmation; campaigns that were made from it keep their text."""
    from engine.operations import templates

    desk.confirm(f'Delete template "{name.strip()}"?')
    shown = desk.run(templates.delete, name)
    desk.done(f'template "{shown.name}" deleted', shown)


@command(app, "ls", "siaran template ls", "siaran template ls --json")
def ls(desk: Desk) -> None:
    """List the templates, and how many segments their texts take with empty params."""
    from engine.operations import templates

    desk.rows(
        desk.run(templates.ls),
        "name",
        "text",
        "segments",
        "encoding",
        "changed_at",
        empty="no templates",
    )


def _given(text: str | None) -> str:
    """The text that was typed, or what is piped in, without the line end after it."""
    from engine.operations import Refused

    if text is not None:
        return text
    if sys.stdin.isatty():
        raise typer.BadParameter("give the TEXT, or pipe it in")
    try:
        return sys.stdin.read().removesuffix("\n")
    except UnicodeDecodeError as error:
        raise Refused(f"stdin is not UTF-8: {error.reason} at octet {error.start}") from None


def _size(shown: Shown) -> str:
    segments = "1 segment" if shown.segments == 1 else f"{shown.segments} segments"
    return f"{shown.characters} characters, {segments}"
