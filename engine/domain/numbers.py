"""From what a file says to a mobile in international format: R-1.4, R-1.9."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

import phonenumbers

from engine.domain import numberplan
from engine.domain.errors import Refused

MIN_DIGITS, MAX_DIGITS = 7, 14  # E.164 allows 15, the guide 14

# What people and programs put round a number: blanks and quotes, Excel's apostrophe and ="…",
# brackets, and the invisible direction marks that come along when a contact is copied.
_ROUND = " \t\r\n\v\f\u00a0\u2007\u202f\ufeff\"'`´‘’“”=()\u200b\u200e\u200f" + "".join(
    map(chr, range(0x202A, 0x202F))
)
# Two values in one field. To drop these with the other non-digits would glue columns.
_SEPARATORS = {
    ";": "a semicolon",
    ",": "a comma",
    "\t": "a tab",
    "|": "a bar",
    "\n": "a line break",
    "\r": "a line break",
}
_SUSPICIOUS_TAIL = 6  # equal digits at the end, R-1.4

_PLUSES = ("+", "\uff0b")
_GROUPING = str.maketrans("", "", " -()\u00a0")  # what numbers are commonly grouped with
_EXPONENT = re.compile(r"\+?[0-9]+(?:[.,][0-9]+)?[eE][+-]?[0-9]+")
_DECIMALS = re.compile(r"(\+?[0-9]{7,})[.,]0{1,2}")
_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}(?:,[0-9]{3}){2,}(?:\.0{1,2})?")


class Cleaned(NamedTuple):
    """A number that can be imported. A tuple, for a list has a million of them."""

    mobile: str  # "+6421555666"
    mapped: bool  # a prefix map was applied
    warnings: tuple[str, ...]  # reasons to doubt it, kept all the same


class Invalid(NamedTuple):
    """A number that can't be imported: what stood there, and why not, in words."""

    value: str
    reason: str


class PrefixMaps(Mapping[str, str]):
    """An application's prefix maps, such as `021 → 6421`; the longest prefix wins (R-1.9).

    Raises Refused when a prefix or a replacement is not made of digits (a `+` before it is
    dropped), or a replacement could not start an international number.
    """

    def __init__(self, maps: Mapping[str, str] | None = None) -> None:
        self._maps = dict(_checked(*pair) for pair in (maps or {}).items())
        self._lengths = sorted({len(prefix) for prefix in self._maps}, reverse=True)

    def __getitem__(self, prefix: str) -> str:
        return self._maps[prefix]

    def __iter__(self) -> Iterator[str]:
        return iter(self._maps)

    def __len__(self) -> int:
        return len(self._maps)

    def apply(self, digits: str) -> str | None:
        """Return `digits` with the longest known prefix replaced, None when no prefix fits."""
        for length in self._lengths:
            replacement = self._maps.get(digits[:length])
            if replacement is not None:
                return replacement + digits[length:]
        return None


def _checked(prefix: str, replacement: str) -> tuple[str, str]:
    bare, start = prefix.strip().removeprefix("+"), replacement.strip().removeprefix("+")
    if not (bare.isascii() and bare.isdecimal() and len(bare) <= MAX_DIGITS):
        raise Refused(
            f'prefix "{prefix}": write 1 to {MAX_DIGITS} digits, the start of a number: 021'
        )
    if not (start.isascii() and start.isdecimal() and start[0] != "0" and len(start) <= MAX_DIGITS):
        raise Refused(
            f'replacement "{replacement}" of prefix {bare}: write 1 to {MAX_DIGITS} digits '
            "that start with a country code: 6421"
        )
    return bare, start


def clean(
    raw: str,
    prefix_maps: PrefixMaps,
    *,
    min_digits: int = MIN_DIGITS,
    max_digits: int = MAX_DIGITS,
    strict: bool = False,
) -> Cleaned | Invalid:
    """Return the mobile that `raw` means, or why it means none; with `strict` a doubt is one too.

    In the order of R-1.4: is it international already (`+`, `00`); drop what is no digit; else
    the prefix maps; a plus in front; then the checks.

    >>> clean("021 555 666", PrefixMaps({"021": "6421"})).mobile
    '+6421555666'
    """
    text = raw.strip(_ROUND)
    digits = text[1:] if text[:1] == "+" else text
    if not (digits.isascii() and digits.isdecimal()):
        read = _digits_of(text)
        if isinstance(read, Invalid):
            return Invalid(raw, read.reason)
        digits = read
    mapped = False
    if text[:1] not in _PLUSES:
        if digits[:2] == "00" and text[:2] == "00":
            digits = digits[2:]
        elif prefix_maps and (replaced := prefix_maps.apply(digits)) is not None:
            digits, mapped = replaced, True
    if digits[:1] == "0":
        return Invalid(
            raw, "begins with 0: neither international (+ or 00 in front) nor in a prefix map"
        )
    if not min_digits <= len(digits) <= max_digits:
        return Invalid(raw, f"{len(digits)} digits; a number has {min_digits} to {max_digits}")
    verdict = numberplan.judge(digits)
    if verdict.impossible is not None:
        return Invalid(raw, verdict.impossible)
    warnings = verdict.doubts
    if digits[-_SUSPICIOUS_TAIL:] == digits[-1] * _SUSPICIOUS_TAIL:
        warnings += (f"ends in {_SUSPICIOUS_TAIL} or more equal digits",)
    if warnings and strict:
        return Invalid(raw, "; ".join(warnings))
    return Cleaned("+" + digits, mapped, warnings)


@lru_cache(maxsize=50_000)
def from_network(address: str, ton: int, country: str | None) -> str:
    """A subscriber's number as an SMSC writes it, in international format (R-5.6, R-6.1).

    `country` is where a number without a country code is from; without one, a number that is not
    said to be national has its country code. What is no number (a name, a short code) stays as it
    came.

    >>> from_network("021555666", 0, "NZ"), from_network("6421555666", 1, None)
    ('+6421555666', '+6421555666')
    """
    digits = address.removeprefix("+")
    if not (digits.isascii() and digits.isdecimal() and len(digits) >= MIN_DIGITS):
        return address
    if address != digits or ton == _INTERNATIONAL or digits.startswith("00"):
        whole = digits.removeprefix("00")
        return address if whole.startswith("0") else f"+{whole}"
    if country is not None:
        try:
            number = phonenumbers.parse(digits, country)
        except phonenumbers.NumberParseException:
            return address
        if phonenumbers.is_valid_number(number):
            return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
        if ton == _NATIONAL or digits.startswith("0"):
            return address
    return address if digits.startswith("0") else f"+{digits}"


# Types of number, SMPP 3.4 §5.2.5.
_INTERNATIONAL, _NATIONAL = 1, 2


def _digits_of(text: str) -> str | Invalid:
    """Return the digits of a number that is not written in plain digits, or why it can't be read.

    Damage is read where only one reading is left (`64211234567.00`), else refused (`6.42E+10`).
    """
    grouped = text.removeprefix("+").translate(_GROUPING)
    if grouped.isascii() and grouped.isdecimal():
        return grouped
    if _EXPONENT.fullmatch(text):
        return Invalid(
            text,
            "a spreadsheet has shortened the number and digits are lost; "
            "format the column as text and export again",
        )
    if decimals := _DECIMALS.fullmatch(text):
        return decimals[1].removeprefix("+")
    if _THOUSANDS.fullmatch(text):
        return text.partition(".")[0].replace(",", "")
    digits = ""
    for character in text:
        if character in _SEPARATORS:
            return Invalid(text, f"{_SEPARATORS[character]} in a number: two values in one field?")
        if character in _PLUSES and digits:
            return Invalid(text, "a plus inside a number: two numbers in one field?")
        if character.isalpha():
            return Invalid(text, "letters in a number")
        digits += str(unicodedata.decimal(character, ""))
    return digits or Invalid(text, "no number" if not text else "no digits in the number")
