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
        (["customers", "+64211234567", "x" * 51], "at most 50"),
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


@pytest.mark.usefixtures("customers")
def test_a_member_gets_other_params(siaran: Siaran) -> None:
    """R-1.2: edit, all params at once."""
    siaran("member", "add", "customers", "+64211234567", "Anna", "12 March")
    edited = siaran("member", "edit", "customers", "+64 211234567", "Budi", "--json")
    assert edited.json["params"] == ["Budi"]
    assert siaran("member", "edit", "customers", "+64211234567", "x" * 51).code == 1
    assert siaran("member", "edit", "customers", "+64211234567", "a\x07b").code == 1
    assert siaran("member", "edit", "customers", "+64211234567", "--json").json["params"] == []
    assert "not in list" in siaran("member", "edit", "customers", "+64211234568", "x").err


@pytest.mark.usefixtures("customers")
def test_a_deletion_one_by_one_can_be_taken_back(siaran: Siaran) -> None:
    """R-1.10: shown under deleted = yes, restored with its params."""
    siaran("member", "add", "customers", "+64211234567", "Anna")
    assert "is not deleted" in siaran("member", "restore", "customers", "+64211234567").err
    assert siaran("member", "delete", "customers", "+64211234567").code == 0
    again = siaran("member", "delete", "customers", "+64211234567")
    assert again.code == 1
    assert "member restore" in again.err
    [row] = siaran("member", "search", "customers", "--deleted", "yes", "--json").json
    assert row["mobile"] == "+64211234567"
    assert siaran("list", "show", "customers", "--json").json["members"] == 0
    restored = siaran("member", "restore", "customers", "+64211234567", "--json").json
    assert (restored["params"], restored["deleted"]) == (["Anna"], False)


@pytest.mark.usefixtures("customers")
def test_a_deletion_for_ever_is_asked_for_and_final(siaran: Siaran) -> None:
    """R-1.8: after a confirmation, also of who was deleted before."""
    siaran("member", "add", "customers", "+64211234567", "Anna")
    siaran("member", "delete", "customers", "+64211234567")
    words = ("member", "delete", "customers", "+64211234567", "--for-ever")
    assert "--yes" in siaran(*words).err
    assert siaran(*words, "--yes").code == 0
    assert "not in list" in siaran("member", "restore", "customers", "+64211234567").err


@pytest.mark.usefixtures("customers")
def test_consent_survives_deletion_and_joining_again(siaran: Siaran) -> None:
    """R-1.10: who has opted out stays so, whatever becomes of the member."""
    siaran("member", "add", "customers", "+64211234567")
    siaran("member", "optout", "customers", "+64211234567")
    siaran("member", "delete", "customers", "+64211234567", "--for-ever", "--yes")
    assert "has opted out" in siaran("member", "add", "customers", "+64211234567").err
    siaran("member", "add", "customers", "+64211234567", "--keep-opted-out")
    assert siaran("member", "delete", "customers", "+64211234567").code == 0
    back = siaran("member", "restore", "customers", "+64211234567")
    assert "nothing is sent to it" in back.err
    assert siaran("list", "show", "customers", "--json").json["opted_out"] == 1


@pytest.mark.parametrize(
    ("words", "outs"),
    [
        ([], {"customers": True, "others": False}),
        (["--everywhere"], {"customers": True, "others": True}),
    ],
)
@pytest.mark.usefixtures("customers")
def test_a_member_is_opted_out_of_the_list_or_of_all(
    siaran: Siaran, words: list[str], outs: dict[str, bool]
) -> None:
    """R-6.7: from that list, --everywhere for all; said twice is refused."""
    siaran("list", "create", "others")
    for name in outs:
        siaran("member", "add", name, "+64211234567")
    opted = siaran("member", "optout", "customers", "+64211234567", *words, "--json").json
    assert opted["opted_out"] is True
    for name, out in outs.items():
        [row] = siaran("member", "search", name, "--json").json
        assert row["opted_out"] is out, name
    again = siaran("member", "optout", "customers", "+64211234567", *words)
    assert again.code == 1
    assert "already" in again.err


@pytest.mark.usefixtures("customers")
def test_an_opt_out_of_the_list_can_become_one_of_all(siaran: Siaran) -> None:
    """R-6.7: the wider word is a new one, and the newest counts."""
    siaran("member", "optout", "customers", "+64211234567")
    assert siaran("member", "optout", "customers", "+64211234567", "--everywhere").code == 0
    reason = ("--reason", "asked us")
    assert siaran("member", "optin", "customers", "+64211234567", *reason).code == 0
    assert siaran("member", "optout", "customers", "+64211234567", "--everywhere").code == 0


@pytest.mark.usefixtures("customers")
def test_an_opt_out_of_a_stranger_is_remembered(siaran: Siaran) -> None:
    """An opt-out is never lost: it counts when the number comes."""
    answer = siaran("member", "optout", "customers", "+64211234567", "--json")
    assert "counts when it comes" in answer.err
    assert answer.json["member"] is False
    assert "has opted out" in siaran("member", "add", "customers", "+64211234567").err


@pytest.mark.usefixtures("customers")
def test_a_mistaken_opt_out_is_undone_with_a_reason(siaran: Siaran) -> None:
    """R-6.7: member optin, and the reason is in the log (R-7.5)."""
    siaran("member", "add", "customers", "+64211234567")
    words = ("member", "optin", "customers", "+64211234567")
    assert "has not opted out" in siaran(*words, "--reason", "x").err
    siaran("member", "optout", "customers", "+64211234567", "--everywhere")
    refused = siaran(*words)
    assert refused.code == 1
    assert "--reason" in refused.err
    assert siaran(*words, "--reason", "a\x1bb").code == 1
    assert siaran(*words, "--reason", "asked us by phone", "--json").json["opted_out"] is False
    [line] = siaran("log", "--action", "member.optin", "--json").json
    assert line["object"] == "customers +64211234567"
    assert (line["before"]["opted_out"], line["after"]["opted_out"]) == (True, False)
    assert line["after"]["reason"] == "asked us by phone"


@pytest.mark.parametrize("verb", ["edit", "delete", "restore", "optout", "optin"])
@pytest.mark.usefixtures("customers")
def test_what_is_wrong_is_said_in_one_line(siaran: Siaran, verb: str) -> None:
    """Unknown lists, no numbers, look-alikes."""
    for words, why in (
        (("custmers", "+64211234567"), "did you mean customers?"),
        (("customers", "call me"), "letters in a number"),
        (("customers", "+64O211234567"), "letters in a number"),  # an O for a nought
        (("customers", ""), "no number"),
        (("customers", "9" * 100_000), "100000 digits"),
    ):
        extra = ("--reason", "x") if verb == "optin" else ()
        answer = siaran("member", verb, *words, *extra)
        assert answer.code == 1
        assert why in answer.err
        assert len(answer.err.splitlines()) == 1
        assert len(answer.err) < 300
