"""The compiled numbering plans say what the phonenumbers library says (R-1.4)."""

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.numberplan import judge

CODES = sorted(map(str, phonenumbers.COUNTRY_CODE_TO_REGION_CODE))
KINDS = range(11)  # phonenumbers.PhoneNumberType, unknown apart


def of_the_library(digits: str) -> tuple[bool, bool]:
    """Whether the library takes the number for possible, and for valid."""
    try:
        number = phonenumbers.parse("+" + digits)
    except phonenumbers.NumberParseException:
        return False, False
    return phonenumbers.is_possible_number(number), phonenumbers.is_valid_number(number)


def of_ours(digits: str) -> tuple[bool, bool]:
    verdict = judge(digits)
    assigned = not any("not assigned" in doubt for doubt in verdict.doubts)
    return verdict.impossible is None, verdict.impossible is None and assigned


def near_real_numbers() -> list[str]:
    """An example of every kind in every region; and each a little wrong."""
    found = set()
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in KINDS:
            number = phonenumbers.example_number_for_type(region, kind)
            if number is not None:
                code = str(number.country_code)
                national = phonenumbers.national_significant_number(number)
                found |= {code + national, code + national[:-1], code + national + "0"}
                found |= {code + "0" + national, code + national[::-1], code + "1" + national}
    return sorted(found)


def test_equals_the_library_near_every_countrys_numbers() -> None:
    """R-1.4: some 10,000 numbers of all regions and kinds, right and nearly right."""
    numbers = near_real_numbers()
    assert len(numbers) > 5_000
    assert [n for n in numbers if of_ours(n) != of_the_library(n)] == []


@settings(max_examples=500)
@given(st.sampled_from(CODES), st.text("0123456789", max_size=18))
def test_equals_the_library_for_any_digits(code: str, rest: str) -> None:
    """R-1.4: any calling code, any length."""
    assert of_ours(code + rest) == of_the_library(code + rest)


@given(st.text("0123456789", min_size=1, max_size=20))
def test_equals_the_library_for_digits_without_a_country(digits: str) -> None:
    """R-1.4: unknown calling codes, too."""
    assert of_ours(digits) == of_the_library(digits)


@pytest.mark.parametrize("code", ["800", "808", "870", "979"])
def test_knows_codes_that_are_no_country(code: str) -> None:
    """R-1.4: international services have numbering plans of their own."""
    example = phonenumbers.example_number_for_non_geo_entity(int(code))
    assert example is not None
    digits = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)[1:]
    assert judge(digits).impossible is None
    assert judge(digits).doubts == ()
