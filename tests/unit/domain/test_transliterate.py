"""`--transliterate`: what word processors make of a text goes back to GSM (R-2.1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.transliterate import transliterate
from smpp import alphabet


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("“Don’t” – it’s „new“ — really…", '"Don\'t" - it\'s "new" - really...'),
        ("10\u00a0000\u202f€\tnet", "10 000 € net"),
        ("Tēnā koe, naïve façade", "Tena koe, naive facade"),
        ("e\u0301te\u0301", "été"),  # GSM has it, in one piece
        ("½ kg, 3 × 4 µg, ﬁne № 5", "1/2 kg, 3 x 4 ug, fine No. 5"),
        ("so\u00adft zero\u200bwidth \ufeff", "soft zerowidth "),
        ("a`b", "a'b"),
        ("łódź, œuvre, İstanbul, ığdır", "lodz, oeuvre, Istanbul, igdir"),
        ("first\u2028second\r\n", "first\nsecond\r\n"),
        ("Müller & Sönne [€]", "Müller & Sönne [€]"),
        ("", ""),
    ],
)
def test_it_becomes_gsm(text: str, plain: str) -> None:
    assert transliterate(text) == plain
    assert alphabet.fits_gsm(transliterate(text))


@pytest.mark.parametrize("text", ["“Да”", "“Hi” 👍", "日本 – “x”", "“سلام”"])
def test_what_stays_ucs2_stays_as_it_was(text: str) -> None:
    """In UCS-2 a curly quote costs what a straight one does."""
    assert transliterate(text) == text


@given(st.text())
def test_it_is_gsm_or_untouched(text: str) -> None:
    plain = transliterate(text)
    assert plain == text or alphabet.fits_gsm(plain)
    assert transliterate(plain) == plain
