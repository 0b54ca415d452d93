"""The HTTP API over real sockets: who comes in, messages, problems, limits (R-7.8, R-8.5)."""

from __future__ import annotations

import base64
import json
from collections import Counter
from functools import partial
from typing import Any

import pytest
import trio
from msgspec.structs import replace

from tests.engine.conftest import Stage
from tests.engine.serving import OPEN, Answer, Served, serving

NUMBER = "+64211234567"


@pytest.mark.trio
async def test_a_message_is_sent_and_its_status_is_known(stage: Stage) -> None:
    """R-7.8, R-5.14: from the request to the receipt, on an engine with its binds."""
    async with stage.smsc() as smsc, stage.engine(smsc.port) as engine:
        [line] = engine.logged("http.listening")
        [address] = json.loads(line.partition("addresses=")[2])
        api = Served.of(address, stage.road.database)
        token = await api.token("anna")
        sent = await api.post("/v1/messages", {"to": NUMBER, "text": "Hello"}, token=token)
        assert (sent.status, sent.json["state"], sent.json["segments"]) == (202, "queued", 1)
        path = f"/v1/messages/{sent.json['id']}"

        def delivered(tx: Any) -> bool:
            row = tx.execute("SELECT state FROM message WHERE id = %s", (sent.json["id"],))
            return bool(row.fetchone() == ("delivered",))

        await stage.until(partial(stage.road.database.run, delivered), "the receipt")
        shown = await api.get(path, token=token)
        assert (shown.status, shown.json["state"]) == (200, "delivered")
        assert shown.json["message_class"] == "api"
        assert shown.json["segments"][0]["taken"][0]["carrier"] == "tui"
        _, metrics = await engine.get("/metrics")
        assert 'siaran_api_requests_total{status="202"} 1.0' in metrics


@pytest.mark.trio
async def test_who_has_no_credentials_comes_nowhere(stage: Stage) -> None:
    async with serving(stage) as api:
        token = await api.token("anna")
        for header in (
            None,
            "Bearer",
            "Bearer siaran_wrong",
            f"Bearer {token}x",
            "Basic !!!",
            "Basic " + base64.b64encode(b"anna:wrong password").decode(),
            "Digest x",
        ):
            answer = await api.get("/v1/messages/1", authorization=header)
            assert answer.problem("unauthorized") == 401, header
            assert answer.headers["www-authenticate"].startswith("Bearer")
        assert (await api.get("/v1/messages/1", token=token)).problem("not-found") == 404


@pytest.mark.trio
async def test_a_password_comes_in_as_basic_and_guessing_is_slow(stage: Stage) -> None:
    async with serving(stage) as api:
        await api.token("anna")
        await api.password("anna", "correct horse battery")

        def basic(name: str, password: str) -> str:
            return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()

        good = basic("anna", "correct horse battery")
        assert (await api.get("/v1/messages/1", authorization=good)).status == 404
        named = basic("default/anna", "correct horse battery")
        assert (await api.get("/v1/messages/1", authorization=named)).status == 404
        seen = Counter(
            [
                (await api.get("/v1/messages/1", authorization=basic("anna", f"guess {n}"))).status
                for n in range(14)
            ]
        )
        assert seen[401] <= 12
        assert seen[429] >= 2


@pytest.mark.trio
async def test_a_revoked_token_comes_in_no_more(stage: Stage) -> None:
    """It may be remembered for some seconds; here nothing is."""
    async with serving(stage) as api:
        token = await api.token("anna")
        await api.revoke("anna")
        assert (await api.get("/v1/messages/1", token=token)).problem("unauthorized") == 401


@pytest.mark.trio
async def test_a_token_that_has_expired_comes_in_no_more(stage: Stage) -> None:
    async with serving(stage) as api:
        token = await api.token("anna")
        api.rows("UPDATE token SET expires_at = now() - interval '1 s' RETURNING 1")
        assert (await api.get("/v1/messages/1", token=token)).problem("unauthorized") == 401


@pytest.mark.trio
async def test_a_viewer_reads_and_an_operator_sends(stage: Stage) -> None:
    async with serving(stage) as api:
        operator = await api.token("olga", role="operator")
        viewer = await api.token("victor", role="viewer")
        body = {"to": NUMBER, "text": "Hello"}
        refused = await api.post("/v1/messages", body, token=viewer)
        assert refused.problem("forbidden") == 403
        sent = await api.post("/v1/messages", body, token=operator)
        assert sent.status == 202
        assert (await api.get(f"/v1/messages/{sent.json['id']}", token=viewer)).status == 200


@pytest.mark.trio
async def test_a_thousand_are_accepted_in_their_order(stage: Stage) -> None:
    """R-7.8, R-8.1: what is answered is committed, and due."""
    async with serving(stage) as api:
        token = await api.token("anna")
        many = [{"to": f"+6421{n:07}", "text": f"number {n}"} for n in range(1000, 2000)]
        sent = await api.post("/v1/messages", {"messages": many}, token=token)
        assert sent.status == 202
        rows = api.rows("SELECT id, mobile, text, class FROM message ORDER BY id")
        assert [row[1:] for row in rows] == [(one["to"], one["text"], 1) for one in many]
        assert [one["id"] for one in sent.json["messages"]] == [row[0] for row in rows]
        assert api.rows("SELECT count(*) FROM due WHERE class = 1") == [(1000,)]
        [[action, by, after]] = api.rows(
            "SELECT action, by, after FROM log WHERE action LIKE 'mes%'"
        )
        assert (action, by, after["messages"]) == ("message.send", "anna", 1000)
        many.append(many[0])
        refused = await api.post("/v1/messages", {"messages": many}, token=token)
        assert refused.problem("invalid") == 422
        assert refused.json["errors"][0]["field"] == "messages"


@pytest.mark.trio
async def test_of_many_all_are_accepted_or_none(stage: Stage) -> None:
    async with serving(stage) as api:
        token = await api.token("anna")
        many = [
            {"to": NUMBER, "text": "Hi"},
            {"to": "12", "text": "Hi"},
            {"to": NUMBER, "text": " "},
        ]
        refused = await api.post("/v1/messages", {"messages": many}, token=token)
        assert refused.problem("refused") == 422
        assert [one["field"] for one in refused.json["errors"]] == ["messages[1]", "messages[2]"]
        assert api.rows("SELECT count(*) FROM message") == [(0,)]


NO_MESSAGES: list[tuple[Any, str, str | None]] = [
    ({"to": NUMBER}, "invalid", "text"),
    ({"to": NUMBER, "text": "Hi", "colour": "red"}, "invalid", "colour"),
    ({"messages": [{"to": NUMBER, "text": "Hi", "x": 1}]}, "invalid", "messages[0].x"),
    ({"to": NUMBER, "text": "Hi", "encoding": "ebcdic"}, "invalid", "encoding"),
    ({"to": NUMBER, "text": "Hi", "validity_s": 1}, "invalid", "validity_s"),
    ({"to": NUMBER, "text": "Hi", "send_at": "2026-12-01T10:00:00"}, "invalid", "send_at"),
    ({"to": NUMBER, "text": "Hi", "send_at": "2020-12-01T10:00:00Z"}, "refused", None),
    ({"to": NUMBER, "text": "Hi", "send_at": "2999-12-01T10:00:00Z"}, "refused", None),
    ({"to": NUMBER, "text": "Hi", "sender": "nobody"}, "refused", None),
    ({"to": NUMBER, "text": "ж", "encoding": "gsm"}, "refused", None),
    ({"to": NUMBER, "text": "Hi %%1%%"}, "refused", None),
    ({"to": NUMBER, "text": "a\x00b"}, "invalid", "text"),
    ({"to": NUMBER, "text": "Hi", "flash": 1}, "invalid", "flash"),
    ({"to": NUMBER, "text": "Hi", "validity_s": "600"}, "invalid", "validity_s"),
    ({"to": NUMBER, "text": "x" * 5000}, "refused", None),
    ({"messages": [{"to": NUMBER, "text": "x", "transactional": True}]}, "refused", None),
    ([], "invalid", ""),
    (7, "invalid", ""),
    ({"messages": []}, "invalid", "messages"),
]


@pytest.mark.trio
async def test_what_can_be_no_message_is_refused_by_name(stage: Stage) -> None:
    async with serving(stage) as api:
        token = await api.token("anna")
        for body, kind, field in NO_MESSAGES:
            refused = await api.post("/v1/messages", body, token=token)
            assert refused.problem(kind) == 422, body
            if field is not None:
                assert refused.json["errors"][0]["field"] == field
        assert api.rows("SELECT count(*) FROM message") == [(0,)]


@pytest.mark.trio
async def test_foreign_octets_are_a_problem_and_nothing_else(stage: Stage) -> None:
    async with serving(stage) as api:
        token = await api.token("anna")
        for octets in (b"", b"{", b"\xff\xfe", b"[" * 200_000, b'{"a":' * 50_000, b'"\\ud800"'):
            answer = await api.send("POST", "/v1/messages", octets, token=token)
            assert answer.status in (400, 422), octets[:10]
            assert answer.headers["content-type"] == "application/problem+json"
        large = await api.send("POST", "/v1/messages", b" " * (8 * 2**20 + 1), token=token)
        assert large.problem("too-large") == 413
        assert (await api.get("/v1/nothing", token=token)).problem("not-found") == 404
        there = await api.send("DELETE", "/v1/messages", b"", token=token)
        assert there.problem("method-not-allowed") == 405
        assert there.headers["allow"] == "POST, GET"


@pytest.mark.trio
async def test_who_wants_nothing_gets_nothing(stage: Stage) -> None:
    """R-6.3, R-6.4: refused alone; among others it is accepted, and skipped with a notice."""
    async with serving(stage) as api:
        token = await api.token("anna")
        api.rows(
            "INSERT INTO consent (application_id, mobile, event, origin, by)"
            f" VALUES (1, '{NUMBER}', 'out', 'mo', 'x') RETURNING 1"
        )
        alone = await api.post("/v1/messages", {"to": NUMBER, "text": "Hi"}, token=token)
        assert alone.problem("refused") == 422
        assert "opted out" in alone.json["detail"]
        two = [{"to": NUMBER, "text": "Hi"}, {"to": "+64211234568", "text": "Hi"}]
        both = await api.post("/v1/messages", {"messages": two}, token=token)
        assert [one["notices"] for one in both.json["messages"]] == [["opted out: is skipped"], []]


@pytest.mark.trio
async def test_times_and_classes_are_stored_as_asked(stage: Stage) -> None:
    """R-5.14, R-4.2: transactional is class 0."""
    async with serving(stage) as api:
        token = await api.token("anna")
        wanted = {
            "to": NUMBER,
            "text": "Hi",
            "transactional": True,
            "validity_s": 600,
            "flash": True,
        }
        assert (await api.post("/v1/messages", wanted, token=token)).status == 202
        assert api.rows(
            "SELECT class, flash, not_after - created_at BETWEEN '599 s' AND '660 s' FROM message"
        ) == [(0, True, True)]
        [[later]] = api.rows("SELECT to_char(now() + '1 h', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")
        answer = await api.post(
            "/v1/messages", {"to": NUMBER, "text": "x", "send_at": later}, token=token
        )
        assert answer.status == 202
        assert api.rows("SELECT count(*) FROM due WHERE due_at > now() + '59 m'") == [(1,)]


@pytest.mark.trio
async def test_the_same_request_under_a_key_is_done_once(stage: Stage) -> None:
    """R-7.8: the same answer again; another body is refused; another application's key is another."""
    async with serving(stage) as api:
        token = await api.token("anna")
        other = await api.token("zoe", application="shop")
        body = {"to": NUMBER, "text": "Hello"}
        first = await api.post("/v1/messages", body, token=token, key="k1")
        again = await api.post("/v1/messages", body, token=token, key="k1")
        assert (first.status, again.status) == (202, 202)
        assert first.json == again.json
        assert again.headers["idempotency-replayed"] == "true"
        assert "idempotency-replayed" not in first.headers
        reused = await api.post("/v1/messages", {**body, "text": "x"}, token=token, key="k1")
        assert reused.problem("key-reused") == 422
        assert api.rows("SELECT count(*) FROM message") == [(1,)]
        assert (await api.post("/v1/messages", body, token=other, key="k1")).status == 202
        bad = await api.post("/v1/messages", {**body, "to": "1"}, token=token, key="k2")
        assert bad.problem("refused") == 422
        mended = await api.post("/v1/messages", body, token=token, key="k2")
        assert mended.status == 202, "a refusal leaves the key free"


@pytest.mark.trio
async def test_the_second_is_told_to_wait_while_the_first_is_under_way(stage: Stage) -> None:
    """R-7.8: on this server and on another of the same database."""
    async with serving(stage) as api, serving(stage) as elsewhere:
        token = await api.token("anna")
        body = {"to": NUMBER, "text": "Hello"}
        answers: list[Answer] = []

        async def first() -> None:
            answers.append(await api.post("/v1/messages", body, token=token, key="k"))

        async with trio.open_nursery() as nursery:
            with api.locked("message"):
                nursery.start_soon(first)
                await api.until_waiting()
                for server in (api, elsewhere):
                    second = await server.post("/v1/messages", body, token=token, key="k")
                    assert second.problem("under-way") == 409
                    assert second.headers["retry-after"] == "1"
        assert answers[0].status == 202
        again = await elsewhere.post("/v1/messages", body, token=token, key="k")
        assert again.json == answers[0].json
        assert api.rows("SELECT count(*) FROM message") == [(1,)]


@pytest.mark.trio
async def test_who_sends_too_much_is_told_when_to_go_on(stage: Stage) -> None:
    async with serving(stage, replace(OPEN, user_rate=3)) as api:
        token = await api.token("anna")
        other = await api.token("olga")
        answers = [await api.get("/v1/messages/1", token=token) for _ in range(8)]
        limited = [one for one in answers if one.status == 429]
        assert len(limited) >= 3
        assert limited[0].problem("rate-limited") == 429
        assert limited[0].headers["retry-after"] == "1"
        assert (await api.get("/v1/messages/1", token=other)).status == 404


@pytest.mark.trio
async def test_many_clients_at_once_are_answered_each_their_own(stage: Stage) -> None:
    """Requests that share a transaction: one that is refused spoils no other."""
    async with serving(stage) as api:
        token = await api.token("anna")
        answers: dict[int, Answer] = {}

        async def one(n: int) -> None:
            to = "no number" if n % 5 == 0 else f"+6421{n:07}"
            answers[n] = await api.post("/v1/messages", {"to": to, "text": "Hi"}, token=token)

        async with trio.open_nursery() as nursery:
            with api.locked("message"):
                for n in range(1000, 1030):
                    nursery.start_soon(one, n)
                await api.until_waiting()
        for n, answer in answers.items():
            assert answer.status == (422 if n % 5 == 0 else 202)
            assert n % 5 == 0 or answer.json["mobile"] == f"+6421{n:07}"
        assert api.rows("SELECT count(*) FROM message") == [(24,)]


@pytest.mark.trio
async def test_the_document_and_the_page_need_nothing_from_outside(stage: Stage) -> None:
    async with serving(stage) as api:
        document = (await api.get("/v1/openapi.json")).json
        assert document["openapi"].startswith("3.1")
        page = await api.get("/v1/docs")
        assert page.headers["content-type"].startswith("text/html")
        for path in document["paths"]:
            assert path in page.text
        for outside in ("http://", "https://", "src=", "@import", "url("):
            assert outside not in page.text
