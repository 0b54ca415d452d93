"""Every key of `siaran.toml` with its default. Nothing is read here.

A default stands here and nowhere else; `example.toml` shows each of them with its reason, and a
test holds the two equal. What an administrator changes daily is not configuration: it lives in the
database (`siaran setting`, `siaran sender`, ...).
"""

import socket
from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct, field

from config.kinds import (
    Address,
    Count,
    Country,
    DatabaseUrl,
    Email,
    Host,
    Listen,
    Name,
    Npi,
    Password,
    Port,
    Prefix,
    Rate,
    ReceiptRequest,
    Seconds,
    Secret,
    SystemId,
    SystemType,
    Times,
    Ton,
    Validity,
    Window,
)


class Database(Struct, frozen=True, kw_only=True):
    """[database]"""

    url: DatabaseUrl | None = None
    """None: one embedded PostgreSQL, shared by all siaran processes of the same home."""


class Node(Struct, frozen=True, kw_only=True):
    """[node]: this engine among those that share the database (R-8.4)."""

    name: Name = field(default_factory=socket.gethostname)


class Http(Struct, frozen=True, kw_only=True):
    """[http]: API, /metrics, /healthz, /readyz. By default only this machine can ask."""

    listen: Listen = "127.0.0.1:8080"

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """0: the system chooses."""
        return int(self.listen.rpartition(":")[2])


class BindMode(StrEnum):
    TRANSCEIVER = "transceiver"
    TRANSMITTER = "transmitter"
    RECEIVER = "receiver"


class Alphabet(StrEnum):
    """What data_coding 0 means at this carrier (R-5.6)."""

    GSM = "gsm"
    LATIN1 = "latin1"
    ASCII = "ascii"


class LongMessages(StrEnum):
    """How a message of several segments is told to be one (R-5.6)."""

    UDH8 = "udh8"
    UDH16 = "udh16"
    SAR = "sar"
    PAYLOAD = "payload"


class ReceiptId(StrEnum):
    """What base the ids in receipts have, compared with those in responses (R-5.6)."""

    AS_IS = "as-is"
    HEX = "hex"
    DECIMAL = "decimal"
    EITHER = "either"


class Binds(Struct, frozen=True, kw_only=True):
    """So many sessions of one mode."""

    mode: BindMode = BindMode.TRANSCEIVER
    count: Times = 1


class Timers(Struct, frozen=True, kw_only=True):
    """[carriers.NAME.timers]: the clocks of a bind. What carriers are seen to want, see R-5.2."""

    enquire_after_s: Seconds = 25.0
    enquire_timeout_s: Seconds = 10.0
    enquire_misses: Times = 2
    response_timeout_s: Seconds = 60.0
    response_timeouts: Times = 3
    connect_timeout_s: Seconds = 10.0
    bind_timeout_s: Seconds = 10.0
    unbind_timeout_s: Seconds = 5.0
    write_timeout_s: Seconds = 30.0
    reconnect_min_s: Seconds = 1.0
    reconnect_max_s: Seconds = 60.0
    after_unbind_s: Seconds = 30.0
    refused_min_s: Seconds = 60.0
    refused_max_s: Seconds = 900.0


class Carrier(Struct, frozen=True, kw_only=True):
    """[carriers.NAME]: an SMSC, and how it wants to be spoken to."""

    name: Name
    host: Host
    port: Port = 2775
    tls: bool = False
    system_id: SystemId
    password: Password = Secret("")
    system_type: SystemType = ""
    binds: tuple[Binds, ...] = (Binds(),)
    window: Window = 10
    rate: Rate = 0.0
    bind_rate: Rate = 0.0
    alphabet: Alphabet = Alphabet.GSM
    long_messages: LongMessages = LongMessages.UDH8
    receipt_id: ReceiptId = ReceiptId.AS_IS
    default_country: Country | None = None
    source_ton: Ton | None = None
    source_npi: Npi | None = None
    dest_ton: Ton = 1
    dest_npi: Npi = 1
    registered_delivery: ReceiptRequest = 1
    validity_s: Validity = 0
    timers: Timers = Timers()

    @property
    def sends(self) -> bool:
        """Whether any of its binds takes messages from us."""
        return any(binds.mode is not BindMode.RECEIVER for binds in self.binds)


class Share(Struct, frozen=True, kw_only=True):
    """A carrier's part in a route: its weight among those of its tier; lower tiers come first."""

    name: Name
    weight: Count = 1
    tier: Times = 1


class Route(Struct, frozen=True, kw_only=True):
    """[[routes]]: which carriers take a message (R-5.5)."""

    prefix: Prefix = ""
    sender: Address | None = None
    application: Name | None = None
    carriers: tuple[Share, ...]


class Smtp(Struct, frozen=True, kw_only=True):
    """[smtp]: where mail goes out."""

    host: Host = "127.0.0.1"
    port: Port = 25
    from_: Email = field(name="from")


DEFAULT_CARRIER: Final = Carrier(name="default", host="127.0.0.1", system_id="siaran")
"""With no carrier configured: where `siaran smsc` listens."""


def catch_all(carriers: tuple[Carrier, ...]) -> tuple[Route, ...]:
    """With no route configured: every number goes to all carriers alike that can send."""
    shares = tuple(Share(name=carrier.name) for carrier in carriers if carrier.sends)
    return (Route(carriers=shares),) if shares else ()


class Settings(Struct, frozen=True, kw_only=True):
    """All of it. `Settings()` is what is in force without a file."""

    database: Database = Database()
    node: Node = field(default_factory=Node)
    http: Http = Http()
    carriers: Annotated[tuple[Carrier, ...], Meta(extra={"keyed": True})] = (DEFAULT_CARRIER,)
    """One table a carrier; the table's key is its name."""

    routes: tuple[Route, ...] = catch_all((DEFAULT_CARRIER,))
    smtp: Smtp | None = None
