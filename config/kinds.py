"""What a value in `siaran.toml` may be: one named type for each kind, with its range.

A kind's `expected` is what an error says to whoever wrote something else.
"""

from typing import Annotated, Any

from msgspec import Meta

from config import statuses


class Secret:
    """A text that no log, error or `repr` shows; `reveal()` is for whoever has to send it (R-8.5).

    >>> Secret("abc")
    Secret(***)
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


def _expected(words: str, **more: Any) -> dict[str, Any]:
    return {"expected": words, **more}


# `text` is what a secret's text has to be; a secret itself can't be measured.
DatabaseUrl = Annotated[
    Secret,
    Meta(
        extra=_expected(
            "postgresql://user@host/database (for the embedded database leave the key out)",
            text=Annotated[str, Meta(pattern=r"\Apostgres(ql)?://\S+\Z")],
        )
    ),
]
Password = Annotated[
    Secret,
    Meta(
        extra=_expected(
            "at most 8 Latin-1 characters (SMPP 3.4 §5.2.2)",
            text=Annotated[str, Meta(pattern=r"\A[\x01-\xff]{0,8}\Z")],
        )
    ),
]

# A name is a metric's label, a row's key and a word on the command line.
Name = Annotated[
    str,
    Meta(
        pattern=r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,62}\Z",
        extra=_expected("a name of letters, digits, `-`, `_` and `.`, at most 63 of them"),
    ),
]
Host = Annotated[str, Meta(pattern=r"\A\S+\Z", extra=_expected("a host name or an IP address"))]
Port = Annotated[int, Meta(ge=1, le=65535, extra=_expected("a port, 1 to 65535"))]
Listen = Annotated[
    str,
    Meta(
        pattern=r"\A(\[[0-9A-Fa-f:.]+\]|[^\s:\[\]]+):"
        r"(6553[0-5]|655[0-2]\d|65[0-4]\d\d|6[0-4]\d{3}|[1-5]\d{4}|\d{1,4})\Z",
        extra=_expected('an address and a port, like "127.0.0.1:8080" or "[::1]:8080"'),
    ),
]
SystemId = Annotated[
    str,
    Meta(
        pattern=r"\A[\x01-\xff]{0,15}\Z",
        extra=_expected("at most 15 Latin-1 characters (SMPP 3.4 §5.2.1)"),
    ),
]
SystemType = Annotated[
    str,
    Meta(
        pattern=r"\A[\x01-\xff]{0,12}\Z",
        extra=_expected("at most 12 Latin-1 characters (SMPP 3.4 §5.2.3)"),
    ),
]
Ton = Annotated[int, Meta(ge=0, le=255, extra=_expected("a type of number, 0 to 255"))]
Npi = Annotated[int, Meta(ge=0, le=255, extra=_expected("a numbering plan, 0 to 255"))]
Rate = Annotated[
    float,
    Meta(ge=0, le=1_000_000, extra=_expected("segments per second, 0 (no limit) to 1000000")),
]
RequestRate = Annotated[
    float,
    Meta(ge=0, le=1_000_000, extra=_expected("requests per second, 0 (no limit) to 1000000")),
]
Connections = Annotated[int, Meta(ge=1, le=100_000, extra=_expected("a whole number, 1 to 100000"))]
Mebibytes = Annotated[
    int, Meta(ge=1, le=65_536, extra=_expected("mebibytes, a whole number from 1 to 65536"))
]
LeaseSeconds = Annotated[float, Meta(ge=1, le=600, extra=_expected("seconds, 1 to 600"))]
Seconds = Annotated[float, Meta(ge=0.01, le=86400, extra=_expected("seconds, 0.01 to 86400"))]
Days = Annotated[float, Meta(ge=0.01, le=30, extra=_expected("days, 0.01 to 30"))]
Times = Annotated[int, Meta(ge=1, le=100, extra=_expected("a whole number, 1 to 100"))]
# Receipts are taken for 3 days, callbacks tried for 5.
KeptDays = Annotated[
    int, Meta(ge=7, le=36_500, extra=_expected("a whole number of days, 7 to 36500"))
]
Window = Annotated[int, Meta(ge=1, le=1000, extra=_expected("a whole number, 1 to 1000"))]
Count = Annotated[int, Meta(ge=1, le=1000, extra=_expected("a whole number, 1 to 1000"))]
ReceiptRequest = Annotated[int, Meta(ge=0, le=31, extra=_expected("0 to 31 (SMPP 3.4 §5.2.17)"))]
Validity = Annotated[
    int, Meta(ge=0, le=31_536_000, extra=_expected("whole seconds, 0 (the SMSC's own) to a year"))
]
Country = Annotated[
    str, Meta(pattern=r"\A[A-Z]{2}\Z", extra=_expected('a country of two capitals, like "NZ"'))
]
Address = Annotated[
    str, Meta(pattern=r"\A[\x01-\xff]{1,20}\Z", extra=_expected("an address of 1 to 20 characters"))
]
Prefix = Annotated[
    str,
    Meta(
        pattern=r"\A(\+[0-9]{1,15})?\Z",
        extra=_expected('a plus and digits, like "+64", or "" for every number'),
    ),
]
# It stands in SMTP's commands; a server need not take what is outside of ASCII (RFC 6531).
Email = Annotated[
    str,
    Meta(
        pattern=r"\A[!#-'*+\-/-9=?A-Z^-~.]+@[A-Za-z0-9.-]+\Z",
        extra=_expected("an e-mail address, in ASCII"),
    ),
]
SmtpPassword = Annotated[
    Secret,
    Meta(
        extra=_expected(
            "a password of printable characters",
            text=Annotated[str, Meta(pattern=r"\A[^\x00-\x1f\x7f]*\Z", max_length=1024)],
        )
    ),
]
SmtpUser = Annotated[
    str,
    Meta(
        pattern=r"\A[^\x00-\x1f\x7f]*\Z",
        max_length=256,
        extra=_expected("a user name of at most 256 printable characters"),
    ),
]

ServiceType = Annotated[
    str,
    Meta(
        pattern=r"\A[\x01-\xff]{0,5}\Z",
        extra=_expected("at most 5 Latin-1 characters (SMPP 3.4 §5.2.11)"),
    ),
]
Priority = Annotated[int, Meta(ge=0, le=3, extra=_expected("0 to 3 (SMPP 3.4 §5.2.14)"))]
DataCoding = Annotated[
    int, Meta(ge=0, le=255, extra=_expected("a data_coding, 1 to 255, or 0: it takes no UCS-2"))
]
TlvTag = Annotated[int, Meta(ge=0, le=0xFFFF, extra=_expected("a tag, 0 to 0xFFFF"))]
TlvText = Annotated[
    str,
    Meta(pattern=r"\A[\x00-\xff]{0,1024}\Z", extra=_expected("at most 1024 Latin-1 characters")),
]
TlvHex = Annotated[
    str,
    Meta(
        pattern=r"\A([0-9A-Fa-f]{2}){0,1024}\Z",
        extra=_expected('pairs of hexadecimal digits, like "00ff"'),
    ),
]
# Looked up from the configuration's directory on.
File = Annotated[str, Meta(min_length=1, extra=_expected("the path of a file", file=True))]
StatusKey = Annotated[
    str,
    Meta(
        pattern=rf"\A(0[xX][0-9A-Fa-f]{{1,8}}|[0-9]{{1,10}}|({statuses.PREFIX})?"
        rf"({'|'.join(statuses.NUMBERS)}))\Z",
        extra=_expected('a command_status: its number, like 0x58, or its name, like "RTHROTTLED"'),
    ),
]
StatusLabel = Annotated[
    str,
    Meta(
        pattern=r"\A[A-Za-z0-9][A-Za-z0-9_ .-]{0,31}\Z",
        extra=_expected("a name of letters, digits, blank, `-`, `_` and `.`, at most 32 of them"),
    ),
]
StatKey = Annotated[
    str,
    Meta(
        pattern=r"\A[!-~]{1,32}\Z",
        extra=_expected("a stat as the carrier writes it, at most 32 characters without blanks"),
    ),
]
ErrKey = Annotated[
    str,
    Meta(
        pattern=r"\A[!-~]{1,16}\Z",
        extra=_expected("an err as the carrier writes it, at most 16 characters without blanks"),
    ),
]
