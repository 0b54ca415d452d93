"""The HTTP server, on hypercorn's trio worker: /metrics, /healthz, /readyz, and /v1, the API.

`/healthz` says that the process turns; `/readyz` that it can do its work: the database answers and
at least one bind of each carrier is up. Both name what is missing.
"""

from collections.abc import Awaitable, Callable, Iterator

import trio
from fastapi import FastAPI, Response
from hypercorn.config import Config
from hypercorn.trio import serve as hypercorn_serve
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Metric, generate_latest

from engine.api import v1
from engine.api.service import Api
from engine.domain.errors import Refused

Ready = Callable[[], list[str]]


USER_RATE = 2_000.0
"""Requests a second of a user, and as many at once: what runs wild must not take all of a server."""

HEADERS_S = 5
"""Within so many seconds the head of a request has to be there; who says nothing is cut then."""

MOST_REQUESTS = 100_000
"""Requests of a connection, before it is to be opened again."""


def application(registry: CollectorRegistry, missing: Ready, api: Api | None = None) -> FastAPI:
    """The routes. `missing` names what keeps the engine from working; `api` None: not served here."""
    app = FastAPI(title="Siaran", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(await scraped(registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz(response: Response) -> dict[str, object]:
        what = missing()
        response.status_code = 503 if what else 200
        return {"status": "waiting" if what else "ready", "missing": what}

    # Last: FastAPI makes the API's models when a request first comes as far as its routes, a tenth
    # of a second that no scrape should cost the binds.
    if api is not None:
        v1.add_to(app, api)
    return app


async def scraped(registry: CollectorRegistry) -> bytes:
    """All metrics as text, one after the other: with 200 binds it is the binds' time that it takes."""
    parts: list[bytes] = []
    for family in registry.collect():
        parts.append(generate_latest(_One(family)))
        await trio.lowlevel.checkpoint()
    return b"".join(parts)


class _One(CollectorRegistry):
    """A registry of one family of metrics."""

    def __init__(self, family: Metric) -> None:
        super().__init__()
        self._family = family

    def collect(self) -> Iterator[Metric]:
        yield self._family


async def serve(
    app: FastAPI,
    listen: str,
    *,
    shutdown: Callable[[], Awaitable[None]],
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves until `shutdown` returns; starts with the addresses it listens on.

    Raises Refused, in a group of the nurseries, when it can't listen there.
    """
    config = Config()
    config.bind = [listen]
    config.accesslog = None
    config.errorlog = None
    config.graceful_timeout = 1.0
    config.keep_alive_timeout = HEADERS_S
    config.keep_alive_max_requests = MOST_REQUESTS
    config.include_server_header = False
    try:
        await hypercorn_serve(app, config, shutdown_trigger=shutdown, task_status=task_status)  # type: ignore[arg-type]
    except* OSError as group:
        (error, *_) = _leaves(group)
        raise Refused(
            f'http.listen = "{listen}": can\'t listen there: {error.strerror}; is an engine running'
            " already? Another port can be set in siaran.toml; 0 is one that is free"
        ) from error


def _leaves(group: BaseExceptionGroup[OSError]) -> Iterator[OSError]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
