"""The table of settings: what they may be, and what is said of what they may not."""

from datetime import timedelta
from typing import Any

import pytest

from engine.domain import settings
from engine.domain.errors import Refused
from engine.domain.hours import MAIN_ZONES
from engine.domain.settings import SETTINGS, Scope, Uncertain


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS.keys())
def test_every_setting_can_be_what_it_says(setting: settings.Setting[Any]) -> None:
    """Default and example are allowed, written as they are read, and the sentence is one."""
    assert setting.parse(setting.text(setting.default)) == setting.default
    example = setting.parse(setting.example)
    assert example != setting.default
    assert setting.text(example) == setting.example
    assert setting.what.endswith(".")


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("segments.max", " 31 ", 31),
        ("uncertain", "HOLD", Uncertain.HOLD),
        ("optout.scope", "list", Scope.LIST),
        ("optout.window", "36h", timedelta(hours=36)),
        ("optout.window", "7 D", timedelta(days=7)),
        ("retention.text", "90d", timedelta(days=90)),
        ("retention.text", "Never", None),
        ("responses.per_hour", "0", 0),
        ("quota.daily", "OFF", None),
        ("frequency.cap", "2", 2),
        ("confirm.above", "10000", 10_000),
        ("hours.main_zone", "as known", MAIN_ZONES),
        ("hours.main_zone", "+7=Asia/Omsk", {**MAIN_ZONES, "7": "Asia/Omsk"}),
    ],
)
def test_what_a_value_means(key: str, text: str, value: object) -> None:
    assert SETTINGS[key].parse(text) == value


@pytest.mark.parametrize(
    ("key", "text", "why"),
    [
        ("segments.max", "0", "1 to 31"),
        ("segments.max", "-1", "1 to 31"),
        ("segments.max", "4.0", "whole number"),
        ("segments.max", "٤", "whole number"),  # a digit, and not one of ours
        ("segments.max", "9" * 5000, "1 to 31"),
        ("segments.max", "", "whole number"),
        ("uncertain", "retry", "resend or hold"),
        ("optout.window", "72", "72h"),
        ("optout.window", "91d", "1h to 90d"),
        ("optout.window", "\x1b[2J", "72h"),
        ("retention.text", "6d", "7d to 3650d"),
        ("retention.text", "48h", "or never"),
        ("quota.daily", "0", "or off"),
        ("frequency.cap", "never", "1 to 100, or off"),
        ("hours.main_zone", "62=Asia/Bandung", "a time zone"),
        ("hours.main_zone", "Asia/Jakarta", "a calling code"),
        ("hours.main_zone", "", "a calling code"),
    ],
)
def test_what_a_value_can_not_be(key: str, text: str, why: str) -> None:
    with pytest.raises(Refused) as refused:
        SETTINGS[key].parse(text)
    said = str(refused.value)
    assert why in said
    assert f"setting set {key} {SETTINGS[key].example}" in said
    assert said.isprintable()
    assert len(said) < 300


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("segment.max", "did you mean segments.max?"),
        ("scope", "did you mean optout.scope?"),
        ("numbers", "numbers.min_digits, numbers.max_digits"),
        ("x", "see `setting ls`"),
        ("", "see `setting ls`"),
    ],
)
def test_an_unknown_key_is_guessed(key: str, hint: str) -> None:
    with pytest.raises(Refused, match=hint):
        settings.find(key)
    assert settings.find(" Segments.MAX ").key == "segments.max"


def test_limits_that_exclude_each_other_are_refused() -> None:
    with pytest.raises(Refused, match="no number could be right"):
        settings.check_together({"numbers.min_digits": "9", "numbers.max_digits": "8"})
    settings.check_together({"numbers.min_digits": "8", "numbers.max_digits": "8"})
