"""`config/example.toml` is the reference of all keys, and can't drift from the code."""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import msgspec
import pytest

from config import settings
from config.load import ConfigError, load
from config.settings import Carrier, Settings
from config.tables import Outside, read
from smpp.timers import Timing

EXAMPLE = Path(settings.__file__).with_name("example.toml")
TEXT = EXAMPLE.read_text("utf-8")
KEY = re.compile(r"#(?=[^\s#])")
NOWHERE = Outside(environ={}, directory=EXAMPLE.parent)


def uncommented(*, without: str = "(?!)") -> str:
    """The text with every key in force but those whose line has `without` in it."""
    lines = [
        KEY.sub("", line, count=1) for line in TEXT.splitlines() if not re.search(without, line)
    ]
    return "\n".join(lines)


def written() -> dict[str, Any]:
    """All that the example says, secrets by their first way only (the others stand beside it)."""
    return tomllib.loads(uncommented(without="instead of"))


def keys_of(kind: Any) -> set[str]:
    """The dotted names of all keys of a kind; a list's or a carrier's name is not one of them."""
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    found = set()
    for part in (kind, *get_args(kind)):
        if isinstance(part, type) and issubclass(part, msgspec.Struct):
            for field in msgspec.structs.fields(part):
                below = keys_of(field.type)
                found |= {f"{field.encode_name}.{key}" for key in below} or {field.encode_name}
        elif part is not kind:
            found |= keys_of(part)
    return found


def keys_in(document: Any) -> set[str]:
    if isinstance(document, list):
        return set().union(*map(keys_in, document))
    if not isinstance(document, dict):
        return set()
    found = set()
    for key, value in document.items():
        below = keys_in(value)
        found |= {f"{key}.{name}" for name in below} or {key}
    return found


def test_as_it_stands_it_is_the_defaults() -> None:
    assert load(EXAMPLE, {}) == Settings()


def test_it_has_every_key_and_no_other() -> None:
    document = written()
    carrier = document["carriers"] = document["carriers"]["tui"]
    for table in ("statuses", "stats", "errs"):
        carrier[table] = list(carrier[table].values())
    assert keys_in(document) == keys_of(Settings) - {
        "carriers.name",
        *(f"carriers.{table}.name" for table in ("statuses", "stats", "errs")),
    }


def examples() -> set[str]:
    """The dotted names of the keys whose line says that it is an example."""
    found, table = set(), ""
    for line in uncommented().splitlines():
        if head := re.match(r"\[+([\w.]+)\]", line):
            table = head[1].replace("carriers.tui", "carriers")
        elif "# example" in line:
            found.add(f"{table}.{line.split()[0]}")
    return found


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        (settings.Database, "database"),
        (settings.Node, "node"),
        (settings.Http, "http"),
        (Carrier, "carriers"),
        (settings.Tls, "carriers.tls"),
        (settings.Timers, "carriers.timers"),
        (settings.Route, "routes"),
        (settings.Smtp, "smtp"),
        (settings.Callbacks, "callbacks"),
    ],
)
def test_a_key_shows_its_default_or_says_that_it_is_an_example(
    kind: type[msgspec.Struct], table: str
) -> None:
    shown: Any = read(tomllib.loads(uncommented(without="instead of")), Settings, (), NOWHERE)
    for key in table.split("."):
        shown = getattr(shown, key)
        shown = shown[0] if isinstance(shown, tuple) else shown
    for field in msgspec.structs.fields(kind):
        if (kind, field.name) == (Carrier, "name"):
            continue  # the table's own key
        same = getattr(shown, field.name) == field.default
        key = f"{table}.{field.encode_name}"
        example = any(f"{one}.".startswith(f"{key}.") for one in examples())
        assert same != example, field.name


@pytest.mark.parametrize("way", ["url_env", "url_file", "password_env", "password_file"])
def test_the_other_ways_of_a_secret_are_keys(way: str, tmp_path: Path) -> None:
    """Each is known: what is refused is that the variable or the file isn't there."""
    kept = rf"#({way} |host = \"smsc|system_id |\[database|\[carriers\.tui\])"
    path = tmp_path / "siaran.toml"
    before, _, _ = TEXT.partition("#[smtp]")  # which has a password, too
    path.write_text(
        "\n".join(KEY.sub("", line) for line in before.splitlines() if re.match(kept, line))
    )
    with pytest.raises(ConfigError, match=rf"{way}: the (environment|file)"):
        load(path, {})


def test_a_bind_has_the_clocks_of_a_session() -> None:
    """The same names and the same defaults, so that a session takes them as they are."""
    timers, timing = settings.Timers(), Timing()
    shared = set(Timing.__slots__) & {f.name for f in msgspec.structs.fields(timers)}
    assert shared == set(Timing.__slots__) - {"session_init_s"}  # that one is an SMSC's
    assert {name: getattr(timers, name) for name in shared} == {
        name: getattr(timing, name) for name in shared
    }
