"""What counts as a word, and what is near one (R-6.3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.errors import Refused
from engine.domain.words import HELP, OPT_OUT, RESUME, check_word, fold, near, opt_out_words

ON = opt_out_words({})


def test_which_words_opt_out_from_the_start() -> None:
    """R-6.3: six are on; four are off until enabled, for they also mean other things."""
    assert {"stop", "stopall", "unsubscribe", "optout", "berhenti", "unreg"} == ON
    assert OPT_OUT.keys() - ON == {"tidak", "cancel", "end", "quit"}
    own = opt_out_words({"quit": True, "unreg": False, "توقف": True})
    assert own == ON - {"unreg"} | {"quit", "توقف"}
    assert all(fold(word) == word for word in {*OPT_OUT, *RESUME, *HELP})


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("STOP", "stop"),
        (" stop. ", "stop"),
        ("\tStOp\r\n", "stop"),
        ("(stop)", "stop"),
        ("*STOP*", "stop"),
        ('"Stop"!!!', "stop"),
        ("ＳＴＯＰ", "stop"),  # full width
        ("ＳＴＯＰ！", "stop"),
        ("«Stop» 🙏", "stop"),
        ("\u200fSTOP\u200f", "stop"),  # right-to-left marks
        ("ST\u200bOP", "stop"),
        ("STOP\x00", "stop"),
        ("Berhenti!", "berhenti"),
        ("BERHENTI…", "berhenti"),
        ("توقف", "توقف"),
        ("تَوَقَّف", "توقف"),  # with vowel signs
        ("توقـــف", "توقف"),  # stretched
        ("\u202bتوقف\u202c؟", "توقف"),
        ("إلغاء", fold("الغاء")),  # a hamza that is left out
        ("ÉTÉ", "été"),
        ("E\u0301TE\u0301", "été"),
        ("été", "été"),
        ("Straße", "strasse"),
        ("नहीं", "नहीं"),  # signs that belong to their letters stay
        ("2026", "2026"),
        ("  ", ""),
        ("?!", ""),
        ("", ""),
    ],
)
def test_what_does_not_count(text: str, word: str) -> None:
    """R-6.3: case, width, blanks and punctuation round the word."""
    assert fold(text) == word


@pytest.mark.parametrize(
    "text",
    [
        "please stop",
        "STOP ALL",
        "Stop sending me this!",
        "STOP PIZZA",
        "don't stop",
        "S T O P",
        "s.t.o.p",
        "STOPPPP",
        "stooop it",
        "un-subscribe",
        "opt out",
        "tolong berhenti",
        "STOP\nSTOP",
        "stop/unreg",
        "لا اريد STOP",
    ],
)
def test_a_near_miss(text: str) -> None:
    """R-6.3: "please stop" and "STOP ALL" are flagged, never carried out."""
    assert fold(text) not in ON
    assert near(fold(text), ON)


@pytest.mark.parametrize(
    "text",
    ["nonstop", "stopover", "shop", "YES", "", "tidak", "no", "unregistered", "optouts", "ee"],
)
def test_what_is_not_near(text: str) -> None:
    assert not near(fold(text), ON)


@pytest.mark.parametrize("word", sorted({*RESUME, *HELP}))
def test_no_word_of_ours_is_near_an_opt_out(word: str) -> None:
    assert not near(word, opt_out_words(dict.fromkeys(OPT_OUT, True)))


@given(st.text(max_size=40))
def test_folding_twice_changes_nothing(text: str) -> None:
    """So what is stored folded is found by what comes in."""
    once = fold(text)
    assert fold(once) == once
    near(once, ON)


@pytest.mark.parametrize("text", ["two words", "", "!!", "x" * 31, "a\x01b", "a\u00a0b"])
def test_what_can_be_no_word(text: str) -> None:
    with pytest.raises(Refused, match="keyword"):
        check_word("keyword", text)


def test_a_word_is_kept_folded() -> None:
    assert check_word("keyword", " Join! ") == "join"
