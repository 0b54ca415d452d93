"""`siaran carrier`: the binds of running engines, and words to them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated

import typer

from admin_cli.desk import Desk, command, noun

if TYPE_CHECKING:
    from engine.operations import Database
    from engine.operations.carriers import Asked, Reply

app = noun("Carriers: their binds, pauses, and the configuration of running engines.")

ANSWER_S = 10.0
"""An engine looks at least once a second at what it is asked."""

_Name = Annotated[str, typer.Argument(metavar="NAME", help="the carrier, as configured")]


@command(app, "ls", "siaran carrier ls", "siaran carrier ls --json")
def ls(desk: Desk) -> None:
    """Show every bind: state, since when, window, rate now and configured, latency, last error."""
    import dataclasses

    from engine.clock import utc_now
    from engine.operations import carriers

    now = utc_now()
    rows = desk.run(carriers.ls, now=now)
    if not desk.json:
        rows = [
            dataclasses.replace(
                row,
                state="node is down"
                if not row.alive
                else f"{row.state}, paused"
                if row.paused_at
                else row.state,
            )
            for row in rows
        ]
    desk.rows(
        rows,
        *("carrier", "bind", "node", "mode", "state", "since", "outstanding", "window"),
        *(
            "rate",
            "rate_limit",
            "latency_ms",
            "throttles",
            "unknown_receipts",
            "ambiguous_receipts",
        ),
        "last_error",
        empty="no engine has been run yet; start one: siaran run",
    )


@command(
    app, "receipts", "siaran carrier receipts tui", "siaran carrier receipts tui --unknown --json"
)
def receipts(
    desk: Desk,
    name: _Name,
    unknown: Annotated[
        bool, typer.Option("--unknown", help="only those whose ids nobody here knows")
    ] = False,
    rows: Annotated[
        int, typer.Option("--rows", metavar="N", min=1, max=100_000, help="the newest so many")
    ] = 100,
) -> None:
    """Show the receipts that could not be carried out, newest first; they are kept for 72 hours.

    unknown: nobody here sent a message with that id; early: its response may still come;
    ambiguous: several messages have that id; unrecognised: no table knows its stat (give it a
    meaning in the carrier's table `stats`).
    """
    from engine.clock import utc_now
    from engine.operations import carriers

    kept = desk.run(carriers.receipts, name, unknown=unknown, now=utc_now(), limit=rows)
    desk.rows(
        kept,
        *("at", "why", "smsc_id", "mobile", "stat", "err", "message_id"),
        empty=f"no {'unknown ' if unknown else ''}receipts of carrier {name} are kept",
    )


@command(
    app,
    "pause",
    "siaran carrier pause tui",
    'siaran carrier pause tui --reason "maintenance until 6"',
)
def pause(
    desk: Desk,
    name: _Name,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="shown where it matters")
    ] = None,
) -> None:
    """Launch nothing more to a carrier; binds stay, receipts and replies are taken."""
    from engine.clock import utc_now
    from engine.operations import carriers

    desk.run(carriers.pause, name, reason=reason, now=utc_now())
    desk.done(f"carrier {name} is paused", {"carrier": name, "paused": True})


@command(app, "resume", "siaran carrier resume tui", "siaran carrier resume tui --json")
def resume(desk: Desk, name: _Name) -> None:
    """End a carrier's pause."""
    from engine.operations import carriers

    desk.run(carriers.resume, name)
    desk.done(f"carrier {name} is no longer paused", {"carrier": name, "paused": False})


@command(app, "rebind", "siaran carrier rebind tui", "siaran carrier rebind tui --json")
def rebind(desk: Desk, name: _Name) -> None:
    """Have every engine unbind from a carrier and bind again; what is on the wire is awaited."""
    from engine.clock import utc_now
    from engine.operations import carriers

    actor = desk.actor()
    with desk.database() as database:
        asked = database.run(lambda tx: carriers.rebind(tx, actor, name, now=utc_now()))
        _answers(desk, database, asked)


@command(app, "reload", "siaran carrier reload", "siaran carrier reload --json")
def reload(desk: Desk) -> None:
    """Have every engine read its configuration again; only what changed is bound anew.

    The same as SIGHUP to each. What an engine can't use it refuses, and goes on as it was.
    """
    from engine.clock import utc_now
    from engine.operations import carriers

    actor = desk.actor()
    with desk.database() as database:
        asked = database.run(lambda tx: carriers.reload(tx, actor, now=utc_now()))
        _answers(desk, database, asked)


@command(
    app,
    "presets",
    "siaran carrier presets",
    "siaran carrier presets latin1 small-account",
)
def presets(
    desk: Desk,
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]…", help="only these")] = None,
) -> None:
    """Show habits of carriers that are known well, as lines to put into a carrier's table.

    Several may come together; `siaran check` says whether a configuration can be used, `siaran
    carrier reload` puts it into force.
    """
    from config.presets import PRESETS
    from config.tables import meant
    from engine.operations import Refused

    known = {preset.name: preset for preset in PRESETS}
    for name in names or ():
        if name not in known:
            raise Refused(f'no preset is called "{name}"; {meant(name, known)}')
    chosen = [known[name] for name in names or known]
    if desk.json:
        print(json.dumps([preset._asdict() for preset in chosen], ensure_ascii=False))
        return
    print(
        "\n\n".join(
            f"# {preset.name}: {preset.sentence}\n# {preset.source}\n{preset.lines}"
            for preset in chosen
        )
    )


def _answers(desk: Desk, database: Database, asked: Asked) -> None:
    """Wait for what the engines say, and show it."""
    replies = answers(database, asked)
    desk.done(
        "\n".join(f"{reply.node}: {reply.answer}" for reply in replies),
        [{"node": reply.node, "answer": reply.answer} for reply in replies],
    )


def answers(database: Database, asked: Asked) -> list[Reply]:
    """Wait for what the engines say. Raises Refused when one failed or is silent."""
    from engine.operations import Refused, carriers

    until = time.monotonic() + ANSWER_S
    while True:
        replies: list[Reply] = database.run(carriers.replies, asked)
        waiting = [reply.node for reply in replies if reply.answer is None]
        if not waiting or time.monotonic() > until:
            break
        time.sleep(0.05)
    bad = [f"{reply.node}: {reply.answer}" for reply in replies if reply.failed]
    bad += [f"{node} has not answered within {ANSWER_S:g} s" for node in waiting]
    if bad:
        raise Refused("; ".join(bad))
    return replies
