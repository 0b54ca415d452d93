"""What goes wrong, as RFC 9457 problem documents: one shape, whatever it was (R-7.8).

`type` says which kind of problem it is, as a place in the reference, where each is explained.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from engine.api.bodies import NO_NUL
from engine.domain.errors import Forbidden, NotFound, Refused, Unreachable
from engine.operations.drafts import Unconfirmed
from engine.operations.staging import InvalidRows
from engine.operations.submitting import Faulty, KeyReused, UnderWay
from engine.store.db import CommitUnknown

MEDIA: Final = "application/problem+json"
REFERENCE: Final = "/v1/docs"


class Kind(NamedTuple):
    """A kind of problem: its status, and what to do about it."""

    status: int
    title: str
    advice: str


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "malformed": Kind(400, "Not JSON", "Send one JSON document, in UTF-8."),
        "unauthorized": Kind(
            401, "No valid credentials", "Send a token or a password of a user who is active."
        ),
        "forbidden": Kind(403, "Not allowed to this user", "Ask somebody with the role for it."),
        "not-found": Kind(404, "Not found", "It is not there, or belongs to another application."),
        "method-not-allowed": Kind(405, "Not possible there", "See which methods the path has."),
        "under-way": Kind(
            409,
            "The first request is not done yet",
            "Repeat it in a moment, under the same Idempotency-Key.",
        ),
        "unconfirmed": Kind(
            409,
            "It costs more than goes without asking",
            'Look at the cost, and repeat it with "confirm": true.',
        ),
        "too-large": Kind(413, "The body is too large", "Split it, or upload a list as CSV."),
        "unsupported-media": Kind(
            415, "Not that media type", "Say Content-Type: application/json, or text/csv."
        ),
        "invalid": Kind(
            422, "Fields that can't be used", "`errors` names each of them, and the reason."
        ),
        "refused": Kind(422, "Refused by a rule", "`detail` says which, and what to do."),
        "key-reused": Kind(
            422, "The key belongs to another request", "Take a new Idempotency-Key for each."
        ),
        "rate-limited": Kind(429, "Too many requests", "Wait as long as Retry-After says."),
        "timeout": Kind(408, "The body did not come", "Send it without pauses."),
        "internal": Kind(500, "A fault of ours", "Its reason is in the engine's log."),
        "unavailable": Kind(
            503,
            "Not now",
            "Repeat it after Retry-After, under the same Idempotency-Key: it may be done already.",
        ),
    }
)
"""All kinds, by the last part of their `type`."""


class FieldError(BaseModel):
    """One field that can't be used."""

    field: str = Field(description="where it stands, as in `messages[3].to`")
    reason: str


class ProblemDocument(BaseModel):
    """RFC 9457: what went wrong."""

    type: str = Field(description="which kind of problem, as a place in this reference")
    title: str
    status: int
    detail: str = Field(description="what, where, why, and what to do")
    errors: list[FieldError] | None = None


class Problem(HTTPException):
    """A problem to be answered. `more` are further members of its document."""

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        errors: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(KINDS[kind].status, detail, dict(headers or {}))
        self.kind = kind
        self.errors = tuple(errors)
        self.more = more

    def response(self) -> Response:
        """The answer."""
        document: dict[str, Any] = {
            "type": f"{REFERENCE}#{self.kind}",
            "title": KINDS[self.kind].title,
            "status": self.status_code,
            "detail": self.detail,
            **self.more,
        }
        if self.errors:
            document["errors"] = [
                {"field": field, "reason": reason} for field, reason in self.errors
            ]
        return JSONResponse(document, self.status_code, dict(self.headers or {}), MEDIA)


def problem_of(error: Exception) -> Problem:
    """The problem that an error of the operations is."""
    match error:
        case Problem():
            return error
        case Faulty():
            many = len(error.faults) > 1 or error.faults[0][0] > 0
            errors = [(f"messages[{n}]" if many else "", why) for n, why in error.faults]
            return Problem("refused", str(error), errors=errors if many else ())
        case KeyReused():
            return Problem("key-reused", str(error))
        case UnderWay():
            return Problem("under-way", str(error), headers={"Retry-After": "1"})
        case Unconfirmed(cost=cost):
            return Problem(
                "unconfirmed",
                f'{str(error).partition(";")[0]}; repeat it with "confirm": true',
                recipients=cost.recipients,
                segments=cost.segments,
                largest=cost.largest,
                encoding=cost.encoding,
            )
        case InvalidRows(rows=rows):
            return Problem(
                "refused",
                str(error),
                errors=[(f"line {row.line}", f"{row.value!a}: {row.reason}") for row in rows],
            )
        case NotFound():
            return Problem("not-found", str(error))
        case Forbidden():
            return Problem("forbidden", str(error))
        case Refused():
            return Problem("refused", str(error))
        case Unreachable() | CommitUnknown():
            return Problem(
                "unavailable",
                "the database can't be reached now, so it is not known whether this was done; "
                "repeat it",
                headers={"Retry-After": "2"},
            )
        case RequestValidationError():
            return _invalid(error)
        case HTTPException():
            return _of_status(error)
        case _:
            return Problem("internal", "something went wrong that should not; it is in the log")


def answer_with_problems(app: FastAPI) -> None:
    """Every error of an application's routes becomes a problem document."""

    async def answer(request: Request, error: Exception) -> Response:
        problem = problem_of(error)
        if problem.kind == "method-not-allowed":
            methods = ", ".join(_methods(request.app, request.url.path))
            problem = Problem(
                problem.kind, f"the path has {methods} only", headers={"Allow": methods}
            )
        return problem.response()

    for kind in (Refused, Unreachable, CommitUnknown, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, answer)


def _methods(app: FastAPI, path: str) -> list[str]:
    """All that a path has: the router names those of the first route that fits."""
    document = app.openapi_schema or {"paths": {}}
    return [
        verb.upper()
        for template, operations in document["paths"].items()
        if path == template
        or (
            path not in document["paths"]
            and re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)), path)
        )
        for verb in operations
    ]


def _invalid(error: RequestValidationError) -> Problem:
    """What pydantic says, by field: `messages[3].to`."""
    found = [(_place(one["loc"]), _reason(one)) for one in error.errors()[:_NAMED]]
    if any(one["type"] == "json_invalid" for one in error.errors()):
        return Problem("malformed", "the body is no JSON")
    field, reason = found[0]
    more = f" (and {len(error.errors()) - 1} more)" if len(error.errors()) > 1 else ""
    where = f"{field}: " if field else ""
    return Problem("invalid", f"{where}{reason}{more}", errors=found)


_NAMED: Final = 20
"""Fields that a problem names: who sends a thousand wrong ones has one mistake in common."""

_WHERE: Final = frozenset({"body", "query", "path", "header", "one", "many"})


def _place(loc: Sequence[str | int]) -> str:
    """The first parts say where the field came in, which its name says, too."""
    parts = list(loc)
    while parts and parts[0] in _WHERE:
        parts.pop(0)
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _reason(one: Mapping[str, Any]) -> str:
    if one["type"] == "extra_forbidden":
        return "there is no such field"
    if one["type"] == "string_pattern_mismatch" and one["ctx"]["pattern"] == NO_NUL:
        return "holds a NUL, which no text can"
    if one["type"] == "missing":
        return "is missing"
    if one["type"] in ("model_attributes_type", "model_type") and len(one["loc"]) < 3:
        return "the body is to be a JSON object, sent as Content-Type: application/json"
    text = str(one["msg"]).removeprefix("Value error, ")
    return text[:1].lower() + text[1:]


def _of_status(error: HTTPException) -> Problem:
    kind = next((name for name, kind in KINDS.items() if kind.status == error.status_code), None)
    if kind is None:
        kind = "malformed" if error.status_code < 500 else "internal"
    detail = str(error.detail)
    if detail == HTTPStatus(error.status_code).phrase:
        detail = KINDS[kind].advice
    return Problem(kind, detail, headers=error.headers)
