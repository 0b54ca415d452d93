"""Sending hours at the desk (R-4.1, R-4.3)."""

from __future__ import annotations

import pytest

from tests.desk.conftest import Siaran


def test_hours_are_set_shown_and_switched_off(siaran: Siaran) -> None:
    """R-4.1: with the application's time zone, or another."""
    assert "at any time" in siaran("hours", "show").out
    answer = siaran("hours", "set", "--from", "8", "--to", "11", "--days", "mon-thu")
    assert answer.code == 0, answer.err
    assert "08:00 to 11:00 on mon-thu (Asia/Jakarta)" in answer.out
    shown = siaran("hours", "show", "--json").json
    assert shown["from_hour"] == 8
    assert shown["to_hour"] == 11
    assert shown["days"] == "mon-thu"
    assert shown["timezone"] == "Asia/Jakarta"
    assert shown["changes_at"]
    words = ("--from", "22:00", "--to", "6", "--days", "fri,sat", "--timezone", "Pacific/Auckland")
    assert siaran("hours", "set", *words).code == 0
    assert "22:00 to 06:00 on fri,sat (Pacific/Auckland)" in siaran("hours", "show").out
    assert siaran("hours", "off").code == 0
    assert "were 22:00 to 06:00" in siaran("hours", "show").out
    again = siaran("hours", "off")
    assert again.code == 1
    assert "at any time" in again.err


def test_all_of_every_day_never_closes(siaran: Siaran) -> None:
    """R-4.1."""
    answer = siaran("hours", "set", "--from", "0", "--to", "24", "--days", "daily")
    assert "always" in answer.out


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("8", "8", "mon-thu"), "no time at all"),
        (("8", "25", "mon-thu"), "whole hour from 0 to 24"),
        (("8:30", "11", "mon-thu"), "whole hour"),
        (("8", "11", "mon-tho"), "did you mean thu"),
        (("8", "11", "weekdays"), "write them as mon-fri"),
        (("8", "11", "mon", "--timezone", "Auckland"), "did you mean Pacific/Auckland"),
    ],
)
def test_what_can_be_no_hours_is_refused(siaran: Siaran, words: tuple[str, ...], why: str) -> None:
    """R-4.3: equal is refused; nothing is changed."""
    first, last, days, *more = words
    answer = siaran("hours", "set", "--from", first, "--to", last, "--days", days, *more)
    assert answer.code == 1
    assert why in answer.err
    assert "no sending hours are set" in siaran("hours", "show").out


def test_hours_need_an_admin_and_leave_a_line_in_the_log(siaran: Siaran) -> None:
    """R-7.5: before and after."""
    siaran("hours", "set", "--from", "8", "--to", "11", "--days", "mon-thu")
    siaran("hours", "off")
    first, last = siaran("log", "--action", "hours", "--json").json
    assert first["after"]["days"] == "mon-thu"
    assert (last["action"], last["before"]["enabled"], last["after"]["enabled"]) == (
        "hours.off",
        True,
        False,
    )
    siaran("user", "add", "anna", "--role", "admin")
    siaran("user", "add", "otto", "--role", "operator", "--as", "anna")
    refused = siaran("hours", "off", "--as", "otto")
    assert refused.code == 1
    assert "admin" in refused.err
