"""What follows from the answer of an endpoint (R-7.4).

    answer                                           what follows
    2xx                                              the event is done
    no answer: connection, time-out; 5xx             later: it is tried again at growing gaps
    408, 425, 429                                    later, not before what Retry-After says
    401 under OAuth                                  one fresh token at once; then as without OAuth
    3xx, 401, 403, 404, 410                          the endpoint is suspended, its events stay due
    any other 4xx                                    the event is parked
    1xx and what is no status at all                 later: no server means that

Redirects are never followed: what is told goes where a person has said, and nowhere else.
"""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

__all__ = ["LONGEST_S", "Fate", "fate", "retry_after_s"]


class Fate(StrEnum):
    """What becomes of an event that was posted."""

    DONE = "done"
    LATER = "later"
    PARKED = "parked"
    SUSPENDS = "suspends"


_SUSPEND: Final = frozenset({401, 403, 404, 410})
_LATER: Final = frozenset({408, 425, 429})

LONGEST_S: Final = 86_400.0
"""What is believed of a Retry-After: nobody means a year."""


def fate(status: int | None) -> Fate:
    """By the status that answered it; None: nothing did.

    >>> fate(204), fate(503), fate(None), fate(302), fate(422)
    (<Fate.DONE: 'done'>, <Fate.LATER: 'later'>, <Fate.LATER: 'later'>, <Fate.SUSPENDS: 'suspends'>, <Fate.PARKED: 'parked'>)
    """
    if status is None or status in _LATER:
        return Fate.LATER
    if status in _SUSPEND:
        return Fate.SUSPENDS
    match status // 100:
        case 2:
            return Fate.DONE
        case 3:
            return Fate.SUSPENDS
        case 4:
            return Fate.PARKED
        case _:
            return Fate.LATER


def retry_after_s(text: str | None, now: datetime) -> float | None:
    """The seconds that a Retry-After asks for, 1 to a day; None where it says nothing.

    It is a number of seconds or a date (RFC 9110 §10.2.3).
    """
    text = (text or "").strip()
    if text.isascii() and text.isdigit():
        seconds = float(text[:10])
    else:
        try:
            at = parsedate_to_datetime(text)
        except (ValueError, IndexError, OverflowError):
            return None
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        seconds = (at - now).total_seconds()
    return min(max(seconds, 1.0), LONGEST_S)
