"""The blacklist: who is never sent to; add, remove, import, find, download (R-6.4).

An application has its own, and the installation has one that counts in every application. What is
done to that one stands in the log of all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from engine.domain.errors import NotFound, Refused
from engine.operations import Actor, application_of
from engine.operations.member_files import BadNumbers as BadNumbers
from engine.operations.members import check_reason, part_of
from engine.operations.reading import Row, Rules, number_of, rules_of
from engine.operations.staging import Read, Source, Tell, check_all_there, staged
from engine.store import audit, blacklist, imports
from engine.store.blacklist import Entry, Origin
from engine.store.db import Database, Tx

_PAGE = 10_000
"""Entries read in one transaction of a download: a tenth of a second, and flat memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What became of every row: rows = added + already there + duplicates + invalid."""

    everywhere: bool
    done: bool
    dry_run: bool
    rows: int
    added: int
    already_there: int
    duplicates: int
    invalid: int
    prefix_mapped: int
    invalid_rows: tuple[Row, ...]
    notices: tuple[str, ...]


def add(
    tx: Tx,
    actor: Actor,
    number: str,
    *,
    everywhere: bool = False,
    reason: str | None = None,
) -> Entry:
    """Put a number on the application's blacklist, or on the installation's.

    One that its own SMS put there is there by hand from now on: only a hand takes it off. Raises
    Refused for what is no number, and for one that is there by hand already.
    """
    application = application_of(tx, actor, "blacklist.add")
    reason = check_reason(reason)
    where = None if everywhere else application.id
    mobile = number_of(tx, application.id, number).mobile
    before = blacklist.find(tx, where, mobile)
    if not blacklist.add(tx, where, mobile, Origin.MANUAL, by=actor.by, reason=reason):
        raise Refused(f"{mobile} is on {_name(everywhere)} already")
    after = blacklist.find(tx, where, mobile)
    assert after is not None
    _log(tx, where, actor, "blacklist.add", mobile, before=before, after=after)
    return after


def remove(
    tx: Tx,
    actor: Actor,
    number: str,
    *,
    everywhere: bool = False,
    reason: str | None = None,
) -> Entry:
    """Take a number off a blacklist; what it was. What it has said (consent) stays.

    Raises Refused for one that is not on it, telling where else it is.
    """
    application = application_of(tx, actor, "blacklist.remove")
    reason = check_reason(reason)
    where = None if everywhere else application.id
    mobile = number_of(tx, application.id, number).mobile
    before = blacklist.find(tx, where, mobile)
    if before is None:
        other = blacklist.find(tx, application.id if everywhere else None, mobile)
        hint = ""
        if other is not None:
            which = "take off with --all-apps" if other.everywhere else "leave --all-apps out"
            hint = f", but on {_name(other.everywhere)}: {which}"
        raise NotFound(f"{mobile} is not on {_name(everywhere)}{hint}")
    blacklist.remove(tx, where, mobile)
    audit.record(
        tx,
        application_id=where,
        by=actor.by,
        action="blacklist.remove",
        object=mobile,
        before=_facts(before),
        after={"reason": reason},
    )
    return before


def import_file(
    database: Database,
    actor: Actor,
    source: Source,
    *,
    everywhere: bool = False,
    reason: str | None = None,
    dry_run: bool = False,
    tell: Tell | None = None,
) -> Imported:
    """Put the numbers in column 1 of a file on a blacklist, all or none.

    Raises Refused when the file can't be read, BadNumbers for invalid rows; then none is on it.
    """
    reason = check_reason(reason)
    rules = database.run(_prepare, actor)
    with staged(database, source, rules, tell or (lambda now: None)) as (import_id, read):
        if read.invalid and not source.skip_invalid:
            raise BadNumbers("imported", read)

        def write(tx: Tx) -> Imported:
            return _import(tx, actor, source, import_id, read, everywhere, reason, dry_run)

        return database.run(write)


def search(
    tx: Tx,
    actor: Actor,
    *,
    mobile: str | None = None,
    limit: int | None = None,
    before_id: int | None = None,
) -> list[Entry]:
    """The newest `limit` entries that count in the application, whose number holds `mobile`.

    `before_id` is for the next page.
    """
    application = application_of(tx, actor)
    part = None if mobile is None else part_of(mobile)
    return blacklist.search(tx, application.id, part=part, limit=limit, before_id=before_id)


def entries(database: Database, actor: Actor, *, mobile: str | None = None) -> Iterator[Entry]:
    """All entries that count in the application and match, in the order in which they came.

    Read in pages, each its own transaction. Raises Refused at once when there is a reason to.
    """
    application = database.run(application_of, actor)
    return _pages(database, application.id, None if mobile is None else part_of(mobile))


def _pages(database: Database, application_id: int, part: str | None) -> Iterator[Entry]:
    last = 0
    while page := database.run(blacklist.page, application_id, part, after_id=last, rows=_PAGE):
        yield from page
        last = page[-1].id


def _prepare(tx: Tx, actor: Actor) -> Rules:
    application = application_of(tx, actor, "blacklist.import")
    imports.discard_stale(tx)
    return rules_of(tx, application.id)


def _import(
    tx: Tx,
    actor: Actor,
    source: Source,
    import_id: UUID,
    read: Read,
    everywhere: bool,
    reason: str | None,
    dry_run: bool,
) -> Imported:
    application = application_of(tx, actor, "blacklist.import")
    where = None if everywhere else application.id
    check_all_there(tx, import_id, read)
    if dry_run:
        numbers, added = blacklist.count_staged(tx, import_id, where)
    else:
        numbers, added = blacklist.add_staged(tx, import_id, where, by=actor.by, reason=reason)
        audit.record(
            tx,
            application_id=where,
            by=actor.by,
            action="blacklist.import",
            object=source.file.name,
            after={"added": added, "everywhere": everywhere, "reason": reason},
        )
    imports.discard(tx, import_id)
    return Imported(
        everywhere=everywhere,
        done=not dry_run,
        dry_run=dry_run,
        rows=read.rows,
        added=added,
        already_there=numbers - added,
        duplicates=read.good - numbers,
        invalid=read.invalid,
        prefix_mapped=read.prefix_mapped,
        invalid_rows=read.invalid_rows,
        notices=read.notices,
    )


def _name(everywhere: bool) -> str:
    return "the blacklist of all applications" if everywhere else "the application's blacklist"


def _facts(entry: Entry) -> Mapping[str, Any]:
    return {
        "origin": entry.origin.value,
        "everywhere": entry.everywhere,
        "by": entry.by,
        "reason": entry.reason,
    }


def _log(
    tx: Tx,
    application_id: int | None,
    actor: Actor,
    action: str,
    mobile: str,
    *,
    before: Entry | None,
    after: Entry,
) -> None:
    audit.record(
        tx,
        application_id=application_id,
        by=actor.by,
        action=action,
        object=mobile,
        before=None if before is None else _facts(before),
        after=_facts(after),
    )
