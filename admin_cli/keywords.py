"""`siaran keyword`: words that put who sends them into a list."""

from __future__ import annotations

from typing import Annotated

import typer

from admin_cli.desk import Desk, command, noun

app = noun("Keywords: words that put who sends them into a list.")

_Word = Annotated[str, typer.Argument(metavar="WORD", help="one word, any case: PIZZA")]
_Response = Annotated[
    str | None, typer.Option("--response", metavar="TEXT", help="what the sender is answered")
]
_Active = Annotated[
    bool | None,
    typer.Option("--active/--inactive", help="an inactive one counts as unknown"),
]


@command(
    app,
    "add",
    'siaran keyword add PIZZA --list club --response "Welcome to the club"',
    "siaran keyword add PASTA --list club --inactive",
)
def add(
    desk: Desk,
    word: _Word,
    list_name: Annotated[
        str, typer.Option("--list", metavar="NAME", help="the list that the sender joins")
    ],
    response: _Response = None,
    active: _Active = None,
) -> None:
    """Add a keyword, on the numbers that the application has for itself."""
    from engine.operations import keywords

    shown = desk.run(
        keywords.add, word, list_name=list_name, response=response, active=active is not False
    )
    desk.done(f'keyword {shown.keyword} added, {shown.status}, for list "{shown.list}"', shown)


@command(
    app,
    "edit",
    "siaran keyword edit PIZZA --inactive",
    'siaran keyword edit PIZZA --list guests --response ""',
)
def edit(
    desk: Desk,
    word: _Word,
    list_name: Annotated[
        str | None, typer.Option("--list", metavar="NAME", help="another list")
    ] = None,
    response: _Response = None,
    active: _Active = None,
) -> None:
    """Change a keyword's list, its response ("" takes it away) or whether it is active."""
    from engine.operations import keywords

    shown = desk.run(keywords.edit, word, list_name=list_name, response=response, active=active)
    desk.done(f"keyword {shown.keyword} changed, {shown.status}", shown)


@command(app, "delete", "siaran keyword delete PIZZA", "siaran keyword delete PIZZA --yes")
def delete(desk: Desk, word: _Word) -> None:
    """Delete a keyword for ever, after a confirmation: the application can't use it again."""
    from engine.operations import keywords

    desk.confirm(f"Delete keyword {word}? It can never be used again.")
    shown = desk.run(keywords.delete, word)
    desk.done(f"keyword {shown.keyword} deleted", shown)


@command(app, "ls", "siaran keyword ls", "siaran keyword ls --json")
def ls(desk: Desk) -> None:
    """List the keywords, also those that were deleted and can't be used again."""
    from engine.operations import keywords

    desk.rows(
        desk.run(keywords.ls),
        "keyword",
        "list",
        "response",
        "created_at",
        "status",
        empty="no keywords",
    )
