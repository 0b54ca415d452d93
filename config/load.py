"""`siaran.toml` and the environment become settings, or one line that says what to correct.

siaran.toml, line 12: carriers.tui.window = 2000: expected a whole number, 1 to 1000
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from config.lines import line_of
from config.settings import (
    Alphabet,
    Carrier,
    Http,
    LongMessages,
    MailTls,
    Route,
    Settings,
    Smtp,
    Tls,
    Version,
    catch_all,
)
from config.tables import Fault, Keys, Outside, meant, read

LARGEST: Final = 1 << 20
"""Octets. A file of 1,000 carriers has a quarter of it; what is larger is some other file."""


class ConfigError(Exception):
    """The configuration can't be used: one line with file, line, key, value and what was expected.

    It never has a secret in it. Exit code 2 at the command line.
    """


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings in the file at `path`, else at `SIARAN_CONFIG`, else the defaults.

    Raises `ConfigError`.
    """
    if path is None:
        if not environ.get("SIARAN_CONFIG"):
            return Settings()
        path = Path(environ["SIARAN_CONFIG"])
    text = _text(path)
    document = _document(path, text)
    try:
        settings = read(document, Settings, (), Outside(environ=environ, directory=path.parent))
        if "routes" not in document:
            settings = replace(settings, routes=catch_all(settings.carriers))
        for fault in _contradictions(settings):
            raise fault
    except Fault as fault:
        line = line_of(text, fault.keys)
        raise ConfigError(f"{path}{f', line {line}' if line else ''}: {fault}") from None
    return settings


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            octets = file.read(LARGEST + 1)
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from None
    if len(octets) > LARGEST:
        raise ConfigError(f"{path}: larger than {LARGEST} octets; this is not a configuration")
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}, line {line}: not UTF-8; save the file as UTF-8") from None


def _document(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ConfigError(f"{path}: not TOML: nested too deeply") from None
    except ValueError as error:  # a TOMLDecodeError, or a number of thousands of digits
        where = re.search(r" \(at (line \d+, column \d+|end of document)\)$", str(error))
        if where is None:
            raise ConfigError(f"{path}: not TOML: {error}") from None
        why = str(error)[: where.start()]
        raise ConfigError(f"{path}, {where[1]}: not TOML: {why[0].lower()}{why[1:]}") from None


def _contradictions(settings: Settings) -> Iterator[Fault]:
    """What each key for itself allows, and all together don't."""
    seen: dict[str, str] = {}
    for carrier in settings.carriers:
        other = seen.setdefault(carrier.name.casefold(), carrier.name)
        if other != carrier.name:
            yield Fault(("carriers", carrier.name), f"differs from carriers.{other} in case only")
        yield from _carrier(carrier)
    yield from _http(settings.http)
    if settings.smtp is not None:
        yield from _smtp(settings.smtp)
    if (first := settings.callbacks.first_gap_s) > (most := settings.callbacks.most_gap_s):
        why = f"is more than most_gap_s, which is {most}"
        yield Fault(("callbacks", "first_gap_s"), why, value=first)
    ways: set[tuple[str, str | None, str | None, bool]] = set()
    for at, route in enumerate(settings.routes):
        way = (route.prefix, route.sender, route.application, route.masks)
        if way in ways:
            yield Fault(("routes", at), "a route of the same prefix, sender and application exists")
        ways.add(way)
        yield from _route(route, at, {carrier.name: carrier for carrier in settings.carriers})


def _carrier(carrier: Carrier) -> Iterator[Fault]:
    keys = ("carriers", carrier.name)
    modes = [binds.mode for binds in carrier.binds]
    for at, mode in enumerate(modes):
        if mode in modes[:at]:
            yield Fault(
                (*keys, "binds", at, "mode"), "is there already; add up the counts", value=mode
            )
    for name in ("reconnect", "refused"):
        least, most = (getattr(carrier.timers, f"{name}_{end}_s") for end in ("min", "max"))
        if least > most:
            why = f"is more than {name}_max_s, which is {most}"
            yield Fault((*keys, "timers", f"{name}_min_s"), why, value=least)

    yield from _profile(carrier, keys)
    if carrier.tls is not None:
        yield from _tls(carrier.tls, (*keys, "tls"))
    numbers: dict[int, str] = {}
    for status in carrier.statuses:
        other = numbers.setdefault(status.number, status.name)
        if other != status.name:
            yield Fault((*keys, "statuses", status.name), f"is {other}, which is there already")
        if not status.number:
            yield Fault((*keys, "statuses", status.name), "is success; it can't mean anything else")


# SMPP 3.4 §5.3.2: parameters that say how a message is cut, or hold it.
OURS: Final = frozenset({0x020C, 0x020E, 0x020F, 0x0424})


def _profile(carrier: Carrier, keys: Keys) -> Iterator[Fault]:
    """How a carrier wants its texts."""
    if carrier.shift_tables and carrier.alphabet is not Alphabet.GSM:
        why = f"shift tables go with gsm; the alphabet is {carrier.alphabet}"
        yield Fault((*keys, "shift_tables"), why)
    if carrier.version is Version.V33:
        why = "is a matter of optional parameters, which SMPP 3.3 has not"
        if carrier.long_messages in (LongMessages.SAR, LongMessages.PAYLOAD):
            yield Fault((*keys, "long_messages"), why, value=carrier.long_messages)
        if carrier.tlvs:
            yield Fault((*keys, "tlvs"), why)
    for at, tlv in enumerate(carrier.tlvs):
        if (tlv.text is None) is (tlv.hex is None):
            yield Fault((*keys, "tlvs", at), "expected a value: either text or hex")
        if tlv.tag in OURS:
            why = f"0x{tlv.tag:04X} is set by long_messages; leave it out"
            yield Fault((*keys, "tlvs", at, "tag"), why)


def _http(http: Http) -> Iterator[Fault]:
    yield from _readable(http, ("http",), "tls_certificate", "tls_key")
    if http.tls_key is not None and http.tls_certificate is None:
        yield Fault(("http", "tls_key"), "a key without its certificate; name that, too")


def _readable(table: Http | Tls, keys: Keys, *names: str) -> Iterator[Fault]:
    """Files that are named and can't be read."""
    for name in names:
        file = getattr(table, name)
        if file is not None:
            try:
                Path(file).open("rb").close()
            except OSError as error:
                why = f"the file can't be read: {error.strerror}"
                yield Fault((*keys, name), why, value=file)


def _tls(tls: Tls, keys: Keys) -> Iterator[Fault]:
    yield from _readable(tls, keys, "ca_file", "certificate", "key")
    if tls.key is not None and tls.certificate is None:
        yield Fault((*keys, "key"), "a key without its certificate; name that, too")
    if tls.ca_file is not None and not tls.verify:
        yield Fault((*keys, "ca_file"), "has no use with verify = false; leave one of the two out")


def _smtp(smtp: Smtp) -> Iterator[Fault]:
    if smtp.ca_file is not None:
        try:
            Path(smtp.ca_file).open("rb").close()
        except OSError as error:
            why = f"the file can't be read: {error.strerror}"
            yield Fault(("smtp", "ca_file"), why, value=smtp.ca_file)
        if smtp.tls is MailTls.NONE:
            yield Fault(
                ("smtp", "ca_file"), 'has no use with tls = "none"; set tls, or leave it out'
            )
    if bool(smtp.username) is not bool(smtp.password.reveal()):
        missing = "password" if smtp.username else "username"
        yield Fault(("smtp",), f"there is no {missing}; give username and password, or neither")


def _route(route: Route, at: int, carriers: Mapping[str, Carrier]) -> Iterator[Fault]:
    if not route.masks and route.sender and not route.sender.removeprefix("+").isdecimal():
        why = f'is for the sender "{route.sender}", which is a mask: nothing would take it'
        yield Fault(("routes", at, "masks"), why, value=False)
    names = [share.name for share in route.carriers]
    for part, name in enumerate(names):
        keys = ("routes", at, "carriers", part, "name")
        if name not in carriers:
            yield Fault(keys, f"no such carrier; {meant(name, carriers)}", value=name)
        elif name in names[:part]:
            yield Fault(keys, "is in this route already", value=name)
        elif not carriers[name].sends:
            yield Fault(keys, "has receivers only; a route needs a bind that sends", value=name)
