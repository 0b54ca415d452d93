"""/metrics, /healthz and /readyz, on hypercorn's trio worker.

`/healthz` says that the process turns; `/readyz` that it can do its work: the database answers and
at least one bind of each carrier is up. Both name what is missing.
"""

from collections.abc import Awaitable, Callable, Iterator

import trio
from fastapi import FastAPI, Response
from hypercorn.config import Config
from hypercorn.trio import serve as hypercorn_serve
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from engine.domain.errors import Refused

Ready = Callable[[], list[str]]


def application(registry: CollectorRegistry, missing: Ready) -> FastAPI:
    """The routes. `missing` names what keeps the engine from working."""
    app = FastAPI(title="Siaran", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz(response: Response) -> dict[str, object]:
        what = missing()
        response.status_code = 503 if what else 200
        return {"status": "waiting" if what else "ready", "missing": what}

    return app


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
