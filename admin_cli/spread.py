"""Options that several commands share, as one dataclass."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable
from typing import Any


def spread(function: Callable[..., None]) -> Callable[..., None]:
    """Have a command take the options of a dataclass one by one: the parser sees each field.

    >>> @spread
    ... def new(desk: Desk, list_name: ListName, wanted: Wanted) -> None: ...
    """
    parameters: list[inspect.Parameter] = []
    bundles: dict[str, tuple[type, list[str]]] = {}
    for one in inspect.signature(function, eval_str=True).parameters.values():
        if not dataclasses.is_dataclass(one.annotation) or one.name == "desk":
            parameters.append(one)
            continue
        kind: Any = one.annotation
        hints = typing.get_type_hints(kind, include_extras=True)
        fields = [field for field in dataclasses.fields(kind) if field.name in hints]
        bundles[one.name] = kind, [field.name for field in fields]
        parameters += [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                annotation=hints[field.name],
                default=field.default,
            )
            for field in fields
        ]

    @functools.wraps(function)
    def run(desk: Any, **values: Any) -> None:
        for name, (kind, fields) in bundles.items():
            values[name] = kind(**{field: values.pop(field) for field in fields})
        function(desk, **values)

    order = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in parameters[1:]]
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [parameters[0], *sorted(order, key=lambda one: one.default is not inspect.Parameter.empty)]
    )
    return run
