"""What clients may take of the server: seconds each, and requests a second of a user (R-7.8)."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from engine.api.problems import Problem

_KNOWN: Final = 10_000
"""Buckets that are remembered: a full one is as good as none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a client is waited for, in seconds."""

    head_s: float = 5.0
    """Until the head of a request is there; who says nothing is cut then."""
    body_s: float = 15.0
    """Until the next octets of a body come."""
    write_s: float = 15.0
    """Until the next 64 KiB of an answer are taken."""


PATIENCE: Final = Patience()


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
