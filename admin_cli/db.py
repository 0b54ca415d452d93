"""`siaran db`: the database, its schema, and its end."""

from __future__ import annotations

import os
import time
from typing import Annotated

import typer

from admin_cli.desk import Desk, command, noun

app = noun("The database: its state, its schema, its end.")


@command(app, "status", "siaran db status", "siaran db status --json --config siaran.toml")
def status(desk: Desk) -> None:
    """Show which database there is, its size, its schema and who is connected."""
    from engine.operations import database

    desk.card(database.status(desk.settings()))


@command(app, "days", "siaran db days", "siaran db days --json --config siaran.toml")
def days(desk: Desk) -> None:
    """Show the days of which there are rows: how many, their size, when they go and what keeps them."""
    from engine import clock
    from engine.operations import expiry

    kept = desk.settings().retention.days
    with desk.database() as database:
        found = database.run(expiry.days, clock.utc_now(), kept)
    desk.rows(found, "day", "messages", "mo", "size_bytes", "goes_on", "waits")


@command(app, "migrate", "siaran db migrate", "siaran db migrate --config siaran.toml")
def migrate(desk: Desk) -> None:
    """Bring the schema up to this version of Siaran; nothing happens when it is."""
    from engine.operations import database

    done = database.migrate(desk.settings())
    steps = f"{len(done)} migrations run: {', '.join(done)}" if done else "the schema is up to date"
    desk.done(steps, {"migrations": done})


@command(
    app,
    "tool",
    "siaran db tool pg_dump -Fc -f siaran.dump",
    "siaran db tool psql -c 'SELECT count(*) FROM message'",
    ignore_unknown_options=True,
    allow_interspersed_args=False,
)
def tool(
    desk: Desk,
    program: Annotated[str, typer.Argument(metavar="PROGRAM", help="pg_dump, pg_restore, psql, …")],
    words: Annotated[
        list[str] | None, typer.Argument(metavar="WORD", help="what the program is told")
    ] = None,
) -> None:
    """Run one of PostgreSQL's own programs on the database, which stays up until its end.

    The program finds the database by its environment, so it need not be named, and ends with its
    own exit code. Options of Siaran's stand before the program.
    """
    from engine.operations import database

    found = database.tool(desk.settings(), program)
    os.execve(found.path, [str(found.path), *(words or [])], os.environ | found.environment)


@command(app, "restored", "siaran db restored", "siaran db restored --yes")
def restored(desk: Desk) -> None:
    """Hold what may have been sent since the backup that was restored, before an engine starts.

    Campaigns that were under way are paused, messages that waited are held, and the setting
    `uncertain` becomes `hold`. What had not begun, and what has been sent, stays as it is.
    """
    from engine import clock
    from engine.operations import restoring

    desk.confirm("all campaigns under way and all waiting messages are held; go on?")
    with desk.database() as database:
        leases = database.run(restoring.engines)
        while leases and database.run(restoring.engines) == leases:
            time.sleep(0.5)  # it ran when the backup was made: 20 s at most
        held = database.run(restoring.hold, desk.by, clock.utc_now())
    campaigns = ", ".join(map(str, held.campaigns)) or "none"
    desk.done(
        f"paused: campaign {campaigns}; held: {held.messages:,} messages;"
        f" uncertain = hold was set in: {', '.join(held.applications) or 'none'}",
        held,
    )


@command(app, "stop", "siaran db stop", "siaran db stop --yes")
def stop(desk: Desk) -> None:
    """Stop the embedded database, after a confirmation when somebody uses it."""
    from engine.operations import database

    settings = desk.settings()
    clients = database.embedded_clients(settings)
    if clients:
        who = "1 process uses" if clients == 1 else f"{clients} processes use"
        desk.confirm(f"{who} the database; stop it all the same?")
    stopped = database.stop(settings)
    desk.done("the database is stopped" if stopped.was_running else "it was not running", stopped)
