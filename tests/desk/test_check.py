"""`siaran check`: a line for each thing that must be well, and the exit code of all."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import trio
import trustme
from psycopg import sql

from admin_cli.check import _carriers, verdict
from admin_cli.check_place import LITTLE, NOTHING, ahead_s, little_room
from admin_cli.children import Child, running
from admin_cli.findings import Finding
from config.settings import BindMode, Binds, Carrier, Timers
from engine.app import only_one
from engine.operations import Actor
from engine.operations.place import Place
from engine.store.db import Database
from engine.store.embedded import default_home
from smpp.codec import SubmitTemplate
from smpp.events import Deliveries
from smpp.pdu import Address, Bind, Mode
from smpp.session import Session, open_session
from smpp.transport import connect
from tests.desk.conftest import Siaran

PLACE = f'''
[node]
name = "checked-{os.getpid()}"
[http]
listen = "127.0.0.1:0"
'''  # fmt: skip

CARRIER = """
[carriers.tui]
host = "127.0.0.1"
port = {port}
system_id = "siaran"
password = "{password}"
binds = [{{ mode = "transmitter" }}, {{ mode = "receiver", count = 2 }}]
timers = {{ bind_timeout_s = 0.2 }}
"""


@pytest.fixture(scope="module")
def smsc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an SMSC that lets `siaran` in with the password `geheim`."""
    home = tmp_path_factory.mktemp("smsc")
    (home / "password").write_text("geheim")
    words = ("--system-id", "siaran", "--password-file", str(home / "password"))
    with running(home) as children:
        started = children.start("smsc", "--json", "--port", "0", *words, reads=True)
        yield port_of(started)


@pytest.fixture
def file(configuration: Path, database: Database, tmp_path: Path) -> Callable[..., Path]:
    """A configuration with the tests' database, and a carrier at a port.

    Endpoints that other tests have set there are off: each would be a line, and most can't be told.
    """
    database.run(lambda tx: tx.execute("UPDATE endpoint SET off_at = now() WHERE off_at IS NULL"))

    def write(port: int, password: str = "geheim") -> Path:
        file = tmp_path / "siaran.toml"
        carrier = CARRIER.format(port=port, password=password)
        file.write_text(configuration.read_text() + PLACE + carrier)
        return file

    return write


def port_of(smsc: Child) -> int:
    return int(json.loads(smsc.read_line(60))["port"])


def test_all_is_well(siaran: Siaran, file: Callable[..., Path], smsc: int) -> None:
    """Exit 0; configuration, database, and a bind in each mode."""
    path = file(smsc)
    answer = siaran("check", "--config", path)
    assert (answer.code, answer.err) == (0, "")
    configured, database, *here, transmitter, receiver, mail = answer.out.splitlines()
    assert configured == f"configuration  ok     {path}: 1 carrier, 3 binds, 1 route"
    assert database.startswith("database       ok     database ")
    assert "PostgreSQL 18" in database
    assert "the schema is up to date" in database
    node, http, machine = here
    assert node.startswith(f"node           ok     checked-{os.getpid()} does not run on this")
    assert http == "http           ok     127.0.0.1:0: a port that is free is taken"
    assert machine.endswith("files may be open, the clock is right by the database's")
    bound = 'bound to "siaran-smsc" and unbound'
    assert transmitter == f"carrier tui    ok     127.0.0.1:{smsc}, transmitter: {bound}"
    assert receiver == f"carrier tui    ok     127.0.0.1:{smsc}, receiver: {bound}"
    assert mail.startswith("mail           ok     [smtp] is not configured: replies and reports")


def test_for_scripts_it_is_one_document(
    siaran: Siaran, file: Callable[..., Path], smsc: int
) -> None:
    """--json: stable keys, and the same exit code."""
    answer = siaran("check", "--json", "--config", file(smsc, "falsch"))
    assert answer.code == 1
    assert answer.json["ok"] is False
    assert [(c["what"], c["name"], c["ok"]) for c in answer.json["checks"]] == [
        ("configuration", None, True),
        ("database", None, True),
        ("node", None, True),
        ("http", None, True),
        ("machine", None, True),
        ("mail", None, True),
        ("carrier", "tui", False),
        ("carrier", "tui", False),
    ]


def test_a_sender_without_a_route_is_warned_of(
    siaran: Siaran, actor: Actor, file: Callable[..., Path], smsc: int
) -> None:
    """R-2.6: it would run, and what the mask sends would wait for ever."""
    path = file(smsc)
    with path.open("a") as more:
        more.write('[[routes]]\nmasks = false\ncarriers = [{name = "tui"}]\n')
    assert siaran("sender", "add", "Siaran").code == 0
    answer = siaran("check", "--config", path)
    assert answer.code == 0
    mine = f"no [[routes]] is for sender Siaran of application {actor.application}"
    [line] = [line for line in answer.out.splitlines() if mine in line]
    assert line.startswith(f"routes         warn   {mine}")
    found = siaran("check", "--json", "--config", path).json
    assert {one["what"] for one in found["checks"] if one["warns"]} == {"routes"}
    assert found["ok"] is True


def test_a_refused_bind_is_one(siaran: Siaran, file: Callable[..., Path], smsc: int) -> None:
    """The status by name, what to look at, and no password."""
    answer = siaran("check", "--config", file(smsc, "falsch"))
    assert answer.code == 1
    assert "carrier tui    WRONG" in answer.out
    assert "ESME_RINVPASWD (0x0E): invalid password; check carriers.tui: system_id" in answer.out
    assert "falsch" not in answer.out + answer.err


def test_an_smsc_that_is_away_or_silent_is_three(siaran: Siaran, file: Callable[..., Path]) -> None:
    """Within the carrier's own time-outs."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        answer = siaran("check", "--config", file(port))
        assert answer.code == 3
        assert "no answer to the bind in time" in answer.out
    answer = siaran("check", "--config", file(port))
    assert answer.code == 3
    assert f"127.0.0.1:{port}: Connection refused; check carriers.tui: host and port" in answer.out


def test_a_wrong_configuration_is_two_and_ends_it(siaran: Siaran, tmp_path: Path) -> None:
    """The rest would be about another configuration."""
    (tmp_path / "siaran.toml").write_text("[databse]\n")
    answer = siaran("check", "--config", tmp_path / "siaran.toml")
    assert answer.code == 2
    (line,) = answer.out.splitlines()
    assert line.startswith("configuration  WRONG  ")
    assert "line 1: databse: unknown key" in line
    assert siaran("check", "--json", "--config", tmp_path / "none").json["ok"] is False


def test_a_database_that_is_away_does_not_hide_the_carriers(
    siaran: Siaran, tmp_path: Path, smsc: int
) -> None:
    """Each line is for itself."""
    database = '[database]\nurl = "postgresql://me:secret@127.0.0.1:1/none"\n'
    carrier = CARRIER.format(port=smsc, password="geheim")
    (tmp_path / "siaran.toml").write_text(database + PLACE + carrier)
    answer = siaran("check", "--config", tmp_path / "siaran.toml")
    assert answer.code == 3
    assert "database       WRONG  " in answer.out
    assert answer.out.count("carrier tui    ok") == 2
    assert "secret" not in answer.out + answer.err


def test_a_schema_that_is_behind_is_one(
    siaran: Siaran,
    postgres_url: str,
    superuser: psycopg.Connection[tuple[object, ...]],
    tmp_path: Path,
) -> None:
    """A server by URL is migrated by somebody, never by the way (R-9.4)."""
    new = sql.Identifier("check_empty")
    superuser.execute(sql.SQL("CREATE DATABASE {} OWNER siaran").format(new))
    try:
        url = f"postgresql://siaran@/check_empty?{postgres_url.partition('?')[2]}"
        (tmp_path / "siaran.toml").write_text(f'[database]\nurl = "{url}"\n')
        answer = siaran("check", "--config", tmp_path / "siaran.toml")
    finally:
        superuser.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(new))
    assert answer.code == 1
    assert "run `siaran db migrate`" in answer.out


def test_nothing_that_is_delivered_meanwhile_is_lost(
    siaran: Siaran, file: Callable[..., Path], smsc: int
) -> None:
    """R-8.1: a check that answered a deliver_sm would take it from the engine."""
    trio.run(send_one, smsc)  # its receipt finds nobody, and waits
    assert siaran("check", "--config", file(smsc)).code == 0
    assert trio.run(delivered, smsc).count(b"stat:DELIVRD") == 1


@contextlib.asynccontextmanager
async def bound(port: int, mode: Mode) -> AsyncIterator[Session]:
    stream = await connect("127.0.0.1", port, timeout_s=60)
    pdu = Bind(mode=mode, system_id="siaran", password="geheim")
    async with open_session(stream, bind=pdu) as session:
        yield session


async def send_one(port: int) -> None:
    template = SubmitTemplate(Address(value="3774", ton=3, npi=0), dest_ton=1, dest_npi=1)
    async with bound(port, Mode.TRANSMITTER) as session:
        await session.submit([(1, template.body("64211234567", 0, 0, b"Halo"))])
        await anext(session.batches())
        await session.unbind()


async def delivered(port: int) -> bytes:
    with trio.fail_after(60):
        async with bound(port, Mode.RECEIVER) as session:
            async for batch in session:
                for event in batch:
                    if isinstance(event, Deliveries):
                        await session.respond((i.command, i.sequence, 0) for i in event.items)
                        await session.unbind()
                        return b"".join(item.octets for item in event.items)
    return b""


def test_a_slow_carrier_does_not_hold_up_the_others() -> None:
    """All carriers at once."""
    found: list[Finding] = []
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and does not listen
        ports = {"slow": silent.getsockname()[1], "quick": closed.getsockname()[1]}
        carriers = tuple(
            Carrier(
                name=name,
                host="127.0.0.1",
                port=port,
                system_id="siaran",
                binds=(Binds(mode=BindMode.TRANSCEIVER),),
                timers=Timers(bind_timeout_s=0.5),
            )
            for name, port in ports.items()
        )
        trio.run(_carriers, carriers, found.append)
    assert [finding.name for finding in found] == ["quick", "slow"]


@pytest.mark.parametrize(
    ("codes", "verdict_is"),
    [([0, 0], 0), ([0, 3], 3), ([3, 1, 0], 1), ([0, 3, 3], 3), ([2], 2), ([1, 0], 1)],
)
def test_what_a_person_must_mend_counts_more_than_what_may_pass(
    codes: list[int], verdict_is: int
) -> None:
    """1 refused before 3 unreachable: a script that waits while it is 3 would wait for ever."""
    assert verdict([Finding(what="x", exit=code, says="") for code in codes]) == verdict_is


# ---------------------------------------------------------------- this machine


def test_a_port_that_another_program_has_is_one(
    siaran: Siaran, file: Callable[..., Path], smsc: int
) -> None:
    """The engine would be refused there, after it had taken its lease."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        path = file(smsc)
        path.write_text(path.read_text().replace("127.0.0.1:0", taken))
        other.setblocking(False)
        answer = siaran("check", "--config", path)
    assert answer.code == 1
    [line] = [line for line in answer.out.splitlines() if line.startswith("http")]
    assert line == (
        f"http           WRONG  {taken}: another program listens there;"
        " set http.listen to a port that is free"
    )


@pytest.mark.parametrize(
    ("listen", "says"),
    [("203.0.113.1:8080", "can't listen there"), ("nowhere.invalid:8080", "check http.listen")],
)
def test_an_address_that_is_not_ours_is_one(
    listen: str, says: str, siaran: Siaran, file: Callable[..., Path], smsc: int
) -> None:
    path = file(smsc)
    path.write_text(path.read_text().replace("127.0.0.1:0", listen))
    answer = siaran("check", "--config", path)
    assert answer.code == 1
    [line] = [line for line in answer.out.splitlines() if line.startswith("http")]
    assert says in line


def test_a_node_that_runs_is_seen_and_left_alone(
    siaran: Siaran, file: Callable[..., Path], smsc: int
) -> None:
    """Beside a running engine the check is as good as before its start."""
    with only_one(default_home(), f"checked-{os.getpid()}"):
        answer = siaran("check", "--config", file(smsc))
        assert answer.code == 0
        assert f"checked-{os.getpid()} runs on this machine already" in answer.out
    again = siaran("check", "--config", file(smsc))
    assert f"checked-{os.getpid()} does not run on this machine yet" in again.out


def test_a_home_that_can_t_be_written_to_is_one(
    siaran: Siaran,
    file: Callable[..., Path],
    smsc: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The engine's lock is there; nothing is made by looking."""
    (tmp_path / "full").write_text("")
    monkeypatch.setenv("SIARAN_HOME", f"{tmp_path}/full/home")
    answer = siaran("check", "--config", file(smsc))
    assert answer.code == 1
    assert f"{tmp_path}/full/home can't be written to, where the engine has its" in answer.out


def test_few_files_are_warned_of(siaran: Siaran, file: Callable[..., Path], smsc: int) -> None:
    """An engine at the limit can't be connected to any more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (600, hard))
    try:
        answer = siaran("check", "--config", file(smsc))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert answer.code == 0
    [line] = [line for line in answer.out.splitlines() if line.startswith("machine")]
    assert line.startswith(
        "machine        warn   600 files may be open, and 603 may be needed (3 binds,"
    )


@pytest.mark.parametrize(
    ("free", "exits"), [(LITTLE, []), (LITTLE - 1, [0]), (NOTHING, [0]), (NOTHING - 1, [1])]
)
def test_a_disk_that_is_soon_full(free: int, exits: list[int]) -> None:
    """A warning, and then a refusal: PostgreSQL stops on a full disk."""
    here = Place(home=Path("/home"), writable=True, free=free, size=2**40, running=False)
    assert [one.exit for one in little_room(here)] == exits


@pytest.mark.parametrize(("there", "ahead"), [(0, 0), (1, 0), (2, 0), (-3, 3), (7, -5)], ids=str)
def test_the_clock_is_right_if_it_can_be(there: int, ahead: float) -> None:
    """What the question took on its way is nobody's fault: asked at 0, answered at 2."""

    def at(s: int) -> datetime:
        return datetime(2026, 11, 25, tzinfo=UTC) + timedelta(seconds=s)

    assert ahead_s(at(0), at(there), at(2)) == ahead


def test_a_carrier_with_tls_is_bound_to_with_tls(
    siaran: Siaran, file: Callable[..., Path], tmp_path: Path
) -> None:
    """As an engine would; and with a CA that doesn't know the carrier it is not."""
    authority, stranger = trustme.CA(), trustme.CA()
    certificate = tmp_path / "smsc.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    for name, ca in (("ca", authority), ("stranger", stranger)):
        ca.cert_pem.write_to_path(str(tmp_path / f"{name}.pem"))
    with running(tmp_path) as children:
        started = children.start(
            "smsc", "--json", "--port", "0", "--tls-certificate", str(certificate), reads=True
        )
        path = file(port_of(started))
        plain = path.read_text()
        answers = []
        (tmp_path / "nothing.pem").write_text("nothing")
        for name in ("ca", "stranger", "nothing"):
            path.write_text(f'{plain}tls = {{ ca_file = "{name}.pem" }}\n')
            answers.append(siaran("check", "--config", path))
    right, wrong, useless = answers
    assert right.code == 0, right.out
    assert "transmitter, TLS: bound to" in right.out
    assert wrong.code == 3
    assert "its CA is none that we trust" in wrong.out
    assert useless.code == 1
    assert "nothing.pem: no certificates in PEM form in it; check carriers.tui.tls" in useless.out
