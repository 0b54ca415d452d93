"""The HTTP API over lists, campaigns, templates, inbox, blacklist; what each user sees (R-7.8)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from engine.api.pages import written
from tests.engine.conftest import Stage
from tests.engine.serving import Answer, Served, serving

MEMBERS = [{"mobile": f"+6421123450{n}", "params": [f"Name {n}"]} for n in range(5)]

# Every route with what would do it, on things of an application that has them. The paths are those of
# the OpenAPI document; `{id}` is a message, a campaign or an MO, as the path says.
BODIES: dict[tuple[str, str], Any] = {
    ("post", "/v1/messages"): {"to": "+64211234567", "text": "Hello"},
    ("post", "/v1/lists"): {"name": "another"},
    ("patch", "/v1/lists/{name}"): {"batch": "b"},
    ("post", "/v1/lists/{name}/members"): {"members": MEMBERS},
    ("post", "/v1/lists/{name}/members/{mobile}/optout"): {},
    ("post", "/v1/campaigns"): {"list": "people", "message": "Hello"},
    ("patch", "/v1/campaigns/{id}"): {"batch": "b"},
    ("post", "/v1/templates"): {"name": "another", "text": "Hello"},
    ("put", "/v1/templates/{name}"): {"text": "Hello"},
    ("post", "/v1/blacklist"): {"mobile": "+64211234599"},
    ("patch", "/v1/lists/{name}/members/{mobile}"): {"params": ["Another"]},
    ("post", "/v1/lists/{name}/members/{mobile}/optin"): {"reason": "a mistake"},
    ("post", "/v1/keywords"): {"keyword": "SPRING", "list": "people"},
    ("patch", "/v1/keywords/{word}"): {"active": False},
    ("put", "/v1/responses/{kind}"): {"text": "Thank you", "list": "people"},
    ("post", "/v1/optout-commands"): {"word": "GENUG"},
    ("patch", "/v1/optout-commands/{word}"): {"enabled": False},
    ("put", "/v1/callbacks/{kind}"): {"url": "https://callbacks.example.com/x"},
    ("post", "/v1/dead-callbacks/replay"): {"everything": True},
    ("put", "/v1/hours"): {"from": 8, "to": 20, "days": "mon-fri"},
}
QUERIES: dict[tuple[str, str], str] = {
    ("get", "/v1/messages"): "mobile=%2B64211234567",
    ("get", "/v1/campaigns/{id}/numbers.csv"): "status=queued",
    ("get", "/v1/reports/monthly"): "month=2099-01",
    ("get", "/v1/reports/monthly.csv"): "month=2099-01",
    ("delete", "/v1/responses/{kind}"): "list=people",
    ("post", "/v1/lists/{name}/import"): "create=true",
}
OF_NOBODY = {
    ("post", "/v1/messages"),
    ("get", "/v1/messages"),
    ("post", "/v1/lists"),
    ("get", "/v1/lists"),
    ("get", "/v1/campaigns"),
    ("post", "/v1/templates"),
    ("get", "/v1/templates"),
    ("get", "/v1/inbox"),
    ("post", "/v1/blacklist"),
    ("get", "/v1/blacklist"),
    ("get", "/v1/blacklist.csv"),
    ("get", "/v1/keywords"),
    ("get", "/v1/responses"),
    ("get", "/v1/optout-commands"),
    ("post", "/v1/optout-commands"),
    ("get", "/v1/reports/monthly"),
    ("get", "/v1/reports/monthly.csv"),
    ("get", "/v1/reports/volumes"),
    ("get", "/v1/callbacks"),
    ("get", "/v1/dead-callbacks"),
    ("put", "/v1/callbacks/{kind}"),
    ("post", "/v1/dead-callbacks/replay"),
    ("get", "/v1/hours"),
    ("put", "/v1/hours"),
    ("delete", "/v1/hours"),
    ("post", "/v1/lists/{name}/import"),  # it makes the list
}
"""Routes that name nothing that somebody else may have: they are about one's own application."""

MARKS = (
    "people",
    "hello",
    "6421123450",
    "SUMMER",
    "GRUSS",
    "2099-01-01",
    "Hi %%1%%",
    "mon-sat",
    "endpoint.example",
)
"""What is to be seen in answers about the application that `furnished` has made."""


async def furnished(api: Served, token: str) -> dict[str, str]:
    """An application with one of each; what the parts of paths stand for."""
    made = await api.post("/v1/lists", {"name": "people"}, token=token)
    assert made.status == 201
    added = await api.post("/v1/lists/people/members", {"members": MEMBERS}, token=token)
    assert (added.status, added.json["imported"]) == (200, 5)
    campaign = await api.post(
        "/v1/campaigns",
        {"list": "people", "message": "Hi %%1%%", "at": "2099-01-01 10:00"},
        token=token,
    )
    assert campaign.status == 201, campaign.text
    assert (
        await api.post("/v1/templates", {"name": "hello", "text": "Hello"}, token=token)
    ).status == 201
    message = await api.post("/v1/messages", BODIES["post", "/v1/messages"], token=token)
    api.rows(
        "INSERT INTO inbox (id, application_id, carrier_id, mobile, destination, received_at,"
        " content, data_coding) VALUES (next_id(), (SELECT application_id FROM campaign LIMIT 1), 1,"
        " '+64211234500', '3774', now(), 'Hello', 0) RETURNING 1"
    )
    [[mo]] = api.rows("SELECT id FROM inbox")
    api.rows("UPDATE sender SET dedicated = true RETURNING 1")
    for verb, path, body in (
        ("post", "/v1/keywords", {"keyword": "SUMMER", "list": "people"}),
        ("put", "/v1/responses/list", {"text": "hello", "list": "people"}),
        ("post", "/v1/optout-commands", {"word": "GRUSS"}),
        ("put", "/v1/callbacks/reply", {"url": "https://endpoint.example.com/replies"}),
        ("put", "/v1/hours", {"from": 0, "to": 24, "days": "mon-sat"}),
        ("post", "/v1/blacklist", {"mobile": "+64211234509"}),
    ):
        answer = await api.call(verb, path, body, token=token)
        assert answer.status < 300, answer.text
    return {
        "messages": str(message.json["id"]),
        "campaigns": str(campaign.json["campaign"]["id"]),
        "inbox": str(mo),
        "lists": "people",
        "templates": "hello",
        "keywords": "SUMMER",
        "responses": "list",
        "callbacks": "reply",
        "optout-commands": "GRUSS",
        "mobile": MEMBERS[0]["mobile"].replace("+", "%2B"),  # type: ignore[attr-defined]
    }


def filled(verb: str, path: str, things: dict[str, str]) -> str:
    noun = path.split("/")[2]
    found = re.sub(r"\{(id|name|word|kind)\}", things.get(noun, ""), path)
    found = found.replace("{mobile}", things["mobile"])
    query = QUERIES.get((verb, path))
    return found if query is None else f"{found}?{query}"


async def routes(api: Served) -> list[tuple[str, str]]:
    document = (await api.get("/v1/openapi.json")).json
    found = [(verb, path) for path, verbs in document["paths"].items() for verb in verbs]
    assert len(found) > 45
    return found


async def called(
    api: Served, verb: str, path: str, things: dict[str, str], token: str | None
) -> Answer:
    """A route with what would do it."""
    csv = path.endswith("/import")
    return await api.call(
        verb,
        filled(verb, path, things),
        BODIES.get((verb, path)),
        token=token,
        media="text/csv" if csv else "application/json",
        octets=b"+64211234511,Zed\n" if csv else None,
    )


async def seen(api: Served, things: dict[str, str], token: str) -> dict[str, str]:
    """All that a user can see, by path."""
    return {
        path: (await called(api, verb, path, things, token)).text
        for verb, path in await routes(api)
        if verb == "get"
    }


def fault_of(schema: Any, value: Any, document: Any, where: str = "$") -> str | None:
    """Where a value is not what its JSON Schema says; None: it is. As much of it as ours say."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return fault_of(document["components"]["schemas"][name], value, document, where)
    if several := schema.get("anyOf") or schema.get("oneOf"):
        faults = [fault_of(one, value, document, where) for one in several]
        return None if None in faults else faults[0]
    if "enum" in schema and value not in schema["enum"]:
        return f"{where}: {value!r} is none of {schema['enum']}"
    kinds: dict[str, Any] = {
        "object": dict,
        "array": list,
        "string": str,
        "boolean": bool,
        "null": type(None),
        "integer": int,
        "number": (int, float),
    }
    if "type" in schema and not isinstance(value, kinds[schema["type"]]):
        return f"{where}: {value!r} is no {schema['type']}"
    found: list[str | None] = []
    if isinstance(value, dict) and "properties" in schema:
        fields = schema["properties"]
        if (
            strange := value.keys() - fields.keys()
            or set(schema.get("required", ())) - value.keys()
        ):
            return f"{where}: {strange}"
        found = [
            fault_of(fields[key], one, document, f"{where}.{key}") for key, one in value.items()
        ]
    elif isinstance(value, list):
        found = [
            fault_of(schema.get("items", {}), one, document, f"{where}[{n}]")
            for n, one in enumerate(value)
        ]
    return next((fault for fault in found if fault is not None), None)


def test_a_fault_against_a_schema_is_found() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    assert fault_of(schema, {"a": 1}, {}) is None
    many: list[Any] = [{}, {"a": "x"}, {"a": 1, "b": 2}, []]
    for wrong in many:
        assert fault_of(schema, wrong, {}) is not None


@pytest.mark.trio
async def test_what_belongs_to_another_application_is_not_found(stage: Stage) -> None:
    """R-7.8: on every route there is; nothing of it is seen, and nothing of it changes."""
    async with serving(stage) as api:
        mine = await api.token("anna")
        other = await api.token("zoe", application="shop")
        things = await furnished(api, mine)
        before = await seen(api, things, mine)
        for mark in MARKS:
            assert any(mark in text for text in before.values()), mark
        # These make a list, and an endpoint, of that name: so they come last.
        makes = (("post", "/v1/lists/{name}/import"), ("put", "/v1/callbacks/{kind}"))
        for verb, path in sorted(await routes(api), key=lambda one: one in makes):
            answer = await called(api, verb, path, things, other)
            if (verb, path) in OF_NOBODY:
                assert answer.status < 500, (verb, path, answer.text)
                shown = [mark for mark in MARKS if mark in answer.text]
                assert verb != "get" or not shown, (path, answer.text)
            else:
                assert answer.problem("not-found") == 404, (verb, path, answer.text)
        assert await seen(api, things, mine) == before


@pytest.mark.trio
async def test_every_route_wants_credentials_and_the_role_for_it(stage: Stage) -> None:
    """R-7.8: a viewer reads all and changes nothing."""
    async with serving(stage) as api:
        mine = await api.token("anna")
        viewer = await api.token("victor", role="viewer")
        things = await furnished(api, mine)
        before = await seen(api, things, mine)
        for verb, path in await routes(api):
            nobody = await called(api, verb, path, things, None)
            assert nobody.problem("unauthorized") == 401, (verb, path)
            answer = await called(api, verb, path, things, viewer)
            if verb == "get":
                assert answer.status == 200, (verb, path, answer.text)
            else:
                assert answer.problem("forbidden") == 403, (verb, path, answer.text)
        assert await seen(api, things, mine) == before


@pytest.mark.trio
async def test_every_route_does_its_work_and_answers_what_it_documents(stage: Stage) -> None:
    """R-7.8: each is called in an order that makes sense, and none is left out."""
    async with serving(stage) as api:
        token = await api.token("anna")
        things = await furnished(api, token)
        document = (await api.get("/v1/openapi.json")).json
        found = await routes(api)
        last = ("post", "/v1/campaigns/{id}/cancel"), ("delete", "/v1/campaigns/{id}")
        rank = {"get": 0, "post": 1, "put": 1, "patch": 1, "delete": 3}
        members = "/v1/lists/{name}/members/{mobile}"
        late = {("post", f"{members}/optin"): 2, ("post", f"{members}/restore"): 4}
        order = sorted(
            found, key=lambda one: (one in last, late.get(one, rank[one[0]]), -len(one[1]))
        )
        refused = {  # what can't be done with a campaign that has not begun
            ("post", "/v1/campaigns/{id}/pause"),
            ("post", "/v1/campaigns/{id}/resume"),
            ("post", "/v1/campaigns/{id}/stop"),
            ("delete", "/v1/lists/{name}"),
        }
        missing = {("delete", "/v1/blacklist/{mobile}"), ("post", f"{members}/restore")}
        for verb, path in order:
            answer = await called(api, verb, path, things, token)
            documented = document["paths"][path][verb]["responses"]
            assert str(answer.status) in documented, (verb, path, answer.text)
            if (verb, path) in refused:
                assert answer.problem("refused") == 422, (verb, path, answer.text)
                continue
            if (verb, path) in missing:
                assert answer.status in (404, 200), (verb, path, answer.text)
                continue
            assert answer.status < 300, (verb, path, answer.text)
            media = answer.headers["content-type"].partition(";")[0]
            schema = documented[str(answer.status)]["content"][media]["schema"]
            value = answer.json if media == "application/json" else answer.text
            fault = fault_of(schema, value, document)
            assert fault is None, (verb, path, fault)


async def pages(api: Served, path: str, key: str, token: str) -> list[list[Any]]:
    """All pages of a collection, by their cursors."""
    found: list[list[Any]] = []
    cursor = ""
    while True:
        page = (await api.get(f"{path}{cursor}", token=token)).json
        found.append(page[key])
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"


@pytest.mark.trio
async def test_every_collection_comes_page_by_page(stage: Stage) -> None:
    """R-7.8: each once and none left out, while others come and go."""
    async with serving(stage) as api:
        token = await api.token("anna")
        things = await furnished(api, token)
        for n in range(1, 5):
            campaign = {"list": "people", "message": f"x{n}", "at": "2099-01-01 10:00"}
            for path, body in (
                ("/v1/lists", {"name": f"list {n}"}),
                ("/v1/campaigns", campaign),
                ("/v1/templates", {"name": f"template {n}", "text": "x"}),
                ("/v1/blacklist", {"mobile": f"+6421999990{n}"}),
                ("/v1/keywords", {"keyword": f"WORD{n}", "list": "people"}),
                ("/v1/messages", BODIES["post", "/v1/messages"]),
            ):
                assert (await api.post(path, body, token=token)).status < 300
            api.rows(
                "INSERT INTO inbox (id, application_id, carrier_id, mobile, destination,"
                " received_at, content, data_coding) SELECT next_id(), application_id, carrier_id,"
                f" mobile, destination, now(), 'MO {n}', 0 FROM inbox LIMIT 1 RETURNING 1"
            )
        for path, key, name in (
            ("/v1/lists?limit=2", "lists", "name"),
            ("/v1/campaigns?limit=2", "campaigns", "id"),
            ("/v1/templates?limit=2", "templates", "name"),
            ("/v1/blacklist?limit=2", "blacklist", "mobile"),
            ("/v1/keywords?limit=2", "keywords", "keyword"),
            ("/v1/inbox?limit=2", "inbox", "content"),
            ("/v1/messages?mobile=%2B64211234567&limit=2", "messages", "id"),
            ("/v1/lists/people/members?limit=2", "members", "mobile"),
        ):
            found = await pages(api, path, key, token)
            assert [len(one) for one in found] == [2, 2, 1], path
            assert len({one[name] for page in found for one in page}) == 5, path
        first = (await api.get("/v1/lists?limit=2", token=token)).json
        assert (await api.post("/v1/lists", {"name": "new"}, token=token)).status == 201
        gone = first["lists"][-1]["name"].replace(" ", "%20")
        assert (await api.call("delete", f"/v1/lists/{gone}", token=token)).status == 200
        second = await api.get(f"/v1/lists?limit=2&cursor={first['next']}", token=token)
        assert [one["name"] for one in second.json["lists"]] == ["list 2", "list 1"]
        assert things["lists"] == "people"


@pytest.mark.trio
async def test_a_cursor_that_is_none_is_a_problem(stage: Stage) -> None:
    async with serving(stage) as api:
        token = await api.token("anna")
        document = (await api.get("/v1/openapi.json")).json
        collections = [
            path.replace("{name}", "people")
            for path, verbs in document["paths"].items()
            if "cursor" in {one["name"] for one in verbs.get("get", {}).get("parameters", ())}
        ]
        assert len(collections) == 8
        others = [written("nobody", 1), written("lists", "x"), written("keywords", 1)]
        for path in collections:
            query = "mobile=%2B64211234567&" if path == "/v1/messages" else ""
            for cursor in ("", "x", "!", "%00", "WzEsMl0", "W10", "e30", *others):
                answer = await api.get(f"{path}?{query}cursor={cursor}", token=token)
                where = (path, cursor, answer.text)
                assert answer.problem("invalid") == 422, where
                assert answer.json["errors"][0]["field"] == "cursor", where


@pytest.mark.trio
async def test_a_campaign_goes_to_those_of_an_earlier_one(stage: Stage) -> None:
    """R-3.2: by their state; and a request that says nobody, or two, is refused by name."""
    async with serving(stage) as api:
        token = await api.token("anna")
        things = await furnished(api, token)
        earlier = int(things["campaigns"])
        api.rows(
            "UPDATE campaign SET started_at = now(), ended_at = now(), state = 'completed',"
            " recipients = 1, fed = 1 RETURNING 1"
        )
        api.rows(
            "INSERT INTO message (id, application_id, campaign_id, class, state, state_at,"
            " created_at, mobile, sender) SELECT next_id(), application_id, id, 2, 'failed', now(),"
            " now(), '+64211234500', '3774' FROM campaign RETURNING 1"
        )
        body = {"from": earlier, "status": "failed", "message": "Again", "at": "2099-01-01 10:00"}
        made = await api.post("/v1/campaigns", body, token=token)
        assert made.status == 201, made.text
        assert made.json["cost"]["recipients"] == 1
        assert made.json["campaign"]["from_campaign_id"] == earlier
        nobody = await api.post("/v1/campaigns", {**body, "status": "expired"}, token=token)
        assert nobody.problem("refused") == 422
        for wrong in (
            {"message": "x"},
            {"message": "x", "from": earlier},
            {"message": "x", "list": "people", "status": "failed"},
            {"message": "x", "list": "people", "from": earlier, "status": "failed"},
            {"message": "x", "from": earlier, "status": "failed", "members": MEMBERS},
        ):
            refused = await api.post("/v1/campaigns", wrong, token=token)
            assert refused.problem("invalid") == 422, wrong
        path = f"/v1/campaigns/{earlier}/numbers.csv?status=failed"
        head, line, _ = (await api.get(path, token=token)).text.split("\n")
        assert head.startswith("mobile,state_at,")
        assert line.startswith("+64211234500,")


@pytest.mark.trio
async def test_a_csv_is_imported_whole_or_not_at_all(stage: Stage) -> None:
    """R-1.6: streamed, with the report of an import; a bad row is named."""
    async with serving(stage) as api:
        token = await api.token("anna")
        rows = b"".join(b"+6421%07d,Name\n" % n for n in range(1000, 21_000))
        path = "/v1/lists/many/import?create=true"
        done = await api.send("POST", path, rows, token=token, media="text/csv")
        assert (done.status, done.json["imported"]) == (200, 20_000), done.text
        bad = await api.send("POST", path, rows + b"letters\n", token=token, media="text/csv")
        assert bad.problem("refused") == 422
        assert bad.json["errors"][0]["field"] == "line 20001"
        other = await api.send("POST", path, rows, token=token)
        assert other.problem("unsupported-media") == 415


@pytest.mark.trio
async def test_a_campaign_with_members_is_a_quick_one_and_has_to_be_agreed_to(stage: Stage) -> None:
    """R-4.2, R-2.2: list and campaign, or neither."""
    async with serving(stage) as api:
        token = await api.token("anna")
        body = {"list": "march", "members": MEMBERS, "message": "x" * 200}
        asked = await api.post("/v1/campaigns", body, token=token)
        assert asked.problem("unconfirmed") == 409
        assert (asked.json["recipients"], asked.json["segments"]) == (5, 10)
        assert (await api.get("/v1/lists/march", token=token)).status == 404
        made = await api.post("/v1/campaigns", {**body, "confirm": True}, token=token)
        assert made.status == 201, made.text
        assert made.json["campaign"]["quick"] is True
        wrong = await api.post(
            "/v1/campaigns",
            {"list": "april", "members": [*MEMBERS, {"mobile": "1"}], "message": "Hi"},
            token=token,
        )
        assert wrong.problem("refused") == 422
        assert wrong.json["errors"][0]["field"] == "line 6"


@pytest.mark.trio
async def test_a_campaign_is_not_changed_over_somebody_elses_change(stage: Stage) -> None:
    async with serving(stage) as api:
        token = await api.token("anna")
        things = await furnished(api, token)
        path = f"/v1/campaigns/{things['campaigns']}"
        first = await api.call("patch", path, {"batch": "a", "version": 1}, token=token)
        assert (first.status, first.json["changed"]) == (200, ["batch"])
        late = await api.call("patch", path, {"batch": "b", "version": 1}, token=token)
        assert late.problem("refused") == 422
        assert "changed meanwhile" in late.json["detail"]
        assert (await api.call("patch", path, {"colour": 1}, token=token)).problem("invalid") == 422
