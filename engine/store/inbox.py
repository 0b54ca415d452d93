"""MO that come in: each stored once, long ones put together, tied to what they answer (R-5.9, R-5.10).

A batch is a handful of statements, whatever its size: locks in sorted order, what was seen, what
waits, the new rows. The rules of parts are `engine.domain.parts`.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from engine.domain import parts
from engine.domain.parts import Fit, Group, Part, Piece
from engine.store.arrays import ints
from engine.store.db import Tx

# An MO that comes again within this time may be a redelivery.
REDELIVERY_MINUTES = 15

# A part that comes again, answered and on a session that stands, begins a message of its own. When
# the time of that is over, and a whole message of the last hour has its text, it was a duplicate.
REPEATED = timedelta(hours=1)


class Mo(NamedTuple):
    """One MO as it came. `digest` is of what makes two of them the same (R-5.10)."""

    carrier_id: int
    session_id: int
    mobile: str
    destination: str
    piece: Piece
    digest: bytes
    part: Part | None = None


class Seen(NamedTuple):
    """What to name when our answer to an MO has been written."""

    carrier_id: int
    digest: bytes
    id: int


@dataclass(slots=True)
class Taken:
    """What became of a batch."""

    seen: list[Seen] = field(default_factory=list)
    stored: list[int] = field(default_factory=list)
    """New rows of the inbox."""
    redelivered: int = 0
    waiting: int = 0
    """Parts that wait for others."""
    duplicates: int = 0
    """Parts that were there already."""


class _Row(NamedTuple):
    """A row of the inbox, before it has an id."""

    carrier_id: int
    mobile: str
    destination: str
    content: str
    data_coding: int
    parts: int = 1
    parts_of: int = 1


def mark_answered(tx: Tx, seen: Sequence[Seen]) -> None:
    """Notes that our answer to these MO has been written: the same again is a new one."""
    if seen:
        tx.execute(
            # mo_seen_pkey
            """
            UPDATE mo_seen SET answered = true
             WHERE carrier_id = ANY (%s::smallint[]) AND digest = ANY (%s::bytea[])
               AND id = ANY (%s::bigint[])
            """,
            (
                ints({one.carrier_id for one in seen}),
                [one.digest for one in seen],
                ints(one.id for one in seen),
            ),
        )


def store(tx: Tx, batch: Sequence[Mo], now: datetime) -> Taken:
    """Stores each MO of a batch but redeliveries; a long one as soon as all of it is there.

    A redelivery came within 15 minutes on a session that has fallen since, or before our answer to
    the first was written (R-5.10). Anything else is a second message, however alike.
    """
    taken = Taken()
    # The same MO may be read by two nodes at once, and parts of a message by two binds: the locks
    # make one wait for the other's commit.
    _lock(tx, batch)
    known = _known(tx, batch, now)
    fresh: list[Mo] = []
    for mo in batch:
        key = (mo.carrier_id, mo.digest)
        if key in known:
            taken.redelivered += 1
        else:
            known.add(key)  # twice in a batch: the second came before our answer to the first
            fresh.append(mo)
    rows: dict[int, _Row] = {}
    split: dict[int, Mo] = {}
    for at, mo in enumerate(fresh):
        if mo.part is None or not mo.part.possible:
            rows[at] = _alone(mo)
        else:
            split[at] = mo
    if split:
        rows |= _join(tx, split, now, taken)
    if fresh:
        taken.seen = _see(tx, fresh, now)
    if rows:  # a long one has its place where it became whole
        taken.stored = _insert(tx, [rows[at] for at in sorted(rows)], now)
    return taken


def overdue(tx: Tx, now: datetime, limit: int = 200) -> list[int]:
    """Long MO whose other parts don't come any more are stored as far as they came; the new ids."""
    before = now - timedelta(seconds=parts.TIMEOUT_S)
    keys = tx.execute(
        # mo_part_at
        """
        SELECT DISTINCT carrier_id, mobile, destination, reference FROM mo_part WHERE at <= %s
         ORDER BY 1, 2, 3, 4 LIMIT %s
        """,
        (before, limit),
    ).fetchall()
    if not keys:
        return []
    _lock_keys(tx, {_number(*key) for key in keys})
    late = [one for one in _open(tx, keys) if one.newest <= before]
    rows: list[_Row] = []
    for one in late:
        row = one.row()
        if not _is_repeated(tx, row, one, now):
            rows.append(row)
    _forget(tx, [one.id for one in late])
    return _insert(tx, rows, now) if rows else []


# ---------------------------------------------------------------- once


def _lock(tx: Tx, batch: Iterable[Mo]) -> None:
    keys = {_number(mo.carrier_id, mo.digest) for mo in batch}
    keys |= {
        _number(mo.carrier_id, mo.mobile, mo.destination, mo.part.reference)
        for mo in batch
        if mo.part is not None
    }
    _lock_keys(tx, keys)


def _lock_keys(tx: Tx, keys: Iterable[int]) -> None:
    tx.execute(
        "SELECT pg_advisory_xact_lock(k) FROM unnest(%s::bigint[]) AS k", (ints(sorted(keys)),)
    )


def _number(*words: object) -> int:
    """A lock's number."""
    octets = hashlib.blake2b(repr(words).encode(), digest_size=8).digest()
    return int.from_bytes(octets, "big", signed=True)


def _known(tx: Tx, batch: Sequence[Mo], now: datetime) -> set[tuple[int, bytes]]:
    """Which of these have come before, so that they are redeliveries."""
    rows = tx.execute(
        # mo_seen_pkey, session_pkey
        """
        SELECT m.carrier_id, m.digest
          FROM mo_seen m
          LEFT JOIN session s ON s.id = m.session_id
         WHERE m.carrier_id = ANY (%s::smallint[]) AND m.digest = ANY (%s::bytea[])
           AND m.at > %s - make_interval(mins => %s)
           AND (NOT m.answered OR s.closed_at IS NOT NULL OR s.id IS NULL)
        """,
        (
            ints({mo.carrier_id for mo in batch}),
            [mo.digest for mo in batch],
            now,
            REDELIVERY_MINUTES,
        ),
    )
    return {(carrier_id, bytes(digest)) for carrier_id, digest in rows}


def _see(tx: Tx, fresh: Sequence[Mo], now: datetime) -> list[Seen]:
    rows = tx.execute(
        """
        INSERT INTO mo_seen (carrier_id, digest, session_id, at)
        SELECT c, d, s, %s
          FROM unnest(%s::smallint[], %s::bytea[], %s::bigint[]) AS r (c, d, s)
        RETURNING carrier_id, digest, id
        """,
        (
            now,
            ints(mo.carrier_id for mo in fresh),
            [mo.digest for mo in fresh],
            ints(mo.session_id for mo in fresh),
        ),
    )
    return [Seen(carrier_id, bytes(digest), number) for carrier_id, digest, number in rows]


# ---------------------------------------------------------------- in parts

_Key = tuple[int, str, str, int]
"""carrier, mobile, destination, reference"""


@dataclass(slots=True)
class _Message:
    """A long MO of which parts are there; `new` are those that have no row yet."""

    id: int
    key: _Key
    total: int
    newest: datetime
    pieces: dict[int, Piece] = field(default_factory=dict)
    new: set[int] = field(default_factory=set)

    @property
    def group(self) -> Group:
        octets = {number: piece.octets for number, piece in self.pieces.items()}
        return Group(self.id, self.total, octets)

    def row(self) -> _Row:
        """What of it there is, as a row of the inbox."""
        carrier_id, mobile, destination, _ = self.key
        first = self.pieces[min(self.pieces)]
        return _Row(
            carrier_id,
            mobile,
            destination,
            parts.text(self.pieces, self.total),
            first.data_coding,
            len(self.pieces),
            self.total,
        )


def _alone(mo: Mo) -> _Row:
    """An MO that is whole; one that says it is a part that there can't be stands alone, marked."""
    total = 1 if mo.part is None else max(mo.part.total, 1)
    content = parts.text({1: mo.piece}, 1)
    return _Row(mo.carrier_id, mo.mobile, mo.destination, content, mo.piece.data_coding, 1, total)


def _join(tx: Tx, split: Mapping[int, Mo], now: datetime, taken: Taken) -> dict[int, _Row]:
    """Puts parts to those that wait; answers the messages that are whole now, by their last part."""
    messages: defaultdict[_Key, list[_Message]] = defaultdict(list)
    keys = {_key(mo) for mo in split.values()}
    for one in _open(tx, sorted(keys)):
        messages[one.key].append(one)
    # Newest first; what is new in this batch is -1, -2, … until it turns out that it has to wait.
    made = 0
    whole: dict[int, _Message] = {}
    for at, mo in split.items():
        assert mo.part is not None
        open_ = messages[_key(mo)]
        where = parts.place([one.group for one in open_], mo.part, mo.piece.octets)
        if where is Fit.DUPLICATE:
            taken.duplicates += 1
            continue
        if isinstance(where, Fit):
            made += 1
            message = _Message(-made, _key(mo), mo.part.total, now)
            open_.insert(0, message)
        else:
            message = next(one for one in open_ if one.id == where)
        message.pieces[mo.part.number] = mo.piece
        message.new.add(mo.part.number)
        message.newest = now
        if len(message.pieces) == message.total:
            whole[at] = message
            open_.remove(message)
    waiting = [one for ones in messages.values() for one in ones if one.new]
    _forget(tx, [one.id for one in whole.values() if one.id > 0])
    _wait(tx, waiting, now)
    taken.waiting += sum(len(one.new) for one in waiting)
    return {at: one.row() for at, one in whole.items()}


def _key(mo: Mo) -> _Key:
    assert mo.part is not None
    return mo.carrier_id, mo.mobile, mo.destination, mo.part.reference


def _open(tx: Tx, keys: Sequence[Sequence[Any]]) -> list[_Message]:
    """The messages with these keys that wait for parts, newest first."""
    rows = tx.execute(
        # mo_part_key
        """
        SELECT p.group_id, p.part, p.total, p.carrier_id, p.mobile, p.destination, p.reference,
               p.octets, p.data_coding, p.alphabet, p.shift, p.at
          FROM mo_part p
         WHERE p.mobile = ANY (%s::text[]) AND p.destination = ANY (%s::text[])
           AND p.reference = ANY (%s::int[])
         ORDER BY p.group_id DESC, p.part
        """,
        (
            sorted({key[1] for key in keys}),
            sorted({key[2] for key in keys}),
            ints(sorted({key[3] for key in keys})),
        ),
    )
    wanted = {tuple(key) for key in keys}
    messages: dict[int, _Message] = {}
    for group_id, part, total, carrier_id, mobile, destination, reference, *rest in rows:
        key = (carrier_id, mobile, destination, reference)
        if key not in wanted:
            continue
        octets, data_coding, default, shift, at = rest
        message = messages.setdefault(group_id, _Message(group_id, key, total, at))
        message.pieces[part] = Piece(bytes(octets), data_coding, default, bytes(shift))
        message.newest = max(message.newest, at)
    return list(messages.values())


def _wait(tx: Tx, messages: Sequence[_Message], now: datetime) -> None:
    """Keeps the new parts of messages that are not whole."""
    if not messages:
        return
    fresh = sorted((one for one in messages if one.id < 0), key=lambda one: -one.id)
    numbers = tx.execute(
        "SELECT nextval('mo_group') FROM generate_series(1, %s)", (len(fresh),)
    ).fetchall()
    for one, (number,) in zip(fresh, numbers, strict=True):
        one.id = number
    rows = [
        (one.id, number, one.total, *one.key, *one.pieces[number])
        for one in messages
        for number in sorted(one.new)
    ]
    columns = [list(column) for column in zip(*rows, strict=True)]
    tx.execute(
        """
        INSERT INTO mo_part (group_id, part, total, carrier_id, mobile, destination, reference,
                             octets, data_coding, alphabet, shift, at)
        SELECT r.*, %s
          FROM unnest(%s::bigint[], %s::smallint[], %s::smallint[], %s::smallint[], %s::text[],
                      %s::text[], %s::int[], %s::bytea[], %s::smallint[], %s::text[],
                      %s::bytea[]) AS r
        """,
        (now, *columns),
    )


def _forget(tx: Tx, ids: Sequence[int]) -> None:
    if ids:
        tx.execute("DELETE FROM mo_part WHERE group_id = ANY (%s::bigint[])", (ints(ids),))


def _is_repeated(tx: Tx, row: _Row, message: _Message, now: datetime) -> bool:
    """Whether all of its parts are in a whole message that came shortly before."""
    found = tx.execute(
        # inbox_YYYYMMDD_mobile_id_idx, the days before yesterday pruned
        """
        SELECT content FROM inbox
         WHERE mobile = %s AND destination = %s AND parts = %s AND parts_of = %s
           AND received_at > %s AND id >= first_id(day_of(%s) - 1)
        """,
        (row.mobile, row.destination, row.parts_of, row.parts_of, message.newest - REPEATED, now),
    ).fetchall()
    texts = [parts.text({1: piece}, 1) for piece in message.pieces.values()]
    return any(all(text in content for text in texts) for (content,) in found)


# ---------------------------------------------------------------- rows


def _insert(tx: Tx, rows: Sequence[_Row], now: datetime) -> list[int]:
    """New rows of the inbox, each tied to the latest message of a campaign that it can answer; ids.

    To one of no campaign only when there is none of any: an auto-response does not come between a
    campaign and its answers (R-6.2).
    """
    columns = [list(column) for column in zip(*rows, strict=True)]
    found = tx.execute(
        # message_YYYYMMDD_mobile_id_idx, newest partition first; sender_one_owner
        """
        INSERT INTO inbox (id, application_id, carrier_id, mobile, destination, received_at,
                           content, data_coding, parts, parts_of, message_id, campaign_id,
                           list_id, params)
        SELECT next_id(), coalesce(a.application_id, b.application_id, s.application_id),
               r.carrier_id, r.mobile, r.destination, %(now)s, r.content, r.data_coding, r.parts,
               r.parts_of, coalesce(a.id, b.id), a.campaign_id, a.list_id, a.params
          FROM unnest(%(carriers)s::smallint[], %(mobiles)s::text[], %(destinations)s::text[],
                      %(contents)s::text[], %(codings)s::smallint[], %(parts)s::smallint[],
                      %(totals)s::smallint[])
               WITH ORDINALITY AS r (carrier_id, mobile, destination, content, data_coding, parts,
                                     parts_of, n)
          LEFT JOIN sender s ON s.address = r.destination AND s.dedicated
          LEFT JOIN LATERAL (
                SELECT m.id, m.application_id, m.campaign_id, c.list_id, m.params
                  FROM message m
                  LEFT JOIN campaign c ON c.id = m.campaign_id
                 WHERE m.mobile = r.mobile AND m.sender = r.destination AND m.attempt > 0
                   AND m.campaign_id IS NOT NULL
                 ORDER BY m.id DESC
                 LIMIT 1) a ON true
          LEFT JOIN LATERAL (
                SELECT m.id, m.application_id
                  FROM message m
                 WHERE a.id IS NULL
                   AND m.mobile = r.mobile AND m.sender = r.destination AND m.attempt > 0
                 ORDER BY m.id DESC
                 LIMIT 1) b ON true
         ORDER BY r.n
        RETURNING id
        """,
        dict(
            zip(
                ("carriers", "mobiles", "destinations", "contents", "codings", "parts", "totals"),
                columns,
                strict=True,
            ),
            now=now,
        ),
    )
    return [int(inbox_id) for (inbox_id,) in found]
