"""The dashboard of config/grafana: every query of it returns data, of a real run that was scraped.

The run is a small one with all in it: messages that are taken, refused and throttled, receipts,
subscribers who write back, requests of the HTTP API. It needs `prometheus` on the PATH, and skips
without it; that every metric exists is held in any case.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest

from tests import docs
from tests.operate.metrics import known, named
from tests.rig import Rig, Stuck

DASHBOARD: Final = docs.ROOT / "config/grafana/siaran.json"
DOCUMENT: Final = json.loads(DASHBOARD.read_text("utf-8"))
PANELS: Final = [one for one in DOCUMENT["panels"] if one["type"] != "row"]
QUERIES: Final = [
    (panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]
]

REPLIES: Final = """
[[reply]]
pattern = "Name1\\\\d* "
text = "STOP"
[[reply]]
pattern = "Name2\\\\d* "
text = "HELP"
[[reply]]
pattern = "Name3\\\\d* "
text = "Who is this?"
"""


def test_every_metric_in_it_is_one() -> None:
    for title, expr in QUERIES:
        assert named(expr), title
        assert named(expr) <= known(), title


def test_everything_that_is_counted_is_shown() -> None:
    """A metric that nobody sees is one that nobody misses: it is shown, or an alert asks for it."""
    alerts = "".join(
        file.read_text("utf-8") for file in (docs.ROOT / "config/prometheus").glob("*.yml")
    )
    seen = named("\n".join(expr for _, expr in QUERIES) + alerts)
    stems = {re.sub(r"_(bucket|count|sum)$", "", name) for name in seen}
    ours = {
        re.sub(r"_(bucket|count|sum)$", "", name) for name in known() if name.startswith("siaran_")
    }
    assert ours <= stems


def test_panels_have_names_and_places_of_their_own() -> None:
    ids = [one["id"] for one in DOCUMENT["panels"]]
    assert len(set(ids)) == len(ids)
    titles = [one["title"] for one in PANELS]
    assert len(set(titles)) == len(titles)
    taken: set[tuple[int, int]] = set()
    for one in DOCUMENT["panels"]:
        at = one["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, one["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


class Endpoint(BaseHTTPRequestHandler):
    """An application's server, which is unwell each third time."""

    times = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        Endpoint.times += 1
        self.send_response(200 if Endpoint.times % 3 else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words: object) -> None:
        """To nobody."""


@contextlib.contextmanager
def endpoint() -> Iterator[str]:
    """Its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def prometheus(directory: Path, target: str) -> Iterator[str]:
    """A Prometheus that scrapes it each second; its address."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not on the PATH (Debian, Ubuntu: the package prometheus)")
    rules = docs.ROOT / "config/prometheus"
    (directory / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
        f"rule_files: [{json.dumps(str(rules / 'recording.yml'))}, "
        f"{json.dumps(str(rules / 'alerts.yml'))}]\n"
        "scrape_configs:\n  - job_name: siaran\n"
        f"    static_configs: [{{targets: [{json.dumps(target)}]}}]\n"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (directory / "prometheus.log").open("w") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={directory / 'prometheus.yml'}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def asked(address: str, query: str) -> list[Any] | None:
    """What a query returns now; None while nobody answers."""
    # As Grafana fills them in; a scrape each second needs no more than some seconds.
    for name, value in (("$__rate_interval", "15s"), ("$carrier", ".*")):
        query = query.replace(name, value)
    words = urllib.parse.urlencode({"query": query})
    try:
        with urllib.request.urlopen(f"{address}/api/v1/query?{words}", timeout=10) as answer:
            return list(json.load(answer)["data"]["result"])
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 503:  # it is still starting
                return None
            raise AssertionError(f"{query}: {error.read().decode()}") from None
    except OSError:
        return None


def numbers(result: list[Any] | None) -> bool:
    """Whether there is a value that is a number (a quantile of nothing is none)."""
    return any(one["value"][1] != "NaN" for one in result or ())


@pytest.mark.long
def test_every_query_returns_data(tmp_path: Path) -> None:
    """R-9: nothing in the picture is empty after a run in which all of it happened."""
    (tmp_path / "replies.toml").write_text(REPLIES)
    with Rig.open(window=5, binds=2) as rig:
        rig.start_smsc(
            record=False,
            error_pct=3,
            error_status="ESME_RINVDSTADR",
            throttle_pct=3,
            latency_ms=20,
            replies=tmp_path / "replies.toml",
            seed=1,
        )
        with rig.configuration.open("a") as more:
            more.write("[callbacks]\nallow_private = true\nfirst_gap_s = 0.5\n")
        rig.start_engine()
        target = rig.address().removeprefix("http://")
        with prometheus(tmp_path, target) as address, endpoint() as url:
            rig.wait(lambda: asked(address, "up == 1"), "the first scrape")
            rig.siaran("response", "set", "help", "Call 0800 123 456.")
            rig.siaran("callback", "set", "receipt", url)
            rig.campaign(300)
            empty = list(QUERIES)

            def filled() -> bool:
                with contextlib.suppress(urllib.error.HTTPError):  # 401: it asks without a token
                    urllib.request.urlopen(f"{rig.address()}/v1/lists", timeout=10).close()
                empty[:] = [one for one in empty if not numbers(asked(address, one[1]))]
                return not empty

            with contextlib.suppress(Stuck):
                rig.wait(filled, "all of them")
            assert not empty, "\n".join(f"{title}: {expr}" for title, expr in empty)
            # The rules have been evaluated in the same run: none of them is broken.
            with urllib.request.urlopen(f"{address}/api/v1/rules", timeout=10) as answer:
                groups = json.load(answer)["data"]["groups"]
            rules = [rule for group in groups for rule in group["rules"]]
            assert len(rules) > 30
            assert not [rule["name"] for rule in rules if rule["health"] == "err"]
