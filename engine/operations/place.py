"""What an engine finds where it is to run: its home, room on the disk, and another one of its name."""

from __future__ import annotations

import fcntl
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from engine.store import embedded


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """`running`: a node of that name runs on this machine; None: it can't be seen from this account.

    `free` and `size` are octets of the file system that the home is on, or would be.
    """

    home: Path
    writable: bool
    free: int
    size: int
    running: bool | None


def place(node: str) -> Place:
    """Looks at it; nothing is made, or taken from the engine that may run there."""
    home = embedded.default_home()
    there = next(path for path in (home, *home.parents) if path.exists())
    usage = shutil.disk_usage(there)
    return Place(
        home=home,
        writable=there.is_dir() and os.access(there, os.W_OK | os.X_OK),
        free=usage.free,
        size=usage.total,
        running=_held(lock_of(home, node)),
    )


def lock_of(home: Path, node: str) -> Path:
    """The file that a running node holds."""
    return home / f"node-{node}.lock"


def _held(file: Path) -> bool | None:
    try:
        handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
