"""Prefix maps: add, change, delete, list; the longest prefix wins (R-1.9)."""

from __future__ import annotations

from engine.domain.errors import Refused
from engine.domain.numbers import PrefixMaps
from engine.domain.suggest import did_you_mean
from engine.operations import Actor, application_of
from engine.store import audit, prefixes
from engine.store.db import Tx
from engine.store.prefixes import Prefix


def add(tx: Tx, actor: Actor, prefix: str, replacement: str) -> Prefix:
    """Add a map. Raises Refused for what can't be one, and for a prefix that has one."""
    application = application_of(tx, actor, "prefix.add")
    new = _checked(prefix, replacement)
    if not prefixes.insert(tx, application.id, new.prefix, new.replacement):
        raise Refused(f"prefix {new.prefix} has a map already; change it with `prefix edit`")
    _log(tx, application.id, actor, "prefix.add", new.prefix, after=new)
    return new


def edit(tx: Tx, actor: Actor, prefix: str, replacement: str) -> Prefix:
    """Change what a prefix becomes. Raises Refused when the prefix has no map."""
    application = application_of(tx, actor, "prefix.edit")
    new = _checked(prefix, replacement)
    before = _get(tx, application.id, new.prefix)
    prefixes.update(tx, application.id, new.prefix, new.replacement)
    _log(tx, application.id, actor, "prefix.edit", new.prefix, before=before, after=new)
    return new


def delete(tx: Tx, actor: Actor, prefix: str) -> Prefix:
    """Remove a map; what it was. Members that it made stay as they are."""
    application = application_of(tx, actor, "prefix.delete")
    before = _get(tx, application.id, prefix.strip().removeprefix("+"))
    prefixes.delete(tx, application.id, before.prefix)
    _log(tx, application.id, actor, "prefix.delete", before.prefix, before=before)
    return before


def ls(tx: Tx, actor: Actor) -> list[Prefix]:
    """All maps of the application."""
    return prefixes.of_application(tx, application_of(tx, actor).id)


def maps_of(tx: Tx, application_id: int) -> PrefixMaps:
    """The application's maps, ready to be applied to numbers."""
    known = prefixes.of_application(tx, application_id)
    return PrefixMaps({one.prefix: one.replacement for one in known})


def _checked(prefix: str, replacement: str) -> Prefix:
    [(bare, start)] = PrefixMaps({prefix: replacement}).items()
    return Prefix(prefix=bare, replacement=start)


def _get(tx: Tx, application_id: int, prefix: str) -> Prefix:
    known = {one.prefix: one for one in prefixes.of_application(tx, application_id)}
    if prefix not in known:
        meant = did_you_mean(prefix, known)
        raise Refused(f'prefix "{prefix}" has no map{meant or "; see `prefix ls`"}')
    return known[prefix]


def _log(
    tx: Tx,
    application_id: int,
    actor: Actor,
    action: str,
    prefix: str,
    *,
    before: Prefix | None = None,
    after: Prefix | None = None,
) -> None:
    audit.record(
        tx,
        application_id=application_id,
        by=actor.by,
        action=action,
        object=prefix,
        before={"replacement": before.replacement} if before else None,
        after={"replacement": after.replacement} if after else None,
    )
