"""The units of config/systemd: systemd takes them as they are, and they start what there is to start."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from admin_cli import run
from tests import docs

UNITS: Final = sorted((docs.ROOT / "config/systemd").glob("*.service"))
SIARAN: Final = "/opt/siaran/.venv/bin/siaran"


def analyze() -> str:
    """systemd-analyze, or a reason to skip."""
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("systemd-analyze is not on the PATH")
    return found


def instance(directory: Path, unit: Path) -> Path:
    """The unit as that of a node; of what it starts only that it can be started is looked at."""
    file = directory / unit.name.replace("@.", "@gw1.")
    file.write_text(unit.read_text("utf-8").replace(SIARAN, "/bin/true"))
    return file


def test_there_are_units() -> None:
    assert {"siaran@.service", "siaran-api@.service"} <= {unit.name for unit in UNITS}


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_has_nothing_to_say(unit: Path, tmp_path: Path) -> None:
    """R-9: verified, without a word; and as closed as the embedded database lets it be."""
    program = analyze()
    file = instance(tmp_path, unit)
    verified = subprocess.run(
        [program, "verify", str(file)], capture_output=True, text=True, check=False, timeout=60
    )
    # What is wrong with other units of this machine is not ours.
    about = [line for line in verified.stderr.splitlines() if "siaran" in line or "gw1" in line]
    assert not about
    security = subprocess.run(
        [program, "security", "--offline=true", "--threshold=25", str(file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if "unrecognized option" in security.stderr:
        return  # before systemd 250
    assert security.returncode == 0, security.stdout


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_what_it_starts_is_a_command(unit: Path) -> None:
    """With a role that there is; it tells systemd that it is ready, and is watched."""
    text = unit.read_text("utf-8")
    [words] = re.findall(rf"^ExecStart={SIARAN} run ?(.*)$", text, re.MULTILINE)
    roles = words.split()[1::2]
    assert words.split()[::2] == ["--role"] * len(roles)
    assert set(roles) <= {str(role) for role in run.Role}
    for line in ("Type=notify", "NotifyAccess=main", "Restart=always", "NoNewPrivileges=yes"):
        assert f"\n{line}\n" in text, line
    assert unit.name in docs.README.read_text("utf-8"), "README should say what it is for"
