"""`siaran check`: would it run? Configuration, database, and a bind to each carrier, for real."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio
import typer

from admin_cli import shell
from admin_cli.desk import Desk, command, single
from admin_cli.main import DONE, REFUSED, UNREACHABLE, USAGE
from config.load import ConfigError
from config.settings import BindMode
from engine.operations import Refused, Unreachable, database
from smpp import status as smpp_status
from smpp import transport
from smpp.pdu import Bind, Mode
from smpp.session import BindFailed, SessionClosed, open_session
from smpp.timers import Timing

if TYPE_CHECKING:
    from config.settings import Carrier, Settings

app = single("Check configuration, database and binds.")

_MODES = {
    BindMode.TRANSCEIVER: Mode.TRANSCEIVER,
    BindMode.TRANSMITTER: Mode.TRANSMITTER,
    BindMode.RECEIVER: Mode.RECEIVER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found: `exit` is 0 when all is well; `says` what there is, or what to do."""

    what: str
    exit: int
    says: str

    @property
    def ok(self) -> bool:
        return self.exit == DONE


@command(app, "check", "siaran check", "siaran check --config siaran.toml --json")
def check(desk: Desk) -> None:
    """Check configuration, database, and a bind to each carrier: a line each.

    The database is opened (an embedded one is started), every carrier is bound to and unbound
    from again, once for each mode that it is configured with. Exit code 0: all is well; 2: the
    configuration is wrong; 1: something was refused; 3: something can't be reached now.
    """
    findings = list(_findings(desk))
    worst = next((f.exit for f in findings if f.exit == USAGE), None)
    if worst is None:
        # Refused before unreachable: what can't be reached now may come back by itself.
        worst = next(
            (code for code in (REFUSED, UNREACHABLE) if any(f.exit == code for f in findings)), DONE
        )
    if desk.json:
        desk.card(
            {
                "ok": worst == DONE,
                "checks": [{"what": f.what, "ok": f.ok, "says": f.says} for f in findings],
            }
        )
    else:
        width = max(len(f.what) for f in findings)
        for f in findings:
            print(
                f"{f.what.ljust(width)}  {'ok   ' if f.ok else 'WRONG'}  {f.says}", file=sys.stdout
            )
    if worst != DONE:
        raise typer.Exit(worst)


def _findings(desk: Desk) -> Iterator[Finding]:
    try:
        settings = desk.settings()
    except ConfigError as error:
        yield Finding(what="configuration", exit=USAGE, says=str(error))
        return
    yield Finding(what="configuration", exit=DONE, says=_configured(desk, settings))
    yield _database(desk, settings)
    yield from shell.run(_carriers, settings.carriers)


def _configured(desk: Desk, settings: Settings) -> str:
    source = desk.config or os.environ.get("SIARAN_CONFIG") or "no file, so the defaults"
    return f"{source}: carriers {', '.join(carrier.name for carrier in settings.carriers)}"


def _database(desk: Desk, settings: Settings) -> Finding:
    try:
        with desk.database():
            found = database.status(settings)
    except Refused as error:
        return Finding(what="database", exit=REFUSED, says=str(error))
    except Unreachable as error:
        return Finding(what="database", exit=UNREACHABLE, says=str(error))
    says = f"{found.where}, PostgreSQL {found.server_version}, schema {found.schema_version}"
    return Finding(what="database", exit=DONE, says=says)


async def _carriers(carriers: tuple[Carrier, ...]) -> list[Finding]:
    """All carriers at once, in the order of the configuration."""
    found: dict[str, list[Finding]] = {}

    async def one(carrier: Carrier) -> None:
        found[carrier.name] = [await _bind(carrier, binds.mode) for binds in carrier.binds]

    async with trio.open_nursery() as nursery:
        for carrier in carriers:
            nursery.start_soon(one, carrier)
    return [finding for carrier in carriers for finding in found[carrier.name]]


async def _bind(carrier: Carrier, mode: BindMode) -> Finding:
    """Bind and unbind. What the SMSC delivers meanwhile is not answered, so that it comes again."""
    what = f"carrier {carrier.name}"
    where = f"{carrier.host}:{carrier.port}"
    timers = carrier.timers
    timing = Timing(bind_timeout_s=timers.bind_timeout_s, unbind_timeout_s=timers.unbind_timeout_s)
    pdu = Bind(
        mode=_MODES[mode],
        system_id=carrier.system_id,
        password=carrier.password.reveal(),
        system_type=carrier.system_type,
    )
    try:
        stream = await transport.connect(
            carrier.host, carrier.port, timeout_s=timers.connect_timeout_s
        )
        async with open_session(stream, bind=pdu, timing=timing) as session:
            peer = session.peer.system_id
            await session.unbind()
    except transport.ConnectFailed as error:
        return Finding(
            what=what,
            exit=UNREACHABLE,
            says=f"{error}; check host and port, and whether the SMSC runs",
        )
    except BindFailed as error:
        if error.status is None:
            return Finding(what=what, exit=UNREACHABLE, says=f"{where}: no bind: {error}")
        return Finding(
            what=what,
            exit=REFUSED,
            says=f"{where}: the bind was refused: {smpp_status.describe(error.status)}",
        )
    except SessionClosed as error:
        return Finding(what=what, exit=UNREACHABLE, says=f"{where}: {error}")
    return Finding(what=what, exit=DONE, says=f"{where}: bound as {mode}, SMSC {peer!r}")
