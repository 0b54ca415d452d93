"""Which part of a carrier's rate each node may use, so that all together keep to it (R-5.4).

The rate in the configuration is the carrier's, whatever the number of nodes that send to it. Each
node may use a part of it; the parts are rows in the database, and their sum is never above one:

* Whoever wants more takes what the others leave, and no more than is fair.
* Whoever has more than is fair first uses less, and then says so.

So a node that comes gets nothing until the others have made room (they are woken, so that is soon),
and one that goes leaves its part when its lease has run out.
"""

from typing import Final

__all__ = ["changed", "part_of"]

_EPSILON: Final = 1e-9


def part_of(sharing: int, taken: float) -> float:
    """The part of one of `sharing` nodes, while the others have taken so much.

    >>> part_of(1, 0.0), part_of(2, 1.0), part_of(2, 0.5), part_of(4, 0.5)
    (1.0, 0.0, 0.5, 0.25)
    """
    return max(min(1 / sharing, 1.0 - taken), 0.0)


def changed(before: float, after: float) -> bool:
    """Whether two parts differ: thirds don't add up exactly."""
    return abs(before - after) > _EPSILON
