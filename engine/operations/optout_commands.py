"""Words that opt out: see, switch, add, delete (R-6.3)."""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain.errors import NotFound, Refused
from engine.domain.suggest import did_you_mean
from engine.domain.words import HELP, OPT_OUT, RESUME, check_word, near
from engine.operations import Actor, application_of
from engine.store import audit, keywords, optout_commands
from engine.store.db import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A word that opts out when it is enabled; `own` when the application has added it."""

    word: str
    enabled: bool
    own: bool


def ls(tx: Tx, actor: Actor) -> list[Command]:
    """All words that there are, those that come with the program first."""
    return list(known(tx, application_of(tx, actor).id).values())


def known(tx: Tx, application_id: int) -> dict[str, Command]:
    """The same by folded word."""
    words = {**OPT_OUT, **optout_commands.own(tx, application_id)}
    return {
        word: Command(word=word.upper(), enabled=enabled, own=word not in OPT_OUT)
        for word, enabled in words.items()
    }


def enable(tx: Tx, actor: Actor, word: str) -> Command:
    """Let a word opt out. Raises Refused for an unknown one, and one that does already."""
    return _switch(tx, actor, "optout-command.enable", word, enabled=True)


def disable(tx: Tx, actor: Actor, word: str) -> Command:
    """Let a word mean nothing. Raises Refused for an unknown one, and one that does already."""
    return _switch(tx, actor, "optout-command.disable", word, enabled=False)


def add(tx: Tx, actor: Actor, word: str) -> Command:
    """Add a word; it is enabled. Raises Refused for one that is there, or means something else."""
    application = application_of(tx, actor, "optout-command.add")
    folded = check_word("opt-out command", word)
    if folded in known(tx, application.id):
        raise Refused(f"{folded.upper()} is there already; see `optout-command ls`")
    if folded in RESUME | HELP:
        raise Refused(f"{folded.upper()} has a meaning of its own; choose another word")
    _check_keywords(tx, application.id, folded)
    optout_commands.store(tx, application.id, folded, enabled=True)
    _log(tx, application.id, actor, "optout-command.add", folded, None, True)
    return known(tx, application.id)[folded]


def delete(tx: Tx, actor: Actor, word: str) -> Command:
    """Delete a word that was added; those that come with the program can be disabled."""
    application = application_of(tx, actor, "optout-command.delete")
    folded, before = _get(tx, application.id, word)
    if not before.own:
        raise Refused(f"{before.word} comes with the program; disable it instead")
    optout_commands.delete(tx, application.id, folded)
    _log(tx, application.id, actor, "optout-command.delete", folded, before.enabled, None)
    return before


def _switch(tx: Tx, actor: Actor, action: str, word: str, *, enabled: bool) -> Command:
    application = application_of(tx, actor, action)
    folded, before = _get(tx, application.id, word)
    if before.enabled is enabled:
        raise Refused(f"{before.word} is {'enabled' if enabled else 'disabled'} already")
    if enabled:
        _check_keywords(tx, application.id, folded)
    optout_commands.store(tx, application.id, folded, enabled=enabled)
    _log(tx, application.id, actor, action, folded, before.enabled, enabled)
    return known(tx, application.id)[folded]


def _get(tx: Tx, application_id: int, word: str) -> tuple[str, Command]:
    folded = check_word("opt-out command", word)
    commands = known(tx, application_id)
    if folded not in commands:
        meant = did_you_mean(folded, commands) or "; see `optout-command ls`"
        raise NotFound(f"opt-out command {folded.upper()!a} not found{meant}")
    return folded, commands[folded]


def _check_keywords(tx: Tx, application_id: int, word: str) -> None:
    """An opt-out is tested first: a keyword like it could never be used again."""
    for one in keywords.of_application(tx, application_id):
        if one.deleted_at is None and near(one.word, {word}):
            raise Refused(f"{word.upper()} is keyword {one.keyword}, or near it; delete that first")


def _log(
    tx: Tx,
    application_id: int,
    actor: Actor,
    action: str,
    word: str,
    before: bool | None,
    after: bool | None,
) -> None:
    audit.record(
        tx,
        application_id=application_id,
        by=actor.by,
        action=action,
        object=word.upper(),
        before=None if before is None else {"enabled": before},
        after=None if after is None else {"enabled": after},
    )
