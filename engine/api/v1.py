"""/v1: all routes of the API, in one application (R-7.8)."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from engine.api import answers, callbacks, campaigns, desk, lists, messages, reference, reports
from engine.api.guard import Guard
from engine.api.problems import answer_with_problems
from engine.api.service import Api

ROUTERS = (
    messages.router,
    lists.router,
    campaigns.router,
    reports.router,
    desk.router,
    answers.router,
    callbacks.router,
)


def add_to(app: FastAPI, api: Api) -> None:
    """Serves the API under /v1, its OpenAPI document and its reference."""
    app.state.api = api
    answer_with_problems(app)
    app.add_middleware(
        Guard,
        admit=api.admit,
        count=api.count,
        ready=partial(reference.prepare, app),
        json_mib=api.http.json_limit_mib,
        csv_mib=api.http.csv_limit_mib,
        pause_s=api.patience.body_s,
    )
    v1 = APIRouter(prefix="/v1", generate_unique_id_function=_named)
    for router in ROUTERS:
        v1.include_router(router)
    app.include_router(v1)
    reference.add_to(app)


def _named(route: APIRoute) -> str:
    """What programs that are made of the document call a route: `cancel_campaigns`."""
    return f"{route.name}_{route.tags[0]}".replace(" ", "_").replace("-", "_")
