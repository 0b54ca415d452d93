"""The clocks: the only place that asks the machine for the time of day."""

import time
from datetime import UTC, datetime


def utc_now() -> datetime:
    """Now, as an aware UTC datetime. Whoever decides takes `now` as an argument instead."""
    return datetime.now(UTC)


def boottime() -> float:
    """Seconds of a clock that nobody sets, and that goes on while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
