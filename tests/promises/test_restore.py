"""An engine on a database that was restored from a backup: nothing goes out twice (R-8.2, R-9.4)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.promises.harness import SMALL
from tests.rig import PATIENCE_S, Rig


def tool(rig: Rig, *words: str) -> None:
    """`siaran db tool …`"""
    command = [sys.executable, "-m", "admin_cli", "db", "tool", *words]
    subprocess.run(command, env=rig.environment(), check=True, timeout=PATIENCE_S)


@pytest.mark.long
def test_an_engine_on_a_restored_database_sends_nothing_by_itself(
    ready_made: Path, tmp_path: Path
) -> None:
    """The backup is made amid a campaign, which ends; counts are those of the backup, and stay."""
    dump = str(tmp_path / "siaran.dump")
    with Rig.open(postgres=SMALL, like=ready_made) as rig:
        rig.start_smsc(record=False, latency_ms=10, receipt_after_ms=10)
        rig.start_engine()
        first = rig.campaign(40)
        rig.wait(lambda: rig.delivered() == 40, "the first campaign")
        known = rig.report(first)["counts"]
        second = rig.campaign(2_500)
        rig.wait(lambda: rig.launched() > 100, "some of the second")
        tool(rig, "pg_dump", "-Fc", "-f", dump)
        rig.wait(lambda: rig.delivered() == 2_540, "the second campaign")
    with Rig.open(postgres=SMALL, like=ready_made) as rig:
        tool(rig, "pg_restore", "-d", "postgres", "--clean", "--if-exists", "--create", "-e", dump)
        rig.sql("UPDATE node SET lease_until = now()")  # else it is waited for
        held = rig.siaran("db", "restored")
        assert held["campaigns"] == [second]
        rig.start_smsc(record=False)
        rig.start_engine()
        rig.pass_time(60)  # what is uncertain has had its time
        rig.siaran("message", "send", "+64211234567", "Are you there?")
        rig.wait(lambda: rig.counters()["accepted"] > 0, "what was sent since")
        assert rig.counters()["accepted"] == 1
        assert rig.report(first)["counts"] == known
        found = rig.report(second)
        assert found["state"] == "paused"
        assert sum(found["counts"].values()) == 2_500
        assert found["counts"]["launched"] == 0
