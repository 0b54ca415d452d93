"""`siaran mail`: replies and reports that go out by e-mail."""

from __future__ import annotations

from typing import Annotated

import typer

from admin_cli.desk import Desk, command, noun

app = noun("Mails: replies that are forwarded, reports of imports; what waits, what could not go.")

_Rows = Annotated[int, typer.Option("--rows", min=0, metavar="N", help="at most N; 0: all")]


@command(app, "ls", "siaran mail ls", "siaran mail ls --rows 0 --json")
def ls(desk: Desk, rows: _Rows = 100) -> None:
    """List the mails that wait, the oldest first: when each is due, and why it failed last.

    Mails to one recipient go in their order, so one that fails holds up the later ones to it.
    `siaran check` says whether the mail server can be used.
    """
    from engine.operations import mails

    found = desk.run(mails.ls, limit=rows or None)
    columns = ("id", "kind", "recipient", "created_at", "due_at", "attempts", "last_error")
    desk.rows(found, *columns, empty="no mails wait")
    desk.more(len(found), rows)


@command(app, "dead", "siaran mail dead", "siaran mail dead --json")
def dead(desk: Desk, rows: _Rows = 100) -> None:
    """List the mails that could not be sent, the newest first, with the reason.

    Each was refused for good by the mail server, or has failed for five days.
    """
    from engine.operations import mails

    found = desk.run(mails.dead, limit=rows or None)
    columns = ("id", "kind", "recipient", "created_at", "attempts", "died_at", "reason")
    desk.rows(found, *columns, empty="no mails are dead")
    desk.more(len(found), rows)


@command(app, "replay", "siaran mail replay 1204 1207", "siaran mail replay --all --yes")
def replay(
    desk: Desk,
    ids: Annotated[
        list[int] | None, typer.Argument(metavar="ID…", min=1, help="as `mail dead` shows them")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="all dead mails of the application")
    ] = False,
) -> None:
    """Send dead mails after all, once what was wrong is mended.

    Each is the same mail as before, with the same Message-ID, and has five days again.
    """
    from engine.clock import utc_now
    from engine.operations import mails

    if everything and not ids:
        desk.confirm("Send all dead mails again?")
    back = desk.run(mails.replay, ids or [], everything=everything, now=utc_now())
    count = f"{len(back):,} mail{'' if len(back) == 1 else 's'}"
    desk.done(f"{count} will be sent again; see `mail ls`", {"replayed": [one.id for one in back]})
