"""R-9.4: two nodes are brought to this version one after the other, in the midst of a campaign.

The previous version is built from the history: the newest tag `v*`, or the commit below until there
is one. Its migrations make the database, its engines begin to send; then this version's migrations
run while they do, and each node is stopped in order and started as this version.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from psycopg import sql

from tests.promises.failover import REPLIES
from tests.rig import LOOK_S, PATIENCE_S, ROOT, Rig

UNTAGGED: Final = "07836d4d6a901860c5a06b302dd6bb1f902b1e72"
"""What runs where no release has a tag yet."""

MESSAGES: Final = 3_000
WINDOW: Final = 4
LATENCY_MS: Final = 20.0
"""With two nodes some 400 messages a second: longer than four engines take to start."""

END_S: Final = 12.0


def _git(*words: str) -> str:
    done = subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _previous() -> str:
    """The commit that the version before this one is; '' when the history isn't here."""
    tags = _git("tag", "--list", "v*", "--merged", "HEAD", "--sort=-version:refname").splitlines()
    head = _git("rev-parse", "HEAD")
    for name in (*tags, UNTAGGED):
        commit = _git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        if commit and commit != head:
            return commit
    return ""


PREVIOUS: Final = _previous()


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The previous version's files."""
    if not PREVIOUS:
        pytest.skip("the history of the previous version isn't here (a shallow clone, no git)")
    tree = tmp_path_factory.mktemp("old")
    archive = subprocess.run(
        ["git", "-C", ROOT, "archive", PREVIOUS], check=True, capture_output=True
    )
    subprocess.run(["tar", "-x", "-C", tree], input=archive.stdout, check=True)
    return tree


@pytest.fixture
def url(postgres_url: str, superuser: psycopg.Connection[tuple[object, ...]]) -> Iterator[str]:
    """A database with nothing in it."""
    name = f"upgrade_{uuid.uuid4().hex}"
    new = sql.Identifier(name)
    superuser.execute(sql.SQL("CREATE DATABASE {} OWNER siaran").format(new))
    yield f"postgresql://siaran@/{name}?{postgres_url.partition('?')[2]}"
    superuser.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(new))


class _Node:
    """An engine of either version."""

    def __init__(self, name: str, home: Path, configuration: str) -> None:
        self.name = name
        self._home = home / name
        self._home.mkdir()
        self._file = self._home / "siaran.toml"
        self._file.write_text(f'[node]\nname = "{name}"\n{configuration}')
        self._process: subprocess.Popen[bytes] | None = None

    def typed(self, tree: Path, *words: str) -> subprocess.CompletedProcess[str]:
        """A command of that version."""
        return subprocess.run(
            [sys.executable, "-P", "-m", "admin_cli", *words, "--json", "--yes"],
            **self._where(tree),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    def siaran(self, tree: Path, *words: str) -> Any:
        """What it prints."""
        done = self.typed(tree, *words)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def start(self, tree: Path) -> None:
        """Comes back when it is bound."""
        with (self._home / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "admin_cli", "run"],
                **self._where(tree),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + PATIENCE_S
        while not re.search(r"\bbind\.up\b", self.said()):
            assert self._process.poll() is None, self.said()
            assert time.monotonic() < until, self.said()
            time.sleep(LOOK_S)

    def stop(self) -> None:
        """SIGTERM, which waits for what is on the wire."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(END_S) == 0, self.said()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def said(self) -> str:
        return (self._home / "log").read_text(errors="replace")

    def _where(self, tree: Path) -> dict[str, Any]:
        kept = {name: word for name, word in os.environ.items() if not name.startswith("SIARAN_")}
        ours = {
            "SIARAN_HOME": str(self._home),
            "SIARAN_CONFIG": str(self._file),
            "PYTHONPATH": str(tree),
        }
        return {"env": kept | ours, "cwd": "/"}


@pytest.mark.long
def test_a_running_installation_is_upgraded_node_by_node(old: Path, url: str) -> None:
    """Nothing is lost and nothing sent twice; commands of the previous version say what to do."""
    with Rig.open(url=url) as rig, contextlib.ExitStack() as undo:
        (replies := rig.home / "replies.toml").write_text(REPLIES)
        rig.start_smsc(latency_ms=LATENCY_MS, receipt_after_ms=50, replies=replies)
        nodes = [_Node(name, rig.home, _configuration(rig, url)) for name in ("gw1", "gw2")]
        one, two = nodes
        assert one.siaran(old, "db", "migrate")["migrations"], "the previous version has a schema"
        for node in nodes:
            undo.callback(node.kill)
            node.start(old)
        file = rig.home / "campaign.csv"
        file.write_text("".join(f"+62812{n:07}{(n + 1) % 10},Name{n}\n" for n in range(MESSAGES)))
        made = one.siaran(
            *(old, "campaign", "quick", str(file), "--list", "all"),
            *("--message", "Hello %%1%%", "--now"),
        )
        _sent(rig, MESSAGES // 10)

        ran = one.siaran(ROOT, "db", "migrate")["migrations"]
        refused = two.typed(old, "list", "ls")
        if ran:
            assert refused.returncode == 1
            assert "run the newer version of Siaran" in refused.stderr
            assert refused.stderr.count("\n") == 1
        _sent(rig, MESSAGES // 4)
        seen = []
        for node in nodes:
            node.stop()
            seen.append(len(rig.record.read()))
            node.start(ROOT)
        assert seen[-1] < MESSAGES, "the second node was upgraded in the midst of it"

        _ended(rig, made["campaign"]["id"])
        report = one.siaran(ROOT, "report", "campaign", str(made["campaign"]["id"]))
        assert report["counts"]["delivered"] == report["recipients"] == MESSAGES
        assert sum(report["counts"].values()) == MESSAGES
        times = Counter(arrival.destination for arrival in rig.record.read())
        assert len(times) == MESSAGES
        assert set(times.values()) == {1}
        [[stored, distinct]] = rig.sql("SELECT count(*), count(DISTINCT mobile) FROM inbox")
        assert stored == distinct == MESSAGES
        for node in nodes:
            assert not re.search(r"^\S* ?(ERROR|error) ", node.said(), re.MULTILINE), node.said()


def _configuration(rig: Rig, url: str) -> str:
    (port,) = re.findall(r"^port = (\d+)$", rig.configuration.read_text(), re.MULTILINE)
    return (
        '[http]\nlisten = "127.0.0.1:0"\n'
        f'[database]\nurl = "{url}"\n'
        f'[carriers.smsc]\nhost = "127.0.0.1"\nport = {port}\nsystem_id = "siaran"\n'
        f"window = {WINDOW}\n"
    )


def _sent(rig: Rig, count: int) -> Sequence[object]:
    return rig.wait(
        lambda: rig.record.read() if len(rig.record.read()) >= count else None, f"message {count}"
    )


def _ended(rig: Rig, campaign: int) -> None:
    rig.wait(
        lambda: (
            rig.sql("SELECT 1 FROM campaign WHERE id = %s AND state = 'completed'", campaign)
            and rig.sql("SELECT count(DISTINCT mobile) FROM inbox") == [(MESSAGES,)]
            and rig.delivered() == MESSAGES
        ),
        "the campaign's end",
    )
