"""R-8.1: what a failover would cost, told before it happens."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from engine.domain.replication import Doubt, Replication, Seen, Standby, doubts, summary

B = Standby(name="b", synchronous=True, streaming=True, behind=0, behind_s=0.0)
WELL = Replication(
    standby=False,
    waits_for="ANY 1 (b, c)",
    commits="on",
    followers=1,
    standbys=(B,),
    servers=(Seen(name="db1", timeline=3), Seen(name="db2", standby=True)),
)
ALONE = replace(WELL, waits_for="", followers=0, standbys=(), servers=())


def test_synchronous_replication_leaves_no_doubt() -> None:
    assert doubts(WELL) == []
    assert summary(WELL) == "db1 takes writes, db2 is a standby, a commit waits for ANY 1 (b, c)"
    assert doubts(replace(WELL, commits="remote_apply")) == []


def test_a_server_alone_promises_nothing_about_failovers() -> None:
    assert doubts(ALONE) == []


@pytest.mark.parametrize(
    ("found", "says", "grave"),
    [
        (replace(WELL, waits_for=""), "replication is not synchronous: a failover loses", False),
        (replace(ALONE, servers=WELL.servers), "replication is not synchronous", False),
        (replace(WELL, commits="local"), "synchronous_commit is local", False),
        (replace(WELL, commits="remote_write"), "if both machines fail at once", False),
        (replace(WELL, commits="off"), "a crash of the server loses", False),
        (replace(ALONE, commits="off"), "a crash of the server loses", False),
        (replace(WELL, followers=2), "GRANT pg_monitor", False),
        (replace(WELL, followers=0, standbys=()), "every commit waits", True),
        (replace(WELL, standbys=(replace(B, synchronous=False),)), "every commit waits", True),
        (replace(WELL, standbys=(replace(B, behind=200 * 2**20),)), "b lags: it plays 200 MB", False),
        (replace(WELL, standbys=(replace(B, behind_s=43.2),)), "43 s behind", False),
        (replace(ALONE, standby=True), "this server is a standby: nothing can be written", True),
        (
            replace(WELL, servers=(*WELL.servers, Seen(name="db3", why="timeout"))),
            "db3 can't be asked from here (timeout): if it takes over, this node sends nothing",
            False,
        ),
        (
            replace(WELL, servers=(Seen(name="db1", timeline=1), Seen(name="db2", timeline=2))),
            "db1 and db2 all take writes: what is written to db1 is lost, and sent twice; stop db1",
            True,
        ),
    ],
)  # fmt: skip
def test_each_doubt_says_what_it_costs(found: Replication, says: str, grave: bool) -> None:
    (doubt,) = doubts(found)
    assert says in doubt.says
    assert doubt.grave is grave


def test_two_names_of_one_server_are_no_two_primaries() -> None:
    at = datetime(2026, 11, 25, 9, tzinfo=UTC)
    one = Seen(name="db1", timeline=3, started_at=at)
    assert doubts(replace(WELL, servers=(one, replace(one, name="pooler")))) == []


def test_what_is_no_copy_cannot_take_over() -> None:
    one, two = Seen(name="db1", timeline=3, cluster=7), Seen(name="db2", timeline=9, cluster=8)
    (doubt,) = doubts(replace(WELL, servers=(one, two)))
    assert doubt.grave
    assert "db2 can't take over: no copy of db1" in doubt.says


def test_the_gravest_comes_first() -> None:
    found = replace(
        WELL, commits="off", servers=(Seen(name="a", timeline=1), Seen(name="b", timeline=2))
    )
    assert [doubt.grave for doubt in doubts(found)] == [True, False]
    assert isinstance(doubts(found)[0], Doubt)
