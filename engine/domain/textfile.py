"""What a file from somewhere is: text or not, in which encoding, and its lines one at a time.

The whole file is looked at once before a line is believed: one that is UTF-8 for 900,000 rows and
something else in the next would otherwise be half imported when that is found. Memory stays flat,
however long the file or one of its lines is (R-1.5, R-1.12).
"""

import codecs
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, TextIO

import charset_normalizer

from engine.domain.errors import Refused

LONGEST: Final = 64 * 1024
"""Characters of a line; a row that fits a message has some 350. A longer line comes cut."""

_BLOCK = 256 * 1024  # read at a time: larger is no faster
_SAMPLE = 16 * 1024  # octets of foreign letters that are enough to guess an encoding

_NOT_TEXT = (
    (b"PK\x03\x04", "an Excel workbook or another zip archive"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook"),
    (b"%PDF", "a PDF document"),
    (b"{\\rtf", "a formatted document (RTF)"),
    (b"\x1f\x8b", "a compressed file"),
    (b"\xff\xfe\0\0", "text in UTF-32"),
    (b"\0\0\xfe\xff", "text in UTF-32"),
)
_MARKED = (
    (codecs.BOM_UTF8, "utf-8-sig", ()),
    (codecs.BOM_UTF16_LE, "utf-16", ("read as UTF-16",)),
    (codecs.BOM_UTF16_BE, "utf-16", ("read as UTF-16",)),
)
_SAVE_AS_CSV = "save it as CSV in UTF-8 and import that"
_CONTROL = re.compile(rb"[\x01-\x08\x0e-\x19\x1b-\x1f]")  # but \x1a, see `lines`
_MOST_CONTROL = 100  # one in so many octets: a stray one is its row's fault, many are no text
_FOREIGN = re.compile(rb"[^\r\n]{0,80}[\x80-\xff][^\r\n]{0,80}")
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How to open the file: Python's name of a codec; and what the user should know of it."""

    codec: str
    notices: tuple[str, ...] = ()


def recognise(path: Path) -> Encoding:
    """Tell how `path` is written, reading all of it once. Raises Refused when it is no text."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise Refused(f"{path}: is a directory; give the CSV file itself")
        if not stat.S_ISREG(status.st_mode):
            raise Refused(f"{path}: not a regular file; save the rows to a file and import that")
        with path.open("rb") as file:
            return _recognise(path, file)
    except FileNotFoundError:
        raise Refused(f"{path}: no such file; check the name") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise unreadable(path, error) from error


def lines(path: Path, file: TextIO) -> Iterator[str]:
    """Give the lines of `file`, opened from `path`, without their ends: LF, CRLF or CR.

    One longer than LONGEST comes as its first LONGEST + 1 characters. Raises Refused when the
    file has changed into something else since it was recognised.
    """
    rest = ""
    try:
        while block := file.read(_BLOCK):
            *whole, rest = (rest + block).split("\n")
            for line in whole:
                yield line if len(line) <= LONGEST else line[: LONGEST + 1]
            rest = rest[: LONGEST + 1]
    except (OSError, UnicodeError) as error:
        raise unreadable(path, error) from error
    if rest := rest.rstrip("\x1a"):  # how some old programs end a file
        yield rest


def unreadable(path: Path, error: Exception) -> Refused:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return Refused(f"{path}: can't be read: {reason}; check the file")


def _recognise(path: Path, file: BinaryIO) -> Encoding:
    head = file.read(_BLOCK)
    if not head:
        raise Refused(f"{path}: the file is empty; put a mobile number on each line")
    for start, what in _NOT_TEXT:
        if head.startswith(start):
            raise Refused(f"{path}: is {what}, not CSV; {_SAVE_AS_CSV}")
    for mark, codec, notices in _MARKED:
        if head.startswith(mark):
            if (line := _undecodable(path, file, codec)) is not None:
                raise Refused(f"{path}: line {line}: damaged text ({codec}); {_SAVE_AS_CSV}")
            return Encoding(codec=codec, notices=notices)
    if (unmarked := _unmarked_utf16(head)) and _undecodable(path, file, unmarked) is None:
        return Encoding(codec=unmarked, notices=("read as UTF-16",))
    if b"\0" in head or _MOST_CONTROL * len(_CONTROL.findall(head)) > len(head):
        raise Refused(f"{path}: is a binary file, not CSV; {_SAVE_AS_CSV}")
    line = _undecodable(path, file, "utf-8")
    if line is None:
        return Encoding(codec="utf-8")
    return _western(path, file, line)


def _unmarked_utf16(head: bytes) -> str | None:
    """Tell UTF-16 without its mark: of nearly all characters one half is nought, the same one."""
    for codec, noughts, others in (
        ("utf-16-le", head[1::2], head[0::2]),
        ("utf-16-be", head[0::2], head[1::2]),
    ):
        if 10 * noughts.count(0) >= 9 * max(len(noughts), 1) and b"\0" not in others:
            return codec
    return None


def _undecodable(path: Path, file: BinaryIO, codec: str) -> int | None:
    """Return the line in which `file` stops being text in `codec`, None when it never does.

    Raises Refused for a NUL, which no text has in any encoding.
    """
    file.seek(0)
    decoder = codecs.getincrementaldecoder(codec)()
    line = 1
    while True:
        block = file.read(_BLOCK)
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            before = error.object[: error.start]
            return line + before.count(b"\n")
        if "\0" in text:
            line += text[: text.index("\0")].count("\n")
            raise Refused(f"{path}: line {line}: is binary data, not CSV; {_SAVE_AS_CSV}")
        if not block:
            return None
        line += text.count("\n")


def _western(path: Path, file: BinaryIO, line: int) -> Encoding:
    """Accept Windows-1252, which no octets prove: it must look like it, and the user is told how.

    charset-normalizer says whether the letters can be Western ones. It takes a few Greek or
    Cyrillic words for that; but there hardly a letter is ASCII, and here most are.
    """
    sample = b"\n".join(_foreign(file))
    guesses = charset_normalizer.from_bytes(sample)
    possible = any("cp1252" in guess.could_be_from_charset for guess in guesses)
    words = [
        word for word in _WORD.findall(sample.decode("cp1252", "replace")) if not word.isascii()
    ]
    foreign = sum(not letter.isascii() for word in words for letter in word)
    if (
        not possible
        or 2 * foreign > sum(map(len, words))
        or _undecodable(path, file, "cp1252") is not None
    ):
        raise Refused(
            f"{path}: line {line}: letters in an encoding that can't be told; "
            "save the file as UTF-8 and import that"
        )
    example = f', such as "{words[0]}"' if words else ""
    return Encoding(
        codec="cp1252",
        notices=(
            (
                f"read as Windows-1252 because of line {line}{example}; "
                "if letters are wrong, save the file as UTF-8"
            ),
        ),
    )


def _foreign(file: BinaryIO) -> Iterator[bytes]:
    """Give what stands round the letters that are not ASCII, some pages of it."""
    file.seek(0)
    found = 0
    while found < _SAMPLE and (block := file.read(_BLOCK)):
        for part in _FOREIGN.findall(block):
            found += len(part)
            yield part
            if found >= _SAMPLE:
                break
