"""The part of `siaran check` that is about this machine: node, port, disk, files, clock."""

from __future__ import annotations

import errno
import http.client
import json
import resource
import socket
import ssl
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Final

from admin_cli.findings import Finding
from admin_cli.main import REFUSED
from engine import clock
from engine.api.certificate import Certificate
from engine.operations import Refused, Unreachable, database, place

if TYPE_CHECKING:
    from admin_cli.desk import Desk
    from config.settings import Http, Settings
    from engine.operations.place import Place

SKEW_S: Final = 2.0
"""As far apart clocks may be (R-8.4)."""

LITTLE: Final = 2 * 2**30
"""Octets: a million messages and their submissions are a gigabyte."""

NOTHING: Final = 200 * 2**20
"""With less of them PostgreSQL, which writes ahead in pieces of 16 MiB, is about to stop."""

OWN_FILES: Final = 100
"""Of an engine that does nothing: libraries, log, pool, loop."""


def checked(desk: Desk, settings: Settings) -> Iterator[Finding]:
    """A line each for the node, the port and the machine, and one more for each doubt."""
    here = place.place(settings.node.name)
    yield _node(settings.node.name, here)
    yield _http(settings.http, running=here.running is True)
    yield from _machine(desk, settings, here)


def _node(name: str, here: Place) -> Finding:
    if not here.writable:
        says = (
            f"{here.home} can't be written to, where the engine has its lock; set SIARAN_HOME, or"
        )
        return Finding(what="node", exit=REFUSED, says=f"{says} run as its owner")
    if here.running is None:
        says = f"{name}: whether it runs already can be seen by the owner of {here.home} only"
        return Finding(what="node", says=says, warns=True)
    runs = "runs on this machine already" if here.running else "does not run on this machine yet"
    return Finding(what="node", says=f"{name} {runs}")


def _http(settings: Http, *, running: bool) -> Finding:
    """Whether the engine could listen there; when it runs, what is there is itself."""
    where = settings.listen
    if settings.tls_certificate is not None:
        try:
            Certificate(settings.tls_certificate, settings.tls_key)
        except Refused as error:
            return Finding(what="http", exit=REFUSED, says=str(error))
    if settings.port == 0:
        return Finding(what="http", says=f"{where}: a port that is free is taken")
    try:
        found = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        says = f"{where}: {error.strerror}; check http.listen"
        return Finding(what="http", exit=REFUSED, says=says)
    for family, kind, protocol, _, address in found:
        with socket.socket(family, kind, protocol) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(address)
                tried.listen()
            except OSError as error:
                return _taken(settings, error, running=running)
    return Finding(what="http", says=f"{where} is free")


def _taken(settings: Http, error: OSError, *, running: bool) -> Finding:
    where = settings.listen
    if error.errno != errno.EADDRINUSE:
        says = f"{where}: can't listen there: {error.strerror}; check http.listen"
        return Finding(what="http", exit=REFUSED, says=says)
    ours = _is_siaran(settings)
    if running and ours:
        return Finding(what="http", says=f"{where}: the engine that runs serves there")
    who = "another Siaran process serves there" if ours else "another program listens there"
    says = f"{where}: {who}; set http.listen to a port that is free"
    return Finding(what="http", exit=REFUSED, says=says)


def _is_siaran(settings: Http) -> bool:
    """Whether who listens there answers as we do."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    connection: http.client.HTTPConnection
    if settings.tls_certificate is None:
        connection = http.client.HTTPConnection(host, settings.port, timeout=2)
    else:
        anybody = ssl.create_default_context()
        anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(host, settings.port, timeout=2, context=anybody)
    try:
        connection.request("GET", "/healthz")
        return bool(json.loads(connection.getresponse().read(1000)) == {"status": "ok"})
    except (OSError, ValueError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _machine(desk: Desk, settings: Settings, here: Place) -> Iterator[Finding]:
    doubts = [] if settings.database.url is not None else list(little_room(here))
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    binds = sum(kind.count for carrier in settings.carriers for kind in carrier.binds)
    needed = OWN_FILES + binds + settings.http.connections
    if files < needed:
        says = f"{files:,} files may be open, and {needed:,} may be needed ({binds:,} binds, "
        says += (
            f"{settings.http.connections:,} HTTP connections); raise it (ulimit -n, LimitNOFILE)"
        )
        doubts.append(Finding(what="machine", warns=True, says=says))
    ahead_s = _ahead_s(desk)
    if ahead_s is not None and abs(ahead_s) > SKEW_S:
        side = "ahead of" if ahead_s > 0 else "behind"
        says = f"the clock is {abs(ahead_s):,.1f} s {side} the database's; have one of them set"
        doubts.append(Finding(what="machine", warns=True, says=says))
    if doubts:
        yield from doubts
        return
    room = f"{_size(here.free)} free, {files:,} files may be open"
    clocks = "" if ahead_s is None else ", the clock is right by the database's"
    yield Finding(what="machine", says=f"{room}{clocks}")


def little_room(here: Place) -> Iterator[Finding]:
    """What is to be said where the embedded database has little of it."""
    left = f"{_size(here.free)} free where {here.home} is"
    if here.free < NOTHING:
        says = f"{left}: the embedded database stops when that is full; make room"
        yield Finding(what="machine", exit=REFUSED, says=says)
    elif here.free < LITTLE:
        says = f"{left}: a million messages take about 1 GiB; make room"
        yield Finding(what="machine", warns=True, says=says)


def _ahead_s(desk: Desk) -> float | None:
    """By how much our clock is ahead of the database's, at least; None: nobody answers."""
    try:
        with desk.database() as opened:
            before = clock.utc_now()
            there = opened.run(database.now)
            return ahead_s(before, there, clock.utc_now())
    except (Refused, Unreachable):
        return None


def ahead_s(before: datetime, there: datetime, after: datetime) -> float:
    """0 where the answer can have been true at some moment between question and answer."""
    if there < before:
        return (before - there).total_seconds()
    return min((after - there).total_seconds(), 0.0)


def _size(octets: int) -> str:
    return f"{octets / 2**30:,.1f} GiB" if octets >= 2**30 else f"{octets / 2**20:,.0f} MiB"
