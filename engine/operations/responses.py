"""Auto-responses: show, set, delete (R-6.5). Which of them is sent says `domain.inbound`."""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain import message as rules
from engine.domain.errors import Refused
from engine.domain.inbound import Kind
from engine.domain.settings import SEGMENTS_MAX
from engine.operations import Actor, application_of, lists
from engine.store import audit, responses, settings
from engine.store.db import Tx
from engine.store.responses import Response as Response

KINDS = tuple(kind for kind in Kind if kind is not Kind.KEYWORD)
"""What can be set here; a keyword's is set with the keyword."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A response that was set or deleted; `notice` says what a long one costs."""

    kind: str
    list: str | None
    text: str
    segments: int
    notice: str | None


def show(tx: Tx, actor: Actor) -> list[Response]:
    """All that are in force."""
    return responses.of_application(tx, application_of(tx, actor).id)


def set_(tx: Tx, actor: Actor, kind: str, text: str, *, list_name: str | None = None) -> Changed:
    """Set a response. Raises Refused for an unknown kind or list, and for a text that won't do."""
    application = application_of(tx, actor, "response.set")
    which, list_id, name = _which(tx, application.id, kind, list_name)
    segments, notice = check_text(tx, application.id, text)
    before = responses.find(tx, application.id, which, list_id)
    responses.store(tx, application.id, which, list_id, text)
    _log(tx, application.id, actor, "response.set", which, name, before, text)
    return Changed(kind=which.value, list=name, text=text, segments=segments, notice=notice)


def delete(tx: Tx, actor: Actor, kind: str, *, list_name: str | None = None) -> Changed:
    """Delete a response; what it was. Raises Refused when none is set."""
    application = application_of(tx, actor, "response.delete")
    which, list_id, name = _which(tx, application.id, kind, list_name)
    before = responses.find(tx, application.id, which, list_id)
    if before is None:
        raise Refused(f"no response {_named(which, name)} is set; see `response show`")
    responses.delete(tx, application.id, which, list_id)
    _log(tx, application.id, actor, "response.delete", which, name, before, None)
    return Changed(kind=which.value, list=name, text=before, segments=0, notice=None)


def check_text(tx: Tx, application_id: int, text: str) -> tuple[int, str | None]:
    """The segments of a response, and the notice of what more than one costs. Raises Refused."""
    count = rules.measure(text, settings.get(tx, application_id, SEGMENTS_MAX))
    return count.segments, rules.cost_notice(count)


def _which(
    tx: Tx, application_id: int, kind: str, list_name: str | None
) -> tuple[Kind, int | None, str | None]:
    which = next((one for one in KINDS if one.value == kind.strip().casefold()), None)
    if which is None:
        raise Refused(f"response {kind[:40]!a}: write {', '.join(KINDS[:-1])} or {KINDS[-1]}")
    if (which is Kind.LIST) != (list_name is not None):
        raise Refused("a response of kind list needs the name of its list, and no other has one")
    if list_name is None:
        return which, None, None
    found = lists.get(tx, application_id, list_name)
    return which, found.id, found.name


def _named(kind: Kind, list_name: str | None) -> str:
    return kind.value if list_name is None else f"{kind.value} {list_name}"


def _log(
    tx: Tx,
    application_id: int,
    actor: Actor,
    action: str,
    kind: Kind,
    list_name: str | None,
    before: str | None,
    after: str | None,
) -> None:
    audit.record(
        tx,
        application_id=application_id,
        by=actor.by,
        action=action,
        object=_named(kind, list_name),
        before=None if before is None else {"text": before},
        after=None if after is None else {"text": after},
    )
