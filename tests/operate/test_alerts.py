"""The alerts of config/prometheus: each fires when it should and not before, and says what to do.

What is told to promtool is a table: of each alert the series with which it fires, and others that
come near it. It skips where promtool (Debian, Ubuntu: the package `prometheus`) isn't on the PATH;
that names of metrics, runbook and table are complete is held in any case.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from tests import docs
from tests.operate.metrics import known, named

PROMETHEUS: Final = docs.ROOT / "config/prometheus"
ALERTS: Final = (PROMETHEUS / "alerts.yml").read_text("utf-8")
RUNBOOK: Final = (PROMETHEUS / "runbook.md").read_text("utf-8")
NAMES: Final = re.findall(r"- alert: (\w+)", ALERTS)

Series = dict[str, str]
"""A series and its values, a minute each, as promtool writes them: `0+5x30` begins with 0 and adds 5
each minute, thirty times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Of one alert: with `fires` it is there after `at` minutes, with those labels; with `quiet` not."""

    fires: Series
    at: int
    labels: dict[str, str] = field(default_factory=dict)
    quiet: Series
    since: int = 1
    """From which minute on `quiet` is."""
    early: int | None = None
    """With `fires` it is not there yet after so many minutes."""


def histogram(name: str, labels: str, **buckets: int) -> Series:
    """So many values a minute in buckets of that bound: `le1=5`, `le0_5=5`, and so on."""
    found: Series = {}
    total = 0
    for bound, n in buckets.items():
        total += n
        le = bound.removeprefix("le").replace("_", ".")
        found[f'{name}_bucket{{{labels},le="{le}"}}'] = f"0+{total}x120"
    return found | {f'{name}_bucket{{{labels},le="+Inf"}}': f"0+{total}x120"}


A: Final = 'instance="a",job="siaran"'
TUI: Final = f'{A},carrier="tui"'
SENT: Final = f'siaran_submit_outcomes_total{{{TUI},status="ESME_ROK"}}'


def outcomes(good: int, bad: int, status: str) -> Series:
    """So many answers a minute of each kind."""
    refused = f'siaran_submit_outcomes_total{{{TUI},status="{status}"}}'
    return {SENT: f"0+{good}x120", refused: f"0+{bad}x120"}


CASES: Final = {
    "SiaranDown": Case(
        fires={f"up{{{A}}}": "1 0x30"},
        at=5,
        labels={"instance": "a", "job": "siaran"},
        quiet={f"up{{{A}}}": "1 1 0 1x30", 'up{instance="a",job="other"}': "0x30"},
    ),
    "SiaranRestarts": Case(
        fires={f"process_start_time_seconds{{{A}}}": "1 2 3 4 5 5x30"},
        at=10,
        labels={"instance": "a", "job": "siaran"},
        quiet={f"process_start_time_seconds{{{A}}}": "1 1 2 2 3 3x30"},
    ),
    "SiaranVersionsDiffer": Case(
        fires={
            'siaran_build_info{instance="a",version="1.0.0"}': "1x180",
            'siaran_build_info{instance="b",version="1.1.0"}': "1x180",
        },
        at=125,
        early=110,
        quiet={
            'siaran_build_info{instance="a",version="1.0.0"}': "1x60 _x120",
            'siaran_build_info{instance="b",version="1.1.0"}': "1x180",
        },
    ),
    "SiaranEventLoopLag": Case(
        fires=histogram("siaran_event_loop_lag_seconds", A, le0_001=90, le1=10),
        at=30,
        early=5,
        labels={"instance": "a"},
        quiet=histogram("siaran_event_loop_lag_seconds", A, le0_001=999, le1=1),
    ),
    "SiaranFileDescriptors": Case(
        fires={f"process_open_fds{{{A}}}": "900x30", f"process_max_fds{{{A}}}": "1024x30"},
        at=15,
        labels={"instance": "a", "job": "siaran"},
        quiet={f"process_open_fds{{{A}}}": "800x30", f"process_max_fds{{{A}}}": "1024x30"},
    ),
    "SiaranClockSkew": Case(
        fires={f"siaran_clock_skew_seconds{{{A}}}": "-3x30"},
        at=5,
        labels={"instance": "a", "job": "siaran"},
        quiet={f"siaran_clock_skew_seconds{{{A}}}": "1.9x30"},
    ),
    "SiaranNodeLost": Case(
        fires={f'siaran_nodes{{{A},state="lost"}}': "0 1x30"},
        at=5,
        quiet={f'siaran_nodes{{{A},state="lost"}}': "0 1 0x30"},
    ),
    "SiaranAllNodesDrained": Case(
        fires={
            f'siaran_nodes{{{A},state="up"}}': "1 0x30",
            f'siaran_nodes{{{A},state="drained"}}': "1 2x30",
        },
        at=15,
        early=5,
        quiet={
            f'siaran_nodes{{{A},state="up"}}': "1x30",
            f'siaran_nodes{{{A},state="drained"}}': "1x30",
        },
    ),
    "SiaranDatabaseDown": Case(
        fires={f"siaran_database_up{{{A}}}": "1 0x30"},
        at=5,
        labels={"instance": "a", "job": "siaran"},
        quiet={f"siaran_database_up{{{A}}}": "1 0 1x30"},
    ),
    "SiaranTransactionsFail": Case(
        fires={f'siaran_transaction_failures_total{{{A},reason="unreachable"}}': "0+1x60"},
        at=25,
        early=10,
        labels={"instance": "a", "reason": "unreachable"},
        quiet={f'siaran_transaction_failures_total{{{A},reason="unreachable"}}': "0 5 5x60"},
    ),
    "SiaranPoolExhausted": Case(
        fires=histogram("siaran_transaction_wait_seconds", A, le0_001=50, le0_5=50),
        at=30,
        early=5,
        labels={"instance": "a"},
        quiet=histogram("siaran_transaction_wait_seconds", A, le0_001=50, le0_1=50),
    ),
    "SiaranTurnSlow": Case(
        fires=histogram("siaran_turn_seconds", A, le0_5=50, le1=50),
        at=30,
        early=5,
        labels={"instance": "a"},
        quiet=histogram("siaran_turn_seconds", A, le0_25=50, le0_5=50),
    ),
    "SiaranCarrierDown": Case(
        fires={
            f'siaran_binds{{{TUI},bind="tui-1",state="bound"}}': "1 0x30",
            f'siaran_binds{{{TUI},bind="tui-2",state="bound"}}': "0x30",
        },
        at=5,
        labels={"carrier": "tui"},
        quiet={
            f'siaran_binds{{{TUI},bind="tui-1",state="bound"}}': "0x30",
            'siaran_binds{carrier="tui",instance="b",bind="tui-1",state="bound"}': "1x30",
        },
    ),
    "SiaranBindRefused": Case(
        fires={f'siaran_binds{{{TUI},bind="tui-1",state="refused"}}': "0 1x30"},
        at=5,
        labels={"carrier": "tui", "bind": "tui-1"},
        quiet={f'siaran_binds{{{TUI},bind="tui-1",state="refused"}}': "0 1 0x30"},
    ),
    "SiaranBindTroubles": Case(
        fires={f'siaran_bind_troubles_total{{{TUI},bind="tui-1",reason="closed"}}': "0+1x60"},
        at=20,
        labels={"carrier": "tui", "bind": "tui-1", "reason": "closed"},
        quiet={f'siaran_bind_troubles_total{{{TUI},bind="tui-1",reason="closed"}}': "0x9 8x60"},
    ),
    "SiaranCarrierAlert": Case(
        # A count that is new has never been 0 for Prometheus: nothing would have increased.
        fires={f'siaran_carrier_alerts_total{{{TUI},reason="NO_CREDIT"}}': "_x20 1x10"},
        at=22,
        labels={"carrier": "tui", "reason": "NO_CREDIT"},
        quiet={f'siaran_carrier_alerts_total{{{TUI},reason="NO_CREDIT"}}': "3x60"},
        since=17,  # it was new until then
    ),
    "SiaranCarrierPaused": Case(
        fires={f"siaran_carrier_paused{{{TUI}}}": "1x60"},
        at=35,
        early=25,
        labels={"carrier": "tui"},
        quiet={f"siaran_carrier_paused{{{TUI}}}": "1x20 0x60"},
    ),
    "SiaranThrottled": Case(
        fires=outcomes(90, 10, "ESME_RTHROTTLED")
        | {f'siaran_throttles_total{{{TUI},reason="throttled"}}': "0+10x120"},
        at=40,
        early=10,
        labels={"carrier": "tui"},
        quiet=outcomes(99, 1, "ESME_RTHROTTLED")
        | {f'siaran_throttles_total{{{TUI},reason="throttled"}}': "0+1x120"},
    ),
    "SiaranRefusals": Case(
        fires=outcomes(90, 10, "ESME_RINVDSTADR"),
        at=30,
        early=5,
        labels={"carrier": "tui"},
        # What throttles is called by the carrier's own table here.
        quiet=outcomes(90, 10, "BUSY")
        | {f'siaran_throttles_total{{{TUI},reason="throttled"}}': "0+10x120"},
    ),
    "SiaranSubmitSlow": Case(
        fires=histogram("siaran_submit_latency_seconds", TUI, le10=90, le30=10),
        at=30,
        early=5,
        labels={"carrier": "tui"},
        quiet=histogram("siaran_submit_latency_seconds", TUI, le5=90, le10=10),
    ),
    "SiaranReceiptsMissing": Case(
        fires={SENT: "0+10x120"},
        at=80,
        quiet={SENT: "0+10x120", f'siaran_receipts_total{{{A},state="delivered"}}': "0+1x120"},
    ),
    "SiaranReceiptsUnmatched": Case(
        fires={
            f'siaran_receipts_total{{{A},state="delivered"}}': "0+80x120",
            f'siaran_receipts_total{{{A},state="parked"}}': "0+20x120",
        },
        at=80,
        early=20,
        quiet={
            f'siaran_receipts_total{{{A},state="delivered"}}': "0+95x120",
            f'siaran_receipts_total{{{A},state="parked"}}': "0+5x120",
        },
    ),
    "SiaranReceiptsLate": Case(
        fires=histogram("siaran_receipt_latency_seconds", TUI, le1800=40, le3600=60),
        at=80,
        early=20,
        labels={"carrier": "tui"},
        quiet=histogram("siaran_receipt_latency_seconds", TUI, le1800=60, le3600=40),
    ),
    "SiaranQueueStalled": Case(
        fires={
            f"siaran_submit_idle_seconds{{{TUI}}}": "0+60x30",
            f'siaran_submit_idle_seconds{{{A},carrier="paused"}}': "0+60x30",
            f'siaran_carrier_paused{{{A},carrier="paused"}}': "1x30",
        },
        at=10,
        # One carrier has nothing to do, the other one works; and the third is paused by a person.
        quiet={
            f"siaran_submit_idle_seconds{{{TUI}}}": "0+60x30",
            f'siaran_submit_idle_seconds{{{A},carrier="moa"}}': "1x30",
            'siaran_submit_idle_seconds{instance="b",carrier="hui"}': "0+60x30",
            'siaran_carrier_paused{instance="b",carrier="hui"}': "1x30",
        },
    ),
    "SiaranSingleMessagesWait": Case(
        fires={
            f'siaran_queue_oldest_seconds{{{A},application="shop",class="single"}}': "0+60x30",
        },
        at=10,
        labels={"application": "shop", "class": "single"},
        quiet={
            f'siaran_queue_oldest_seconds{{{A},application="shop",class="single"}}': "30x30",
            f'siaran_queue_oldest_seconds{{{A},application="shop",class="campaign"}}': "9000x30",
        },
    ),
    "SiaranRetentionWaits": Case(
        fires={f"siaran_retention_waiting_days{{{A}}}": "2x150"},
        at=130,
        early=110,
        quiet={f"siaran_retention_waiting_days{{{A}}}": "2x100 0x60"},
    ),
    "SiaranMailServerDown": Case(
        fires={f"siaran_mail_server_up{{{A}}}": "0x30"},
        at=15,
        early=5,
        labels={"instance": "a", "job": "siaran"},
        quiet={f"siaran_mail_server_up{{{A}}}": "0 0 0 1x30"},
    ),
    "SiaranMailsDead": Case(
        fires={f"siaran_mails_dead_total{{{A}}}": "0 0 1x30"},
        at=10,
        quiet={f"siaran_mails_dead_total{{{A}}}": "4x90"},
    ),
    "SiaranMailsOld": Case(
        fires={f"siaran_mails_oldest_seconds{{{A}}}": "4000x30"},
        at=15,
        early=5,
        quiet={f"siaran_mails_oldest_seconds{{{A}}}": "3000x30"},
    ),
    "SiaranEndpointSuspended": Case(
        fires={f'siaran_endpoint_suspended{{{A},endpoint="shop/reply"}}': "0 0 1x30"},
        at=5,
        labels={"endpoint": "shop/reply"},
        quiet={f'siaran_endpoint_suspended{{{A},endpoint="shop/reply"}}': "1 0x30"},
    ),
    "SiaranEndpointDown": Case(
        fires={
            f'siaran_endpoint_up{{{A},endpoint="shop/receipt"}}': "0x30",
            f'siaran_endpoint_suspended{{{A},endpoint="shop/receipt"}}': "0x30",
        },
        at=20,
        early=10,
        labels={"endpoint": "shop/receipt"},
        # That it is suspended another alert says.
        quiet={
            f'siaran_endpoint_up{{{A},endpoint="shop/receipt"}}': "0x60",
            f'siaran_endpoint_suspended{{{A},endpoint="shop/receipt"}}': "1x60",
        },
    ),
    "SiaranCallbacksDead": Case(
        fires={f'siaran_callbacks_total{{{A},endpoint="shop/reply",result="dead"}}': "_x20 1x10"},
        at=22,
        labels={"endpoint": "shop/reply"},
        quiet={
            f'siaran_callbacks_total{{{A},endpoint="shop/reply",result="dead"}}': "3x180",
            f'siaran_callbacks_total{{{A},endpoint="shop/reply",result="done"}}': "0+9x180",
        },
        since=62,  # it was new until then
    ),
    "SiaranCallbacksOld": Case(
        fires={f'siaran_callbacks_oldest_seconds{{{A},endpoint="shop/reply"}}': "4000x30"},
        at=15,
        early=5,
        labels={"endpoint": "shop/reply"},
        quiet={f'siaran_callbacks_oldest_seconds{{{A},endpoint="shop/reply"}}': "3000x30"},
    ),
    "SiaranApiErrors": Case(
        fires={
            f'siaran_api_requests_total{{{A},status="202"}}': "0+100x60",
            f'siaran_api_requests_total{{{A},status="500"}}': "0+5x60",
        },
        at=30,
        early=5,
        quiet={
            f'siaran_api_requests_total{{{A},status="202"}}': "0+100x60",
            f'siaran_api_requests_total{{{A},status="400"}}': "0+50x60",
        },
    ),
}


def test_every_alert_has_its_case_and_its_paragraph() -> None:
    """None can be added without saying when it fires, and what is to be done then."""
    assert list(CASES) == NAMES
    for name in NAMES:
        rule = ALERTS.partition(f"- alert: {name}\n")[2].partition("- alert:")[0]
        assert f"runbook: config/prometheus/runbook.md#{name.lower()}\n" in rule, name
        assert re.search(r"severity: (page|ticket)", rule), name
        paragraph = RUNBOOK.partition(f"## {name}\n")[2].partition("\n## ")[0].strip()
        assert len(paragraph) > 100, f"{name}: what it means, where to look, what to do"
    assert re.findall(r"^## (Siaran\w+)$", RUNBOOK, re.MULTILINE) == NAMES


@pytest.mark.parametrize("file", ["alerts.yml", "recording.yml", "runbook.md"])
def test_every_metric_in_the_rules_is_one(file: str) -> None:
    """A name that nothing counts is a rule that never fires."""
    text = (PROMETHEUS / file).read_text("utf-8")
    recorded = set(re.findall(r"record: (\S+)", (PROMETHEUS / "recording.yml").read_text("utf-8")))
    assert named(text) <= known(), "no such metric"
    assert set(re.findall(r"\bsiaran:[a-z0-9_:]+", text)) <= recorded, "no such rule"


@pytest.mark.long
def test_what_promtool_says(tmp_path: Path) -> None:
    """Each alert firing, and not firing: too early, and with what comes near it."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not on the PATH (Debian, Ubuntu: the package prometheus)")
    file = tmp_path / "tests.yml"
    # JSON is YAML.
    file.write_text(
        json.dumps(
            {
                "rule_files": [str(PROMETHEUS / "recording.yml"), str(PROMETHEUS / "alerts.yml")],
                "evaluation_interval": "1m",
                "tests": [test for name, case in CASES.items() for test in orders(name, case)],
            }
        )
    )
    done = subprocess.run(
        [promtool, "test", "rules", str(file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for words in (["config", "--syntax-only", "scrape.yml"], ["rules", "recording.yml"]):
        checked = subprocess.run(
            [promtool, "check", *words], cwd=PROMETHEUS, capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr


def orders(name: str, case: Case) -> list[dict[str, object]]:
    """promtool's words for a case. Which labels an alert has is told; its summary is not."""
    found = re.search(r"severity: (\w+)", ALERTS.partition(f"- alert: {name}\n")[2])
    assert found
    labels = {"alertname": name, "severity": found[1], "alertstate": "firing"} | case.labels
    firing = [{"labels": f"ALERTS{json_labels(labels)}", "value": 1}]

    def test(series: Series, at: dict[int, bool]) -> dict[str, object]:
        return {
            "name": name,
            "interval": "1m",
            "input_series": [{"series": one, "values": values} for one, values in series.items()],
            "promql_expr_test": [
                {
                    "expr": f'ALERTS{{alertname="{name}",alertstate="firing"}}',
                    "eval_time": f"{minute}m",
                    "exp_samples": firing if fires else [],
                }
                for minute, fires in at.items()
            ],
        }

    early = {} if case.early is None else {case.early: False}
    calm = range(case.since, case.at + 30, max(7, case.at // 10))
    return [
        test(case.fires, {**early, case.at: True}),
        test(case.quiet, dict.fromkeys(calm, False)),
    ]


def json_labels(labels: dict[str, str]) -> str:
    return "{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}"
