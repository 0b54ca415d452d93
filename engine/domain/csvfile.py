"""A CSV file as rows: a mobile as it stands there, and up to six params (R-1.3, R-1.5, R-1.12).

`sniff` recognises encoding, delimiter and header; `read` streams. What is wrong with one row is a
value in the stream, so that an import can name every bad row; what is wrong with the file as a
whole is Refused. Memory holds a block of the file, however long it or one of its lines is.
"""

import re
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple, TextIO

from engine.domain import textfile
from engine.domain.errors import Refused
from engine.domain.spreadsheet import unguarded
from engine.domain.textfile import LONGEST

MAX_PARAMS: Final = 6
MAX_PARAM_CHARACTERS: Final = 50

CONTROL: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f]")
"""What no message holds: all control characters but a line feed."""

_SNIFFED_LINES = 1000
_QUOTED_LINES = 100  # a quoted field over more lines than this is a quote that somebody forgot
_SHOWN = 60  # characters of a bad value that a report repeats

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
# The first delimiter of a line that is not inside quotes. A number with a decimal comma
# (64211234567,00;Joe) is passed over: there the comma is none.
_FIRST = re.compile(
    r' *(?:"(?:[^"]|"")*+"|\+?[0-9]+,(?:0{1,2}|[0-9]+[eE]\+?[0-9]+)(?=[;\t]))?'
    r"[^,;\t]*+([,;\t])"
)
_INSIDE = r'([^"]*+(?:""[^"]*+)*+)'
_BLANKS = {",": "[ \t]*+", ";": "[ \t]*+", "\t": " *+"}
# A whole quoted field with the blanks round it; and one that begins, closed too early or not at all.
_WHOLE = {
    delimiter: re.compile(rf'{blanks}"{_INSIDE}"{blanks}(?={delimiter}|\Z)')
    for delimiter, blanks in _BLANKS.items()
}
_OPENED = {
    delimiter: re.compile(rf'{blanks}"(?:{_INSIDE[1:-1]})("?)')
    for delimiter, blanks in _BLANKS.items()
}
_SEP_LINE = re.compile(r'"?sep=(.)"?,*', re.IGNORECASE)  # Excel writes and reads it


_UNCLOSED = "a quote is opened and not closed; close it, or remove it"
_AFTER_QUOTE = 'text after a closing quote; inside quotes, write a quote twice ("")'


class Row(NamedTuple):
    """One recipient as the file has it. A tuple, for a file has a million of them.

    `mobile_raw` is what `numbers.clean` wants; `params` ends with the last that is not empty.
    """

    line: int  # where the row begins, the first line of the file is 1
    mobile_raw: str
    params: tuple[str, ...]


class BadRow(NamedTuple):
    """A row that can't be taken: its line, what stands there, and why not, in words."""

    line: int
    value: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """How to read a file. `notices` are for the user: what was skipped, what was assumed."""

    path: Path
    codec: str
    delimiter: str
    sep_line: bool  # line 1 is Excel's `sep=;`
    header: bool  # the first row is one
    notices: tuple[str, ...]


class Rows:
    """The rows of a file, read while they are iterated; `octets` of it have been so far."""

    def __init__(self, recognised: Recognised) -> None:
        self.recognised = recognised
        self._file: TextIO | None = None
        self._read = 0

    @property
    def octets(self) -> int:
        if self._file is not None and not self._file.closed:
            self._read = self._file.buffer.tell()
        return self._read

    def __iter__(self) -> Iterator[Row | BadRow]:
        """Give each row, bad ones as BadRow; empty lines and the header are passed over."""
        how = self.recognised
        with _opened(how.path, how.codec) as self._file:
            records = _records(_lines(how.path, self._file, how.sep_line), how.delimiter)
            if how.header:
                next(records, None)
            for record in records:
                yield record if isinstance(record, BadRow) else _row(*record)
            self._read = self._file.buffer.tell()


def read(path: Path, recognised: Recognised | None = None) -> Rows:
    """Give the rows of `path`. Raises Refused, here or while iterating, when it is no CSV file."""
    return Rows(recognised or sniff(path))


def sniff(path: Path) -> Recognised:
    """Tell how `path` is to be read. Raises Refused when it is no CSV file, or ambiguous."""
    encoding = textfile.recognise(path)
    with _opened(path, encoding.codec) as file:
        first = next(textfile.lines(path, file), "")
    sep = _SEP_LINE.fullmatch(first.strip(" "))
    with _opened(path, encoding.codec) as file:
        lines = _lines(path, file, sep is not None)
        delimiter = sep[1] if sep is not None else _delimiter(path, lines)
    if delimiter not in _DELIMITERS:
        raise Refused(f'{path}: line 1: separated by "{delimiter}"; use commas')
    with _opened(path, encoding.codec) as file:
        record = next(_records(_lines(path, file, sep is not None), delimiter), None)
    if record is None:
        raise Refused(f"{path}: no rows in the file; put a mobile number on each line")
    notices = list(encoding.notices)
    if delimiter != ",":
        notices.append(f"separated by {_DELIMITERS[delimiter]}")
    header = not isinstance(record, BadRow) and _is_header(record[1][0])
    if header:
        notices.append(f'line {record[0]} is a header ("{_cut(record[1][0])}") and was skipped')
    return Recognised(
        path=path,
        codec=encoding.codec,
        delimiter=delimiter,
        sep_line=sep is not None,
        header=header,
        notices=tuple(notices),
    )


def _opened(path: Path, codec: str) -> TextIO:
    try:
        return path.open(encoding=codec)
    except OSError as error:
        raise textfile.unreadable(path, error) from error


def _row(line: int, fields: list[str]) -> Row | BadRow:
    mobile, *params = fields
    if any(param.startswith("'") for param in params):
        params = [unguarded(param) for param in params]
    while params and not params[-1]:
        params.pop()
    if (reason := fault_of(params)) is not None:
        wrong = next((param for param in params if fault_of([param])), mobile)
        return BadRow(line, _cut(wrong), reason)
    return Row(line, mobile, tuple(params))


def fault_of(params: Sequence[str]) -> str | None:
    """Tell why a member can't have these params (R-1.3), None when it can."""
    if len(params) > MAX_PARAMS:
        return f"{len(params)} params; at most {MAX_PARAMS} params are allowed"
    for number, param in enumerate(params, 1):
        if len(param) > MAX_PARAM_CHARACTERS:
            return f"param {number} has {len(param)} characters; at most {MAX_PARAM_CHARACTERS}"
        # The first look is quick, and nearly always enough.
        if not param.isprintable() and (strange := CONTROL.search(param)):
            return f"param {number} holds the control character {strange[0]!a}"
    return None


def _is_header(first: str) -> bool:
    """Words instead of a number: `Mobile#`, `nomor HP (+62)`, `Phone 1`."""
    letters = sum(character.isalpha() for character in first)
    digits = sum(character.isdecimal() for character in first)
    return letters > 0 and (digits == 0 or (digits <= 2 and letters >= 4 and first[0].isalpha()))


def _delimiter(path: Path, lines: "_Lines") -> str:
    """Return what follows the first column in most lines: a number never holds it."""
    votes: Counter[str] = Counter()
    seen: dict[str, int] = {}
    for line, text in islice(iter(lines.take, None), _SNIFFED_LINES):
        if found := _FIRST.match(text):
            votes[found[1]] += 1
            seen.setdefault(found[1], line)
    match votes.most_common(2):
        case [(one, most), (other, second)] if most == second:
            raise Refused(
                f"{path}: separated by {_DELIMITERS[one]} in line {seen[one]} and by "
                f"{_DELIMITERS[other]} in line {seen[other]}; use one of them throughout"
            )
        case [(one, _), *_]:
            return one
    return ","


class _Lines:
    """Numbered lines, of which some can be put back to be read again."""

    def __init__(self, lines: Iterator[tuple[int, str]]) -> None:
        self._lines = lines
        self._again: deque[tuple[int, str]] = deque()

    def take(self) -> tuple[int, str] | None:
        return self._again.popleft() if self._again else next(self._lines, None)

    def put_back(self, lines: list[tuple[int, str]]) -> None:
        self._again.extendleft(reversed(lines))


def _lines(path: Path, file: TextIO, sep_line: bool) -> _Lines:
    numbered = enumerate(textfile.lines(path, file), 1)
    return _Lines(islice(numbered, 1, None) if sep_line else numbered)


def _records(lines: _Lines, delimiter: str) -> Iterator[tuple[int, list[str]] | BadRow]:
    """Give the line and the fields of each row that has any; blanks round a field don't count."""
    while (item := lines.take()) is not None:
        line, text = item
        if len(text) > LONGEST:
            yield BadRow(line, _cut(text), f"the line is longer than {LONGEST:,} characters")
            continue
        if '"' not in text:
            fields = [field.strip() for field in text.split(delimiter)]
        else:
            ahead: list[tuple[int, str]] = []
            found = _quoted(text, lines, ahead, delimiter)
            if isinstance(found, str):
                # Whatever the quote swallowed is read again, as rows of their own.
                lines.put_back(ahead)
                yield BadRow(line, _cut(text), found)
                continue
            fields = found
        if any(fields):
            yield line, fields


def _quoted(
    text: str, lines: _Lines, ahead: list[tuple[int, str]], delimiter: str
) -> list[str] | str:
    """Split a row that has quotes, or say what is wrong; lines that it goes on in join `ahead`.

    A quote opens a field only at its beginning; further in (`5" pipe`) it is a character.
    """
    whole = _WHOLE[delimiter]
    fields: list[str] = []
    at = 0
    while True:
        if (field := whole.match(text, at)) is not None:
            fields.append(field[1].replace('""', '"'))
            at = field.end()
        elif '"' not in text[at:]:
            return fields + [field.strip() for field in text[at:].split(delimiter)]
        elif (opened := _OPENED[delimiter].match(text, at)) is not None:
            if opened[1]:
                return _UNCLOSED if ahead else _AFTER_QUOTE
            following = lines.take()
            if following is not None:
                ahead.append(following)
                text += "\n" + following[1]
            if following is None or len(ahead) >= _QUOTED_LINES or len(text) > LONGEST:
                return _UNCLOSED
            continue
        else:
            end = text.find(delimiter, at)
            end = len(text) if end < 0 else end
            fields.append(text[at:end].strip())
            at = end
        if at >= len(text):
            # Rather a forgotten quote and the next one in the file than a param of many lines.
            swallowed = ahead and any(len(field) > MAX_PARAM_CHARACTERS for field in fields)
            return _UNCLOSED if swallowed else fields
        at += 1


def _cut(value: str) -> str:
    return value if len(value) <= _SHOWN else value[: _SHOWN - 1] + "…"
