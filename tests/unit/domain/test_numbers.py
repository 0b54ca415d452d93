"""From what a file says to a mobile: the order of R-1.4, the damage of R-1.5, the maps of R-1.9."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain import numbers
from engine.domain.errors import Refused
from engine.domain.numbers import Cleaned, Invalid, PrefixMaps, clean

NONE = PrefixMaps()
MAPS = PrefixMaps({"021": "6421", "0": "62"})


@pytest.mark.parametrize(
    ("raw", "mobile"),
    [
        ("+64211234567", "+64211234567"),
        ("64211234567", "+64211234567"),
        ("0064211234567", "+64211234567"),
        ("+64 21 123-4567", "+64211234567"),
        ("(+64) 21.123.4567", "+64211234567"),
        (" '+64211234567 ", "+64211234567"),
        ('="64211234567"', "+64211234567"),
        ("\u202a+64211234567\u202c", "+64211234567"),
        ("\uff0b64211234567", "+64211234567"),
        ("٦٤٢١١٢٣٤٥٦٧", "+64211234567"),
        ("64211234567.00", "+64211234567"),
        ("64211234567,0", "+64211234567"),
        ("64,211,234,567", "+64211234567"),
    ],
)
def test_reads_a_number_however_it_is_written(raw: str, mobile: str) -> None:
    """R-1.4, R-1.5: what has one reading only is read."""
    assert clean(raw, NONE) == Cleaned(mobile=mobile, mapped=False, warnings=())


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", "no number"),
        ("---", "no digits in the number"),
        ("64 21 ab", "letters in a number"),
        ("+6421123456x7", "letters in a number"),
        ("6.42E+10", "a spreadsheet has shortened the number and digits are lost"),
        ("6,42E+10", "a spreadsheet has shortened the number and digits are lost"),
        ("+123456789;1234", "a semicolon in a number"),
        ("+6421123456,7", "a comma in a number"),
        ("+64211234567\t1234", "a tab in a number"),
        ("+64211234567|1234", "a bar in a number"),
        ("+1234567\n+123456", "a line break in a number"),
        ("+1234567+123456", "a plus inside a number"),
        ("021555666", "begins with 0: neither international"),
        ("+021555666", "begins with 0: neither international"),
        ("642112", "6 digits; a number has 7 to 14"),
        ("+642112345678901", "15 digits; a number has 7 to 14"),
        ("+99912345678", "unknown country code"),
        ("+123456789", "too short for its country (+1 US)"),
        ("+64211234567890", "too long for its country (+64 NZ)"),
    ],
)
def test_says_why_a_number_is_none(raw: str, reason: str) -> None:
    """R-1.4 to R-1.6: nothing is glued or guessed, and the reason is in words."""
    found = clean(raw, NONE)
    assert isinstance(found, Invalid)
    assert found.value == raw
    assert found.reason.startswith(reason)


@pytest.mark.parametrize(
    ("raw", "warning"),
    [
        ("+6427123456", "not assigned in the numbering plan of its country (+64 NZ)"),
        ("+642912345", "not assigned in the numbering plan of its country (+64 NZ)"),
        ("+6421000000", "ends in 6 or more equal digits"),
        ("+64 (0)21 123 4567", "has a national prefix inside; probably +64211234567 is meant"),
    ],
)
def test_keeps_a_doubtful_number_unless_strict(raw: str, warning: str) -> None:
    """R-1.4: the guide's own samples are imported; --strict takes none of them."""
    kept = clean(raw, NONE)
    assert isinstance(kept, Cleaned)
    assert warning in kept.warnings
    refused = clean(raw, NONE, strict=True)
    assert isinstance(refused, Invalid)
    assert warning in refused.reason


@pytest.mark.parametrize(
    ("raw", "mobile", "mapped"),
    [
        ("021555666", "+6421555666", True),
        ("021 555 666", "+6421555666", True),
        ("081234567890", "+6281234567890", True),  # the shorter prefix, as the longer doesn't fit
        ("+64211234567", "+64211234567", False),
        ("0064211234567", "+64211234567", False),
    ],
)
def test_the_longest_prefix_wins_and_international_numbers_are_left(
    raw: str, mobile: str, mapped: bool
) -> None:
    """R-1.9, after R-1.4: what began with + or 00 is never mapped."""
    assert clean(raw, MAPS) == Cleaned(mobile=mobile, mapped=mapped, warnings=())


@pytest.mark.parametrize(
    ("prefix", "replacement"),
    [("", "64"), ("02a", "64"), ("021", ""), ("021", "064"), ("021", "x")],
)
def test_refuses_a_prefix_map_that_could_make_no_number(prefix: str, replacement: str) -> None:
    """R-1.9: both are digits, and the replacement starts with a country code."""
    with pytest.raises(Refused, match="digits"):
        PrefixMaps({prefix: replacement})


def test_the_limits_are_settings() -> None:
    """R-1.4: 7 to 14 digits is our reading of the guide."""
    assert isinstance(clean("+64211234567", NONE, max_digits=10), Invalid)
    assert isinstance(clean("+2904123", NONE, min_digits=8), Invalid)


@given(st.text(max_size=40) | st.text("+0123456789 .,-eE;()\t", max_size=24))
def test_any_text_gives_a_value(raw: str) -> None:
    """R-1.4: a cleaned number is a plus, 1–9, then digits, 7 to 14 in all; nothing raises."""
    found = clean(raw, MAPS)
    if isinstance(found, Cleaned):
        digits = found.mobile.removeprefix("+")
        assert digits.isascii()
        assert digits.isdecimal()
        assert digits[0] != "0"
        assert 7 <= len(digits) <= 14
    else:
        assert found.reason


@pytest.mark.parametrize(
    ("address", "ton", "country", "mobile"),
    [
        ("6421555666", 1, None, "+6421555666"),
        ("+6421555666", 0, None, "+6421555666"),
        ("6421555666", 0, None, "+6421555666"),
        ("006421555666", 0, None, "+6421555666"),
        ("006421555666", 1, "NZ", "+6421555666"),
        ("021555666", 0, "NZ", "+6421555666"),
        ("21555666", 2, "NZ", "+6421555666"),
        ("6421555666", 0, "NZ", "+6421555666"),
        ("6421555666", 1, "ID", "+6421555666"),
        ("081234567890", 2, "ID", "+6281234567890"),
        ("021555666", 0, None, "021555666"),  # nobody says where it is from
        ("0000000", 0, "NZ", "0000000"),
        ("3774", 0, "NZ", "3774"),
        ("SIARAN", 5, "NZ", "SIARAN"),
        ("²²²²²²²²", 0, "NZ", "²²²²²²²²"),
        ("", 0, "NZ", ""),
    ],
)
def test_a_number_as_an_smsc_writes_it(
    address: str, ton: int, country: str | None, mobile: str
) -> None:
    """R-5.6, R-6.1: `default_country` is for those without a country code."""
    assert numbers.from_network(address, ton, country) == mobile
