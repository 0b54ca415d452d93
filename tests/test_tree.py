"""What may stand in the tree: everything pinned, and nothing that belongs to one machine."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement

ROOT: Final = Path(__file__).parent.parent


def test_everything_declared_is_pinned() -> None:
    lines = (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    table = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    project, build = table["project"], table["build-system"]
    for line in (
        *project["dependencies"],
        *project["optional-dependencies"]["dev"],
        *build["requires"],
    ):
        requirement = Requirement(line)
        pin = pins.get(requirement.name)
        assert pin, f"{requirement.name} is not in requirements.lock"
        assert requirement.specifier.contains(pin), (
            f"requirements.lock has {requirement.name}=={pin}"
        )


# Built from parts, because this file is looked at, too.
FORBIDDEN: Final = {
    r"(?<![\w.~])/(" + "|".join(("tmp", "root", "work")) + r")/\w": "a path of some machine",
    r"\b("
    + "|".join(("pypi", "pythonhosted", "piwheels"))
    + r")\.(org|com)\b": "a registry's host",
}


def test_no_file_holds_what_belongs_to_one_machine() -> None:
    """Whoever clones this has other paths and another package index; and no tabs in Python."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout: nothing says which files belong to it")
    found = []
    for name in filter(None, listed.stdout.decode().split("\0")):
        if not (ROOT / name).is_file():
            continue  # deleted, and not committed yet
        text = (ROOT / name).read_text("utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            found += [
                f"{name}:{number}: {why}"
                for what, why in FORBIDDEN.items()
                if re.search(what, line)
            ]
            if name.endswith(".py") and "\t" in line:
                found.append(f"{name}:{number}: a tab")
    assert not found, "\n".join(found)
