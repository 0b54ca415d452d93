"""`siaran top` as its user sees it: wide, narrow, piped, and when nothing goes on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.cells import cell_len
from rich.console import Console

from admin_cli import render, watching
from admin_cli.top import bar, columns, lines, paces_of
from admin_cli.watching import Pace
from engine.domain.campaign import CampaignState
from engine.domain.nodes import NodeState
from engine.operations.campaigns import MessageState, Progress
from engine.operations.nodes import Shown
from engine.operations.overview import BindShown, Open, Overview, Told
from tests.desk.conftest import Siaran

NOW = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
NODE = Shown(
    node="gw1",
    state=NodeState.UP,
    host="host1",
    version="0.1.0",
    epoch=3,
    since=NOW,
    lease_s=15.0,
    bound=2,
    binds=2,
    in_flight=17,
    ahead_s=0.0,
    note=None,
)
BIND = BindShown(
    node="gw1",
    alive=True,
    carrier="tui",
    bind="tui-1",
    mode="transceiver",
    state="bound",
    since=NOW,
    window=10,
    outstanding=7,
    rate=150.0,
    rate_limit=200.0,
    latency_ms=14.6,
    throttles=3,
    unknown_receipts=0,
    ambiguous_receipts=0,
    paused_at=None,
    paused_by=None,
    pause_reason=None,
    last_error=None,
)
CAMPAIGN = Open(
    application="default",
    id=12,
    list="Würst \x1b[31m 🎉",
    state=CampaignState.RUNNING,
    scheduled_at=NOW,
    recipients=1_000_000,
    queued=800_000,
    in_flight=17,
    delivered=190_000,
    failed=1_000,
)
BUSY = Overview(
    at=NOW,
    nodes=(NODE, replace(NODE, node="gw2", state=NodeState.LOST, bound=0)),
    binds=(
        BIND,
        replace(BIND, bind="tui-2", state="connecting", rate_limit=0.0, rate=0.0, latency_ms=None,
                last_error="connection refused by smsc.example.net:2775"),
        replace(BIND, node="gw2", alive=False),
    ),
    campaigns=(CAMPAIGN, replace(CAMPAIGN, id=13, state=CampaignState.WAITING, recipients=None, queued=0)),
    singles=10_000,
    inbound={"reply": 30, "opt-out": 5},
    outbox=(
        Told(application="default", kind="receipt", waiting=12, oldest_at=NOW - timedelta(hours=2),
             attempts=4, suspended_at=NOW),
    ),
    dead=2,
)  # fmt: skip


def test_each_thing_has_a_line_with_what_one_looks_for() -> None:
    """R-7.9: queue, binds with window, rate, latency and throttles, inbound, outbox."""
    pace = Pace()
    pace.look(0.0, 802_000)
    pace.look(10.0, 800_000)
    said = list(lines(BUSY, {12: pace}, 1000))
    assert said[0] == "siaran, 2026-11-25 09:30:00Z, 1 node up"

    def line(start: str) -> str:
        return " ".join(next(one for one in said if start in one).split())

    assert line("gw2  lost").startswith("gw2 lost 0/2 bound")
    assert line(" 12 W").endswith(
        "running 800,000 queued 17 in flight 190,000 delivered 1,000 failed 20% 200/s, 67 min to go"
    )
    assert line("tui-1  gw1") == "tui tui-1 gw1 bound ######.. 7/10 150 of 200/s 15 ms 3 throttles"
    assert line("tui-2").endswith(
        "no limit - 3 throttles connection refused by smsc.example.net:2775"
    )
    assert "node is down" in line("tui-1  gw2")
    assert "10,000+ queued" in line("single messages")
    assert line("last minute") == "35 in the last minute 30 reply 5 opt-out"
    assert line("receipt") == "default receipt 12 waiting oldest 2.0 h tried 4 times suspended"
    assert "2 dead" in line("dead")


@pytest.mark.parametrize("width", [24, 40, 80, 132])
def test_no_line_is_longer_than_the_terminal(width: int) -> None:
    """And what is in a name does not command it."""
    said = list(lines(BUSY, {}, width))
    assert max(map(cell_len, said)) <= width
    assert not any("\x1b" in line for line in said)


def test_where_nothing_goes_on_it_says_so() -> None:
    nothing = Overview(
        at=NOW, nodes=(), binds=(), campaigns=(), singles=0, inbound={}, outbox=(), dead=0
    )
    said = "\n".join(lines(nothing, {}, 80))
    assert "no engine has been run yet; start one: siaran run" in said
    assert "nothing is to be sent now" in said
    assert said.isascii()


def test_columns_are_aligned_and_empty_ones_left_out() -> None:
    assert list(columns([("a", "", "x"), ("🎉🎉", "", "y")], 80)) == ["  a     x", "  🎉🎉  y"]
    assert list(columns([("aaaa", "bbbb", "cccc")], 12)) == ["  aaaa  bbbb", "    cccc"]


@pytest.mark.parametrize(
    ("n", "of", "drawn"), [(0, 10, "........"), (1, 100, "#......."), (10, 10, "########"),
                           (12, 10, "########"), (0, 0, "........")],
)  # fmt: skip
def test_a_bar_shows_whatever_is_more_than_nothing(n: int, of: int, drawn: str) -> None:
    assert bar(n, of) == drawn


def test_a_campaign_keeps_its_pace_until_it_has_ended() -> None:
    first = paces_of(BUSY, {}, 0.0)
    later = paces_of(replace(BUSY, campaigns=(replace(CAMPAIGN, queued=799_000),)), first, 10.0)
    assert set(later) == {12}
    assert later[12].rate == 100.0


def test_into_a_pipe_it_is_one_look(siaran: Siaran) -> None:
    """R-7.9: sensible when piped; with --json one document."""
    answer = siaran("top")
    assert (answer.code, answer.err) == (0, "")
    assert [line.split(" ")[0] for line in answer.out.splitlines() if line[:1].isupper()] == [
        "NODES",
        "QUEUE",
        "BINDS",
        "INBOUND",
        "OUTBOX",
    ]
    assert {"nodes", "binds", "campaigns", "inbound", "outbox"} <= set(siaran("top", "--json").json)
    assert siaran("top", "--every", "0").code == 2


# ---------------------------------------------------------------- campaign watch


@pytest.mark.parametrize("width", [30, 40, 100])
def test_a_campaign_is_watched_on_a_narrow_terminal(width: int) -> None:
    """Every state and every count whole, the bars as long as there is room."""
    seen = Progress(
        campaign_id=12,
        state=CampaignState.RUNNING,
        recipients=1_000_000,
        counts=dict.fromkeys(MessageState, 0)
        | {MessageState.DELIVERED: 999_000, MessageState.UNCERTAIN: 1_000},
        started_at=NOW,
        ended_at=None,
    )
    pace = Pace()
    pace.look(0.0, 2_000)
    pace.look(1.0, 1_000)
    console = Console(width=width, force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(watching._table(seen, pace, "campaign 3 is sending", width))
    said = captured.get().splitlines()
    assert max(map(cell_len, said)) <= width
    text = "\n".join(said)
    for word in ("delivered", "uncertain", "999,000", "1,000,000"):
        assert word in text


@pytest.mark.parametrize(
    ("locale", "plain"),
    [
        ({"LC_ALL": "C"}, True),
        ({"LANG": "POSIX"}, True),
        ({}, True),
        ({"LANG": "id_ID.UTF-8"}, False),
        ({"LC_ALL": "C.UTF-8", "LANG": "C"}, False),
    ],
)
def test_a_terminal_without_utf_8_gets_ascii(
    locale: dict[str, str], plain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in locale.items():
        monkeypatch.setenv(name, value)
    assert render.only_ascii() is plain
