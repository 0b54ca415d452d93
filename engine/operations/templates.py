"""Templates: add, edit, delete, list (R-2.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.domain.cost import Meter
from engine.domain.errors import NotFound, Refused
from engine.domain.merge import compile_text
from engine.domain.settings import MOST_SEGMENTS
from engine.domain.suggest import did_you_mean
from engine.operations import Actor, application_of
from engine.operations.naming import check_name, tidy
from engine.store import audit, templates
from engine.store.db import Tx
from engine.store.templates import Template


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A template, and what its text comes to when all params are empty."""

    name: str
    text: str
    characters: int
    encoding: str
    segments: int
    params: tuple[int, ...]
    created_at: datetime
    changed_at: datetime


def add(tx: Tx, actor: Actor, name: str, text: str) -> Shown:
    """Add a template. Raises Refused for a name that is taken or can't be one, and a bad text."""
    application = application_of(tx, actor, "template.add")
    name = check_name("template", name)
    _check_text(text)
    if not templates.insert(tx, application.id, name, text):
        raise Refused(f'template "{name}" is there already; change it with `template edit`')
    _log(tx, application.id, actor, "template.add", name, after={"text": text})
    return _shown(get(tx, application.id, name))


def edit(tx: Tx, actor: Actor, name: str, text: str) -> Shown:
    """Give a template another text; campaigns that were made from it keep theirs."""
    application = application_of(tx, actor, "template.edit")
    _check_text(text)
    before = get(tx, application.id, name)
    templates.update(tx, application.id, before.name, text)
    _log(
        tx,
        application.id,
        actor,
        "template.edit",
        before.name,
        before={"text": before.text},
        after={"text": text},
    )
    return _shown(get(tx, application.id, before.name))


def delete(tx: Tx, actor: Actor, name: str) -> Shown:
    """Remove a template; what it was. Campaigns that were made from it keep their text."""
    application = application_of(tx, actor, "template.delete")
    before = get(tx, application.id, name)
    templates.delete(tx, application.id, before.name)
    _log(tx, application.id, actor, "template.delete", before.name, before={"text": before.text})
    return _shown(before)


def ls(tx: Tx, actor: Actor) -> list[Shown]:
    """All templates of the application, by name."""
    found = templates.of_application(tx, application_of(tx, actor).id)
    return [_shown(template) for template in found]


def get(tx: Tx, application_id: int, name: str) -> Template:
    """The template of that name. Raises Refused, with the names that may have been meant."""
    found = templates.find(tx, application_id, tidy(name))
    if found is None:
        known = (one.name for one in templates.of_application(tx, application_id))
        meant = did_you_mean(name, known) or "; see `template ls`"
        raise NotFound(f"template {tidy(name)[:40]!a} not found{meant}")
    return found


def _check_text(text: str) -> None:
    if not text.strip():
        raise Refused("the text is empty")
    Meter(compile_text(text), "auto", most=MOST_SEGMENTS).check_text()


def _shown(template: Template) -> Shown:
    compiled = compile_text(template.text)
    meter = Meter(compiled, "auto", most=MOST_SEGMENTS)
    meter.add([(0, "", ())])
    cost = meter.cost()
    return Shown(
        name=template.name,
        text=template.text,
        characters=cost.characters,
        encoding=cost.encoding,
        segments=cost.segments,
        params=compiled.params,
        created_at=template.created_at,
        changed_at=template.changed_at,
    )


def _log(
    tx: Tx,
    application_id: int,
    actor: Actor,
    action: str,
    name: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    audit.record(
        tx,
        application_id=application_id,
        by=actor.by,
        action=action,
        object=name,
        before=before,
        after=after,
    )
