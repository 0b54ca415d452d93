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

CARRIER: Final = (
    "tls",
    "version",
    "rate",
    "bind_rate",
    "alphabet",
    "ucs2_coding",
    "shift_tables",
    "long_messages",
    "receipt_id",
    "receipts_per",
    "accepted_is_final",
    "plus",
    "default_country",
    "source_ton",
    "source_npi",
    "dest_ton",
    "dest_npi",
    "service_type",
    "priority",
    "registered_delivery",
    "validity_s",
    "tlvs",
    "statuses",
)
ROUTE: Final = ("prefix", "sender", "application")
SHARE: Final = ("weight", "tier")


def faults(settings: Settings) -> Iterator[Fault]:
    """All that `settings` ask for and would not get, in the order of the tables."""
    for carrier in settings.carriers[1:]:
        yield Fault(("carriers", carrier.name), f"a second carrier is {WHY}; keep one")
    for carrier in settings.carriers:
        yield from _changed(carrier, CARRIER, ("carriers", carrier.name))
    for at in range(1, len(settings.routes)):
        yield Fault(("routes", at), f"a second route is {WHY}; keep one")
    for at, route in enumerate(settings.routes):
        yield from _changed(route, ROUTE, ("routes", at))
        for part, share in enumerate(route.carriers):
            yield from _changed(share, SHARE, ("routes", at, "carriers", part))
    if settings.smtp is not None:
        yield Fault(("smtp",), f"mail is {WHY}; leave the table out")


def _changed(table: msgspec.Struct, names: tuple[str, ...], keys: Keys) -> Iterator[Fault]:
    for field in msgspec.structs.fields(table):
        value = getattr(table, field.name)
        if field.name in names and value != field.default:
            shown = None if isinstance(value, tuple | msgspec.Struct) else value
            yield Fault((*keys, field.name), f"{WHY}; leave it out", value=shown)
