"""Members by file: delete those that it names for ever, opt them out (R-1.8).

Only the first column counts. As with an import, nothing is done by halves: an invalid row ends it
all unless those are left out, and what is done is one transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from engine.operations import Actor, application_of, lists
from engine.operations.members import check_reason
from engine.operations.reading import Row, Rules, rules_of
from engine.operations.staging import InvalidRows, Read, Source, Tell, check_all_there, staged
from engine.store import audit, consent, imports, members, skipping
from engine.store.db import Database, Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """What became of every row: rows = deleted + not in list + duplicates + invalid.

    `deleted` are members, those included that were deleted one by one; gone when it is `done`.
    """

    list: str
    done: bool
    dry_run: bool
    rows: int
    deleted: int
    not_in_list: int
    duplicates: int
    invalid: int
    prefix_mapped: int
    invalid_rows: tuple[Row, ...]
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OptedOut:
    """What became of every row: rows = opted out + already + duplicates + invalid.

    `not_in_list` cut across the first two: numbers that are not in the list and count all the same.
    """

    list: str
    everywhere: bool
    done: bool
    dry_run: bool
    rows: int
    opted_out: int
    already: int
    not_in_list: int
    duplicates: int
    invalid: int
    prefix_mapped: int
    invalid_rows: tuple[Row, ...]
    notices: tuple[str, ...]


class BadNumbers(InvalidRows):
    """Nothing was done, because of invalid rows: `read` names them."""

    def __init__(self, done: str, read: Read) -> None:
        super().__init__(done, read)
        self.read = read


def delete(
    database: Database,
    actor: Actor,
    list_name: str,
    source: Source,
    *,
    dry_run: bool = False,
    confirm: Callable[[Deleted], None] | None = None,
    tell: Tell | None = None,
) -> Deleted:
    """Delete the members that a file names, for ever; what they have said stays.

    `confirm` is asked when it is known what will be deleted; what it raises ends it. Raises Refused,
    BadNumbers; then nothing was deleted.
    """
    rules = database.run(_prepare, actor, list_name, "member.delete")
    with staged(database, source, rules, tell or (lambda now: None)) as (import_id, read):
        if read.invalid and not source.skip_invalid:
            raise BadNumbers("deleted", read)
        found = database.run(_count, actor, list_name, import_id, read, dry_run)
        if dry_run:
            database.run(imports.discard, import_id)
            return found
        if confirm is not None:
            confirm(found)
        return database.run(_delete, actor, list_name, source, import_id, read)


def optout(
    database: Database,
    actor: Actor,
    list_name: str,
    source: Source,
    *,
    everywhere: bool = False,
    reason: str | None = None,
    dry_run: bool = False,
    tell: Tell | None = None,
) -> OptedOut:
    """Opt the numbers that a file names out of a list, or `everywhere` in the application.

    Raises Refused, BadNumbers; then nothing was written.
    """
    reason = check_reason(reason)
    rules = database.run(_prepare, actor, list_name, "member.optout")
    with staged(database, source, rules, tell or (lambda now: None)) as (import_id, read):
        if read.invalid and not source.skip_invalid:
            raise BadNumbers("opted out", read)

        def write(tx: Tx) -> OptedOut:
            return _opt_out(
                tx, actor, list_name, source, import_id, read, everywhere, reason, dry_run
            )

        return database.run(write)


def _prepare(tx: Tx, actor: Actor, list_name: str, action: str) -> Rules:
    application = application_of(tx, actor, action)
    lists.get(tx, application.id, list_name)
    imports.discard_stale(tx)
    return rules_of(tx, application.id)


def _count(
    tx: Tx, actor: Actor, list_name: str, import_id: UUID, read: Read, dry_run: bool
) -> Deleted:
    target = lists.get(tx, application_of(tx, actor).id, list_name)
    numbers, found = members.count_staged(tx, import_id, target.id)
    return _deleted(target.name, read, numbers, found, done=False, dry_run=dry_run)


def _delete(
    tx: Tx, actor: Actor, list_name: str, source: Source, import_id: UUID, read: Read
) -> Deleted:
    application = application_of(tx, actor, "member.delete")
    target = lists.get_locked(tx, application.id, list_name, patient=True)
    check_all_there(tx, import_id, read)
    numbers, _ = members.count_staged(tx, import_id, target.id)
    gone = members.delete_staged(tx, import_id, target.id)
    imports.discard(tx, import_id)
    audit.record(
        tx,
        application_id=application.id,
        by=actor.by,
        action="member.delete",
        object=target.name,
        before={"members": gone},
        after={"file": source.file.name, "for_ever": True},
    )
    skipping.skip_deleted(tx, application.id, target.id)
    return _deleted(target.name, read, numbers, gone, done=True, dry_run=False)


def _deleted(
    name: str, read: Read, numbers: int, found: int, *, done: bool, dry_run: bool
) -> Deleted:
    return Deleted(
        list=name,
        done=done,
        dry_run=dry_run,
        rows=read.rows,
        deleted=found,
        not_in_list=numbers - found,
        duplicates=read.good - numbers,
        invalid=read.invalid,
        prefix_mapped=read.prefix_mapped,
        invalid_rows=read.invalid_rows,
        notices=read.notices,
    )


def _opt_out(
    tx: Tx,
    actor: Actor,
    list_name: str,
    source: Source,
    import_id: UUID,
    read: Read,
    everywhere: bool,
    reason: str | None,
    dry_run: bool,
) -> OptedOut:
    application = application_of(tx, actor, "member.optout")
    target = lists.get_locked(tx, application.id, list_name, patient=True)
    check_all_there(tx, import_id, read)
    said = consent.opt_out_staged(
        tx,
        import_id,
        application.id,
        target.id,
        everywhere=everywhere,
        by=actor.by,
        reason=reason,
        dry_run=dry_run,
    )
    imports.discard(tx, import_id)
    if not dry_run:
        audit.record(
            tx,
            application_id=application.id,
            by=actor.by,
            action="member.optout",
            object=target.name,
            after={
                "file": source.file.name,
                "opted_out": said.new,
                "everywhere": everywhere,
                "reason": reason,
            },
        )
    return OptedOut(
        list=target.name,
        everywhere=everywhere,
        done=not dry_run,
        dry_run=dry_run,
        rows=read.rows,
        opted_out=said.new,
        already=said.numbers - said.new,
        not_in_list=said.not_in_list,
        duplicates=read.good - said.numbers,
        invalid=read.invalid,
        prefix_mapped=read.prefix_mapped,
        invalid_rows=read.invalid_rows,
        notices=read.notices,
    )
