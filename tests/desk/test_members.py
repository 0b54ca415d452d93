"""Members, one by one (R-1.2, R-1.10)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.operations import Actor, Database
from tests.desk.conftest import Siaran


@pytest.fixture
def customers(siaran: Siaran) -> str:
    siaran("list", "create", "customers")
    return "customers"


@pytest.mark.usefixtures("customers")
def test_a_member_is_added_once_with_its_params(siaran: Siaran) -> None:
    """R-1.2: mobile in international format, up to 6 params."""
    added = siaran("member", "add", "customers", "+64 21 123-4567", "Anna", "12 March", "--json")
    assert added.json["mobile"] == "+64211234567"
    assert added.json["params"] == ["Anna", "12 March"]
    again = siaran("member", "add", "customers", "0064211234567")
    assert again.code == 1
    assert 'is in list "customers" already' in again.err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["customers", "64 21 ab"], "letters in a number"),
        (["customers", "0211234567"], "begins with 0"),
        (["customers", "+64211234567", *"1234567"], "6 params"),
        (["customers", "+64211234567", "x" * 51], "50 characters"),
        (["custmers", "+64211234567"], "did you mean customers?"),
    ],
)
@pytest.mark.usefixtures("customers")
def test_a_member_is_checked_as_an_import_is(siaran: Siaran, words: list[str], why: str) -> None:
    """R-1.2, R-1.3, R-1.4: the same rules by hand and by file."""
    answer = siaran("member", "add", *words)
    assert answer.code == 1
    assert why in answer.err
    assert siaran("list", "show", "customers", "--json").json["members"] == 0


@pytest.mark.usefixtures("customers")
def test_who_has_opted_out_is_added_only_on_purpose(
    siaran: Siaran, say: Callable[..., None]
) -> None:
    """R-1.7: kept as a member, marked."""
    say("+64211234567", "out")
    refused = siaran("member", "add", "customers", "+64211234567")
    assert refused.code == 1
    assert "--keep-opted-out" in refused.err
    kept = siaran("member", "add", "customers", "+64211234567", "--keep-opted-out", "--json")
    assert kept.json["opted_out"] is True


@pytest.fixture
def four(siaran: Siaran, say: Callable[..., None], database: Database, actor: Actor) -> None:
    """0 plain, 1 opted out, 2 deleted, 3 both."""
    siaran("list", "create", "four")
    for last in range(4):
        siaran("member", "add", "four", f"+6421123456{last}")
    say("+64211234561", "out")
    say("+64211234563", "out", "four")
    database.run(
        lambda tx: tx.execute(
            """
            UPDATE member SET deleted_at = now()
            WHERE mobile IN ('+64211234562', '+64211234563') AND list_id = (
                SELECT l.id FROM list l JOIN application a ON a.id = application_id
                WHERE a.name = %s AND l.name = 'four')
            """,
            (actor.application,),
        )
    )


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], "01"),
        (["--deleted", "any"], "0123"),
        (["--deleted", "yes"], "23"),
        (["--opted-out", "yes"], "1"),
        (["--opted-out", "no"], "0"),
        (["--opted-out", "yes", "--deleted", "any"], "13"),
        (["--opted-out", "no", "--deleted", "yes"], "2"),
        (["--mobile", "+64 21 123-4561"], "1"),
        (["--mobile", "4560", "--opted-out", "any"], "0"),
        (["--mobile", "99"], ""),
        (["--rows", "1"], "0"),
        (["--rows", "0", "--deleted", "any"], "0123"),
    ],
)
@pytest.mark.usefixtures("four")
def test_members_are_searched_in_any_combination(
    siaran: Siaran, words: list[str], found: str
) -> None:
    """R-1.10: by number or part of one, opted out and deleted yes, no, any."""
    rows = siaran("member", "search", "four", *words, "--json").json
    assert "".join(row["mobile"][-1] for row in rows) == found


@pytest.mark.usefixtures("four")
def test_a_deleted_member_that_is_added_again_is_back(siaran: Siaran) -> None:
    """R-1.10: deleting one by one is recoverable."""
    answer = siaran("member", "add", "four", "+64211234562", "Anna", "--json")
    assert answer.json["restored"] is True
    rows = siaran("member", "search", "four", "--mobile", "4562", "--json").json
    assert [(row["params"], row["deleted_at"]) for row in rows] == [(["Anna"], None)]


@pytest.mark.usefixtures("four")
def test_a_search_without_a_digit_is_refused(siaran: Siaran) -> None:
    """It would find everybody."""
    assert "give some digits" in siaran("member", "search", "four", "--mobile", "abc").err
