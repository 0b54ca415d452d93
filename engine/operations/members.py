"""Members, one by one: add, edit, find, delete, restore, opt out, opt in (R-1.2, R-1.10, R-6.7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.domain.csvfile import CONTROL, fault_of
from engine.domain.errors import NotFound, Refused
from engine.operations import Actor, application_of, lists
from engine.operations.reading import number_of
from engine.store import audit, blacklist, consent, members, skipping
from engine.store.consent import Event
from engine.store.db import Tx
from engine.store.lists import List
from engine.store.members import Member

LONGEST_REASON = 500
"""Characters of a reason: it is read in the log, years later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """A member that was added; `restored` when it had been deleted from the list before."""

    list: str
    mobile: str
    params: tuple[str, ...]
    restored: bool
    opted_out: bool
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A member as it is after a change. `member` is False for a number that is not in the list.

    `notices` are for the person: what the change does not do.
    """

    list: str
    mobile: str
    params: tuple[str, ...]
    member: bool
    deleted: bool
    opted_out: bool
    notices: tuple[str, ...]


def add(
    tx: Tx,
    actor: Actor,
    list_name: str,
    number: str,
    params: Sequence[str] = (),
    *,
    keep_opted_out: bool = False,
) -> Added:
    """Add one member: the number is cleaned and checked as in an import (R-1.4).

    One that was deleted from the list is a member again, with these params: whoever types a
    number means it. Raises Refused for an invalid number or params, for a member that is there
    already, for one on the blacklist, and, unless `keep_opted_out`, for one who has opted out.
    """
    application = application_of(tx, actor, "member.add")
    cleaned = number_of(tx, application.id, number)
    target = lists.get_locked(tx, application.id, list_name)
    mobile, values = cleaned.mobile, _params(params)
    known = members.find(tx, application.id, target.id, mobile)
    if known is not None and known.deleted_at is None:
        raise Refused(f'{mobile} is in list "{target.name}" already; change it with `member edit`')
    if blacklist.blacklisted(tx, application.id, [mobile]):
        raise Refused(f"{mobile} is on the blacklist: nothing is ever sent to it")
    opted_out = consent.newest(tx, application.id, mobile, target.id) is Event.OUT
    if opted_out and not keep_opted_out:
        raise Refused(
            f"{mobile} has opted out; with --keep-opted-out it is a member that nothing is sent to"
        )
    before: dict[str, Any] | None = None
    if known is None:
        members.insert(tx, target.id, mobile, values)
    else:
        members.revive(tx, target.id, mobile, values)
        before = {"deleted_at": str(known.deleted_at), "params": known.params}
    _log(tx, application.id, actor, "member.add", target, mobile, before, {"params": list(values)})
    return Added(
        list=target.name,
        mobile=mobile,
        params=values,
        restored=known is not None,
        opted_out=opted_out,
        warnings=cleaned.warnings,
    )


def edit(tx: Tx, actor: Actor, list_name: str, number: str, params: Sequence[str] = ()) -> Changed:
    """Give a member other params, all of them at once; none is none.

    Raises Refused for who is no member, and for params that don't fit. A campaign that has begun
    sends what it found at its start.
    """
    application = application_of(tx, actor, "member.edit")
    values = _params(params)
    target = lists.get_locked(tx, application.id, list_name)
    before = _member(tx, application.id, target, number)
    members.change(tx, before.id, target.id, values)
    _log(
        tx,
        application.id,
        actor,
        "member.edit",
        target,
        before.mobile,
        {"params": before.params},
        {"params": list(values)},
    )
    return _changed(target, members.find(tx, application.id, target.id, before.mobile))


def delete(tx: Tx, actor: Actor, list_name: str, number: str, *, for_ever: bool = False) -> Changed:
    """Delete a member; it can be restored, unless `for_ever`. What was it, in either case.

    Campaigns that run to the list send it nothing more from now on (R-3.7). Raises Refused for who
    is no member; `for_ever` takes one that was deleted before, too.
    """
    application = application_of(tx, actor, "member.delete")
    target = lists.get_locked(tx, application.id, list_name)
    before = _member(tx, application.id, target, number, deleted=for_ever)
    (members.delete_for_ever if for_ever else members.delete)(tx, before.id, target.id)
    _log(
        tx,
        application.id,
        actor,
        "member.delete",
        target,
        before.mobile,
        {"params": before.params},
        {"for_ever": for_ever},
    )
    skipping.skip_deleted(tx, application.id, target.id)
    after = members.find(tx, application.id, target.id, before.mobile)
    return _changed(target, after) if after else _changed(target, before, member=False)


def restore(
    tx: Tx, actor: Actor, list_name: str, number: str, *, reason: str | None = None
) -> Changed:
    """Take a deletion back. Raises Refused for who was not deleted, or was deleted for ever."""
    application = application_of(tx, actor, "member.restore")
    reason = check_reason(reason)
    target = lists.get_locked(tx, application.id, list_name)
    before = _member(tx, application.id, target, number, deleted=True)
    if before.deleted_at is None:
        raise Refused(f'{before.mobile} is a member of list "{target.name}": it is not deleted')
    members.restore(tx, before.id, target.id)
    _log(
        tx,
        application.id,
        actor,
        "member.restore",
        target,
        before.mobile,
        {"deleted_at": str(before.deleted_at)},
        {"reason": reason},
    )
    after = members.find(tx, application.id, target.id, before.mobile)
    notices = []
    if before.opted_out:
        notices.append(f"{before.mobile} has opted out: nothing is sent to it")
    return _changed(target, after, *notices)


def optout(
    tx: Tx,
    actor: Actor,
    list_name: str,
    number: str,
    *,
    everywhere: bool = False,
    reason: str | None = None,
) -> Changed:
    """Write down that a number wants no more messages to a list, or `everywhere` in the application.

    A number that is not in the list is opted out from it all the same: an import of it later leaves
    it out. Raises Refused for who has opted out already.
    """
    application = application_of(tx, actor, "member.optout")
    reason = check_reason(reason)
    mobile = number_of(tx, application.id, number).mobile
    target = lists.get_locked(tx, application.id, list_name)
    if everywhere:
        already = consent.out_of_all(tx, application.id, mobile)
    else:
        already = consent.newest(tx, application.id, mobile, target.id) is Event.OUT
    if already:
        raise Refused(f"{mobile} has opted out already, of {_from(target, everywhere)}")
    _say(tx, application.id, actor, target, mobile, Event.OUT, everywhere, reason)
    after = members.find(tx, application.id, target.id, mobile)
    if after is None:
        notice = f'{mobile} is not in list "{target.name}"; its opt-out counts when it comes'
        return _stranger(target, mobile, notice, opted_out=True)
    return _changed(target, after)


def optin(
    tx: Tx,
    actor: Actor,
    list_name: str,
    number: str,
    *,
    everywhere: bool = False,
    reason: str | None,
) -> Changed:
    """Undo an opt-out that was a mistake, with the reason, for a list or `everywhere` (R-6.7).

    Raises Refused without a reason, and for who has not opted out.
    """
    application = application_of(tx, actor, "member.optin")
    reason = check_reason(reason)
    if reason is None:
        raise Refused("say why it is right to send to somebody who has opted out: --reason TEXT")
    mobile = number_of(tx, application.id, number).mobile
    target = lists.get_locked(tx, application.id, list_name)
    if (
        consent.newest(tx, application.id, mobile, None if everywhere else target.id)
        is not Event.OUT
    ):
        raise Refused(f"{mobile} has not opted out of {_from(target, everywhere)}")
    _say(tx, application.id, actor, target, mobile, Event.IN, everywhere, reason)
    notices = []
    if blacklist.blacklisted(tx, application.id, [mobile]):
        notices.append(
            f"{mobile} is on the blacklist all the same: `blacklist remove` takes it off"
        )
    after = members.find(tx, application.id, target.id, mobile)
    if after is None:
        notices.append(f'{mobile} is not in list "{target.name}"')
        return _stranger(target, mobile, *notices, opted_out=False)
    if after.deleted_at is not None:
        notices.append(f"{mobile} is deleted from the list all the same: `member restore`")
    return _changed(target, after, *notices)


def search(
    tx: Tx,
    actor: Actor,
    list_name: str,
    *,
    mobile: str | None = None,
    opted_out: bool | None = None,
    deleted: bool | None = False,
    limit: int | None = None,
    after_id: int = 0,
) -> list[Member]:
    """The first `limit` members that match, in order of joining; `after_id` for the next page.

    `mobile` is a full number or a part of one, blanks and dashes in it don't count; None for
    `opted_out` and `deleted` is any. Raises Refused for an unknown list, or a part without digits.
    """
    application = application_of(tx, actor)
    return members.search(
        tx,
        application.id,
        lists.get(tx, application.id, list_name).id,
        part=None if mobile is None else part_of(mobile),
        opted_out=opted_out,
        deleted=deleted,
        limit=limit,
        after_id=after_id,
    )


def part_of(text: str) -> str:
    """The part of a number that is looked for. Raises Refused when there is no digit in it."""
    part = "".join(c for c in text if c.isdecimal() and c.isascii())
    if not part:
        raise Refused(f"--mobile {text[:40]!a}: give some digits of the number")
    return "+" + part if text.strip().startswith("+") else part


def _member(
    tx: Tx, application_id: int, target: List, number: str, *, deleted: bool = False
) -> Member:
    """The member of that number; one that is deleted only when such are asked for."""
    mobile = number_of(tx, application_id, number).mobile
    found = members.find(tx, application_id, target.id, mobile)
    if found is None:
        raise NotFound(f'{mobile} is not in list "{target.name}"; see `member search`')
    if found.deleted_at is not None and not deleted:
        raise Refused(
            f'{mobile} is deleted from list "{target.name}"; `member restore` brings it back'
        )
    return found


def _params(params: Sequence[str]) -> tuple[str, ...]:
    """The params as an import would take them (R-1.3)."""
    values = [param.strip() for param in params]
    while values and not values[-1]:
        values.pop()
    if (reason := fault_of(values)) is not None:
        raise Refused(reason)
    return tuple(values)


def check_reason(reason: str | None) -> str | None:
    text = (reason or "").strip()
    if len(text) > LONGEST_REASON:
        raise Refused(f"the reason has {len(text)} characters; at most {LONGEST_REASON}")
    if strange := CONTROL.search(text):
        raise Refused(f"the reason holds the control character {strange[0]!a}")
    return text or None


def _from(target: List, everywhere: bool) -> str:
    return "all of the application" if everywhere else f'list "{target.name}"'


def _say(
    tx: Tx,
    application_id: int,
    actor: Actor,
    target: List,
    mobile: str,
    event: Event,
    everywhere: bool,
    reason: str | None,
) -> None:
    """Write an event down, with its log line."""
    consent.say(
        tx,
        application_id,
        mobile,
        None if everywhere else target.id,
        event,
        origin="manual",
        by=actor.by,
        reason=reason,
    )
    _log(
        tx,
        application_id,
        actor,
        "member.optout" if event is Event.OUT else "member.optin",
        target,
        mobile,
        {"opted_out": event is Event.IN},
        {"opted_out": event is Event.OUT, "everywhere": everywhere, "reason": reason},
    )


def _changed(target: List, one: Member | None, *notices: str, member: bool = True) -> Changed:
    assert one is not None, "the list is locked: nobody else can have removed it"
    return Changed(
        list=target.name,
        mobile=one.mobile,
        params=tuple(one.params),
        member=member,
        deleted=one.deleted_at is not None,
        opted_out=one.opted_out,
        notices=notices,
    )


def _stranger(target: List, mobile: str, *notices: str, opted_out: bool) -> Changed:
    return Changed(
        list=target.name,
        mobile=mobile,
        params=(),
        member=False,
        deleted=False,
        opted_out=opted_out,
        notices=notices,
    )


def _log(
    tx: Tx,
    application_id: int,
    actor: Actor,
    action: str,
    target: List,
    mobile: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
) -> None:
    audit.record(
        tx,
        application_id=application_id,
        by=actor.by,
        action=action,
        object=f"{target.name} {mobile}",
        before=before,
        after=after,
    )
