"""`siaran check` on several servers: what their replication is worth (R-8.1), and poolers (R-8.4)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import pooler
from tests.desk.conftest import Answer, Siaran
from tests.standby import Servers

Check = Callable[..., Answer]


@pytest.fixture
def check(siaran: Siaran, tmp_path: Path) -> Check:
    """`siaran check` with a [database] of its own."""

    def run(url: str, **more: str) -> Answer:
        file = tmp_path / "siaran.toml"
        keys = {"url": url, **more}
        lines = [f'{key} = "{value}"' for key, value in keys.items()]
        file.write_text("\n".join(["[database]", *lines]) + "\n")
        assert siaran("db", "migrate", "--config", file).code == 0
        return siaran("check", "--config", file)

    return run


def lines(answer: Answer, what: str) -> list[str]:
    """What it says about that, with the verdict."""
    return [
        " ".join(line.split()[1:]) for line in answer.out.splitlines() if line.split()[0] == what
    ]


@pytest.mark.long
def test_what_a_failover_would_cost_is_said(check: Check, siaran: Siaran, tmp_path: Path) -> None:
    """From a pair that replicates asynchronously to two servers that both take writes."""
    with Servers.open(standbys=1, synchronous=False) as servers:
        a, b = servers.primary, servers.standbys[0]
        at = {"a": f"127.0.0.1:{a.port}", "b": f"127.0.0.1:{b.port}"}
        url = servers.url
        answer = check(url)
        unsynchronous, unseen = lines(answer, "replication")
        assert unsynchronous.startswith("warn replication is not synchronous: a failover loses")
        assert unseen.startswith("warn our role may not see how the standbys are: GRANT pg_monitor")

        a.sql("GRANT pg_monitor TO siaran")
        servers.be_synchronous()
        answer = check(servers.url)
        assert lines(answer, "replication") == [
            f"ok {at['a']} takes writes, {at['b']} is a standby, a commit waits for ANY 1 (b)"
        ]
        assert servers.primary.password not in answer.out + answer.err

        b.sql("SELECT pg_wal_replay_pause()")  # what it gets it keeps, and plays later
        a.sql("CREATE TABLE grown AS SELECT g, repeat('x', 900) FROM generate_series(1, 90000) g")
        (lag,) = lines(check(servers.url), "replication")
        assert lag.startswith("warn standby b lags: it plays ")
        b.sql("SELECT pg_wal_replay_resume()")

        answer = siaran("check", "--config", alone(tmp_path, b.url()))
        (standby,) = lines(answer, "replication")
        assert standby.startswith("WRONG this server is a standby: nothing can be written")
        assert answer.code == 1

        b.stop()
        answer = siaran("check", "--config", alone(tmp_path, servers.url))
        waits, away = lines(answer, "replication")
        assert waits.startswith("WRONG no standby that synchronous_standby_names (ANY 1 (b)) waits")
        assert away.startswith(f"warn {at['b']} can't be asked from here (")
        assert answer.code == 1

        a.set("synchronous_standby_names", "")
        b.start()
        servers.promote(b)
        answer = check(url)
        assert lines(answer, "replication")[0] == (
            f"WRONG {at['a']} and {at['b']} all take writes: what is written to {at['a']} is lost, and"
            f" sent twice; stop {at['a']} and make it a standby of {at['b']} (timeline 2, the newest)"
        )
        assert answer.code == 1


def alone(tmp_path: Path, url: str) -> Path:
    """A configuration with a database where no schema can be made now, nor has to."""
    file = tmp_path / "alone.toml"
    file.write_text(f'[database]\nurl = "{url}"\n')
    return file


@pytest.mark.long
@pytest.mark.skipif(not pooler.found(), reason=f"{pooler.NAME} is not on the PATH")
def test_a_pooler_without_a_way_to_listen_is_said(check: Check) -> None:
    with (
        Servers.open(standbys=0) as servers,
        Servers.open(standbys=0) as others,
        pooler.running(servers.primary) as url,
    ):
        (line,) = lines(check(url), "database")[1:]
        assert line.startswith(
            "warn a pooler stands before the server, so engines hear of commands"
        )
        assert lines(check(url, listen_url=servers.url), "database")[1:] == []
        (line,) = lines(check(url, listen_url=url), "database")[1:]
        assert line.startswith("warn database.listen_url leads to a pooler")
        (line,) = lines(check(url, listen_url=others.url), "database")[1:]
        assert line.startswith("warn database.listen_url leads to another server or database")
