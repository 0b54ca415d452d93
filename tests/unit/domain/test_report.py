"""What a report's figures mean: tables of cases (R-7.6, R-7.9)."""

from __future__ import annotations

import doctest
from collections import Counter

import phonenumbers
import pytest

from engine.domain import report
from engine.domain.message import MessageState
from engine.domain.report import (
    Figures,
    by_country,
    common,
    country,
    funnel,
    meaning,
    moments,
    span,
)
from engine.operations import pictures


@pytest.mark.parametrize("module", [report, pictures])
def test_the_examples_are_true(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("prefix", "named"),
    [
        ("+642", "+64 New Zealand"),
        ("+628", "+62 Indonesia"),
        ("+120", "+1 North America"),
        ("+790", "+7 Russia and Kazakhstan"),
        ("+676", "+676 Tonga"),
        ("+800", "+800 international"),
        ("+44", "+44 United Kingdom"),
        ("", "number removed"),
        ("+999", "unknown"),
        ("3774", "+377 Monaco"),
        ("TUI", "unknown"),
    ],
)
def test_a_number_begins_with_its_country(prefix: str, named: str) -> None:
    assert country(prefix) == named


def test_every_calling_code_has_a_name() -> None:
    """The library may learn a new one: then the table needs a line."""
    for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
        name = country(f"+{code}").partition(" ")[2]
        assert len(name) > 3, f"+{code} is {name}"


def test_prefixes_of_one_country_are_added() -> None:
    found = by_country(
        {"+641": Counter(sent=1), "+642": Counter(sent=1, failed=1), "": Counter(a=9)}
    )
    assert found == {
        "number removed": Counter(a=9),
        "+64 New Zealand": Counter(sent=2, failed=1),
    }


@pytest.mark.parametrize(
    ("reason", "means"),
    [
        ("ESME_RINVDSTADR", "invalid destination address"),
        ("UNDELIV, err 069: no such subscriber", "the carrier could not deliver it"),
        ("undeliv", "the carrier could not deliver it"),
        ("EXPIRED", "its time ran out at the carrier before the handset was reached"),
        ("UNKNOWN", "the carrier does not know what became of it"),
        ("vendor specific (0x400)", None),
        ("opted out", None),
        ("", None),
    ],
)
def test_a_reason_is_explained_unless_it_is_a_sentence(reason: str, means: str | None) -> None:
    """R-7.9: errors with their meaning."""
    assert meaning(reason) == means


def test_rare_reasons_are_one() -> None:
    """A carrier that gives each message a reason of its own makes no page of a million lines."""
    many = {"failed": Counter({f"err {n}": n for n in range(1, 100)}), "skipped": Counter(out=500)}
    kept = common(many, most=3)
    assert kept == {
        "skipped": {"out": 500},
        "failed": {"err 99": 99, "err 98": 98, report.OTHER: sum(range(1, 98))},
    }


def test_the_funnel_narrows() -> None:
    """R-7.9: what was delivered was taken, whatever the responses said."""
    counts = dict.fromkeys(MessageState, 0) | {
        MessageState.SKIPPED: 10,
        MessageState.QUEUED: 20,
        MessageState.DELIVERED: 70,
    }
    steps = [(step.name, step.messages) for step in funnel(counts, taken=69)]
    assert steps == [
        ("recipients", 100),
        ("to be sent", 90),
        ("taken by the carrier", 70),
        ("delivered", 70),
    ]
    assert all(step.share == 0 for step in funnel(dict.fromkeys(MessageState, 0), 0))


@pytest.mark.parametrize("seconds", [0, 59, 3600, 86_400, 31 * 86_400])
@pytest.mark.parametrize("gathered", [1, 30, 3600])
def test_a_picture_has_so_many_moments(seconds: int, gathered: int) -> None:
    """Never more than there is room for, none lost, and none finer than they were gathered in."""
    base = 1_795_593_600
    sent = Counter({base: 3, base + seconds // gathered * gathered: 4})
    width, begins, (found, nothing) = moments(Figures(sent=sent, moment_s=gathered), 90)
    assert len(begins) <= 92
    assert width % gathered == 0
    assert (found.total(), nothing.total()) == (sent.total(), 0)
    assert set(found) <= set(begins)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59, "59 s"), (600, "10 min"), (5400, "1.5 h"), (86_400, "1 day"), (2.5 * 86_400, "2.5 days")],
)  # fmt: skip
def test_how_long_in_words(seconds: float, words: str) -> None:
    assert span(seconds) == words
