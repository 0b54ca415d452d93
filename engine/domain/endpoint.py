"""Where callbacks may go, and with which headers: what a person writes, checked (R-7.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final
from urllib.parse import urlsplit

from engine.domain.errors import Refused

__all__ = [
    "KEY_HEADER",
    "SIGNATURE_HEADER",
    "check_headers",
    "check_secret",
    "check_url",
    "is_public",
    "masked",
]

KEY_HEADER: Final = "Idempotency-Key"
"""The same value each time that an event is posted."""

SIGNATURE_HEADER: Final = "X-Siaran-Signature"
"""HMAC-SHA-256 of the body, where an endpoint has a secret for it."""

LONGEST_URL: Final = 2_000
MOST_HEADERS: Final = 20
LONGEST_VALUE: Final = 4_000  # a token of some kind; servers allow 8,000 for all headers together

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}\Z")  # RFC 9110 §5.6.2
_VALUE: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?\Z")
_HOST: Final = re.compile(r"[0-9A-Za-z_]([0-9A-Za-z_-]*[0-9A-Za-z_])?\Z")
_NUMBER: Final = re.compile(r"(0[xX][0-9A-Fa-f]*|[0-9]+)\Z")

OURS: Final = frozenset(
    {
        *("host", "connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade"),
        *("expect", "accept-encoding", KEY_HEADER.lower(), SIGNATURE_HEADER.lower()),
    }
)
"""Headers that belong to the exchange; `Content-…` all do."""

LOCAL_NAMES: Final = ("localhost", "local", "internal", "localdomain", "home.arpa")
"""The last labels of names that nobody outside resolves (RFC 6761, 6762, 8375)."""

_NAT64: Final = IPv6Address("64:ff9b::")  # RFC 6052: an IPv4 address is in the last 32 bits
_6TO4, _TEREDO = 0x2002, 0x2001_0000


def is_public(address: str) -> bool:
    """Whether an IP address is one of the Internet's: none of this machine, of a private network,
    of a group, or of no use. One of IPv4 that is wrapped in IPv6 is judged as what it is.

    >>> is_public("::ffff:127.0.0.1"), is_public("192.0.32.8")
    (False, True)
    """
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address) and (inner := _inner(ip)) is not None:
        ip = inner
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def _inner(ip: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that packets to an IPv6 address may end at."""
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    number = int(ip)
    if number >> 32 == int(_NAT64) >> 32 or (number >> 32 == 0 and number > 1):
        return IPv4Address(number & 0xFFFF_FFFF)
    if number >> 112 == _6TO4:
        return IPv4Address(number >> 80 & 0xFFFF_FFFF)
    if number >> 96 == _TEREDO:
        return IPv4Address(~number & 0xFFFF_FFFF)
    return None


def check_url(what: str, url: str, *, allow_private: bool) -> str:
    """The URL without the blanks round it. Raises Refused where nothing can be posted there.

    `what` names it in the refusal. A name that looks public may still be of a private address; that
    is looked at again when it has been resolved.
    """
    text = url.strip()
    where = f"{what} {text[:LONGEST_URL]!a}"
    if not text.isascii() or not text.isprintable() or " " in text:
        raise Refused(
            f"{where}: only ASCII without blanks; write a name as xn--…, other characters as %XX"
        )
    if len(text) > LONGEST_URL:
        raise Refused(
            f"{what} {text[:60]}…: {len(text):,} characters; at most {LONGEST_URL:,} are allowed"
        )
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise Refused(f"{where}: it is no URL; write it like https://api.example.com/sms") from None
    if parts.scheme not in ("https", "http") or not host:
        raise Refused(f"{where}: write it whole, like https://api.example.com/sms")
    if parts.username is not None or parts.password is not None:
        # Not shown: it has a password in it.
        raise Refused(
            f"{what} to {host}: it has a user in it; leave that out, and give"
            " --header 'Authorization=Basic …' instead"
        )
    if parts.fragment or "#" in text:
        raise Refused(f"{where}: leave out what follows #; it is never sent")
    if port == 0:
        raise Refused(f"{where}: there is no port 0")
    _check_host(where, host, in_brackets="[" in parts.netloc, allow_private=allow_private)
    return text


def _check_host(where: str, host: str, *, in_brackets: bool, allow_private: bool) -> None:
    try:
        address: str | None = str(ip_address(host.partition("%")[0]))
    except ValueError:
        address = None
    if address is None:
        labels = host.removesuffix(".").split(".")
        if in_brackets or len(host) > 253 or not all(map(_HOST.match, labels)):
            raise Refused(f"{where}: {host!a} is no name of a host; correct it")
        if _NUMBER.match(labels[-1]):
            raise Refused(f"{where}: {host!a} is no address; write four numbers, like 192.0.2.1")
    if allow_private:
        return
    if address is not None:
        private = not is_public(address)
    else:
        name = f".{host.removesuffix('.').lower()}"
        private = any(name.endswith(f".{last}") for last in LOCAL_NAMES)
    if private:
        raise Refused(
            f"{where}: {host} is this machine or a private network; allow_private = true under"
            " [callbacks] in siaran.toml allows that"
        )


def masked(url: str) -> str:
    """The URL as it is shown and logged: without what its query says, which may be a secret.

    >>> masked("https://api.example.com/sms?key=hush&v=2")
    'https://api.example.com/sms?key=…&v=…'
    """
    address, mark, query = url.partition("?")
    names = [part.partition("=") for part in query.split("&")] if query else []
    shown = "&".join(f"{name}=…" if equals else "…" for name, equals, _ in names)
    return f"{address}{mark}{shown}"


def check_secret(what: str, text: str, *, least: int = 1) -> str:
    """A secret out of a file, without the line break after it. Raises Refused, never showing it."""
    secret = text.removesuffix("\n").removesuffix("\r")
    if len(secret) < least:
        asked = "it is empty" if least == 1 else f"{len(secret)} characters"
        raise Refused(f"{what}: {asked}; at least {least} are needed")
    if len(secret) > LONGEST_VALUE:
        raise Refused(f"{what}: {len(secret):,} characters; at most {LONGEST_VALUE:,} are allowed")
    if not secret.isprintable():
        raise Refused(
            f"{what}: it has a line break or another control character; give a file of one line"
        )
    return secret


def check_headers(pairs: Iterable[str], *, oauth: bool) -> dict[str, str]:
    """The fixed headers of an endpoint, each given as `Name=value`. Raises Refused for a bad one.

    A refusal never shows a value: it may be a secret.
    """
    headers: dict[str, str] = {}
    seen: set[str] = set()
    for pair in pairs:
        name, equals, value = pair.partition("=")
        name, value = name.strip(" \t"), value.strip(" \t")
        if not equals:
            raise Refused("header: write it as Name=value, like X-Api-Key=abc")
        if not _TOKEN.match(name):
            raise Refused(
                f"header {name[:60]!a}: no name of a header; letters, digits and - are allowed"
            )
        low = name.lower()
        if low in OURS or low.startswith("content-"):
            raise Refused(f"header {name}: it is set by the exchange itself; leave it out")
        if low == "authorization" and oauth:
            raise Refused(f"header {name}: OAuth 2 sets it; leave out one of the two")
        if low in seen:
            raise Refused(f"header {name}: given twice; leave out one")
        if not _VALUE.match(value):
            raise Refused(
                f"header {name}: the value is empty, or has a line break or a character outside of"
                " ASCII; correct it"
            )
        if len(value) > LONGEST_VALUE:
            raise Refused(
                f"header {name}: the value has {len(value):,} characters; at most {LONGEST_VALUE:,}"
            )
        seen.add(low)
        headers[name] = value
    if len(headers) > MOST_HEADERS:
        raise Refused(f"{len(headers)} headers; at most {MOST_HEADERS} are allowed")
    return headers
