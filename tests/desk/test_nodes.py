"""`siaran node`: who is up, who is lost, who launches nothing (R-8.4)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine import clock
from engine.operations import Database
from engine.store import nodes, peers
from engine.store.nodes import Process
from tests.desk.conftest import Siaran


@pytest.fixture
def pair(database: Database) -> Iterator[tuple[str, str]]:
    """One that is up, and one that was lost."""
    database.run(lambda tx: tx.execute("DELETE FROM node"))
    here = Process(instance="i", place="p", host="box-a", version="1.0")
    up = database.run(nodes.start, "gw1", clock.utc_now(), here)
    database.run(nodes.start, "gw2", clock.utc_now(), here)
    database.run(
        lambda tx: tx.execute(
            "UPDATE node SET lease_until = now() - interval '1 s' WHERE name = 'gw2'"
        )
    )
    database.run(peers.take_over, up.node_id, up.epoch)
    yield "gw1", "gw2"
    database.run(lambda tx: tx.execute("DELETE FROM node"))


@pytest.mark.usefixtures("pair")
def test_each_is_shown_with_its_state(siaran: Siaran) -> None:
    found = siaran("node", "ls", "--json").json["nodes"]
    assert [(one["node"], one["state"]) for one in found] == [("gw1", "up"), ("gw2", "lost")]
    assert found[1]["note"] == "taken over by gw1"
    shown = siaran("node", "ls").out
    assert "gw1" in shown
    assert "taken over by gw1" in shown


@pytest.mark.usefixtures("pair")
def test_the_last_one_may_be_drained_with_a_warning(siaran: Siaran) -> None:
    """R-8.4: it is not answered by anybody here, so it is not waited for."""
    answer = siaran("node", "drain", "gw1", "--wait", "0")
    assert (answer.code, answer.err) == (
        0, "no other engine is up that launches: nothing is sent now\n",
    )  # fmt: skip
    assert answer.out.startswith("node gw1 launches nothing more")
    again = siaran("node", "drain", "gw1")
    assert (again.code, again.err) == (
        1, "siaran: node gw1 is drained already; nothing was changed\n",
    )  # fmt: skip
    assert "drained by " in siaran("node", "ls").out
    assert siaran("node", "drain", "gw1", "--undo").out == "node gw1 launches again\n"
    undone = siaran("node", "drain", "gw1", "--undo")
    assert (undone.code, undone.err) == (
        1, "siaran: node gw1 is not drained; nothing was changed\n",
    )  # fmt: skip


@pytest.mark.usefixtures("pair")
def test_one_that_is_not_up_starts_drained(siaran: Siaran) -> None:
    answer = siaran("node", "drain", "gw2", "--json")
    assert answer.json == {"node": "gw2", "drained": True, "idle": True, "others_launch": True}
    assert answer.err == ""


@pytest.mark.usefixtures("pair")
def test_only_one_that_is_gone_is_forgotten(siaran: Siaran) -> None:
    refused = siaran("node", "forget", "gw1")
    assert (refused.code, refused.err) == (
        1,
        "siaran: node gw1 is up; only one that is stopped or lost can be forgotten: stop it first\n",
    )
    assert siaran("node", "forget", "gw2").out == "node gw2 is forgotten\n"
    unknown = siaran("node", "forget", "gw2")
    assert (unknown.code, unknown.err) == (
        1,
        'siaran: node "gw2" not found; did you mean gw1?; see `node ls`\n',
    )
