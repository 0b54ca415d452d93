"""`siaran hours`: when an application sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from admin_cli.desk import Desk, command, noun

if TYPE_CHECKING:
    from engine.operations.hours import Shown

app = noun("Sending hours: when quick campaigns and messages of the API go out.")


@command(app, "show", "siaran hours show", "siaran hours show --json --app jakarta")
def show(desk: Desk) -> None:
    """Show the sending hours, and whether they are open now."""
    from engine import clock
    from engine.operations import hours

    shown = desk.run(hours.show, now=clock.utc_now())
    desk.done(_sentence(shown), shown)


@command(
    app,
    "set",
    "siaran hours set --from 8 --to 11 --days mon-thu",
    "siaran hours set --from 22 --to 6 --days daily --timezone Pacific/Auckland",
)
def set_(
    desk: Desk,
    from_hour: Annotated[
        str, typer.Option("--from", metavar="HOUR", help="the hour from which is sent: 8")
    ],
    to_hour: Annotated[
        str,
        typer.Option("--to", metavar="HOUR", help="before it: 11; below --from: of the next day"),
    ],
    days: Annotated[
        str, typer.Option("--days", metavar="DAYS", help="mon-thu, or sat,sun, or daily")
    ],
    timezone: Annotated[
        str | None,
        typer.Option("--timezone", metavar="TZ", help="of the clock (default: the application's)"),
    ] = None,
) -> None:
    """Send quick campaigns and messages of the API only inside these hours; others wait for them.

    Campaigns to an existing list are not held back, but for those made with --respect-hours; nor are
    auto-responses ever.
    """
    from engine import clock
    from engine.operations import hours

    shown = desk.run(
        hours.set_,
        from_hour=from_hour,
        to_hour=to_hour,
        days=days,
        timezone=timezone,
        now=clock.utc_now(),
    )
    desk.done(_sentence(shown), shown)


@command(app, "off", "siaran hours off", "siaran hours off --app jakarta")
def off(desk: Desk) -> None:
    """Send at any time; `hours set` sets hours again."""
    from engine import clock
    from engine.operations import hours

    desk.done(
        "sending hours are off: messages go out at any time",
        desk.run(hours.off, now=clock.utc_now()),
    )


def _sentence(shown: Shown) -> str:
    if shown.from_hour is None:
        return "no sending hours are set: messages go out at any time"
    hours = f"{shown.from_hour:02}:00 to {shown.to_hour:02}:00 on {shown.days} ({shown.timezone})"
    if not shown.enabled:
        return f"sending hours are off: messages go out at any time; they were {hours}"
    now = "open" if shown.open else "closed"
    if shown.changes_at is None:
        return f"sending hours are {hours}; they are {now}, always"
    verb = "close" if shown.open else "open"
    return f"sending hours are {hours}; they are {now} now and {verb} at {shown.changes_at:%a %Y-%m-%d %H:%M}"
