"""Settings of an application: look, set, unset; what there is stands in `domain.settings`."""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain.errors import Refused
from engine.domain.settings import QUOTA_DAILY, SETTINGS, Setting, check_together, find
from engine.operations import Actor, application_of
from engine.store import applications, audit, limiting, settings
from engine.store.db import Tx
from engine.store.listening import wake


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A setting as it is in force; `set` when it was set, else it has its default."""

    key: str
    value: str
    default: str
    set: bool
    unit: str | None
    what: str
    may_be: str
    example: str


def ls(tx: Tx, actor: Actor) -> list[Shown]:
    """Every setting there is, with the value that is in force."""
    known = settings.stored(tx, application_of(tx, actor).id)
    return [_shown(setting, known.get(key)) for key, setting in SETTINGS.items()]


def set_(tx: Tx, actor: Actor, key: str, value: str) -> Shown:
    """Set a key. Raises Refused for an unknown one, and for what it can't be."""
    setting = find(key)
    return _change(tx, actor, "setting.set", setting, setting.text(setting.parse(value)))


def unset(tx: Tx, actor: Actor, key: str) -> Shown:
    """Give a key its default again. Raises Refused for an unknown one, and one that is not set."""
    return _change(tx, actor, "setting.unset", find(key), None)


def _change(
    tx: Tx, actor: Actor, action: str, setting: Setting[object], value: str | None
) -> Shown:
    application = application_of(tx, actor, action)
    applications.lock(tx, application.id)  # two settings that must fit are changed one by one
    known = settings.stored(tx, application.id)
    before = known.get(setting.key)
    if value is None and before is None:
        raise Refused(
            f"setting {setting.key} is not set: it has its default, {setting.text(setting.default)}"
        )
    wanted = known | {setting.key: value or setting.text(setting.default)}
    check_together({key: wanted.get(key, one.text(one.default)) for key, one in SETTINGS.items()})
    if value is None:
        settings.forget(tx, application.id, setting.key)
    else:
        settings.store(tx, application.id, setting.key, value)
    if setting is QUOTA_DAILY:
        limiting.look_again(tx, application.id)
        wake(tx)
    audit.record(
        tx,
        application_id=application.id,
        by=actor.by,
        action=action,
        object=setting.key,
        before={"value": before},
        after={"value": value},
    )
    return _shown(setting, value)


def _shown(setting: Setting[object], stored: str | None) -> Shown:
    default = setting.text(setting.default)
    return Shown(
        key=setting.key,
        value=default if stored is None else stored,
        default=default,
        set=stored is not None,
        unit=setting.unit,
        what=setting.what,
        may_be=setting.kind.expected,
        example=setting.example,
    )
