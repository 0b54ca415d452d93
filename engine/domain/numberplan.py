"""What the phonenumbers library says of an international number, at the speed of an import.

The library parses, measures and matches a number in 18 µs. Most of that is reading what
`numbers.clean` has read already, so for the usual number (no national prefix inside) its
numbering plans are compiled once per country calling code: possible lengths, asked from the
library itself, and one pattern per region and length for validity. Where a national prefix may
be inside (`+64 0 21…`), the library decides. A property test holds both equal (R-1.4).
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumber, ValidationResult
from phonenumbers.phonemetadata import PhoneNumberDesc


class Verdict(NamedTuple):
    """`impossible` says in words why no such number can exist; `doubts` why it may not."""

    impossible: str | None = None
    doubts: tuple[str, ...] = ()


_FINE = Verdict()
_NO_COUNTRY = Verdict("unknown country code: no country's numbers begin like this")
# ITU E.164 leaves 15 digits for all; the library goes to 17 for the national part.
_NATIONAL_LENGTHS = range(2, 18)
_CODES = frozenset(map(str, phonenumbers.COUNTRY_CODE_TO_REGION_CODE))
_NEVER = r"(?!)"
_IMPOSSIBLE = {
    ValidationResult.TOO_SHORT: "too short for its country",
    ValidationResult.TOO_LONG: "too long for its country",
    ValidationResult.INVALID_LENGTH: "no number of its country has this length",
}


class _Region(NamedTuple):
    """How one region of a calling code recognises a national number of one length."""

    own: re.Pattern[str] | None  # leading digits that make a number this region's, right or wrong
    general: re.Pattern[str]
    kinds: re.Pattern[str]  # mobile, fixed line, toll free, …: any of them


class _Plan(NamedTuple):
    """All that is asked of a calling code's numbers that have no national prefix inside."""

    prefixed: re.Pattern[str] | None  # may have a national prefix inside
    impossible: Mapping[int, Verdict | None]  # by length of the national number
    regions: Mapping[int, tuple[_Region, ...]]  # the same
    unassigned: Verdict


def judge(digits: str) -> Verdict:
    """Say whether the international number `digits` (no plus) can exist, and what is doubtful."""
    for length in (2, 3, 1):  # no code begins with another, so the order is only for speed
        code = digits[:length]
        if code in _CODES:
            break
    else:
        return _NO_COUNTRY
    plan = _plan(code)
    national = digits[length:]
    size = len(national)
    if size not in plan.impossible:
        return _ask(digits)
    if plan.prefixed is not None:
        prefix = plan.prefixed.match(national)
        # Some plans' patterns match an empty start of every number and change nothing then.
        if prefix is not None and (prefix.end() or prefix.lastindex):
            return _ask(digits)
    return plan.impossible[size] or (
        _FINE if _assigned(national, plan.regions[size]) else plan.unassigned
    )


def _assigned(national: str, regions: tuple[_Region, ...]) -> bool:
    """Follow the library: the first region that claims or recognises the number has the say."""
    for own, general, kinds in regions:
        if own is not None and own.match(national) is None:
            continue
        known = general.fullmatch(national) is not None and kinds.fullmatch(national) is not None
        if known or own is not None:
            return known
    return False


def _ask(digits: str) -> Verdict:
    """Let the library itself parse the number and judge it."""
    try:
        number = phonenumbers.parse("+" + digits)
    except phonenumbers.NumberParseException as error:
        if error.error_type == error.INVALID_COUNTRY_CODE:
            return _NO_COUNTRY
        kind = "long" if error.error_type == error.TOO_LONG else "short"
        return Verdict(f"too {kind} for a phone number")
    code = str(number.country_code)
    impossible = _impossible(code, phonenumbers.is_possible_number_with_reason(number))
    if impossible is not None:
        return impossible
    doubts = () if phonenumbers.is_valid_number(number) else _unassigned(code).doubts
    meant = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if meant != "+" + digits:
        doubts += (f"has a national prefix inside; probably {meant} is meant",)
    return Verdict(None, doubts)


@cache
def _plan(code: str) -> _Plan:
    country_code = int(code)
    names = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[country_code]
    regions = [
        region
        for name in names
        if (region := PhoneMetadata.metadata_for_region_or_calling_code(country_code, name))
    ]
    parsing = regions[0].national_prefix_for_parsing
    return _Plan(
        prefixed=re.compile(parsing) if parsing else None,
        impossible={
            size: _impossible(
                code,
                phonenumbers.is_possible_number_with_reason(
                    PhoneNumber(country_code=country_code, national_number=int("1" * size))
                ),
            )
            for size in _NATIONAL_LENGTHS
        },
        regions={
            size: tuple(_region(region, size, alone=len(names) == 1) for region in regions)
            for size in _NATIONAL_LENGTHS
        },
        unassigned=_unassigned(code),
    )


def _region(region: PhoneMetadata, size: int, *, alone: bool) -> _Region:
    kinds = [
        region.premium_rate,
        region.toll_free,
        region.shared_cost,
        region.voip,
        region.personal_number,
        region.pager,
        region.uan,
        region.voicemail,
        region.fixed_line,
        region.mobile,
    ]
    leading = None if alone else region.leading_digits
    return _Region(
        own=re.compile(leading) if leading is not None else None,
        general=_any_of([region.general_desc], size),
        kinds=_any_of(kinds, size),
    )


def _any_of(descriptions: list[PhoneNumberDesc | None], size: int) -> re.Pattern[str]:
    patterns = [
        f"(?:{description.national_number_pattern})"
        for description in descriptions
        if description is not None
        and description.national_number_pattern
        and (not description.possible_length or size in description.possible_length)
    ]
    return re.compile("|".join(dict.fromkeys(patterns)) or _NEVER)


def _country(code: str) -> str:
    name = phonenumbers.region_code_for_country_code(int(code))
    return f"+{code}" if name == phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY else f"+{code} {name}"


def _impossible(code: str, result: int) -> Verdict | None:
    reason = _IMPOSSIBLE.get(result)
    return None if reason is None else Verdict(f"{reason} ({_country(code)})")


def _unassigned(code: str) -> Verdict:
    return Verdict(None, (f"not assigned in the numbering plan of its country ({_country(code)})",))
