"""The OpenAPI document, and a page made of it that a person reads: no outside resources (R-7.8)."""

from __future__ import annotations

import html
import json
import re
import threading
from collections.abc import Iterator, Mapping
from typing import Any, Final

import trio
from fastapi import FastAPI, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse
from pydantic.json_schema import models_json_schema

from engine.api.problems import KINDS, MEDIA, FieldError, ProblemDocument

VERSION: Final = "1"

ABOUT: Final = """JSON over HTTP. Every request names a user of an application, by a token
(`siaran user token NAME`) as `Authorization: Bearer TOKEN`, or by HTTP Basic with `NAME` (of the
application `default`) or `APPLICATION/NAME` and a password. Who asks sees that application only:
what belongs to another is not found. Viewers read, operators send, admins configure."""

_MAKING: Final = threading.Lock()
"""FastAPI silences warnings while it makes models, which goes for all threads: one at a time."""

_PROBLEM: Final = {"$ref": "#/components/schemas/ProblemDocument"}

_ALWAYS: Final = (401, 403, 404, 422, 429, 503)
_WITH_BODY: Final = (400, 408, 413, 415)
_CONFLICT: Final = frozenset(
    {("post", "/v1/messages"), ("post", "/v1/campaigns"), ("patch", "/v1/campaigns/{id}")}
)
"""Where something can be under way, or has to be agreed to (409)."""


def add_to(app: FastAPI) -> None:
    """Serves both; nobody has to log in to read what the API is."""

    @app.get("/v1/openapi.json", include_in_schema=False)
    async def document() -> Response:
        return Response(
            json.dumps(_document(app), ensure_ascii=False), media_type="application/json"
        )

    @app.get("/v1/docs", include_in_schema=False)
    async def page() -> Response:
        return HTMLResponse(_page(_document(app)))


async def prepare(app: FastAPI) -> None:
    """Makes the document, and with it the models of all routes, in a thread."""
    if app.openapi_schema is None:
        await trio.to_thread.run_sync(_document, app, abandon_on_cancel=True)


def _document(app: FastAPI) -> dict[str, Any]:
    """OpenAPI 3.1 of all routes of the API, made once."""
    with _MAKING:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(
                get_openapi(
                    title="Siaran", version=VERSION, summary="SMS by SMPP", description=ABOUT,
                    routes=app.routes,
                )
            )  # fmt: skip
        return app.openapi_schema


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    """With what goes for all routes: credentials, and problems instead of FastAPI's own errors."""
    parts = document.setdefault("components", {})
    schemas = parts.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    _, made = models_json_schema(
        [(ProblemDocument, "serialization"), (FieldError, "serialization")],
        ref_template="#/components/schemas/{model}",
    )
    schemas.update(made["$defs"])
    parts["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer"},
        "password": {"type": "http", "scheme": "basic"},
    }
    document["security"] = [{"token": []}, {"password": []}]
    parts["responses"] = {
        f"problem-{status}": _problem(status) for status in (*_ALWAYS, *_WITH_BODY, 409)
    }
    for path, operations in document["paths"].items():
        for verb, operation in operations.items():
            statuses = [*_ALWAYS, *(_WITH_BODY if "requestBody" in operation else ())]
            statuses += [409] if (verb, path) in _CONFLICT else []
            for status in sorted(statuses):
                operation["responses"][str(status)] = {
                    "$ref": f"#/components/responses/problem-{status}"
                }
    return _renamed(document)


def _renamed(document: dict[str, Any]) -> dict[str, Any]:
    """Models of one name in several modules are told apart by that: `CampaignsShown`."""
    text = json.dumps(document, ensure_ascii=False)
    for name in document["components"]["schemas"]:
        parts = name.split("__")
        if len(parts) > 1:
            text = text.replace(name, f"{parts[-2].title()}{parts[-1]}")
    renamed: dict[str, Any] = json.loads(text)
    return renamed


def _problem(status: int) -> dict[str, Any]:
    kinds = [f"{kind.title} (`{name}`)" for name, kind in KINDS.items() if kind.status == status]
    answer: dict[str, Any] = {
        "description": "; ".join(kinds),
        "content": {MEDIA: {"schema": _PROBLEM}},
    }
    if status in (429, 503):
        answer["headers"] = {
            "Retry-After": {"description": "in so many seconds", "schema": {"type": "integer"}}
        }
    return answer


# ---------------------------------------------------------------- the page

_STYLE: Final = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;
color:#222;background:#fff}
code,pre{font:14px/1.4 ui-monospace,monospace}code{background:#f2f2f0;padding:0 .2em}
h2{margin-top:2.5rem;border-bottom:1px solid #ccc}h3{margin-bottom:.2rem}
table{border-collapse:collapse;width:100%;table-layout:fixed}td,th{text-align:left;
vertical-align:top;padding:.2rem .8rem .2rem 0;border-bottom:1px solid #eee;overflow-wrap:anywhere}
td:first-child,th:first-child{width:13rem}td:nth-child(2){width:16rem}
.problems td:nth-child(2),.problems th:nth-child(2){width:4rem}
nav{columns:18rem;margin-top:1.5rem}nav div{break-inside:avoid;margin-bottom:1rem}
nav a{display:block;font-size:14px;text-decoration:none}nav b{display:block}
h3 a{color:inherit;text-decoration:none}
@media(max-width:40rem){body{margin:1rem auto}table{table-layout:auto}tr{display:block;
border-bottom:1px solid #ddd;padding:.3rem 0}td,th{display:block;border:0;padding:0}
td:first-child,td:nth-child(2),th:first-child{width:auto!important}td:empty{display:none}}
.verb{display:inline-block;min-width:4.5rem;font-weight:700;color:#06543f}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}code{background:#2a2a2a}
td,th,tr,h2{border-color:#444}a{color:#8ab8ff}.verb{color:#7fd0b3}}
"""


def _page(document: Mapping[str, Any]) -> str:
    body = "\n".join(_parts(document))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Siaran: HTTP API</title>'
        '<meta name="viewport" content="width=device-width">'
        f"<style>{_STYLE}</style></head><body>{body}</body></html>"
    )


def _parts(document: Mapping[str, Any]) -> Iterator[str]:
    schemas = document["components"]["schemas"]
    yield "<h1>Siaran: HTTP API</h1>"
    yield _text(document["info"]["description"])
    yield '<p>The same for programs: <a href="/v1/openapi.json">OpenAPI</a>.</p>'
    yield from _contents(document)
    tag = None
    for path, methods in document["paths"].items():
        for verb, operation in methods.items():
            if (now := operation.get("tags", ["others"])[0]) != tag:
                tag = now
                yield f'<h2 id="{_anchor(tag)}">{html.escape(tag)}</h2>'
            yield from _operation(path, verb, operation)
    yield '<h2 id="bodies">bodies and answers</h2>'
    for name, schema in sorted(schemas.items()):
        yield from _schema(name, schema)
    yield '<h2 id="problems">problems</h2><table class="problems">'
    yield "<tr><th>type</th><th>status</th><th>what it means</th></tr>"
    for name, kind in KINDS.items():
        yield (
            f'<tr id="{name}"><td><code>{name}</code></td><td>{kind.status}</td>'
            f"<td>{html.escape(kind.title)}. {html.escape(kind.advice)}</td></tr>"
        )
    yield "</table>"


def _contents(document: Mapping[str, Any]) -> Iterator[str]:
    """All routes on one screen, by subject."""
    subjects: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for verb, operation in methods.items():
            subjects.setdefault(operation.get("tags", ["others"])[0], []).append(
                f'<a href="#{operation["operationId"]}"><code>{verb.upper()} '
                f"{html.escape(path.removeprefix('/v1'))}</code></a>"
            )
    yield "<nav>"
    for tag, links in subjects.items():
        yield f'<div><b><a href="#{_anchor(tag)}">{html.escape(tag)}</a></b>{"".join(links)}</div>'
    yield '<div><b><a href="#bodies">bodies and answers</a></b>'
    yield '<b><a href="#problems">problems</a></b></div></nav>'


def _anchor(tag: str) -> str:
    return html.escape(tag.replace(" ", "-"))


def _operation(path: str, verb: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f'<h3 id="{operation["operationId"]}"><span class="verb">{verb.upper()}</span> '
    yield f"<code>{html.escape(path)}</code></h3>"
    yield _text(f"{operation.get('summary', '')}. {operation.get('description', '')}")
    rows = [
        (f"{one['name']} ({one['in']})", one.get("description", ""), one.get("schema", {}))
        for one in operation.get("parameters", ())
    ]
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        rows.append((f"body, {media}", "", content.get("schema", {})))
    for status, answer in operation["responses"].items():
        for media, content in answer.get("content", {}).items():
            if status < "400":
                rows.append((f"{status}, {media}", "", content.get("schema", {})))
    yield "<table>"
    for name, about, schema in rows:
        yield (
            f"<tr><td>{html.escape(name)}</td><td>{_kind(schema)}{_default(schema)}</td>"
            f"<td>{_inline(about)}</td></tr>"
        )
    problems = ", ".join(status for status in sorted(operation["responses"]) if status >= "400")
    yield f'<tr><td><a href="#problems">problems</a></td><td>{problems}</td><td></td></tr></table>'


def _schema(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f'<h3 id="schema-{html.escape(name)}">{html.escape(name)}</h3>'
    yield _text(schema.get("description", ""))
    if "enum" in schema:
        yield f"<p>{', '.join(f'<code>{html.escape(str(one))}</code>' for one in schema['enum'])}</p>"
    required = set(schema.get("required", ()))
    fields = schema.get("properties", {})
    if fields:
        yield "<table>"
        for field, of in fields.items():
            mark = " (required)" if field in required else ""
            yield (
                f"<tr><td><code>{html.escape(field)}</code>{mark}</td>"
                f"<td>{_kind(of)}{_default(of)}</td>"
                f"<td>{_inline(of.get('description', ''))}</td></tr>"
            )
        yield "</table>"


def _kind(schema: Mapping[str, Any]) -> str:
    """A schema in a few words, with links to those that have a name."""
    if "$ref" in schema:
        name = html.escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#schema-{name}">{name}</a>'
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(_kind(one) for one in schema[several] if one.get("type") != "null")
    if "enum" in schema:
        return " or ".join(html.escape(str(one)) for one in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    words = [schema.get("format") or schema.get("type") or "anything"]
    for key, word in (("minimum", "from"), ("maximum", "to"), ("maxLength", "at most")):
        if key in schema:
            words.append(f"{word} {schema[key]:,.0f}")
    return html.escape(" ".join(words))


def _default(schema: Mapping[str, Any]) -> str:
    default = schema.get("default")
    return "" if default in (None, [], {}) else f" <code>{html.escape(json.dumps(default))}</code>"


def _text(words: str) -> str:
    paragraphs = [one for one in words.strip().lstrip(". ").split("\n\n") if one.strip()]
    return "".join(f"<p>{_inline(one)}</p>" for one in paragraphs)


def _inline(words: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(words, quote=False))
