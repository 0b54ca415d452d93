"""Who is never sent to (R-6.4)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.operations import Actor, Database, Tx, application_of
from engine.store import blacklist
from engine.store.blacklist import Origin
from tests.desk.conftest import Siaran

NUMBER = "+64211234567"


@pytest.fixture
def everywhere(siaran: Siaran, database: Database) -> Iterator[str]:
    """A number of the test's own on the installation's blacklist, which others share."""
    mobile = f"+6421{siaran('app', 'show', '--json').json['id']:07}"
    siaran("blacklist", "add", mobile, "--all-apps", "--reason", "a letter")
    yield mobile

    def clear(tx: Tx) -> None:
        tx.execute("DELETE FROM blacklist WHERE application_id IS NULL")
        tx.execute("DELETE FROM log WHERE application_id IS NULL")

    database.run(clear)


def mobiles(siaran: Siaran, *words: str) -> list[str]:
    return [
        entry["mobile"]
        for entry in siaran("blacklist", "ls", *words, "--rows", "0", "--json").json
        if not entry["everywhere"]
    ]


def blacklisted(database: Database, actor: Actor, *mobiles: str) -> set[str]:
    def ask(tx: Tx) -> set[str]:
        return blacklist.blacklisted(tx, application_of(tx, actor).id, mobiles)

    return database.run(ask)


def test_a_number_is_added_found_and_removed(siaran: Siaran) -> None:
    """R-6.4: add, remove, search; who, why and before are in the log (R-7.5)."""
    added = siaran("blacklist", "add", "+64 21 123 4567", "--reason", "asked", "--json").json
    assert (added["mobile"], added["origin"], added["reason"]) == (NUMBER, "manual", "asked")
    assert "already" in siaran("blacklist", "add", NUMBER).err
    assert mobiles(siaran, "--search", "123-4567") == [NUMBER]
    assert mobiles(siaran, "--search", "999") == []
    assert "some digits" in siaran("blacklist", "ls", "--search", "x").err
    assert siaran("blacklist", "remove", NUMBER).code == 0
    refused = siaran("blacklist", "remove", NUMBER)
    assert refused.code == 1
    assert "is not on the application's blacklist" in refused.err
    first, second = siaran("log", "--object", "1234567", "--json").json
    assert (first["action"], second["action"]) == ("blacklist.add", "blacklist.remove")
    assert second["before"]["reason"] == "asked"


def test_one_of_all_applications_counts_in_each(
    siaran: Siaran, everywhere: str, database: Database, actor: Actor
) -> None:
    """R-6.4: --all-apps for an installation-wide one."""
    siaran("list", "create", "L")
    assert "on the blacklist" in siaran("member", "add", "L", everywhere).err
    assert blacklisted(database, actor, everywhere, NUMBER) == {everywhere}
    refused = siaran("blacklist", "remove", everywhere)
    assert refused.code == 1
    assert "--all-apps" in refused.err
    lines = siaran("log", "--object", everywhere, "--json").json
    assert [(line["action"], line["application"]) for line in lines] == [("blacklist.add", None)]
    assert siaran("blacklist", "remove", everywhere, "--all-apps").code == 0
    assert blacklisted(database, actor, everywhere) == set()


def test_numbers_are_imported_from_column_one(siaran: Siaran, tmp_path: Path) -> None:
    """R-6.4: import from a single-column CSV; who is there by hand stays so."""
    siaran("blacklist", "add", NUMBER)
    file = tmp_path / "never.csv"
    file.write_text("number\n+64211234567\n+64211234568,x\n+64211234568\nx\n", "utf-8")
    refused = siaran("blacklist", "import", file)
    assert refused.code == 1
    assert "line 5: 'x'" in refused.err
    words = ("blacklist", "import", file, "--on-error", "skip", "--json")
    told = siaran(*words, "--dry-run").json
    assert (told["added"], told["done"]) == (1, False)
    assert mobiles(siaran) == [NUMBER]
    done = siaran(*words).json
    counts = {key: done[key] for key in ("rows", "added", "already_there", "duplicates", "invalid")}
    assert counts == {"rows": 4, "added": 1, "already_there": 1, "duplicates": 1, "invalid": 1}
    origins = {
        entry["mobile"]: entry["origin"]
        for entry in siaran("blacklist", "ls", "--json").json
        if not entry["everywhere"]
    }
    assert origins == {NUMBER: "manual", "+64211234568": "import"}


@pytest.mark.usefixtures("everywhere")
def test_a_download_can_be_imported_and_calculates_nothing(siaran: Siaran, tmp_path: Path) -> None:
    """R-6.4: search, download; a spreadsheet opens it without harm."""
    siaran("blacklist", "add", NUMBER, "--reason", "=1+1")
    file = tmp_path / "out.csv"
    assert siaran("blacklist", "download", "--search", "123", "-o", file).code == 0
    [row] = csv.DictReader(io.StringIO(file.read_text()))
    assert (row["mobile"], row["origin"], row["reason"]) == (NUMBER, "manual", "'=1+1")
    siaran("blacklist", "remove", NUMBER)
    assert siaran("blacklist", "import", file, "--json").json["added"] == 1
    assert NUMBER in siaran("blacklist", "download").out


def test_an_import_into_a_list_leaves_them_out(
    siaran: Siaran, everywhere: str, tmp_path: Path
) -> None:
    """R-1.6, R-6.4: removed and counted, also when the opted out are kept."""
    siaran("blacklist", "add", NUMBER)
    siaran("list", "create", "L")
    siaran("member", "optout", "L", NUMBER, "--everywhere")
    file = tmp_path / "in.csv"
    file.write_text(f"{NUMBER}\n{everywhere}\n+64211234568\n{NUMBER}\n", "utf-8")
    words = ("list", "import", "L", file, "--keep-opted-out", "--json")
    report = siaran(*words, "--dry-run").json
    assert (report["blacklisted"], report["imported"], report["duplicates"]) == (2, 1, 1)
    report = siaran(*words).json
    assert (report["blacklisted"], report["imported"], report["duplicates"]) == (2, 1, 1)
    assert "on the blacklist" in siaran("member", "add", "L", NUMBER, "--keep-opted-out").err


@pytest.mark.parametrize(
    ("first", "second", "stays", "lifted"),
    [
        (Origin.MO, None, Origin.MO, True),
        (Origin.MO, Origin.IMPORT, Origin.IMPORT, False),
        (Origin.MO, Origin.MANUAL, Origin.MANUAL, False),
        (Origin.MANUAL, Origin.MO, Origin.MANUAL, False),
        (Origin.IMPORT, Origin.MO, Origin.IMPORT, False),
        (Origin.MANUAL, Origin.IMPORT, Origin.MANUAL, False),
    ],
)
def test_the_stronger_origin_stays_and_only_mo_is_lifted_by_sms(
    database: Database,
    actor: Actor,
    first: Origin,
    second: Origin | None,
    stays: Origin,
    lifted: bool,
) -> None:
    """R-6.4: only `mo` ones are lifted by the person's own keyword or resume word."""

    def write(tx: Tx) -> tuple[Origin, bool]:
        application = application_of(tx, actor).id
        for origin in filter(None, (first, second)):
            blacklist.add(tx, application, NUMBER, origin, by="x")
        entry = blacklist.find(tx, application, NUMBER)
        assert entry is not None
        return entry.origin, blacklist.lift(tx, application, NUMBER)

    assert database.run(write) == (stays, lifted)
    assert blacklisted(database, actor, NUMBER) == (set() if lifted else {NUMBER})


@pytest.mark.parametrize("verb", ["add", "remove"])
@pytest.mark.parametrize("number", ["", "x", "+0211234567", "12", "+64 21 1234567; +64 2", "\x1b"])
def test_what_is_no_number_is_refused(siaran: Siaran, verb: str, number: str) -> None:
    answer = siaran("blacklist", verb, number)
    assert answer.code == 1
    assert answer.err.startswith("siaran: mobile ")
    assert len(answer.err.splitlines()) == 1
    assert "\x1b" not in answer.err
