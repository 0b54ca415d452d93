"""However long a file or a line is, reading holds a block of it (R-1.12)."""

import tracemalloc
from pathlib import Path

import pytest

from engine.domain.csvfile import BadRow, Row, read

MEGABYTE = 1 << 20


@pytest.mark.parametrize(
    ("line", "times", "good", "bad"),
    [
        (b"+64211234567,Amy,Scott\n", 200_000, 200_000, 0),
        (b"+64211234567,", MEGABYTE, 0, 1),
        (b'+64211234567,"', MEGABYTE, 0, 1),
    ],
    ids=["many lines", "one line", "one line of quotes"],
)
def test_memory_stays_flat(tmp_path: Path, line: bytes, times: int, good: int, bad: int) -> None:
    """R-1.12: 4 and 13 MB are read in less than 3."""
    path = tmp_path / "long.csv"
    path.write_bytes(line * times)
    tracemalloc.start()
    try:
        rows = read(path)
        kinds = {Row: 0, BadRow: 0}
        for row in rows:
            kinds[type(row)] += 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kinds == {Row: good, BadRow: bad}
    assert rows.octets == path.stat().st_size
    assert peak < 3 * MEGABYTE
