"""The parts of README.md that are made from the code: `make docs` writes them anew.

A made part stands between `<!-- made: NAME -->` and `<!-- end: NAME -->`, and is what `PARTS[NAME]`
says. So the reference can't drift from the code; tests/test_docs.py holds both equal.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from typer.main import get_command

from admin_cli.main import COMMANDS
from engine.domain import campaign, message, settings
from engine.metrics import Metrics
from smpp import status

ROOT: Final = Path(__file__).parent.parent
README: Final = ROOT / "README.md"

SHARED: Final = frozenset({"--config", "--app", "--as", "--json", "--yes"})
"""What every command takes: described once, above the reference."""

MARK: Final = re.compile(r"<!-- made: ([a-z-]+) -->\n(.*?)<!-- end: \1 -->\n", re.DOTALL)

# Folders whose files are tests of one kind, with what that is; the files say the rest themselves.
TESTS: Final = {
    "tests/benchmarks": "how fast it is: `make bench`",
    "tests/desk": "commands as a person types them, on a real database",
    "tests/engine": "the engine's tasks, with a simulated SMSC and a real database",
    "tests/fuzz": "whatever octets a peer sends",
    "tests/interop": "an SMSC and ESMEs that were not written here",
    "tests/operate": "what operators deploy: alerts, dashboard, units",
    "tests/promises": "what must hold when something is killed, cut off or away",
    "tests/protocol": "the session, octet for octet, against a second implementation and the clock",
    "tests/store": "transactions, turns and what the database promises",
    "tests/unit": "rules, tables of cases",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One command as the parser knows it: `words` is what is typed after `siaran`."""

    words: str
    command: Any


def renewed(text: str) -> str:
    """The text with each made part as it has to be. KeyError for a part that nothing makes."""
    return MARK.sub(
        lambda found: f"<!-- made: {found[1]} -->\n{PARTS[found[1]]()}<!-- end: {found[1]} -->\n",
        text,
    )


# ---------------------------------------------------------------- commands


def leaves(word: str) -> Iterator[Leaf]:
    """The commands of one word, in the order of its help."""
    command: Any = get_command(import_module(COMMANDS[word][0]).app)
    inner = getattr(command, "commands", {})
    for name, leaf in inner.items() or [("", command)]:
        yield Leaf(words=f"{word} {name}".strip(), command=leaf)


def commands() -> str:
    """Every command: a fold for each noun, so that the page stays readable."""
    return "\n".join(_noun(word, line) for word, (_, line) in COMMANDS.items())


def _noun(word: str, line: str) -> str:
    body = "\n".join(_command(leaf) for leaf in leaves(word))
    head = f"<summary><code>siaran {word}</code>: {_html(line)}</summary>"
    return f"<details>{head}\n\n{body}\n</details>\n"


def _command(leaf: Leaf) -> str:
    params = leaf.command.params
    arguments = [p for p in params if p.param_type_name == "argument"]
    options = [p for p in params if p.param_type_name == "option" and not SHARED & set(p.opts)]
    typed = " ".join(["siaran", leaf.words, *map(_argument, arguments)])
    lines = [f"#### `{typed}`", "", *_paragraphs(leaf.command.help or "")]
    described = [f"- `{a.metavar}`: {_prose(a.help)}" for a in arguments if a.help]
    described += [f"- `{_option(o)}`: {_prose(o.help or '')}{_more(o)}" for o in options]
    if described:
        lines += [*described, ""]
    lines += ["```sh", *_examples(leaf.command.epilog or ""), "```", ""]
    return "\n".join(lines)


def _argument(param: Any) -> str:
    name = f"{param.metavar}{' …' if param.nargs == -1 and '…' not in param.metavar else ''}"
    return name if param.required or name.startswith("[") else f"[{name}]"


def _option(param: Any) -> str:
    value = ""
    if not (param.is_flag or param.is_bool_flag):
        kind = param.type_descriptor.annotation
        closed = isinstance(kind, type) and issubclass(kind, Enum)
        value = " " + (param.metavar or "|".join(map(str, kind if closed else ["VALUE"])))
    return f"{', '.join(param.opts)}{value}" + "".join(f" / {o}" for o in param.secondary_opts)


def _more(param: Any) -> str:
    if param.required:
        return " (required)"
    plain = param.default is None or isinstance(param.default, bool)
    return "" if plain else f" (default: `{param.default}`)"


def _paragraphs(text: str) -> Iterator[str]:
    """Help as Markdown: what the parser keeps as it is (after \\b) is a block of its own."""
    for paragraph in text.split("\n\n"):
        if paragraph.startswith("\b\n"):
            yield from ("```text", *paragraph.splitlines()[1:], "```", "")
        else:
            yield from (_prose(" ".join(paragraph.split())), "")


def _examples(epilog: str) -> list[str]:
    return [line.strip() for line in epilog.splitlines() if line.strip().startswith("siaran ")]


def _prose(text: str) -> str:
    """Text in Markdown: what would be markup is itself."""
    return re.sub(r"(?<![`\w])([<*|])", r"\\\1", text.replace("\b", ""))


def _html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


# ---------------------------------------------------------------- tables


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    lines = [list(head), *([str(cell).replace("|", "\\|") for cell in row] for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def states(definitions: Mapping[Any, str]) -> str:
    return table(("state", "what it means"), ((f"`{s}`", what) for s, what in definitions.items()))


def campaign_states() -> str:
    """With what may follow, which is the picture of a campaign's life."""
    return table(
        ("state", "what it means", "what may follow"),
        (
            (f"`{s}`", what, ", ".join(f for f in campaign.CampaignState if f in campaign.LEGAL[s]))
            for s, what in campaign.DEFINITIONS.items()
        ),
    )


def application_settings() -> str:
    return table(
        ("key", "default", "may be", "what it does"),
        (
            (f"`{one.key}`", f"`{one.text(one.default)}`", one.kind.expected, one.what)
            for one in settings.SETTINGS.values()
        ),
    )


def metrics() -> str:
    """Every metric, under the name that a scrape gives it."""
    rows = []
    for metric in Metrics().registry.collect():
        if not metric.name.startswith("siaran_"):
            continue  # the client library's own, of each process
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        labels = ", ".join(metric._labelnames)  # type: ignore[attr-defined]
        rows.append((f"`{name}`", metric.type, labels, metric.documentation))
    return table(("metric", "type", "labels", "what it is"), rows)


def statuses() -> str:
    return table(
        ("number", "name", "meaning", "policy", "alert"),
        (
            (f"`0x{n:02X}`", f"`{row.name}`", row.meaning, row.policy, "yes" if row.alert else "")
            for n, row in status.TABLE.items()
        ),
    )


def benchmarks() -> str:
    """Each benchmark with its first line: the modules that have options and can be run."""
    rows = []
    for path in sorted((ROOT / "tests/benchmarks").glob("*.py")):
        names = {
            node.name
            for node in ast.parse(path.read_text("utf-8")).body
            if isinstance(node, ast.FunctionDef)
        }
        if {"options", "run"} <= names:
            rows.append((f"`{path.stem.replace('_', '-')}`", first_line(path).partition(": ")[2]))
    return table(("benchmark", "what it measures"), rows)


def targets() -> str:
    """The Makefile's own help."""
    found = re.findall(r"^([a-z]+):.*## (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.M)
    return table(("command", "what it does"), ((f"`make {name}`", what) for name, what in found))


# ---------------------------------------------------------------- the map


def code_map() -> str:
    """Each file of the four packages with its first line, then the tests."""
    parts = [_folder(folder) for folder in _folders()]
    tests = [*((f"`{name}/`", what) for name, what in sorted(TESTS.items()))]
    files = sorted(path for path in (ROOT / "tests").glob("*.py"))
    tests += [(f"`tests/{path.name}`", first_line(path)) for path in files]
    parts.append(f"**`tests/`**: what holds all this.\n\n{table(('', ''), tests)}")
    return "\n".join(parts)


def _folders() -> Iterator[Path]:
    for package in ("admin_cli", "config", "engine", "smpp"):
        yield ROOT / package
        yield from sorted(p.parent for p in (ROOT / package).glob("**/__init__.py"))[1:]


def _folder(folder: Path) -> str:
    where = folder.relative_to(ROOT)
    rows = [
        (f"`{path.relative_to(folder)}`", first_line(path))
        for path in sorted(folder.glob("*.py"))
        if path.name not in ("__init__.py", "__main__.py")
    ]
    rows += [
        (f"`{path.relative_to(folder)}`", first_line(path))
        for path in sorted([*folder.glob("*/*.sql"), *folder.glob("*.toml")])
    ]
    return f"**`{where}/`**: {first_line(folder / '__init__.py')}\n\n{table(('', ''), rows)}"


def first_line(path: Path) -> str:
    """What a file says of itself: the first sentence, or the first line of its comment."""
    text = path.read_text("utf-8")
    if path.suffix != ".py":
        return next(iter(text.splitlines()), "").lstrip("-# ")
    doc = ast.get_docstring(ast.parse(text))
    assert doc, f"{path}: its first line should say what it is (a docstring)"
    paragraph = " ".join(doc.split("\n\n")[0].split("\n    ")[0].split())
    bare = re.sub(r"[,;:]? ?(to )?\bR-\d+(\.\d+)?", "", paragraph)  # the requirements' numbers
    return bare.replace(" ()", "").replace("()", "")


PARTS: Final[Mapping[str, Callable[[], str]]] = {
    "targets": targets,
    "commands": commands,
    "settings": application_settings,
    "message-states": lambda: states(message.DEFINITIONS),
    "campaign-states": campaign_states,
    "metrics": metrics,
    "statuses": statuses,
    "benchmarks": benchmarks,
    "map": code_map,
}


def main() -> None:
    """Write README.md anew, when something of it has to change."""
    before = README.read_text("utf-8")
    after = renewed(before)
    if before != after:
        README.write_text(after, "utf-8")
    print("README.md is up to date" if before == after else "README.md is written", file=sys.stderr)


if __name__ == "__main__":
    main()
