"""Senders: add, change, delete; which one is meant when none is said (R-2.6)."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable
from typing import Any

from engine.domain import routing
from engine.domain.errors import Refused
from engine.domain.routing import Matching
from engine.domain.suggest import did_you_mean
from engine.operations import Actor, application_of
from engine.store import audit, senders
from engine.store.db import Tx
from engine.store.senders import Sender

# What an address looks like → its type of number and numbering plan (SMPP 3.4 §5.2.5, §5.2.6).
# The first that fits counts. A number without a plus may be national, so nothing is claimed of it.
_KINDS: tuple[tuple[re.Pattern[str], int, int], ...] = (
    (re.compile(r"\+[1-9][0-9]{6,14}"), 1, 1),  # international, E.164
    (re.compile(r"[0-9]{3,6}"), 3, 0),  # short code: network specific
    (re.compile(r"[0-9]{7,15}"), 0, 1),  # a number of unknown type, E.164
    (re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 &'._-]{1,11}"), 5, 0),  # alphanumeric mask
)
_HOW = (
    "a sender is a short code (3774), a number in international format (+64211234567), "
    "or a mask of at most 11 letters and digits (Siaran)"
)


def unrouted(tx: Tx, routes: Iterable[Matching]) -> list[tuple[str, str]]:
    """The senders (address, application) that no route is for: what they send waits (R-5.5)."""
    return routing.unrouted(senders.everybodys(tx), routes)


def add(
    tx: Tx,
    actor: Actor,
    address: str,
    *,
    ton: int | None = None,
    npi: int | None = None,
    dedicated: bool = False,
    default: bool = False,
) -> Sender:
    """Add a sender; the first of an application becomes its default.

    TON and NPI follow from the address unless they are given. Raises Refused for an address that
    is none, is there already, or belongs to another application.
    """
    application = application_of(tx, actor, "sender.add")
    address = address.strip()
    kind_ton, kind_npi = _kind(address)
    ton, npi = kind_ton if ton is None else ton, kind_npi if npi is None else npi
    if senders.find(tx, application.id, address):
        raise Refused(f"sender {address} is there already; change it with `sender edit`")
    _check_alone(tx, application.id, address, ton=ton, dedicated=dedicated)
    if not senders.insert(tx, application.id, address, ton=ton, npi=npi, dedicated=dedicated):
        raise Refused(
            f"sender {address} has just been added by somebody else; look with `sender ls`"
        )
    if default or len(senders.of_application(tx, application.id)) == 1:
        senders.make_default(tx, application.id, address)
    added = get(tx, application.id, address)
    _log(tx, application.id, actor, "sender.add", address, after=added)
    return added


def edit(
    tx: Tx,
    actor: Actor,
    address: str,
    *,
    ton: int | None = None,
    npi: int | None = None,
    dedicated: bool | None = None,
    default: bool = False,
) -> Sender:
    """Change what is given. Raises Refused for an unknown sender, or one of somebody else."""
    application = application_of(tx, actor, "sender.edit")
    before = get(tx, application.id, address)
    ton, npi = before.ton if ton is None else ton, before.npi if npi is None else npi
    dedicated = before.dedicated if dedicated is None else dedicated
    _check_alone(tx, application.id, before.address, ton=ton, dedicated=dedicated)
    senders.update(tx, application.id, before.address, ton=ton, npi=npi, dedicated=dedicated)
    if default:
        senders.make_default(tx, application.id, before.address)
    after = get(tx, application.id, before.address)
    _log(tx, application.id, actor, "sender.edit", before.address, before=before, after=after)
    return after


def delete(tx: Tx, actor: Actor, address: str) -> Sender:
    """Remove a sender; what it was. Raises Refused for the default, and while campaigns need it."""
    application = application_of(tx, actor, "sender.delete")
    sender = get(tx, application.id, address)
    if sender.is_default:
        raise Refused(
            f"sender {sender.address} is the default; first make another one the default: "
            "`sender edit ADDRESS --default`"
        )
    if waiting := senders.open_campaigns(tx, application.id, sender.address):
        numbers = ", ".join(map(str, waiting))
        raise Refused(
            f"sender {sender.address} is still needed by campaign {numbers}; cancel it or wait"
        )
    senders.delete(tx, application.id, sender.address)
    _log(tx, application.id, actor, "sender.delete", sender.address, before=sender)
    return sender


def ls(tx: Tx, actor: Actor) -> list[Sender]:
    """All senders of the application, the default first."""
    return senders.of_application(tx, application_of(tx, actor).id)


def get(tx: Tx, application_id: int, address: str | None) -> Sender:
    """The sender of that address, or the default for None. Raises Refused when there is none."""
    known = senders.of_application(tx, application_id)
    wanted: Callable[[Sender], bool] = (
        (lambda s: s.is_default) if address is None else (lambda s: s.address == address.strip())
    )
    sender = next(filter(wanted, known), None)
    if sender is not None:
        return sender
    if address is None:
        raise Refused("the application has no sender; add one: `sender add ADDRESS --default`")
    meant = did_you_mean(address, (s.address for s in known))
    raise Refused(f'sender "{address.strip()}" not found{meant or "; see `sender ls`"}')


def _kind(address: str) -> tuple[int, int]:
    for pattern, ton, npi in _KINDS:
        if pattern.fullmatch(address):
            return ton, npi
    raise Refused(f"sender {address[:40]!a} can't be an address: {_HOW}")


def _check_alone(tx: Tx, application_id: int, address: str, *, ton: int, dedicated: bool) -> None:
    if dedicated and ton == 5:
        raise Refused(
            f"sender {address} is a mask: nobody can answer it, so it can't be dedicated to replies"
        )
    if senders.elsewhere(tx, application_id, address, dedicated=dedicated):
        raise Refused(
            f"sender {address} is in use by another application; a dedicated one belongs to one"
        )


def _log(
    tx: Tx,
    application_id: int,
    actor: Actor,
    action: str,
    address: str,
    *,
    before: Sender | None = None,
    after: Sender | None = None,
) -> None:
    audit.record(
        tx,
        application_id=application_id,
        by=actor.by,
        action=action,
        object=address,
        before=_facts(before),
        after=_facts(after),
    )


def _facts(sender: Sender | None) -> dict[str, Any] | None:
    if sender is None:
        return None
    facts = dataclasses.asdict(sender)
    del facts["address"], facts["created_at"]
    return facts
