"""What the file may say, and this version can't do yet: said aloud rather than ignored.

Such keys are read and checked like all others; then whatever differs from the default is refused
here, and only here. A feature that comes takes its line away.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from config.settings import Settings
from config.tables import Fault, Keys

WHY: Final = "not supported yet by this version"

CARRIER: Final[tuple[str, ...]] = ()


def faults(settings: Settings) -> Iterator[Fault]:
    """All that `settings` ask for and would not get, in the order of the tables."""
    for carrier in settings.carriers:
        yield from _changed(carrier, CARRIER, ("carriers", carrier.name))


def _changed(table: msgspec.Struct, names: tuple[str, ...], keys: Keys) -> Iterator[Fault]:
    for field in msgspec.structs.fields(table):
        value = getattr(table, field.name)
        if field.name in names and value != field.default:
            shown = None if isinstance(value, tuple | msgspec.Struct) else value
            yield Fault((*keys, field.name), f"{WHY}; leave it out", value=shown)
