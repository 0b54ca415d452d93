"""What is counted comes out as Prometheus wants it, and no label can grow without end (R-9.1)."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Histogram as Theirs
from prometheus_client.parser import text_string_to_metric_families

from engine.metrics import Metrics
from engine.metrics.carriers import BIND_STATES, MOST_WORDS, BindFacts, CarrierFacts, Facts
from engine.metrics.kinds import OTHERS, Counts, Few, Gauges, Histogram
from engine.metrics.traffic import MOST_APPLICATIONS


def samples(registry: CollectorRegistry) -> dict[str, float]:
    """`name{label="value"}` → value, as Prometheus reads it."""
    text = generate_latest(registry).decode()
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if not line.startswith("#") and list(text_string_to_metric_families(line + "\n"))
    }


def of(found: dict[str, float], name: str) -> dict[str, float]:
    return {key: value for key, value in found.items() if key.partition("{")[0] == name}


def test_counts_and_gauges_are_there_before_anything_happened() -> None:
    """Without labels; a rate over what appears at its first event would miss that event."""
    registry = CollectorRegistry()
    Counts("a_total", "A", (), registry)
    Gauges("b", "B", (), registry, first=1)
    Counts("c_total", "C", ("x",), registry)
    assert samples(registry) == {"a_total": 0, "b": 1}


@pytest.mark.parametrize("values", [(), (0.004,), (0.005, 0.0051, 7), (100.0, 1e9)])
def test_a_histogram_is_the_librarys(values: Iterable[float]) -> None:
    """Buckets, sum and count, also on a bound."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    bounds = (0.005, 0.01, 1, 100)
    mine = Histogram("h", "H", ("x",), ours, bounds=bounds)
    other = Theirs("h", "H", ("x",), registry=theirs, buckets=bounds)
    for value in values:
        mine.observe(("a",), value)
        other.labels("a").observe(value)
    expected = {k: v for k, v in samples(theirs).items() if not k.startswith("h_created")}
    assert samples(ours) == expected


def test_one_of_a_read_stands_for_all_of_it() -> None:
    """A read of 500 responses is 500 in the histogram."""
    metrics = Metrics()
    metrics.carriers.answered("tui", 500, 0.02)
    found = samples(metrics.registry)
    assert found['siaran_submit_latency_seconds_count{carrier="tui"}'] == 500
    assert found['siaran_submit_latency_seconds_sum{carrier="tui"}'] == pytest.approx(10)


def test_a_bind_is_in_one_state_and_gone_when_it_is() -> None:
    """Asked for at the scrape: nothing has to be forgotten."""
    metrics = Metrics()
    one = BindFacts(carrier="tui", bind="tui-1", state="waiting", window=10, outstanding=4)
    tui = CarrierFacts(carrier="tui", rate=5, configured=20, idle_s=3, paused=True)
    metrics.carriers.watch(lambda: Facts(binds=[one], carriers=[tui]))
    found = samples(metrics.registry)
    assert sum(of(found, "siaran_binds").values()) == 1
    assert len(of(found, "siaran_binds")) == len(BIND_STATES)
    assert found['siaran_binds{bind="tui-1",carrier="tui",state="waiting"}'] == 1
    assert found['siaran_bind_outstanding{bind="tui-1",carrier="tui"}'] == 4
    assert found['siaran_carrier_rate{carrier="tui",which="now"}'] == 5
    metrics.carriers.watch(Facts)
    assert not [key for key in samples(metrics.registry) if "tui" in key]


def test_no_name_makes_a_scrape_longer_for_ever() -> None:
    """Names of applications, statuses and words of carriers: from some number on they share a label."""
    metrics = Metrics()
    names = [f"application {n}" for n in range(MOST_APPLICATIONS + 50)]
    metrics.traffic.queue([(name, "campaign", 1, 60.0) for name in names], 0)
    for n in range(MOST_WORDS + 50):
        metrics.carriers.trouble("tui", "tui-1", f"word {n}")
        metrics.carriers.alert("tui", f"word {n}")
        metrics.carriers.outcomes([((1, f"status {n}"), 2)])
    found = samples(metrics.registry)
    queue = of(found, "siaran_queue_messages")
    assert len(queue) == MOST_APPLICATIONS + 1
    assert queue[f'siaran_queue_messages{{application="{OTHERS}",class="campaign"}}'] == 50
    assert len(of(found, "siaran_bind_troubles_total")) == MOST_WORDS + 1
    assert len(of(found, "siaran_carrier_alerts_total")) == MOST_WORDS + 1
    outcomes = of(found, "siaran_submit_outcomes_total")
    assert len(outcomes) == MOST_WORDS + 1
    assert sum(outcomes.values()) == 2 * (MOST_WORDS + 50)


def test_a_name_that_was_there_keeps_its_label() -> None:
    few = Few(2)
    assert [few(word) for word in "abcab"] == ["a", "b", OTHERS, "a", "b"]


def test_whatever_stands_in_a_label_is_escaped() -> None:
    """A carrier's own words: quotes, line ends, emoji."""
    metrics = Metrics()
    metrics.carriers.trouble("tui", "tui-1", 'say "no"\nand \\ 🙃')
    text = generate_latest(metrics.registry).decode()
    [sample] = [
        sample
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "siaran_bind_troubles_total"
    ]
    assert sample.labels["reason"] == 'say "no"\nand \\ 🙃'


def test_something_waits_from_the_first_time_that_it_is_seen_until_nothing_does() -> None:
    traffic = Metrics().traffic
    seen = []
    for now, n in enumerate((0, 5, 3, 0, 1)):
        traffic.queue([("shop", "campaign", n, 1.0), ("shop", "single", 0, 0.0)], now)
        seen.append(traffic.waiting_since)
    assert seen == [None, 1, 1, None, 4]


def test_transactions_are_timed_and_their_failures_told_apart() -> None:
    metrics = Metrics()
    metrics.process.transaction(0.001, 0.02, None)
    metrics.process.transaction(0.3, 0.02, "unreachable")
    metrics.process.watch_pool(lambda: (6, 2, 1))
    found = samples(metrics.registry)
    assert found["siaran_transaction_seconds_count"] == 2
    assert found["siaran_transaction_wait_seconds_sum"] == pytest.approx(0.301)
    assert found['siaran_transaction_failures_total{reason="unreachable"}'] == 1
    assert found['siaran_pool_connections{state="busy"}'] == 2
