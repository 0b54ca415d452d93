"""Every key of `siaran.toml` with its default. Nothing is read here.

A default stands here and nowhere else; `example.toml` shows each of them with its reason, and a
test holds the two equal. What an administrator changes daily is not configuration: it lives in the
database (`siaran setting`, `siaran sender`, ...).
"""

import socket
from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct, field
from msgspec.structs import replace

from config import statuses
from config.kinds import (
    Address,
    Connections,
    Count,
    Country,
    DatabaseUrl,
    DataCoding,
    Days,
    Email,
    ErrKey,
    File,
    Host,
    KeptDays,
    LeaseSeconds,
    Listen,
    Mebibytes,
    Name,
    Npi,
    Password,
    Port,
    Prefix,
    Priority,
    Rate,
    ReceiptRequest,
    RequestRate,
    Seconds,
    Secret,
    ServiceType,
    SmtpPassword,
    SmtpUser,
    StatKey,
    StatusKey,
    StatusLabel,
    SystemId,
    SystemType,
    Times,
    TlvHex,
    TlvTag,
    TlvText,
    Ton,
    Validity,
    Window,
)


class Database(Struct, frozen=True, kw_only=True):
    """[database]"""

    url: DatabaseUrl | None = None
    """None: one embedded PostgreSQL, shared by all siaran processes of the same home."""
    listen_url: DatabaseUrl | None = None
    """The server itself, for LISTEN, when `url` is a pooler's."""


class Node(Struct, frozen=True, kw_only=True):
    """[node]: this engine among those that share the database (R-8.4)."""

    name: Name = field(default_factory=socket.gethostname)
    lease_s: LeaseSeconds = 10.0


class Http(Struct, frozen=True, kw_only=True):
    """[http]: API, /metrics, /healthz, /readyz. By default only this machine can ask."""

    listen: Listen = "127.0.0.1:8080"
    tls_certificate: File | None = None
    """None: without TLS."""
    tls_key: File | None = None
    """None: it is in the certificate's file."""
    connections: Connections = 500
    user_rate: RequestRate = 2000.0
    json_limit_mib: Mebibytes = 8
    csv_limit_mib: Mebibytes = 512

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """0: the system chooses."""
        return int(self.listen.rpartition(":")[2])


class Retention(Struct, frozen=True, kw_only=True):
    """[retention]: how long rows of messages and of the inbox are kept (R-9.3)."""

    days: KeptDays = 400


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


class ReceiptsPer(StrEnum):
    """What one receipt is about (R-5.8)."""

    SEGMENT = "segment"
    MESSAGE = "message"


class ShiftTable(StrEnum):
    """A language whose characters fit into 7 bits by a table of its own (3GPP 23.038 annex A)."""

    TURKISH = "turkish"
    SPANISH = "spanish"


class Version(StrEnum):
    """The SMPP that we say we speak (SMPP 3.4 §5.2.4)."""

    V33 = "3.3"
    V34 = "3.4"
    V50 = "5.0"

    @property
    def number(self) -> int:
        """interface_version: `0x34`."""
        return int(self.replace(".", ""), 16)


class StatusPolicy(StrEnum):
    """What follows from a command_status (R-5.7)."""

    ACCEPTED = "accepted"
    RETRY = "retry"
    RETRY_ONCE = "retry_once"
    THROTTLE = "throttle"
    QUEUE_FULL = "queue_full"
    FAIL = "fail"
    FAIL_PDU = "fail_pdu"
    FAIL_BIND = "fail_bind"
    FAIL_CAMPAIGN = "fail_campaign"
    FAIL_TLV = "fail_tlv"
    REJECT = "reject"
    REBIND = "rebind"


class Status(Struct, frozen=True, kw_only=True):
    """One key of [carriers.NAME.statuses]: what this carrier means by a command_status (R-5.7)."""

    name: StatusKey
    policy: StatusPolicy
    label: StatusLabel | None = None
    alert: bool | None = None
    """None: as usual for that command_status."""

    @property
    def number(self) -> int:
        return statuses.number(self.name)


class ReceiptState(StrEnum):
    """What a receipt can say (SMPP 3.4 §5.2.28, and SKIPPED of 5.0)."""

    SCHEDULED = "scheduled"
    ENROUTE = "enroute"
    DELIVERED = "delivered"
    EXPIRED = "expired"
    DELETED = "deleted"
    UNDELIVERABLE = "undeliverable"
    ACCEPTED = "accepted"
    UNKNOWN = "unknown"
    REJECTED = "rejected"
    SKIPPED = "skipped"


class Stat(Struct, frozen=True, kw_only=True):
    """One key of [carriers.NAME.stats]: what this carrier means by the `stat` of a receipt (R-5.8)."""

    name: StatKey
    state: ReceiptState


class Err(Struct, frozen=True, kw_only=True):
    """One key of [carriers.NAME.errs]: what this carrier means by the `err` of a receipt (R-5.8)."""

    name: ErrKey
    label: StatusLabel
    state: ReceiptState | None = None
    """In place of what `stat` says, unless that is DELIVRD."""


class Tls(Struct, frozen=True, kw_only=True):
    """[carriers.NAME.tls]; `tls = true` is this table with nothing in it (R-5.1)."""

    ca_file: File | None = None
    certificate: File | None = None
    key: File | None = None
    server_name: Host | None = None
    verify: bool = True


class Tlv(Struct, frozen=True, kw_only=True):
    """An optional parameter that each submit_sm gets; its value is one of the two."""

    tag: TlvTag
    text: TlvText | None = None
    hex: TlvHex | None = None

    @property
    def value(self) -> bytes:
        return bytes.fromhex(self.hex or "") + (self.text or "").encode("latin-1")


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
    tls: Annotated[Tls | None, Meta(extra={"switch": True})] = None
    version: Version = Version.V34
    system_id: SystemId
    password: Password = Secret("")
    system_type: SystemType = ""
    binds: tuple[Binds, ...] = (Binds(),)
    window: Window = 10
    rate: Rate = 0.0
    bind_rate: Rate = 0.0
    alphabet: Alphabet = Alphabet.GSM
    ucs2_coding: DataCoding = 8
    shift_tables: tuple[ShiftTable, ...] = ()
    long_messages: LongMessages = LongMessages.UDH8
    receipt_id: ReceiptId = ReceiptId.AS_IS
    receipts_per: ReceiptsPer = ReceiptsPer.SEGMENT
    accepted_is_final: bool = False
    plus: bool = False
    default_country: Country | None = None
    source_ton: Ton | None = None
    source_npi: Npi | None = None
    dest_ton: Ton = 1
    dest_npi: Npi = 1
    service_type: ServiceType = ""
    priority: Priority = 0
    registered_delivery: ReceiptRequest = 1
    validity_s: Validity = 0
    tlvs: tuple[Tlv, ...] = ()
    timers: Timers = Timers()
    statuses: Annotated[tuple[Status, ...], Meta(extra={"keyed": True, "short": "policy"})] = ()
    stats: Annotated[tuple[Stat, ...], Meta(extra={"keyed": True, "short": "state"})] = ()
    errs: Annotated[tuple[Err, ...], Meta(extra={"keyed": True, "short": "label"})] = ()

    @property
    def sends(self) -> bool:
        """Whether any of its binds takes messages from us."""
        return any(binds.mode is not BindMode.RECEIVER for binds in self.binds)

    @property
    def without_rates(self) -> "Carrier":
        """All of it but what can change under a session that goes on."""
        return replace(self, rate=0.0, bind_rate=0.0)


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
    masks: bool = True
    """False: no messages from alphanumeric senders (R-2.6)."""
    carriers: tuple[Share, ...]


class MailTls(StrEnum):
    """How a connection to the mail server is encrypted: not at all, after STARTTLS, from the start."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


class Smtp(Struct, frozen=True, kw_only=True):
    """[smtp]: where mail goes out, and from whom (R-6.8)."""

    host: Host = "127.0.0.1"
    port: Port = 25
    from_: Email = field(name="from")
    tls: MailTls = MailTls.NONE
    ca_file: File | None = None
    username: SmtpUser = ""
    password: SmtpPassword = Secret("")


class Callbacks(Struct, frozen=True, kw_only=True):
    """[callbacks]: to what addresses, and how long, applications are told (R-7.4)."""

    allow_private: bool = False
    first_gap_s: Seconds = 300.0
    most_gap_s: Seconds = 21600.0
    give_up_after_days: Days = 5.0


class LogFormat(StrEnum):
    """What a line of the log is."""

    TEXT = "text"
    LOGFMT = "logfmt"
    JSON = "json"


class LogLevel(StrEnum):
    """From which level on something is in the log."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Log(Struct, frozen=True, kw_only=True):
    """[log]: what is written to standard error (R-9.1)."""

    format: LogFormat = LogFormat.TEXT
    level: LogLevel = LogLevel.INFO
    show_mobiles: bool = False


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
    retention: Retention = Retention()
    carriers: Annotated[tuple[Carrier, ...], Meta(extra={"keyed": True})] = (DEFAULT_CARRIER,)
    """One table a carrier; the table's key is its name."""

    routes: tuple[Route, ...] = catch_all((DEFAULT_CARRIER,))
    smtp: Smtp | None = None
    callbacks: Callbacks = Callbacks()
    log: Log = Log()
