"""`siaran response`: what subscribers are answered by themselves."""

from __future__ import annotations

from typing import Annotated

import typer

from admin_cli.desk import Desk, command, noun

app = noun("Auto-responses: what subscribers are answered.")

_Kind = Annotated[str, typer.Argument(metavar="KIND", help="general, optout, optin, help, list")]


@command(app, "show", "siaran response show", "siaran response show --json")
def show(desk: Desk) -> None:
    """Show the responses that are set.

    A reply gets its list's, else the general one; an opt-out the optout one, once; a keyword its
    own, else its list's, else optin, else general; HELP and INFO the help one. None set: nothing.
    """
    from engine.operations import responses

    found = desk.run(responses.show)
    desk.rows(found, "kind", "list", "text", "changed_at", empty="no responses are set")


@command(
    app,
    "set",
    'siaran response set optout "You get no more messages from us."',
    'siaran response set list customers "Thank you, we call you."',
)
def set_(
    desk: Desk,
    kind: _Kind,
    words: Annotated[list[str], typer.Argument(metavar="[NAME] TEXT", help="NAME: of the list")],
) -> None:
    """Set a response, of the application or of a list; it is in force at once."""
    from engine.operations import responses

    if len(words) > 2:
        raise typer.BadParameter("give one TEXT, in quotes")
    name = words[0] if len(words) == 2 else None
    changed = desk.run(responses.set_, kind, words[-1], list_name=name)
    if changed.notice:
        desk.note(changed.notice)
    desk.done(f"response {_which(changed.kind, changed.list)} set", changed)


@command(
    app, "delete", "siaran response delete general", "siaran response delete list customers --yes"
)
def delete(
    desk: Desk,
    kind: _Kind,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="of the list")] = None,
) -> None:
    """Delete a response, after a confirmation; the next less specific one is sent instead."""
    from engine.operations import responses

    desk.confirm(f"Delete response {_which(kind, name)}?")
    gone = desk.run(responses.delete, kind, list_name=name)
    desk.done(f"response {_which(gone.kind, gone.list)} deleted", gone)


def _which(kind: str, name: str | None) -> str:
    return kind if name is None else f'{kind} "{name}"'
