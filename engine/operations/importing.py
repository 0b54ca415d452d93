"""Import a file into a list, whole or not at all (R-1.3 to R-1.7, R-1.12).

    file → staged (`staging`) → one merge

Every row has exactly one fate, so that the report balances: rows = imported + already there +
duplicates + blacklisted + opted out + deleted + invalid.

What the fates mean, in the order in which they are tested:

| fate         | what                                            | becomes                         |
| ------------ | ----------------------------------------------- | ------------------------------- |
| invalid      | no number, or params that don't fit             | nothing; alone it stops it all  |
| duplicate    | the number stood in a row above                 | nothing: the first row wins     |
| blacklisted  | is on the application's blacklist, or on all's  | nothing, even when one is kept  |
| opted out    | its newest word, to the list or to all, is out  | nothing, unless kept            |
| deleted      | was deleted from this list by somebody          | nothing: that was on purpose    |
| already there| is a member                                     | gets the row's params, if any   |
| imported     | anything else                                   | a member                        |

Who is a member already and has a fate above that line stays one as it is: what is left out is the
row, not the person.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

from engine.domain.errors import NotFound, Refused, Unreachable
from engine.operations import Actor, application_of, lists
from engine.operations.naming import check_email, check_name, tidy
from engine.operations.reading import Row, Rules, rules_of
from engine.operations.spreadsheet import guarded
from engine.operations.staging import InvalidRows, Read, Source, Tell, check_all_there, staged
from engine.operations.staging import Progress as Progress
from engine.store import audit, imports, outbox, users
from engine.store import lists as stored
from engine.store.db import Database, Tx
from engine.store.imports import Fate
from engine.store.lists import List

T = TypeVar("T")

_MANY = 10_000
"""New members that change which plans are good; a refresh takes some tenths of a second."""


_LONGEST = 100
"""Characters of an invalid value that are mailed: some of them are half a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """What is to be imported, and how.

    `create`: make the list when there is none. `batch` and `email` are set on the list when given.
    `errors`: where every invalid row is written to, as CSV.
    """

    list: str
    file: Path
    create: bool = False
    batch: str | None = None
    email: str | None = None
    keep_opted_out: bool = False
    strict: bool = False
    skip_invalid: bool = False
    errors: Path | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What became of every row (R-1.6). `done` is False when nothing was written.

    `updated` are those of `already_there` that got new params. `prefix_mapped` and `doubtful` cut
    across the fates. `invalid_rows` and `doubtful_rows` are the first few.
    """

    list: str
    created: bool = False
    done: bool = False
    dry_run: bool = False
    rows: int = 0
    imported: int = 0
    already_there: int = 0
    updated: int = 0
    duplicates: int = 0
    blacklisted: int = 0
    opted_out: int = 0
    deleted: int = 0
    invalid: int = 0
    prefix_mapped: int = 0
    doubtful: int = 0
    invalid_rows: tuple[Row, ...] = ()
    doubtful_rows: tuple[Row, ...] = ()
    notices: tuple[str, ...] = ()


class BadRows(InvalidRows):
    """Nothing was imported, because of invalid rows: `report` names them."""

    def __init__(self, read: Read, report: ImportReport) -> None:
        super().__init__("imported", read)
        self.report = report


def import_file(
    database: Database,
    actor: Actor,
    upload: Upload,
    progress: Tell | None = None,
) -> ImportReport:
    """Import `upload` and tell what became of each row.

    Raises Refused, and then nothing was imported: the file can't be read, there is no such list,
    or (`BadRows`) rows are invalid and `skip_invalid` is not set.
    """
    report, _ = import_file_then(
        database, actor, upload, lambda tx, list_id, report: None, progress
    )
    return report


def import_file_then(
    database: Database,
    actor: Actor,
    upload: Upload,
    then: Callable[[Tx, int, ImportReport], T],
    progress: Tell | None = None,
) -> tuple[ImportReport, T | None]:
    """`import_file`, with `then(tx, list_id, report)` in the transaction that merges.

    What `then` raises undoes the import, too. A dry run does not call it.
    """
    return _staged_then(
        database,
        actor,
        upload,
        lambda tx, import_id, read: _merge(tx, actor, upload, import_id, read, then),
        progress,
    )


def sort_file_then(
    database: Database,
    actor: Actor,
    upload: Upload,
    then: Callable[[Tx, ImportReport], T],
    progress: Tell | None = None,
) -> tuple[ImportReport, T]:
    """Read a file and sort its numbers out, as for a new list; `then` does with them what it wants.

    It is called in the transaction that knows them (`imports.new_rows`, `imports.merge_parts`); what
    it raises undoes everything. With `upload.dry_run` nothing is to be written. Raises as
    `import_file` does.
    """

    def sort(tx: Tx, import_id: uuid.UUID, read: Read) -> tuple[ImportReport, T]:
        application = application_of(tx, actor, None if upload.dry_run else "list.import")
        check_all_there(tx, import_id, read)
        report = _sorted_out(tx, application.id, upload, import_id, read, None)
        made = then(tx, report)
        imports.discard(tx, import_id)
        if not upload.dry_run:
            _tell_by_mail(tx, actor, report, read)
        return report, made

    return _staged_then(database, actor, replace(upload, create=True), sort, progress)


def _staged_then(
    database: Database,
    actor: Actor,
    upload: Upload,
    carry_out: Callable[[Tx, uuid.UUID, Read], tuple[ImportReport, T]],
    progress: Tell | None,
) -> tuple[ImportReport, T]:
    """Read and stage a file; `carry_out(tx, import_id, read)` is the transaction that changes things."""
    _check(upload)
    rules = database.run(_prepare, actor, upload)
    source = Source(file=upload.file, skip_invalid=upload.skip_invalid, errors=upload.errors)
    with staged(database, source, rules, progress or (lambda now: None)) as (import_id, read):
        if read.invalid and not upload.skip_invalid:
            report = _as_read(upload, read)
            if not upload.dry_run:
                database.run(_tell_by_mail, actor, report, read)
            raise BadRows(read, report)
        report, made = database.run(carry_out, import_id, read)
    if report.done and report.imported >= _MANY:
        with contextlib.suppress(Unreachable):  # it is done, whatever happens now
            database.run(imports.refresh_statistics)
    return report, made


def _check(upload: Upload) -> None:
    check_name("list", upload.list)
    lists.check_batch(upload.batch)
    if upload.email is not None:
        check_email(upload.email)


def _prepare(tx: Tx, actor: Actor, upload: Upload) -> Rules:
    """Find out before the file is read whether it can be imported at all."""
    application = application_of(tx, actor, "list.import")
    if stored.find(tx, application.id, tidy(upload.list)) is None and not upload.create:
        try:
            lists.get(tx, application.id, upload.list)
        except Refused as error:
            raise NotFound(f"{error}; --create makes it") from None
    imports.discard_stale(tx)
    return rules_of(tx, application.id, strict=upload.strict)


def _as_read(upload: Upload, read: Read) -> ImportReport:
    """The report when the file has been read, before its numbers are compared."""
    return ImportReport(
        list=tidy(upload.list),
        dry_run=upload.dry_run,
        rows=read.rows,
        invalid=read.invalid,
        prefix_mapped=read.prefix_mapped,
        doubtful=read.doubtful,
        invalid_rows=read.invalid_rows,
        doubtful_rows=read.doubtful_rows,
        notices=read.notices,
    )


def _merge(
    tx: Tx,
    actor: Actor,
    upload: Upload,
    import_id: uuid.UUID,
    read: Read,
    then: Callable[[Tx, int, ImportReport], T],
) -> tuple[ImportReport, T | None]:
    """The one transaction that changes the list, or, in a dry run, only looks."""
    application = application_of(tx, actor, "list.import")
    target, created = _target(tx, application.id, actor, upload)
    check_all_there(tx, import_id, read)
    report = _sorted_out(tx, application.id, upload, import_id, read, target.id if target else None)
    report = replace(report, created=created, done=False)
    if target is None or upload.dry_run:
        imports.discard(tx, import_id)
        return report, None
    merged = imports.merge(tx, import_id, target.id)
    report = replace(report, done=True, imported=merged.imported, updated=merged.updated)
    audit.record(
        tx,
        application_id=application.id,
        by=actor.by,
        action="list.import",
        object=target.name,
        after={"file": upload.file.name, **_counts(report)},
    )
    _tell_by_mail(tx, actor, report, read)
    return report, then(tx, target.id, report)


def _sorted_out(
    tx: Tx,
    application_id: int,
    upload: Upload,
    import_id: uuid.UUID,
    read: Read,
    list_id: int | None,
) -> ImportReport:
    """The report when the numbers have been compared; `done` as if what is new were written."""
    fates = imports.sort_out(
        tx,
        import_id,
        application_id=application_id,
        list_id=list_id,
        keep_opted_out=upload.keep_opted_out,
    )
    return replace(
        _as_read(upload, read),
        created=list_id is None,
        done=not upload.dry_run,
        imported=fates[Fate.NEW],
        already_there=fates[Fate.THERE],
        blacklisted=fates[Fate.BLACKLISTED],
        opted_out=fates[Fate.OPTED_OUT],
        deleted=fates[Fate.DELETED],
        duplicates=read.good - sum(fates.values()),
    )


def _tell_by_mail(tx: Tx, actor: Actor, report: ImportReport, read: Read) -> None:
    """Mail the report to who ran the import, when their address is known."""
    application = application_of(tx, actor)
    user = users.find(tx, application.id, actor.by)
    if user is not None and user.email is not None:
        told = {
            "by": user.name,
            "report": asdict(replace(report, invalid_rows=(), doubtful_rows=())),
            "errors": [(row.line, _mailable(row.value), row.reason) for row in read.mailed_rows],
        }
        outbox.report(tx, application.id, user.email, told)


def _mailable(value: str) -> str:
    """What JSON and a mail can hold of what stood in a file."""
    text = value[:_LONGEST].replace("\0", "\N{REPLACEMENT CHARACTER}")
    return guarded(text.encode("utf-8", "replace").decode())


def _counts(report: ImportReport) -> dict[str, int]:
    """What the log holds of an import: numbers, not numbers of people."""
    counted = {key: getattr(report, key) for key in ImportReport.__dataclass_fields__}
    return {key: value for key, value in counted.items() if type(value) is int and value}


def _target(tx: Tx, application_id: int, actor: Actor, upload: Upload) -> tuple[List | None, bool]:
    """The list, locked, and whether it was made (or would be) for this import."""
    if upload.create and stored.find(tx, application_id, tidy(upload.list)) is None:
        if upload.dry_run:
            return None, True
        # Another import may make it at the same moment: then this one waits, and goes into it.
        imports.be_patient(tx)
        if made := lists.create_if_new(tx, actor, upload.list, upload.batch, upload.email):
            return made, True
    target = lists.get_locked(tx, application_id, upload.list, patient=True)
    batch = lists.check_batch(upload.batch) or target.batch
    email = check_email(upload.email) if upload.email else target.email
    changed = replace(target, batch=batch, email=email)
    if not upload.dry_run:
        lists.describe(tx, application_id, actor, target, changed)
    return changed, False
