"""`siaran check`: would it run? Configuration, database, carriers and mail server, for real."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import trio
import typer

from admin_cli import check_place, render, shell
from admin_cli.desk import Desk, command, single
from admin_cli.findings import Finding, Tell
from admin_cli.main import DONE, REFUSED, UNREACHABLE, USAGE
from config.load import ConfigError
from config.settings import DEFAULT_CARRIER, BindMode, MailTls
from engine.gateway.plans import tls_of
from engine.operations import Refused, Unreachable, callbacks, database, nodes, outbox, senders
from engine.operations.callbacks import Endpoint
from smpp import status, transport
from smpp.pdu import Bind, Mode
from smpp.session import BindFailed, SessionClosed, open_session
from smpp.timers import Timing

if TYPE_CHECKING:
    from config.settings import Carrier, Settings, Smtp

app = single("Check configuration, database, machine, binds and the mail server.")

_MODES = {
    BindMode.TRANSCEIVER: Mode.TRANSCEIVER,
    BindMode.TRANSMITTER: Mode.TRANSMITTER,
    BindMode.RECEIVER: Mode.RECEIVER,
}

_CREDENTIALS = frozenset(
    {status.INVALID_PASSWORD, status.INVALID_SYSTEM_ID, status.BIND_FAILED, status.SYSTEM_ERROR}
)
"""How SMSCs say that they don't want us: the last two when they don't want to say why."""

_NONE = "no carrier is configured, so that is where `siaran smsc` would listen"


@command(app, "check", "siaran check", "siaran check --config siaran.toml --json")
def check(desk: Desk) -> None:
    """Check configuration, database, this machine, each carrier, mail server and callbacks.

    There is a line for each. The database is opened (the embedded one is started when it doesn't
    run); whether an engine of this node's name runs here, the HTTP port is free, and disk, open files
    and clock are fit is looked at. Of a server by URL it
    is said what its replication is worth, and each server of the URL is asked. Every carrier is
    bound to and unbound from again, in each mode that it is configured with. A carrier that allows
    no more binds than those of an engine that runs refuses this one. The mail server is connected
    to, with STARTTLS and credentials as configured; no mail is sent. Endpoints for callbacks are
    connected to; nothing is posted.

    Exit code: 0 all is well; 2 the configuration is wrong; 1 something is refused; 3 nothing is
    refused, but something can't be reached now.
    """
    found: list[Finding] = []

    def tell(finding: Finding) -> None:
        found.append(finding)
        if not desk.json:
            print(_line(finding, width), flush=True)

    width = len("configuration")
    try:
        settings = desk.settings()
    except ConfigError as error:
        tell(Finding(what="configuration", exit=USAGE, says=str(error)))
    else:
        width = max(width, *(len(f"carrier {carrier.name}") for carrier in settings.carriers))
        endpoints = _endpoints(desk)
        width = max(width, *(len(f"callback {_name(one)}") for one, _ in endpoints), 0)
        tell(Finding(what="configuration", exit=DONE, says=_configured(desk, settings)))
        tell(_database(desk, settings))
        for finding in check_place.checked(desk, settings):
            tell(finding)
        for finding in _servers(desk, settings):
            tell(finding)
        for finding in _unrouted(desk, settings):
            tell(finding)
        for finding in _nodes(desk):
            tell(finding)
        shell.run(_carriers, settings.carriers, tell)
        tell(_mail(desk, settings.smtp))
        for finding in _callbacks(settings, endpoints):
            tell(finding)
    worst = verdict(found)
    if desk.json:
        checks = [
            {"what": f.what, "name": f.name, "ok": f.ok, "warns": f.warns, "says": f.says}
            for f in sorted(found, key=lambda f: (f.name is not None, f.name))
        ]
        desk.card({"ok": worst == DONE, "checks": checks})
    if worst != DONE:
        raise typer.Exit(worst)


def verdict(found: list[Finding]) -> int:
    """The exit code of all. What can't be reached may come back by itself, so it counts last."""
    codes = {finding.exit for finding in found}
    return next((code for code in (USAGE, REFUSED, UNREACHABLE) if code in codes), DONE)


def _line(finding: Finding, width: int) -> str:
    what = f"{finding.what} {finding.name or ''}".strip()
    verdict = "WRONG" if not finding.ok else "warn " if finding.warns else "ok   "
    return f"{what.ljust(width)}  {verdict}  {render.printable(finding.says)}"


def _configured(desk: Desk, settings: Settings) -> str:
    binds = sum(kind.count for carrier in settings.carriers for kind in carrier.binds)
    counts = (
        _counted(len(settings.carriers), "carrier"),
        _counted(binds, "bind"),
        _counted(len(settings.routes), "route"),
    )
    return f"{desk.config or 'no file, the defaults'}: {', '.join(counts)}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _database(desk: Desk, settings: Settings) -> Finding:
    try:
        with desk.database() as opened:
            found = database.status(settings)
            where = opened.describe()
    except Refused as error:
        return Finding(what="database", exit=REFUSED, says=str(error))
    except Unreachable as error:
        return Finding(what="database", exit=UNREACHABLE, says=str(error))
    schema = f"the schema is up to date ({found.schema_version})"
    says = f"{where}: PostgreSQL {found.server_version}, {schema}"
    return Finding(what="database", exit=DONE, says=says)


def _servers(desk: Desk, settings: Settings) -> list[Finding]:
    """Replication and poolers: one line when all is well, else one for each doubt."""
    try:
        with desk.database() as opened:
            found = database.replication(settings, opened)
            deaf = database.deaf(settings, opened)
    except (Refused, Unreachable):
        return []  # said already
    findings = []
    if deaf is not None:
        findings.append(Finding(what="database", exit=DONE, warns=True, says=deaf))
    if found is not None:
        summary, doubts = found
        findings += [
            Finding(
                what="replication",
                exit=REFUSED if doubt.grave else DONE,
                warns=not doubt.grave,
                says=doubt.says,
            )
            for doubt in doubts
        ] or [Finding(what="replication", exit=DONE, says=summary)]
    return findings


def _mail(desk: Desk, smtp: Smtp | None) -> Finding:
    from engine.outbox import mail

    waits = ""
    with contextlib.suppress(Refused, Unreachable), desk.database() as opened:
        waits = _waiting(opened.run(outbox.mails))
    if smtp is None:
        says = f"[smtp] is not configured: replies and reports of imports wait{waits}"
        return Finding(what="mail", exit=DONE, says=says)
    where = f"{smtp.host}:{smtp.port}"
    try:
        shell.run(mail.probe, smtp)
    except mail.ServerTrouble as error:
        passing = error.reason in ("connection", "time-out", "closing")
        says = f"{error}; check [smtp]{waits}"
        return Finding(what="mail", exit=UNREACHABLE if passing else REFUSED, says=says)
    how = {MailTls.NONE: "not encrypted", MailTls.STARTTLS: "STARTTLS", MailTls.TLS: "TLS"}[
        smtp.tls
    ]
    user = f", authenticated as {smtp.username}" if smtp.username else ""
    says = f"{where}: {how}{user}, from {smtp.from_}{waits}"
    return Finding(what="mail", exit=DONE, says=says)


def _endpoints(desk: Desk) -> list[tuple[Endpoint, int]]:
    """Where all applications are told, and how much is due there; nothing without a database."""
    with contextlib.suppress(Refused, Unreachable), desk.database() as opened:
        return opened.run(callbacks.everywhere)
    return []


def _name(endpoint: Endpoint) -> str:
    return f"{endpoint.application}/{endpoint.kind}"


def _callbacks(settings: Settings, endpoints: list[tuple[Endpoint, int]]) -> Iterator[Finding]:
    """A line for each endpoint; it is connected to, and nothing is posted."""
    from engine.outbox.reach import reach

    for endpoint, waiting in endpoints:
        where, due = callbacks.where(endpoint), f" ({waiting:,} due)" if waiting else ""
        again = f"`siaran callback test {endpoint.kind} --app {endpoint.application}`"
        code = DONE
        if endpoint.suspended_at is not None:
            says = f"{where}: suspended: {endpoint.suspended_why}; set it again, or {again}{due}"
            code = REFUSED
        elif why := shell.run(reach, endpoint, settings.callbacks.allow_private):
            says, code = f"{why}{due}", UNREACHABLE
        else:
            says = f"{where}: it can be connected to; {again} posts a sample{due}"
        yield Finding(what="callback", name=_name(endpoint), exit=code, says=says)


def _waiting(mails: outbox.Depth) -> str:
    counts = [(mails.waiting, "waiting"), (mails.dead, "dead: see `siaran mail dead`")]
    words = [f"{count:,} {word}" for count, word in counts if count]
    return f" ({', '.join(words)})" if words else ""


def _unrouted(desk: Desk, settings: Settings) -> list[Finding]:
    """A warning for each sender that no route is for. Nothing where the database is in trouble."""
    try:
        with desk.database() as opened:
            found = opened.run(senders.unrouted, settings.routes)
    except (Refused, Unreachable):
        return []
    return [
        Finding(
            what="routes",
            exit=DONE,
            warns=True,
            says=f"no [[routes]] is for sender {address} of application {application}: "
            "what it sends would wait",
        )
        for address, application in found
    ]


def _nodes(desk: Desk) -> list[Finding]:
    """What of the engines that share the database somebody should know. Nothing without them."""
    try:
        with desk.database() as opened:
            found = opened.run(nodes.warnings)
    except (Refused, Unreachable):
        return []
    return [Finding(what="nodes", exit=DONE, warns=True, says=one) for one in found]


async def _carriers(carriers: tuple[Carrier, ...], tell: Tell) -> None:
    """All carriers at once, the modes of one in turn: it may allow one bind only."""

    async def one(carrier: Carrier) -> None:
        for binds in carrier.binds:
            tell(await _bind(carrier, binds.mode))

    async with trio.open_nursery() as nursery:
        for carrier in carriers:
            nursery.start_soon(one, carrier)


async def _bind(carrier: Carrier, mode: BindMode) -> Finding:
    """Bind and unbind. What the SMSC delivers meanwhile is not answered, so that it comes again."""
    timers = carrier.timers
    timing = Timing(bind_timeout_s=timers.bind_timeout_s, unbind_timeout_s=timers.unbind_timeout_s)
    pdu = Bind(
        mode=_MODES[mode],
        system_id=carrier.system_id,
        password=carrier.password.reveal(),
        system_type=carrier.system_type,
        interface_version=carrier.version.number,
    )
    where = f"{carrier.host}:{carrier.port}, {mode}{'' if carrier.tls is None else ', TLS'}"
    code = UNREACHABLE
    try:
        tls = None if carrier.tls is None else transport.tls_client(tls_of(carrier.tls))
        stream = await transport.connect(
            carrier.host, carrier.port, timeout_s=timers.connect_timeout_s, tls=tls
        )
        async with open_session(stream, bind=pdu, timing=timing) as session:
            peer = session.peer.system_id
            await session.unbind()
    except transport.TlsFault as error:
        says, code = f"{where}: {error}; check carriers.{carrier.name}.tls", REFUSED
    except transport.ConnectFailed as error:
        check = f"check carriers.{carrier.name}: host and port, and whether the SMSC runs"
        says = f"{error}; {_NONE if carrier is DEFAULT_CARRIER else check}"
    except BindFailed as error:
        says = f"{where}: {error}; {_advice(carrier, error.status)}"
        code = UNREACHABLE if error.status is None else REFUSED
    except SessionClosed as error:
        says = f"{where}: {error}"
    else:
        named = f' to "{peer}"' if peer else ""
        says, code = f"{where}: bound{named} and unbound", DONE
    return Finding(what="carrier", name=carrier.name, exit=code, says=says)


def _advice(carrier: Carrier, refusal: int | None) -> str:
    if refusal is None:
        return "is that the port of an SMSC?"
    if refusal == status.ALREADY_BOUND:
        return "an engine that runs may hold all binds that the carrier allows"
    if refusal in _CREDENTIALS:
        keys = "system_id, password, system_type"
        return f"check carriers.{carrier.name}: {keys}, and whether the carrier knows our address"
    return "ask the carrier what it wants"
