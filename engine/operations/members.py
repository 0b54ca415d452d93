"""Members, one by one: add, find (R-1.2, R-1.10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.domain.csvfile import MAX_PARAM_CHARACTERS, MAX_PARAMS
from engine.domain.errors import Refused
from engine.operations import Actor, application_of, lists
from engine.operations.reading import number_of
from engine.store import audit, members
from engine.store.db import Tx
from engine.store.members import Member


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """A member that was added; `restored` when it had been deleted from the list before."""

    list: str
    mobile: str
    params: tuple[str, ...]
    restored: bool
    opted_out: bool
    warnings: tuple[str, ...]


def add(
    tx: Tx,
    actor: Actor,
    list_name: str,
    number: str,
    params: Sequence[str] = (),
    *,
    keep_opted_out: bool = False,
) -> Added:
    """Add one member: the number is cleaned and checked as in an import (R-1.4).

    One that was deleted from the list is a member again, with these params: whoever types a
    number means it. Raises Refused for an invalid number or params, for a member that is there
    already, and, unless `keep_opted_out`, for one who has opted out.
    """
    application = application_of(tx, actor, "member.add")
    cleaned = number_of(tx, application.id, number)
    target = lists.get_locked(tx, application.id, list_name)
    mobile, values = cleaned.mobile, _params(params)
    known = members.find(tx, application.id, target.id, mobile)
    if known is not None and known.deleted_at is None:
        raise Refused(f'{mobile} is in list "{target.name}" already')
    opted_out = members.opted_out(tx, application.id, target.id, mobile)
    if opted_out and not keep_opted_out:
        raise Refused(
            f"{mobile} has opted out; with --keep-opted-out it is a member that nothing is sent to"
        )
    before: dict[str, Any] | None = None
    if known is None:
        members.insert(tx, target.id, mobile, values)
    else:
        members.revive(tx, target.id, mobile, values)
        before = {"deleted_at": str(known.deleted_at), "params": known.params}
    audit.record(
        tx,
        application_id=application.id,
        by=actor.by,
        action="member.add",
        object=f"{target.name} {mobile}",
        before=before,
        after={"params": list(values)},
    )
    return Added(
        list=target.name,
        mobile=mobile,
        params=values,
        restored=known is not None,
        opted_out=opted_out,
        warnings=cleaned.warnings,
    )


def search(
    tx: Tx,
    actor: Actor,
    list_name: str,
    *,
    mobile: str | None = None,
    opted_out: bool | None = None,
    deleted: bool | None = False,
    limit: int | None = None,
) -> list[Member]:
    """The first `limit` members that match, in order of joining.

    `mobile` is a full number or a part of one, blanks and dashes in it don't count; None for
    `opted_out` and `deleted` is any. Raises Refused for an unknown list, or a part without digits.
    """
    application = application_of(tx, actor)
    return members.search(
        tx,
        application.id,
        lists.get(tx, application.id, list_name).id,
        part=None if mobile is None else _part(mobile),
        opted_out=opted_out,
        deleted=deleted,
        limit=limit,
    )


def _part(text: str) -> str:
    part = "".join(c for c in text if c.isdecimal() and c.isascii())
    if not part:
        raise Refused(f"--mobile {text[:40]!a}: give some digits of the number")
    return "+" + part if text.strip().startswith("+") else part


def _params(params: Sequence[str]) -> tuple[str, ...]:
    """The params as an import would take them (R-1.3)."""
    values = [param.strip() for param in params]
    while values and not values[-1]:
        values.pop()
    if len(values) > MAX_PARAMS:
        raise Refused(f"{len(values)} params given; a member has at most {MAX_PARAMS} params")
    for number, value in enumerate(values, 1):
        if len(value) > MAX_PARAM_CHARACTERS:
            raise Refused(
                f"param {number} has {len(value)} characters; at most"
                f" {MAX_PARAM_CHARACTERS} characters are allowed"
            )
    return tuple(values)
