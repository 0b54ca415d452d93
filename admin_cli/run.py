"""`siaran run`: the engine, in the foreground."""

from __future__ import annotations

import contextlib
import faulthandler
from enum import StrEnum
from typing import Annotated

import typer

from admin_cli import shell
from admin_cli.desk import Desk, command, single
from engine import app as engine

app = single("Run the engine in the foreground.")


class Role(StrEnum):
    """What a process does (design: process roles)."""

    GATEWAY = "gateway"
    API = "api"
    CALLBACKS = "callbacks"


@command(app, "run", "siaran run", "siaran run --config siaran.toml", "siaran run --role api")
def run(
    desk: Desk,
    role: Annotated[
        list[Role] | None,
        typer.Option(
            "--role",
            help="of these alone, instead of all: binds and queue, the HTTP API, callbacks",
        ),
    ] = None,
) -> None:
    """Run the engine until SIGTERM or Ctrl-C, which let it finish what is on the wire (10 s).

    With no configuration it uses the embedded database and binds to 127.0.0.1:2775, where
    `siaran smsc` listens. Busy clients of the HTTP API, and callbacks to many endpoints, take nothing
    from the binds when they have a process of their own: then each process needs an http.listen of
    its own. Mails go out where the binds are.
    """
    # What ends a process that stands still (systemd's watchdog, SIGABRT) shows where it stood.
    with contextlib.suppress(OSError):  # standard error is no file
        faulthandler.enable()
    settings = desk.settings()
    roles = set(role or Role)
    with desk.database() as database:
        if Role.GATEWAY in roles:
            serving, telling = Role.API in roles, Role.CALLBACKS in roles
            shell.run(engine.run, settings, database, desk.settings, serving, telling)
        else:
            shell.run(
                engine.run_alone, settings, database, Role.API in roles, Role.CALLBACKS in roles
            )
