"""What one client may take of the server: requests a second, octets and seconds of a body (R-7.8)."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import trio
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine import log
from engine.api.problems import Problem

JSON_OCTETS: Final = 8 * 2**20
"""Ten thousand members with all their params are half of that."""

CSV_OCTETS: Final = 512 * 2**20
"""A million members with all their params."""

BODY_S: Final = 15.0
"""Within so many seconds the next octets of a body have to come."""

_KNOWN: Final = 10_000
"""Buckets that are remembered: a full one is as good as none."""


@dataclass(slots=True)
class _Bucket:
    full: float
    at: float


class Buckets:
    """A token bucket for each name; `rate` 0: no limit. `burst` is a second's worth, or `burst`."""

    def __init__(self, rate: float, burst: float | None = None) -> None:
        self.rate = rate
        self.burst = burst if burst is not None else max(rate, 1.0)
        self._buckets: OrderedDict[object, _Bucket] = OrderedDict()

    def take(self, name: object, now: float) -> float:
        """Takes one; 0, or how many seconds it is until there is one again (then none is taken)."""
        if self.rate <= 0:
            return 0.0
        bucket = self._buckets.pop(name, None) or _Bucket(self.burst, now)
        self._buckets[name] = bucket
        while len(self._buckets) > _KNOWN:
            self._buckets.popitem(last=False)
        bucket.full = min(self.burst, bucket.full + (now - bucket.at) * self.rate)
        bucket.at = now
        if bucket.full >= 1:
            bucket.full -= 1
            return 0.0
        return (1 - bucket.full) / self.rate

    def empty(self, name: object, now: float) -> float:
        """How many seconds it is until there is one again; 0 when there is. Takes nothing."""
        bucket = self._buckets.get(name)
        if bucket is None or self.rate <= 0:
            return 0.0
        full = min(self.burst, bucket.full + (now - bucket.at) * self.rate)
        return max(0.0, (1 - full) / self.rate)


def too_many(wait_s: float) -> Problem:
    """The problem of who has taken all; Retry-After are whole seconds (RFC 9110 §10.2.3)."""
    seconds = max(1, math.ceil(wait_s))
    return Problem(
        "rate-limited",
        f"more requests than this user may send; go on in {seconds} s",
        headers={"Retry-After": str(seconds)},
    )


class Guard:
    """Bounds the body of each request, and answers faults of ours without a word of their cause.

    `count` is told the status that answers each request of the API.
    """

    def __init__(self, app: ASGIApp, count: Callable[[int], None]) -> None:
        self.app = app
        self.count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        csv = headers.get(b"content-type", b"").partition(b";")[0].strip() == b"text/csv"
        most = CSV_OCTETS if csv else JSON_OCTETS
        length = headers.get(b"content-length", b"0")
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            if message["type"] == "http.response.start" and scope["path"].startswith("/v1/"):
                self.count(message["status"])
            await send(message)

        try:
            if length.isdigit() and int(length) > most:
                raise _too_large(most)
            await self.app(scope, _bounded(receive, most), sending)
        except ClientDisconnect:
            return  # who has gone hears nothing, and nothing was done
        except Problem as problem:
            await problem.response()(scope, receive, sending)
        except Exception as error:
            log.error("http.failed", path=scope["path"], error=type(error).__name__)
            if begun:
                raise
            fault = Problem("internal", "something went wrong that should not; it is in the log")
            await fault.response()(scope, receive, sending)


def _bounded(receive: Receive, most: int) -> Receive:
    seen, more = 0, True

    async def bounded() -> Message:
        nonlocal seen, more
        if not more:
            return await receive()
        try:
            with trio.fail_after(BODY_S):
                message = await receive()
        except trio.TooSlowError:
            raise Problem("timeout", f"nothing of the body came for {BODY_S:.0f} s") from None
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            more = message.get("more_body", False)
            if seen > most:
                raise _too_large(most)
        else:
            more = False
        return message

    return bounded


def _too_large(most: int) -> Problem:
    return Problem(
        "too-large",
        f"the body has more than {most // 2**20} MiB",
        headers={"Connection": "close"},
    )
