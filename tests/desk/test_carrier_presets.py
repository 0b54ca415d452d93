"""`siaran carrier presets`: habits of carriers, to paste into a configuration (R-5.6)."""

from __future__ import annotations

import json
import tomllib

from config.presets import PRESETS
from tests.desk.conftest import Siaran


def test_all_of_them_are_lines_to_paste(siaran: Siaran) -> None:
    answer = siaran("carrier", "presets")
    assert answer.code == 0
    for preset in PRESETS:
        assert f"# {preset.name}: {preset.sentence}\n" in answer.out
    for part in answer.out.split("\n\n"):
        assert tomllib.loads(part)


def test_those_that_are_named_may_come_together(siaran: Siaran) -> None:
    answer = siaran("carrier", "presets", "latin1", "small-account")
    assert tomllib.loads(answer.out) == {"alphabet": "latin1", "rate": 2.0, "window": 2}
    rows = json.loads(siaran("carrier", "presets", "latin1", "--json").out)
    assert [row["name"] for row in rows] == ["latin1"]


def test_an_unknown_one_is_refused_with_the_nearest(siaran: Siaran) -> None:
    answer = siaran("carrier", "presets", "latn1")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err == 'siaran: no preset is called "latn1"; did you mean latin1?\n'
