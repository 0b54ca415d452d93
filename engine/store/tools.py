"""PostgreSQL's own programs for who operates the database: backup, restore, a look inside (R-9.4).

They are those of the wheel, which understand servers up to their own version, and are told of the
database by environment variables: a password is in no command line (R-8.5).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from psycopg.pq import Conninfo

from engine.domain.errors import Refused
from engine.domain.suggest import did_you_mean
from engine.store.cluster import Failed, client

PROGRAMS: Final = (
    "pg_amcheck",
    "pg_basebackup",
    "pg_dump",
    "pg_dumpall",
    "pg_isready",
    "pg_receivewal",
    "pg_restore",
    "psql",
    "reindexdb",
    "vacuumdb",
)
"""Those that talk to a server that runs. (The wheel's pg_verifybackup crashes; page checksums are
verified by pg_basebackup.)"""


def program(name: str) -> Path:
    """Where one of them is. Raises Refused, with their names, for any other."""
    if name not in PROGRAMS:
        meant = did_you_mean(name, PROGRAMS)
        raise Refused(f"program {name[:40]!a} is not one of {', '.join(PROGRAMS)}{meant}")
    try:
        return client(name)
    except Failed as error:
        raise Refused(str(error)) from error


def environment(url: str) -> dict[str, str]:
    """What libpq reads in place of a URL: PGHOST, PGUSER, …; PGPASSWORD, too, when it has one."""
    found = {}
    for option in Conninfo.parse(url.encode()):
        if option.envvar and option.val is not None:
            found[option.envvar.decode()] = option.val.decode()
    return found
