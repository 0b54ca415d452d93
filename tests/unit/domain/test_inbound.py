"""What an MO means and what comes of it: a row for every sentence of R-6.3 to R-6.7."""

from dataclasses import replace

import pytest

from engine.domain.inbound import (
    Answers,
    Blacklist,
    Consent,
    Context,
    Effect,
    Forward,
    Join,
    Keyword,
    Kind,
    Lift,
    Meaning,
    Mo,
    Reply,
    Standing,
    decide,
)
from engine.domain.settings import Scope
from engine.domain.words import opt_out_words

LIST, OTHER = 7, 8
SAID = {kind: f"{kind}!" for kind in (Kind.GENERAL, Kind.OPT_OUT, Kind.OPT_IN, Kind.HELP)}
ALL = Context(
    standing=Standing(),
    answers=Answers(list_id=LIST),
    opt_outs=opt_out_words({}),
    keywords={"join": Keyword(list_id=OTHER, response="keyword!"), "shop": Keyword(list_id=OTHER)},
    responses=SAID,
    list_responses={LIST: "list!", OTHER: "other!"},
)
"""Everything is set, and the MO answers a campaign to LIST."""

UNTIED = replace(ALL, answers=None)
LATE = replace(ALL, answers=Answers(list_id=LIST, timely=False))
BY_LIST = replace(ALL, scope=Scope.LIST)
MUTE = replace(ALL, responses={}, list_responses={}, keywords={"join": Keyword(list_id=OTHER)})

OUT = Consent(event="out", list_id=None, origin="mo", answered=LIST)
OUT_OF_LIST = Consent(event="out", list_id=LIST, origin="mo")
IN = Consent(event="in", list_id=None, origin="mo")
JOINED = (Join(list_id=OTHER), Consent(event="in", list_id=OTHER, origin="keyword"))


def reply(kind: Kind, text: str | None = None, list_id: int | None = None) -> Reply:
    return Reply(kind=kind, text=text or f"{kind}!", list_id=list_id)


def standing(context: Context, **facts: object) -> Context:
    return replace(context, standing=replace(context.standing, **facts))  # type: ignore[arg-type]


OPTED_OUT = standing(ALL, out_of_all=True)
CONFIRMED = reply(Kind.OPT_OUT)
NONE: tuple[Effect, ...] = ()


@pytest.mark.parametrize(
    ("why", "text", "context", "meaning", "effects"),
    [
        # opt-outs
        ("for all of the application", "STOP", ALL, Meaning.OPT_OUT, (OUT, CONFIRMED)),
        ("or for that list", "STOP", BY_LIST, Meaning.OPT_OUT, (OUT_OF_LIST, CONFIRMED)),
        ("no campaign", "STOP", UNTIED, Meaning.OPT_OUT, (Blacklist(), CONFIRMED)),
        ("closed campaign", "STOP", LATE, Meaning.OPT_OUT, (Blacklist(), CONFIRMED)),
        ("before everything else", " ＳＴＯＰ! ", ALL, Meaning.OPT_OUT, (OUT, CONFIRMED)),
        ("off until enabled", "TIDAK", ALL, Meaning.REPLY, (reply(Kind.LIST, list_id=LIST),)),
        (
            "enabled",
            "Tidak",
            replace(ALL, opt_outs=frozenset({"tidak"})),
            Meaning.OPT_OUT,
            (OUT, CONFIRMED),
        ),
        (
            "disabled",
            "STOP",
            replace(ALL, opt_outs=frozenset()),
            Meaning.REPLY,
            (reply(Kind.LIST, list_id=LIST),),
        ),
        ("a near miss is never answered", "please stop", ALL, Meaning.NEAR_MISS, NONE),
        ("nor carried out", "STOP ALL", UNTIED, Meaning.NEAR_MISS, NONE),
        ("nor a keyword in it", "stop join", UNTIED, Meaning.NEAR_MISS, NONE),
        # once, also to one who is now opted out
        ("nothing is set", "STOP", MUTE, Meaning.OPT_OUT, (OUT,)),
        ("again", "STOP", OPTED_OUT, Meaning.OPT_OUT, NONE),
        (
            "again of the list",
            "STOP",
            standing(BY_LIST, out_of=frozenset({LIST})),
            Meaning.OPT_OUT,
            NONE,
        ),
        (
            "of another list before",
            "STOP",
            standing(BY_LIST, out_of=frozenset({OTHER})),
            Meaning.OPT_OUT,
            (OUT_OF_LIST, CONFIRMED),
        ),
        (
            "joined a list since",
            "STOP",
            standing(OPTED_OUT, in_again=frozenset({OTHER})),
            Meaning.OPT_OUT,
            (OUT, CONFIRMED),
        ),
        ("on the blacklist already", "STOP", standing(UNTIED, listed=True), Meaning.OPT_OUT, NONE),
        (
            "the blacklist is never sent to",
            "STOP",
            standing(ALL, listed=True),
            Meaning.OPT_OUT,
            (OUT,),
        ),
        # resume words
        ("in again", "START", OPTED_OUT, Meaning.RESUME, (IN, reply(Kind.OPT_IN))),
        ("in Indonesian", "mulai", OPTED_OUT, Meaning.RESUME, (IN, reply(Kind.OPT_IN))),
        (
            "lifts its own word",
            "UNSTOP",
            standing(UNTIED, listed_by_mo=True),
            Meaning.RESUME,
            (IN, Lift(), reply(Kind.OPT_IN)),
        ),
        ("and no other", "START", standing(UNTIED, listed=True), Meaning.RESUME, (IN,)),
        (
            "of the list",
            "START",
            standing(BY_LIST, out_of_all=True),
            Meaning.RESUME,
            (
                Consent(event="in", list_id=LIST, origin="mo"),
                reply(Kind.OPT_IN, list_id=LIST),
            ),
        ),
        # HELP, INFO
        ("help", "Help?", ALL, Meaning.HELP, (reply(Kind.HELP),)),
        ("info", "INFO", UNTIED, Meaning.HELP, (reply(Kind.HELP),)),
        ("when one is set", "HELP", MUTE, Meaning.HELP, NONE),
        ("not to one who is out", "HELP", OPTED_OUT, Meaning.HELP, NONE),
        # keywords
        (
            "keyword response",
            "join",
            UNTIED,
            Meaning.KEYWORD,
            (*JOINED, reply(Kind.KEYWORD, list_id=OTHER)),
        ),
        (
            "before the reply",
            "Join!",
            ALL,
            Meaning.KEYWORD,
            (*JOINED, reply(Kind.KEYWORD, list_id=OTHER)),
        ),
        (
            "else list response",
            "shop",
            UNTIED,
            Meaning.KEYWORD,
            (*JOINED, reply(Kind.LIST, "other!", OTHER)),
        ),
        (
            "else opt-in response",
            "shop",
            replace(UNTIED, list_responses={LIST: "list!"}),
            Meaning.KEYWORD,
            (*JOINED, reply(Kind.OPT_IN, list_id=OTHER)),
        ),
        (
            "else general response",
            "shop",
            replace(UNTIED, list_responses={}, responses={Kind.GENERAL: "general!"}),
            Meaning.KEYWORD,
            (*JOINED, reply(Kind.GENERAL, list_id=OTHER)),
        ),
        ("else nothing", "join", MUTE, Meaning.KEYWORD, JOINED),
        (
            "no longer opted out from it",
            "join",
            OPTED_OUT,
            Meaning.KEYWORD,
            (*JOINED, reply(Kind.KEYWORD, list_id=OTHER)),
        ),
        (
            "off the blacklist",
            "join",
            standing(UNTIED, listed_by_mo=True),
            Meaning.KEYWORD,
            (*JOINED, Lift(), reply(Kind.KEYWORD, list_id=OTHER)),
        ),
        ("not of a person's", "join", standing(UNTIED, listed=True), Meaning.KEYWORD, JOINED),
        (
            "an inactive one counts as unknown",
            "join",
            replace(UNTIED, keywords={}),
            Meaning.UNKNOWN,
            (reply(Kind.GENERAL),),
        ),
        ("not the whole message", "join me", UNTIED, Meaning.UNKNOWN, (reply(Kind.GENERAL),)),
        # replies and the rest
        ("list response", "Yes", ALL, Meaning.REPLY, (reply(Kind.LIST, list_id=LIST),)),
        (
            "else general",
            "Yes",
            replace(ALL, list_responses={}),
            Meaning.REPLY,
            (reply(Kind.GENERAL, list_id=LIST),),
        ),
        ("else nothing", "Yes", MUTE, Meaning.REPLY, NONE),
        ("also a late one", "Yes", LATE, Meaning.REPLY, (reply(Kind.LIST, list_id=LIST),)),
        ("an empty one, too", "", ALL, Meaning.REPLY, (reply(Kind.LIST, list_id=LIST),)),
        ("unknown keyword", "Yes", UNTIED, Meaning.UNKNOWN, (reply(Kind.GENERAL),)),
        ("not to one who is out", "Yes", OPTED_OUT, Meaning.REPLY, NONE),
        (
            "nor out of that list",
            "Yes",
            standing(ALL, out_of=frozenset({LIST})),
            Meaning.REPLY,
            NONE,
        ),
        (
            "but to one who joined it since",
            "Yes",
            standing(OPTED_OUT, in_again=frozenset({LIST})),
            Meaning.REPLY,
            (reply(Kind.LIST, list_id=LIST),),
        ),
        # loops
        ("enough in an hour", "Yes", standing(ALL, answered=5), Meaning.REPLY, NONE),
        (
            "not yet",
            "Yes",
            standing(ALL, answered=4),
            Meaning.REPLY,
            (reply(Kind.LIST, list_id=LIST),),
        ),
        ("it still counts", "STOP", standing(ALL, answered=5), Meaning.OPT_OUT, (OUT,)),
        ("none at all", "Yes", replace(ALL, per_hour=0), Meaning.REPLY, NONE),
    ],
)
def test_a_sentence(
    why: str, text: str, context: Context, meaning: Meaning, effects: tuple[Effect, ...]
) -> None:
    """R-6.3, R-6.4, R-6.5, R-6.6, each in a line."""
    decision = decide(Mo(text=text, dedicated=True), context)
    assert (decision.meaning, decision.effects) == (meaning, effects), why


@pytest.mark.parametrize(
    ("mo", "meaning", "effects"),
    [
        # kept and shown
        (Mo(text="STOP", owned=False), Meaning.UNOWNED, NONE),
        # none to alphanumeric or our own addresses, whatever they say
        (Mo(text="STOP", subscriber=False, dedicated=True), Meaning.UNKNOWN, NONE),
        (Mo(text="join", subscriber=False, dedicated=True), Meaning.UNKNOWN, NONE),
        # keywords live on dedicated numbers only; so do general responses to strangers
        (Mo(text="join"), Meaning.UNKNOWN, NONE),
        (Mo(text="Yes"), Meaning.UNKNOWN, NONE),
        (Mo(text="STOP"), Meaning.OPT_OUT, (Blacklist(), CONFIRMED)),
        (Mo(text="HELP"), Meaning.HELP, (reply(Kind.HELP),)),
        # what is there of a long one may be a word by chance
        (Mo(text="STOP", whole=False, dedicated=True), Meaning.NEAR_MISS, NONE),
        (Mo(text="join", whole=False, dedicated=True), Meaning.UNKNOWN, (reply(Kind.GENERAL),)),
    ],
)
def test_where_it_came_from(mo: Mo, meaning: Meaning, effects: tuple[Effect, ...]) -> None:
    decision = decide(mo, UNTIED)
    assert (decision.meaning, decision.effects) == (meaning, effects)


def test_the_newest_word_on_a_list_or_on_all_counts() -> None:
    """R-6.3: consent."""
    now = Standing().said("out", LIST)
    assert (now.out(LIST), now.out(OTHER), now.silenced) == (True, False, False)
    now = now.said("out", None)
    assert (now.out(LIST), now.out(OTHER), now.silenced) == (True, True, True)
    now = now.said("in", OTHER)
    assert (now.out(LIST), now.out(OTHER), now.silenced) == (True, False, True)
    now = now.said("in", None)
    assert now.said("in", OTHER).out(LIST) is False
    assert (now.out(LIST), now.out(OTHER), now.silenced) == (False, False, False)


def test_two_words_in_a_row() -> None:
    """R-6.5: the second STOP of a batch is not confirmed; a START after it is heard."""
    first = decide(Mo(text="STOP"), UNTIED)
    then = replace(UNTIED, standing=UNTIED.standing.after(first.effects))
    assert decide(Mo(text="stop"), then).effects == ()
    assert then.standing.answered == 1
    again = decide(Mo(text="start"), then)
    assert again.effects == (IN, Lift(), reply(Kind.OPT_IN))
    assert not then.standing.after(again.effects).silenced


def test_data_is_kept_and_flagged_where_it_reads_like_an_opt_out() -> None:
    """R-5.9, R-6.5: octets for a program are no word of anybody's."""
    for text, meaning in (("STOP", Meaning.NEAR_MISS), ("join", Meaning.DATA), ("", Meaning.DATA)):
        decision = decide(Mo(text=text, dedicated=True, data=True), ALL)
        assert (decision.meaning, decision.effects) == (meaning, ())


MAILED = replace(ALL, answers=Answers(list_id=LIST, forward_to="sales@example.net"))


@pytest.mark.parametrize(
    ("why", "mo", "forwarded"),
    [
        ("a reply", Mo(text="Yes please"), True),
        ("as far as it came", Mo(text="Yes ple", whole=False), True),
        ("a person should look", Mo(text="please stop"), True),
        ("who asks for help", Mo(text="HELP"), True),
        ("a carrier's mistake may hide it", Mo(text="Yes", data=True), True),
        ("a machine's answer is one, too", Mo(text="Yes", subscriber=False), True),
        ("it is carried out", Mo(text="STOP"), False),
        ("the same", Mo(text="START"), False),
        ("it joins another list", Mo(text="shop", dedicated=True), False),
        ("not to us", Mo(text="Yes", owned=False), False),
    ],
)
def test_replies_are_mailed_to_the_lists_address(why: str, mo: Mo, forwarded: bool) -> None:
    """R-6.8; beside what is done and answered without an address."""
    with_address, without = decide(mo, MAILED), decide(mo, ALL)
    mails = (Forward("sales@example.net"),) if forwarded else ()
    assert with_address == replace(without, effects=(*without.effects, *mails)), why


def test_who_has_had_enough_answers_is_still_heard() -> None:
    """R-6.5, R-6.8: loops are cut by not answering; nothing is lost."""
    silenced = standing(MAILED, answered=5, out_of_all=True, listed=True)
    assert decide(Mo(text="Yes"), silenced).effects == (Forward("sales@example.net"),)
    nobody_asked = replace(MAILED, answers=None)
    assert decide(Mo(text="Yes"), nobody_asked).effects == ()
