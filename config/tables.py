"""From a TOML table to its settings: strict types, known keys, secrets fetched from where they are.

The first thing that is wrong is a `Fault`, which knows its key; `load` adds the file and the line.
"""

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, TypeGuard, TypeVar, get_args, get_origin

import msgspec

from config.kinds import Secret

T = TypeVar("T", bound=msgspec.Struct)
Keys = tuple[str | int, ...]
"""The way to a key from the top of the document."""

LONGEST = 60  # characters of a value that an error shows; more of it helps nobody


class Fault(Exception):
    """Something is wrong at `keys`. Its text never has a secret in it."""

    def __init__(self, keys: Keys, why: str, *, value: object = None) -> None:
        self.keys = keys
        super().__init__(f"{dotted(keys)}{_shown(value)}: {why}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """Where secrets may come from instead: the environment; files, beside the configuration."""

    environ: Mapping[str, str]
    directory: Path


def read(table: object, kind: type[T], keys: Keys, outside: Outside, **given: object) -> T:
    """The settings of `kind` that `table` says, with defaults for the rest. Raises `Fault`.

    `given` are fields that the table can't name, as its own key does.
    """
    if not isinstance(table, dict):
        raise Fault(keys, "expected a table")
    fields = {f.encode_name: f for f in msgspec.structs.fields(kind) if f.name not in given}
    secrets = [name for name, f in fields.items() if _apart(f.type)[0] is Secret]
    elsewhere = [f"{name}_{where}" for name in secrets for where in ("env", "file")]
    for key in table:
        if key not in fields and key not in elsewhere:
            raise Fault((*keys, key), f"unknown key; {meant(key, [*fields, *elsewhere])}")
    values = dict(given)
    for name, field in fields.items():
        if name in secrets:
            text = _secret(table, name, field.type, keys, outside)
            if text is not None:
                values[field.name] = text
        elif name in table:
            values[field.name] = _value(table[name], field.type, (*keys, name), outside)
        elif field.required:
            raise Fault((*keys, name), f"missing; expected {_expected(field.type)}")
    return kind(**values)


def meant(word: str, known: Iterable[str]) -> str:
    """What was probably meant, else what there is."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]}?" if close else f"there is {', '.join(known)}"


def dotted(keys: Keys) -> str:
    """`carriers.tui.binds[0].mode`"""
    text = ""
    for key in keys:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            bare = re.fullmatch(r"[A-Za-z0-9_-]+", key)
            text += "." * bool(text) + (key if bare else json.dumps(key))
    return text


def _value(value: object, kind: Any, keys: Keys, outside: Outside) -> object:
    base, extra = _apart(kind)
    if _is_struct(base):
        if "switch" in extra and isinstance(value, bool):
            return read({}, base, keys, outside) if value else None
        if "switch" in extra and not isinstance(value, dict):
            raise Fault(keys, f"expected {_expected(kind)}", value=value)
        return read(value, base, keys, outside)
    if get_origin(base) is not tuple:
        leaf = _leaf(value, kind, keys)
        return str(outside.directory / str(leaf)) if "file" in extra else leaf
    item = get_args(base)[0]
    match value:
        case dict() if value and "keyed" in extra:
            (named,) = (f.type for f in msgspec.structs.fields(item) if f.name == "name")
            short = extra.get("short")
            return tuple(
                read(
                    part if short is None or isinstance(part, dict) else {short: part},
                    item,
                    (*keys, name),
                    outside,
                    name=_leaf(name, named, (*keys, name)),
                )
                for name, part in value.items()
            )
        case list() if "keyed" not in extra and not _is_struct(item):
            return tuple(_leaf(part, item, (*keys, at)) for at, part in enumerate(value))
        case list() if value and "keyed" not in extra:
            return tuple(read(part, item, (*keys, at), outside) for at, part in enumerate(value))
        case _:
            raise Fault(keys, f"expected {_expected(kind)}")


def _is_struct(kind: Any) -> TypeGuard[type[msgspec.Struct]]:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _leaf(value: object, kind: Any, keys: Keys) -> object:
    try:
        return msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError:
        raise Fault(keys, f"expected {_expected(kind)}", value=value) from None


def _secret(
    table: Mapping[str, object], name: str, kind: Any, keys: Keys, outside: Outside
) -> Secret | None:
    """The secret that `name`, `name_env` or `name_file` gives; None where none of them is there."""
    ways = [way for way in (name, f"{name}_env", f"{name}_file") if way in table]
    if not ways:
        return None
    way, value = ways[0], table[ways[0]]
    at = (*keys, way)
    if len(ways) > 1:
        raise Fault((*keys, ways[1]), f"{way} is given, too; keep one of the two")
    if way != name:
        if not isinstance(value, str):
            raise Fault(at, "expected a text")
        value = (
            _from_environ(value, at, outside)
            if way.endswith("_env")
            else _from_file(value, at, outside)
        )
    _, extra = _apart(kind)
    try:
        return Secret(msgspec.convert(value, extra["text"], strict=True))
    except msgspec.ValidationError:
        raise Fault(at, f"expected {_expected(kind)}") from None


# What is named here is not shown: who mistakes password_env for password has written a secret.


def _from_environ(name: str, keys: Keys, outside: Outside) -> str:
    if name not in outside.environ:
        raise Fault(keys, "the environment has no variable of this name")
    return outside.environ[name]


def _from_file(name: str, keys: Keys, outside: Outside) -> str:
    """A file's text without the line end that editors put there."""
    try:
        return (outside.directory / name).read_text("utf-8").removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise Fault(keys, f"the file can't be read: {error.strerror}") from None
    except ValueError:
        raise Fault(keys, "the file can't be read: not a UTF-8 text") from None


def _apart(kind: Any) -> tuple[Any, Mapping[str, Any]]:
    """A kind's bare type, and what its `Meta` says beside the range. `X | None` counts as X:
    TOML has no null, so a key that is there has a value.
    """
    base, extra = kind, {}
    while get_origin(base) is Annotated or NoneType in get_args(base):
        if get_origin(base) is Annotated:
            base, meta = get_args(base)
            extra = meta.extra
        else:
            (base,) = (part for part in get_args(base) if part is not NoneType)
    return base, extra


def _expected(kind: Any) -> str:
    base, extra = _apart(kind)
    if "expected" in extra:
        return str(extra["expected"])
    if "keyed" in extra:
        return "a table for each name"
    if "switch" in extra:
        return "true, false or a table"
    if get_origin(base) is tuple:
        item = get_args(base)[0]
        return (
            "a list of at least one table"
            if _is_struct(item)
            else f"a list of {_expected(item).removeprefix('one of ')}"
        )
    if isinstance(base, type) and issubclass(base, Enum):
        return f"one of {', '.join(base)}"
    return {bool: "true or false"}[base]


def _shown(value: object) -> str:
    """` = "what was written"`; nothing for a list or a table: what is in it may be a secret."""
    match value:
        case None | dict() | list():
            return ""
        case str() | bool():
            text = json.dumps(value, ensure_ascii=False)
        case _:
            text = str(value)
    return f" = {text if len(text) <= LONGEST else text[:LONGEST] + '…'}"
