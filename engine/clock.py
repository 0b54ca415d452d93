"""The wall clock: the only place that asks the machine for the time of day."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Now, as an aware UTC datetime. Whoever decides takes `now` as an argument instead."""
    return datetime.now(UTC)
