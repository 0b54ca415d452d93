"""What a person may do with a campaign in each state, and what becomes of it (R-3.5).

    scheduled            edit, cancel, delete
    waiting, not begun   the same, and pause
    waiting, running     pause, stop
    paused               resume, stop
    finishing            stop
    ended                delete

A campaign has begun once it has had the turn: before that nobody has got anything of it, and it is
cancelled; after that it is stopped.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from engine.domain.campaign import ENDED, CampaignState
from engine.domain.errors import Refused


class Verb(StrEnum):
    """What is asked; the words are those of the command line and of the log."""

    EDIT = "edit"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    CANCEL = "cancel"
    DELETE = "delete"


_S = CampaignState
_BEFORE: Final = {_S.SCHEDULED, _S.WAITING}
"""States of a campaign that has not begun, but for one that was paused then."""

_NOT_BEGUN: Final[Mapping[Verb, Mapping[CampaignState, CampaignState]]] = MappingProxyType(
    {
        Verb.EDIT: dict.fromkeys(_BEFORE, _S.SCHEDULED),
        Verb.PAUSE: {_S.WAITING: _S.PAUSED},
        Verb.RESUME: {_S.PAUSED: _S.WAITING},
        Verb.STOP: {_S.PAUSED: _S.STOPPED},
        Verb.CANCEL: dict.fromkeys(_BEFORE, _S.CANCELLED),
        Verb.DELETE: dict.fromkeys(_BEFORE, _S.CANCELLED) | {state: state for state in ENDED},
    }
)
_BEGUN: Final[Mapping[Verb, Mapping[CampaignState, CampaignState]]] = MappingProxyType(
    {
        Verb.EDIT: {},
        Verb.PAUSE: {_S.WAITING: _S.PAUSED, _S.RUNNING: _S.PAUSED},
        Verb.RESUME: {_S.PAUSED: _S.WAITING},
        Verb.STOP: dict.fromkeys((_S.WAITING, _S.RUNNING, _S.PAUSED, _S.FINISHING), _S.STOPPED),
        Verb.CANCEL: {},
        Verb.DELETE: {state: state for state in ENDED},
    }
)

_WORDS: Final[Mapping[Verb, tuple[str, str]]] = MappingProxyType(
    {
        Verb.EDIT: ("changed", "changes it"),
        Verb.PAUSE: ("paused", "holds it"),
        Verb.RESUME: ("resumed", "lets it go on"),
        Verb.STOP: ("stopped", "ends it"),
        Verb.CANCEL: ("cancelled", "calls it off"),
        Verb.DELETE: ("deleted", "takes it away"),
    }
)
"""What has been done, and what it does."""


def after(verb: Verb, campaign_id: int, state: CampaignState, *, begun: bool) -> CampaignState:
    """The state that `verb` brings a campaign to.

    Raises Refused when it can't be done now, saying what can be done instead.
    """
    became = (_BEGUN if begun else _NOT_BEGUN)[verb].get(state)
    if became is None:
        raise Refused(f"campaign {campaign_id} {_why_not(verb, campaign_id, state, begun)}")
    return became


def _why_not(verb: Verb, campaign_id: int, state: CampaignState, begun: bool) -> str:
    """What stands in the way, and what can be done instead; it follows "campaign 12"."""
    done, _ = _WORDS[verb]
    if state in ENDED or (verb, state) == (Verb.PAUSE, CampaignState.PAUSED):
        return f"is {state} already; nothing was changed"
    if verb is Verb.RESUME:
        return f"is {state}, not paused; nothing was changed"
    others = _BEGUN if begun else _NOT_BEGUN
    instead = ", ".join(
        f"`siaran campaign {other} {campaign_id}` {_WORDS[other][1]}"
        for other in (Verb.EDIT, Verb.RESUME, Verb.PAUSE, Verb.CANCEL, Verb.STOP)
        if state in others[other]
    )
    return f"has {'' if begun else 'not '}started ({state}) and can't be {done}; {instead}"
