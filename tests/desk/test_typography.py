"""`--transliterate` and `--flash`: what a person says, is told, and sees again (R-2.1)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.desk.conftest import Siaran

TEXT = "\u201cDon\u2019t\u201d \u2013 it\u2019s 5 \u20ac\u2026 " + "x" * 100
"""Two segments of UCS-2; one of GSM when its quotes are plain."""


@pytest.fixture(autouse=True)
def sender(siaran: Siaran) -> None:
    assert siaran("sender", "add", "Siaran", "--default").code == 0


@pytest.fixture
def customers(siaran: Siaran, tmp_path: Path) -> str:
    file = tmp_path / "customers.csv"
    file.write_text("+64211234567,M\u0101ui\n+64211234568,Anna\n", "utf-8")
    assert siaran("list", "import", "customers", file, "--create").code == 0
    return "customers"


def test_a_campaign_stays_in_gsm(siaran: Siaran, customers: str) -> None:
    words = ("campaign", "new", "--list", customers, "--now", "--message", TEXT + "%%1%%")
    refused = siaran(*words)
    assert refused.code == 1
    assert "UCS-2" in refused.err
    made = siaran(*words, "--transliterate", "--flash", "--json")
    assert made.code == 0
    cost = made.json["cost"]
    assert (cost["encodings"], cost["largest"]) == ({"gsm": 2}, 1)
    shown = siaran("campaign", "show", str(made.json["campaign"]["id"]), "--json").json
    assert (shown["flash"], shown["transliterate"]) == (True, True)
    for line in ("flash", "transliterate"):
        assert line in siaran("campaign", "show", str(made.json["campaign"]["id"])).out.lower()


def test_a_quick_campaign_too(siaran: Siaran, tmp_path: Path) -> None:
    file = tmp_path / "quick.csv"
    file.write_text("+64211234567\n")
    made = siaran(
        *("campaign", "quick", file, "--list", "quick", "--message", TEXT, "--now"),
        *("--transliterate", "--json"),
    )
    assert made.code == 0
    assert made.json["campaign"]["transliterate"] is True
    assert made.json["campaign"]["flash"] is False


def test_a_message_too(siaran: Siaran) -> None:
    sent = siaran(
        "message", "send", "+64211234567", TEXT, "--transliterate", "--flash", "--json"
    ).json
    assert (sent["encoding"], sent["segments"]) == ("gsm", 1)
    shown = siaran("message", "show", str(sent["id"]), "--json").json
    assert shown["flash"] is True
    assert shown["text"].startswith("\"Don't\" - it's 5 \u20ac...")


def test_two_wishes_that_contradict(siaran: Siaran, customers: str) -> None:
    answer = siaran(
        *("campaign", "new", "--list", customers, "--message", TEXT, "--now"),
        *("--transliterate", "--encoding", "ucs2"),
    )
    assert answer.code == 2
    assert "--transliterate stays in GSM, --encoding ucs2 leaves it" in answer.err
