"""The HTTP server, on hypercorn's trio worker: /metrics, /healthz, /readyz, and /v1, the API.

`/healthz` says that the process turns; `/readyz` that it can do its work: the database answers and
at least one bind of each carrier is up. Both name what is missing.
"""

from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import trio
from fastapi import FastAPI, Response
from hypercorn.config import Config
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Metric, generate_latest

from config.settings import Http
from engine.api import reference, v1
from engine.api.certificate import Certificate
from engine.api.connections import GRACE_S, Connections
from engine.api.limits import PATIENCE, Patience
from engine.api.service import Api
from engine.domain.errors import Refused

Ready = Callable[[], list[str]]

MOST_REQUESTS: Final = 100_000
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
    http: Http,
    *,
    shutdown: Callable[[], Awaitable[None]],
    patience: Patience = PATIENCE,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves until `shutdown` returns; starts with the addresses it listens on.

    Raises Refused when it can't listen there, or has no certificate for it.
    """
    certificate = None
    if http.tls_certificate is not None:
        certificate = Certificate(http.tls_certificate, http.tls_key)
    try:
        listeners = await trio.open_tcp_listeners(http.port, host=http.host)
    except OSError as error:
        raise Refused(
            f'http.listen = "{http.listen}": can\'t listen there: {error.strerror}; is an engine'
            " running already? Another port can be set in siaran.toml; 0 is one that is free"
        ) from error
    scheme = "http" if certificate is None else "https"
    config = Config()
    config.accesslog = None
    config.errorlog = None
    config.graceful_timeout = GRACE_S
    config.keep_alive_timeout = patience.head_s
    config.ssl_handshake_timeout = patience.head_s
    config.keep_alive_max_requests = MOST_REQUESTS
    config.include_server_header = False
    connections = Connections(
        app, config, certificate=certificate, most=http.connections, write_s=patience.write_s
    )
    async with trio.open_nursery() as nursery:
        # FastAPI makes the API's models when they are first needed: a quarter of a second, which
        # would stop the binds beside it. In a thread they go on.
        nursery.start_soon(reference.prepare, app)
        task_status.started([f"{scheme}://{_shown(one)}" for one in listeners])
        await connections.serve(listeners, shutdown)
        nursery.cancel_scope.cancel()


def _shown(listener: trio.SocketListener) -> str:
    host, port, *_ = listener.socket.getsockname()
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
