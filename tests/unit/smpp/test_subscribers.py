"""What simulated subscribers write back (R-5.12)."""

import random
from pathlib import Path
from re import compile as pattern

import pytest

from smpp.subscribers import Rule, RulesError, choose, read_rules

YES = Rule(pattern=pattern("(?i)yes or no"), text="YES")
STOP = Rule(pattern=pattern("offer"), text="STOP", share=0.5)
ANY = Rule(pattern=pattern(""), text="who is this?")


@pytest.mark.parametrize(
    ("rules", "text", "expected"),
    [
        ((YES, ANY), "Yes or no?", YES),
        ((YES, ANY), "Halo", ANY),
        ((ANY, YES), "Yes or no?", ANY),  # the first that fits
        ((YES,), "Halo", None),
        ((), "Halo", None),
    ],
)
def test_the_first_rule_that_fits_counts(
    rules: tuple[Rule, ...], text: str, expected: Rule | None
) -> None:
    assert choose(rules, text, random.Random(1)) is expected


def test_a_share_writes_back_and_the_others_keep_silent() -> None:
    """They don't fall through to the next rule; the same seed gives the same ones."""
    rng = random.Random(1)
    chosen = [choose((STOP, ANY), "an offer", rng) for _ in range(1000)]
    assert set(chosen) == {STOP, None}
    assert 420 < chosen.count(STOP) < 580
    rng = random.Random(1)
    assert [choose((STOP, ANY), "an offer", rng) for _ in range(1000)] == chosen
    none = Rule(pattern=pattern(""), text="x", share=0)
    every = Rule(pattern=pattern(""), text="x", share=1)
    assert {choose((none,), "", rng) for _ in range(100)} == {None}
    assert {choose((every,), "", rng) for _ in range(100)} == {every}


TOML = """
[[reply]]
pattern = "(?i)yes or no"
text = "YES"

[[reply]]
pattern = "offer"
text = "STOP ✋"
share = 0.1
delay_ms = 500
"""
JSONL = """
{"pattern": "(?i)yes or no", "text": "YES"}

{"pattern": "offer", "text": "STOP ✋", "share": 0.1, "delay_ms": 500}
"""


@pytest.mark.parametrize(("name", "content"), [("r.toml", TOML), ("r.jsonl", JSONL), ("r", JSONL)])
def test_rules_are_read_from_toml_or_jsonl(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content, "utf-8")
    assert read_rules(path) == (
        YES,
        Rule(pattern=pattern("offer"), text="STOP ✋", share=0.1, delay_ms=500),
    )


GOOD = '[[reply]]\npattern = "x"\ntext = "y"\n'


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("r.toml", "[[reply]\n", "r.toml: not TOML: "),
        ("r.toml", "", "r.toml: expected a [[reply]] table for each rule"),
        ("r.toml", "reply = 3\n", "r.toml: expected a [[reply]] table for each rule"),
        (
            "r.toml",
            GOOD + "[other]\n",
            "expected a [[reply]] table for each rule, and nothing else",
        ),
        ("r.toml", GOOD + "shar = 0.1\n", "reply 1: unknown key 'shar'; known are pattern, text"),
        ("r.toml", GOOD + '[[reply]]\ntext = "y"\n', "reply 2: a rule needs pattern and text"),
        (
            "r.toml",
            GOOD + 'share = "half"\n',
            "reply 1: share has a value of the wrong type: 'half'",
        ),
        ("r.toml", GOOD + "share = true\n", "reply 1: share has a value of the wrong type: True"),
        ("r.toml", GOOD + "share = 1.5\n", "reply 1: share is 1.5; it must be 0 to 1"),
        ("r.toml", GOOD + "share = nan\n", "reply 1: share is nan; it must be 0 to 1"),
        ("r.toml", GOOD + "delay_ms = -1\n", "reply 1: delay_ms is -1; it must be 0 or more"),
        ("r.toml", GOOD + "delay_ms = nan\n", "reply 1: delay_ms is nan; it must be 0 or more"),
        ("r.toml", GOOD + "delay_ms = inf\n", "reply 1: delay_ms is inf; it must be 0 or more"),
        ("r.toml", '[[reply]]\npattern = "("\ntext = "y"\n', "reply 1: missing ), unterminated"),
        (
            "r.toml",
            f'[[reply]]\npattern = "x"\ntext = "{"y" * 40_000}"\n',
            "reply 1: the text takes 262 segments",
        ),
        ("r.jsonl", '{"pattern": "x"}', "reply 1: a rule needs pattern and text"),
        ("r.jsonl", "null", "reply 1: a rule needs pattern and text"),
        ("r.jsonl", '\n{"pattern": "x", ', "r.jsonl, line 2: not JSON"),
    ],
)
def test_a_fault_is_named_with_its_place(
    tmp_path: Path, name: str, content: str, expected: str
) -> None:
    """One line: which file, which rule, what."""
    path = tmp_path / name
    path.write_text(content, "utf-8")
    with pytest.raises(RulesError) as caught:
        read_rules(path)
    assert expected in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    binary = tmp_path / "rules.toml"
    binary.write_bytes(b"\xff\xfe\0")
    for path, expected in (
        (tmp_path / "none.toml", "can't be read: No such file or directory"),
        (tmp_path, "can't be read: Is a directory"),
        (binary, "not UTF-8"),
    ):
        with pytest.raises(RulesError) as caught:
            read_rules(path)
        assert str(caught.value) == f"{path}: {expected}"
