"""What a command needs to run tasks: trio's run, with errors as the command line wants them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar, TypeVarTuple

import trio

from engine.operations import Refused, Unreachable

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def run(task: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
    """`trio.run`; what was raised for a person comes out of the nurseries' groups as itself."""
    try:
        return trio.run(task, *args)
    except BaseExceptionGroup as group:
        raise _telling(group) from group


def _telling(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one that ends the command: an interruption, a refusal, what is away, else the first.

    Several tasks often fail of one thing; the group, which has them all, is its cause.
    """
    leaves = list(_leaves(group))
    for kind in (KeyboardInterrupt, Refused, Unreachable):
        for leaf in leaves:
            if isinstance(leaf, kind):
                return leaf
    return leaves[0]


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
