"""PostgreSQL's programs where the account that runs them can't read the wheel's (design 17)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from engine.store import cluster
from engine.store.cluster import Account, Programs


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has PostgreSQL run as somebody else")
def test_a_copy_has_all_that_the_programs_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkout below a closed /root: the wheel has bundled libraries, which initdb needs."""
    wheel, version = cluster._wheel(), cluster._version
    monkeypatch.setattr(cluster, "PROGRAMS_COPY", tmp_path / "programs")
    monkeypatch.setattr(
        cluster, "_version", lambda root, who: None if root == wheel else version(root, who)
    )
    account = Account(uid=os.geteuid(), gid=os.getegid())
    programs = Programs.for_account(account)
    assert programs.root.is_relative_to(tmp_path)
    for program in ("initdb", "postgres"):
        command = [programs.path(program), "--version"]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        assert said.stdout.endswith(f" (PostgreSQL) {programs.version}\n"), said.stderr
    assert Programs.for_account(account) == programs


@pytest.mark.parametrize(
    ("memory", "buffers"), [(512, 256), (2_048, 256), (24_000, 1_500), (262_144, 4_096)]
)
def test_pages_get_a_sixteenth_of_the_memory_within_bounds(memory: int, buffers: int) -> None:
    """A small machine can give the least, and a large one has other things to do."""
    assert f"shared_buffers = {buffers}MB\n" in cluster.settings(memory)


def test_a_container_has_what_it_may_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what its machine has; "max" is no limit."""
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(cluster, "MEMORY_LIMIT", limit)
    machine = cluster.memory_mib()
    limit.write_text(f"{64 << 20}\n")
    assert cluster.memory_mib() == 64 < machine
    limit.write_text("max\n")
    assert cluster.memory_mib() == machine
