"""A campaign's report as a page: complete in itself, legible, and nothing of others' in it (R-7.9)."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from engine.domain.campaign import CampaignState
from engine.domain.message import MessageState
from engine.domain.report import Figures
from engine.operations.report_page import page
from engine.operations.reports import Pictured, Report
from tests.desk.conftest import Siaran

NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)
EVIL = "<script>alert(\"x\")</script> & 'Söhne' 🎉 \u202e\x07"

REPORT = Report(
    id=12,
    state=CampaignState.COMPLETED,
    list=EVIL,
    batch=EVIL,
    sender=EVIL,
    user=EVIL,
    scheduled_at=NOW,
    started_at=NOW,
    ended_at=NOW + timedelta(seconds=50),
    duration_s=50.0,
    planned=None,
    recipients=1_000_000,
    counts=dict.fromkeys(MessageState, 0)
    | {MessageState.DELIVERED: 999_999, MessageState.FAILED: 1},
    segments=2_000_000,
    segments_delivered=1_999_998,
    replies=3,
    opted_out=1,
    removed=0,
)
SECOND = int(NOW.timestamp())
PICTURED = Pictured(
    report=REPORT,
    application=EVIL,
    company=EVIL,
    timezone="Asia/Jakarta",
    text=f"Dear %%1%%,\n{EVIL}",
    figures=Figures(
        counts=Counter(delivered=999_999, failed=1),
        countries={"+642": Counter(delivered=999_999), "+628": Counter(failed=1)},
        reasons={"failed": Counter({EVIL: 1})},
        sent=Counter({SECOND + n: 20_000 for n in range(50)}),
        delivered=Counter({SECOND + n + 2: 19_999 for n in range(50)}),
        latencies=Counter({0: 10, 3: 999_989}),
        carriers={EVIL: Counter(delivered=999_999, failed=1, segments=2_000_000)},
    ),
    replies={"reply": 2, "opt-out": 1},
)


class Read(HTMLParser):
    """A page as a browser takes it: that its elements are closed, and what they are."""

    VOID = frozenset({"meta", "rect", "line", "path", "link", "img", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, Any]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, Any]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def text() -> str:
    return page(PICTURED, NOW)


def test_it_needs_nothing_beside_itself(text: str) -> None:
    """No script, no address, and a policy that forbids both; a million's page is small."""
    read = Read(text)
    assert read.open == []
    tags = {tag for tag, _ in read.found}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "form", "base", "a"}
    attributes = {name for _, given in read.found for name in given}
    assert not attributes & {"src", "href", "style", "xlink:href"}
    assert not [name for name in attributes if name.startswith("on")]
    assert not re.search(r"https?:|url\(|@import", text)
    policies = [m for m in read.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policies[0]["content"].startswith("default-src 'none'")
    assert len(text.encode()) < 100_000


def test_what_came_from_outside_is_words(text: str) -> None:
    """Names, texts and reasons with markup, emoji, and characters that turn the words around."""
    assert "<script" not in text
    assert "\u202e" not in text
    assert "\x07" not in text
    words = "".join(Read(text).words)
    shown = "<script>alert(\"x\")</script> & 'Söhne' 🎉 \\u202e\\x07"
    # application, company, list, batch, sender, user, reason, carrier, message
    assert words.count(shown) >= 9


def test_whoever_does_not_see_the_pictures_reads_them(text: str) -> None:
    """Each picture has words or repeats those beside it; tables have heads; there is a language."""
    read = Read(text)
    assert read.all("html")[0]["lang"] == "en"
    for svg in read.all("svg"):
        assert svg.get("aria-hidden") == "true" or (svg["role"] == "img" and svg["aria-label"])
    labels = [svg["aria-label"] for svg in read.all("svg") if "aria-label" in svg]
    assert any("999,999 delivered" in one for one in labels)
    assert any("from 25 Nov 2026, 16:00:00" in one for one in labels)  # in Jakarta
    assert all(th.get("scope") in ("row", "col") for th in read.all("th"))
    assert len(read.all("h1")) == 1


def test_what_is_nearly_all_is_not_all(text: str) -> None:
    """999,999 of a million are not 100 %, and one is not 0 %."""
    assert "&gt; 99.9 %" in text or "> 99.9 %" in text
    assert "< 0.1 %" in text or "&lt; 0.1 %" in text


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
    parts = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_words_and_pictures_stand_out_in_the_light_in_the_dark_and_on_paper(text: str) -> None:
    """WCAG 2.2 §1.4.6 for words (7:1), §1.4.11 for what a picture is made of (3:1)."""
    palettes = re.findall(r":root\{(--ground[^}]*)\}", text)
    assert len(palettes) == 3
    light: dict[str, str] = {}
    for palette in palettes:
        colours = light | dict(re.findall(r"--(\w+):(#\w+)", palette))
        light = light or colours
        grounds = (colours.pop("ground"), colours.pop("card"))
        del colours["grid"], colours["line"]
        for name, colour in colours.items():
            wanted = 7.0 if name in ("ink", "quiet") else 3.0
            for ground in grounds:
                assert _contrast(colour, ground) >= wanted, (palette[:20], name, ground)


@pytest.mark.parametrize(
    ("state", "ended", "says"),
    [
        (CampaignState.SCHEDULED, None, "has not started yet"),
        (CampaignState.CANCELLED, NOW, "never started"),
    ],
)
def test_one_that_never_ran_says_so(
    state: CampaignState, ended: datetime | None, says: str
) -> None:
    """And draws nothing."""
    report = replace(
        REPORT,
        state=state,
        started_at=None,
        ended_at=ended,
        duration_s=None,
        recipients=None,
        planned=7 if ended is None else None,
        counts=dict.fromkeys(MessageState, 0),
        replies=0,
        list=None,
    )
    text = page(replace(PICTURED, report=report, figures=Figures(), replies={}), NOW)
    assert says in text
    assert ("planned for 7 recipients" in text) is (ended is None)
    assert Read(text).open == []


def test_what_was_removed_is_said(text: str) -> None:
    """R-9.3: the counts stay; what the pictures lack is told."""
    assert "removed for their age" not in text
    less = replace(PICTURED, report=replace(REPORT, removed=400_000, replies=5))
    assert "400,000 messages were removed for their age" in page(less, NOW)


def test_it_is_written_where_it_is_wanted(siaran: Siaran, tmp_path: Path) -> None:
    """Of a campaign that waits; to a file, or to stdout with `-`; where it can't, one line."""
    siaran("sender", "add", "4455")
    siaran("list", "create", "later")
    siaran("member", "add", "later", "+64211234501")
    words = ("--list", "later", "--message", "Hi", "--at", "2030-12-01 09:10", "--json")
    campaign = str(siaran("campaign", "new", *words).json["campaign"]["id"])
    file = tmp_path / "report.html"
    answer = siaran("report", "campaign", campaign, "--html", file)
    assert (answer.code, answer.err) == (0, "")
    assert str(file) in answer.out
    text = file.read_text(encoding="utf-8")
    assert "planned for 1 recipients" not in text
    assert "planned for 1 recipient" in text
    assert siaran("report", "campaign", campaign, "--html", "-").out.startswith("<!DOCTYPE html>")
    refused = siaran("report", "campaign", campaign, "--html", tmp_path / "no" / "x.html")
    assert (refused.code, len(refused.err.splitlines())) == (1, 1)
    missing = siaran("report", "campaign", "999999", "--html", tmp_path / "x.html")
    assert (missing.code, (tmp_path / "x.html").exists()) == (1, False)
