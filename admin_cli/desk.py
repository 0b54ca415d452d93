"""What every command has: who asks, of which application, and how the answer is given.

A command is a function whose first parameter is its `Desk`; `command` adds the options that all
of them share (`--config --app --as --json --yes`), which may also stand before the command.
"""

from __future__ import annotations

import inspect
import json
import os
import pwd
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec, TypeVar

import typer

if TYPE_CHECKING:
    from config.settings import Settings
    from engine.operations import Actor, Database, Tx

P = ParamSpec("P")
T = TypeVar("T")

BROKEN_PIPE = 141  # as a shell counts a program that SIGPIPE ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One command's asker and answer. `named`: the application was said, not taken for granted."""

    config: Path | None
    app: str
    named: bool
    by: str
    json: bool
    yes: bool

    def settings(self) -> Settings:
        """The configuration. Raises ConfigError (exit 2) with key, value and line."""
        from config.load import load

        return load(self.config, os.environ)

    def actor(self) -> Actor:
        from engine.operations import Actor

        return Actor(application=self.app, by=self.by)

    @contextmanager
    def database(self, *, aside: bool = False) -> Iterator[Database]:
        """The database, open and with the schema it must have. Raises Unreachable, Refused.

        `aside`: long work that lets campaigns go first.
        """
        from engine.operations import open_database

        with open_database(self.settings()) as database:
            if aside:
                database.step_aside()
            yield database

    def run(self, verb: Callable[Concatenate[Tx, Actor, P], T], *args: P.args, **kw: P.kwargs) -> T:
        """One verb in one transaction: `desk.run(lists.create, name, batch=batch)`."""
        actor = self.actor()
        with self.database() as database:
            return database.run(lambda tx: verb(tx, actor, *args, **kw))

    def rows(self, rows: Any, *columns: str, empty: str = "nothing found") -> None:
        """A listing on stdout: a table of these columns, or all fields as a JSON array."""
        from admin_cli import render

        render.rows(rows, columns, empty=empty, as_json=self.json)

    def card(self, value: Any, title: str | None = None) -> None:
        """One thing on stdout: its fields as lines, or a JSON object."""
        from admin_cli import render

        render.card(value, title=title, as_json=self.json)

    def done(self, sentence: str, value: Any) -> None:
        """What a change did on stdout: the sentence, or the value as a JSON object."""
        from admin_cli import render

        render.done(sentence, value, as_json=self.json)

    def note(self, sentence: str) -> None:
        """A notice, on stderr."""
        print(sentence, file=sys.stderr)

    def more(self, shown: int, limit: int) -> None:
        """Say that a listing was cut at `limit` rows, when it was (0: it has no limit)."""
        if shown == limit and not self.json:
            self.note(f"{limit} rows are shown; --rows 0 shows all")

    def confirm(self, question: str) -> None:
        """Go on only when the person says yes; else the command ends, exit 1."""
        from admin_cli import ask

        ask.confirm(question, yes=self.yes)


_COMMON: Mapping[str, Any] = {
    "config": (
        Path | None,
        typer.Option("--config", metavar="FILE", help="siaran.toml (default: $SIARAN_CONFIG)"),
    ),
    "app": (
        str | None,
        typer.Option("--app", metavar="NAME", help="application (default: $SIARAN_APP, default)"),
    ),
    "by": (
        str | None,
        typer.Option("--as", metavar="USER", help="who, for the log (default: the login)"),
    ),
    "json": (
        bool | None,
        typer.Option("--json", help="one JSON document on stdout", show_default=False),
    ),
    "yes": (
        bool | None,
        typer.Option("--yes", help="answer the confirmations with yes", show_default=False),
    ),
}


_CONTEXT: Mapping[str, Any] = {
    "help_option_names": ["--help", "-h"],
    "max_content_width": 100,
}


def noun(help_line: str, **settings: Any) -> typer.Typer:
    """A group of commands, `siaran NOUN …`, which takes the shared options itself too."""
    app = single(help_line, **settings)
    app.callback()(_with_common(lambda ctx: None, []))
    return app


def single(help_line: str, **settings: Any) -> typer.Typer:
    """A command that stands alone, `siaran run`: give it one `command(app, "run", …)`."""
    return typer.Typer(
        help=help_line,
        add_completion=False,
        rich_markup_mode=None,
        context_settings={**_CONTEXT},
        **settings,
    )


def command(
    app: typer.Typer, name: str, *lines: str, **context: Any
) -> Callable[[Callable[Concatenate[Desk, P], None]], Callable[Concatenate[Desk, P], None]]:
    """Make a function the command `name`: its docstring is the help, `lines` the examples.

    `context` are settings of the parser: how it reads options that are another program's.
    """

    def register(
        function: Callable[Concatenate[Desk, P], None],
    ) -> Callable[Concatenate[Desk, P], None]:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]

        def run(ctx: typer.Context, **values: Any) -> None:
            try:
                function(_seat(ctx.obj), **values)  # type: ignore[call-arg]
            except BrokenPipeError:
                raise typer.Exit(BROKEN_PIPE) from None

        settings = {**_CONTEXT, **context}
        app.command(
            name, help=inspect.getdoc(function), epilog=examples(*lines), context_settings=settings
        )(_with_common(run, own))
        return function

    return register


def examples(*lines: str) -> str:
    """The end of a help page: command lines to paste, kept as they are."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def complain(message: str, code: int, *, as_json: bool) -> None:
    """An error on stderr: one line, or with --json one JSON object."""
    if as_json:
        print(json.dumps({"error": message, "exit": code}, ensure_ascii=False), file=sys.stderr)
    else:
        print(f"siaran: {message}", file=sys.stderr)


def flush(code: int) -> int:
    """Write out stdout; a reader that has gone (`| head`) ends the command quietly."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # The interpreter flushes once more at exit, and must not find the broken pipe again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    return code


def _with_common(
    function: Callable[..., None], own: list[inspect.Parameter]
) -> Callable[..., None]:
    """The function with the shared options added to what the parser sees of it."""

    def run(ctx: typer.Context, **values: Any) -> None:
        given = {name: values.pop(name) for name in _COMMON}
        ctx.obj.update((name, value) for name, value in given.items() if value is not None)
        function(ctx, **values)

    def parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
        kind = inspect.Parameter.KEYWORD_ONLY
        return inspect.Parameter(name, kind, annotation=annotation, default=default)

    run.__annotations__ = {}
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            parameter("ctx", typer.Context, inspect.Parameter.empty),
            *(parameter(p.name, p.annotation, p.default) for p in own),
            *(parameter(n, Annotated[kind, how], None) for n, (kind, how) in _COMMON.items()),
        ]
    )
    return run


def _seat(given: Mapping[str, Any]) -> Desk:
    """The desk of what was given on the command line, before it or in the environment."""
    config = given.get("config") or os.environ.get("SIARAN_CONFIG")
    app = given.get("app") or os.environ.get("SIARAN_APP")
    return Desk(
        config=Path(config) if config else None,
        app=app or "default",
        named=bool(app),
        by=given.get("by") or _login(),
        json=given.get("json", False),
        yes=given.get("yes", False),
    )


def _login() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container may run under a number without a name
        return str(os.geteuid())
