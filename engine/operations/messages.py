"""Single messages: send one, see what became of it, end the doubt about it (R-5.14, R-8.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from engine.domain import merge
from engine.domain import message as rules
from engine.domain.campaign import zone
from engine.domain.errors import NotFound, Refused
from engine.domain.message import Count, MessageClass, MessageFacts, MessageState
from engine.domain.message import Resolution as Resolution
from engine.domain.receipts import mark_of
from engine.domain.settings import SEGMENTS_MAX, UNCERTAIN, Uncertain
from engine.domain.transliterate import transliterate
from engine.operations import Actor, application_of, campaigns, senders
from engine.operations.carriers import Asked as Asked
from engine.operations.carriers import replies as replies
from engine.operations.reading import number_of
from engine.store import audit, blacklist, control, held, launching, nodes, settings
from engine.store import messages as stored
from engine.store.db import Tx
from engine.store.held import Held as Held
from engine.store.listening import wake
from engine.store.messages import Taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A message that was accepted: from now on it is not lost."""

    id: int
    mobile: str
    sender: str
    characters: int
    segments: int
    encoding: str
    notices: tuple[str, ...]


class Unconfirmed(Refused):
    """The message takes more than one segment, and nobody has agreed to pay (R-2.2)."""

    def __init__(self, count: Count) -> None:
        super().__init__(f"the message takes {count.segments} segments; confirm with --yes")
        self.notice = rules.cost_notice(count) or ""
        self.segments = count.segments


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One of a message's segments: its state, and what SMSCs took of it, an attempt each."""

    segment: int
    state: MessageState
    taken: tuple[Taken, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A message as it stands. `text` is what this recipient gets; None when it was scrubbed."""

    id: int
    state: MessageState
    why: str
    mobile: str
    sender: str
    message_class: str
    campaign: int | None
    list: str | None
    text: str | None
    encoding: str
    flash: bool
    reason: str | None
    mark: str | None
    """Why the state says more, or less, than the receipts did (R-5.8)."""
    attempts: int
    created_at: datetime
    state_at: datetime
    sent_at: datetime | None
    due_at: datetime | None
    held_at: datetime | None
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """Uncertain messages about which a person has decided."""

    resolution: Resolution
    messages: tuple[int, ...]


def send(
    tx: Tx,
    actor: Actor,
    mobile: str,
    text: str,
    *,
    sender: str | None = None,
    transliterated: bool = False,
    flash: bool = False,
    confirmed: bool = False,
) -> Sent:
    """Accept one message, before all campaigns (R-5.14). The number is cleaned as in an import.

    Raises Refused for what is no number, who wants nothing, an unknown sender and a text that is
    empty or too long; Unconfirmed for more than one segment.
    """
    application = application_of(tx, actor, "message.send")
    if transliterated:
        text = transliterate(text)
    count = rules.measure(text, settings.get(tx, application.id, SEGMENTS_MAX))
    source = senders.get(tx, application.id, sender)
    cleaned = number_of(tx, application.id, mobile)
    check_wanted(tx, application.id, cleaned.mobile)
    if count.segments > 1 and not confirmed:
        raise Unconfirmed(count)
    stored.make_room(tx)
    message_id = stored.insert(
        tx,
        application_id=application.id,
        message_class=MessageClass.RESPONSE,
        mobile=cleaned.mobile,
        sender=source.address,
        text=text,
        flash=flash,
    )
    audit.record(
        tx,
        application_id=application.id,
        by=actor.by,
        action="message.send",
        object=str(message_id),
        after={
            "mobile": cleaned.mobile,
            "sender": source.address,
            "characters": count.characters,
            "segments": count.segments,
        },
    )
    wake(tx)
    return Sent(
        id=message_id,
        mobile=cleaned.mobile,
        sender=source.address,
        characters=count.characters,
        segments=count.segments,
        encoding=count.encoding.value,
        notices=_notices(count, cleaned.mobile, cleaned.warnings),
    )


def check_wanted(tx: Tx, application_id: int, mobile: str) -> None:
    """Refuse a number that wants nothing of the application, or must get nothing."""
    if blacklist.blacklisted(tx, application_id, [mobile]):
        raise Refused(f"{mobile} is on the blacklist: nothing is sent to it")
    if launching.unwanted(tx, application_id, None, [mobile]):
        raise Refused(f"{mobile} has opted out of all messages: nothing is sent to it")


def show(tx: Tx, actor: Actor, message_id: int, *, now: datetime) -> Shown:
    """A message, of a campaign or not, with all that is known of it."""
    application = application_of(tx, actor)
    found = _get(tx, actor, application.id, message_id)
    taken = stored.taken(tx, message_id)
    states = rules.unfold(
        found.state,
        total=found.total,
        launched=found.launched,
        accepted=found.accepted,
        delivered=found.delivered,
        failed=found.failed,
    )
    facts = MessageFacts(
        id=found.id,
        state=found.state,
        campaign_id=found.campaign_id,
        reason=found.reason,
        due_at=found.due_at,
        hold=settings.get(tx, application.id, UNCERTAIN) is Uncertain.HOLD,
        held=found.held_at is not None,
    )
    return Shown(
        id=found.id,
        state=found.state,
        why=rules.why(facts, now, zone(application.timezone), nodes.way_out(tx)),
        mobile=found.mobile,
        sender=found.sender,
        message_class=found.message_class.name.lower(),
        campaign=found.campaign_id,
        list=found.list,
        text=_text(found),
        encoding=found.encoding,
        flash=found.flash,
        reason=found.reason,
        mark=mark_of(
            found.state,
            found.mark,
            found.sent_at,
            now,
            without_id=any(one.smsc_id is None for one in taken),
        ),
        attempts=found.attempt,
        created_at=found.created_at,
        state_at=found.state_at,
        sent_at=found.sent_at,
        due_at=found.due_at,
        held_at=found.held_at,
        segments=tuple(
            Segment(
                segment=number,
                state=state,
                taken=tuple(one for one in taken if one.segment == number),
            )
            for number, state in enumerate(states, 1)
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """A message that nothing more goes out of; `asked` None: no SMSC had anything of it."""

    id: int
    asked: Asked | None


def query(tx: Tx, actor: Actor, message_id: int, *, now: datetime) -> Asked:
    """Ask the SMSC that took a message what became of it (R-5.11)."""
    application = application_of(tx, actor)
    found = _get(tx, actor, application.id, message_id)
    return _ask(tx, actor, "query", found, now)


def cancel(tx: Tx, actor: Actor, message_id: int, *, now: datetime) -> Cancelled:
    """Take a message back: at once while it is queued, else by asking the SMSC that has it (R-5.11)."""
    application = application_of(tx, actor, "message.cancel")
    found = _get(tx, actor, application.id, message_id)
    asked: Asked | None = None
    if not stored.cancel_queued(tx, application.id, message_id, f"cancelled by {actor.by}"):
        found = _get(tx, actor, application.id, message_id)
        match found.state:
            case MessageState.SENT:
                asked = _ask(tx, actor, "cancel", found, now)
            case MessageState.LAUNCHED | MessageState.QUEUED:
                raise Refused(
                    f"message {message_id} is on its way to the SMSC; cancel it when that has "
                    "answered, in a moment"
                )
            case MessageState.UNCERTAIN:
                raise Refused(
                    f"message {message_id} is uncertain: no SMSC has given an id to it; `siaran "
                    f"message resolve {message_id} fail` keeps it from being sent again"
                )
            case _:
                raise Refused(
                    f"message {message_id} is {found.state}: there is nothing to cancel; nothing "
                    "was changed"
                )
    audit.record(
        tx,
        application_id=application.id,
        by=actor.by,
        action="message.cancel",
        object=str(message_id),
        before={"state": MessageState.QUEUED if asked is None else found.state},
        after={"asked": None if asked is None else ", ".join(asked.nodes)},
    )
    return Cancelled(id=message_id, asked=asked)


def _ask(tx: Tx, actor: Actor, verb: str, found: stored.Message, now: datetime) -> Asked:
    """Have an engine with a bind to the carrier that took the message ask it."""
    wire = stored.on_the_wire(tx, found.id)
    if wire is None or not wire.parts:
        raise Refused(
            f"message {found.id} is {found.state}, and no SMSC has given an id to it: none can be "
            "asked"
        )
    carriers = {part[2] for part in wire.parts}
    for carrier_id in sorted(carriers):
        nodes_there = control.nodes_bound(tx, carrier_id)
        if nodes_there:
            node_id, name = nodes_there[0]
            ids = control.post(tx, [node_id], verb, str(found.id), actor.by)
            return Asked(ids=tuple(ids), nodes=(name,))
    raise Refused(
        f"no engine has a bind that sends to the carrier of message {found.id}; see `siaran carrier "
        "ls`"
    )


def ls_held(tx: Tx, actor: Actor, *, campaign: int | None, limit: int | None) -> list[Held]:
    """The oldest `limit` messages that wait for `resolve`, of a campaign or of all."""
    application = application_of(tx, actor)
    if campaign is not None:
        campaigns.get(tx, actor, campaign)
    return held.find(tx, application.id, campaign, limit=limit)


def resolve(tx: Tx, actor: Actor, ids: Sequence[int], resolution: Resolution) -> Resolved:
    """Send uncertain messages again now, or end them as failed: all of them or none (R-8.2).

    Held or not: whoever knows need not wait. Raises Refused for one that is not uncertain.
    """
    application = application_of(tx, actor, "message.resolve")
    wanted = sorted(set(ids))
    done = _resolve(tx, actor, application.id, wanted, resolution)
    for message_id in wanted:
        if message_id not in done:
            state = _get(tx, actor, application.id, message_id).state
            raise Refused(
                f"message {message_id} is {state}, not uncertain: there is nothing to resolve; "
                "nothing was changed"
            )
        _log(tx, actor, application.id, str(message_id), resolution, 1)
    return Resolved(resolution=resolution, messages=tuple(done))


def resolve_campaign(tx: Tx, actor: Actor, campaign: int, resolution: Resolution) -> Resolved:
    """The same for all messages of a campaign that are held. Raises Refused when none is."""
    application = application_of(tx, actor, "message.resolve")
    campaigns.get(tx, actor, campaign)
    waiting = held.find(tx, application.id, campaign, limit=None)
    done = _resolve(tx, actor, application.id, [one.id for one in waiting], resolution)
    if not done:
        raise Refused(f"no message of campaign {campaign} is held; nothing was changed")
    _log(tx, actor, application.id, f"campaign {campaign}", resolution, len(done))
    return Resolved(resolution=resolution, messages=tuple(done))


def _resolve(
    tx: Tx, actor: Actor, application_id: int, ids: Sequence[int], resolution: Resolution
) -> list[int]:
    if resolution is Resolution.FAIL:
        reason = f"no answer from the SMSC; given up by {actor.by}"
        return stored.fail(tx, application_id, ids, reason)
    wake(tx)
    return stored.resend(tx, application_id, ids)


def _log(
    tx: Tx, actor: Actor, application_id: int, what: str, resolution: Resolution, n: int
) -> None:
    audit.record(
        tx,
        application_id=application_id,
        by=actor.by,
        action="message.resolve",
        object=what,
        before={"state": MessageState.UNCERTAIN},
        after={"resolution": resolution, "messages": n},
    )


def _get(tx: Tx, actor: Actor, application_id: int, message_id: int) -> stored.Message:
    found = stored.get(tx, application_id, message_id)
    if found is None:
        raise NotFound(f"message {message_id} not found in application {actor.application}")
    return found


def _text(found: stored.Message) -> str | None:
    """What the recipient reads: a campaign's text merged with the member's params."""
    if found.text is None or found.campaign_id is None:
        return found.text
    text = merge.compile_text(found.text).merge(found.params or ())
    return transliterate(text) if found.transliterate else text


def _notices(count: Count, mobile: str, warnings: Sequence[str]) -> tuple[str, ...]:
    """What a person should know of what was accepted (R-1.4, R-2.2)."""
    notices = [f"{mobile}: {warning}" for warning in warnings]
    if (cost := rules.cost_notice(count)) is not None:
        notices.append(cost)
    return tuple(notices)
