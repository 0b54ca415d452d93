"""What one check of `siaran check` found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from admin_cli.main import DONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found: that all is well (`exit` 0), or what is wrong and what to do."""

    what: str  # configuration, node, http, machine, database, replication, carrier, mail
    name: str | None = None  # the carrier's
    exit: int = DONE
    says: str
    warns: bool = False
    """It would run, but probably not as is wanted."""

    @property
    def ok(self) -> bool:
        return self.exit == DONE


Tell = Callable[[Finding], None]
