"""`siaran db`: the database, its schema, and its end."""

from __future__ import annotations

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
