"""Auto-responses: show, set, delete, and which are in force for a list (R-6.5, R-3.1).

Which of them is sent for an MO says `domain.inbound`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.domain import message as rules
from engine.domain.errors import NotFound, Refused
from engine.domain.inbound import Kind, Meaning
from engine.domain.settings import SEGMENTS_MAX
from engine.operations import Actor, application_of, lists
from engine.operations.naming import tidy
from engine.store import audit, responses, settings
from engine.store import lists as stored_lists
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


_ANSWERED_WITH: Mapping[Meaning, tuple[Kind, ...]] = {
    Meaning.REPLY: (Kind.LIST, Kind.GENERAL),
    Meaning.OPT_OUT: (Kind.OPT_OUT,),
    Meaning.RESUME: (Kind.OPT_IN,),
    Meaning.HELP: (Kind.HELP,),
}
"""What those write to whom a campaign goes, and the responses to it, the most specific first."""


_WHO: Mapping[Meaning, str] = {
    Meaning.REPLY: "a reply",
    Meaning.OPT_OUT: "an opt-out",
    Meaning.RESUME: "a resume word",
    Meaning.HELP: "HELP or INFO",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """The response that an MO of this meaning gets; `kind` is its level, None when none is set."""

    meaning: Meaning
    kind: Kind | None
    text: str | None
    segments: int


def show(tx: Tx, actor: Actor) -> list[Response]:
    """All that are set."""
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
        raise NotFound(f"no response {_named(which, name)} is set; see `response show`")
    responses.delete(tx, application.id, which, list_id)
    _log(tx, application.id, actor, "response.delete", which, name, before, None)
    return Changed(kind=which.value, list=name, text=before, segments=0, notice=None)


def in_force(
    tx: Tx, actor: Actor, list_name: str, *, response: str | None = None
) -> tuple[InForce, ...]:
    """What answers those to whom a campaign to this list goes, one for each meaning.

    The list need not be there yet; `response` is the one that it is about to get. Raises Refused
    for a text that won't do.
    """
    application = application_of(tx, actor)
    found = stored_lists.find(tx, application.id, tidy(list_name))
    name = None if found is None else found.name
    set_ = {
        Kind(one.kind): one.text
        for one in responses.of_application(tx, application.id)
        if one.list is None or one.list == name
    }
    if response is not None:
        set_[Kind.LIST] = response
        check_text(tx, application.id, response)
    return tuple(_first(meaning, kinds, set_) for meaning, kinds in _ANSWERED_WITH.items())


def notices(answers: Sequence[InForce]) -> list[str]:
    """What a person is told before a campaign is saved, a line each (R-3.1)."""
    lines = []
    for one in answers:
        if one.text is not None:
            cost = f", {one.segments} segments" if one.segments > 1 else ""
            lines.append(f'{_WHO[one.meaning]} gets the {one.kind} response{cost}: "{one.text}"')
    if not lines:
        return ["no response is set: nothing that subscribers write is answered"]
    silent = [_WHO[one.meaning] for one in answers if one.text is None]
    if silent:
        lines.append(f"no response is set for {', '.join(silent)}")
    return lines


def _first(meaning: Meaning, kinds: Sequence[Kind], set_: Mapping[Kind, str]) -> InForce:
    kind = next((one for one in kinds if one in set_), None)
    if kind is None:
        return InForce(meaning=meaning, kind=None, text=None, segments=0)
    text = set_[kind]  # checked when it was set: a limit that is lower now is no reason to refuse
    count = rules.measure(text, sys.maxsize)
    return InForce(meaning=meaning, kind=kind, text=text, segments=count.segments)


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
