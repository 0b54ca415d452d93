"""Whether an endpoint could be posted to: a connection, TLS, and no post (`siaran check`)."""

from __future__ import annotations

import asyncio
import socket
import ssl
from urllib.parse import urlsplit

import trio_asyncio

from engine.domain.endpoint import is_public
from engine.outbox.http import CONNECT_S, context_of
from engine.store.callbacks import Endpoint


async def reach(endpoint: Endpoint, allow_private: bool) -> str | None:
    """Why nobody can be posted to there now; None: somebody listens. In trio."""
    async with trio_asyncio.open_loop():
        why: str | None = await trio_asyncio.aio_as_trio(_reach)(endpoint, allow_private)
    return why


async def _reach(endpoint: Endpoint, allow_private: bool) -> str | None:
    parts = urlsplit(endpoint.url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(2 * CONNECT_S):
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = [str(one[4][0]) for one in found]
            allowed = [one for one in addresses if allow_private or is_public(one)]
            if not allowed:
                return f"{addresses[0]} is this machine or a private network, see [callbacks]"
            context = context_of(endpoint.ca_pem) if parts.scheme == "https" else None
            _, writer = await asyncio.open_connection(
                allowed[0], port, ssl=context, server_hostname=host if context else None
            )
            writer.transport.abort()
            await asyncio.sleep(0)
    except TimeoutError:
        return f"{host}:{port}: no connection within {2 * CONNECT_S:g} s"
    except ssl.SSLCertVerificationError as error:
        return f"{host}:{port}: its certificate is not trusted: {error.verify_message}"
    except ssl.SSLError as error:
        return f"{host}:{port}: no TLS at this port: {error.reason or error}"
    except OSError as error:
        return f"{host}:{port}: {error.strerror or error}"
    return None
