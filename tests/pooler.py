"""PgBouncer in transaction mode, where it is installed: each transaction gets some session of the server's."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psycopg
from psycopg.conninfo import make_conninfo

from tests.standby import HOST, LOOK_S, PATIENCE_S, Server, free_ports

NAME: Final = "pgbouncer"

CONFIGURATION = """\
[databases]
siaran = host={host} port={port} user=siaran password={password} pool_size={sessions}
[pgbouncer]
listen_addr = {host}
listen_port = {own_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
max_client_conn = 200
logfile = {log}
{more}
"""


def found() -> bool:
    """Whether it is on the PATH."""
    return shutil.which(NAME) is not None


@contextlib.contextmanager
def running(server: Server, *, sessions: int = 3, more: str = "") -> Iterator[str]:
    """The URL of a pooler before `server`, with so many sessions; gone after the block."""
    directory = Path(tempfile.mkdtemp(prefix="siaran-pooler-"))
    directory.chmod(0o755)
    own = directory / "own"
    server.account.make_directory(own)
    (own_port,) = free_ports(1)
    file = own / "pgbouncer.ini"
    file.write_text(
        CONFIGURATION.format(
            host=HOST,
            port=server.port,
            password=server.password,
            sessions=sessions,
            own_port=own_port,
            log=own / "log",
            more=more,
        )
    )
    server.account.own(file)
    program = shutil.which(NAME)
    assert program is not None
    process = subprocess.Popen(
        [program, "-q", file],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        **server.account.spawn,
    )
    url = f"postgresql://siaran@{HOST}:{own_port}/siaran"
    try:
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                psycopg.connect(make_conninfo(url, connect_timeout=5)).close()
                break
            except psycopg.OperationalError as error:
                if process.poll() is not None or time.monotonic() > until:
                    raise AssertionError(f"{NAME} doesn't start: {error}") from error
                time.sleep(LOOK_S)
        yield url
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(directory)
