"""A file into a list, whole or not at all (R-1.3 to R-1.7, R-1.12)."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import phonenumbers
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.operations import Actor, Database, Refused, Tx, application_of, importing, lists
from engine.operations.importing import ImportReport, Progress, Upload
from engine.store import imports
from tests.desk.conftest import Siaran, until_somebody_waits

FATES = (
    *("imported", "already_there", "duplicates", "blacklisted", "opted_out", "deleted"),
    "invalid",
)


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    def write(*lines: str, name: str = "in.csv") -> Path:
        path = tmp_path / name
        path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        return path

    return write


def members(siaran: Siaran, name: str) -> dict[str, list[str]]:
    rows = siaran("member", "search", name, "--rows", "0", "--json").json
    return {row["mobile"]: row["params"] for row in rows}


def test_every_row_has_one_fate_and_the_report_balances(
    siaran: Siaran, say: Callable[..., None], file: Callable[..., Path]
) -> None:
    """R-1.6: read, imported, already there, duplicates, opted out, prefix-mapped, invalid."""
    siaran("prefix", "add", "021", "6421")
    siaran("list", "create", "L")
    siaran("member", "add", "L", "+64211234560", "Anna", "1")
    siaran("member", "add", "L", "+64211234561", "Budi")
    say("+64211234562", "out")
    path = file(
        "+64211234560,Anna,2",
        "+64211234561",
        "+64211234562,Out",
        "0211234563,New",
        "+64211234563,Again",
        "64 21 ab,Bad",
    )
    report = siaran("list", "import", "L", path, "--on-error", "skip", "--json").json
    assert {fate: report[fate] for fate in FATES} == {
        "imported": 1,
        "already_there": 2,
        "duplicates": 1,
        "blacklisted": 0,
        "opted_out": 1,
        "deleted": 0,
        "invalid": 1,
    }
    assert report["rows"] == sum(report[fate] for fate in FATES) == 6
    assert (report["prefix_mapped"], report["updated"], report["done"]) == (1, 1, True)
    assert report["invalid_rows"] == [
        {"line": 6, "value": "64 21 ab", "reason": "letters in a number"}
    ]
    # The first row of a number wins; who is there gets new params, and keeps them without any.
    assert members(siaran, "L") == {
        "+64211234560": ["Anna", "2"],
        "+64211234561": ["Budi"],
        "+64211234563": ["New"],
    }


def test_one_bad_row_and_nothing_is_imported(
    siaran: Siaran, file: Callable[..., Path], tmp_path: Path
) -> None:
    """R-1.6: --on-error abort; each invalid row with line number, value, reason."""
    path = file("+64211234560,Anna", "64 21 ab,x", "+64211234561," + "x" * 51, *["?"] * 30)
    errors = tmp_path / "errors.csv"
    answer = siaran("list", "import", "L", path, "--create", "--errors", errors)
    assert answer.code == 1
    assert "nothing was imported: 32 rows are invalid" in answer.err
    assert "line 2: '64 21 ab': letters in a number" in answer.err
    assert answer.err.count("(invalid)") == 20
    with errors.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["line"] for row in rows] == [str(line) for line in range(2, 34)]
    assert siaran("list", "ls", "--json").json == []


def test_a_dry_run_tells_and_does_nothing(
    siaran: Siaran, say: Callable[..., None], file: Callable[..., Path]
) -> None:
    """R-1.6: --dry-run, into a list that is to be made and into one that is there."""
    say("+64211234561", "out")
    path = file("+64211234560,Anna", "+64211234561")
    report = siaran("list", "import", "L", path, "--create", "--dry-run", "--json").json
    assert (report["created"], report["imported"], report["opted_out"]) == (True, 1, 1)
    assert report["done"] is False
    assert siaran("list", "ls", "--json").json == []
    siaran("list", "create", "L")
    siaran("list", "import", "L", path, "--dry-run", "--batch", "b")
    shown = siaran("list", "show", "L", "--json").json
    assert (shown["members"], shown["batch"]) == (0, None)


def test_the_opted_out_are_kept_on_purpose_and_the_deleted_stay_so(
    siaran: Siaran,
    say: Callable[..., None],
    file: Callable[..., Path],
    database: Database,
    actor: Actor,
) -> None:
    """R-1.7, R-1.10: kept as members, marked; deletion and consent survive re-import."""
    siaran("list", "import", "L", file("+64211234560", "+64211234561", "+64211234562"), "--create")
    say("+64211234560", "out")
    say("+64211234560", "in", "L")  # the newest word counts
    say("+64211234561", "out", "L")

    def delete(tx: Tx) -> None:
        target = lists.get(tx, application_of(tx, actor).id, "L")
        tx.execute(
            "UPDATE member SET deleted_at = now() WHERE list_id = %s AND mobile LIKE '%%2'",
            (target.id,),
        )

    database.run(delete)
    path = file("+64211234560", "+64211234561", "+64211234562", "+64211234563")
    report = siaran("list", "import", "L", path, "--json").json
    found = {fate: report[fate] for fate in FATES if report[fate]}
    assert found == {"imported": 1, "already_there": 1, "opted_out": 1, "deleted": 1}
    kept = siaran("list", "import", "M", path, "--create", "--keep-opted-out", "--json").json
    assert kept["imported"] == 4


def test_strict_takes_no_doubtful_numbers(siaran: Siaran, file: Callable[..., Path]) -> None:
    """R-1.4: suspicious ones are warnings, --strict rejects them."""
    path = file("+6421000000")
    assert siaran("list", "import", "L", path, "--create", "--strict").code == 1
    report = siaran("list", "import", "L", path, "--create", "--json").json
    assert (report["imported"], report["doubtful"]) == (1, 1)
    assert report["doubtful_rows"][0]["line"] == 1


def bad_files(tmp_path: Path) -> dict[str, Path]:
    binary = tmp_path / "binary.csv"
    binary.write_bytes(bytes(range(256)) * 20)
    return {"missing": tmp_path / "none.csv", "directory": tmp_path, "binary": binary}


@pytest.mark.parametrize("kind", ["missing", "directory", "binary"])
def test_what_is_no_csv_is_refused_in_one_line(siaran: Siaran, tmp_path: Path, kind: str) -> None:
    """A missing file, a directory, a binary file."""
    path = bad_files(tmp_path)[kind]
    answer = siaran("list", "import", "L", path, "--create")
    assert answer.code == 1
    assert str(path) in answer.err
    assert "unexpected" not in answer.err
    assert len(answer.err.splitlines()) == 1


def test_an_unknown_list_is_made_only_with_create(
    siaran: Siaran, file: Callable[..., Path]
) -> None:
    """Unknown list: what may have been meant, and what makes it."""
    siaran("list", "create", "customers")
    answer = siaran("list", "import", "custmers", file("+64211234567"))
    assert answer.code == 1
    assert "did you mean customers?" in answer.err
    assert "--create" in answer.err


def test_the_errors_file_is_not_the_file_itself(siaran: Siaran, file: Callable[..., Path]) -> None:
    """Nobody's recipients are overwritten."""
    path = file("+64211234567")
    answer = siaran("list", "import", "L", path, "--create", "--errors", path)
    assert answer.code == 1
    assert path.read_text() == "+64211234567\n"


def test_what_comes_with_an_import_is_done_with_it_or_not_at_all(
    database: Database, actor: Actor, file: Callable[..., Path], siaran: Siaran
) -> None:
    """R-3.1: a quick campaign is the list and the campaign, or neither."""

    def refuse(tx: Tx, list_id: int, report: ImportReport) -> None:
        assert report.imported == 1
        raise Refused("no")

    upload = Upload(list="L", file=file("+64211234567"), create=True)
    with pytest.raises(Refused, match="no"):
        importing.import_file_then(database, actor, upload, refuse)
    assert siaran("list", "ls", "--json").json == []
    _, list_id = importing.import_file_then(database, actor, upload, lambda tx, id_, report: id_)
    assert siaran("list", "show", "L", "--json").json["id"] == list_id


def test_a_large_file_comes_in_chunks_and_again_with_new_params(
    siaran: Siaran, file: Callable[..., Path]
) -> None:
    """R-1.12: more rows than a chunk. When the merge went through the file once for each member,
    as it was once planned with fresh tables, this took minutes."""
    numbers = range(1_000_000, 1_030_000)
    first = file(*(f"+6421{number},Anna" for number in numbers), name="first.csv")
    again = file(*(f"+6421{number},Anna,{number}" for number in numbers), name="again.csv")
    assert siaran("list", "import", "L", first, "--create", "--json").json["imported"] == 30_000
    report = siaran("list", "import", "L", again, "--json").json
    assert (report["already_there"], report["updated"]) == (30_000, 30_000)
    found = siaran("member", "search", "L", "--mobile", "+64211029999", "--json").json
    assert found[0]["params"] == ["Anna", "1029999"]


class Killed(BaseException):
    """Stands for whatever ends an import on its way."""


def test_an_import_that_dies_on_its_way_leaves_nothing(
    database: Database, actor: Actor, file: Callable[..., Path], siaran: Siaran
) -> None:
    """R-1.6: nothing is imported by halves."""
    path = file(*(f"+6421{number:07}" for number in range(1_000_000, 1_050_000)))

    def die(progress: Progress) -> None:
        if progress.rows >= 40_000:
            raise Killed

    with pytest.raises(Killed):
        importing.import_file(database, actor, Upload(list="L", file=path, create=True), die)
    assert siaran("list", "ls", "--json").json == []
    left: Any = database.run(
        lambda tx: tx.execute(
            "SELECT count(*) FROM import_row WHERE mobile LIKE '+6421103%'"
        ).fetchone()
    )
    assert left == (0,)


HALFWAY = """
import os, sys
from pathlib import Path
from config.load import load
from engine.operations import Actor, importing, open_database
def wait(progress):
    print("staged", flush=True)
    sys.stdin.read()
with open_database(load(Path(os.environ["SIARAN_CONFIG"]), {})) as database:
    actor = Actor(application=sys.argv[1], by="anna")
    upload = importing.Upload(list="L", file=Path(sys.argv[2]), create=True)
    importing.import_file(database, actor, upload, wait)
"""


def test_an_import_that_is_killed_leaves_nothing_in_the_list(
    actor: Actor, file: Callable[..., Path], siaran: Siaran
) -> None:
    """R-1.6: kill -9 when rows are staged; the next import of the file is as if it were the first."""
    path = file("+64211234567")
    with subprocess.Popen(
        [sys.executable, "-c", HALFWAY, actor.application, str(path)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"staged\n"
        process.kill()
    assert siaran("list", "ls", "--json").json == []
    assert siaran("list", "import", "L", path, "--create", "--json").json["imported"] == 1


def test_what_a_killed_import_staged_is_cleared_away_after_an_hour(
    database: Database, siaran: Siaran, file: Callable[..., Path]
) -> None:
    """R-1.12: what was never merged does not pile up; what is being read stays, however slowly."""
    dead, slow = uuid.uuid4(), uuid.uuid4()

    def stage(tx: Tx) -> None:
        for import_id, minutes in ((dead, 65), (dead, 61), (slow, 65), (slow, 1)):
            tx.execute(
                """
                INSERT INTO import_row
                VALUES (%s, 1, '+64211234567', '{}', false, now() - make_interval(mins => %s))
                """,
                (import_id, minutes),
            )

    database.run(stage)
    siaran("list", "import", "L", file("+64211234567"), "--create")
    assert [database.run(imports.count, one) for one in (dead, slow)] == [0, 2]
    database.run(imports.discard, slow)


def test_who_thinks_too_long_is_told_and_nothing_is_imported(
    database: Database, actor: Actor, file: Callable[..., Path], siaran: Siaran
) -> None:
    """R-1.6: what was staged and is gone is no duplicate."""

    def clear(progress: Progress) -> None:
        if progress.merging:
            database.run(lambda tx: tx.execute("DELETE FROM import_row"))

    upload = Upload(list="L", file=file("+64211234567"), create=True)
    with pytest.raises(Refused, match="taken too long"):
        importing.import_file(database, actor, upload, clear)
    assert siaran("list", "ls", "--json").json == []


def test_a_list_that_is_deleted_while_it_is_imported_stays_deleted(
    database: Database, actor: Actor, file: Callable[..., Path], siaran: Siaran
) -> None:
    """One line, and nothing is left of the import."""
    siaran("list", "create", "L")

    def delete(progress: Progress) -> None:
        if progress.merging:
            database.run(lists.delete, actor, "L")

    with pytest.raises(Refused, match='list "L" not found'):
        importing.import_file(database, actor, Upload(list="L", file=file("+64211234567")), delete)
    assert siaran("list", "ls", "--json").json == []
    assert database.run(lambda tx: tx.execute("SELECT FROM import_row").rowcount) == 0


def test_two_imports_that_make_the_same_list_go_into_it_both(
    database: Database, actor: Actor, file: Callable[..., Path], siaran: Siaran
) -> None:
    """R-1.6: at the very same moment; the second waits, and its report is exact."""
    first = Upload(list="L", file=file("+64211234560", "+64211234561", name="a"), create=True)
    second = replace(first, file=file("+64211234561", "+64211234562", name="b"))
    reports: list[ImportReport] = []

    def import_second() -> None:
        reports.append(importing.import_file(database, actor, second))

    thread = threading.Thread(target=import_second)

    def then(tx: Tx, list_id: int, report: ImportReport) -> None:
        thread.start()
        until_somebody_waits(tx)

    report, _ = importing.import_file_then(database, actor, first, then)
    thread.join()
    [other] = reports
    assert (report.created, report.imported) == (True, 2)
    assert (other.created, other.imported, other.already_there) == (False, 1, 1)
    assert len(members(siaran, "L")) == 3


def test_the_report_is_kept_for_the_mail_to_who_ran_it(
    siaran: Siaran, database: Database, actor: Actor, file: Callable[..., Path]
) -> None:
    """R-1.6: when their address is known; of what was done, and of what could not be."""
    siaran("user", "add", "anna", "--email", "anna@example.net")
    siaran("user", "add", "olga", "--as", "anna")
    good, bad = file("+64211234567", name="good.csv"), file("64 21 ab", name="bad.csv")
    for path, who in ((good, "anna"), (bad, "anna"), (good, "olga")):
        siaran("list", "import", "L", path, "--create", "--as", who)
    siaran("list", "import", "L", good, "--dry-run", "--as", "anna")
    kept: Any = database.run(
        lambda tx: tx.execute(
            """
            SELECT o.payload->>'by', o.recipient, o.payload->'report'->'imported',
                   o.payload->'errors'
            FROM outbox o JOIN application a ON a.id = application_id
            WHERE a.name = %s AND o.kind = 'report' ORDER BY o.id
            """,
            (actor.application,),
        ).fetchall()
    )
    [first, second] = kept
    assert first == ("anna", "anna@example.net", 1, [])
    assert second[:3] == ("anna", "anna@example.net", 0)
    [(line, value, _)] = second[3]
    assert (line, value) == (1, "64 21 ab")


# What a file may hold in its first column: good numbers in several shapes, and bad ones.
NUMBERS = st.one_of(
    st.integers(0, 30).map(lambda n: f"+6421123{n:04}"),
    st.integers(0, 30).map(lambda n: f"00 64 21 123-{n:04}"),
    st.integers(0, 30).map(lambda n: f"021123{n:04}"),
    st.from_regex(r"[+0-9 ().,eE-]{0,18}", fullmatch=True),
    st.text(max_size=12),
)
ROWS = st.lists(st.tuples(NUMBERS, st.lists(st.text(max_size=52), max_size=7)), max_size=30)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=ROWS, delimiter=st.sampled_from(",;\t"), keep=st.booleans(), strict=st.booleans())
def test_any_file_balances_and_nothing_is_stored_that_the_rules_refuse(
    database: Database,
    world: Actor,
    tmp_path: Path,
    rows: list[tuple[str, list[str]]],
    delimiter: str,
    keep: bool,
    strict: bool,
) -> None:
    """R-1.3, R-1.4, R-1.6, R-1.7: rows read are the sum of all outcomes."""
    path = tmp_path / "any.csv"
    with path.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out, delimiter=delimiter).writerows([number, *rest] for number, rest in rows)
    name = str(uuid.uuid4())
    upload = Upload(
        list=name, file=path, create=True, skip_invalid=True, keep_opted_out=keep, strict=strict
    )
    try:
        report = importing.import_file(database, world, upload)
    except Refused:
        return  # it is no CSV file
    outcomes = [getattr(report, fate) for fate in FATES]
    assert report.rows == sum(outcomes)
    assert min(outcomes) >= 0
    stored = list(lists.members(database, world, name))
    assert len(stored) == report.imported == len({mobile for mobile, _ in stored})
    for mobile, params in stored:
        assert re.fullmatch(r"\+[1-9][0-9]{6,13}", mobile)
        assert phonenumbers.is_possible_number(phonenumbers.parse(mobile))
        assert len(params) <= 6
        assert all(len(param) <= 50 and "\0" not in param for param in params)
        assert mobile not in BLACKLISTED
        assert keep or mobile not in OPTED_OUT


BLACKLISTED = {f"+6421123{n:04}" for n in range(5)}
OPTED_OUT = {f"+6421123{n:04}" for n in range(3, 9)}


@pytest.fixture
def world(database: Database, actor: Actor, siaran: Siaran, say: Callable[..., None]) -> Actor:
    """An application with a prefix map, a blacklist and some who have opted out."""
    siaran("prefix", "add", "021", "6421")
    for mobile in sorted(BLACKLISTED):
        siaran("blacklist", "add", mobile)
    for mobile in sorted(OPTED_OUT):
        say(mobile, "out")
    return actor
