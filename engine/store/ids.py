"""What the id of a message, submission or inbox row says of its day (design 14)."""

from datetime import datetime

A_DAY = 1 << 36
"""So many ids has a day; the schema's `next_id()` counts within it."""


def first_of_day(at: datetime) -> int:
    """The first id of the UTC day of `at`: as the schema's `first_id(day_of(at))`."""
    return int(at.timestamp() // 86_400) * A_DAY
