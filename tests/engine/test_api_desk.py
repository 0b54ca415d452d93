"""The HTTP API over lists, campaigns, templates, inbox, blacklist; what each user sees (R-7.8)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.engine.conftest import Stage
from tests.engine.serving import Served, serving

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
}
OF_NOBODY = {
    ("post", "/v1/messages"),
    ("post", "/v1/lists"),
    ("get", "/v1/lists"),
    ("get", "/v1/campaigns"),
    ("post", "/v1/templates"),
    ("get", "/v1/templates"),
    ("get", "/v1/inbox"),
    ("post", "/v1/blacklist"),
    ("get", "/v1/blacklist"),
    ("post", "/v1/lists/{name}/import"),  # may make the list
    ("delete", "/v1/blacklist/{mobile}"),  # a number is nobody's: it is just not on the list
}
"""Routes that name nothing that somebody else may have."""


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
    return {
        "messages": str(message.json["id"]),
        "campaigns": str(campaign.json["campaign"]["id"]),
        "inbox": str(mo),
        "lists": "people",
        "templates": "hello",
        "mobile": MEMBERS[0]["mobile"].replace("+", "%2B"),  # type: ignore[attr-defined]
    }


def filled(path: str, things: dict[str, str]) -> str:
    noun = path.split("/")[2]
    found = re.sub(r"\{(id|name)\}", things.get(noun, ""), path)
    return found.replace("{mobile}", things["mobile"])


async def routes(api: Served) -> list[tuple[str, str]]:
    document = (await api.get("/v1/openapi.json")).json
    found = [(verb, path) for path, verbs in document["paths"].items() for verb in verbs]
    assert len(found) > 30
    return found


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
    """R-7.8: on every route there is, and nothing of it changes."""
    async with serving(stage) as api:
        mine = await api.token("anna")
        other = await api.token("zoe", application="shop")
        things = await furnished(api, mine)
        for verb, path in await routes(api):
            if (verb, path) in OF_NOBODY:
                continue
            answer = await api.call(
                verb, filled(path, things), BODIES.get((verb, path)), token=other
            )
            assert answer.problem("not-found") == 404, (verb, path, answer.text)
        for path, key in (("/v1/inbox", "inbox"), ("/v1/lists", None), ("/v1/campaigns", None)):
            found = (await api.get(path, token=other)).json
            assert (found[key] if key else found) == []
        [[state]] = api.rows("SELECT state FROM campaign")
        assert state == "scheduled"


@pytest.mark.trio
async def test_every_route_wants_credentials_and_the_role_for_it(stage: Stage) -> None:
    """R-7.8: a viewer reads all and changes nothing."""
    async with serving(stage) as api:
        mine = await api.token("anna")
        viewer = await api.token("victor", role="viewer")
        things = await furnished(api, mine)
        for verb, path in await routes(api):
            where, body = filled(path, things), BODIES.get((verb, path))
            media = "text/csv" if path.endswith("/import") else "application/json"
            assert (await api.call(verb, where, body)).problem("unauthorized") == 401
            answer = await api.call(verb, where, body, token=viewer, media=media)
            if verb == "get":
                assert answer.status == 200, (verb, path, answer.text)
            else:
                assert answer.problem("forbidden") == 403, (verb, path, answer.text)


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
        order = sorted(found, key=lambda one: (one in last, rank[one[0]], -len(one[1])))
        refused = {  # what can't be done with a campaign that has not begun, or twice
            ("post", "/v1/campaigns/{id}/pause"),
            ("post", "/v1/campaigns/{id}/resume"),
            ("post", "/v1/campaigns/{id}/stop"),
            ("post", "/v1/lists/{name}/members/{mobile}/restore"),
            ("delete", "/v1/lists/{name}"),
            ("delete", "/v1/blacklist/{mobile}"),
        }
        for verb, path in order:
            body = BODIES.get((verb, path))
            media = "text/csv" if path.endswith("/import") else "application/json"
            octets = b"+64211234511,Zed\n" if media == "text/csv" else None
            answer = await api.call(
                verb, filled(path, things), body, token=token, media=media, octets=octets
            )
            if (verb, path) in refused:
                assert answer.problem("refused") == 422, (verb, path, answer.text)
                continue
            documented = document["paths"][path][verb]["responses"]
            assert str(answer.status) in documented, (verb, path, answer.text)
            assert answer.status < 300, (verb, path, answer.text)
            schema = documented[str(answer.status)]["content"]["application/json"]["schema"]
            fault = fault_of(schema, answer.json, document)
            assert fault is None, (verb, path, fault)


@pytest.mark.trio
async def test_members_are_found_page_by_page(stage: Stage) -> None:
    async with serving(stage) as api:
        token = await api.token("anna")
        await furnished(api, token)
        seen: list[str] = []
        after: int | None = 0
        for _ in range(3):
            page = (
                await api.get(f"/v1/lists/people/members?limit=2&after={after}", token=token)
            ).json
            seen += [one["mobile"] for one in page["members"]]
            after = page["next"]
        assert after is None
        assert seen == [one["mobile"] for one in MEMBERS]
        wrong = await api.get("/v1/lists/people/members?colour=red", token=token)
        assert wrong.problem("invalid") == 422
        assert wrong.json["errors"][0]["field"] == "colour"


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
