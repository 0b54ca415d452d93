"""What simulated subscribers write back: rules, read from a file (R-5.12).

A TOML file has a `[[reply]]` table for each rule, a JSONL file an object a line:

    [[reply]]
    pattern = "(?i)yes or no"   # a regular expression, searched in each segment received
    share = 0.1                 # of the messages that match; 1 when left out
    delay_ms = 500              # 0 when left out
    text = "YES"
    coding = "ucs2"             # gsm, latin1, ascii, ucs2, binary; gsm or else ucs2 when left out
    method = "sar"              # of a long text: udh8 (when left out), udh16, sar, payload
    backwards = true            # the last segment first

The first rule whose pattern is found is the one that counts.
"""

import json
import math
import random
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

from smpp import segments
from smpp.alphabet import Alphabet, NotInAlphabet
from smpp.segments import Encoding, Method, Profile, Segment

Coding = Literal["gsm", "latin1", "ascii", "ucs2", "binary"]

_ALPHABETS: Final[Mapping[Coding | None, Alphabet]] = MappingProxyType(
    {"latin1": "latin1", "ascii": "ascii", "binary": "latin1"}
)
# SMPP 3.4 §5.2.19; the default alphabet and UCS-2 have theirs already.
_DATA_CODINGS: Final[Mapping[Coding | None, int]] = MappingProxyType(
    {"ascii": 0x01, "latin1": 0x03, "binary": 0x04}
)


class RulesError(Exception):
    """The file of rules can't be used; the text says where and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """To a text in which `pattern` is found, a share of the subscribers write `text`."""

    pattern: re.Pattern[str]
    text: str
    share: float = 1.0
    delay_ms: float = 0.0
    coding: Coding | None = None
    method: Method = "udh8"
    backwards: bool = False

    def segments(self, reference: int) -> list[Segment]:
        """What the SMSC delivers of it, in the order in which it comes."""
        profile = Profile(alphabet=_ALPHABETS.get(self.coding, "gsm"), method=self.method)
        match self.coding:
            case None:
                forced = None
            case "ucs2":
                forced = Encoding.UCS2
            case _:
                forced = Encoding.GSM
        cut = segments.split(self.text, forced, reference=reference, profile=profile)
        if self.coding in _DATA_CODINGS:
            cut = [part._replace(data_coding=_DATA_CODINGS[self.coding]) for part in cut]
        return cut[::-1] if self.backwards else cut

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"share is {self.share:g}; it must be 0 to 1")
        if not 0 <= self.delay_ms < math.inf:
            raise ValueError(f"delay_ms is {self.delay_ms:g}; it must be 0 or more")
        for name, value, known in (
            ("coding", self.coding or "gsm", get_args(Coding)),
            ("method", self.method, get_args(Method)),
        ):
            if value not in known:
                raise ValueError(f"{name} is {value!r}; there are {', '.join(known)}")
        try:
            self.segments(0)
        except (segments.TooManySegments, NotInAlphabet) as error:
            raise ValueError(str(error)) from None


def choose(rules: Sequence[Rule], text: str, rng: random.Random) -> Rule | None:
    """The rule that answers `text`, or None."""
    for rule in rules:
        if rule.pattern.search(text):
            return rule if rng.random() < rule.share else None
    return None


def read_rules(path: Path) -> tuple[Rule, ...]:
    """The rules of a TOML or JSONL file; `RulesError` names the file, the rule and the fault."""
    try:
        content = path.read_text("utf-8")
    except OSError as error:
        raise RulesError(f"{path}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RulesError(f"{path}: not UTF-8") from error
    tables = _toml(path, content) if path.suffix == ".toml" else _jsonl(path, content)
    return tuple(_rule(path, number, table) for number, table in enumerate(tables, 1))


def _toml(path: Path, content: str) -> list[Any]:
    try:
        document = tomllib.loads(content)
    except ValueError as error:
        raise RulesError(f"{path}: not TOML: {error}") from error
    tables = document.pop("reply", None)
    if document or not isinstance(tables, list):
        raise RulesError(f"{path}: expected a [[reply]] table for each rule, and nothing else")
    return tables


def _jsonl(path: Path, content: str) -> list[Any]:
    tables = []
    for number, line in enumerate(content.split("\n"), 1):
        try:
            if line.strip():
                tables.append(json.loads(line))
        except ValueError as error:
            raise RulesError(
                f"{path}, line {number}: not JSON (the rules are taken for TOML when the name"
                " ends in .toml)"
            ) from error
    return tables


_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {
    "pattern": str,
    "text": str,
    "share": (int, float),
    "delay_ms": (int, float),
    "coding": str,
    "method": str,
    "backwards": bool,
}


def _rule(path: Path, number: int, table: Any) -> Rule:
    where = f"{path}: reply {number}"
    if not isinstance(table, dict) or not {"pattern", "text"} <= table.keys():
        raise RulesError(f"{where}: a rule needs pattern and text")
    for key, value in table.items():
        if key not in _TYPES:
            raise RulesError(f"{where}: unknown key {key!r}; known are {', '.join(_TYPES)}")
        wanted = _TYPES[key]
        if not isinstance(value, wanted) or isinstance(value, bool) is not (wanted is bool):
            raise RulesError(f"{where}: {key} has a value of the wrong type: {value!r}")
    try:
        return Rule(**table | {"pattern": re.compile(table["pattern"])})
    except (ValueError, re.error) as error:
        raise RulesError(f"{where}: {error}") from None
