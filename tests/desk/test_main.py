"""The command line itself: how it starts, how it ends, what all commands share."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from admin_cli.main import COMMANDS, commands, main
from tests.desk.conftest import Siaran

ROOT = Path(__file__).parents[2]
RUN = [sys.executable, "-c", "import sys; from admin_cli.main import main; sys.exit(main())"]


def test_help_imports_no_command_and_nothing_heavy() -> None:
    """`siaran --help` under 0.3 s: what is not imported costs nothing."""
    check = (
        "import sys; from admin_cli.main import main; code = main(['--help']); "
        "heavy = {'psycopg', 'trio', 'rich', 'phonenumbers', 'engine', 'config', 'msgspec'}; "
        "sys.exit(code or sorted(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert all(word in done.stdout for word in COMMANDS)


def test_every_command_says_one_sentence_and_has_two_examples_to_paste() -> None:
    """`--help` is a page worth reading, and its examples are of that command."""
    for entry in commands():
        assert entry.help.split("\n\n")[0].endswith("."), entry.name
        pasted = [line for line in entry.examples.splitlines() if line.strip()[:7] == "siaran "]
        assert len(pasted) >= 2, entry.name
        assert all(f"siaran {entry.name}" in line for line in pasted), entry.name


def test_every_command_takes_the_shared_options() -> None:
    """Every command: --config, --app, --as, --json, --yes."""
    for entry in commands():
        assert {"--config", "--app", "--as", "--json", "--yes"} <= set(entry.options), entry.name


@pytest.mark.parametrize(
    "words",
    [
        ["--json", "--as", "budi", "list", "create", "L"],
        ["list", "--json", "--as", "budi", "create", "L"],
        ["list", "create", "L", "--json", "--as", "budi"],
        ["--as", "eko", "list", "create", "--as", "budi", "L", "--json"],
    ],
)
def test_shared_options_stand_anywhere(siaran: Siaran, words: list[str]) -> None:
    """Before the command or after it; the last one said counts."""
    assert siaran(*words).json["name"] == "L"
    assert siaran("log", "--json").json[0]["by"] == "budi"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["lst"], "Did you mean 'list'"),
        (["list"], "siaran list --help"),
        (["list", "shw", "L"], "Did you mean 'show'"),
        (["list", "show"], "siaran list show --help"),
        (["list", "show", "L", "--nme"], "--nme"),
        (["sender", "add", "3700", "--ton", "256"], "255"),
        (["list", "import", "L", "f.csv", "--on-error", "ignore"], "abort"),
    ],
)
def test_wrong_usage_is_two_and_says_where_to_read(
    siaran: Siaran, words: list[str], hint: str
) -> None:
    """Exit 2 usage; never a traceback."""
    answer = siaran(*words)
    assert answer.code == 2
    assert hint in answer.err
    assert answer.out == ""


def test_an_error_is_one_json_object_on_stderr_for_scripts(siaran: Siaran) -> None:
    """--json: stdout holds a document or nothing."""
    answer = siaran("list", "show", "nobody", "--json")
    assert (answer.code, answer.out) == (1, "")
    assert json.loads(answer.err) == {
        "error": 'list "nobody" not found; see `list ls`',
        "exit": 1,
    }


def test_an_unknown_application_is_guessed(siaran: Siaran) -> None:
    """Unknown application: what may have been meant."""
    answer = siaran("list", "ls", "--app", "defualt")
    assert answer.code == 1
    assert "did you mean default?" in answer.err


def test_a_wrong_configuration_is_two_and_a_silent_database_three(
    siaran: Siaran, tmp_path: Path
) -> None:
    """Exit 2: the file; exit 3: a needed service can't be reached. No password in either."""
    file = tmp_path / "siaran.toml"
    file.write_text("[databse]\n")
    assert siaran("list", "ls", "--config", file).code == 2
    file.write_text('[database]\nurl = "postgresql://me:secret@127.0.0.1:1/none"\n')
    answer = siaran("list", "ls", "--config", file)
    assert answer.code == 3
    assert "127.0.0.1" in answer.err
    assert "secret" not in answer.err


def test_a_reader_that_goes_away_ends_the_command_quietly(siaran: Siaran) -> None:
    """`siaran list download L | head` prints no error."""
    siaran("list", "create", "L")
    for last in range(3):
        siaran("member", "add", "L", f"+6421123456{last}", *["x" * 50] * 6)
    with subprocess.Popen(
        [*RUN, "list", "download", "L"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read().decode()
        process.wait()
    assert "Error" not in said
    assert "Exception" not in said
    assert process.returncode in (0, 141)


def test_an_interrupted_command_says_nothing(
    monkeypatch: pytest.MonkeyPatch, siaran: Siaran, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C: 130, quietly."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("engine.operations.lists.ls", interrupt)
    assert main(["list", "ls"]) == 130
    assert capsys.readouterr().err.strip() == ""
