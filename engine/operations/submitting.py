"""Messages that programs send: many requests accepted in one transaction (R-7.8, R-5.14, R-8.1).

A request is accepted whole or not at all, and one that is refused takes nothing from the others.
What is accepted is committed when the answer leaves. Class 1 unless it is *transactional*, which
goes before all others and at any hour (R-4.2).

A request under a key that was done before gets the same answer again; under that key, another
request is refused, and so is the same one while the first is under way.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from engine.domain import message as rules
from engine.domain import numbers
from engine.domain.cost import measured_text
from engine.domain.errors import Refused
from engine.domain.merge import compile_text
from engine.domain.message import MessageClass, MessageState
from engine.domain.settings import SEGMENTS_MAX
from engine.domain.transliterate import transliterate
from engine.operations import Actor, application_of, senders
from engine.operations.reading import Rules, rules_of
from engine.store import launching, messages, settings
from engine.store import submitting as stored
from engine.store.applications import Application
from engine.store.db import Tx
from engine.store.listening import wake
from engine.store.submitting import Key, Line, NewMessage

MOST = 1_000
"""Messages of a request."""

LATEST = timedelta(days=7)
"""How far ahead a message can be sent: it waits in its day's partition."""

_MINUTE = timedelta(minutes=1)

REMEMBERED = timedelta(seconds=1)
_MOST_REMEMBERED = 1_000

_ACTION = "message.send"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A message as it was asked for."""

    to: str
    text: str
    sender: str | None = None
    encoding: str = "auto"
    transliterate: bool = False
    flash: bool = False
    transactional: bool = False
    send_at: datetime | None = None
    validity_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One message, or some; `digest` tells two requests under one key apart."""

    actor: Actor
    messages: Sequence[Wanted]
    single: bool
    key: str | None = None
    digest: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A message that is committed when this is known: from now on it is not lost."""

    id: int
    state: MessageState
    mobile: str
    sender: str
    characters: int
    segments: int
    encoding: str
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a request is answered, as JSON; `again`: it was done before, and is not done twice."""

    document: str
    again: bool = False


class Faulty(Refused):
    """What is wrong with the messages of a request: the number of each, from 0, and the reason."""

    def __init__(self, faults: Sequence[tuple[int, str]], of: int) -> None:
        number, reason = faults[0]
        which = "" if of == 1 else f"message {number + 1} of {of}: "
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        super().__init__(f"{which}{reason}{more}")
        self.faults = tuple(faults)


class KeyReused(Refused):
    """Another request was done under that key."""


class UnderWay(Refused):
    """The first request under that key is not done yet."""


@dataclass(slots=True)
class _Given:
    """What must be known of an application, once for all of its requests."""

    application: Application
    rules: Rules
    most: int
    senders: dict[str | None, str | Refused] = field(default_factory=dict)


class Memory:
    """What was known of applications a moment ago: it spares half of the statements of a transaction.

    So a role, a sender, a setting or a prefix map that was changed counts after `REMEMBERED`.
    """

    def __init__(self) -> None:
        self._known: dict[Actor, tuple[_Given, datetime]] = {}

    def given(self, tx: Tx, actor: Actor, now: datetime) -> _Given | Refused:
        """As much as a transaction must know of who asks, and of their application."""
        if (known := self._known.get(actor)) is not None and now < known[1] + REMEMBERED:
            return known[0]
        if len(self._known) > _MOST_REMEMBERED:
            self._known.clear()
        given = _given(tx, actor)
        if not isinstance(given, Refused):
            self._known[actor] = given, now
        return given


Outcome = Answer | Refused
_Ready = tuple[int, Application, list[NewMessage], list[Accepted]]


def accept(
    tx: Tx,
    requests: Sequence[Request],
    now: datetime,
    *,
    memory: Memory | None = None,
    waking: bool = True,
) -> list[Outcome]:
    """What becomes of each request, in that order. `waking`: the engines are told at once."""
    memory = memory or Memory()
    outcomes: list[Outcome | None] = [None] * len(requests)
    known: dict[Actor, _Given | Refused] = {}
    for request in requests:
        if request.actor not in known:
            known[request.actor] = memory.given(tx, request.actor, now)
    keys = _keys(tx, requests, known, outcomes)
    ready: list[_Ready] = []
    for n, request in enumerate(requests):
        given = known[request.actor]
        if isinstance(given, Refused):
            outcomes[n] = given
        elif outcomes[n] is None:
            try:
                ready.append((n, given.application, *_judged(tx, given, request, now)))
            except Refused as error:
                outcomes[n] = error
    ready = _wanted(tx, requests, ready, outcomes)
    if ready:
        for n, document in _write(tx, requests, ready, keys):
            outcomes[n] = Answer(document=document)
        if waking:
            wake(tx)
    return [outcome for outcome in outcomes if outcome is not None]


def _given(tx: Tx, actor: Actor) -> _Given | Refused:
    try:
        application = application_of(tx, actor, _ACTION)
    except Refused as error:
        return error
    return _Given(
        application=application,
        rules=rules_of(tx, application.id),
        most=settings.get(tx, application.id, SEGMENTS_MAX),
    )


def _keys(
    tx: Tx,
    requests: Sequence[Request],
    known: dict[Actor, _Given | Refused],
    outcomes: list[Outcome | None],
) -> dict[int, Key]:
    """The keys that are ours, by the number of their request; what is settled by one is said."""
    asked: dict[Key, int] = {}
    for n, request in enumerate(requests):
        given = known[request.actor]
        if request.key is None or isinstance(given, Refused):
            continue
        key = (given.application.id, request.key)
        if asked.setdefault(key, n) != n:
            outcomes[n] = _under_way(request.key)
    if not asked:
        return {}
    free = stored.take(tx, list(asked))
    before = stored.done(tx, list(asked))
    for key, n in asked.items():
        if key not in free:
            outcomes[n] = _under_way(key[1])
        elif key in before:
            digest, document = before[key]
            outcomes[n] = (
                Answer(document=document, again=True)
                if digest == requests[n].digest
                else KeyReused(
                    f"Idempotency-Key {key[1][:40]!a}: another request was done under it; take a "
                    "new key for each"
                )
            )
    return {n: key for key, n in asked.items() if outcomes[n] is None}


def _under_way(key: str) -> UnderWay:
    return UnderWay(
        f"Idempotency-Key {key[:40]!a}: the first request under it is not done yet; repeat this "
        "in a moment"
    )


def _judged(
    tx: Tx, given: _Given, request: Request, now: datetime
) -> tuple[list[NewMessage], list[Accepted]]:
    """The messages as they are to be stored, and what is told of them (without ids yet)."""
    new: list[NewMessage] = []
    told: list[Accepted] = []
    faults: list[tuple[int, str]] = []
    for number, wanted in enumerate(request.messages):
        try:
            row, said = _message(tx, given, request, wanted, now)
        except Refused as error:
            faults.append((number, str(error)))
            continue
        new.append(row)
        told.append(said)
    if faults:
        raise Faulty(faults, len(request.messages))
    return new, told


def _message(
    tx: Tx, given: _Given, request: Request, wanted: Wanted, now: datetime
) -> tuple[NewMessage, Accepted]:
    if wanted.transactional and not request.single:
        raise Refused("transactional is for a message alone; send it in a request of its own")
    cleaned = given.rules.clean(wanted.to)
    if isinstance(cleaned, numbers.Invalid):
        raise Refused(f"to {wanted.to[:40]!a}: {cleaned.reason}")
    text = transliterate(wanted.text) if wanted.transliterate else wanted.text
    if not text.strip():
        raise Refused("text: the message is empty")
    if params := compile_text(text).params:
        raise Refused(
            f"text: it refers to %%{params[0]}%%, and a single message has no params; write out "
            "what it is to say"
        )
    count = measured_text(text, wanted.encoding)
    rules.check_length(count, given.most)
    due_at, not_after = _times(wanted, now)
    sender = _sender(tx, given, wanted.sender)
    row = NewMessage(
        application_id=given.application.id,
        message_class=MessageClass.RESPONSE if wanted.transactional else MessageClass.API,
        mobile=cleaned.mobile,
        sender=sender,
        text=text,
        encoding=wanted.encoding,
        flash=wanted.flash,
        due_at=due_at,
        not_after=not_after,
    )
    cost = rules.cost_notice(count)
    return row, Accepted(
        id=0,
        state=MessageState.QUEUED,
        mobile=cleaned.mobile,
        sender=sender,
        characters=count.characters,
        segments=count.segments,
        encoding=count.encoding.value,
        notices=(*cleaned.warnings, *(() if cost is None else (cost,))),
    )


def _times(wanted: Wanted, now: datetime) -> tuple[datetime | None, datetime | None]:
    """From when on it may be sent, and until when."""
    due_at = None if wanted.send_at is None else wanted.send_at.astimezone(UTC)
    if due_at is not None and due_at < now:
        raise Refused(f"send_at {due_at:%Y-%m-%dT%H:%M:%SZ}: is in the past; leave it out for now")
    if due_at is not None and due_at > now + LATEST:
        raise Refused(
            f"send_at {due_at:%Y-%m-%dT%H:%M:%SZ}: is more than {LATEST.days} days ahead; schedule "
            "a campaign for that"
        )
    if wanted.validity_s is None:
        return due_at, None
    end = (due_at or now) + timedelta(seconds=wanted.validity_s)
    # Up to the minute: turns launch together what has its limit in common.
    return due_at, end + (_MINUTE - timedelta(seconds=end.second, microseconds=end.microsecond))


def _sender(tx: Tx, given: _Given, name: str | None) -> str:
    if name not in given.senders:
        try:
            given.senders[name] = senders.get(tx, given.application.id, name).address
        except Refused as error:
            given.senders[name] = error
    found = given.senders[name]
    if isinstance(found, Refused):
        raise found
    return found


def _wanted(
    tx: Tx,
    requests: Sequence[Request],
    ready: list[_Ready],
    outcomes: list[Outcome | None],
) -> list[_Ready]:
    """Tell who wants nothing: of a message alone that refuses it, of others it is a notice.

    The others are stored, and skipped when their turn comes: their list need not be sent again.
    """
    numbers_of: dict[int, set[str]] = {}
    for _, application, new, _ in ready:
        numbers_of.setdefault(application.id, set()).update(one.mobile for one in new)
    unwanted = {
        application_id: launching.unwanted(tx, application_id, None, sorted(mobiles))
        for application_id, mobiles in numbers_of.items()
    }
    left: list[_Ready] = []
    for n, application, new, told in ready:
        reasons = unwanted[application.id]
        if requests[n].single and (why := reasons.get(new[0].mobile)):
            outcomes[n] = Faulty([(0, f"to {new[0].mobile}: is {why}: nothing is sent to it")], 1)
            continue
        left.append((n, application, new, [_told(one, reasons) for one in told]))
    return left


def _told(one: Accepted, reasons: dict[str, str]) -> Accepted:
    why = reasons.get(one.mobile)
    return one if why is None else replace(one, notices=(*one.notices, f"{why}: is skipped"))


def _write(
    tx: Tx, requests: Sequence[Request], ready: Sequence[_Ready], keys: dict[int, Key]
) -> list[tuple[int, str]]:
    """Store them, with their lines of the log and their keys; the answers."""
    messages.make_room(tx)
    ids = iter(stored.insert(tx, [row for _, _, new, _ in ready for row in new]))
    answers: list[tuple[int, str]] = []
    lines: list[Line] = []
    for n, application, _, told in ready:
        done = [replace(one, id=next(ids)) for one in told]
        answers.append((n, _document(requests[n], done)))
        lines.append(_line(application, requests[n].actor, done))
    stored.log(tx, _ACTION, lines)
    if keys:
        stored.keep(
            tx,
            [(keys[n], requests[n].digest, document) for n, document in answers if n in keys],
        )
    return answers


def _document(request: Request, done: Sequence[Accepted]) -> str:
    rows = [{name: getattr(one, name) for name in one.__dataclass_fields__} for one in done]
    body = rows[0] if request.single else {"messages": rows}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def _line(application: Application, actor: Actor, done: Sequence[Accepted]) -> Line:
    """What the log holds of a request; of one message what `siaran message send` writes."""
    first = done[0]
    after: dict[str, object]
    if len(done) == 1:
        after = {"mobile": first.mobile, "sender": first.sender, "characters": first.characters}
    else:
        after = {"messages": len(done), "last": done[-1].id}
    after["segments"] = sum(one.segments for one in done)
    return Line(application_id=application.id, by=actor.by, of=str(first.id), after=after)
