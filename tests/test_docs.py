"""README.md and CHANGELOG.md say what the code does: nothing is missing, nothing is made up."""

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from admin_cli import desk, main
from admin_cli.main import Entry, commands
from engine.domain import campaign, message
from tests import docs

TEXT: Final = docs.README.read_text("utf-8")
ENTRIES: Final = tuple(commands())


def chapter(title: str, text: str = TEXT) -> str:
    """What stands under a heading, until the next one of its rank."""
    rank = len(title) - len(title.lstrip("#"))
    _, found, after = f"\n{text}".partition(f"\n{title}\n")
    assert found, f"README.md has no chapter {title!r}"
    return re.split(rf"^#{{2,{rank}}} ", after, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """The cells of all Markdown tables in it, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_what_is_made_from_the_code_is_up_to_date() -> None:
    """Commands, settings, states, metrics, statuses, make targets, the map of the code."""
    names = [found[1] for found in docs.MARK.finditer(TEXT)]
    assert sorted(names) == sorted(docs.PARTS)
    assert docs.renewed(TEXT) == TEXT, "README.md is not what the code says; run: make docs"


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_command_is_in_the_reference(entry: Entry) -> None:
    """Its name, arguments and options, its help and its examples."""
    parts = chapter("## All commands").split("\n#### ")
    (own,) = (p for p in parts if re.match(rf"`siaran {re.escape(entry.name)}( [^`]*)?`", p))
    own = own.partition("\n</details>")[0]
    assert all(argument in own.partition("\n")[0] for argument in entry.arguments)
    for option in set(entry.options) - docs.SHARED:
        assert re.search(rf"^- `([^`]* )?{option}[ ,`]", own, re.MULTILINE), option
    words = re.sub(r"[\\\s\b]+", " ", own)
    for paragraph in entry.help.split("\n\n"):
        assert re.sub(r"[\\\s\b]+", " ", paragraph).strip() in words
    pasted = [line.strip() for line in entry.examples.splitlines() if "  siaran " in line]
    assert pasted
    assert all(f"\n{line}\n" in own for line in pasted)


def test_the_shared_options_are_told_once() -> None:
    told = {
        cells[0].strip("`").split()[0] for cells in rows(chapter("### What all commands share"))
    }
    assert told == docs.SHARED


def test_every_command_that_is_typed_anywhere_exists() -> None:
    """With its options: in blocks of commands and within sentences, but not where it is missing."""
    entries = {entry.name: entry for entry in ENTRIES}
    text = TEXT.replace(chapter("## Not built yet"), "")
    text += (docs.ROOT / "config/prometheus/runbook.md").read_text("utf-8")
    typed = re.findall(r"^siaran ([a-z].*)$", text, re.MULTILINE)
    typed += re.findall(r"`siaran ([a-z][^`]*)`", text)
    assert len(typed) > 100
    for line in typed:
        words = re.sub(r"\s+#.*|[…|<>].*", "", line).split()
        name = next((" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in entries), None)
        if name is None:
            assert words[0] in main.COMMANDS, line
            assert len(words) == 1, line  # `siaran campaign` as such
            continue
        if name == "db tool":
            words = words[:3]  # what follows the program is told to the program
        options = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert options <= {*entries[name].options, "--help"}, line


def test_every_exit_code_is_told() -> None:
    """As `admin_cli.main` names them, and that of a reader who has gone."""
    codes = {main.DONE, main.REFUSED, main.USAGE, main.UNREACHABLE, main.INTERRUPTED}
    told = {cells[0] for cells in rows(chapter("### Exit codes"))}
    assert told == {f"`{code}`" for code in codes | {desk.BROKEN_PIPE}}


def test_every_variable_of_the_environment_is_told() -> None:
    found = {
        name
        for file in sources("admin_cli", "config", "engine", "smpp")
        for name in re.findall(r"\"(SIARAN_[A-Z_]+)\"", file.read_text("utf-8"))
    }
    told = {cells[0].strip("`") for cells in rows(chapter("### The environment"))}
    assert told == found


def test_every_table_of_the_configuration_has_its_paragraph() -> None:
    """The keys themselves are in config/example.toml, which its own test holds complete."""
    example = (docs.ROOT / "config/example.toml").read_text("utf-8")
    tables = re.findall(r"^#(\[+[a-z.]+\]+)$", example, re.MULTILINE)
    assert len(tables) > 4
    text = chapter("## Configuration")
    for table in tables:
        paragraph = re.search(rf"^\*\*`{re.escape(table)}`\*\* \S", text, re.MULTILINE)
        assert paragraph, f"the chapter Configuration should say what {table} is for"


def test_every_state_is_told_with_its_definition() -> None:
    for title, definitions in (
        ("### States of a message", message.DEFINITIONS),
        ("### States of a campaign", campaign.DEFINITIONS),
    ):
        told = [(cells[0], cells[1]) for cells in rows(chapter(title))]
        assert told == [(f"`{state}`", what) for state, what in definitions.items()]


def test_every_metric_is_told() -> None:
    """Each name that stands in engine/metrics, whatever makes the table."""
    text = "".join(file.read_text("utf-8") for file in sources("engine/metrics"))
    part = chapter("### Metrics").partition("<!-- end: metrics -->")[0]
    told = {cells[0].strip("`") for cells in rows(part)}
    assert told == set(re.findall(r'"(siaran_[a-z_]+)"', text))


def test_every_event_of_the_log_is_told() -> None:
    """Event and level, as they stand in the code: none missing, none that nothing writes."""
    told = {(cells[0].strip("`"), cells[1]) for cells in rows(chapter("### Events in the log"))}
    assert told == set(events())


def events() -> Iterator[tuple[str, str]]:
    """Each event with its level. One that is chosen between two is both."""
    trees = [ast.parse(file.read_text("utf-8")) for file in sources("engine")]
    tellers: defaultdict[str, set[str]] = defaultdict(set)
    for name, levels in (pair for tree in trees for pair in _tellers(tree)):
        tellers[name] |= levels
    for node in (node for tree in trees for node in ast.walk(tree)):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[event, *_]):
                levels = set(_level(node.func)) | tellers[name]
            case _:
                continue
        for one in ast.walk(event):
            if isinstance(one, ast.Constant) and re.fullmatch(EVENT, str(one.value)):
                yield from ((str(one.value), level) for level in levels)


EVENT: Final = r"[a-z]+(\.[a-z_]+)?"


def _tellers(tree: ast.Module) -> Iterator[tuple[str, set[str]]]:
    """What stands for a function of the log, by name, with the levels that it may have:
    `tell = log.warning if … else log.info`, and a function whose first parameter is the event.
    """
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.IfExp() as value):
                yield name, {level for one in ast.walk(value) for level in _level(one)}
            case ast.FunctionDef(name=name, args=ast.arguments(args=parameters)):
                first = [one.arg for one in parameters if one.arg != "self"][:1]
                yield (
                    name,
                    {
                        level
                        for one in ast.walk(node)
                        if isinstance(one, ast.Call)
                        and [ast.unparse(argument) for argument in one.args[:1]] == first
                        for level in _level(one.func)
                    },
                )
            case _:
                pass


def _level(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Attribute(value=ast.Name(id="log"), attr="info" | "warning" | "error" as level):
            yield level
        case _:
            pass


def sources(*packages: str) -> Iterator[Path]:
    for package in packages:
        yield from sorted((docs.ROOT / package).rglob("*.py"))


def test_every_file_is_on_the_map() -> None:
    """Of the packages each file, of the tests each folder."""
    text = chapter("### Map of the code")
    for file in sources("admin_cli", "config", "engine", "smpp"):
        folder = file.parent.relative_to(docs.ROOT)
        part = text.partition(f"**`{folder}/`**")[2].partition("\n**`")[0]
        assert part, f"{folder} is not on the map"
        assert file.name.startswith("__") or f"| `{file.name}` |" in part, file
    for folder in (docs.ROOT / "tests").iterdir():
        if any(folder.glob("*.py")):
            assert f"`tests/{folder.name}/`" in text, f"give {folder.name} a line in tests/docs.py"


def test_every_library_has_its_reason() -> None:
    project = tomllib.loads((docs.ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    text = chapter("### Libraries, and why these").casefold()
    for name in (re.split(r"[\[<>=]", line)[0] for line in lines):
        assert re.search(rf"\b{name}\b", text), f"why {name}?"


def test_what_is_said_not_to_be_built_is_not() -> None:
    """A command that has come is no longer on the list of what is missing."""
    text = chapter("## Not built yet")
    missing = set(re.findall(r"`siaran ([a-z-]+(?: [a-z-]+)?)`", text))
    assert not missing & {entry.name for entry in ENTRIES}


def test_links_and_files_that_are_named_are_there() -> None:
    heads = re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in heads}
    for link in re.findall(r"\]\(([^)]+)\)", TEXT):
        there = link[1:] in anchors if link.startswith("#") else (docs.ROOT / link).exists()
        assert there or link.startswith("https://"), link


def test_the_changelog_is_for_this_version() -> None:
    project = tomllib.loads((docs.ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    text = (docs.ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.search(rf"^## (Unreleased|{re.escape(project['version'])}\b)", text, re.MULTILINE)
