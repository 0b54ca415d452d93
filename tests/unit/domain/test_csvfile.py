"""A CSV file as rows, each bad one with its line and reason (R-1.3, R-1.5, R-1.6)."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.domain.csvfile import BadRow, Row, read, sniff
from engine.domain.errors import Refused
from engine.domain.numbers import Invalid, PrefixMaps, clean

Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "list.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def test_the_guides_sample(write: Write) -> None:
    """R-1.3: the header is skipped with a notice, and each row has its number and params."""
    path = write(
        "Mobile#,%%1%%,%%2%%,%%3%%,%%4%%,%%5%%\r\n"
        "+64211234567,Amy,Scott,12 Nov,$159.62,0800123456\r\n"
        "+642912345,Michael,Brown,22 Nov,$295.22,04 1234567"
    )
    assert sniff(path).notices == ('line 1 is a header ("Mobile#") and was skipped',)
    assert list(read(path)) == [
        Row(2, "+64211234567", ("Amy", "Scott", "12 Nov", "$159.62", "0800123456")),
        Row(3, "+642912345", ("Michael", "Brown", "22 Nov", "$295.22", "04 1234567")),
    ]


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("+641\r\n\r\n+642\r+643\n", [Row(1, "+641", ()), Row(3, "+642", ()), Row(4, "+643", ())]),
        ("+641;Joe;a,b\n", [Row(1, "+641", ("Joe", "a,b"))]),
        ("+641\tJoe\n", [Row(1, "+641", ("Joe",))]),
        ("+641, Joe , ,Ann,,,,,,\n", [Row(1, "+641", ("Joe", "", "Ann"))]),
        ('+641, "Smith, ""Joe"""\n', [Row(1, "+641", ('Smith, "Joe"',))]),
        ('+641,"two\r\nlines"\n+642\n', [Row(1, "+641", ("two\nlines",)), Row(3, "+642", ())]),
        ('+641,5" pipe\n', [Row(1, "+641", ('5" pipe',))]),
        ('="64211234567",Joe\n', [Row(1, '="64211234567"', ("Joe",))]),
        ("64211234567,00;Joe\n64211234568,00;Ann\n", [
            Row(1, "64211234567,00", ("Joe",)), Row(2, "64211234568,00", ("Ann",)),
        ]),
        ("sep=;\n+641;a,b\n", [Row(2, "+641", ("a,b",))]),
        (",Joe\n", [Row(1, "", ("Joe",))]),
        (",,,\n+641\x1a", [Row(2, "+641", ())]),
        ("+641\n\x1a", [Row(1, "+641", ())]),
    ],
)  # fmt: skip
def test_reads_what_spreadsheets_write(write: Write, content: str, rows: list[Row]) -> None:
    """R-1.5: line ends, delimiters, quotes, blank rows, Excel's own ways."""
    assert list(read(write(content))) == rows


@pytest.mark.parametrize("first", ["mobile", "nomor HP (+62)", "Phone 1", '"MSISDN"', "номер"])
def test_a_header_is_recognised(write: Write, first: str) -> None:
    """R-1.3: words where a number should be, in the first row only."""
    path = write(f"{first},name\n+641,Joe\nmobile,Ann\n")
    assert list(read(path)) == [Row(2, "+641", ("Joe",)), Row(3, "mobile", ("Ann",))]


@pytest.mark.parametrize("first", ["+64211234567", "64 21 ab", "+64abc", "O211234567", ""])
def test_a_bad_number_is_no_header(write: Write, first: str) -> None:
    """R-1.6: a first row that tries to be a number is reported, not skipped."""
    assert next(iter(read(write(f"{first},Joe\n")))) == Row(1, first, ("Joe",))


@pytest.mark.parametrize(
    ("content", "bad"),
    [
        ("+641,a,b,c,d,e,f,g\n", BadRow(1, "+641", "7 params; at most 6 params are allowed")),
        ("+641," + "x" * 51 + "\n", BadRow(1, "x" * 51, "param 1 has 51 characters; at most 50")),
        ('+641,"Joe\n', BadRow(1, '+641,"Joe', "a quote is opened and not closed")),
        ('+641,"Joe" x\n', BadRow(1, '+641,"Joe" x', "text after a closing quote")),
        ("+641" + "x" * 70_000 + "\n", BadRow(1, "+641" + "x" * 55 + "…", "the line is longer")),
    ],
)  # fmt: skip
def test_a_bad_row_is_named_and_the_next_one_read(write: Write, content: str, bad: BadRow) -> None:
    """R-1.3, R-1.6: line, value, reason; and a forgotten quote swallows no row but its own."""
    first, *others = read(write(content + '+642,"Ann"\n+643\n'))
    assert isinstance(first, BadRow)
    assert first[:2] == bad[:2]
    assert first.reason.startswith(bad.reason)
    assert others == [Row(2, "+642", ("Ann",)), Row(3, "+643", ())]


def test_a_forgotten_quote_swallows_no_rows(write: Write) -> None:
    """R-1.6: even when another far below would close it, all rows between are read."""
    between = [f"+6421123456{n},Joe" for n in range(9)]
    path = write("\n".join(['+641,"Joe', *between, '+643,Ann"', "+644"]))
    bad, *rows = read(path)
    assert isinstance(bad, BadRow)
    assert bad.line == 1
    assert [row.line for row in rows] == [*range(2, 13)]


def test_columns_are_never_glued(write: Write) -> None:
    """R-1.5: the guide's +123456789;1234 is a bad number in a file of commas, in one of
    semicolons it has a param."""
    rows = list(read(write("+64211234567,Joe\n+123456789;1234\n+64211234568,Ann\n")))
    assert isinstance(clean(rows[1][1], PrefixMaps()), Invalid)
    assert list(read(write("+123456789;1234\n"))) == [Row(1, "+123456789", ("1234",))]


@pytest.mark.parametrize(
    ("codec", "notice"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-16", "read as UTF-16"),
        ("utf-16-le", "read as UTF-16"),
        ("utf-16-be", "read as UTF-16"),
        ("cp1252", 'read as Windows-1252 because of line 2, such as "Zoë"'),
    ],
)
def test_reads_the_encodings_of_spreadsheets(write: Write, codec: str, notice: str | None) -> None:
    """R-1.5: and says which one, where it had to be found out."""
    path = write("+641,Joe\n+642,Zoë\n+643,O’Brien\n".encode(codec))
    assert [row.params for row in read(path) if isinstance(row, Row)] == [
        ("Joe",), ("Zoë",), ("O’Brien",),
    ]  # fmt: skip
    assert [said.startswith(notice or "") for said in sniff(path).notices] == [True] * bool(notice)


def test_an_encoding_is_found_out_however_late_it_shows(write: Write) -> None:
    """R-1.5, R-1.6: else a file would be half read when its one letter comes."""
    path = write(b"+64211234567,Joe\n" * 50_000 + b"+64211234568,Zo\xeb\n")
    assert sniff(path).codec == "cp1252"


def test_a_stray_control_character_is_the_fault_of_its_row(write: Write) -> None:
    """R-1.3: wherever in the file; no message can hold it. A line feed inside quotes is fine."""
    rows = list(read(write('+641,a\x07b\n+642,"a\nb"\n' + "+643,Ann\n" * 50)))
    assert rows[0] == BadRow(1, "a\x07b", "param 1 holds the control character '\\x07'")
    assert rows[1] == Row(2, "+642", ("a\nb",))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf\n\n", "no rows in the file"),
        (b"PK\x03\x04\x14\0", "is an Excel workbook or another zip archive, not CSV"),
        (b"%PDF-1.7", "is a PDF document, not CSV"),
        (b"\x7fELF\x02\x01\0", "is a binary file, not CSV"),
        (b"+641\n" * 100_000 + b"\0", "line 100001: is binary data, not CSV"),
        (bytes(range(1, 256)), "is a binary file, not CSV"),
        (b"\xff\xfe+\0\0", "line 1: damaged text"),
        ("+79161234567,Иван\n".encode("cp1251"), "line 1: letters in an encoding"),
        ("+306912345678,Γιώργος\n".encode("cp1253"), "line 1: letters in an encoding"),
        ("+819012345678,山田太郎\n".encode("shift_jis"), "line 1: letters in an encoding"),
        (b"+641,1\n+642;2\n", "separated by commas in line 1 and by semicolons in line 2"),
        (b"sep=|\n+641|1\n", 'line 1: separated by "|"'),
    ],
)
def test_a_file_that_is_no_csv_is_refused(write: Write, content: bytes, why: str) -> None:
    """R-1.5: one line that says what it is, and what to do; nothing is guessed."""
    path = write(content)
    with pytest.raises(Refused) as refused:
        read(path)
    assert str(refused.value).startswith(f"{path}: {why}")


@pytest.mark.parametrize(
    ("name", "why"),
    [("", "is a directory"), ("missing.csv", "no such file"), ("a\0b", "can't be read")],
)
def test_what_is_no_file_is_refused(tmp_path: Path, name: str, why: str) -> None:
    """R-1.5."""
    with pytest.raises(Refused, match=why):
        read(tmp_path / name)


param = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")) | st.sampled_from(',;"\n'),
    max_size=50,
).map(lambda text: text + "." if text.strip() != text or not text else text)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(param, max_size=6), min_size=2, max_size=5), st.sampled_from(",;\t"))
def test_what_a_csv_writer_writes_is_read(
    write: Write, table: list[list[str]], delimiter: str
) -> None:
    """R-1.5: any params, quoted as the standard says."""
    path = write("")
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL)
        out.writerows(["+64211234567", *params] for params in [["x"], *table])
    kept = [[text[:50] for text in params] for params in [["x"], *table]]
    rows = list(read(path))
    assert [list(row[2]) for row in rows] == kept


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.text('+64,;\t" \nab', max_size=80).map(str.encode))
def test_any_octets_give_rows_or_a_refusal(write: Write, content: bytes) -> None:
    """R-1.5: never a traceback; and the lines only rise."""
    try:
        rows = list(read(write(content)))
    except Refused:
        return
    numbers = [row.line for row in rows]
    assert numbers == sorted(set(numbers))
