"""`siaran run`: the engine, in the foreground."""

from __future__ import annotations

from admin_cli import shell
from admin_cli.desk import Desk, command, single
from engine import app as engine

app = single("Run the engine in the foreground.")


@command(app, "run", "siaran run", "siaran run --config siaran.toml")
def run(desk: Desk) -> None:
    """Run the engine until SIGTERM or Ctrl-C, which let it finish what is on the wire (10 s).

    With no configuration it uses the embedded database and binds to 127.0.0.1:2775, where
    `siaran smsc` listens.
    """
    settings = desk.settings()
    with desk.database() as database:
        shell.run(engine.run, settings, database, desk.settings)
