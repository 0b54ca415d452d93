"""What an MO means, and what is to be done about it: one decision, without looking anywhere.

The order of lines in `_decide` is the precedence of R-6.5:

    what it is                     what is done                                     answered with
    nobody's number                nothing; it is kept                              -
    8-bit data                     nothing; it is kept, and flagged if it reads     -
                                   like an opt-out
    an opt-out command             out: of all, or of the list that it answers;     optout
                                   on the blacklist when it answers no list
    near an opt-out command        flagged for a person                             -
    a resume word                  in again; off the blacklist if a STOP did it     optin
    HELP, INFO                     nothing                                          help
    a keyword                      in; joins its list; off the blacklist likewise   keyword, list,
                                                                                    optin, general
    a reply to a campaign          nothing                                          list, general
    anything else, to a number     nothing                                          general
    of the application's own

Of the responses the first that is set is sent, and nothing when none is. Nothing is answered, and
nothing done, when the sender is no subscriber (a name, a short code, a number of ours); nothing is
answered to who has had enough of it in the last hour, who is on the blacklist, or has opted out: but
the one confirmation of an opt-out, which is sent when something could have been sent before.

What answers a campaign to a list with an address is mailed there (R-6.8), whoever sent it: replies,
near misses, HELP, data. Opt-outs, resume words and keywords are done with; the inbox shows them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar, Final, TypeAlias

from engine.domain.settings import Scope
from engine.domain.words import HELP, RESUME, fold, near

__all__ = [
    "Answers",
    "Blacklist",
    "Consent",
    "Context",
    "Decision",
    "Effect",
    "Forward",
    "Join",
    "Keyword",
    "Kind",
    "Lift",
    "Meaning",
    "Mo",
    "Reply",
    "Standing",
    "decide",
]


class Meaning(StrEnum):
    """What an MO was taken for; so it stands in the inbox."""

    OPT_OUT = "opt-out"
    NEAR_MISS = "near miss"
    RESUME = "resume"
    HELP = "help"
    KEYWORD = "keyword"
    REPLY = "reply"
    UNKNOWN = "unknown"
    DATA = "data"
    UNOWNED = "unowned"


class Kind(StrEnum):
    """Which response an answer is, the levels of R-6.5."""

    GENERAL = "general"
    OPT_OUT = "optout"
    OPT_IN = "optin"
    HELP = "help"
    LIST = "list"
    KEYWORD = "keyword"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mo:
    """What came. `whole` is False for a long one of which parts are missing."""

    text: str
    subscriber: bool = True
    """Whether it can have come from a handset, not from a name, a short code or one of us."""
    owned: bool = True
    dedicated: bool = False
    """Whether it came to a number that the application has for itself."""
    whole: bool = True
    data: bool = False
    """Whether it is octets for a program, not text; `text` shows them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """The campaign that an MO answers, by its list; `timely` while an opt-out counts for it.

    `forward_to` is the list's address for replies.
    """

    list_id: int | None
    timely: bool = True
    forward_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyword:
    """An active keyword: the list that it joins, and its own response."""

    list_id: int
    response: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a number has said so far, and where it stands on the blacklist.

    `out_of_all`, but for the lists in `in_again`; and beside that `out_of` lists. `listed` for a
    reason that its own word doesn't lift, `listed_by_mo` for one that it does.
    """

    out_of_all: bool = False
    in_again: frozenset[int] = frozenset()
    out_of: frozenset[int] = frozenset()
    listed: bool = False
    listed_by_mo: bool = False
    answered: int = 0
    """Auto-responses in the last hour."""

    @property
    def silenced(self) -> bool:
        """Whether nothing may be sent to it outside of lists."""
        return self.out_of_all or self.listed or self.listed_by_mo

    def out(self, list_id: int) -> bool:
        """Whether it has opted out of a list: the newest word on it, or on all, counts."""
        return list_id in self.out_of or (self.out_of_all and list_id not in self.in_again)

    def said(self, event: str, list_id: int | None) -> "Standing":
        """The same after another word."""
        if list_id is None:
            nothing: frozenset[int] = frozenset()
            return replace(self, out_of_all=event == "out", in_again=nothing, out_of=nothing)
        one = frozenset({list_id})
        if event == "out":
            return replace(self, in_again=self.in_again - one, out_of=self.out_of | one)
        return replace(self, in_again=self.in_again | one, out_of=self.out_of - one)

    def after(self, effects: Iterable["Effect"]) -> "Standing":
        """The same after what was decided: the next MO may stand in the same batch."""
        now = self
        for effect in effects:
            match effect:
                case Consent(event=event, list_id=list_id):
                    now = now.said(event, list_id)
                case Blacklist():
                    now = replace(now, listed_by_mo=True)
                case Lift():
                    now = replace(now, listed_by_mo=False)
                case Reply():
                    now = replace(now, answered=now.answered + 1)
                case Join() | Forward():
                    pass
        return now


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What must be known to decide. `keywords` are the active ones, by their folded word."""

    standing: Standing
    answers: Answers | None = None
    opt_outs: frozenset[str] = frozenset()
    keywords: Mapping[str, Keyword]
    responses: Mapping[Kind, str]
    """Those of the application; never LIST or KEYWORD."""
    list_responses: Mapping[int, str]
    scope: Scope = Scope.APPLICATION
    per_hour: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """An event to be written down, for a list or for all (None). `answered` is for the record."""

    event: str  # in, out
    list_id: int | None
    origin: str  # mo, keyword
    answered: int | None = None
    """The list that the opt-out answered, when it is of all."""

    @property
    def name(self) -> str:
        """As it is counted."""
        return f"opted {self.event}"


@dataclass(frozen=True, slots=True)
class Blacklist:
    """The number goes on the blacklist, by its own word."""

    name: ClassVar[str] = "blacklisted"


@dataclass(frozen=True, slots=True)
class Lift:
    """The number comes off the blacklist, if its own word has put it there."""

    name: ClassVar[str] = "off the blacklist"


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """The number becomes a member of a list."""

    name: ClassVar[str] = "joined"

    list_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An auto-response. To a `list_id` that the number wants it is sent though it is out of all."""

    kind: Kind
    text: str
    list_id: int | None = None


@dataclass(frozen=True, slots=True)
class Forward:
    """The MO is mailed to an address."""

    name: ClassVar[str] = "forwarded"

    to: str


Effect: TypeAlias = Consent | Blacklist | Lift | Join | Reply | Forward

_FORWARDED: Final = frozenset({Meaning.REPLY, Meaning.NEAR_MISS, Meaning.HELP, Meaning.DATA})


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What an MO is, and what comes of it, in this order."""

    meaning: Meaning
    effects: tuple[Effect, ...] = ()


_KEPT: Final = Decision(meaning=Meaning.UNOWNED)


def decide(mo: Mo, context: Context) -> Decision:
    """Say what an MO means and what is to be done."""
    decision = _decide(mo, context)
    to = None if context.answers is None else context.answers.forward_to
    if to is None or decision.meaning not in _FORWARDED:
        return decision
    return replace(decision, effects=(*decision.effects, Forward(to)))


def _decide(mo: Mo, context: Context) -> Decision:
    """All but what is mailed. The order of the lines is that of R-6.5."""
    if not mo.owned:
        return _KEPT
    answers = context.answers
    other = Meaning.UNKNOWN if answers is None else Meaning.REPLY
    if not mo.subscriber:
        return Decision(meaning=other)
    folded = fold(mo.text)
    if mo.data:
        # A STOP among them may be a carrier's mistake: a person should look.
        flagged = folded in context.opt_outs or near(folded, context.opt_outs)
        return Decision(meaning=Meaning.NEAR_MISS if flagged else Meaning.DATA)
    word = folded if mo.whole else None  # of a part nobody knows whether it is the whole message
    if word in context.opt_outs:
        return _opt_out(context)
    if near(folded, context.opt_outs):
        return Decision(meaning=Meaning.NEAR_MISS)
    if word in RESUME:
        return _resume(context)
    if word in HELP:
        return _answered(Meaning.HELP, (), context, _of(context, Kind.HELP))
    if mo.dedicated and word is not None and word in context.keywords:
        return _keyword(context.keywords[word], context)
    if answers is not None:
        responses = [*_of_list(context, answers.list_id), *_of(context, Kind.GENERAL)]
        return _answered(Meaning.REPLY, (), context, responses, list_id=answers.list_id)
    general = _of(context, Kind.GENERAL) if mo.dedicated else []
    return _answered(Meaning.UNKNOWN, (), context, general)


def _opt_out(context: Context) -> Decision:
    """Out of what it answers; on the blacklist when it answers no list, or answers too late."""
    standing, answers = context.standing, context.answers
    list_id = answers.list_id if answers is not None and answers.timely else None
    effects: tuple[Effect, ...] = ()
    if list_id is None:
        already = standing.listed or standing.listed_by_mo
        if not already:
            effects = (Blacklist(),)
    elif context.scope is Scope.LIST:
        already = standing.out(list_id)
        if not already:
            effects = (Consent(event="out", list_id=list_id, origin="mo"),)
    else:
        already = standing.out_of_all and not standing.in_again
        if not already:
            effects = (Consent(event="out", list_id=None, origin="mo", answered=list_id),)
    blacklisted = standing.listed or standing.listed_by_mo
    text = context.responses.get(Kind.OPT_OUT)
    if already or blacklisted or text is None or standing.answered >= context.per_hour:
        return Decision(meaning=Meaning.OPT_OUT, effects=effects)
    return Decision(
        meaning=Meaning.OPT_OUT, effects=(*effects, Reply(kind=Kind.OPT_OUT, text=text))
    )


def _resume(context: Context) -> Decision:
    """In again, of what a STOP would be out of."""
    list_id = None
    if context.scope is Scope.LIST and context.answers is not None:
        list_id = context.answers.list_id
    effects: list[Effect] = [Consent(event="in", list_id=list_id, origin="mo")]
    if context.standing.listed_by_mo:
        effects.append(Lift())
    return _answered(
        Meaning.RESUME, tuple(effects), context, _of(context, Kind.OPT_IN), list_id=list_id
    )


def _keyword(keyword: Keyword, context: Context) -> Decision:
    """In the keyword's list, wanting what is sent to it; of its responses the most specific."""
    list_id = keyword.list_id
    effects: list[Effect] = [
        Join(list_id=list_id),
        Consent(event="in", list_id=list_id, origin="keyword"),
    ]
    if context.standing.listed_by_mo:
        effects.append(Lift())
    own = [] if keyword.response is None else [(Kind.KEYWORD, keyword.response)]
    responses = [
        *own,
        *_of_list(context, list_id),
        *_of(context, Kind.OPT_IN),
        *_of(context, Kind.GENERAL),
    ]
    return _answered(Meaning.KEYWORD, tuple(effects), context, responses, list_id=list_id)


def _answered(
    meaning: Meaning,
    effects: tuple[Effect, ...],
    context: Context,
    responses: list[tuple[Kind, str]],
    *,
    list_id: int | None = None,
) -> Decision:
    """The decision with the first of the responses, where one may be sent."""
    standing = context.standing.after(effects)
    wanted = not standing.silenced
    if list_id is not None and not (standing.listed or standing.listed_by_mo):
        wanted = not standing.out(list_id)
    if not responses or not wanted or standing.answered >= context.per_hour:
        return Decision(meaning=meaning, effects=effects)
    kind, text = responses[0]
    return Decision(
        meaning=meaning, effects=(*effects, Reply(kind=kind, text=text, list_id=list_id))
    )


def _of(context: Context, kind: Kind) -> list[tuple[Kind, str]]:
    text = context.responses.get(kind)
    return [] if text is None else [(kind, text)]


def _of_list(context: Context, list_id: int | None) -> list[tuple[Kind, str]]:
    text = None if list_id is None else context.list_responses.get(list_id)
    return [] if text is None else [(Kind.LIST, text)]
