"""What the demonstration's three subscribers write back, and what has to become of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from engine.clock import utc_now
from engine.operations import (
    Actor,
    Database,
    Tx,
    inbox,
    keywords,
    lists,
    members,
    messages,
    responses,
)
from engine.operations.campaigns import MessageState
from engine.operations.inbox import Mo

CLUB, KEYWORD = "klub", "KLUB"
"""A list, and the word with which one joins it."""

REPLIED = "Terima kasih, kami segera menjawab."
OPTED_OUT = "Anda tidak akan menerima pesan kami lagi."
JOINED = "Selamat datang di klub kami!"

WITHIN_S = 15.0
LOOK_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What one of them writes, what it has to be taken for, and what they have to be answered."""

    text: str
    meaning: str
    response: str


EXPECTED = (
    Expected(text="STOP", meaning="opt-out", response=OPTED_OUT),
    Expected(text="Bisa minggu depan? 🙏", meaning="reply", response=REPLIED),
    Expected(text=KEYWORD, meaning="keyword", response=JOINED),
)
"""As sample/replies.toml has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came in from a number, and what became of it; `delivered`: of the response."""

    mobile: str
    content: str
    meaning: str | None
    list: str | None
    opted_out: bool
    joined: bool
    response: str | None
    delivered: bool

    @property
    def what(self) -> str:
        """What became of it, for a person."""
        if self.opted_out:
            return "opted out: no campaign reaches this number any more"
        if self.joined:
            return f'keyword: a member of list "{CLUB}" from now on'
        return f'reply to list "{self.list}", for a person to read'


def prepare(tx: Tx, actor: Actor) -> None:
    """A response to who opts out, and a keyword that joins a list."""
    responses.set_(tx, actor, "optout", OPTED_OUT)
    lists.create(tx, actor, CLUB)
    keywords.add(tx, actor, KEYWORD, list_name=CLUB, response=JOINED)


def wait(database: Database, actor: Actor, check: Callable[[], None]) -> list[Heard]:
    """What they wrote, the first to come first, once it is there and answered; or what there is
    after some seconds. `check` raises when nothing more can come."""
    until = time.monotonic() + WITHIN_S
    while True:
        check()
        heard = database.run(_heard, actor)
        complete = len(heard) >= len(EXPECTED) and all(one.delivered for one in heard)
        if complete or time.monotonic() > until:
            return heard
        time.sleep(LOOK_S)


def faults(heard: Sequence[Heard], answers: Mapping[str, Sequence[str]], to: str) -> list[str]:
    """What did not become of it, in words. `answers`: what the SMSC got for each number; `to`: the
    campaign's list."""
    found = []
    if len(heard) != len(EXPECTED):
        found.append(f"{len(heard)} replies came in, not {len(EXPECTED)}")
    for wanted in EXPECTED:
        one = next((one for one in heard if one.content == wanted.text), None)
        said = f'"{wanted.text}"'
        if one is None:
            found.append(f"{said} is not in the inbox")
            continue
        if one.meaning != wanted.meaning or one.list != to:
            found.append(f"{said} was taken for {one.meaning} to list {one.list}")
        if one.opted_out != (wanted.meaning == "opt-out"):
            found.append(f"{said} has opted out {'somebody' if one.opted_out else 'nobody'}")
        if one.joined != (wanted.meaning == "keyword"):
            found.append(f'{said} has put {"somebody" if one.joined else "nobody"} into "{CLUB}"')
        if one.response != wanted.response or not one.delivered:
            found.append(f"{said} was not answered as it should be")
        if (got := list(answers.get(one.mobile, ()))) != [wanted.response]:
            found.append(f"the SMSC got {len(got)} responses to {said}, not that one")
    return found


def _heard(tx: Tx, actor: Actor) -> list[Heard]:
    found = inbox.ls(tx, actor, inbox.Filter(), limit=len(EXPECTED) + 1)
    club = {one.mobile for one in members.search(tx, actor, CLUB)}
    return [
        Heard(
            mobile=mo.mobile,
            content=mo.content,
            meaning=mo.meaning,
            list=mo.list,
            opted_out=mo.opted_out,
            joined=mo.mobile in club,
            response=mo.response,
            delivered=_delivered(tx, actor, mo),
        )
        for mo in reversed(found)
    ]


def _delivered(tx: Tx, actor: Actor, mo: Mo) -> bool:
    if mo.response_id is None:
        return False
    shown = messages.show(tx, actor, mo.response_id, now=utc_now())
    return shown.state is MessageState.DELIVERED
