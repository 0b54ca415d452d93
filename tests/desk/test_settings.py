"""Settings at the desk."""

from __future__ import annotations

import pytest

from engine.domain.settings import SETTINGS
from tests.desk.conftest import Siaran


def test_every_setting_is_shown_with_its_default(siaran: Siaran) -> None:
    shown = siaran("setting", "ls", "--json").json
    assert [one["key"] for one in shown] == list(SETTINGS)
    assert all(one["value"] == one["default"] and not one["set"] for one in shown)
    assert "retention.text" in siaran("setting", "ls").out


def test_a_setting_is_set_and_unset_and_logged(siaran: Siaran) -> None:
    """R-7.5: who did what to settings, before and after."""
    assert siaran("setting", "set", "uncertain", "HOLD", "--json").json["value"] == "hold"
    assert siaran("setting", "set", "uncertain", "resend").out == "uncertain is resend\n"
    assert siaran("setting", "unset", "uncertain").code == 0
    again = siaran("setting", "unset", "uncertain")
    assert again.code == 1
    assert "has its default, resend" in again.err
    lines = siaran("log", "--action", "setting", "--json").json
    assert [(line["object"], line["before"], line["after"]) for line in lines] == [
        ("uncertain", {"value": None}, {"value": "hold"}),
        ("uncertain", {"value": "hold"}, {"value": "resend"}),
        ("uncertain", {"value": "resend"}, {"value": None}),
    ]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("set", "segments.max", "32"), "1 to 31"),
        (("set", "segmets.max", "3"), "did you mean segments.max?"),
        (("unset", "optout.scop"), "did you mean optout.scope"),
        (("set", "numbers.min_digits", "15"), "no number could be right"),
    ],
)
def test_what_can_not_be_is_refused_in_one_line(
    siaran: Siaran, words: tuple[str, ...], why: str
) -> None:
    answer = siaran("setting", *words)
    assert answer.code == 1
    assert why in answer.err
    assert len(answer.err.splitlines()) == 1
    assert not any(one["set"] for one in siaran("setting", "ls", "--json").json)


def test_the_limits_of_numbers_are_settings(siaran: Siaran) -> None:
    """R-1.4: 7 to 14 digits unless the application says otherwise."""
    siaran("list", "create", "L")
    siaran("setting", "set", "numbers.min_digits", "11")
    assert "11 to 14" in siaran("member", "add", "L", "+6421123456").err
    siaran("setting", "unset", "numbers.min_digits")
    assert siaran("member", "add", "L", "+6421123456").code == 0
