"""`siaran optout-command`: the words that opt out."""

from __future__ import annotations

from typing import Annotated

import typer

from admin_cli.desk import Desk, command, noun

app = noun("Opt-out commands: words that opt out when they are the whole message.")

_Word = Annotated[str, typer.Argument(metavar="WORD", help="STOP")]


@command(app, "ls", "siaran optout-command ls", "siaran optout-command ls --json")
def ls(desk: Desk) -> None:
    """List the words, those that come with the program first."""
    from engine.operations import optout_commands

    desk.rows(desk.run(optout_commands.ls), "word", "enabled", "own")


@command(
    app, "enable", "siaran optout-command enable TIDAK", "siaran optout-command enable QUIT --json"
)
def enable(desk: Desk, word: _Word) -> None:
    """Let a word opt out, from the next message on."""
    from engine.operations import optout_commands

    done = desk.run(optout_commands.enable, word)
    desk.done(f"{done.word} opts out", done)


@command(
    app,
    "disable",
    "siaran optout-command disable UNREG",
    "siaran optout-command disable END --json",
)
def disable(desk: Desk, word: _Word) -> None:
    """Let a word opt nobody out any more; who sent it before stays out."""
    from engine.operations import optout_commands

    done = desk.run(optout_commands.disable, word)
    desk.done(f"{done.word} does not opt out", done)


@command(
    app, "add", "siaran optout-command add GENUG", "siaran optout-command add توقف --app cairo"
)
def add(desk: Desk, word: _Word) -> None:
    """Add a word that opts out; case, width and punctuation round it do not count."""
    from engine.operations import optout_commands

    done = desk.run(optout_commands.add, word)
    desk.done(f"{done.word} opts out", done)


@command(
    app,
    "delete",
    "siaran optout-command delete GENUG",
    "siaran optout-command delete GENUG --yes",
)
def delete(desk: Desk, word: _Word) -> None:
    """Delete a word that was added, after a confirmation; who sent it before stays out."""
    from engine.operations import optout_commands

    desk.confirm(f"Delete opt-out command {word}?")
    done = desk.run(optout_commands.delete, word)
    desk.done(f"{done.word} deleted", done)
