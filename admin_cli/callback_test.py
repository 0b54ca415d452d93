"""`siaran callback test`: post a sample event, as the engine would."""

from __future__ import annotations

import time

import typer

from admin_cli import shell
from admin_cli.desk import Desk
from engine.clock import utc_now
from engine.operations import callbacks
from engine.operations.callbacks import Kind

REFUSED, UNREACHABLE = 1, 3

SAMPLE = "+10005550100"
"""Nobody's number (555-0100 to 0199 are for examples)."""


def test(desk: Desk, kind: str) -> None:
    """Post the sample, and say what came of it; the exit code is that of `siaran check`."""
    from engine.outbox.http import post_once

    actor, which = desk.actor(), Kind(kind)
    allow_private = desk.settings().callbacks.allow_private
    with desk.database() as database:
        endpoint = database.run(lambda tx: callbacks.to_test(tx, actor, which))
        now = utc_now()
        key = f"test.{round(now.timestamp() * 1_000_000)}"
        began = time.perf_counter()
        answer = shell.run(
            post_once, endpoint, allow_private, key, callbacks.sample(which, SAMPLE, now)
        )
        took_ms = round(1000 * (time.perf_counter() - began))
        good = answer.status is not None and 200 <= answer.status < 300
        resumed = database.run(
            lambda tx: callbacks.tested(tx, actor, endpoint, answer.text, good=good)
        )
    goes_on = "; it is not suspended any more, what is due is posted" if resumed else ""
    what = {
        "kind": which,
        "ok": good,
        "status": answer.status,
        "says": answer.text,
        "took_ms": took_ms,
        "resumed": resumed,
    }
    desk.done(f"{callbacks.where(endpoint)}: {answer.text}, in {took_ms:,} ms{goes_on}", what)
    if not good:
        raise typer.Exit(UNREACHABLE if answer.fate == "later" else REFUSED)
