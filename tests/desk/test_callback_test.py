"""`siaran callback test` and what `siaran check` says of endpoints (R-7.3, R-7.4)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.domain.callback import Kind
from engine.operations import Actor, Database
from engine.store import callbacks
from tests.desk.conftest import Siaran
from tests.desk.test_callbacks import endpoint
from tests.engine.endpointserver import EndpointServer, serving


@pytest.fixture
def server() -> Iterator[EndpointServer]:
    with serving(EndpointServer()) as server:
        yield server


@pytest.fixture
def near(configuration: Path, tmp_path: Path) -> str:
    """A configuration that lets callbacks go to this machine."""
    file = tmp_path / "siaran.toml"
    file.write_text(f"{configuration.read_text()}[callbacks]\nallow_private = true\n")
    return str(file)


@pytest.mark.parametrize("kind", ["reply", "receipt"])
def test_a_sample_is_posted_as_the_engine_would(
    siaran: Siaran, server: EndpointServer, near: str, kind: str
) -> None:
    """R-7.3: on request; one line says what came of it, the log who asked."""
    siaran("callback", "set", kind, server.url, "--header", "X-Api-Key=abc", "--config", near)
    answer = siaran("callback", "test", kind, "--config", near)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith(f"{server.url}: 200 OK, in ")
    assert answer.out.count("\n") == 1
    [post] = server.posts
    assert post.headers["X-Api-Key"] == "abc"
    assert post.headers["Idempotency-Key"].startswith("test.")
    assert post.body["id" if kind == "reply" else "MessageId"] == 0
    [line] = siaran("log", "--action", "callback.test", "--json").json
    assert line["after"] == {"answer": "200 OK"}


def test_a_good_test_ends_a_suspension_and_a_bad_one_does_not(
    siaran: Siaran, server: EndpointServer, near: str, database: Database, actor: Actor
) -> None:
    """R-7.4"""
    siaran("callback", "set", "receipt", server.url, "--config", near)
    database.run(callbacks.suspend, endpoint(database, actor), "404 Not Found")
    server.answers = [404, 503]
    refused = siaran("callback", "test", "receipt", "--json", "--config", near)
    assert refused.code == 1
    assert (refused.json["ok"], refused.json["status"]) == (False, 404)
    assert siaran("callback", "test", "receipt", "--config", near).code == 3
    assert endpoint(database, actor).suspended_why == "404 Not Found"
    answer = siaran("callback", "test", "receipt", "--config", near)
    assert answer.code == 0
    assert "it is not suspended any more" in answer.out
    assert endpoint(database, actor).suspended_why is None


def test_what_cannot_be_tested_is_said(siaran: Siaran, server: EndpointServer, near: str) -> None:
    """Nothing is set; nobody listens; an address that is not allowed."""
    assert "callback set" in siaran("callback", "test", "reply", "--config", near).err
    siaran("callback", "set", "reply", "http://127.0.0.1:1/x?key=hush", "--config", near)
    answer = siaran("callback", "test", "reply", "--config", near)
    assert answer.code == 3
    assert "Connection refused" in answer.out
    assert "hush" not in answer.out
    siaran("callback", "set", "reply", server.url, "--config", near)
    answer = siaran("callback", "test", "reply")
    assert answer.code == 3
    assert "private network" in answer.out
    assert server.posts == []


def test_check_has_a_line_for_each_endpoint(
    siaran: Siaran, server: EndpointServer, near: str, database: Database, actor: Actor
) -> None:
    """R-9.2: it is connected to and nothing is posted; a suspended one says why."""

    def line() -> str:
        name = f"callback {actor.application}/receipt"
        lines = siaran("check", "--config", near).out.splitlines()
        return next(one.removeprefix(name).strip() for one in lines if one.startswith(name))

    siaran("callback", "set", "receipt", server.url, "--config", near)
    assert line().startswith(f"ok     {server.url}: it can be connected to")
    database.run(callbacks.suspend, endpoint(database, actor, Kind.RECEIPT), "410 Gone")
    assert line().startswith(f"WRONG  {server.url}: suspended: 410 Gone; set it again")
    siaran("callback", "set", "receipt", "http://127.0.0.1:1/x", "--config", near)
    assert line().startswith("WRONG  127.0.0.1:1: Connect")
    assert server.posts == []
    siaran("callback", "off", "receipt", "--yes", "--config", near)
