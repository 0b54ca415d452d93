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
