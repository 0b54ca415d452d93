"""Import a file into a list, whole or not at all (R-1.3 to R-1.7, R-1.12).

    file → rows → numbers cleaned → staged, 20,000 a transaction → one merge

However long the file is, memory holds one chunk of it. Every row has exactly one fate, so that the
report balances: rows = imported + already there + duplicates + opted out + deleted + invalid.

What the fates mean, in the order in which they are tested:

| fate         | what                                            | becomes                         |
| ------------ | ----------------------------------------------- | ------------------------------- |
| invalid      | no number, or params that don't fit             | nothing; alone it stops it all  |
| duplicate    | the number stood in a row above                 | nothing: the first row wins     |
| opted out    | its newest word, to the list or to all, is out  | nothing, unless kept            |
| deleted      | was deleted from this list by somebody          | nothing: that was on purpose    |
| already there| is a member                                     | gets the row's params, if any   |
| imported     | anything else                                   | a member                        |
"""

from __future__ import annotations

import contextlib
import itertools
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from engine.domain import csvfile
from engine.domain.errors import Refused, Unreachable
from engine.domain.numbers import PrefixMaps
from engine.operations import Actor, application_of, lists, prefixes
from engine.operations.naming import check_email, check_name
from engine.operations.reading import Reading, Row, errors_file, good_rows
from engine.store import audit, imports
from engine.store import lists as stored
from engine.store.db import Database, Tx
from engine.store.imports import Fate
from engine.store.lists import List

T = TypeVar("T")

_CHUNK = 20_000
"""Rows a transaction: a fifth of a second, and some ten megabytes of memory."""

_MANY = 10_000
"""New members that change which plans are good; a refresh takes some tenths of a second."""


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

    `updated` are those of `already_there` that got new params, `opted_out_kept` those of the
    members that `keep_opted_out` let in. `prefix_mapped` and `doubtful` cut across the fates.
    `invalid_rows` and `doubtful_rows` are the first few.
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
    opted_out: int = 0
    deleted: int = 0
    invalid: int = 0
    prefix_mapped: int = 0
    doubtful: int = 0
    invalid_rows: tuple[Row, ...] = ()
    doubtful_rows: tuple[Row, ...] = ()
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an import is: rows read so far, and octets of the file. `merging` comes last."""

    rows: int
    octets: int
    size: int
    merging: bool = False


class BadRows(Refused):
    """Nothing was imported, because of invalid rows: `report` names them."""

    def __init__(self, message: str, report: ImportReport) -> None:
        super().__init__(message)
        self.report = report


def import_file(
    database: Database,
    actor: Actor,
    upload: Upload,
    progress: Callable[[Progress], None] | None = None,
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
    progress: Callable[[Progress], None] | None = None,
) -> tuple[ImportReport, T | None]:
    """`import_file`, with `then(tx, list_id, report)` in the transaction that merges.

    What `then` raises undoes the import, too. A dry run does not call it.
    """
    _check(upload)
    maps = database.run(_prepare, actor, upload)
    file = csvfile.read(upload.file)
    size = upload.file.stat().st_size
    import_id, reading = uuid.uuid4(), Reading()
    tell = progress or (lambda now: None)
    try:
        with errors_file(upload.errors) as write_error:
            good = good_rows(
                iter(file), maps, strict=upload.strict, reading=reading, write_error=write_error
            )
            while chunk := list(itertools.islice(good, _CHUNK)):
                # Once a row is invalid, the rest is read only to name all that are.
                if upload.skip_invalid or not reading.invalid:
                    database.run(imports.stage, import_id, chunk)
                tell(Progress(rows=reading.rows, octets=file.octets, size=size))
        read = _read(upload, reading, file.recognised.notices)
        if reading.invalid and not upload.skip_invalid:
            raise _bad_rows(read)
        tell(Progress(rows=reading.rows, octets=size, size=size, merging=True))
        report, made = database.run(_merge, actor, upload, import_id, read, then)
    except BaseException:
        with contextlib.suppress(Unreachable):  # then a later import clears it away
            database.run(imports.discard, import_id)
        raise
    if report.done and report.imported >= _MANY:
        with contextlib.suppress(Unreachable):  # the import is done, whatever happens now
            database.run(imports.refresh_statistics)
    return report, made


def _check(upload: Upload) -> None:
    check_name("list", upload.list)
    lists.check_batch(upload.batch)
    if upload.email is not None:
        check_email(upload.email)
    errors, file = upload.errors, upload.file
    if errors and errors.exists() and file.exists() and errors.samefile(file):
        raise Refused(f"{errors} is the file to import; write the errors to another")


def _prepare(tx: Tx, actor: Actor, upload: Upload) -> PrefixMaps:
    """Find out before the file is read whether it can be imported at all."""
    application = application_of(tx, actor)
    if stored.find(tx, application.id, upload.list.strip()) is None and not upload.create:
        try:
            lists.get(tx, application.id, upload.list)
        except Refused as error:
            raise Refused(f"{error}; --create makes it") from None
    imports.discard_stale(tx)
    return prefixes.maps_of(tx, application.id)


def _read(upload: Upload, reading: Reading, notices: tuple[str, ...]) -> ImportReport:
    """What is known when the file has been read, before its numbers are compared."""
    return ImportReport(
        list=upload.list.strip(),
        dry_run=upload.dry_run,
        rows=reading.rows,
        invalid=reading.invalid,
        prefix_mapped=reading.mapped,
        doubtful=reading.doubtful,
        invalid_rows=tuple(reading.invalid_rows),
        doubtful_rows=tuple(reading.doubtful_rows),
        notices=notices,
    )


def _bad_rows(report: ImportReport) -> BadRows:
    first = report.invalid_rows[0]
    which = "1 row is" if report.invalid == 1 else f"{report.invalid:,} rows are"
    return BadRows(
        f"nothing was imported: {which} invalid, the first is line {first.line}: "
        f"{first.value!a}: {first.reason}; correct the file or use --on-error skip",
        report,
    )


def _merge(
    tx: Tx,
    actor: Actor,
    upload: Upload,
    import_id: uuid.UUID,
    read: ImportReport,
    then: Callable[[Tx, int, ImportReport], T],
) -> tuple[ImportReport, T | None]:
    """The one transaction that changes the list, or, in a dry run, only looks."""
    application = application_of(tx, actor)
    target, created = _target(tx, application.id, actor, upload)
    fates = imports.sort_out(
        tx,
        import_id,
        application_id=application.id,
        list_id=target.id if target else None,
        keep_opted_out=upload.keep_opted_out,
    )
    report = replace(
        read,
        created=created,
        imported=fates[Fate.NEW],
        already_there=fates[Fate.THERE],
        opted_out=fates[Fate.OPTED_OUT],
        deleted=fates[Fate.DELETED],
        duplicates=read.rows - read.invalid - sum(fates.values()),
    )
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
    return report, then(tx, target.id, report)


def _counts(report: ImportReport) -> dict[str, int]:
    """What the log holds of an import: numbers, not numbers of people."""
    counted = {key: getattr(report, key) for key in ImportReport.__dataclass_fields__}
    return {key: value for key, value in counted.items() if type(value) is int and value}


def _target(tx: Tx, application_id: int, actor: Actor, upload: Upload) -> tuple[List | None, bool]:
    """The list, locked, and whether it was made (or would be) for this import."""
    if stored.find(tx, application_id, upload.list.strip()) is None and upload.create:
        if upload.dry_run:
            return None, True
        made = lists.create(tx, actor, upload.list, batch=upload.batch, email=upload.email)
        return made, True
    target = lists.get_locked(tx, application_id, upload.list)
    batch = lists.check_batch(upload.batch) or target.batch
    email = check_email(upload.email) if upload.email else target.email
    changed = replace(target, batch=batch, email=email)
    if changed != target and not upload.dry_run:
        stored.describe(tx, target.id, batch=batch, email=email)
        audit.record(
            tx,
            application_id=application_id,
            by=actor.by,
            action="list.edit",
            object=target.name,
            before=lists.facts(target),
            after=lists.facts(changed),
        )
    return changed, False
