"""The command `siaran`: which words there are, and how every run of it ends.

Nothing is imported before it is needed: a noun's module is loaded when the noun is typed, so
`siaran --help` costs the parser alone. A new noun is one line in `COMMANDS`.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from admin_cli import desk

# The word typed → the module whose `app` answers it, and its line in `siaran --help`.
COMMANDS = {
    "demo": ("admin_cli.demo", "Watch a campaign go out and come back, everything embedded"),
    "run": ("admin_cli.run", "Run the engine in the foreground"),
    "smsc": ("admin_cli.smsc", "Run the SMSC simulator"),
    "check": ("admin_cli.check", "Check configuration, database and binds"),
    "carrier": ("admin_cli.carriers", "Carriers: their binds, pauses, reload of the configuration"),
    "node": ("admin_cli.nodes", "Nodes: the engines that share the database; drain one"),
    "top": ("admin_cli.top", "Watch nodes, queue, binds, inbound and outbox"),
    "trace": ("admin_cli.trace", "Watch the PDUs of a running engine"),
    "db": ("admin_cli.db", "The database: its state, its schema, its end"),
    "app": ("admin_cli.applications", "Applications: the tenants of this installation"),
    "user": ("admin_cli.users", "Users of an application, and their roles"),
    "setting": ("admin_cli.settings", "Settings of an application"),
    "blacklist": ("admin_cli.blacklist", "The blacklist: numbers that are never sent to"),
    "sender": ("admin_cli.senders", "Sender numbers and masks"),
    "list": ("admin_cli.lists", "Lists of recipients: create, import, show, download, delete"),
    "member": ("admin_cli.members", "Members of a list: add, edit, search, delete, opt out"),
    "prefix": ("admin_cli.prefixes", "Prefix maps: what local numbers become"),
    "hours": ("admin_cli.hours", "Sending hours of an application"),
    "template": ("admin_cli.templates", "Templates: texts that a campaign can start from"),
    "campaign": ("admin_cli.campaigns", "Campaigns: create, schedule, watch"),
    "message": ("admin_cli.messages", "Single messages: send, show, query, cancel, resolve"),
    "inbox": ("admin_cli.inbox", "What subscribers wrote"),
    "callback": ("admin_cli.callbacks", "Callbacks: replies and receipts, posted to an address"),
    "mail": ("admin_cli.mails", "Mails: what waits, what could not be sent"),
    "response": ("admin_cli.responses", "Auto-responses: what subscribers are answered"),
    "optout-command": ("admin_cli.optout_commands", "Words that opt out"),
    "keyword": ("admin_cli.keywords", "Words that put who sends them into a list"),
    "report": ("admin_cli.reports", "What became of the messages"),
    "log": ("admin_cli.log", "Who did what, and when"),
}

DONE, REFUSED, USAGE, UNREACHABLE, INTERRUPTED = 0, 1, 2, 3, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (default: the process's own) and return its exit code.

    0 done, 1 refused, 2 usage, 3 a needed service can't be reached, 130 interrupted. Whatever
    goes wrong is one line on stderr; `SIARAN_DEBUG=1` shows an unexpected error in full.
    """
    words = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that lacks a letter shows its number
            stream.reconfigure(errors="backslashreplace")
    try:
        _check_words(words)
        code = _root().main(args=words, prog_name="siaran", standalone_mode=False, obj={})
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception as error:
        if os.environ.get("SIARAN_DEBUG"):
            raise
        code, message = _verdict(error)
        desk.complain(message, code, as_json="--json" in words)
    return desk.flush(code or DONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One command as it is documented: `name` is what is typed after `siaran`.

    `arguments` as the help names them, `options` with both forms of a switch; of these,
    `--config --app --as --json --yes` belong to every command.
    """

    name: str
    help: str
    examples: str
    arguments: tuple[str, ...]
    options: tuple[str, ...]


def commands() -> Iterator[Entry]:
    """Every command there is, with all its options: what the documentation is held against."""
    for word in COMMANDS:
        command = _load(word)
        inner = command.commands if isinstance(command, TyperGroup) else {}
        for name, leaf in inner.items() or [("", command)]:
            yield Entry(
                name=f"{word} {name}".strip(),
                help=leaf.help or "",
                examples=leaf.epilog or "",
                arguments=tuple(
                    str(p.metavar) for p in leaf.params if p.param_type_name == "argument"
                ),
                options=tuple(
                    option
                    for p in leaf.params
                    if p.param_type_name == "option"
                    for option in (*p.opts, *p.secondary_opts)
                ),
            )


class _Lazy(TyperGroup):
    """A group that knows its commands by name and help, and loads the one that is typed."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, _, rest = super().resolve_command(ctx, args)
        return name, _load(str(name)), rest


def _check_words(words: Sequence[str]) -> None:
    """Refuse octets that are no text: the database could not store them."""
    for number, word in enumerate(words, 1):
        if not word.isascii() and any("\ud800" <= character <= "\udfff" for character in word):
            raise typer.BadParameter(f"word {number}, {word!a}, is not UTF-8")


def _root() -> Any:
    app = desk.noun("Siaran: bulk SMS campaigns over SMPP.", cls=_Lazy, epilog=desk.examples(
        "siaran demo",
        "siaran list import customers customers.csv --create",
        'siaran campaign new --list customers --message "Hello %%1%%" --now',
    ))  # fmt: skip
    for word, (_, help_line) in COMMANDS.items():
        app.command(word, help=help_line)(_placeholder)
    return get_command(app)


def _placeholder() -> None:
    """What stands in `siaran --help` for a command that has not been loaded."""


def _load(word: str) -> TyperCommand | TyperGroup:
    command: Any = get_command(importlib.import_module(COMMANDS[word][0]).app)
    return command  # type: ignore[no-any-return]


def _verdict(error: Exception) -> tuple[int, str]:
    """The exit code and the line for an error that ended a command."""
    if isinstance(error, typer.TyperException):
        where = getattr(getattr(error, "ctx", None), "command_path", "siaran")
        said = error.format_message().removeprefix("Invalid value: ").rstrip(".")
        return error.exit_code, f"{said}; see `{where} --help`"
    from config.load import ConfigError
    from engine.operations import CommitUnknown, Refused, Unreachable

    match error:
        case ConfigError():
            return USAGE, str(error)
        case Unreachable():
            return UNREACHABLE, str(error)
        case CommitUnknown():
            return UNREACHABLE, f"{error}: it may be done or not; look before you repeat it"
        case Refused():
            return REFUSED, str(error)
        case _:
            what = f"{type(error).__name__}: {error}".splitlines()[0]
            where = f" ({place})" if (place := _place(error)) else ""
            return REFUSED, f"unexpected {what}{where}; SIARAN_DEBUG=1 shows the way to it"


def _place(error: Exception) -> str | None:
    """Where in our own files it was raised, or what they called raised it: `engine/app.py:99`."""
    root = Path(__file__).parent.parent
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename)
        if file.is_relative_to(root) and file.relative_to(root).parts[0] in _OURS:
            return f"{file.relative_to(root)}:{frame.lineno}"
    return None


_OURS = ("admin_cli", "config", "engine", "smpp")
