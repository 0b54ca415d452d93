"""The benchmarks run, each of them as small as can be: what isn't run doesn't work for long."""

from __future__ import annotations

import json

import pytest

from tests.benchmarks.__main__ import benchmarks, main
from tests.benchmarks.figures import Figure, shown, table


@pytest.mark.long
def test_a_turn_is_measured_with_its_floor(capsys: pytest.CaptureFixture[str]) -> None:
    """All columns of it, of one small run."""
    words = ("turn", "--messages", "300", "--window", "50", "--runs", "1", "--json")
    assert main(words) == 0
    document = json.loads(capsys.readouterr().out)
    figures = {one["name"]: one["median"] for one in document["benchmarks"]["turn"]}
    assert all(value >= 0 for value in figures.values())
    for name in ("messages", "engine CPU a message", "engine CPU ÷ floor", "messages/s ÷ floor"):
        assert f"window 50: {name}" in figures
    assert document["machine"]["postgresql"].startswith("18")


def test_receipts_are_matched_and_a_flood_of_them_is_parked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each of them, and a turn with a thousand that nobody knows."""
    sizes = ("--submissions", "3000", "--receipts", "1000", "--flood", "1000", "--runs", "1")
    assert main(["receipts", *sizes]) == 0
    assert "longest turn with 1,000 unknown ones" in capsys.readouterr().out


@pytest.mark.long
def test_reports_are_timed(capsys: pytest.CaptureFixture[str]) -> None:
    """A small campaign, whose counts are the rows of its CSV."""
    assert main(["reports", "--rows", "5000", "--runs", "1"]) == 0
    assert "page with its pictures" in capsys.readouterr().out


@pytest.mark.long
def test_carriers_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    """Many of them; what they do to one another, and how fast one is, takes minutes."""
    assert main(["fleet", "--carriers", "3", "--binds", "2", "--idle", "0.5", "--runs", "1"]) == 0
    out = capsys.readouterr().out
    assert "6 binds are up after" in out
    assert "touches       2" in out


@pytest.mark.long
def test_what_is_counted_costs_next_to_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """And a scrape is one of a running engine with binds."""
    words = ("--carriers", "2", "--binds", "2", "--messages", "300", "--runs", "1")
    assert main(["metrics", *words]) == 0
    out = capsys.readouterr().out
    assert "window 500: metrics of a message" in out
    assert "scrape of 4 binds, amid traffic" in out


@pytest.mark.long
def test_what_a_standby_costs_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    """Failovers themselves are tried by tests/promises."""
    assert main(["failover", "--part", "cost", "--messages", "300", "--runs", "1"]) == 0
    assert "with a synchronous standby" in capsys.readouterr().out


@pytest.mark.long
def test_events_are_committed_with_what_they_tell(capsys: pytest.CaptureFixture[str]) -> None:
    """As many as there have to be."""
    assert main(["callbacks", "--messages", "300", "--events", "all", "--runs", "1"]) == 0
    assert "all ÷ no endpoint" in capsys.readouterr().out


def test_the_codec_is_measured_in_no_time(capsys: pytest.CaptureFixture[str]) -> None:
    """As a table for people."""
    assert main(["codec", "--runs", "1"]) == 0
    assert "deliver_sm → receipt: smpplib ÷ ours" in capsys.readouterr().out


def test_each_says_what_it_measures_and_how_to_read_it() -> None:
    """The first line of its module stands in --list, the rest in its --help."""
    for one in benchmarks():
        assert one.title.endswith("."), one.name
        assert len(one.words.splitlines()) > 3, one.name


def test_a_bar_is_met_by_the_median() -> None:
    """Ranges tell how far to trust it."""
    figure = Figure(name="messages", unit="/s", values=[9_000, 16_000, 17_000], at_least=15_000)
    assert figure.met
    assert table([figure]).splitlines()[1].split() == (
        ["messages", "16,000", "9,000", "…", "17,000", "/s", "≥", "15,000:", "yes"]
    )
    assert not Figure(name="engine CPU", unit="µs", values=[41.0], at_most=40).met


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0"),
        (0.12345, "0.123"),
        (1.5, "1.50"),
        (23.26, "23.3"),
        (999, "999"),
        (15123.4, "15,123"),
    ],
)
def test_a_figure_has_the_digits_that_mean_something(value: float, words: str) -> None:
    assert shown(value) == words
