"""Keywords: add, edit, delete for ever, list (R-6.6)."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.domain.errors import NotFound, Refused
from engine.domain.suggest import did_you_mean
from engine.domain.words import HELP, RESUME, check_word, near
from engine.operations import Actor, application_of, lists, optout_commands, responses
from engine.store import audit, keywords, senders
from engine.store.db import Tx
from engine.store.keywords import Keyword


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A keyword as it is listed; `list` None: that has been deleted."""

    keyword: str
    list: str | None
    response: str | None
    created_at: datetime
    status: str  # active, inactive, deleted


def add(
    tx: Tx,
    actor: Actor,
    word: str,
    *,
    list_name: str,
    response: str | None = None,
    active: bool = True,
) -> Shown:
    """Add a keyword to a list. Raises Refused for one that is, was, or can be none."""
    application = application_of(tx, actor, "keyword.add")
    folded = check_word("keyword", word)
    target = lists.get_locked(tx, application.id, list_name)
    before = keywords.find(tx, application.id, folded)
    if before is not None and before.deleted_at is not None:
        raise Refused(f"keyword {before.keyword} was deleted, and can never be used again")
    if before is not None:
        raise Refused(
            f'keyword {before.keyword} is there already, for list "{before.list or "deleted"}"; '
            "change it with `keyword edit`"
        )
    commands = optout_commands.known(tx, application.id)
    if folded in RESUME | HELP or near(folded, commands):
        raise Refused(
            f"keyword {folded.upper()} is an opt-out, resume or help word, or near one; choose "
            "another"
        )
    if not any(one.dedicated for one in senders.of_application(tx, application.id)):
        raise Refused(
            "keywords need a number of the application's own; add one with "
            "`sender add ADDRESS --dedicated`"
        )
    if response is not None:
        responses.check_text(tx, application.id, response)
    written = unicodedata.normalize("NFKC", word).strip().upper()
    if not keywords.insert(
        tx, application.id, folded, written, target.id, response=response, active=active
    ):
        raise Refused(f"keyword {written} has just been added by somebody else")
    after = _get(tx, application.id, folded)
    _log(tx, application.id, actor, "keyword.add", None, after)
    return _shown(after)


def edit(
    tx: Tx,
    actor: Actor,
    word: str,
    *,
    list_name: str | None = None,
    response: str | None = None,
    active: bool | None = None,
) -> Shown:
    """Change what is given; an empty response is none. Raises Refused for an unknown keyword."""
    application = application_of(tx, actor, "keyword.edit")
    before = _get(tx, application.id, word)
    list_id = before.list_id
    if list_name is not None:
        list_id = lists.get_locked(tx, application.id, list_name).id
    elif before.list is None and active:
        raise Refused(f"the list of keyword {before.keyword} was deleted; give --list another")
    text = before.response
    if response is not None:
        text = response if response.strip() else None
        if text is not None:
            responses.check_text(tx, application.id, text)
    keywords.update(
        tx,
        application.id,
        before.word,
        list_id,
        response=text,
        active=before.active if active is None else active,
    )
    after = _get(tx, application.id, word)
    _log(tx, application.id, actor, "keyword.edit", before, after)
    return _shown(after)


def delete(tx: Tx, actor: Actor, word: str) -> Shown:
    """Delete a keyword; it can never be used again. What it was. Members stay."""
    application = application_of(tx, actor, "keyword.delete")
    before = _get(tx, application.id, word)
    keywords.delete(tx, application.id, before.word)
    _log(tx, application.id, actor, "keyword.delete", before, None)
    return _shown(before)


def ls(tx: Tx, actor: Actor) -> list[Shown]:
    """All keywords, those that were deleted, too: they can't be used again."""
    return [_shown(one) for one in keywords.of_application(tx, application_of(tx, actor).id)]


def of_list(tx: Tx, actor: Actor, list_name: str) -> list[str]:
    """The keywords that point to a list (R-1.11)."""
    application = application_of(tx, actor)
    return keywords.of_list(tx, lists.get(tx, application.id, list_name).id)


def _get(tx: Tx, application_id: int, word: str) -> Keyword:
    folded = check_word("keyword", word)
    found = keywords.find(tx, application_id, folded)
    if found is None:
        known = (one.keyword for one in keywords.of_application(tx, application_id))
        meant = did_you_mean(folded, known) or "; see `keyword ls`"
        raise NotFound(f"keyword {folded.upper()!a} not found{meant}")
    if found.deleted_at is not None:
        raise Refused(f"keyword {found.keyword} was deleted, and can never be used again")
    return found


def _shown(one: Keyword) -> Shown:
    status = "deleted" if one.deleted_at is not None else "active" if one.active else "inactive"
    return Shown(
        keyword=one.keyword,
        list=one.list,
        response=one.response,
        created_at=one.created_at,
        status=status,
    )


def _log(
    tx: Tx,
    application_id: int,
    actor: Actor,
    action: str,
    before: Keyword | None,
    after: Keyword | None,
) -> None:
    one = after or before
    assert one is not None
    audit.record(
        tx,
        application_id=application_id,
        by=actor.by,
        action=action,
        object=one.keyword,
        before=None if before is None else _facts(before),
        after=None if after is None else _facts(after),
    )


def _facts(one: Keyword) -> dict[str, Any]:
    return {"list": one.list, "response": one.response, "active": one.active}
